"""Pages that a sync reads soon after one another are stored in one step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.testkit.samples import new_run, store_page
from application import sync_runner
from application.discovery import SyncDiscover
from application.sync import SyncMovies
from application.sync_runner import STORE_DELAY, RunRecorder, SyncRunner, no_progress
from domain import sync
from domain.discovery import DiscoverFilter
from domain.errors import StorageUnavailable
from domain.ports import MovieRepository
from domain.sync import (
    ChangedIdsPage,
    Detail,
    Entity,
    ExportedIds,
    FilledFromAnotherSource,
    MovieGone,
    PageResult,
    SourceName,
    SourcePage,
    SourceRefused,
    SourceUnavailable,
    Status,
    SyncRun,
)
from tests.integration.sync_use_cases import FakeSource, Killed, SyncUseCases, facts_of

PAGES = 6

ALL = list(range(1, PAGES * 5 + 1))
"""The movies of all pages, five a page."""


class LongSource(FakeSource):
    """A source with six pages, and with movies that it no longer knows."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[int] = set()
        self.changed: tuple[int, ...] = ()

    def popular(self, page: int) -> SourcePage:
        return replace(super().popular(page), total_pages=PAGES)

    def exported(self, min_popularity: float, day: object) -> ExportedIds:
        return ExportedIds(tmdb_ids=tuple(ALL))

    def changes(self, first: object, last: object, page: int) -> ChangedIdsPage:
        return ChangedIdsPage(total_pages=1, tmdb_ids=self.changed)

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        for detail in super().details(tmdb_ids):
            yield MovieGone(detail.tmdb_id) if detail.tmdb_id in self.gone else detail


@pytest.fixture
def source() -> LongSource:
    return LongSource()


@pytest.fixture
def fake_source(source: LongSource) -> LongSource:
    """The source of the use cases."""
    return source


@pytest.fixture
def store_delay() -> timedelta:
    """The delay that the service has."""
    return STORE_DELAY


class Steps(list[int]):
    """Records the number of stored pages after each step."""

    def __call__(self, run: SyncRun) -> None:
        if run.pages_done and run.pages_done not in self:
            self.append(run.pages_done)


def run_sync(use_cases: SyncUseCases, movies: MovieRepository | None = None) -> tuple[SyncRun, Steps]:
    """Sync the movies."""
    steps = Steps()
    sync_movies = SyncMovies(runner=use_cases.runner, movies=movies or use_cases.store.movies)
    return sync_movies(pages=PAGES, on_progress=steps), steps


def latest(use_cases: SyncUseCases) -> SyncRun:
    run = use_cases.store.runs.latest(Entity.MOVIES)
    assert run
    return run


def at_page(page: int, call: Callable[[], object]) -> Callable[[int], None]:
    """A function for the source that calls another one before it returns a page."""

    def before(requested: int) -> None:
        if requested == page:
            call()

    return before


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("share", "steps"),
    [(1.0, [1, 2, 3, 4, 5, 6]), (0.5, [1, 3, 5, 6]), (0.4, [1, 4, 6]), (0.0, [1, 6])],
)
def test_a_page_waits_for_the_next_unless_the_last_step_is_long_past(
    use_cases: SyncUseCases, source: LongSource, share: float, steps: list[int]
) -> None:
    source.before = lambda _: use_cases.clock.advance(STORE_DELAY * share)
    run, seen = run_sync(use_cases)
    assert seen == steps
    assert (run.status, run.pages_done, run.inserted) == (Status.SUCCESS, PAGES, len(ALL))
    assert use_cases.stored_numbers() == ALL


def test_pages_of_lists_and_of_exported_ids_wait_too(
    use_cases: SyncUseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.discovery.REFRESH_BATCH", 5)
    discover = SyncDiscover(runner=use_cases.runner, movies=use_cases.store.movies)
    lists, exported = Steps(), Steps()
    run = discover(wanted=DiscoverFilter(exported_min_popularity=1.0), on_progress=exported)
    assert (run.status, run.inserted, exported) == (Status.SUCCESS, len(ALL), [1, PAGES + 1])
    run = discover(wanted=DiscoverFilter(min_votes=1), on_progress=lists)
    assert (run.status, run.unchanged, lists) == (Status.SUCCESS, len(ALL), [1, PAGES])


@pytest.mark.measured
@pytest.mark.parametrize(("most", "steps"), [(10, [1, 3, 5, 6]), (12, [1, 3, 5, 6]), (4, [1, 2, 3, 4, 5, 6])])
def test_a_step_has_so_many_movies_at_most_unless_one_page_has_more(
    use_cases: SyncUseCases, monkeypatch: pytest.MonkeyPatch, most: int, steps: list[int]
) -> None:
    monkeypatch.setattr(sync_runner, "MAX_WAITING_MOVIES", most)
    _, seen = run_sync(use_cases)
    assert seen == steps


def test_movies_that_are_gone_count_as_movies_of_a_step(
    use_cases: SyncUseCases, source: LongSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync(use_cases)
    use_cases.clock.advance(timedelta(days=200))  # so that all movies are refreshed
    monkeypatch.setattr("application.sync.REFRESH_BATCH", 5)
    monkeypatch.setattr(sync_runner, "MAX_WAITING_MOVIES", 10)
    source.gone = {6, 7, 8, 9, 11, 12, 13, 14}
    seen = Steps()
    run = use_cases.changes(on_progress=seen)
    assert seen == [1, 3, 5, 6]
    assert (run.status, run.updated) == (Status.SUCCESS, 8)


def test_a_step_that_is_full_does_not_wait(
    use_cases: SyncUseCases, source: LongSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_runner, "MAX_WAITING_MOVIES", 10)
    stored: list[int] = []
    source.before = lambda _: stored.append(latest(use_cases).pages_done)
    run_sync(use_cases)
    assert stored == [0, 1, 1, 3, 3, 5]


def test_pages_that_wait_are_stored_before_a_failure_is_recorded(
    use_cases: SyncUseCases, source: LongSource
) -> None:
    source.before = at_page(3, raising(SourceUnavailable("TMDB is away")))
    run, steps = run_sync(use_cases)
    assert steps == [1, 2, 5]
    assert (run.status, sorted(run.done), run.pages_failed) == (Status.PARTIAL, [1, 2, 4, 5, 6], 1)
    assert use_cases.stored_numbers() == [number for number in ALL if not 10 < number <= 15]


def test_pages_that_wait_are_stored_before_a_run_fails(use_cases: SyncUseCases, source: LongSource) -> None:
    source.before = at_page(4, raising(SourceRefused("check TMDB_ACCESS_TOKEN")))
    run, _ = run_sync(use_cases)
    assert (run.status, run.pages_done) == (Status.FAILED, 3)
    assert use_cases.stored_numbers() == ALL[:15]


def test_pages_that_wait_are_stored_before_a_run_is_interrupted(
    use_cases: SyncUseCases, source: LongSource
) -> None:
    source.before = at_page(4, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_sync(use_cases)
    assert (latest(use_cases).status, latest(use_cases).pages_done) == (Status.FAILED, 3)
    assert use_cases.stored_numbers() == ALL[:15]


class FullDisk:
    """A repository of movies on a disk without room for more than one page."""

    def __init__(self, movies: MovieRepository) -> None:
        self.movies = movies

    def __getattr__(self, name: str) -> Any:
        if name == "store_together":
            raise StorageUnavailable("the disk is full")
        return getattr(self.movies, name)


@pytest.mark.parametrize(
    ("cause", "refusal"),
    [("another source", FilledFromAnotherSource), ("full disk", StorageUnavailable)],
)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SourceRefused("check TMDB_ACCESS_TOKEN"), "check TMDB_ACCESS_TOKEN"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_run_ends_if_its_pages_that_wait_cannot_be_stored(
    use_cases: SyncUseCases,
    source: LongSource,
    cause: str,
    refusal: type[BaseException],
    error: BaseException,
    reason: str,
) -> None:
    movies: Any = use_cases.store.movies

    def fail() -> None:
        if cause == "another source":
            movies.change_source(SourceName.DEMO, use_cases.clock())
        raise error

    source.before = at_page(4, fail)
    with pytest.raises(KeyboardInterrupt if reason == "interrupted" else refusal):
        run_sync(use_cases, FullDisk(movies) if cause == "full disk" else movies)
    run = latest(use_cases)
    assert (run.status, run.pages_done, run.error) == (Status.FAILED, 1, reason)
    assert use_cases.stored_numbers() == ALL[:5]
    assert use_cases.is_unlocked()


def test_pages_that_wait_when_the_process_is_killed_are_read_again(
    use_cases: SyncUseCases, source: LongSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(SyncRunner, "_record_interruption", lambda *_: None)
        killed.setattr(SyncRunner, "_renew_lock", lambda *_: None)
        source.before = at_page(4, raising(Killed()))
        with pytest.raises(Killed):
            run_sync(use_cases)
    assert use_cases.stored_numbers() == ALL[:5]

    use_cases.clock.advance(timedelta(minutes=1))
    requested: list[int] = []
    source.before = requested.append
    run, _ = run_sync(use_cases)
    assert requested == [2, 3, 4, 5, 6]
    assert (run.status, run.inserted) == (Status.SUCCESS, 25)
    assert use_cases.stored_numbers() == ALL


def test_pages_that_wait_when_the_run_is_cancelled_are_not_stored(
    use_cases: SyncUseCases, source: LongSource
) -> None:
    source.before = at_page(3, lambda: use_cases.cancel(run=latest(use_cases).id))
    run, _ = run_sync(use_cases)
    assert (run.status, run.pages_done) == (Status.CANCELLED, 1)
    assert use_cases.stored_numbers() == ALL[:5]


def test_a_page_with_too_many_unread_movies_fails_alone(
    use_cases: SyncUseCases, source: LongSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MAX_UNREAD", 3)
    run_sync(use_cases)
    use_cases.clock.advance(timedelta(days=200))
    monkeypatch.setattr("application.sync.REFRESH_BATCH", 5)
    source.unread = {6, 7, 11, 12, 16}
    run = use_cases.changes()
    assert (run.status, sorted(run.done)) == (Status.PARTIAL, [1, 2, 4, 5, 6])
    assert (sorted(run.unread), run.pages_failed) == ([6, 7, 16], 1)


def test_movies_that_wait_are_not_completed_once_more(use_cases: SyncUseCases, source: LongSource) -> None:
    run = store_page(use_cases.store, *(replace(facts_of(number), details_version="0") for number in ALL))
    use_cases.store.runs.save(run.finished(use_cases.clock()))
    source.changed = tuple(ALL[:8])
    done = use_cases.changes(max_completed=10)
    assert (done.status, sorted(source.requested)) == (Status.SUCCESS, ALL[:18])


def test_pages_without_movies_are_checked_once_each(
    use_cases: SyncUseCases, source: LongSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []
    stored = SyncRun.stored

    def counted(self: SyncRun, result: PageResult, outcomes: Any) -> SyncRun:
        checked.append(result)
        return stored(self, result, outcomes)

    monkeypatch.setattr(SyncRun, "stored", counted)
    run = new_run(use_cases.store).bounded(100)
    runner = use_cases.runner
    recorder = RunRecorder(
        run, runner.runs, runner.invalidation, source, use_cases.clock, no_progress, STORE_DELAY
    )
    for page in range(1, 101):
        recorder.store_page(use_cases.store.movies, PageResult(page=page, at=use_cases.clock()))
    recorder.finish()
    assert (recorder.run.status, recorder.run.pages_done) == (Status.SUCCESS, 100)
    assert len(checked) == 200, "once before it waits, and once when it is stored"
