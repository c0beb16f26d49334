"""A worker over RQ that stops at once, is missed soon after its death, and outlasts its Redis.

RQ's own loop waits for a job's end when it is told to stop, misses a dead worker after minutes only, and ends
when Redis is silent. So the loop is ours; queue, jobs, forks and registries stay RQ's.

A job runs in a child process, RQ's "work horse". SIGTERM makes the child unwind: its job is interrupted and
goes back to the head of the queue, without losing a try. The child does the same when its parent is gone.
"""

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
from domain.sync import SourceRefused

DEQUEUE_TIMEOUT = 1
"""Seconds to wait for a job before looking around; so soon is a stop heard."""

TIMEOUT = 2.0
"""Seconds to wait for an answer of Redis: longer than Redis is asked to wait for a job."""

HEARTBEAT_INTERVAL = 2
"""Seconds between two looks at a job in work, each of which shows that its worker lives."""

HEARTBEAT_TTL = 9
"""Seconds of silence after which a worker is dead, and its job another's."""

MAINTENANCE_INTERVAL = 2
"""Seconds between two rounds of housekeeping."""

ABANDONED_AFTER = 1
"""Seconds after which a job that was taken from the queue must have begun, where no living worker has it."""

INTERRUPT_GRACE = 3.0
"""Seconds in which an interrupted job must have unwound; soon after, its process is killed."""

NON_RETRYABLE = (UnknownJob, DeserializationError, SourceRefused)
"""What will fail again however often it is tried."""


class Interrupted(BaseException):
    """A job's process was told to stop. Not an Exception: no job may take it for a failure of its own."""


class InterruptibleWorker(Worker):
    """Does one job at a time until it is told to stop."""

    log_result_lifespan = False

    def __init__(self, url: str, ready: Callable[[], None] = lambda: None) -> None:
        """`ready` is called whenever this is known as a worker, for the first time before the first job."""
        client = connect(url, TIMEOUT)
        # With `prepare_for_work` RQ would ask Redis at once, which may be away.
        super().__init__(
            [QUEUE],
            connection=client,
            job_class=RestrictedJob,
            serializer=JSONSerializer,
            job_monitoring_interval=HEARTBEAT_INTERVAL,
            prepare_for_work=False,
        )
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._flag = ShutdownFlag()
        self._ready = ready
        self._maintained_at = float("-inf")
        self._current_job: str | None = None
        self._delayed = RQScheduler([QUEUE], connection=client, serializer=JSONSerializer)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; Redis may come and go."""
        with set_by_signals(self._flag, then=self._interrupt_job):
            reachable = run_until_stopped(self._run_once, self._flag, self.log)
            if reachable:
                with suppress(RedisError, OSError):  # the record lapses by itself
                    self.register_death()  # type: ignore[no-untyped-call]
        self.connection.close()
        self._flag.close()

    def _run_once(self) -> None:
        """Look around, and do a job if there is one."""
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
        """Put the job that was in hand back if its process never began it: Redis was away just then, and
        nobody would look for it before its time as a job in work is over.
        """
        if self._current_job and requeue(self.connection, self._current_job):
            self.log.warning("Job %s was not begun; it goes back to the queue", self._current_job)
            self._flag.wait(ABANDONED_AFTER)  # whatever kept it from beginning may still be there
        self._current_job = None

    def _next_job(self) -> tuple[Job, Queue]:
        """Raises DequeueTimeout if none came within `DEQUEUE_TIMEOUT`."""
        found = self.queue_class.dequeue_any(
            self.queues,
            DEQUEUE_TIMEOUT,
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
        )
        assert found  # noqa: S101  None is for those who do not wait
        return found

    def _register(self) -> None:
        """Be known as a worker; anew if Redis has forgotten."""
        if not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]
        self.heartbeat()

    def _maintain(self) -> None:
        """See to jobs of dead workers, jobs that nobody began, and jobs to be tried again; one worker does.

        RQ's own lock for this would stay for a quarter of an hour if its holder was killed.
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
        """Return the jobs to the queue whose workers took them and died, or never heard that they have them.

        RQ would wait for a minute before it does so.
        """
        taken = queue.intermediate_queue
        for job in abandoned_jobs(self.connection):
            first_seen = None if taken.set_first_seen(job) else taken.get_first_seen(job)
            if first_seen and (now() - first_seen).total_seconds() >= ABANDONED_AFTER:
                if requeue(self.connection, job):
                    self.log.warning("Job %s was taken and not begun; it goes back to the queue", job)
                self.connection.delete(taken.get_first_seen_key(job))

    def _interrupt_job(self) -> None:
        """Have the job in work unwind; have its process end if that takes too long."""
        self.kill_horse(signal.SIGTERM if self._flag.seconds_since_set < INTERRUPT_GRACE else signal.SIGKILL)

    # What RQ calls, in the parent.

    @property
    def connection_timeout(self) -> int:
        """Seconds; RQ would wait for as long as a worker may sleep."""
        return int(TIMEOUT)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Seconds for which a sign of life counts."""
        return HEARTBEAT_TTL

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Show that the job's worker lives. The job goes on without Redis."""
        if self._flag.is_set:
            self._interrupt_job()
        try:
            super().maintain_heartbeats(job, execution)
        except (RedisError, OSError) as error:
            self.log.warning("The job queue is away during job %s: %s", job.id, error)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the job's process, if there is one. RQ would send it to the process group, which
        is our own if the child has only just been born.
        """
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, sig)

    # What RQ calls, in the child or in both.

    def setup_work_horse_signals(self) -> None:
        """SIGTERM interrupts the job; Ctrl-C is the parent's business."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._interrupted)
        Thread(target=self._die_with_parent, daemon=True).start()

    def _interrupted(self, signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._flag.set()
        raise Interrupted

    def _die_with_parent(self) -> None:
        """Nobody would show any more that this job is in work, so another worker will take it."""
        while os.getppid() == self.pid:
            sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(INTERRUPT_GRACE)
        os._exit(1)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:  # noqa: ANN401  as RQ has it
        """Log why a job ended early; what is hopeless is not tried again."""
        if exc_info[0] is Interrupted:
            self.log.info("Job %s interrupted; it goes back to the queue", job.id)
            return
        if isinstance(exc_info[1], NON_RETRYABLE):
            job.retries_left = 0
        super().handle_exception(job, *exc_info)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: object = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Put an interrupted job back; leave failures to RQ's rules."""
        if not self._flag.is_set:
            super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)
            return
        with self.connection.pipeline() as pipeline:
            queue.enqueue_job(job, pipeline=pipeline, at_front=True)
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()
