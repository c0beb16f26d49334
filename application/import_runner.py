"""Runs imports step by step: reading, matching, deciding, applying and undoing.

Each step stores its results together with the import's next revision. So a step that was killed is repeated,
and of two processes that work on one import one ends at its next step.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from tempfile import TemporaryFile
from typing import BinaryIO, TypeVar, cast

from application.import_matching import MatchRows
from domain.ids import ImportId, MovieId
from domain.imports.deciding import Decider, Verdict
from domain.imports.holdings import Effect, Holding, Holdings, undone
from domain.imports.imports import MAX_EXAMPLES, Import, ImportChanged, ImportNotFound, ImportRow, ImportState
from domain.imports.planning import FilmPlan, plans, rates_a_film, says_something
from domain.imports.rows import MAX_ROWS_OF_A_FILM, Reason, RowClass
from domain.imports.scales import UnreadableRating, guessed_scale, largest_meant
from domain.imports.uploads import Refusal, UploadRefused
from domain.pagination import Cursor
from domain.ports import (
    CacheInvalidation,
    Clock,
    ImportRepository,
    MovieRepository,
    MovieSource,
    UploadReader,
)
from domain.ports.imports import APPLY_BATCH, Application
from domain.users import UserNotFound

T = TypeVar("T")

ROWS_AT_ONCE = 500
"""Rows that are read or stored in one step."""

MATCHED_AT_ONCE = 250
"""Rows that are matched in one step: as many as need not be matched again after an interruption."""

ROWS_IN_MEMORY = 1000
"""Rows of the films of one step, beyond which it has fewer films: with their texts they may be large."""

EXCESS: Verdict = (RowClass.NO_PLACE, Reason.TOO_MANY_OF_FILM)
"""The verdict about rows beyond those of a film that are planned."""

GONE: Verdict = (RowClass.UNMATCHED, Reason.NOT_FOUND)
"""The verdict about rows whose film is not held."""

ProgressCallback = Callable[[Import], None]
"""Called with an import whenever it has changed."""


def no_progress(imported: Import) -> None:
    """A callback that does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImport:
    """Do what an import waits for: read and match it, apply it, or undo it."""

    imports: ImportRepository
    movies: MovieRepository
    source: MovieSource
    reader: UploadReader
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(self, *, imported: ImportId, on_progress: ProgressCallback = no_progress) -> Import | None:
        """The import when it waits for the user; None if it was deleted, or if another process works on it.

        Rows are stored as they are read, so an import that was interrupted goes on where it was.
        """
        try:
            found = self.imports.find(imported)
            return _Run(self, found, on_progress)()
        except (ImportChanged, ImportNotFound, UserNotFound):
            return None


class _Run:
    """One run of an import."""

    def __init__(self, ports: RunImport, imported: Import, on_progress: ProgressCallback) -> None:
        self.ports = ports
        self.imported = imported
        self.on_progress = on_progress

    def __call__(self) -> Import:
        if self.imported.state is ImportState.READING:
            self._read()
        if self.imported.state is ImportState.MATCHING:
            self._match()
            self._decide()
        if self.imported.state is ImportState.APPLYING:
            self._undo() if self.imported.undoing else self._apply()
        return self.imported

    def _save(self, rows: Sequence[ImportRow] = (), *, restart: bool = False, **changes: object) -> None:
        following = self.imported.next(self.ports.clock(), **changes)
        self.ports.imports.save(following, rows, restart=restart)
        self._progress(following)

    def _progress(self, following: Import) -> None:
        self.imported = following
        self.on_progress(following)

    # Reading

    def _read(self) -> None:
        """Store the rows of the upload, from the first on, and the format and scale."""
        self._save(restart=True, done=0, total=0, counts={})
        with TemporaryFile() as upload:
            for piece in self.ports.imports.upload(self.imported.id):
                upload.write(piece)
            try:
                self._store_rows(cast("BinaryIO", upload))
            except UploadRefused as refused:
                self._save(state=ImportState.FAILED, error=refused.refusal)

    def _store_rows(self, upload: BinaryIO) -> None:
        reading = self.ports.reader(upload, self.imported.name, self.imported.wanted, self.imported.columns)
        number, examples = 0, list[int]()
        largest: Decimal | None = None
        for part in _parts(reading.rows(), ROWS_AT_ONCE):
            rows = [ImportRow(number=number + at, row=row) for at, row in enumerate(part, 1)]
            for each in rows:
                rated = _number(each)
                largest = max(filter(None, (largest, rated)), default=None)
                if rated and len(examples) < MAX_EXAMPLES:
                    examples.append(each.number)
            number += len(rows)
            self._save(rows, done=number)
        if not number:
            raise UploadRefused(Refusal.EMPTY)
        scale = self.imported.scale if self.imported.scale_chosen else None
        self._save(
            state=ImportState.MATCHING,
            format=reading.format,
            scale=scale or reading.scale or guessed_scale(largest),
            columns_found=dict(reading.columns_found),
            headers=tuple(reading.headers),
            examples=tuple(examples) or tuple(range(1, min(number, MAX_EXAMPLES) + 1)),
            done=0,
            total=number,
        )

    # Matching

    def _match(self) -> None:
        """Find the films of all rows, from the first that has none yet."""
        match = MatchRows(
            movies=self.ports.movies,
            source=self.ports.source,
            invalidation=self.ports.invalidation,
            clock=self.ports.clock,
        )
        done = self.imported.done
        while rows := self.ports.imports.rows(self.imported.id, limit=MATCHED_AT_ONCE, after=_after(done)):
            done = rows[-1].number
            self._save(match(rows=rows), done=done)

    # Deciding

    def _decide(self) -> None:
        """Give each row a class, by what the user has at present. Nothing else is written."""
        counts, waiting, scale = Counter[RowClass](), list[ImportRow](), self._scale

        def store(before: ImportRow, decided: ImportRow) -> None:
            counts[decided.row_class or RowClass.UNMATCHED] += 1
            if decided != before:
                waiting.append(decided)
            if len(waiting) >= ROWS_AT_ONCE:
                self._save(waiting)
                waiting.clear()

        films = _Films(scale)
        for each in self._rows():
            if films.full(each):
                store(each, each.decided(*EXCESS))
            elif not films.add(each):
                store(each, _decided(each, scale))
        decide = self._decider(Holdings(films={}, listed=0, seen=0, hidden=0))
        for movies in films.steps(sorted(films.rows)):
            rows = {each.number: each for each in self._rows_about(films, movies)}
            present = self.ports.imports.holdings(self.imported.user, movies)
            decide.listed = max(decide.listed, present.listed)
            decide.seen = max(decide.seen, present.seen)
            decide.hidden = max(decide.hidden, present.hidden)
            for movie, plan in films.plans(rows.values()).items():
                held = present.films.get(movie)
                verdicts = decide(movie, plan, held).verdicts if held else dict.fromkeys(plan.rows, GONE)
                for number, verdict in sorted(verdicts.items()):
                    row = rows[number]
                    store(row, row.decided(*verdict, plan.remarks.get(number, ())))
        self._save(waiting, state=ImportState.READY, counts=dict(counts))

    @property
    def _scale(self) -> int:
        return self.imported.scale or 10

    def _rows(self) -> Iterator[ImportRow]:
        """All rows, page by page: with their texts they may be large."""
        number = 0
        while part := self.ports.imports.rows(self.imported.id, limit=ROWS_AT_ONCE, after=_after(number)):
            yield from part
            number = part[-1].number

    def _rows_about(self, films: "_Films", movies: Iterable[MovieId]) -> list[ImportRow]:
        """All rows about some films."""
        numbers = [number for movie in movies for number in films.rows[movie]]
        return self.ports.imports.rows_of(self.imported.id, numbers)

    def _decider(self, present: Holdings) -> Decider:
        return Decider(
            user=self.imported.user,
            prefer=self.imported.prefer,
            now=self.ports.clock(),
            entry_id=self.imported.entry_id,
            listed=present.listed,
            seen=present.seen,
            hidden=present.hidden,
        )

    # Applying

    def _apply(self) -> None:
        """Change what the user has, film by film in the order of their ids, from the first not done yet."""
        films = _Films(self._scale)
        for each in self._rows():
            if not films.full(each):
                films.add(each)
        movies = sorted(films.rows)
        if self.imported.total != len(movies):
            self._save(total=len(movies), done=0)
        for part in films.steps(movies[self.imported.done :]):
            rows = {each.number: each for each in self._rows_about(films, part)}
            plan_of = films.plans(rows.values())

            def change(
                present: Holdings,
                plan_of: Mapping[MovieId, FilmPlan] = plan_of,
                rows: Mapping[int, ImportRow] = rows,
            ) -> Application:
                return self._application(present, plan_of, rows)

            self._exchange(part, change)
        counts = Counter(each.row_class for each in self._rows() if each.row_class)
        self._save(state=ImportState.DONE, counts=dict(counts))

    def _application(
        self, present: Holdings, plan_of: Mapping[MovieId, FilmPlan], rows: Mapping[int, ImportRow]
    ) -> Application:
        """A step: the films' holdings after it, and the classes of the rows about them."""
        decide = self._decider(present)
        after, stored, effects = dict[MovieId, Holding](), list[ImportRow](), list[Effect]()
        for movie, plan in plan_of.items():
            before = present.films.get(movie)
            if before is None:
                stored += [rows[number].decided(*GONE) for number in sorted(plan.rows)]
                continue
            decision = decide(movie, plan, before)
            if decision.after != before:
                after[movie] = decision.after
                effects.append(Effect(movie=movie, before=before, after=decision.after))
            stored += [
                rows[number].decided(*verdict, plan.remarks.get(number, ()))
                for number, verdict in sorted(decision.verdicts.items())
            ]
        changed = [each for each in stored if each != rows[each.number]]
        following = self.imported.next(self.ports.clock(), done=self.imported.done + len(plan_of))
        return Application(imported=following, rows=changed, after=after, effects=effects)

    def _exchange(self, movies: Sequence[MovieId], change: Callable[[Holdings], Application]) -> None:
        with self.ports.invalidation.movies(movies), self.ports.invalidation.watchlist(self.imported.user):
            application = self.ports.imports.apply(self.imported.user, movies, change)
        self._progress(application.imported)

    # Undoing

    def _undo(self) -> None:
        """Restore what was before, film by film. What the user has changed since stays, and is named."""
        kept = self.imported.not_undone
        while effects := self.ports.imports.effects(self.imported.id, limit=APPLY_BATCH, skip=kept):
            by_film = {each.movie: each for each in effects}

            def change(present: Holdings, by_film: Mapping[MovieId, Effect] = by_film) -> Application:
                return self._undoing(present, by_film)

            self._exchange(list(by_film), change)
            kept = self.imported.not_undone
        self._name_kept()
        self._save(state=ImportState.UNDONE)

    def _undoing(self, present: Holdings, by_film: Mapping[MovieId, Effect]) -> Application:
        after, complete = dict[MovieId, Holding](), set[MovieId]()
        for movie, effect in by_film.items():
            before = present.films.get(movie)
            restored, whole = undone(effect, before) if before else (Holding(), True)
            if before and restored != before:
                after[movie] = restored
            if whole:
                complete.add(movie)
        kept = self.imported.not_undone + len(by_film) - len(complete)
        following = self.imported.next(
            self.ports.clock(), done=self.imported.done + len(by_film), not_undone=kept
        )
        return Application(imported=following, after=after, undone=complete)

    def _name_kept(self) -> None:
        """Mark the rows about films that were changed since."""
        kept = {
            each.movie
            for each in self.ports.imports.effects(self.imported.id, limit=self.imported.not_undone)
        }
        changed = (
            replace(each, reason=Reason.CHANGED_MEANWHILE)
            for each in (self._rows() if kept else ())
            if each.movie in kept and each.row_class in {RowClass.NEW, RowClass.CHANGED}
        )
        for part in _parts(changed, ROWS_AT_ONCE):
            self._save(part)


class _Films:
    """Which rows are about which films: their numbers only, since an import may be large."""

    def __init__(self, scale: int) -> None:
        self.rows = defaultdict[MovieId, list[int]](list)
        self._scale = scale
        self._overall = False

    def full(self, each: ImportRow) -> bool:
        """Whether a row is about a film that has as many rows as are planned together."""
        return each.movie is not None and len(self.rows.get(each.movie, ())) >= MAX_ROWS_OF_A_FILM

    def add(self, each: ImportRow) -> bool:
        """Note a row. False if it says nothing about a film."""
        if not each.movie or each.row.refused or says_something(each.row, self._scale):
            return False
        self.rows[each.movie].append(each.number)
        self._overall |= rates_a_film(each.row)
        return True

    def steps(self, movies: Iterable[MovieId]) -> Iterator[list[MovieId]]:
        """The films in parts that are small enough, also by the number of their rows."""
        part, rows = list[MovieId](), 0
        for movie in movies:
            rows += len(self.rows[movie])
            if part and (len(part) == APPLY_BATCH or rows > ROWS_IN_MEMORY):
                yield part
                part, rows = [], len(self.rows[movie])
            part.append(movie)
        if part:
            yield part

    def plans(self, rows: Iterable[ImportRow]) -> dict[MovieId, FilmPlan]:
        """The plans of films by their ids, from all rows about them."""
        about = [(each.number, each.movie, each.row) for each in rows if each.movie]
        return dict(sorted(plans(about, self._scale, overall=self._overall).items()))


def _decided(each: ImportRow, scale: int) -> ImportRow:
    """A row that says nothing about a film, with the class of reading or of matching."""
    row = each.row
    if row.refused:
        return each.decided(row.refused, row.reason)
    nothing = says_something(row, scale)
    if nothing:
        unreadable = nothing is Reason.UNREADABLE_RATING
        return each.decided(RowClass.UNREADABLE if unreadable else RowClass.NO_PLACE, nothing)
    return each if each.row_class else each.decided(*GONE)


def _number(each: ImportRow) -> Decimal | None:
    """The largest rating that a row about a film tells of; None if it has none that can be read."""
    try:
        return largest_meant(each.row.rating or "") if not each.row.refused else None
    except UnreadableRating:
        return None


def _after(number: int) -> Cursor | None:
    return Cursor(number, f"{number:024x}") if number else None


def _parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part
