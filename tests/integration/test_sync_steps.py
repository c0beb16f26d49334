"""Pages that a sync reads soon after one another are stored in one step."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from adapters.testkit.locks import ManualClock
from application import sync_runner
from application.sync import SyncMovies
from application.sync_runner import STORE_DELAY, SyncRunner
from domain import sync
from domain.sync import Entity, SourceRefused, SourceUnavailable, Status, SyncRun
from tests.integration.sync_use_cases import PAGES, FakeSource, Killed, SyncUseCases
from tests.stores import store_in_memory

ALL = list(range(1, PAGES * 5 + 1))
"""The movies of all pages, five a page."""


@pytest.fixture
def use_cases(fake_source: FakeSource) -> Iterator[SyncUseCases]:
    """The use cases as the service runs them."""
    clock = ManualClock()
    store = store_in_memory(clock)
    yield SyncUseCases(store, clock, fake_source, store_delay=STORE_DELAY)
    store.close()


def run_sync(use_cases: SyncUseCases) -> tuple[SyncRun, list[int]]:
    """Sync the movies; return the run, and the number of stored pages after each step."""
    steps: list[int] = []

    def record(run: SyncRun) -> None:
        if run.pages_done and run.pages_done not in steps:
            steps.append(run.pages_done)

    sync_movies = SyncMovies(runner=use_cases.runner, movies=use_cases.store.movies)
    return sync_movies(pages=PAGES, on_progress=record), steps


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
    ("share", "steps"), [(1.0, [1, 2, 3, 4]), (0.5, [1, 3, 4]), (0.4, [1, 4]), (0.0, [1, 4])]
)
def test_a_page_waits_for_the_next_unless_the_last_step_is_long_past(
    use_cases: SyncUseCases, fake_source: FakeSource, share: float, steps: list[int]
) -> None:
    fake_source.before = lambda _: use_cases.clock.advance(STORE_DELAY * share)
    run, seen = run_sync(use_cases)
    assert seen == steps
    assert (run.status, run.pages_done, run.inserted) == (Status.SUCCESS, PAGES, len(ALL))
    assert use_cases.stored_numbers() == ALL


def test_pages_with_many_movies_do_not_wait(use_cases: SyncUseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_runner, "MAX_WAITING_MOVIES", 10)
    _, steps = run_sync(use_cases)
    assert steps == [1, 3, 4]


def test_pages_that_wait_are_stored_before_a_failure_is_recorded(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    fake_source.before = at_page(3, raising(SourceUnavailable("TMDB is away")))
    run, steps = run_sync(use_cases)
    assert steps == [1, 2, 3]
    assert (run.status, sorted(run.done), run.pages_failed) == (Status.PARTIAL, [1, 2, 4], 1)
    assert use_cases.stored_numbers() == [number for number in ALL if not 10 < number <= 15]


def test_pages_that_wait_are_stored_before_a_run_fails(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    fake_source.before = at_page(4, raising(SourceRefused("check TMDB_ACCESS_TOKEN")))
    run, _ = run_sync(use_cases)
    assert (run.status, run.pages_done) == (Status.FAILED, 3)
    assert use_cases.stored_numbers() == ALL[:15]


def test_pages_that_wait_are_stored_before_a_run_is_interrupted(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    fake_source.before = at_page(4, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_sync(use_cases)
    run = use_cases.store.runs.latest(Entity.MOVIES)
    assert run
    assert (run.status, run.pages_done) == (Status.FAILED, 3)
    assert use_cases.stored_numbers() == ALL[:15]


def test_pages_that_wait_when_the_process_is_killed_are_read_again(
    use_cases: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(SyncRunner, "_record_interruption", lambda *_: None)
        killed.setattr(SyncRunner, "_renew_lock", lambda *_: None)
        fake_source.before = at_page(4, raising(Killed()))
        with pytest.raises(Killed):
            run_sync(use_cases)
    assert use_cases.stored_numbers() == ALL[:5]

    use_cases.clock.advance(timedelta(minutes=1))
    requested: list[int] = []
    fake_source.before = requested.append
    run, _ = run_sync(use_cases)
    assert requested == [2, 3, 4]
    assert (run.status, run.inserted) == (Status.SUCCESS, 15)
    assert use_cases.stored_numbers() == ALL


def test_pages_that_wait_when_the_run_is_cancelled_are_not_stored(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    def cancel() -> None:
        run = use_cases.store.runs.latest(Entity.MOVIES)
        assert run
        use_cases.cancel(run=run.id)

    fake_source.before = at_page(3, cancel)
    run, _ = run_sync(use_cases)
    assert (run.status, run.pages_done) == (Status.CANCELLED, 1)
    assert use_cases.stored_numbers() == ALL[:5]


def test_a_page_with_too_many_unread_movies_fails_alone(
    use_cases: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MAX_UNREAD", 3)
    run_sync(use_cases)
    use_cases.clock.advance(timedelta(days=200))  # so that all movies are refreshed
    monkeypatch.setattr("application.sync.REFRESH_BATCH", 5)
    fake_source.unread = {6, 7, 11, 12}
    done = use_cases.changes()
    assert (done.status, sorted(done.done), sorted(done.unread)) == (Status.PARTIAL, [1, 2, 4], [6, 7])
    assert done.pages_failed == 1
