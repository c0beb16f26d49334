"""Imports as their users see them: uploaded, reviewed, changed, applied, undone and deleted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from application.import_runner import RunImport
from domain.ids import ImportId, MovieId, MovieRef, NewId, UserId
from domain.imports.deciding import Prefer
from domain.imports.imports import (
    MAX_NAME_LENGTH,
    Import,
    ImportRow,
    ImportState,
    NoSuchRows,
)
from domain.imports.rows import RowClass, SourceFormat
from domain.imports.scales import known_scale
from domain.movies import Movie, MovieNotFound
from domain.pagination import Page, Window, page_of
from domain.ports import Clock, ImportRepository, JobQueue, MovieRepository, QueueUnavailable

MAX_DIRECT_ROWS = 1000
"""Rows of an import that is decided again at once; larger ones are by a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportView:
    """An import with the rows that are shown as examples, and their films by id."""

    imported: Import
    examples: tuple[ImportRow, ...]
    movies: Mapping[MovieId, Movie]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRows:
    """A page of an import's rows, with their films and candidates by id."""

    imported: Import
    page: Page[ImportRow]
    movies: Mapping[MovieId, Movie]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportViews:
    """Reads what is shown with an import."""

    imports: ImportRepository
    movies: MovieRepository

    def __call__(self, imported: Import) -> ImportView:
        """The import with its examples."""
        examples = tuple(self.imports.rows_of(imported.id, imported.examples))
        return ImportView(imported=imported, examples=examples, movies=_movies(self.movies, examples))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreImport:
    """Store an upload as a new import. Nothing reads it yet."""

    imports: ImportRepository
    clock: Clock
    new_id: NewId

    def __call__(
        self, *, user: UserId, name: str, wanted: SourceFormat | None, upload: Iterable[bytes]
    ) -> Import:
        """`upload` comes in pieces of at most `UPLOAD_PIECE` bytes. Raises TooManyImports."""
        now = self.clock()
        shown = "".join(each for each in name if each.isprintable())[-MAX_NAME_LENGTH:].strip()
        imported = Import(
            id=ImportId(self.new_id()),
            user=user,
            name=shown or "file",
            wanted=wanted,
            created_at=now,
            updated_at=now,
        )
        self.imports.add(imported, upload)
        return imported


@dataclass(frozen=True, slots=True, kw_only=True)
class StartImport:
    """Store an upload, and have a worker read and match it."""

    store: StoreImport
    jobs: JobQueue

    def __call__(
        self, *, user: UserId, name: str, wanted: SourceFormat | None, upload: Iterable[bytes]
    ) -> Import:
        """Raises TooManyImports, and QueueUnavailable, after which the import is deleted."""
        imported = self.store(user=user, name=name, wanted=wanted, upload=upload)
        try:
            self.jobs.run_import(imported.id, imported.revision)
        except QueueUnavailable:
            self.store.imports.remove(imported.id, user)
            raise
        return imported


@dataclass(frozen=True, slots=True, kw_only=True)
class ListImports:
    """Show a user's imports, the newest first."""

    imports: ImportRepository
    views: ImportViews

    def __call__(self, *, user: UserId, window: Window) -> Page[ImportView]:
        """One page of imports."""
        found = self.imports.of_user(user, limit=window.fetch_size, skip=window.skip, after=window.cursor)
        page = page_of(found, window, self.imports.count(user))
        views = tuple(map(self.views, page.rows))
        return Page(views, more=page.more, total=page.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetImport:
    """Show one import."""

    imports: ImportRepository
    views: ImportViews

    def __call__(self, *, imported: ImportId, user: UserId) -> ImportView:
        """Raises ImportNotFound."""
        return self.views(self.imports.get(imported, user))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListImportRows:
    """Show the rows of an import in their order, all or those of one class."""

    imports: ImportRepository
    movies: MovieRepository

    def __call__(
        self, *, imported: ImportId, user: UserId, row_class: RowClass | None, window: Window
    ) -> ImportRows:
        """Raises ImportNotFound."""
        found = self.imports.get(imported, user)
        rows = self.imports.rows(
            imported, row_class, limit=window.fetch_size, skip=window.skip, after=window.cursor
        )
        total = found.counts.get(row_class, 0) if row_class else max(found.rows, found.total)
        page = page_of(rows, window, total)
        return ImportRows(imported=found, page=page, movies=_movies(self.movies, page.rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeImport:
    """Decide again about an import that is ready, by other columns, scale, preference or films."""

    imports: ImportRepository
    movies: MovieRepository
    jobs: JobQueue
    run: RunImport
    views: ImportViews
    clock: Clock

    def __call__(
        self,
        *,
        imported: ImportId,
        user: UserId,
        scale: int | None = None,
        columns: Mapping[str, str] | None = None,
        prefer: Prefer | None = None,
        choices: Mapping[int, MovieRef | None] | None = None,
    ) -> ImportView:
        """The import, ready again if it is small, else in the hands of a worker. A choice of None takes the
        film from a row.

        Raises ImportNotFound, ImportNotReady, ImportChanged, UnknownScale, NoSuchRows, QueueUnavailable.
        """
        found = self.imports.get(imported, user)
        found.require(ImportState.READY)
        rows = self._chosen(imported, choices or {})
        following = found.next(
            self.clock(),
            state=ImportState.READING if columns is not None else ImportState.MATCHING,
            columns=found.columns if columns is None else dict(columns),
            scale=found.scale if scale is None else known_scale(scale),
            scale_chosen=found.scale_chosen or scale is not None,
            prefer=prefer or found.prefer,
            done=0 if columns is not None else found.total,
        )
        if found.total > MAX_DIRECT_ROWS or columns is not None:
            return self.views(_enqueued(self.imports, self.jobs, found, following, rows))
        self.imports.save(following, rows)
        self.run(imported=imported)
        return self.views(self.imports.get(imported, user))

    def _chosen(self, imported: ImportId, choices: Mapping[int, MovieRef | None]) -> list[ImportRow]:
        """The rows with the films that were chosen for them. Raises NoSuchRows."""
        rows = {row.number: row for row in self.imports.rows_of(imported, choices)}
        found, faults = list[ImportRow](), list[int]()
        for number, ref in choices.items():
            row = rows.get(number)
            try:
                movie = self.movies.get(ref).id if ref else None
            except MovieNotFound:
                row = None
            if row is None or row.row.refused:
                faults.append(number)
            else:
                found.append(replace(row, movie=movie, chosen=True, row_class=None, reason=None))
        if faults:
            raise NoSuchRows(tuple(faults))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyImport:
    """Have a worker apply an import. One that is applied already goes on, if its worker has died."""

    imports: ImportRepository
    jobs: JobQueue
    views: ImportViews
    clock: Clock

    def __call__(self, *, imported: ImportId, user: UserId) -> ImportView:
        """Raises ImportNotFound, ImportNotReady, ImportChanged, QueueUnavailable."""
        found = self.imports.get(imported, user)
        found.require(ImportState.READY, ImportState.APPLYING)
        following = applying(found, self.clock) if found.state is ImportState.READY else found
        return self.views(_enqueued(self.imports, self.jobs, found, following))


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoImport:
    """Have a worker undo an import, also one that is being applied."""

    imports: ImportRepository
    jobs: JobQueue
    views: ImportViews
    clock: Clock

    def __call__(self, *, imported: ImportId, user: UserId) -> ImportView:
        """Raises ImportNotFound, ImportNotReady, ImportChanged, QueueUnavailable."""
        found = self.imports.get(imported, user)
        found.require(ImportState.DONE, ImportState.APPLYING)
        following = found if found.undoing else undoing(found, self.clock)
        return self.views(_enqueued(self.imports, self.jobs, found, following))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImport:
    """Delete an import. What it did stays, and can no longer be undone."""

    imports: ImportRepository

    def __call__(self, *, imported: ImportId, user: UserId) -> None:
        """Raises ImportNotFound, and ImportNotReady while it is applied."""
        self.imports.remove(imported, user)


def applying(imported: Import, clock: Clock) -> Import:
    """The import when it is to be applied."""
    return imported.next(clock(), state=ImportState.APPLYING, done=0, total=0)


def undoing(imported: Import, clock: Clock) -> Import:
    """The import when it is to be undone."""
    return imported.next(clock(), state=ImportState.APPLYING, undoing=True, done=0)


def _enqueued(
    imports: ImportRepository,
    jobs: JobQueue,
    found: Import,
    following: Import,
    rows: Sequence[ImportRow] = (),
) -> Import:
    """Store and enqueue a step. If it cannot be enqueued the import is what it was before."""
    if following != found:
        imports.save(following, rows)
    try:
        jobs.run_import(following.id, following.revision)
    except QueueUnavailable:
        if following != found:
            imports.save(replace(found, revision=following.revision + 1))
        raise
    return following


def _movies(movies: MovieRepository, rows: Iterable[ImportRow]) -> dict[MovieId, Movie]:
    """The films of rows, and those that may be meant, by id."""
    ids = {movie for row in rows for movie in (row.movie, *row.candidates) if movie}
    return {movie.id: movie for movie in movies.by_ids(sorted(ids))}
