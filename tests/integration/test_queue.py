"""The job queue and the cron table, on a real Valkey."""

import os
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue, Webhook
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from adapters.redis.cron import NEVER, CronEntry, CronTable, next_time
from adapters.redis.queue import (
    JOBS,
    QUEUE,
    RETRY_DELAYS,
    RestrictedJob,
    RqJobQueue,
    UnknownJob,
    connect,
    queue_of,
)
from domain.ids import RunId
from domain.ports import QueueUnavailable
from domain.sync import Entity
from entrypoints.processes import jobs as named
from entrypoints.processes.scheduler import cron_entries
from entrypoints.settings import Settings
from tests.contracts.valkey_server import Valkey, running_valkey

RUN = RunId("a" * 24)
OTHER = RunId("b" * 24)
GENRES = CronEntry("sync-genres", "0 1 * * *", "sync", ("genres",))
HOURLY = CronEntry("expire-sessions", "17 * * * *", "expire_sessions")


@pytest.fixture
def client(valkey: Valkey) -> Iterator[Redis]:
    client = connect(valkey.url)
    yield client
    client.close()


@pytest.fixture
def jobs(valkey: Valkey) -> Iterator[RqJobQueue]:
    jobs = RqJobQueue(valkey.url)
    yield jobs
    jobs.close()


def queued(client: Redis) -> list[Job]:
    return queue_of(client).get_jobs()


def test_a_job_has_its_arguments_and_retries(jobs: RqJobQueue, client: Redis) -> None:
    assert jobs.waiting() == 0
    jobs.sync(Entity.MOVIES, RUN)
    (job,) = queued(client)
    assert (job.func_name, job.args) == (f"{JOBS}.sync", ["movies", RUN])
    assert (job.retries_left, job.retry_intervals) == (len(RETRY_DELAYS), list(RETRY_DELAYS))
    assert jobs.waiting() == 1


def test_without_a_configured_address_the_queue_is_unavailable() -> None:
    jobs = RqJobQueue(None)
    with pytest.raises(QueueUnavailable, match="set REDIS_URL"):
        jobs.sync(Entity.MOVIES, RUN)
    with pytest.raises(QueueUnavailable):
        jobs.waiting()
    jobs.close()
    with pytest.raises(QueueUnavailable, match="set REDIS_URL"):
        Settings().require_queue_url()


def test_the_queue_may_use_another_server_than_the_cache() -> None:
    assert (
        Settings(redis_url="redis://cache", queue_url="redis://queue").require_queue_url() == "redis://queue"
    )
    assert Settings(redis_url="redis://both").require_queue_url() == "redis://both"


def test_a_queue_that_recovers_is_used_again(jobs: RqJobQueue, valkey: Valkey) -> None:
    jobs.sync(Entity.MOVIES, RUN)
    valkey.kill()
    for _ in range(2):
        with pytest.raises(QueueUnavailable):
            jobs.sync(Entity.GENRES, OTHER)
    valkey.start()
    for _ in range(2):  # enqueuing the same run again adds no job
        jobs.sync(Entity.GENRES, OTHER)
    assert jobs.waiting() == 2


def test_a_full_queue_is_unavailable(tmp_path: Path) -> None:
    with running_valkey(tmp_path, "--maxmemory", "1") as full:
        jobs = RqJobQueue(full.url)
        with pytest.raises(QueueUnavailable, match="maxmemory"):
            jobs.sync(Entity.MOVIES, RUN)
        jobs.close()


class Trap:
    """Creates a directory when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def put_by_another_program(client: Redis, function: str, *args: object, **options: Any) -> Job:
    """The job as a worker reads it."""
    foreign = Queue(QUEUE, connection=client, serializer=JSONSerializer)
    return RestrictedJob.fetch(foreign.enqueue(function, *args, **options).id, client)


@pytest.mark.parametrize(
    "function",
    [
        "os.mkdir",
        f"{JOBS}.load",  # imported there
        f"{JOBS}.{named._running_container.__name__}",
        f"{JOBS}.log.error",
        f"{JOBS}.Container",
        f"{JOBS}.nothing",
        "sync",
    ],
)
def test_a_job_may_call_only_our_functions(client: Redis, function: str) -> None:
    with pytest.raises(UnknownJob, match=f"'{function}'"):
        _ = put_by_another_program(client, function, "movies").func


@pytest.mark.parametrize(("args", "options"), [([{"$ne": None}], {}), ([], {"entity": "movies"})])
def test_the_arguments_of_a_job_are_texts(client: Redis, args: list[object], options: dict[str, Any]) -> None:
    assert put_by_another_program(client, f"{JOBS}.sync", "movies").func is named.sync
    with pytest.raises(UnknownJob):
        _ = put_by_another_program(client, f"{JOBS}.sync", *args, **options).func


@pytest.mark.parametrize(
    "name", ["sync", "sweep", "verify_ratings", "update_neighbours", "recount_neighbours", "expire_sessions"]
)
def test_a_job_has_the_same_name_in_every_version(client: Redis, name: str) -> None:
    assert f"{JOBS}.{name}" == f"entrypoints.jobs.{name}"
    assert put_by_another_program(client, f"entrypoints.jobs.{name}").func is getattr(named, name)


def test_a_job_has_no_callbacks(client: Redis) -> None:
    job = put_by_another_program(
        client,
        f"{JOBS}.sweep",
        on_success=Callback("os.abort"),
        on_failure=Callback("os.abort"),
        on_stopped=Callback("os.abort"),
        webhooks=[Webhook("http://127.0.0.1:9/", "finished")],
    )
    assert (job.success_callback, job.failure_callback, job.stopped_callback) == (None, None, None)
    assert job.webhooks == []


def test_nothing_in_the_queue_is_unpickled(client: Redis, tmp_path: Path) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    job = put_by_another_program(client, f"{JOBS}.sweep")
    client.hset(job.key, mapping={"data": trap, "meta": trap, "result": trap})
    (found,) = queued(client)
    with pytest.raises(DeserializationError):
        _ = found.func
    assert not (tmp_path / "sprung").exists()


def test_every_job_of_a_cron_entry_exists() -> None:
    for entry in cron_entries(Settings()):
        assert callable(getattr(named, entry.job))


def test_cron_entries_follow_the_settings() -> None:
    entries = {entry.name: entry for entry in cron_entries(Settings(sync_movies_cron="5 4 * * 1"))}
    assert entries["sync-movies"].cron == "5 4 * * 1"
    assert entries["sync-genres"].cron == "0 1 * * *"
    assert len(entries) == 6


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
def test_cron_is_read_in_utc_wherever_the_process_runs(client: Redis, zone: str) -> None:
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setenv("TZ", zone)
        time.tzset()
        try:
            CronTable(client, [GENRES]).poll()
            again = next_time(GENRES.cron, datetime(2026, 3, 8, 1, 0, tzinfo=UTC))
        finally:
            elsewhere.delenv("TZ")
            elsewhere.undo()
            time.tzset()
    due = due_at(client, GENRES)
    assert (due.hour, due.minute) == (1, 0)
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(days=1)
    assert again == datetime(2026, 3, 9, 1, 0, tzinfo=UTC)


def due_at(client: Redis, entry: CronEntry) -> datetime:
    return datetime.fromtimestamp(scores(client)[entry.id], UTC)


def scores(client: Redis) -> dict[str, float]:
    found: Any = client.zrange(CronTable.scheduled_jobs_key, 0, -1, withscores=True)
    return {member.decode(): score for member, score in found}


def make_due(client: Redis, entry: CronEntry, ago: int = 10) -> None:
    client.zadd(CronTable.scheduled_jobs_key, {entry.id: int(time.time()) - ago})


def test_a_due_entry_is_enqueued_once_by_several_schedulers(client: Redis, valkey: Valkey) -> None:
    tables = [CronTable(connect(valkey.url), [GENRES, HOURLY]) for _ in range(4)]
    tables[0].poll()
    make_due(client, GENRES)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            list(pool.map(CronTable.poll, tables))
    (job,) = queued(client)
    assert (job.func_name, job.args, job.retries_left) == (f"{JOBS}.sync", ["genres"], len(RETRY_DELAYS))
    assert due_at(client, GENRES) > datetime.now(UTC)
    for table in tables:
        table.connection.close()


def test_a_scheduler_that_dies_after_enqueuing_causes_no_second_job(client: Redis) -> None:
    table = CronTable(client, [GENRES])
    table.poll()
    for _ in range(2):  # the second time as if the first had not been recorded
        make_due(client, GENRES, ago=int(time.time()) - 1_700_000_000)
        table.poll()
    assert len(queued(client)) == 1


def test_an_entry_that_was_due_while_no_scheduler_ran_is_enqueued_once(client: Redis) -> None:
    CronTable(client, [GENRES]).poll()
    make_due(client, GENRES, ago=3 * 86400)
    for _ in range(3):
        CronTable(client, [GENRES]).poll()
    assert len(queued(client)) == 1


def test_a_changed_entry_is_replaced_and_an_obsolete_one_removed(client: Redis) -> None:
    CronTable(client, [GENRES, HOURLY]).poll()
    CronTable(client, [CronEntry("sync-genres", "30 6 * * *", "sync", ("genres",))]).poll()
    assert set(scores(client)) == {GENRES.id}
    assert (due_at(client, GENRES).hour, due_at(client, GENRES).minute) == (6, 30)
    assert not client.exists(Job.key_for(HOURLY.id))


def test_entries_lost_by_redis_are_stored_again(client: Redis) -> None:
    table = CronTable(client, [GENRES, HOURLY])
    table.poll()
    client.flushall()
    table.poll()
    assert set(scores(client)) == {GENRES.id, HOURLY.id}


@pytest.mark.parametrize(
    "fields",
    [
        {"data": pickle.dumps((f"{JOBS}.sweep", None, (), {}))},
        {"data": b"no job"},
        {"data": b"[1, 2, 3, 4]", "meta": b"[]"},
        {"data": b"{}", "timeout": b"soon"},
        {"status": b"unheard of"},
    ],
)
def test_an_unreadable_entry_is_stored_again_and_stops_no_other(
    client: Redis, fields: dict[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    table = CronTable(client, [HOURLY, GENRES])
    table.poll()
    client.hset(RestrictedJob.key_for(HOURLY.id), mapping=fields)
    make_due(client, GENRES)
    table.poll()
    table.poll()
    assert [job.func_name for job in queued(client)] == [f"{JOBS}.sync"]
    assert due_at(client, HOURLY) > datetime.now(UTC)
    assert caplog.text.count("The stored entry expire-sessions cannot be read") == 1


def test_an_entry_whose_key_is_taken_is_stored_again(client: Redis) -> None:
    table = CronTable(client, [HOURLY])
    table.poll()
    client.delete(RestrictedJob.key_for(HOURLY.id))
    client.set(RestrictedJob.key_for(HOURLY.id), "no hash")
    table.poll()
    assert RestrictedJob.fetch(HOURLY.id, client).func_name == f"{JOBS}.expire_sessions"


def test_a_foreign_entry_is_removed_and_logged_and_stops_no_other(
    client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    table = CronTable(client, [GENRES])
    table.poll()
    client.zadd(CronTable.scheduled_jobs_key, {b"no\xffname": -1, b"a stranger's": 0, b"theirs": 1})
    put_by_another_program(client, "os.abort", job_id="theirs")
    client.delete(queue_of(client).key)
    make_due(client, GENRES)
    table.poll()
    assert set(scores(client)) == {GENRES.id}
    assert [job.func_name for job in queued(client)] == [f"{JOBS}.sync"]
    for name in (r"no\xffname", "a stranger's", "theirs"):
        assert f"{name} is removed" in caplog.text


def test_enqueuing_does_not_bring_back_an_entry_that_another_scheduler_removed(client: Redis) -> None:
    table = CronTable(client, [GENRES])
    table.poll()
    client.zrem(CronTable.scheduled_jobs_key, GENRES.id)
    table.enqueue(GENRES, since=1.0)
    table.enqueue_due()
    assert scores(client) == {}


def test_an_entry_that_is_never_due_is_never_enqueued(client: Redis) -> None:
    never = CronEntry("never", "0 0 30 2 *", "sweep")
    CronTable(client, [never]).poll()
    assert due_at(client, never) == NEVER
    assert queued(client) == []


def test_entries_of_other_programs_are_not_changed(client: Redis) -> None:
    theirs = Scheduler("theirs", connection=client)
    theirs.enqueue_at(datetime(2000, 1, 1), "theirs.job")  # noqa: DTZ001  as rq-scheduler has it
    CronTable(client, [GENRES]).poll()
    assert theirs.count() == 1
    assert queued(client) == []
