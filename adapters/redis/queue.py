"""The job queue over RQ: which jobs there are, how they are enqueued, and when they are retried."""

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
from domain.ids import ImportId, RunId
from domain.ports import QueueUnavailable
from domain.sync import Entity

QUEUE = "matinee"

JOBS = "entrypoints.jobs"
"""The prefix of job names in Redis. It must not change: another version may run a queued job."""

JOBS_MODULE = "entrypoints.processes.jobs"
"""The module of the jobs' functions. Only a worker imports it."""

NEIGHBOURS_JOB = f"{QUEUE}-neighbours"
"""The id of the job that updates neighbours. It is enqueued again and again."""

TIMEOUT = 1.0
"""Seconds to wait for each answer."""

A_DAY = 24 * 3600

JOB_TIMEOUT = A_DAY
"""Seconds that a job may take; a sync of the whole catalogue takes hours."""

RESULT_TTL = 7 * A_DAY
"""Seconds for which a finished job is known, and no job with its id is enqueued again."""

FAILURE_TTL = 30 * A_DAY

RETRY_DELAYS = (0, 10, 60, 300, 900)
"""Seconds before each retry. The first is immediate: mostly a worker was killed, and another is running."""


CALLBACK_FIELDS = {b"success_callback_name", b"failure_callback_name", b"stopped_callback_name", b"webhooks"}
"""Fields of callbacks, which RQ calls when a job has ended. Matinee's jobs have none."""


@dataclass(eq=False)
class UnknownJob(Exception):  # noqa: N818  the sentence it states
    """A job that calls no function of `JOBS_MODULE`; it is never run."""

    function: object

    def __str__(self) -> str:
        return f"{self.function!r} is no job of Matinee, or has other arguments"


class RestrictedJob(Job):
    """A job that can only call functions of `JOBS_MODULE` with texts as arguments.

    RQ would unpickle what it finds in Redis and call any function that is named there. This class reads JSON
    only, since other programs may write to the same Redis.
    """

    def __init__(
        self,
        id: str | None = None,
        connection: Redis | None = None,
        serializer: object = None,  # noqa: ARG002  RQ often passes none
    ) -> None:
        super().__init__(id, connection, JSONSerializer)

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Load the job's fields, without its callbacks."""
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
    """The id of the job of a recorded run."""
    return f"{QUEUE}-sync-{run}"


def is_pending(client: Redis, job: str) -> bool:
    """Whether a job is in the queue, taken but not started, or run by a live worker."""
    queue = queue_of(client)
    with client.pipeline() as pipeline:
        pipeline.lpos(queue.key, job)
        pipeline.lpos(queue.intermediate_queue_key, job)
        pipeline.zrangebyscore(queue.started_job_registry.key, time(), "+inf")
        queued, taken, executions = pipeline.execute()
    if queued is not None or taken is not None:
        return True
    return any(execution.startswith(f"{job}:".encode()) for execution in executions)


REQUEUE = """
local taken = redis.call('LREM', KEYS[1], 0, ARGV[1]) > 0
if not taken or redis.call('HGET', KEYS[3], 'status') ~= 'queued' then return 0 end
if redis.call('LPOS', KEYS[2], ARGV[1]) then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
"""
"""Atomically return a job that a worker took but did not start to the head of the queue."""


def requeue(client: Redis, job: str) -> bool:
    """Return a job that a worker took but did not start to the queue; return False for any other."""
    queue = queue_of(client)
    keys = (queue.intermediate_queue_key, queue.key, RestrictedJob.key_for(job))
    return bool(client.eval(REQUEUE, len(keys), *keys, job))


def abandoned_jobs(client: Redis) -> list[str]:
    """The jobs that were taken from the queue but not started, and that no live worker has."""
    queue = queue_of(client)
    with client.pipeline() as pipeline:
        pipeline.lrange(queue.intermediate_queue_key, 0, -1)
        pipeline.zrangebyscore(queue.started_job_registry.key, time(), "+inf")
        taken, executions = pipeline.execute()
    running = {execution.rpartition(b":")[0] for execution in executions}
    return [job.decode(errors="replace") for job in taken if job not in running]


def queue_of(client: Redis) -> Queue:
    """Matinee's queue."""
    return Queue(QUEUE, connection=client, job_class=RestrictedJob, serializer=JSONSerializer)


def connect(url: str, timeout: float = TIMEOUT) -> Redis:
    """A client of the queue's Redis. It connects on first use, and does not retry."""
    return addresses.client(url, timeout)


def enqueue_job(client: Redis, function: str, *args: str, id: str | None = None, again: bool = False) -> Job:
    """Enqueue a job. Raises DuplicateJobError if a recent job has the same id, unless it may run `again`."""
    return queue_of(client).enqueue_call(
        function,
        args=args,
        timeout=JOB_TIMEOUT,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        retry=Retry(max=len(RETRY_DELAYS), interval=RETRY_DELAYS),
        job_id=id,
        unique=id is not None and not again,
    )


class RqJobQueue:
    """The job queue over RQ. Without an address every method raises QueueUnavailable."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    def sync(self, entity: Entity, run: RunId) -> None:
        with queue_errors(), suppress(DuplicateJobError):  # it is enqueued already
            enqueue_job(self._client, f"{JOBS}.sync", str(entity), run, id=job_id_of(run))

    def run_import(self, imported: ImportId, revision: int) -> None:
        with queue_errors(), suppress(DuplicateJobError):
            enqueue_job(
                self._client, f"{JOBS}.run_import", imported, id=f"{QUEUE}-import-{imported}-{revision}"
            )

    def is_pending(self, run: RunId) -> bool:
        with queue_errors():
            return is_pending(self._client, job_id_of(run))

    def update_neighbours(self) -> None:
        with queue_errors():
            if not is_pending(self._client, NEIGHBOURS_JOB):
                enqueue_job(self._client, f"{JOBS}.update_neighbours", id=NEIGHBOURS_JOB, again=True)

    def waiting(self) -> int:
        with queue_errors():
            return queue_of(self._client).count

    def close(self) -> None:
        """Close the connections."""
        if self._url is not None:
            self._client.close()

    @cached_property
    def _client(self) -> Redis:
        if self._url is None:
            raise QueueUnavailable("none is configured; set REDIS_URL")
        return connect(self._url)


@contextmanager
def queue_errors() -> Iterator[None]:
    """Translate errors of redis-py into QueueUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueUnavailable(f"{type(error).__name__}: {error}") from error
