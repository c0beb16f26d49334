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
    Background,
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
        place = Background(folder, valkey, tmdb)
        with place.container() as container:
            assert container.run_sync()(entity=Entity.MOVIES).status is Status.SUCCESS
        return place.catalogue()


@pytest.fixture
def place(tmdb: TmdbSimulator, tmp_path: Path) -> Iterator[Background]:
    with running_valkey(tmp_path / "valkey") as valkey:
        place = Background(tmp_path, valkey, tmdb)
        try:
            yield place
        finally:
            place.end()


def test_another_worker_takes_over_the_sync_of_a_killed_one(
    place: Background, undisturbed: list[tuple[object, ...]]
) -> None:
    place.start_sync()
    first = place.worker()
    place.amid()
    (horse,) = children(first)
    kill(horse)
    kill(first.pid)
    place.worker()

    died, other = place.done()

    assert (died.status, died.error) == (Status.FAILED, "its process died")
    assert other.pages_done + died.pages_done == PAGES
    assert place.catalogue() == undisturbed


def test_a_job_ends_when_only_its_worker_is_killed(
    place: Background, undisturbed: list[tuple[object, ...]]
) -> None:
    place.start_sync()
    first = place.worker()
    place.amid()
    (horse,) = children(first)
    kill(first.pid)
    eventually(lambda: not alive(horse))
    place.worker()

    interrupted, _ = place.done()

    assert (interrupted.status, interrupted.error) == (Status.FAILED, "interrupted")
    assert place.catalogue() == undisturbed


def test_a_worker_that_is_stopped_interrupts_its_job_and_requeues_it(
    place: Background, undisturbed: list[tuple[object, ...]]
) -> None:
    place.start_sync()
    worker = place.worker()
    place.amid()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=10) == 0

    (interrupted,) = place.runs()
    assert (interrupted.status, interrupted.error) == (Status.FAILED, "interrupted")
    assert place.waiting() == 1
    assert "Traceback" not in place.log

    idle = place.worker()
    _, other = place.done()
    assert other.pages_done == PAGES - interrupted.pages_done
    assert place.catalogue() == undisturbed
    idle.send_signal(signal.SIGINT)
    assert idle.wait(timeout=10) == 0


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Background]:
    """Processes whose credential TMDB refuses."""
    with (
        TmdbSimulator(Catalogue(make_movies(20, seed=8)), token="another") as refusing,
        running_valkey(tmp_path / "valkey") as valkey,
    ):
        place = Background(tmp_path, valkey, refusing)
        try:
            yield place
        finally:
            place.end()


def test_the_queue_retries_a_failed_sync(failing: Background) -> None:
    failing.tmdb.set_faults(Fault("answer", every=1, status=422, body={}))
    failing.start_sync()
    worker = failing.worker()
    eventually(lambda: len(failing.runs()) == 3 and not failing.runs()[-1].running)  # at once, and later
    assert worker.poll() is None
    assert {run.status for run in failing.runs()} == {Status.FAILED}


def test_a_sync_with_a_refused_credential_is_not_retried(failing: Background) -> None:
    failing.start_sync()
    worker = failing.worker()
    with failing.client() as client:
        queue = queue_of(client)
        eventually(lambda: queue.failed_job_registry.count == 1)
        assert (queue.count, queue.scheduled_job_registry.count) == (0, 0)
    assert worker.poll() is None
    (run,) = failing.runs()
    assert run.status is Status.FAILED
    assert "check TMDB_ACCESS_TOKEN" in str(run.error)


def test_a_foreign_job_fails_without_a_retry_and_is_logged(place: Background) -> None:
    with place.client() as client:
        strangers = [
            Queue(QUEUE, connection=client, serializer=serializer).enqueue(
                "os.mkdir", str(place.folder / serializer.__name__), retry=Retry(3)
            )
            for serializer in (DefaultSerializer, JSONSerializer)
        ]
        own = enqueue_job(client, f"{JOBS}.expire_sessions")
        worker = place.worker()
        eventually(lambda: own.get_status() is JobStatus.FINISHED)

        assert [job.get_status() for job in strangers] == [JobStatus.FAILED] * 2
        assert queue_of(client).scheduled_job_registry.count == 0
    assert worker.poll() is None
    assert not list(place.folder.glob("*Serializer*"))
    assert "'os.mkdir' is no job of Matinee, or has other arguments" in place.log
    assert all(job.id in place.log for job in strangers)


def test_a_cancelled_run_ends_and_its_worker_continues(place: Background) -> None:
    run = place.start_sync()
    place.worker()
    place.amid()
    with place.container() as container:
        cancelled = container.cancel_sync()(run=run.id)
    again = place.start_sync()
    first, second = place.done()
    assert (first, second.id) == (cancelled, again.id)


def test_a_worker_survives_an_outage_of_redis(
    place: Background, undisturbed: list[tuple[object, ...]]
) -> None:
    worker = place.worker()
    place.start_sync()
    place.amid()
    place.valkey.kill()
    eventually(lambda: not place.runs()[0].running)  # a sync needs no Redis
    eventually(lambda: "The job queue is unavailable: " in place.log)
    place.valkey.start()
    eventually(lambda: "The job queue is available again" in place.log)
    place.valkey.freeze()
    eventually(lambda: place.log.count("The job queue is unavailable: ") > 1)
    place.valkey.thaw()

    place.start_sync()
    runs = place.done()
    eventually(lambda: place.waiting() == 0)

    assert [run.status for run in runs] == [Status.SUCCESS] * 2
    assert place.catalogue() == undisturbed
    assert worker.poll() is None


def test_a_sync_lost_with_redis_does_not_block_others(
    place: Background, undisturbed: list[tuple[object, ...]]
) -> None:
    worker = place.worker()
    eventually(place.client_sees_a_worker)
    lost = place.start_sync()
    place.valkey.kill()  # Redis loses its data: the job is lost unless the worker has started it
    place.valkey.start()

    def begun() -> bool:
        if any(run.pages_done for run in place.runs()):
            return True
        try:
            return place.start_sync().id != lost.id
        except (SyncRunning, QueueUnavailable):
            return False

    eventually(begun)
    place.done()
    assert {run.error for run in place.runs()} <= {None, "no worker took it up", "its process died"}
    assert place.catalogue() == undisturbed
    assert worker.poll() is None


def test_a_worker_that_is_stopped_does_not_spin_while_redis_is_unavailable(place: Background) -> None:
    place.start_sync()
    worker = place.worker()
    place.amid()
    (horse,) = children(worker)
    os.kill(horse, signal.SIGTERM)
    eventually(lambda: not alive(horse))
    place.valkey.kill()
    eventually(lambda: "The job queue is unavailable: " in place.log)
    before = processor_time(worker.pid)
    time.sleep(2)  # low processor time can only be measured over some time
    assert processor_time(worker.pid) - before < 1
    place.valkey.start()
    eventually(lambda: "The job queue is available again" in place.log)
    assert worker.poll() is None


def looks(place: Background) -> int:
    """The number of times that a scheduler has checked for due entries."""
    with place.client() as client:
        stats: Any = client.info("commandstats")
    return int(stats.get("cmdstat_zrange", {"calls": 0})["calls"])


def test_two_schedulers_enqueue_each_entry_once_and_survive_an_outage_of_redis(place: Background) -> None:
    schedulers = [place.scheduler(), place.scheduler()]
    entries = {entry.id for entry in cron_entries(Settings())}
    place.valkey.kill()
    eventually(lambda: place.log.count("The job queue is unavailable: ") >= 2)
    place.valkey.start()

    def standing() -> bool:
        with place.client() as client:
            return client.zcard(CronTable.scheduled_jobs_key) == len(entries)

    eventually(standing)
    due = int(time.time()) // 60 * 60 - 5
    with place.client() as client:
        client.zadd(CronTable.scheduled_jobs_key, dict.fromkeys(entries, due))
    expected = {f"{entry}-{due}" for entry in entries}
    eventually(lambda: expected <= set(place.queued_ids()))
    before = looks(place)
    eventually(lambda: looks(place) >= before + 3)  # both have checked again
    queued = place.queued_ids()
    assert len(queued) == len(set(queued))
    # The clock goes on: an entry may really be due meanwhile, which is on the minute.
    others = [int(job.rpartition("-")[2]) for job in set(queued) - expected]
    assert all(due < moment <= time.time() and moment % 60 == 0 for moment in others)
    for scheduler in schedulers:
        scheduler.send_signal(signal.SIGTERM)
        assert scheduler.wait(timeout=10) == 0
