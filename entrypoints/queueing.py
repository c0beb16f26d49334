"""Where the job queue is, for those who cannot do without."""

from domain.ports import QueueUnavailable
from entrypoints.settings import Settings


def queue_address(settings: Settings) -> str:
    """The address of the queue's Redis. Raises QueueUnavailable if none is configured."""
    address = settings.queue_url or settings.redis_url
    if address is None:
        raise QueueUnavailable("none is configured; set REDIS_URL")
    return address
