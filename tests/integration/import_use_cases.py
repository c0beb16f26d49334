"""The use cases of imports over a store in memory, with a fake source and a fake job queue."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from adapters import system
from adapters.imports.reader import read_upload
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, facts, store_page
from application.import_runner import RunImport
from application.imports import (
    ApplyImport,
    ChangeImport,
    GetImport,
    ImportViews,
    ListImportRows,
    ListImports,
    RemoveImport,
    StartImport,
    StoreImport,
    UndoImport,
)
from domain.ids import ImdbId, ImportId
from domain.imports.imports import Import, ImportRow
from domain.imports.rows import RowClass
from domain.movies import MovieFacts
from domain.ports import QueueUnavailable
from domain.sync import Detail, FetchFailed, MovieGone, SourceName, SourcePage, SourceUnavailable
from domain.users import User
from tests.stores import store_in_memory


def film(number: int, title: str, year: int, **values: Any) -> MovieFacts:
    """The details of a film with an IMDb id."""
    release_date = date(year, 5, 5)
    values = {"imdb_id": f"tt{number:07}", "detailed": True, **values}
    return facts(number, title=title, original_title=title, release_date=release_date, **values)


HEAT, RAN, DUNE = film(1, "Heat", 1995), film(2, "Ran", 1985), film(3, "Dune", 2021)
OLD_DUNE = film(4, "Dune", 1984)


@contextmanager
def store_of_films() -> Iterator[SqliteStore]:
    """A store in memory with these films."""
    store = store_in_memory(system.now)
    store_page(store, HEAT, RAN, DUNE, OLD_DUNE)
    yield store
    store.close()


@dataclass
class FakeSource:
    """A source that returns these films. If `failure` is set, it is raised instead."""

    films: list[MovieFacts] = field(default_factory=list)
    failure: Exception | None = None
    requests: list[object] = field(default_factory=list)
    name: SourceName = SourceName.TMDB

    def search(self, text: str, *, year: int | None = None, page: int = 1) -> SourcePage:
        self._request(text)
        found = [movie for movie in self.films if movie.title == text]
        return SourcePage(total_pages=1, movies=tuple(replace(movie, detailed=False) for movie in found))

    def find(self, imdb_id: ImdbId) -> MovieFacts | None:
        self._request(imdb_id.value)
        return next((movie for movie in self.films if movie.imdb_id == imdb_id.value), None)

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        known = {movie.tmdb_id: movie for movie in self.films}
        for number in tmdb_ids:
            self.requests.append(number)
            if self.failure:
                yield FetchFailed(number, str(self.failure))
            else:
                yield known.get(number) or MovieGone(number)

    def _request(self, subject: object) -> None:
        self.requests.append(subject)
        if self.failure:
            raise self.failure


@dataclass
class FakeJobQueue:
    """A job queue whose jobs a test runs itself."""

    runs: list[ImportId] = field(default_factory=list)
    available: bool = True

    def run_import(self, imported: ImportId, revision: int) -> None:
        if not self.available:
            raise QueueUnavailable("down")
        self.runs.append(imported)

    def waiting(self) -> int:
        return len(self.runs)


class ImportUseCases:
    """The use cases of imports, for one user."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.user: User = add_user(store)
        self.source = FakeSource()
        self.jobs = FakeJobQueue()
        self.run = RunImport(
            imports=store.imports,
            movies=store.movies,
            source=self.source,  # type: ignore[arg-type]
            reader=read_upload,
            invalidation=system.NoCache(),
            clock=system.now,
        )
        store_import = StoreImport(imports=store.imports, clock=system.now, new_id=system.new_id)
        views = ImportViews(imports=store.imports, movies=store.movies)
        ports = {"imports": store.imports, "jobs": self.jobs, "clock": system.now, "views": views}
        self.start = StartImport(store=store_import, jobs=self.jobs)  # type: ignore[arg-type]
        self.apply_import = ApplyImport(**ports)  # type: ignore[arg-type]
        self.undo_import = UndoImport(**ports)  # type: ignore[arg-type]
        self.change = ChangeImport(movies=store.movies, run=self.run, **ports)  # type: ignore[arg-type]
        self.list = ListImports(imports=store.imports, views=views)
        self.get = GetImport(imports=store.imports, views=views)
        self.rows = ListImportRows(imports=store.imports, movies=store.movies)
        self.remove = RemoveImport(imports=store.imports)

    def upload(self, content: str | bytes | Mapping[str, str], name: str = "upload.csv") -> Import:
        """Start an import."""
        data = content.encode() if isinstance(content, str) else content
        if isinstance(data, Mapping):
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as writer:
                for path, text in data.items():
                    writer.writestr(path, text)
            data = archive.getvalue()
        return self.start(user=self.user.id, name=name, wanted=None, upload=[data])

    def upload_and_match(self, content: str | bytes | Mapping[str, str], name: str = "upload.csv") -> Import:
        """Start an import, and run the job that reads and matches it."""
        return self.run_job(self.upload(content, name))

    def run_job(self, imported: Import) -> Import:
        """Run the job of an import."""
        result = self.run(imported=imported.id)
        assert result is not None
        return result

    def apply(self, imported: Import) -> Import:
        """Apply an import, and run its job."""
        return self.run_job(self.apply_import(imported=imported.id, user=self.user.id).imported)

    def undo(self, imported: Import) -> Import:
        """Undo an import, and run its job."""
        return self.run_job(self.undo_import(imported=imported.id, user=self.user.id).imported)

    def all_rows(self, imported: Import, row_class: RowClass | None = None) -> list[ImportRow]:
        """The rows of an import."""
        return self.store.imports.rows(imported.id, row_class, limit=1000)


UNAVAILABLE = SourceUnavailable("TMDB is down")
