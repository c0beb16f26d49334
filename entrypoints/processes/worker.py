"""`matinee worker`: do the jobs of the queue, until told to stop.

Idle, this process holds little: what a job needs is imported by the job's own process. So it is made here,
and not by the container.
"""

from collections.abc import Callable

from adapters.redis.worker import PatientWorker
from entrypoints.processes import jobs
from entrypoints.queueing import queue_address
from entrypoints.settings import Settings


def work(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Do jobs until SIGTERM or SIGINT; the one in work is interrupted then, and put back. `ready` is called
    when it is known as a worker.

    Raises QueueUnavailable if no queue is configured.
    """
    jobs.in_force.set(settings)
    PatientWorker(queue_address(settings), ready).run()
