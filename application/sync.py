"""Keeping the catalogue in step with a source: one use case for each kind of run, and the frame that they
share.

The frame takes the lock, closes a dead predecessor, and sees to it that every run ends in a closed record. A
page and the counts that tell of it are stored in one step, so a process killed at any moment leaves a record
that is true.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Event, Thread

from domain.errors import StorageUnavailable
from domain.ids import LARGEST_TMDB_NUMBER, NewId, RunId
from domain.movies import Movie, MovieFacts
from domain.ports import Clock, GenreRepository, Locks, MovieRepository, MovieSource, SyncRunRepository
from domain.sync import (
    PAGES_OF_A_LIST,
    Detail,
    Entity,
    Gone,
    Harvest,
    RunClosed,
    SourceRefused,
    SourceUnavailable,
    SyncRun,
    SyncRunning,
    days_to_ask,
)

LOCK_LASTS = timedelta(seconds=9)
"""A holder that has not been heard of for so long is dead."""

HEARTBEAT = LOCK_LASTS / 3
"""How often a living holder says so."""

GLANCE = timedelta(seconds=0.2)
"""How often a newcomer looks whether the holder still lives."""

HOPELESS = 3
"""A run whose first pages failed, so many in a row, is given up: the source is away."""

REFRESHED_AT_ONCE = 100
"""Movies a page when all that we hold is refreshed."""

Watch = Callable[[SyncRun], None]
"""Told of a run's record whenever it has changed."""


def unwatched(run: SyncRun) -> None:
    """Watch nothing."""


@dataclass(slots=True)
class Journal:
    """A run in progress: its latest record, kept in the store and shown to whoever watches."""

    run: SyncRun
    runs: SyncRunRepository
    source: MovieSource
    watch: Watch
    _counted: int = field(init=False)

    def __post_init__(self) -> None:
        self._counted = self.source.requests()

    def bound(self, last_page: int) -> None:
        """Learn where the list ends."""
        self.run = self.run.bounded(last_page)
        self.watch(self.run)

    def stored(self, run: SyncRun) -> None:
        """Take over the record that was stored with a page."""
        self.run = run
        self.watch(run)

    def new_requests(self) -> int:
        """The requests sent since this was last asked."""
        before, self._counted = self._counted, self.source.requests()
        return self._counted - before

    @contextmanager
    def reading(self, page: int) -> Iterator[None]:
        """A page that cannot be read is counted and named, and does not stop the others, unless all first
        ones fail.
        """
        try:
            yield
        except SourceUnavailable as error:
            self.run = self.run.missed(page, str(error), self.new_requests())
            self.runs.save(self.run)
            self.watch(self.run)
            if self.run.pages_failed >= HOPELESS and not self.run.done:
                raise

    def fail(self, at: datetime, reason: str) -> None:
        """Record the end of a run that cannot go on, and the requests that it has sent in vain."""
        self.close(self.run.failed(at, reason, requests=self.new_requests()))

    def close(self, run: SyncRun) -> None:
        """Record the end."""
        self.runs.save(run)
        self.run = run
        self.watch(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFrame:
    """What surrounds every run: one of a kind at a time, and no run without an end."""

    source: MovieSource
    runs: SyncRunRepository
    locks: Locks
    clock: Clock
    new_id: NewId

    @contextmanager
    def run(self, entity: Entity, watch: Watch) -> Iterator[Journal]:
        """Begin a run and see it through to a closed record.

        Raises SyncRunning if another holder lives. The source's refusal or absence closes the run as failed;
        anything else that breaks in does too, and goes on upward.
        """
        fresh = SyncRun(id=RunId(self.new_id()), entity=entity, started_at=self.clock())
        with self._alone(entity, fresh.id):
            run = fresh.following(self._predecessor(entity))
            self.runs.add(run)
            journal = Journal(run, self.runs, self.source, watch)
            try:
                yield journal
            except RunClosed:
                journal.run = self.runs.get(run.id)
            except (SourceRefused, SourceUnavailable) as error:
                journal.fail(self.clock(), str(error))
            except BaseException:
                self._interrupted(journal)
                raise
            else:
                journal.close(journal.run.finished(self.clock()))

    def _interrupted(self, journal: Journal) -> None:
        """Close the record if the store still listens; if not, the next run will find its lock lapsed and do
        so.
        """
        with suppress(StorageUnavailable, RunClosed):
            journal.fail(self.clock(), "interrupted")

    def _predecessor(self, entity: Entity) -> SyncRun | None:
        """The run before; one that is still open has lost its lock, so its process is dead."""
        last = self.runs.latest(entity)
        if last and last.running:
            last = last.failed(self.clock(), "its process died")
            self.runs.save(last)
        return last

    @contextmanager
    def _alone(self, entity: Entity, holder: RunId) -> Iterator[None]:
        name = f"sync:{entity}"
        self._acquire(entity, name, holder)
        over = Event()
        Thread(target=self._beat, args=(name, holder, over), daemon=True).start()
        try:
            yield
        finally:
            over.set()
            with suppress(StorageUnavailable):  # the lock lapses by itself
                self.locks.release(name, holder)

    def _acquire(self, entity: Entity, name: str, holder: RunId) -> None:
        """Wait for a silent holder's time to end; one that renews it lives, and is left alone."""
        expected = ends = self.locks.acquire(name, holder, LOCK_LASTS)
        while ends is not None:
            if ends != expected:
                raise SyncRunning(entity)
            Event().wait(GLANCE.total_seconds())
            ends = self.locks.acquire(name, holder, LOCK_LASTS)

    def _beat(self, name: str, holder: RunId, over: Event) -> None:
        while not over.wait(HEARTBEAT.total_seconds()):
            with suppress(StorageUnavailable):  # a beat missed; the next may come in time
                self.locks.renew(name, holder, LOCK_LASTS)


@dataclass(slots=True)
class Basket:
    """What has been read for one page of movies, before it is stored."""

    movies: dict[int, MovieFacts]
    held: Collection[int]
    duplicates: int = 0
    skipped: int = 0
    gone: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def take(self, detail: Detail) -> None:
        """Add what came of asking for one movie; what a list said of it stands if no more could be had."""
        match detail:
            case MovieFacts():
                self.movies[detail.tmdb_id] = detail
            case Gone(number):
                self.movies.pop(number, None)
                if number in self.held:
                    self.gone.append(number)
                else:
                    self.skip(f"movie {number}: the source no longer knows it")
            case _ if detail.tmdb_id in self.movies:
                self.problems.append(f"movie {detail.tmdb_id}: {detail.reason}")
            case _:
                self.skip(f"movie {detail.tmdb_id}: {detail.reason}")

    def skip(self, problem: str) -> None:
        """Leave a row aside, naming why."""
        self.skipped += 1
        self.problems.append(problem)

    def harvest(self, page: int, at: datetime, requests: int) -> Harvest:
        """All of it, ready for the store."""
        return Harvest(
            page=page,
            at=at,
            movies=tuple(self.movies.values()),
            gone=tuple(self.gone),
            duplicates=self.duplicates,
            skipped=self.skipped,
            requests=requests,
            problems=tuple(self.problems),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncGenres:
    """Bring the genres up to date."""

    frame: SyncFrame
    genres: GenreRepository

    def __call__(self, *, watch: Watch = unwatched) -> SyncRun:
        """Return the closed run. Raises SyncRunning."""
        with self.frame.run(Entity.GENRES, watch) as journal:
            journal.bound(1)
            with journal.reading(1):
                facts = self.frame.source.genres()
                harvest = Harvest(
                    page=1, at=self.frame.clock(), genres=facts, requests=journal.new_requests()
                )
                journal.stored(self.genres.store(harvest, journal.run))
        return journal.run


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncMovies:
    """Bring the popular movies up to date: list pages, then the own page of each movie that is new or has
    news.
    """

    frame: SyncFrame
    movies: MovieRepository

    def __call__(self, *, pages: int, watch: Watch = unwatched) -> SyncRun:
        """Read up to so many pages; return the closed run. Raises SyncRunning."""
        with self.frame.run(Entity.MOVIES, watch) as journal:
            journal.bound(min(pages, journal.run.last_page or PAGES_OF_A_LIST, PAGES_OF_A_LIST))
            seen: set[int] = set()
            for page in journal.run.pages_left:
                if page in journal.run.pages_left:  # the list may prove shorter while it is read
                    with journal.reading(page):
                        self._read(page, journal, seen)
        return journal.run

    def _read(self, page: int, journal: Journal, seen: set[int]) -> None:
        listed = self.frame.source.popular(page)
        journal.bound(min(journal.run.last_page or page, max(listed.total_pages, page)))
        fresh = {facts.tmdb_id: facts for facts in listed.movies if facts.tmdb_id not in seen}
        seen.update(fresh)
        held = self.movies.held(fresh)
        basket = Basket(fresh, held, duplicates=len(listed.movies) - len(fresh))
        for row in listed.unreadable:
            basket.skip(f"page {page}: {row}")
        for detail in self.frame.source.details(
            [n for n, facts in fresh.items() if _in_want(held.get(n), facts)]
        ):
            basket.take(detail)
        harvest = basket.harvest(page, self.frame.clock(), journal.new_requests())
        journal.stored(self.movies.store(harvest, journal.run))


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChanges:
    """Read anew those of our movies that changed at the source since the last complete run.

    If that is longer ago than the source can tell, or never was, all that we hold is read anew.
    """

    frame: SyncFrame
    movies: MovieRepository

    def __call__(self, *, watch: Watch = unwatched) -> SyncRun:
        """Return the closed run. Raises SyncRunning."""
        runs = self.frame.runs
        last_good = runs.latest(Entity.CHANGES, completed=True) or runs.latest(Entity.MOVIES, completed=True)
        before = runs.latest(Entity.CHANGES)
        with self.frame.run(Entity.CHANGES, watch) as journal:
            days = days_to_ask(last_good, journal.run.started_at)
            if days:
                self._changed(days, journal)
            else:
                self._all(before, journal)
        return journal.run

    def _changed(self, days: tuple[date, date], journal: Journal) -> None:
        asked, seen = [(*days, 1)], set[int]()
        for number, (first, last, page) in enumerate(asked, 1):
            journal.bound(len(asked))
            with journal.reading(number):
                changed = self.frame.source.changes(first, last, page)
                if page == 1:
                    asked += _rest(first, last, changed.total_pages)
                journal.bound(len(asked))
                held = self.movies.held(changed.tmdb_ids)
                ours = [movie for movie in changed.tmdb_ids if movie in held]
                self._refresh(number, [n for n in dict.fromkeys(ours) if n not in seen], len(ours), journal)
                seen.update(ours)

    def _all(self, before: SyncRun | None, journal: Journal) -> None:
        """What a failed run of late has refreshed is left out, so that being killed again and again still
        gets on.
        """
        since = journal.run.resuming_from(before)
        numbers = self.movies.stale(since, limit=LARGEST_TMDB_NUMBER)
        chunks = [numbers[at : at + REFRESHED_AT_ONCE] for at in range(0, len(numbers), REFRESHED_AT_ONCE)]
        journal.bound(len(chunks))
        for page, chunk in enumerate(chunks, 1):
            self._refresh(page, chunk, len(chunk), journal)

    def _refresh(self, page: int, numbers: Sequence[int], rows: int, journal: Journal) -> None:
        basket = Basket({}, numbers, duplicates=rows - len(numbers))
        for detail in self.frame.source.details(numbers):
            basket.take(detail)
        harvest = basket.harvest(page, self.frame.clock(), journal.new_requests())
        journal.stored(self.movies.store(harvest, journal.run))


def _rest(first: date, last: date, pages: int) -> list[tuple[date, date, int]]:
    """What is left to ask after the first page of some days' changes; too many are asked for in halves."""
    if pages <= PAGES_OF_A_LIST or last - first <= timedelta(days=1):
        return [(first, last, page) for page in range(2, min(pages, PAGES_OF_A_LIST) + 1)]
    middle = first + (last - first) // 2
    return [(first, middle, 1), (middle, last, 1)]


def _in_want(held: Movie | None, listed: MovieFacts) -> bool:
    """Whether a movie's own page is to be read."""
    return not listed.detailed and (held is None or held.wants_details(listed))
