"""The use cases of syncs over a store in memory, a fake source and a clock that can be set."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.system import NoCache
from adapters.testkit.locks import ManualClock
from adapters.testkit.samples import facts, fresh_id
from application.discovery import SyncDiscover
from application.sync import CheckSource, SweepCatalogue, SyncChanges, SyncGenres, SyncMovies
from application.sync_runner import SyncRunner, lock_name
from application.sync_runs import CancelSync, RunSync, StartSync
from domain.discovery import DiscoverFilter, Discovery
from domain.ids import ImdbId, ImportId, RunId
from domain.movies import GenreFacts, MovieFacts
from domain.ports import MovieSource, QueueUnavailable
from domain.sync import (
    ChangedIdsPage,
    Detail,
    Entity,
    ExportedIds,
    FetchFailed,
    GenreList,
    SourceName,
    SourcePage,
    SyncRun,
)
from tests.stores import store_in_memory

PAGES = 4

TEXT_RETENTION = timedelta(days=180)


class FakeSource:
    """A source with four pages of five movies. Tests can set functions that it calls before it returns a page
    or the details of a movie, and the numbers of movies whose details it cannot return.
    """

    name = SourceName.TMDB
    max_pages = 500
    changes_window = timedelta(days=14)
    details_version = "1"

    def __init__(self) -> None:
        self.before: Callable[[int], None] = lambda _: None
        self.before_detail: Callable[[int], None] = lambda _: None
        self.requested: list[int] = []
        self.unread: set[int] = set()

    def genres(self) -> GenreList:
        self.before(1)
        return GenreList(genres=(GenreFacts(tmdb_id=18, name="Drama"),))

    def popular(self, page: int) -> SourcePage:
        self.before(page)
        return SourcePage(total_pages=PAGES, movies=tuple(map(facts_of, range(page * 5 - 4, page * 5 + 1))))

    def search(self, text: str, *, year: int | None = None, page: int = 1) -> SourcePage:
        raise NotImplementedError  # no sync searches

    def discover(self, wanted: Discovery, page: int) -> SourcePage:
        return self.popular(page)

    def exported(self, min_popularity: float, day: object) -> ExportedIds:
        return ExportedIds(tmdb_ids=tuple(range(1, PAGES * 5 + 1)))

    def find(self, imdb_id: ImdbId) -> MovieFacts | None:
        raise NotImplementedError

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        for number in tmdb_ids:
            self.before_detail(number)
            self.requested.append(number)
            yield FetchFailed(number, "no answer") if number in self.unread else facts_of(number)

    def changes(self, first: object, last: object, page: int) -> ChangedIdsPage:
        self.before(page)
        return ChangedIdsPage(total_pages=1, tmdb_ids=())

    def ping(self) -> None:
        pass

    def requests(self) -> int:
        return 0

    def close(self) -> None:
        pass


def facts_of(number: int) -> MovieFacts:
    return facts(number, runtime=90, detailed=True, details_version="1", overview=f"What happens in {number}")


class FakeJobQueue:
    """A job queue in memory that a test can empty or make unavailable."""

    def __init__(self) -> None:
        self.runs: list[RunId] = []
        self.unavailable = False

    def sync(self, entity: Entity, run: RunId) -> None:
        self._check()
        self.runs.append(run)

    def run_import(self, imported: ImportId, revision: int) -> None:
        """Ignore jobs of imports."""

    def is_pending(self, run: RunId) -> bool:
        self._check()
        return run in self.runs

    def update_neighbours(self) -> None:
        self._check()

    def waiting(self) -> int:
        self._check()
        return len(self.runs)

    def _check(self) -> None:
        if self.unavailable:
            raise QueueUnavailable("it is unavailable")


class SyncUseCases:
    """The use cases over one store, a source and a clock that can be set."""

    def __init__(
        self, store: SqliteStore, clock: ManualClock, source: MovieSource, **timing: timedelta
    ) -> None:
        self.store, self.clock = store, clock
        self.jobs = FakeJobQueue()
        self.runner = SyncRunner(
            source=source,
            runs=store.runs,
            locks=store.locks,
            jobs=self.jobs,
            invalidation=NoCache(),
            clock=clock,
            new_id=fresh_id,
            **timing,
        )
        self.changes = SyncChanges(runner=self.runner, movies=store.movies)
        self.run_sync = RunSync(
            runs=store.runs,
            sync_genres=SyncGenres(runner=self.runner, genres=store.genres),
            sync_movies=SyncMovies(runner=self.runner, movies=store.movies),
            sync_changes=self.changes,
            sync_discover=SyncDiscover(runner=self.runner, movies=store.movies),
            pages=PAGES,
            discover_filter=DiscoverFilter(min_votes=1),
        )
        self.start = StartSync(runner=self.runner, jobs=self.jobs)
        self.cancel = CancelSync(runner=self.runner, clock=clock)
        self.sweep = SweepCatalogue(
            sync_changes=self.changes,
            check_source=CheckSource(movies=store.movies, source=source),
            movies=store.movies,
            invalidation=NoCache(),
            clock=clock,
            text_retention=TEXT_RETENTION,
        )

    def enqueue(self, entity: Entity = Entity.MOVIES) -> SyncRun:
        return self.start(entity=entity)

    def stored_numbers(self) -> list[int]:
        return sorted(self.store.movies.stale(self.clock() + timedelta(days=1), limit=999))

    def is_unlocked(self, entity: Entity = Entity.MOVIES) -> bool:
        return self.store.locks.acquire(lock_name(entity), "anyone", timedelta(microseconds=1)) is None


class Killed(BaseException):
    """Simulates a process that is killed."""


@pytest.fixture
def fake_source() -> FakeSource:
    """The source of the use cases."""
    return FakeSource()


@pytest.fixture
def store_delay() -> timedelta:
    """How long pages are stored together."""
    return timedelta(0)


@pytest.fixture
def use_cases(fake_source: FakeSource, store_delay: timedelta) -> Iterator[SyncUseCases]:
    """The use cases over an empty store."""
    clock = ManualClock()
    store = store_in_memory(clock)
    yield SyncUseCases(store, clock, fake_source, store_delay=store_delay)
    store.close()
