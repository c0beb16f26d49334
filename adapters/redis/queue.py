"""The job queue, kept by RQ: what a job is, how it is put there, and how often it is tried."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from inspect import isfunction
from time import time
from typing import Any

from redis import Redis, RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from adapters.redis import addresses
from domain.ids import RunId
from domain.ports import QueueUnavailable
from domain.sync import Entity

QUEUE = "matinee"

JOBS = "entrypoints.jobs"
"""What the names of jobs in Redis begin with. It never changes: jobs are queued by one version and done by
another.
"""

JOBS_MODULE = "entrypoints.processes.jobs"
"""The module that holds the jobs. Only a worker imports it."""

TIMEOUT = 1.0
"""Seconds to wait for each answer."""

A_DAY = 24 * 3600

JOB_TIMEOUT = A_DAY
"""Seconds a job may take; a sync that refreshes all we hold takes hours."""

RESULT_TTL = 7 * A_DAY
"""So long is a finished job known, and one of the same id not queued again."""

FAILURE_TTL = 30 * A_DAY

RETRY_DELAYS = (0, 10, 60, 300, 900)
"""Seconds before each new try. The first comes at once: mostly a worker was killed, and another is there."""


CALLBACK_FIELDS = {b"success_callback_name", b"failure_callback_name", b"stopped_callback_name", b"webhooks"}
"""Whom RQ would call when a job has ended; ours call nobody."""


@dataclass(eq=False)
class UnknownJob(Exception):  # noqa: N818  the sentence it states
    """A job that is no call of ours, so it is never done."""

    function: object

    def __str__(self) -> str:
        return f"{self.function!r} is no job of ours, or not with such arguments"


class RestrictedJob(Job):
    """A job that can be nothing but a call of ours, whoever wrote it into Redis.

    RQ would unpickle what it finds there, and call whatever it names. Here a job is JSON, its function one of
    those in `JOBS_MODULE`, and its arguments are texts.
    """

    def __init__(
        self,
        id: str | None = None,
        connection: Redis | None = None,
        serializer: object = None,  # noqa: ARG002  whichever RQ would have: it is often not told
    ) -> None:
        super().__init__(id, connection, JSONSerializer)

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Be what Redis says, except for whom to call back."""
        super().restore({name: value for name, value in raw_data.items() if name not in CALLBACK_FIELDS})

    @property
    def func(self) -> Callable[..., Any]:
        """Raises UnknownJob."""
        module, _, name = str(self.func_name).rpartition(".")
        known = module == JOBS and not name.startswith("_")
        found = vars(import_module(JOBS_MODULE)).get(name) if known else None
        texts = not self.kwargs and all(isinstance(each, str) for each in self.args)
        if texts and isfunction(found) and found.__module__ == JOBS_MODULE:
            return found
        raise UnknownJob(self.func_name)


def job_id_of(run: RunId) -> str:
    """The id of the job of a run that is on record."""
    return f"{QUEUE}-sync-{run}"


def is_pending(client: Redis, job: str) -> bool:
    """Whether a job waits in the queue, is being handed to a worker, or is done by one that lives."""
    queue = queue_of(client)
    with client.pipeline() as pipeline:
        pipeline.lpos(queue.key, job)
        pipeline.lpos(queue.intermediate_queue_key, job)
        pipeline.zrangebyscore(queue.started_job_registry.key, time(), "+inf")
        in_queue, in_hand, living = pipeline.execute()
    if in_queue is not None or in_hand is not None:
        return True
    return any(execution.startswith(f"{job}:".encode()) for execution in living)


REQUEUE = """
local taken = redis.call('LREM', KEYS[1], 0, ARGV[1]) > 0
if not taken or redis.call('HGET', KEYS[3], 'status') ~= 'queued' then return 0 end
if redis.call('LPOS', KEYS[2], ARGV[1]) then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
"""
"""Return a job that a worker took and never began to the head of the queue, in one step."""


def requeue(client: Redis, job: str) -> bool:
    """Return a job that was taken from the queue and never begun; whether it was one."""
    queue = queue_of(client)
    keys = (queue.intermediate_queue_key, queue.key, RestrictedJob.key_for(job))
    return bool(client.eval(REQUEUE, len(keys), *keys, job))


def abandoned_jobs(client: Redis) -> list[str]:
    """The jobs that were taken from the queue and not begun, though no living worker has them."""
    queue = queue_of(client)
    with client.pipeline() as pipeline:
        pipeline.lrange(queue.intermediate_queue_key, 0, -1)
        pipeline.zrangebyscore(queue.started_job_registry.key, time(), "+inf")
        taken, living = pipeline.execute()
    held = {execution.rpartition(b":")[0] for execution in living}
    return [job.decode(errors="replace") for job in taken if job not in held]


def queue_of(client: Redis) -> Queue:
    """The queue of our jobs."""
    return Queue(QUEUE, connection=client, job_class=RestrictedJob, serializer=JSONSerializer)


def connect(url: str, timeout: float = TIMEOUT) -> Redis:
    """A client of the queue's Redis. It connects when it is first used, and does not try again by itself."""
    return addresses.client(url, timeout)


def enqueue_job(client: Redis, function: str, *args: str, id: str | None = None) -> Job:
    """Queue a job. Raises DuplicateJobError if one with that id is, or was of late."""
    return queue_of(client).enqueue_call(
        function,
        args=args,
        timeout=JOB_TIMEOUT,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        retry=Retry(max=len(RETRY_DELAYS), interval=RETRY_DELAYS),
        job_id=id,
        unique=id is not None,
    )


class RqJobQueue:
    """Jobs over RQ. Without an address there is no queue."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    def sync(self, entity: Entity, run: RunId) -> None:
        with queue_errors(), suppress(DuplicateJobError):  # then it is queued already
            enqueue_job(self._client, f"{JOBS}.sync", str(entity), run, id=job_id_of(run))

    def is_pending(self, run: RunId) -> bool:
        with queue_errors():
            return is_pending(self._client, job_id_of(run))

    def waiting(self) -> int:
        with queue_errors():
            return queue_of(self._client).count

    def close(self) -> None:
        """Let go of connections."""
        if self._url is not None:
            self._client.close()

    @cached_property
    def _client(self) -> Redis:
        if self._url is None:
            raise QueueUnavailable("none is configured; set REDIS_URL")
        return connect(self._url)


@contextmanager
def queue_errors() -> Iterator[None]:
    """Turn what redis-py can raise into what Jobs promises."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueUnavailable(f"{type(error).__name__}: {error}") from error
