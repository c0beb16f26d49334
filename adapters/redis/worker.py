"""A worker over RQ that stops at once, is declared dead within seconds, and survives outages of Redis.

RQ's own loop waits for the end of a job before it stops, notices a dead worker only after minutes, and exits
when Redis does not answer. So the loop is our own; queue, jobs, forks and registries are RQ's.

A job runs in a child process, RQ's "work horse". SIGTERM interrupts it: the job returns to the head of the
queue and keeps its retries. The child interrupts itself when its parent has died.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import monotonic, sleep
from types import FrameType
from typing import Any, NoReturn

from redis import RedisError
from rq import Worker
from rq.exceptions import DequeueTimeout, DeserializationError
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.registry import clean_registries
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker_registration import clean_worker_registry

from adapters.redis.queue import QUEUE, RestrictedJob, UnknownJob, abandoned_jobs, connect, requeue
from adapters.redis.worker_loop import ShutdownFlag, run_until_stopped, set_by_signals
from domain.errors import Unavailable
from domain.sync import SourceRefused

DEQUEUE_TIMEOUT = 1
"""Seconds to wait for a job; a shutdown is noticed as soon."""

TIMEOUT = 2.0
"""Seconds to wait for an answer of Redis; longer than `DEQUEUE_TIMEOUT`."""

HEARTBEAT_INTERVAL = 2
"""Seconds between two heartbeats during a job."""

HEARTBEAT_TTL = 9
"""Seconds without a heartbeat after which a worker counts as dead and its job is enqueued again."""

MAINTENANCE_INTERVAL = 2
"""Seconds between two runs of maintenance."""

ABANDONED_AFTER = 1
"""Seconds after which a job that was taken but not started is enqueued again, if no live worker has it."""

INTERRUPT_GRACE = 3.0
"""Seconds that an interrupted job has to finish; soon after, its process is killed."""

NON_RETRYABLE = (UnknownJob, DeserializationError, SourceRefused)
"""Errors after which a job is not retried."""


def without_traceback(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, those of errors of Redis without their tracebacks."""
    if record.exc_info and isinstance(record.exc_info[1], RedisError):
        record.msg, record.args = "%s: %s", (record.getMessage(), record.exc_info[1])
        record.exc_info = None
    return True


class Interrupted(BaseException):
    """The job's process is shutting down. A BaseException, so that no job handles it as a failure."""


class InterruptibleWorker(Worker):
    """Runs one job at a time until SIGTERM or SIGINT."""

    log_result_lifespan = False

    def __init__(
        self, url: str, ready: Callable[[], None] = lambda: None, *, abandoned_after: float = ABANDONED_AFTER
    ) -> None:
        """`ready` is called after each registration, for the first time before the first job."""
        client = connect(url, TIMEOUT)
        # With `prepare_for_work` RQ would call Redis at once, which may be unavailable.
        super().__init__(
            [QUEUE],
            connection=client,
            job_class=RestrictedJob,
            serializer=JSONSerializer,
            job_monitoring_interval=HEARTBEAT_INTERVAL,
            prepare_for_work=False,
        )
        self.log.addFilter(without_traceback)
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._flag = ShutdownFlag()
        self._ready = ready
        self._abandoned_after = abandoned_after
        self._maintained_at = float("-inf")
        self._current_job: str | None = None
        self._delayed = RQScheduler([QUEUE], connection=client, serializer=JSONSerializer)

    def run(self) -> None:
        """Run jobs until SIGTERM or SIGINT; outages of Redis are survived."""
        with set_by_signals(self._flag, then=self._interrupt_job):
            reachable = run_until_stopped(self._run_once, self._flag, self.log)
            if reachable:
                with suppress(RedisError, OSError):  # the record expires
                    self.register_death()  # type: ignore[no-untyped-call]
        self.connection.close()
        self._flag.close()

    def _run_once(self) -> None:
        """Do maintenance if it is due, and run one job if there is one."""
        self._requeue_unstarted()
        if monotonic() - self._maintained_at >= MAINTENANCE_INTERVAL:
            self._register()
            self._maintain()
            self._maintained_at = monotonic()
            self._ready()
        try:
            job, queue = self._next_job()
        except DequeueTimeout:
            return
        self.log.info("Job %s: %s", job.id, job.description)
        self._current_job = job.id
        self.execute_job(job, queue)
        self._requeue_unstarted()

    def _requeue_unstarted(self) -> None:
        """Enqueue the last job again if its process did not start it because Redis was unavailable.

        Otherwise it would be found only after its heartbeat has expired.
        """
        if self._current_job and requeue(self.connection, self._current_job):
            self.log.warning("Job %s was not started; it is enqueued again", self._current_job)
            self._flag.wait(self._abandoned_after)  # the cause may persist
        self._current_job = None

    def _next_job(self) -> tuple[Job, Queue]:
        """Take a job from the queue. Raises DequeueTimeout if there is none within `DEQUEUE_TIMEOUT`."""
        found = self.queue_class.dequeue_any(
            self.queues,
            DEQUEUE_TIMEOUT,
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
        )
        assert found  # noqa: S101  None is returned only without a timeout
        return found

    def _register(self) -> None:
        """Register this worker if Redis does not know it, and send a heartbeat."""
        if not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]
        self.heartbeat()

    def _maintain(self) -> None:
        """Enqueue jobs of dead workers, jobs that were not started, and due retries; one worker at a time.

        RQ's own lock for this would last a quarter of an hour if its holder was killed.
        """
        if not self.connection.set(f"rq:tidying:{QUEUE}", self.name, nx=True, ex=MAINTENANCE_INTERVAL):
            return
        (queue,) = self.queues
        clean_registries(queue)
        clean_worker_registry(queue)
        self._requeue_abandoned(queue)
        self._delayed.prepare_registries([QUEUE])
        self._delayed.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]

    def _requeue_abandoned(self, queue: Queue) -> None:
        """Enqueue jobs again that a worker took but did not start. RQ would wait for a minute."""
        taken = queue.intermediate_queue
        for job in abandoned_jobs(self.connection):
            first_seen = None if taken.set_first_seen(job) else taken.get_first_seen(job)
            if first_seen and (now() - first_seen).total_seconds() >= self._abandoned_after:
                if requeue(self.connection, job):
                    self.log.warning("Job %s was taken but not started; it is enqueued again", job)
                self.connection.delete(taken.get_first_seen_key(job))

    def _interrupt_job(self) -> None:
        """Interrupt the running job; kill its process if that takes too long."""
        self.kill_horse(signal.SIGTERM if self._flag.seconds_since_set < INTERRUPT_GRACE else signal.SIGKILL)

    # Called by RQ in the parent process.

    @property
    def connection_timeout(self) -> int:
        """Seconds; RQ's default is far longer."""
        return int(TIMEOUT)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Seconds for which a heartbeat is valid."""
        return HEARTBEAT_TTL

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Send a heartbeat. The job continues without Redis."""
        if self._flag.is_set:
            self._interrupt_job()
        try:
            super().maintain_heartbeats(job, execution)
        except (RedisError, OSError) as error:
            self.log.warning("The job queue is unavailable during job %s: %s", job.id, error)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the job's process, if there is one.

        RQ would send it to the process group, which is our own until the child has made a new one.
        """
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, sig)

    # Called by RQ in the child process, or in both.

    def setup_work_horse_signals(self) -> None:
        """SIGTERM interrupts the job; SIGINT is handled by the parent."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._interrupted)
        Thread(target=self._die_with_parent, daemon=True).start()

    def _interrupted(self, signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._flag.set()
        raise Interrupted

    def _die_with_parent(self) -> None:
        """Exit when the parent has died: without its heartbeats another worker takes the job."""
        while os.getppid() == self.pid:
            sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(INTERRUPT_GRACE)
        os._exit(1)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:  # noqa: ANN401  as RQ has it
        """Log why a job ended early, and drop the retries of `NON_RETRYABLE` errors."""
        if exc_info[0] is Interrupted:
            self.log.info("Job %s was interrupted; it is enqueued again", job.id)
            return
        if isinstance(exc_info[1], NON_RETRYABLE):
            job.retries_left = 0
        # An outage is an ordinary case, so it has no traceback: that of a job, or of RQ after it.
        if isinstance(exc_info[1], Unavailable | RedisError):
            self.log.warning("Job %s failed: %s", job.id, exc_info[1])
            return
        super().handle_exception(job, *exc_info)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: object = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Enqueue an interrupted job again; leave failures to RQ."""
        if not self._flag.is_set:
            super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)
            return
        with self.connection.pipeline() as pipeline:
            queue.enqueue_job(job, pipeline=pipeline, at_front=True)
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()
