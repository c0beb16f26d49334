"""Workers and schedulers that are killed or stopped, or lose Redis."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rq import Queue, Retry
from rq.job import JobStatus
from rq.serializers import DefaultSerializer, JSONSerializer

from adapters.redis.cron import CronTable
from adapters.redis.queue import JOBS, QUEUE, enqueue_job, queue_of
from domain.ports import QueueUnavailable
from domain.sync import Entity, Status, SyncRunning
from entrypoints.processes.scheduler import cron_entries
from entrypoints.settings import Settings
from tests.contracts.valkey_server import running_valkey
from tests.e2e.background import (
    PAGES,
    BackgroundProcesses,
    alive,
    children,
    eventually,
    kill,
    processor_time,
)
from tests.tmdb_simulator import Catalogue, Fault, TmdbSimulator, make_movies

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture(scope="module")
def tmdb() -> Iterator[TmdbSimulator]:
    # Slow enough for a process to be killed during a sync.
    with TmdbSimulator(Catalogue(make_movies(PAGES * 20, seed=8))) as simulator:
        simulator.set_faults(Fault("slow_headers", "popular", every=1, seconds=0.3))
        yield simulator


@pytest.fixture(scope="module")
def undisturbed(tmdb: TmdbSimulator, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The catalogue after an undisturbed sync."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with running_valkey(folder / "valkey") as valkey:
        background = BackgroundProcesses(folder, valkey, tmdb)
        with background.container() as container:
            assert container.run_sync()(entity=Entity.MOVIES).status is Status.SUCCESS
        return background.catalogue()


@pytest.fixture
def background(tmdb: TmdbSimulator, tmp_path: Path) -> Iterator[BackgroundProcesses]:
    with running_valkey(tmp_path / "valkey") as valkey:
        background = BackgroundProcesses(tmp_path, valkey, tmdb)
        try:
            yield background
        finally:
            background.kill()


def test_another_worker_takes_over_the_sync_of_a_killed_one(
    background: BackgroundProcesses, undisturbed: list[tuple[object, ...]]
) -> None:
    background.start_sync()
    first = background.start_worker()
    background.wait_for_pages()
    (horse,) = children(first)
    kill(horse)
    kill(first.pid)
    background.start_worker()

    died, other = background.wait_for_success()

    assert (died.status, died.error) == (Status.FAILED, "its process died")
    assert other.pages_done + died.pages_done == PAGES
    assert background.catalogue() == undisturbed


def test_a_job_ends_when_only_its_worker_is_killed(
    background: BackgroundProcesses, undisturbed: list[tuple[object, ...]]
) -> None:
    background.start_sync()
    first = background.start_worker()
    background.wait_for_pages()
    (horse,) = children(first)
    kill(first.pid)
    eventually(lambda: not alive(horse))
    background.start_worker()

    interrupted, _ = background.wait_for_success()

    assert (interrupted.status, interrupted.error) == (Status.FAILED, "interrupted")
    assert background.catalogue() == undisturbed


def test_a_worker_that_is_stopped_interrupts_its_job_and_requeues_it(
    background: BackgroundProcesses, undisturbed: list[tuple[object, ...]]
) -> None:
    background.start_sync()
    worker = background.start_worker()
    background.wait_for_pages()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=10) == 0

    (interrupted,) = background.runs()
    assert (interrupted.status, interrupted.error) == (Status.FAILED, "interrupted")
    assert background.queue_length() == 1
    assert "Traceback" not in background.log

    idle = background.start_worker()
    _, other = background.wait_for_success()
    assert other.pages_done == PAGES - interrupted.pages_done
    assert background.catalogue() == undisturbed
    idle.send_signal(signal.SIGINT)
    assert idle.wait(timeout=10) == 0


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[BackgroundProcesses]:
    """Processes whose credential TMDB refuses."""
    with (
        TmdbSimulator(Catalogue(make_movies(20, seed=8)), token="another") as refusing,
        running_valkey(tmp_path / "valkey") as valkey,
    ):
        background = BackgroundProcesses(tmp_path, valkey, refusing)
        try:
            yield background
        finally:
            background.kill()


def test_the_queue_retries_a_failed_sync(failing: BackgroundProcesses) -> None:
    failing.tmdb.set_faults(Fault("answer", every=1, status=422, body={}))
    failing.start_sync()
    worker = failing.start_worker()
    eventually(lambda: len(failing.runs()) == 3 and not failing.runs()[-1].running)  # at once, and later
    assert worker.poll() is None
    assert {run.status for run in failing.runs()} == {Status.FAILED}


def test_a_sync_with_a_refused_credential_is_not_retried(failing: BackgroundProcesses) -> None:
    failing.start_sync()
    worker = failing.start_worker()
    with failing.redis_client() as client:
        queue = queue_of(client)
        eventually(lambda: queue.failed_job_registry.count == 1)
        assert (queue.count, queue.scheduled_job_registry.count) == (0, 0)
    assert worker.poll() is None
    (run,) = failing.runs()
    assert run.status is Status.FAILED
    assert "check TMDB_ACCESS_TOKEN" in str(run.error)


def test_a_foreign_job_fails_without_a_retry_and_is_logged(background: BackgroundProcesses) -> None:
    with background.redis_client() as client:
        strangers = [
            Queue(QUEUE, connection=client, serializer=serializer).enqueue(
                "os.mkdir", str(background.folder / serializer.__name__), retry=Retry(3)
            )
            for serializer in (DefaultSerializer, JSONSerializer)
        ]
        own = enqueue_job(client, f"{JOBS}.expire_sessions")
        worker = background.start_worker()
        eventually(lambda: own.get_status() is JobStatus.FINISHED)

        assert [job.get_status() for job in strangers] == [JobStatus.FAILED] * 2
        assert queue_of(client).scheduled_job_registry.count == 0
    assert worker.poll() is None
    assert not list(background.folder.glob("*Serializer*"))
    assert "'os.mkdir' is no job of Matinee, or has other arguments" in background.log
    assert all(job.id in background.log for job in strangers)


def test_a_cancelled_run_ends_and_its_worker_continues(background: BackgroundProcesses) -> None:
    run = background.start_sync()
    background.start_worker()
    background.wait_for_pages()
    with background.container() as container:
        cancelled = container.cancel_sync()(run=run.id)
    again = background.start_sync()
    first, second = background.wait_for_success()
    assert (first, second.id) == (cancelled, again.id)


def test_a_worker_survives_an_outage_of_redis(
    background: BackgroundProcesses, undisturbed: list[tuple[object, ...]]
) -> None:
    worker = background.start_worker()
    background.start_sync()
    background.wait_for_pages()
    background.valkey.kill()
    eventually(lambda: not background.runs()[0].running)  # a sync needs no Redis
    eventually(lambda: "The job queue is unavailable: " in background.log)
    background.valkey.start()
    eventually(lambda: "The job queue is available again" in background.log)
    background.valkey.freeze()
    eventually(lambda: background.log.count("The job queue is unavailable: ") > 1)
    background.valkey.thaw()

    background.start_sync()
    runs = background.wait_for_success()
    eventually(lambda: background.queue_length() == 0)

    assert [run.status for run in runs] == [Status.SUCCESS] * 2
    assert background.catalogue() == undisturbed
    assert worker.poll() is None


def test_a_sync_lost_with_redis_does_not_block_others(
    background: BackgroundProcesses, undisturbed: list[tuple[object, ...]]
) -> None:
    worker = background.start_worker()
    eventually(background.has_worker)
    lost = background.start_sync()
    background.valkey.kill()  # Redis loses its data: the job is lost unless the worker has started it
    background.valkey.start()

    def begun() -> bool:
        if any(run.pages_done for run in background.runs()):
            return True
        try:
            return background.start_sync().id != lost.id
        except (SyncRunning, QueueUnavailable):
            return False

    eventually(begun)
    background.wait_for_success()
    assert {run.error for run in background.runs()} <= {None, "no worker took it up", "its process died"}
    assert background.catalogue() == undisturbed
    assert worker.poll() is None


def test_a_worker_that_is_stopped_does_not_spin_while_redis_is_unavailable(
    background: BackgroundProcesses,
) -> None:
    background.start_sync()
    worker = background.start_worker()
    background.wait_for_pages()
    (horse,) = children(worker)
    os.kill(horse, signal.SIGTERM)
    eventually(lambda: not alive(horse))
    background.valkey.kill()
    eventually(lambda: "The job queue is unavailable: " in background.log)
    before = processor_time(worker.pid)
    time.sleep(2)  # low processor time can only be measured over some time
    assert processor_time(worker.pid) - before < 1
    background.valkey.start()
    eventually(lambda: "The job queue is available again" in background.log)
    assert worker.poll() is None


def looks(background: BackgroundProcesses) -> int:
    """The number of times that a scheduler has checked for due entries."""
    with background.redis_client() as client:
        stats: Any = client.info("commandstats")
    return int(stats.get("cmdstat_zrange", {"calls": 0})["calls"])


def test_two_schedulers_enqueue_each_entry_once_and_survive_an_outage_of_redis(
    background: BackgroundProcesses,
) -> None:
    schedulers = [background.start_scheduler(), background.start_scheduler()]
    entries = {entry.id for entry in cron_entries(Settings())}
    background.valkey.kill()
    eventually(lambda: background.log.count("The job queue is unavailable: ") >= 2)
    background.valkey.start()

    def standing() -> bool:
        with background.redis_client() as client:
            return client.zcard(CronTable.scheduled_jobs_key) == len(entries)

    eventually(standing)
    due = int(time.time()) // 60 * 60 - 5
    with background.redis_client() as client:
        client.zadd(CronTable.scheduled_jobs_key, dict.fromkeys(entries, due))
    expected = {f"{entry}-{due}" for entry in entries}
    eventually(lambda: expected <= set(background.queued_ids()))
    before = looks(background)
    eventually(lambda: looks(background) >= before + 3)  # both have checked again
    queued = background.queued_ids()
    assert len(queued) == len(set(queued))
    # The clock goes on: an entry may really be due meanwhile, which is on the minute.
    others = [int(job.rpartition("-")[2]) for job in set(queued) - expected]
    assert all(due < moment <= time.time() and moment % 60 == 0 for moment in others)
    for scheduler in schedulers:
        scheduler.send_signal(signal.SIGTERM)
        assert scheduler.wait(timeout=10) == 0
