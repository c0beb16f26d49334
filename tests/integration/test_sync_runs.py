"""Enqueued syncs: taken over by a worker, retried and cancelled."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event
from threading import enumerate as threads
from time import monotonic, sleep

import pytest

from adapters.testkit.samples import new_run, noon
from application import sync_runner
from application.sync import SyncGenres, SyncMovies
from application.sync_runner import QUEUE_LOCK_TTL, SyncRunner, lock_name, queue_holder
from domain.errors import StorageUnavailable
from domain.ids import RunId
from domain.ports import Locks, QueueUnavailable, SyncRunRepository
from domain.sync import Entity, RunClosed, SourceRefused, SourceUnavailable, Status, SyncRun, SyncRunning
from tests.integration.sync_use_cases import PAGES, FakeSource, Killed, SyncUseCases

OFTEN = timedelta(milliseconds=5)


def heartbeats() -> int:
    """The number of threads that renew a lock."""
    return sum(thread.name == "sync-lock" for thread in threads())


@pytest.fixture
def _killed_without_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process closes no record, releases no lock, and sends no heartbeats."""
    monkeypatch.setattr(SyncRunner, "_record_interruption", lambda *_: None)
    monkeypatch.setattr(SyncRunner, "_renew_lock", lambda *_: None)


def dying(fake_source: FakeSource, page: int) -> None:
    """Kill the process that reads this page, once."""

    def die(requested: int) -> None:
        if requested == page:
            fake_source.before = lambda _: None
            raise Killed

    fake_source.before = die


@pytest.mark.parametrize("entity", Entity)
def test_a_worker_takes_over_the_lock_of_an_enqueued_run_and_releases_it(
    use_cases: SyncUseCases, entity: Entity
) -> None:
    run = use_cases.enqueue(entity)
    assert not use_cases.is_unlocked(entity)
    done = use_cases.run_sync(entity=entity, queued=run.id)
    assert (done.id, done.status, done.pages_left) == (run.id, Status.SUCCESS, ())
    assert use_cases.is_unlocked(entity)


def test_a_completed_run_is_not_executed_again(use_cases: SyncUseCases, fake_source: FakeSource) -> None:
    run = use_cases.enqueue()
    done = use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    fake_source.before = lambda _: pytest.fail("it is done already")
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id) == done


@pytest.mark.usefixtures("_killed_without_cleanup")
@pytest.mark.parametrize("page", range(1, PAGES + 1))
def test_another_worker_reads_the_remaining_pages_of_a_killed_one(
    use_cases: SyncUseCases, fake_source: FakeSource, page: int
) -> None:
    run = use_cases.enqueue()
    dying(fake_source, page)
    with pytest.raises(Killed):
        use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    use_cases.store.locks.acquire(
        lock_name(Entity.MOVIES), run.id, sync_runner.LOCK_TTL
    )  # no lock was released
    use_cases.clock.advance(sync_runner.LOCK_TTL)

    other = use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)

    assert use_cases.store.runs.get(run.id).error == "its process died"
    assert (other.status, other.pages_done) == (Status.SUCCESS, PAGES + 1 - page)
    assert use_cases.stored_numbers() == list(range(1, PAGES * 5 + 1))


def test_an_interrupted_run_is_resumed_by_another(use_cases: SyncUseCases, fake_source: FakeSource) -> None:
    run = use_cases.enqueue()
    dying(fake_source, 3)
    with pytest.raises(Killed):
        use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    assert use_cases.store.runs.get(run.id).error == "interrupted"
    other = use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    assert (other.status, other.pages_done) == (Status.SUCCESS, 2)


def test_a_failed_sync_raises_so_that_the_queue_retries(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    def away(_: int) -> None:
        raise SourceUnavailable("TMDB is away")

    fake_source.before = away
    run = use_cases.enqueue()
    with pytest.raises(SourceUnavailable, match=r"sync of movies failed: .*TMDB is away"):
        use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    fake_source.before = lambda _: None
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id).status is Status.SUCCESS


def test_a_refused_credential_raises_an_error_without_retries(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    def refuse(page: int) -> None:
        if page == PAGES:
            raise SourceRefused("check TMDB_ACCESS_TOKEN")

    fake_source.before = refuse
    run = use_cases.enqueue()
    with pytest.raises(SourceRefused, match="sync of movies failed: check TMDB_ACCESS_TOKEN"):
        use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    failed = use_cases.store.runs.get(run.id)
    assert (failed.status, failed.error) == (Status.FAILED, "check TMDB_ACCESS_TOKEN")


def test_a_new_run_is_refused_while_one_is_enqueued(use_cases: SyncUseCases) -> None:
    run = use_cases.enqueue()
    for _ in range(2):
        with pytest.raises(SyncRunning):
            use_cases.run_sync(entity=Entity.MOVIES)
        with pytest.raises(SyncRunning):
            use_cases.enqueue()
    assert use_cases.store.runs.get(run.id).running


def test_a_run_with_a_lost_job_blocks_others_for_some_seconds_only(use_cases: SyncUseCases) -> None:
    lost = use_cases.enqueue()
    use_cases.jobs.runs.clear()
    use_cases.clock.advance(QUEUE_LOCK_TTL - timedelta(seconds=1))
    with pytest.raises(SyncRunning):
        use_cases.enqueue()
    with pytest.raises(SyncRunning):
        use_cases.run_sync(entity=Entity.MOVIES)
    use_cases.clock.advance(timedelta(seconds=1))
    other = use_cases.enqueue()
    closed = use_cases.store.runs.get(lost.id)
    assert (closed.status, closed.error) == (Status.FAILED, "no worker took it up")
    with pytest.raises(SyncRunning):
        use_cases.run_sync(entity=Entity.MOVIES, queued=lost.id)
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=other.id).id == other.id


def test_the_lock_of_an_enqueued_run_is_shorter_than_the_documented_15_seconds() -> None:
    assert timedelta(0) < QUEUE_LOCK_TTL <= timedelta(seconds=15)


def test_locks_have_the_documented_lifetimes(use_cases: SyncUseCases) -> None:
    assert timedelta(seconds=10) == QUEUE_LOCK_TTL
    assert timedelta(seconds=9) == use_cases.runner.lock_ttl == sync_runner.LOCK_TTL
    assert timedelta(seconds=3) == use_cases.runner.heartbeat_interval
    assert timedelta(seconds=0.2) == use_cases.runner.poll_interval == sync_runner.POLL_INTERVAL
    assert timedelta(seconds=18) == sync_runner.MAX_LOCK_WAIT


def test_each_kind_has_its_own_lock_and_each_enqueued_run_its_own_holder() -> None:
    assert {lock_name(entity) for entity in Entity} == {
        "sync:genres", "sync:movies", "sync:changes", "sync:discover",
    }  # fmt: skip
    assert queue_holder(RunId("a" * 24)) == f"queue:{'a' * 24}"


def test_nothing_is_enqueued_while_a_sync_of_its_kind_runs_in_the_foreground(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    refused: list[SyncRunning] = []

    def enqueue(page: int) -> None:
        if page == 2:
            with pytest.raises(SyncRunning) as caught:
                use_cases.enqueue()
            refused.append(caught.value)

    fake_source.before = enqueue
    assert use_cases.run_sync(entity=Entity.MOVIES).status is Status.SUCCESS
    assert refused
    assert use_cases.jobs.runs == []


def test_a_failed_page_is_recorded_before_the_next_is_read(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    recorded: list[tuple[int, int]] = []

    def fail(page: int) -> None:
        run = use_cases.store.runs.latest(Entity.MOVIES)
        assert run
        recorded.append((run.pages_done, run.pages_failed))
        if page == 2:
            raise SourceUnavailable("TMDB is away")

    fake_source.before = fail
    use_cases.run_sync(entity=Entity.MOVIES)
    assert recorded == [(0, 0), (1, 0), (1, 1), (2, 1)]


def test_the_progress_callback_is_called_for_each_page_and_the_end(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    def fail(page: int) -> None:
        if page == PAGES:
            raise SourceUnavailable("TMDB is away")

    fake_source.before = fail
    seen: list[SyncRun] = []
    run = SyncMovies(runner=use_cases.runner, movies=use_cases.store.movies)(
        pages=PAGES, on_progress=seen.append
    )
    progress = [(each.status, each.pages_done, each.pages_failed) for each in seen]
    assert list(dict.fromkeys(progress)) == [
        (Status.IN_PROGRESS, 0, 0),
        (Status.IN_PROGRESS, 1, 0),
        (Status.IN_PROGRESS, 2, 0),
        (Status.IN_PROGRESS, 3, 0),
        (Status.IN_PROGRESS, 3, 1),
        (Status.PARTIAL, 3, 1),
    ]
    assert seen[-1] == run == use_cases.store.runs.get(run.id)


def test_a_sync_of_genres_has_one_page(use_cases: SyncUseCases) -> None:
    seen: list[SyncRun] = []
    SyncGenres(runner=use_cases.runner, genres=use_cases.store.genres)(on_progress=seen.append)
    assert {(each.pages_done, each.pages_total) for each in seen} == {(0, 1), (1, 1)}


def test_a_heartbeat_does_not_keep_its_process_alive(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    daemons: list[list[bool]] = []
    fake_source.before = lambda _: daemons.append(
        [each.daemon for each in threads() if each.name == "sync-lock"]
    )
    use_cases.run_sync(entity=Entity.MOVIES)
    assert daemons == [[True]] * PAGES


@pytest.mark.parametrize("waits", [QUEUE_LOCK_TTL, QUEUE_LOCK_TTL * 100])
def test_a_run_whose_job_waits_blocks_others_without_a_time_limit(
    use_cases: SyncUseCases, waits: timedelta
) -> None:
    run = use_cases.enqueue()
    use_cases.clock.advance(waits)
    with pytest.raises(SyncRunning):
        use_cases.enqueue()
    with pytest.raises(SyncRunning):
        use_cases.run_sync(entity=Entity.MOVIES)
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id).id == run.id


def test_while_the_queue_is_unavailable_nothing_is_enqueued(use_cases: SyncUseCases) -> None:
    run = use_cases.enqueue()
    use_cases.clock.advance(QUEUE_LOCK_TTL)
    use_cases.jobs.unavailable = True
    with pytest.raises(QueueUnavailable):
        use_cases.enqueue()
    assert use_cases.store.runs.get(run.id).running
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id).id == run.id


def test_a_foreground_sync_does_not_wait_for_an_unavailable_queue(use_cases: SyncUseCases) -> None:
    lost = use_cases.enqueue()
    use_cases.clock.advance(QUEUE_LOCK_TTL)
    use_cases.jobs.unavailable = True
    assert use_cases.run_sync(entity=Entity.MOVIES).status is Status.SUCCESS
    assert use_cases.store.runs.get(lost.id).status is Status.FAILED


def test_a_lost_job_that_reappears_does_not_run_beside_another(
    use_cases: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = use_cases.enqueue()
    use_cases.jobs.runs.clear()
    use_cases.clock.advance(QUEUE_LOCK_TTL)
    refused: list[SyncRunning] = []

    def come_back(page: int) -> None:
        if page == 2:
            with pytest.raises(SyncRunning) as caught:
                use_cases.run_sync(entity=Entity.MOVIES, queued=lost.id)
            refused.append(caught.value)

    monkeypatch.setattr(sync_runner, "MAX_LOCK_WAIT", timedelta(0))  # the clock does not advance meanwhile
    fake_source.before = come_back
    assert use_cases.run_sync(entity=Entity.MOVIES).pages_done == PAGES
    assert refused


def test_a_run_that_no_worker_started_is_closed_with_that_reason(use_cases: SyncUseCases) -> None:
    lost = use_cases.enqueue()
    use_cases.jobs.runs.clear()
    use_cases.clock.advance(QUEUE_LOCK_TTL)
    assert use_cases.run_sync(entity=Entity.MOVIES).status is Status.SUCCESS
    assert use_cases.store.runs.get(lost.id).error == "no worker took it up"
    assert use_cases.is_unlocked()


@pytest.mark.usefixtures("_killed_without_cleanup")
def test_a_run_that_died_in_a_worker_is_closed_with_that_reason(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    run = use_cases.enqueue()
    dying(fake_source, 1)
    with pytest.raises(Killed):
        use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    use_cases.clock.advance(QUEUE_LOCK_TTL)
    use_cases.enqueue()
    assert use_cases.store.runs.get(run.id).error == "its process died"


def test_a_run_that_waited_long_for_its_worker_is_executed(use_cases: SyncUseCases) -> None:
    run = use_cases.enqueue()
    use_cases.clock.advance(QUEUE_LOCK_TTL * 2)
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id).id == run.id


def test_of_two_workers_with_the_same_job_one_executes_it(
    use_cases: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = use_cases.enqueue()
    refused = []

    def intrude(page: int) -> None:
        if page == 2:
            with pytest.raises(SyncRunning) as caught:
                use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
            refused.append(caught.value)

    monkeypatch.setattr(sync_runner, "MAX_LOCK_WAIT", timedelta(0))  # the clock does not advance meanwhile
    fake_source.before = intrude
    done = use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    assert refused
    assert (done.id, done.status, done.pages_done) == (run.id, Status.SUCCESS, PAGES)
    assert use_cases.store.runs.count() == 1


def test_a_run_that_cannot_be_enqueued_is_cancelled_and_frees_its_lock(use_cases: SyncUseCases) -> None:
    with pytest.raises(QueueUnavailable), use_cases.runner.enqueue(Entity.MOVIES) as run:
        raise QueueUnavailable("it is full")
    withdrawn = use_cases.store.runs.get(run.id)
    assert (withdrawn.status, withdrawn.error) == (
        Status.CANCELLED,
        "The job queue cannot be had: it is full",
    )
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id) == withdrawn
    assert use_cases.enqueue().running


def test_a_run_that_cannot_be_recorded_frees_its_lock(use_cases: SyncUseCases) -> None:
    class Full:
        def __init__(self, runs: object) -> None:
            self.runs = runs

        def __getattr__(self, name: str) -> object:
            return getattr(self.runs, name)

        def add(self, run: SyncRun) -> None:
            raise StorageUnavailable("the disk is full")

    runner = replace(use_cases.runner, runs=Full(use_cases.store.runs))  # type: ignore[arg-type]
    with pytest.raises(StorageUnavailable), runner.enqueue(Entity.MOVIES):
        pytest.fail("it is not on record")
    assert use_cases.is_unlocked()


@pytest.mark.parametrize("page", range(1, PAGES + 1))
def test_a_run_cancelled_in_progress_stops_and_frees_its_lock(
    use_cases: SyncUseCases, fake_source: FakeSource, page: int
) -> None:
    run = use_cases.enqueue()
    others: list[SyncRun] = []

    def cancel(requested: int) -> None:
        if requested == page and not others:
            assert use_cases.cancel(run=run.id).pages_done == page - 1
            others.append(use_cases.enqueue())

    fake_source.before = cancel
    done = use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    assert (done.id, done.status, done.pages_done) == (run.id, Status.CANCELLED, page - 1)
    assert not use_cases.store.locks.renew(lock_name(Entity.MOVIES), run.id, timedelta(1))
    assert use_cases.store.locks.renew(lock_name(Entity.MOVIES), queue_holder(others[0].id), timedelta(1))
    other = use_cases.run_sync(entity=Entity.MOVIES, queued=others[0].id)
    assert (other.status, other.pages_done) == (Status.SUCCESS, PAGES)


def test_a_run_cancelled_when_its_last_page_is_stored_ends_as_cancelled(use_cases: SyncUseCases) -> None:
    def cancel(run: SyncRun) -> None:
        if run.running and run.pages_done == PAGES:
            use_cases.cancel(run=run.id)

    run = SyncMovies(runner=use_cases.runner, movies=use_cases.store.movies)(pages=PAGES, on_progress=cancel)
    assert (run.status, run.pages_done) == (Status.CANCELLED, PAGES)


def test_a_run_cancelled_while_its_source_is_unavailable_ends_as_cancelled(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    run = use_cases.enqueue()

    def away(page: int) -> None:
        if page == sync_runner.MAX_FAILED_PAGES:
            use_cases.cancel(run=run.id)
        raise SourceUnavailable("TMDB is away")

    fake_source.before = away
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id).status is Status.CANCELLED
    with pytest.raises(RunClosed):
        use_cases.cancel(run=run.id)


def test_a_refused_sync_that_was_cancelled_ends_as_cancelled(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    run = use_cases.enqueue()

    def refuse(_: int) -> None:
        use_cases.cancel(run=run.id)
        raise SourceRefused("check TMDB_ACCESS_TOKEN")

    fake_source.before = refuse
    assert use_cases.run_sync(entity=Entity.MOVIES, queued=run.id).status is Status.CANCELLED


def test_a_dead_run_may_be_cancelled_while_it_is_being_closed(use_cases: SyncUseCases) -> None:
    dead = new_run(use_cases.store)

    class Raced:
        def __init__(self, runs: SyncRunRepository) -> None:
            self.runs = runs

        def __getattr__(self, name: str) -> object:
            return getattr(self.runs, name)

        def save(self, run: SyncRun) -> None:
            self.runs.cancel(dead.id, noon())
            self.runs.save(run)

    runner = replace(use_cases.runner, runs=Raced(use_cases.store.runs))  # type: ignore[arg-type]
    with runner.enqueue(Entity.MOVIES) as run:
        assert run.running
    assert use_cases.store.runs.get(dead.id).status is Status.CANCELLED


def test_an_unexpected_error_does_not_end_the_heartbeat(
    use_cases: SyncUseCases, fake_source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    beaten = Event()

    class Faulty:
        def __init__(self, locks: Locks) -> None:
            self.locks, self.errors = locks, [ZeroDivisionError("a bug"), StorageUnavailable("silent")]

        def __getattr__(self, name: str) -> object:
            return getattr(self.locks, name)

        def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
            if self.errors:
                raise self.errors.pop(0)
            beaten.set()
            return self.locks.renew(name, holder, ttl)

    def wait(_: int) -> None:
        assert beaten.wait(30)

    fake_source.before = wait
    runner = replace(use_cases.runner, locks=Faulty(use_cases.store.locks), heartbeat_interval=OFTEN)  # type: ignore[arg-type]
    run = SyncMovies(runner=runner, movies=use_cases.store.movies)(pages=PAGES)
    assert run.status is Status.SUCCESS
    assert "Unexpected error while the lock sync:movies is renewed" in caplog.text
    assert "a bug" in caplog.text


def test_a_lost_lock_is_not_renewed(use_cases: SyncUseCases, fake_source: FakeSource) -> None:
    use_cases = SyncUseCases(use_cases.store, use_cases.clock, fake_source, heartbeat_interval=OFTEN)
    run = use_cases.enqueue()
    beating: list[int] = []

    def cancel(page: int) -> None:
        if page == 2:
            use_cases.cancel(run=run.id)
            use_cases.store.locks.acquire(lock_name(Entity.MOVIES), "another", timedelta(1))
            until = monotonic() + 30
            while (beats := heartbeats()) and monotonic() < until:
                sleep(0.005)
            beating.append(beats)

    fake_source.before = cancel
    use_cases.run_sync(entity=Entity.MOVIES, queued=run.id)
    assert beating == [0]
    assert use_cases.store.locks.renew(lock_name(Entity.MOVIES), "another", timedelta(1))


class Passing:
    """Locks of which each attempt to acquire one takes a second, and lets a test act."""

    def __init__(self, use_cases: SyncUseCases, act: Callable[[], object] = lambda: None) -> None:
        self.use_cases, self.act = use_cases, act
        self.attempts = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.use_cases.store.locks, name)

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        self.attempts += 1
        expiry = self.use_cases.store.locks.acquire(name, holder, ttl)
        if expiry:
            self.use_cases.clock.advance(timedelta(seconds=1))
            self.act()
        return expiry


def sync_over(use_cases: SyncUseCases, locks: Passing, poll_interval: timedelta = timedelta(0)) -> SyncRun:
    runner = replace(use_cases.runner, locks=locks, poll_interval=poll_interval)  # type: ignore[arg-type]
    return SyncMovies(runner=runner, movies=use_cases.store.movies)(pages=PAGES)


def test_a_run_waits_until_the_lock_of_a_dead_process_expires(use_cases: SyncUseCases) -> None:
    use_cases.store.locks.acquire(lock_name(Entity.MOVIES), "a dead process", timedelta(seconds=9))
    locks = Passing(use_cases)
    assert sync_over(use_cases, locks).status is Status.SUCCESS
    assert locks.attempts == 10


def test_a_run_does_not_wait_for_a_lock_that_is_renewed(use_cases: SyncUseCases) -> None:
    name, ttl = lock_name(Entity.MOVIES), timedelta(seconds=9)
    use_cases.store.locks.acquire(name, "a living process", ttl)
    locks = Passing(use_cases, lambda: use_cases.store.locks.renew(name, "a living process", ttl))
    with pytest.raises(SyncRunning):
        sync_over(use_cases, locks)
    assert locks.attempts == 2


@pytest.mark.parametrize(("excess", "waits"), [(0, True), (1, False)])
def test_a_run_waits_for_no_lock_that_lasts_longer_than_a_run_holds_one(
    use_cases: SyncUseCases, excess: int, waits: bool
) -> None:
    ttl = sync_runner.MAX_LOCK_WAIT + timedelta(seconds=1, milliseconds=excess)
    use_cases.store.locks.acquire(lock_name(Entity.MOVIES), "a process of another clock", ttl)
    if waits:
        assert sync_over(use_cases, Passing(use_cases)).status is Status.SUCCESS
    else:
        with pytest.raises(SyncRunning):
            sync_over(use_cases, Passing(use_cases))


def test_a_run_does_not_ask_for_a_lock_without_a_pause(use_cases: SyncUseCases) -> None:
    use_cases.store.locks.acquire(lock_name(Entity.MOVIES), "a dead process", timedelta(seconds=3))
    pause, began = timedelta(seconds=0.02), monotonic()
    sync_over(use_cases, Passing(use_cases), poll_interval=pause)
    assert monotonic() - began >= 3 * pause.total_seconds()
