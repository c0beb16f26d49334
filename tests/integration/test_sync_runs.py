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
from tests.integration.sync_bench import PAGES, Bench, Killed, ShelfSource

OFTEN = timedelta(milliseconds=5)


def heartbeats() -> int:
    """The number of threads that renew a lock."""
    return sum(thread.name == "sync-lock" for thread in threads())


@pytest.fixture
def _killed_without_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process closes no record, releases no lock, and sends no heartbeats."""
    monkeypatch.setattr(SyncRunner, "_record_interruption", lambda *_: None)
    monkeypatch.setattr(SyncRunner, "_renew_lock", lambda *_: None)


def dying(shelf: ShelfSource, page: int) -> None:
    """Kill the process that reads this page, once."""

    def die(requested: int) -> None:
        if requested == page:
            shelf.before = lambda _: None
            raise Killed

    shelf.before = die


@pytest.mark.parametrize("entity", Entity)
def test_a_worker_takes_over_the_lock_of_an_enqueued_run_and_releases_it(
    bench: Bench, entity: Entity
) -> None:
    run = bench.enqueue(entity)
    assert not bench.free(entity)
    done = bench.do(entity=entity, queued=run.id)
    assert (done.id, done.status, done.pages_left) == (run.id, Status.SUCCESS, ())
    assert bench.free(entity)


def test_a_completed_run_is_not_executed_again(bench: Bench, shelf: ShelfSource) -> None:
    run = bench.enqueue()
    done = bench.do(entity=Entity.MOVIES, queued=run.id)
    shelf.before = lambda _: pytest.fail("it is done already")
    assert bench.do(entity=Entity.MOVIES, queued=run.id) == done


@pytest.mark.usefixtures("_killed_without_cleanup")
@pytest.mark.parametrize("page", range(1, PAGES + 1))
def test_another_worker_reads_the_remaining_pages_of_a_killed_one(
    bench: Bench, shelf: ShelfSource, page: int
) -> None:
    run = bench.enqueue()
    dying(shelf, page)
    with pytest.raises(Killed):
        bench.do(entity=Entity.MOVIES, queued=run.id)
    bench.store.locks.acquire(lock_name(Entity.MOVIES), run.id, sync_runner.LOCK_TTL)  # no lock was released
    bench.clock.advance(sync_runner.LOCK_TTL)

    other = bench.do(entity=Entity.MOVIES, queued=run.id)

    assert bench.store.runs.get(run.id).error == "its process died"
    assert (other.status, other.pages_done) == (Status.SUCCESS, PAGES + 1 - page)
    assert bench.held() == list(range(1, PAGES * 5 + 1))


def test_an_interrupted_run_is_resumed_by_another(bench: Bench, shelf: ShelfSource) -> None:
    run = bench.enqueue()
    dying(shelf, 3)
    with pytest.raises(Killed):
        bench.do(entity=Entity.MOVIES, queued=run.id)
    assert bench.store.runs.get(run.id).error == "interrupted"
    other = bench.do(entity=Entity.MOVIES, queued=run.id)
    assert (other.status, other.pages_done) == (Status.SUCCESS, 2)


def test_a_failed_sync_raises_so_that_the_queue_retries(bench: Bench, shelf: ShelfSource) -> None:
    def away(_: int) -> None:
        raise SourceUnavailable("TMDB is away")

    shelf.before = away
    run = bench.enqueue()
    with pytest.raises(SourceUnavailable, match=r"sync of movies failed: .*TMDB is away"):
        bench.do(entity=Entity.MOVIES, queued=run.id)
    shelf.before = lambda _: None
    assert bench.do(entity=Entity.MOVIES, queued=run.id).status is Status.SUCCESS


def test_a_refused_credential_raises_an_error_without_retries(bench: Bench, shelf: ShelfSource) -> None:
    def refuse(page: int) -> None:
        if page == PAGES:
            raise SourceRefused("check TMDB_ACCESS_TOKEN")

    shelf.before = refuse
    run = bench.enqueue()
    with pytest.raises(SourceRefused, match="sync of movies failed: check TMDB_ACCESS_TOKEN"):
        bench.do(entity=Entity.MOVIES, queued=run.id)
    failed = bench.store.runs.get(run.id)
    assert (failed.status, failed.error) == (Status.FAILED, "check TMDB_ACCESS_TOKEN")


def test_a_new_run_is_refused_while_one_is_enqueued(bench: Bench) -> None:
    run = bench.enqueue()
    for _ in range(2):
        with pytest.raises(SyncRunning):
            bench.do(entity=Entity.MOVIES)
        with pytest.raises(SyncRunning):
            bench.enqueue()
    assert bench.store.runs.get(run.id).running


def test_a_run_with_a_lost_job_blocks_others_for_some_seconds_only(bench: Bench) -> None:
    lost = bench.enqueue()
    bench.jobs.runs.clear()
    bench.clock.advance(QUEUE_LOCK_TTL - timedelta(seconds=1))
    with pytest.raises(SyncRunning):
        bench.enqueue()
    with pytest.raises(SyncRunning):
        bench.do(entity=Entity.MOVIES)
    bench.clock.advance(timedelta(seconds=1))
    other = bench.enqueue()
    closed = bench.store.runs.get(lost.id)
    assert (closed.status, closed.error) == (Status.FAILED, "no worker took it up")
    with pytest.raises(SyncRunning):
        bench.do(entity=Entity.MOVIES, queued=lost.id)
    assert bench.do(entity=Entity.MOVIES, queued=other.id).id == other.id


def test_the_lock_of_an_enqueued_run_is_shorter_than_the_documented_15_seconds() -> None:
    assert timedelta(0) < QUEUE_LOCK_TTL <= timedelta(seconds=15)


def test_locks_have_the_documented_lifetimes(bench: Bench) -> None:
    assert timedelta(seconds=10) == QUEUE_LOCK_TTL
    assert timedelta(seconds=9) == bench.runner.lock_ttl == sync_runner.LOCK_TTL
    assert timedelta(seconds=3) == bench.runner.heartbeat_interval
    assert timedelta(seconds=0.2) == bench.runner.poll_interval == sync_runner.POLL_INTERVAL
    assert timedelta(seconds=18) == sync_runner.MAX_LOCK_WAIT


def test_each_kind_has_its_own_lock_and_each_enqueued_run_its_own_holder() -> None:
    assert {lock_name(entity) for entity in Entity} == {
        "sync:genres", "sync:movies", "sync:changes", "sync:discover",
    }  # fmt: skip
    assert queue_holder(RunId("a" * 24)) == f"queue:{'a' * 24}"


def test_nothing_is_enqueued_while_a_sync_of_its_kind_runs_in_the_foreground(
    bench: Bench, shelf: ShelfSource
) -> None:
    refused: list[SyncRunning] = []

    def enqueue(page: int) -> None:
        if page == 2:
            with pytest.raises(SyncRunning) as caught:
                bench.enqueue()
            refused.append(caught.value)

    shelf.before = enqueue
    assert bench.do(entity=Entity.MOVIES).status is Status.SUCCESS
    assert refused
    assert bench.jobs.runs == []


def test_a_failed_page_is_recorded_before_the_next_is_read(bench: Bench, shelf: ShelfSource) -> None:
    recorded: list[tuple[int, int]] = []

    def fail(page: int) -> None:
        run = bench.store.runs.latest(Entity.MOVIES)
        assert run
        recorded.append((run.pages_done, run.pages_failed))
        if page == 2:
            raise SourceUnavailable("TMDB is away")

    shelf.before = fail
    bench.do(entity=Entity.MOVIES)
    assert recorded == [(0, 0), (1, 0), (1, 1), (2, 1)]


def test_the_progress_callback_is_called_for_each_page_and_the_end(bench: Bench, shelf: ShelfSource) -> None:
    def fail(page: int) -> None:
        if page == PAGES:
            raise SourceUnavailable("TMDB is away")

    shelf.before = fail
    seen: list[SyncRun] = []
    run = SyncMovies(runner=bench.runner, movies=bench.store.movies)(pages=PAGES, on_progress=seen.append)
    progress = [(each.status, each.pages_done, each.pages_failed) for each in seen]
    assert list(dict.fromkeys(progress)) == [
        (Status.IN_PROGRESS, 0, 0),
        (Status.IN_PROGRESS, 1, 0),
        (Status.IN_PROGRESS, 2, 0),
        (Status.IN_PROGRESS, 3, 0),
        (Status.IN_PROGRESS, 3, 1),
        (Status.PARTIAL, 3, 1),
    ]
    assert seen[-1] == run == bench.store.runs.get(run.id)


def test_a_sync_of_genres_has_one_page(bench: Bench) -> None:
    seen: list[SyncRun] = []
    SyncGenres(runner=bench.runner, genres=bench.store.genres)(on_progress=seen.append)
    assert {(each.pages_done, each.pages_total) for each in seen} == {(0, 1), (1, 1)}


def test_a_heartbeat_does_not_keep_its_process_alive(bench: Bench, shelf: ShelfSource) -> None:
    daemons: list[list[bool]] = []
    shelf.before = lambda _: daemons.append([each.daemon for each in threads() if each.name == "sync-lock"])
    bench.do(entity=Entity.MOVIES)
    assert daemons == [[True]] * PAGES


@pytest.mark.parametrize("waits", [QUEUE_LOCK_TTL, QUEUE_LOCK_TTL * 100])
def test_a_run_whose_job_waits_blocks_others_without_a_time_limit(bench: Bench, waits: timedelta) -> None:
    run = bench.enqueue()
    bench.clock.advance(waits)
    with pytest.raises(SyncRunning):
        bench.enqueue()
    with pytest.raises(SyncRunning):
        bench.do(entity=Entity.MOVIES)
    assert bench.do(entity=Entity.MOVIES, queued=run.id).id == run.id


def test_while_the_queue_is_unavailable_nothing_is_enqueued(bench: Bench) -> None:
    run = bench.enqueue()
    bench.clock.advance(QUEUE_LOCK_TTL)
    bench.jobs.away = True
    with pytest.raises(QueueUnavailable):
        bench.enqueue()
    assert bench.store.runs.get(run.id).running
    assert bench.do(entity=Entity.MOVIES, queued=run.id).id == run.id


def test_a_foreground_sync_does_not_wait_for_an_unavailable_queue(bench: Bench) -> None:
    lost = bench.enqueue()
    bench.clock.advance(QUEUE_LOCK_TTL)
    bench.jobs.away = True
    assert bench.do(entity=Entity.MOVIES).status is Status.SUCCESS
    assert bench.store.runs.get(lost.id).status is Status.FAILED


def test_a_lost_job_that_reappears_does_not_run_beside_another(
    bench: Bench, shelf: ShelfSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = bench.enqueue()
    bench.jobs.runs.clear()
    bench.clock.advance(QUEUE_LOCK_TTL)
    refused: list[SyncRunning] = []

    def come_back(page: int) -> None:
        if page == 2:
            with pytest.raises(SyncRunning) as caught:
                bench.do(entity=Entity.MOVIES, queued=lost.id)
            refused.append(caught.value)

    monkeypatch.setattr(sync_runner, "MAX_LOCK_WAIT", timedelta(0))  # the clock does not advance meanwhile
    shelf.before = come_back
    assert bench.do(entity=Entity.MOVIES).pages_done == PAGES
    assert refused


def test_a_run_that_no_worker_started_is_closed_with_that_reason(bench: Bench) -> None:
    lost = bench.enqueue()
    bench.jobs.runs.clear()
    bench.clock.advance(QUEUE_LOCK_TTL)
    assert bench.do(entity=Entity.MOVIES).status is Status.SUCCESS
    assert bench.store.runs.get(lost.id).error == "no worker took it up"
    assert bench.free()


@pytest.mark.usefixtures("_killed_without_cleanup")
def test_a_run_that_died_in_a_worker_is_closed_with_that_reason(bench: Bench, shelf: ShelfSource) -> None:
    run = bench.enqueue()
    dying(shelf, 1)
    with pytest.raises(Killed):
        bench.do(entity=Entity.MOVIES, queued=run.id)
    bench.clock.advance(QUEUE_LOCK_TTL)
    bench.enqueue()
    assert bench.store.runs.get(run.id).error == "its process died"


def test_a_run_that_waited_long_for_its_worker_is_executed(bench: Bench) -> None:
    run = bench.enqueue()
    bench.clock.advance(QUEUE_LOCK_TTL * 2)
    assert bench.do(entity=Entity.MOVIES, queued=run.id).id == run.id


def test_of_two_workers_with_the_same_job_one_executes_it(
    bench: Bench, shelf: ShelfSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bench.enqueue()
    refused = []

    def intrude(page: int) -> None:
        if page == 2:
            with pytest.raises(SyncRunning) as caught:
                bench.do(entity=Entity.MOVIES, queued=run.id)
            refused.append(caught.value)

    monkeypatch.setattr(sync_runner, "MAX_LOCK_WAIT", timedelta(0))  # the clock does not advance meanwhile
    shelf.before = intrude
    done = bench.do(entity=Entity.MOVIES, queued=run.id)
    assert refused
    assert (done.id, done.status, done.pages_done) == (run.id, Status.SUCCESS, PAGES)
    assert bench.store.runs.count() == 1


def test_a_run_that_cannot_be_enqueued_is_cancelled_and_frees_its_lock(bench: Bench) -> None:
    with pytest.raises(QueueUnavailable), bench.runner.enqueue(Entity.MOVIES) as run:
        raise QueueUnavailable("it is full")
    withdrawn = bench.store.runs.get(run.id)
    assert (withdrawn.status, withdrawn.error) == (
        Status.CANCELLED,
        "The job queue cannot be had: it is full",
    )
    assert bench.do(entity=Entity.MOVIES, queued=run.id) == withdrawn
    assert bench.enqueue().running


def test_a_run_that_cannot_be_recorded_frees_its_lock(bench: Bench) -> None:
    class Full:
        def __init__(self, runs: object) -> None:
            self.runs = runs

        def __getattr__(self, name: str) -> object:
            return getattr(self.runs, name)

        def add(self, run: SyncRun) -> None:
            raise StorageUnavailable("the disk is full")

    runner = replace(bench.runner, runs=Full(bench.store.runs))  # type: ignore[arg-type]
    with pytest.raises(StorageUnavailable), runner.enqueue(Entity.MOVIES):
        pytest.fail("it is not on record")
    assert bench.free()


@pytest.mark.parametrize("page", range(1, PAGES + 1))
def test_a_run_cancelled_in_progress_stops_and_frees_its_lock(
    bench: Bench, shelf: ShelfSource, page: int
) -> None:
    run = bench.enqueue()
    others: list[SyncRun] = []

    def cancel(requested: int) -> None:
        if requested == page and not others:
            assert bench.cancel(run=run.id).pages_done == page - 1
            others.append(bench.enqueue())

    shelf.before = cancel
    done = bench.do(entity=Entity.MOVIES, queued=run.id)
    assert (done.id, done.status, done.pages_done) == (run.id, Status.CANCELLED, page - 1)
    assert not bench.store.locks.renew(lock_name(Entity.MOVIES), run.id, timedelta(1))
    assert bench.store.locks.renew(lock_name(Entity.MOVIES), queue_holder(others[0].id), timedelta(1))
    other = bench.do(entity=Entity.MOVIES, queued=others[0].id)
    assert (other.status, other.pages_done) == (Status.SUCCESS, PAGES)


def test_a_run_cancelled_when_its_last_page_is_stored_ends_as_cancelled(bench: Bench) -> None:
    def cancel(run: SyncRun) -> None:
        if run.running and run.pages_done == PAGES:
            bench.cancel(run=run.id)

    run = SyncMovies(runner=bench.runner, movies=bench.store.movies)(pages=PAGES, on_progress=cancel)
    assert (run.status, run.pages_done) == (Status.CANCELLED, PAGES)


def test_a_run_cancelled_while_its_source_is_unavailable_ends_as_cancelled(
    bench: Bench, shelf: ShelfSource
) -> None:
    run = bench.enqueue()

    def away(page: int) -> None:
        if page == sync_runner.MAX_FAILED_PAGES:
            bench.cancel(run=run.id)
        raise SourceUnavailable("TMDB is away")

    shelf.before = away
    assert bench.do(entity=Entity.MOVIES, queued=run.id).status is Status.CANCELLED
    with pytest.raises(RunClosed):
        bench.cancel(run=run.id)


def test_a_refused_sync_that_was_cancelled_ends_as_cancelled(bench: Bench, shelf: ShelfSource) -> None:
    run = bench.enqueue()

    def refuse(_: int) -> None:
        bench.cancel(run=run.id)
        raise SourceRefused("check TMDB_ACCESS_TOKEN")

    shelf.before = refuse
    assert bench.do(entity=Entity.MOVIES, queued=run.id).status is Status.CANCELLED


def test_a_dead_run_may_be_cancelled_while_it_is_being_closed(bench: Bench) -> None:
    dead = new_run(bench.store)

    class Raced:
        def __init__(self, runs: SyncRunRepository) -> None:
            self.runs = runs

        def __getattr__(self, name: str) -> object:
            return getattr(self.runs, name)

        def save(self, run: SyncRun) -> None:
            self.runs.cancel(dead.id, noon())
            self.runs.save(run)

    runner = replace(bench.runner, runs=Raced(bench.store.runs))  # type: ignore[arg-type]
    with runner.enqueue(Entity.MOVIES) as run:
        assert run.running
    assert bench.store.runs.get(dead.id).status is Status.CANCELLED


def test_an_unexpected_error_does_not_end_the_heartbeat(
    bench: Bench, shelf: ShelfSource, caplog: pytest.LogCaptureFixture
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

    shelf.before = wait
    runner = replace(bench.runner, locks=Faulty(bench.store.locks), heartbeat_interval=OFTEN)  # type: ignore[arg-type]
    run = SyncMovies(runner=runner, movies=bench.store.movies)(pages=PAGES)
    assert run.status is Status.SUCCESS
    assert "Unexpected error while the lock sync:movies is renewed" in caplog.text
    assert "a bug" in caplog.text


def test_a_lost_lock_is_not_renewed(bench: Bench, shelf: ShelfSource) -> None:
    bench = Bench(bench.store, bench.clock, shelf, heartbeat_interval=OFTEN)
    run = bench.enqueue()
    beating: list[int] = []

    def cancel(page: int) -> None:
        if page == 2:
            bench.cancel(run=run.id)
            bench.store.locks.acquire(lock_name(Entity.MOVIES), "another", timedelta(1))
            until = monotonic() + 30
            while (beats := heartbeats()) and monotonic() < until:
                sleep(0.005)
            beating.append(beats)

    shelf.before = cancel
    bench.do(entity=Entity.MOVIES, queued=run.id)
    assert beating == [0]
    assert bench.store.locks.renew(lock_name(Entity.MOVIES), "another", timedelta(1))


class Passing:
    """Locks of which each attempt to acquire one takes a second, and lets a test act."""

    def __init__(self, bench: Bench, act: Callable[[], object] = lambda: None) -> None:
        self.bench, self.act = bench, act
        self.attempts = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.bench.store.locks, name)

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        self.attempts += 1
        expiry = self.bench.store.locks.acquire(name, holder, ttl)
        if expiry:
            self.bench.clock.advance(timedelta(seconds=1))
            self.act()
        return expiry


def sync_over(bench: Bench, locks: Passing, poll_interval: timedelta = timedelta(0)) -> SyncRun:
    runner = replace(bench.runner, locks=locks, poll_interval=poll_interval)  # type: ignore[arg-type]
    return SyncMovies(runner=runner, movies=bench.store.movies)(pages=PAGES)


def test_a_run_waits_until_the_lock_of_a_dead_process_expires(bench: Bench) -> None:
    bench.store.locks.acquire(lock_name(Entity.MOVIES), "a dead process", timedelta(seconds=9))
    locks = Passing(bench)
    assert sync_over(bench, locks).status is Status.SUCCESS
    assert locks.attempts == 10


def test_a_run_does_not_wait_for_a_lock_that_is_renewed(bench: Bench) -> None:
    name, ttl = lock_name(Entity.MOVIES), timedelta(seconds=9)
    bench.store.locks.acquire(name, "a living process", ttl)
    locks = Passing(bench, lambda: bench.store.locks.renew(name, "a living process", ttl))
    with pytest.raises(SyncRunning):
        sync_over(bench, locks)
    assert locks.attempts == 2


@pytest.mark.parametrize(("excess", "waits"), [(0, True), (1, False)])
def test_a_run_waits_for_no_lock_that_lasts_longer_than_a_run_holds_one(
    bench: Bench, excess: int, waits: bool
) -> None:
    ttl = sync_runner.MAX_LOCK_WAIT + timedelta(seconds=1, milliseconds=excess)
    bench.store.locks.acquire(lock_name(Entity.MOVIES), "a process of another clock", ttl)
    if waits:
        assert sync_over(bench, Passing(bench)).status is Status.SUCCESS
    else:
        with pytest.raises(SyncRunning):
            sync_over(bench, Passing(bench))


def test_a_run_does_not_ask_for_a_lock_without_a_pause(bench: Bench) -> None:
    bench.store.locks.acquire(lock_name(Entity.MOVIES), "a dead process", timedelta(seconds=3))
    pause, began = timedelta(seconds=0.02), monotonic()
    sync_over(bench, Passing(bench), poll_interval=pause)
    assert monotonic() - began >= 3 * pause.total_seconds()
