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

from adapters.redis.queue import QUEUE, NotOurs, OwnJob, connected, put_back, stranded
from adapters.redis.worker_loop import Stop, stopped_by_signals, turns
from domain.sync import SourceRefused

ASKS_FOR = 1
"""Seconds to wait for a job before looking around; so soon is a stop heard."""

PATIENCE = 2.0
"""Seconds to wait for an answer of Redis: longer than Redis is asked to wait for a job."""

LOOKS_EVERY = 2
"""Seconds between two looks at a job in work, each of which shows that its worker lives."""

MISSED_AFTER = 9
"""Seconds of silence after which a worker is dead, and its job another's."""

TIDIES_EVERY = 2
"""Seconds between two rounds of housekeeping."""

STRANDED_AFTER = 1
"""Seconds after which a job that was taken from the queue must have begun, where no living worker has it."""

GRACE = 3.0
"""Seconds in which an interrupted job must have unwound; soon after, its process is killed."""

HOPELESS = (NotOurs, DeserializationError, SourceRefused)
"""What will fail again however often it is tried."""


class Interrupted(BaseException):
    """A job's process was told to stop. Not an Exception: no job may take it for a failure of its own."""


class PatientWorker(Worker):
    """Does one job at a time until it is told to stop."""

    log_result_lifespan = False

    def __init__(self, url: str, ready: Callable[[], None] = lambda: None) -> None:
        """`ready` is called whenever this is known as a worker, for the first time before the first job."""
        client = connected(url, PATIENCE)
        # With `prepare_for_work` RQ would ask Redis at once, which may be away.
        super().__init__(
            [QUEUE],
            connection=client,
            job_class=OwnJob,
            serializer=JSONSerializer,
            job_monitoring_interval=LOOKS_EVERY,
            prepare_for_work=False,
        )
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._stop = Stop()
        self._ready = ready
        self._tidied_at = float("-inf")
        self._in_hand: str | None = None
        self._delayed = RQScheduler([QUEUE], connection=client, serializer=JSONSerializer)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; Redis may come and go."""
        with stopped_by_signals(self._stop, then=self._interrupt_job):
            there = turns(self._turn, self._stop, self.log)
            if there:
                with suppress(RedisError, OSError):  # the record lapses by itself
                    self.register_death()  # type: ignore[no-untyped-call]
        self.connection.close()
        self._stop.close()

    def _turn(self) -> None:
        """Look around, and do a job if there is one."""
        self._let_go()
        if monotonic() - self._tidied_at >= TIDIES_EVERY:
            self._enrol()
            self._tidy()
            self._tidied_at = monotonic()
            self._ready()
        try:
            job, queue = self._next_job()
        except DequeueTimeout:
            return
        self.log.info("Job %s: %s", job.id, job.description)
        self._in_hand = job.id
        self.execute_job(job, queue)
        self._let_go()

    def _let_go(self) -> None:
        """Put the job that was in hand back if its process never began it: Redis was away just then, and
        nobody would look for it before its time as a job in work is over.
        """
        if self._in_hand and put_back(self.connection, self._in_hand):
            self.log.warning("Job %s was not begun; it goes back to the queue", self._in_hand)
            self._stop.wait(STRANDED_AFTER)  # whatever kept it from beginning may still be there
        self._in_hand = None

    def _next_job(self) -> tuple[Job, Queue]:
        """Raises DequeueTimeout if none came within `ASKS_FOR`."""
        found = self.queue_class.dequeue_any(
            self.queues,
            ASKS_FOR,
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
        )
        assert found  # noqa: S101  None is for those who do not wait
        return found

    def _enrol(self) -> None:
        """Be known as a worker; anew if Redis has forgotten."""
        if not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]
        self.heartbeat()

    def _tidy(self) -> None:
        """See to jobs of dead workers, jobs that nobody began, and jobs to be tried again; one worker does.

        RQ's own lock for this would stay for a quarter of an hour if its holder was killed.
        """
        if not self.connection.set(f"rq:tidying:{QUEUE}", self.name, nx=True, ex=TIDIES_EVERY):
            return
        (queue,) = self.queues
        clean_registries(queue)
        clean_worker_registry(queue)
        self._put_back_stranded(queue)
        self._delayed.prepare_registries([QUEUE])
        self._delayed.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]

    def _put_back_stranded(self, queue: Queue) -> None:
        """Return the jobs to the queue whose workers took them and died, or never heard that they have them.

        RQ would wait for a minute before it does so.
        """
        taken = queue.intermediate_queue
        for job in stranded(self.connection):
            first_seen = None if taken.set_first_seen(job) else taken.get_first_seen(job)
            if first_seen and (now() - first_seen).total_seconds() >= STRANDED_AFTER:
                if put_back(self.connection, job):
                    self.log.warning("Job %s was taken and not begun; it goes back to the queue", job)
                self.connection.delete(taken.get_first_seen_key(job))

    def _interrupt_job(self) -> None:
        """Have the job in work unwind; have its process end if that takes too long."""
        self.kill_horse(signal.SIGTERM if self._stop.told_for < GRACE else signal.SIGKILL)

    # What RQ calls, in the parent.

    @property
    def connection_timeout(self) -> int:
        """Seconds; RQ would wait for as long as a worker may sleep."""
        return int(PATIENCE)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Seconds for which a sign of life counts."""
        return MISSED_AFTER

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Show that the job's worker lives. The job goes on without Redis."""
        if self._stop.told:
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
        self._stop.tell()
        raise Interrupted

    def _die_with_parent(self) -> None:
        """Nobody would show any more that this job is in work, so another worker will take it."""
        while os.getppid() == self.pid:
            sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(GRACE)
        os._exit(1)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:  # noqa: ANN401  as RQ has it
        """Log why a job ended early; what is hopeless is not tried again."""
        if exc_info[0] is Interrupted:
            self.log.info("Job %s interrupted; it goes back to the queue", job.id)
            return
        if isinstance(exc_info[1], HOPELESS):
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
        if not self._stop.told:
            super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)
            return
        with self.connection.pipeline() as pipeline:
            queue.enqueue_job(job, pipeline=pipeline, at_front=True)
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()
