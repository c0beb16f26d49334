"""The job queue, kept by RQ: what a job is, how it is put there, and how often it is tried."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from inspect import isfunction
from typing import Any

from redis import Redis, RedisError
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from adapters.redis import addresses
from domain.ids import RunId
from domain.ports import QueueUnavailable
from domain.sync import Entity

QUEUE = "matinee"

JOBS = "entrypoints.jobs"
"""Where jobs are found by name. Nothing of it is imported here: only a worker does that."""

PATIENCE = 1.0
"""Seconds to wait for each answer."""

A_DAY = 24 * 3600

LONGEST = A_DAY
"""Seconds a job may take; a sync that refreshes all we hold takes hours."""

RESULT_KEPT = 7 * A_DAY
"""So long is a finished job known, and one of the same id not queued again."""

FAILURE_KEPT = 30 * A_DAY

AGAIN_AFTER = (0, 10, 60, 300, 900)
"""Seconds before each new try. The first comes at once: mostly a worker was killed, and another is there."""


CALLS_BACK = {b"success_callback_name", b"failure_callback_name", b"stopped_callback_name", b"webhooks"}
"""Whom RQ would call when a job has ended; ours call nobody."""


@dataclass(eq=False)
class NotOurs(Exception):  # noqa: N818  the sentence it states
    """A job that is no call of ours, so it is never done."""

    function: object

    def __str__(self) -> str:
        return f"{self.function!r} is no job of ours, or not with such arguments"


class OwnJob(Job):
    """A job that can be nothing but a call of ours, whoever wrote it into Redis.

    RQ would unpickle what it finds there, and call whatever it names. Here a job is JSON, its function one of
    `entrypoints.jobs`, and its arguments are texts.
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
        super().restore({name: value for name, value in raw_data.items() if name not in CALLS_BACK})

    @property
    def func(self) -> Callable[..., Any]:
        """Raises NotOurs."""
        module, _, name = str(self.func_name).rpartition(".")
        found = vars(import_module(JOBS)).get(name) if module == JOBS and not name.startswith("_") else None
        texts = not self.kwargs and all(isinstance(each, str) for each in self.args)
        if texts and isfunction(found) and found.__module__ == JOBS:
            return found
        raise NotOurs(self.func_name)


def queue_in(client: Redis) -> Queue:
    """The queue of our jobs."""
    return Queue(QUEUE, connection=client, job_class=OwnJob, serializer=JSONSerializer)


def connected(url: str, patience: float = PATIENCE) -> Redis:
    """A client of the queue's Redis. It connects when it is first used, and does not try again by itself."""
    return addresses.client(url, patience)


def put(client: Redis, function: str, *args: str, id: str | None = None) -> Job:
    """Queue a job. Raises DuplicateJobError if one with that id is, or was of late."""
    return queue_in(client).enqueue_call(
        function,
        args=args,
        timeout=LONGEST,
        result_ttl=RESULT_KEPT,
        failure_ttl=FAILURE_KEPT,
        retry=Retry(max=len(AGAIN_AFTER), interval=AGAIN_AFTER),
        job_id=id,
        unique=id is not None,
    )


class RqJobs:
    """Jobs over RQ. Without an address there is no queue."""

    def __init__(self, url: str | None) -> None:
        self._url = url

    def sync(self, entity: Entity, run: RunId) -> None:
        with queue_errors():
            put(self._client, f"{JOBS}.sync", str(entity), run)

    def waiting(self) -> int:
        with queue_errors():
            return queue_in(self._client).count

    def close(self) -> None:
        """Let go of connections."""
        if self._url is not None:
            self._client.close()

    @cached_property
    def _client(self) -> Redis:
        if self._url is None:
            raise QueueUnavailable("none is configured; set REDIS_URL")
        return connected(self._url)


@contextmanager
def queue_errors() -> Iterator[None]:
    """Turn what redis-py can raise into what Jobs promises."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueUnavailable(f"{type(error).__name__}: {error}") from error
