"""Background loops and threads: an unexpected error neither ends them nor makes them spin."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from threading import Event
from typing import Any, NoReturn

import pytest
from pymongo.errors import ConnectionFailure, OperationFailure
from redis import ConnectionError as BrokenOff
from redis import Redis, RedisError
from redis import TimeoutError as RedisTimeoutError
from rq.executions import Execution

from adapters.mongo import abandoned_transactions
from adapters.mongo.abandoned_transactions import AbandonedTransactions
from adapters.redis import breaker as breakers
from adapters.redis import worker_loop
from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from adapters.redis.queue import (
    JOBS,
    RestrictedJob,
    RqJobQueue,
    abandoned_jobs,
    connect,
    enqueue_job,
    is_pending,
    job_id_of,
    queue_of,
    requeue,
)
from adapters.redis.worker import InterruptibleWorker, without_traceback
from adapters.redis.worker_loop import ShutdownFlag, run_until_stopped
from adapters.system import NoJobQueue
from domain.errors import StorageUnavailable
from domain.ids import RunId
from domain.ports import QueueUnavailable
from domain.sync import Entity
from entrypoints.processes.child_process import ChildProcess
from tests import waiting
from tests.contracts.valkey_server import Valkey

RUN = RunId("a" * 24)
JOB = job_id_of(RUN)

eventually = partial(waiting.eventually, timeout=30, interval=0.01)

SET_IN_A_FORK = """
import os, select
from adapters.redis.worker_loop import ShutdownFlag
stop = ShutdownFlag()
child = os.fork()
if child == 0:
    stop.set()
    os._exit(0 if stop.is_set else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
readable, _, _ = select.select([stop._read_end], [], [], 0)
print(code, stop.is_set, bool(readable))
stop.set()
readable, _, _ = select.select([stop._read_end], [], [], 0)
print(stop.is_set, bool(readable))
"""


def test_a_shutdown_of_a_forked_process_does_not_wake_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SET_IN_A_FORK], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["0 False False", "True True"]


@pytest.fixture
def stop() -> Iterator[ShutdownFlag]:
    stop = ShutdownFlag()
    yield stop
    stop.close()


def test_the_loop_continues_after_an_unexpected_error_with_a_delay(
    stop: ShutdownFlag, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [ZeroDivisionError("a bug"), BrokenOff("away"), KeyError("another")]
    rests: list[float] = []
    monkeypatch.setattr(ShutdownFlag, "wait", lambda _, seconds: rests.append(seconds))

    def turn() -> None:
        if errors:
            raise errors.pop(0)
        stop.set()

    assert run_until_stopped(turn, stop, logging.getLogger("test"))
    assert rests == [
        worker_loop.FIRST_RETRY_DELAY,
        worker_loop.FIRST_RETRY_DELAY * 2,
        worker_loop.FIRST_RETRY_DELAY * 4,
    ]
    assert "a bug" in caplog.text
    assert "another" in caplog.text
    assert (
        caplog.text.count("The job queue is unavailable")
        == caplog.text.count("The job queue is available again")
        == 1
    )


def test_the_breaker_closes_after_an_unexpected_error_of_a_probe(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [ZeroDivisionError("a bug"), ValueError("another")]

    def forget(client: Redis) -> None:
        client.ping()
        if errors:
            raise errors.pop(0)

    away = RedisBreaker(valkey.url, flush=forget, interval_after_error=0.01)
    valkey.kill()
    with pytest.raises(RedisUnavailable):
        away.ping()
    valkey.start()
    eventually(lambda: not away.is_open)
    away.close()
    assert not errors
    assert "a bug" in caplog.text


def test_the_breaker_closes_even_if_no_thread_can_be_started(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    forgotten = Event()
    lost = RedisBreaker(valkey.url, flush=lambda _: forgotten.set())
    valkey.kill()
    with monkeypatch.context() as full:
        full.setattr(breakers, "Thread", refuse)
        with pytest.raises(RedisUnavailable):
            lost.ping()
        assert not lost.is_open
        assert "cannot be probed" in caplog.text
    valkey.start()
    with pytest.raises(RedisUnavailable):  # it may have missed a change, so it invalidates everything first
        lost.ping()
    eventually(lambda: not lost.is_open)
    assert forgotten.is_set()
    lost.close()


class Server:
    """A MongoDB server that ends sessions after some errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.ended: list[Mapping[str, Any]] = []

    def __call__(self, sessions: list[Mapping[str, Any]]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.ended += sessions


def retried_at_once(server: Server, lifetime: float = 60.0) -> AbandonedTransactions:
    return AbandonedTransactions(server, retry_interval=0.01, error_interval=0.01, lifetime=lifetime)


def test_open_transactions_are_ended_after_an_unexpected_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(ZeroDivisionError("a bug"), ConnectionFailure("silent"))
    abandoned = retried_at_once(server)
    abandoned.add({"id": 1})
    eventually(lambda: bool(server.ended))
    assert server.ended == [{"id": 1}]
    assert "a bug" in caplog.text
    abandoned.add({"id": 2})
    eventually(lambda: len(server.ended) == 2)


def test_a_transaction_aborted_by_the_server_is_not_retried_forever() -> None:
    server = Server(*[ZeroDivisionError("a bug")] * 100_000)
    abandoned = retried_at_once(server, lifetime=0.05)
    abandoned.add({"id": 1})
    eventually(lambda: not abandoned._running)
    assert server.ended == []


def test_a_transaction_that_the_server_refuses_to_end_is_given_up() -> None:
    server = Server(OperationFailure("not authorized"))
    abandoned = retried_at_once(server)
    abandoned.add({"id": 2})
    eventually(lambda: not abandoned._running)
    assert server.ended == []


def test_open_transactions_are_ended_later_if_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    server = Server()
    abandoned = retried_at_once(server)
    with monkeypatch.context() as full:
        full.setattr(abandoned_transactions, "Thread", refuse)
        abandoned.add({"id": 1})
    assert "cannot be ended" in caplog.text
    abandoned.add({"id": 2})
    eventually(lambda: server.ended == [{"id": 1}, {"id": 2}])


def test_a_process_that_cannot_be_started_is_retried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def start() -> NoReturn:
        raise ZeroDivisionError("a bug")

    child = ChildProcess("api", start)
    child.supervise()
    assert child.process is None
    assert child.delay
    assert "a bug" in caplog.text


def test_without_a_queue_pending_jobs_are_unknown() -> None:
    jobs = NoJobQueue()
    for ask in (
        lambda: jobs.sync(Entity.MOVIES, RUN),
        lambda: jobs.is_pending(RUN),
        jobs.update_neighbours,
        jobs.waiting,
    ):
        with pytest.raises(QueueUnavailable):
            ask()


@pytest.fixture
def client(valkey: Valkey) -> Iterator[Redis]:
    client = connect(valkey.url)
    yield client
    client.close()


@pytest.fixture
def queued(valkey: Valkey) -> Iterator[str]:
    """A job in the queue."""
    jobs = RqJobQueue(valkey.url)
    jobs.sync(Entity.MOVIES, RUN)
    assert jobs.is_pending(RUN)
    assert not jobs.is_pending(RunId("b" * 24))
    yield JOB
    jobs.close()


def test_an_update_of_neighbours_is_enqueued_once_and_again_when_it_is_done(valkey: Valkey) -> None:
    jobs = RqJobQueue(valkey.url)
    for _ in range(2):
        jobs.update_neighbours()
    assert jobs.waiting() == 1
    with connect(valkey.url) as client:
        assert client.lpop(queue_of(client).key)
    jobs.update_neighbours()
    assert jobs.waiting() == 1
    jobs.close()


def take(client: Redis) -> None:
    """Take a job as a worker does, without starting it."""
    queue = queue_of(client)
    assert client.lmove(queue.key, queue.intermediate_queue_key, "LEFT", "RIGHT") == JOB.encode()


def begin(client: Redis, seconds: int) -> None:
    """Start a job as a worker does: send a heartbeat that expires after some seconds."""
    with client.pipeline() as pipeline:
        Execution.create(queue_of(client).fetch_job(JOB), seconds, pipeline)  # type: ignore[arg-type]
        pipeline.execute()


def test_a_job_is_pending_until_it_is_lost_or_ends(client: Redis, queued: str) -> None:
    take(client)
    assert is_pending(client, queued)
    begin(client, 60)
    client.delete(queue_of(client).intermediate_queue_key)
    assert is_pending(client, queued)
    client.delete(queue_of(client).started_job_registry.key)
    assert not is_pending(client, queued)
    begin(client, -1000)  # the heartbeat of its worker has expired
    client.zadd(queue_of(client).started_job_registry.key, {f"{queued}:x": time.time() - 1})
    assert client.zrange(queue_of(client).started_job_registry.key, 0, -1)


@pytest.mark.parametrize("loss", ["flushall", "the list"])
def test_a_job_lost_by_redis_is_not_pending(client: Redis, queued: str, loss: str) -> None:
    if loss == "flushall":
        client.flushall()
    else:
        client.delete(queue_of(client).key)
    assert not is_pending(client, queued)


def test_the_job_of_a_dead_worker_is_not_pending_after_its_heartbeat_expires(
    client: Redis, queued: str
) -> None:
    take(client)
    client.delete(queue_of(client).intermediate_queue_key)
    client.zadd(queue_of(client).started_job_registry.key, {f"{queued}:x": time.time() - 1})
    assert not is_pending(client, queued)


def test_a_job_taken_but_not_started_is_requeued_once(client: Redis, queued: str) -> None:
    take(client)
    assert abandoned_jobs(client) == [queued]
    assert requeue(client, queued)
    assert queue_of(client).get_job_ids() == [queued]
    assert abandoned_jobs(client) == []
    assert not requeue(client, queued)


def test_a_requeued_job_precedes_those_queued_later(client: Redis, queued: str) -> None:
    take(client)
    later = enqueue_job(client, f"{JOBS}.sync", "genres").id
    assert requeue(client, queued)
    assert queue_of(client).get_job_ids() == [queued, later]


def test_a_job_in_the_queue_is_not_requeued(client: Redis, queued: str) -> None:
    client.rpush(queue_of(client).intermediate_queue_key, queued)
    assert not requeue(client, queued)
    assert queue_of(client).get_job_ids() == [queued]


def test_a_job_of_a_living_worker_is_not_requeued(client: Redis, queued: str) -> None:
    take(client)
    begin(client, 60)
    assert abandoned_jobs(client) == []


@pytest.mark.parametrize("status", ["finished", "failed", "scheduled", None])
def test_a_job_that_ended_or_was_deleted_is_not_requeued(
    client: Redis, queued: str, status: str | None
) -> None:
    take(client)
    if status:
        client.hset(f"rq:job:{queued}", "status", status)
    else:
        client.delete(f"rq:job:{queued}")
    assert not requeue(client, queued)
    assert queue_of(client).get_job_ids() == abandoned_jobs(client) == []


def test_a_worker_requeues_a_job_that_another_took_and_did_not_start(
    client: Redis, queued: str, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(client)
    tidying = InterruptibleWorker(valkey.url, abandoned_after=0)
    for _ in range(2):  # its worker may be about to start it
        assert queue_of(client).get_job_ids() == []
        client.delete(f"rq:tidying:{queue_of(client).name}")
        tidying._maintain()
    assert queue_of(client).get_job_ids() == [queued]
    tidying.connection.close()
    tidying._flag.close()


def test_a_worker_requeues_its_own_job_if_redis_failed_at_its_start(
    client: Redis, queued: str, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = InterruptibleWorker(valkey.url, abandoned_after=0)

    def break_off(*_: object) -> NoReturn:
        raise BrokenOff("away")

    monkeypatch.setattr(begun, "execute_job", break_off)
    with pytest.raises(BrokenOff):
        begun._run_once()
    assert queue_of(client).get_job_ids() == []
    monkeypatch.setattr(begun, "execute_job", lambda job, _: done.append(job.id))
    done: list[str] = []
    begun._run_once()
    assert done == [queued]
    begun.connection.close()
    begun._flag.close()


def test_errors_of_redis_are_logged_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test of outages")
    log.addFilter(without_traceback)
    for error in (RedisError("no memory"), ValueError("a fault of ours")):
        try:
            raise error
        except (RedisError, ValueError):
            log.exception("job %s", "x")
    outage, fault = caplog.records
    assert (outage.getMessage(), outage.exc_info) == ("job x: no memory", None)
    assert fault.exc_info


@pytest.mark.parametrize("error", [StorageUnavailable("the disk is full"), RedisTimeoutError("timed out")])
def test_a_job_that_failed_because_of_an_outage_has_no_traceback(
    caplog: pytest.LogCaptureFixture, valkey: Valkey, error: Exception
) -> None:
    worker = InterruptibleWorker(valkey.url)
    job = RestrictedJob("x", connection=worker.connection)
    worker.handle_exception(job, type(error), error, None)
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "Traceback" not in record.getMessage()
