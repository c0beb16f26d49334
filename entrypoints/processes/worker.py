"""`matinee worker`: runs the jobs of the queue.

The container is not imported here: an idle worker stays small, and each job's process imports what it needs.
"""

from collections.abc import Callable

from adapters.redis.worker import InterruptibleWorker
from entrypoints.processes import jobs
from entrypoints.settings import Settings


def run(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Run jobs until SIGTERM or SIGINT, which interrupt the present job and return it to the queue.

    Calls `ready` when the worker is registered. Raises QueueUnavailable if no queue is configured.
    """
    jobs.worker_settings.set(settings)
    InterruptibleWorker(settings.require_queue_url(), ready).run()
