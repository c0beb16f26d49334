"""Ports for what several processes share: locks, cache invalidation and the job queue; and the clock."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from domain.errors import Unavailable
from domain.ids import MovieId, RunId, UserId
from domain.sync import Entity

Clock = Callable[[], datetime]
"""Tells the time: aware, UTC, whole milliseconds (all that every store keeps)."""


class Locks(Protocol):
    """Mutual exclusion over all processes that share a store. A lock whose holder falls silent ends by
    itself.
    """

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        """Take the lock for `ttl`: None if it is ours now, else the moment at which its present holder's time
        ends.

        Of several that try at once, one gets it. The holder itself may acquire again, which renews.
        """
        ...

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        """Hold on for another `ttl` from now; False if it is no longer ours."""
        ...

    def transfer(self, name: str, holder: str, to: str, ttl: timedelta) -> bool:
        """Make another the holder, for `ttl` from now; False if the lock is not that holder's.

        Of several to whom it is to be passed on at once, one gets it.
        """
        ...

    def release(self, name: str, holder: str) -> None:
        """Give the lock back, if it is ours; otherwise do nothing."""
        ...


class CacheInvalidation(Protocol):
    """Invalidates cached copies of stored data, in all processes.

    Each method returns a context in which the data is changed. The copies are invalidated when the context
    ends, also by an error, because the change may have been stored all the same. Invalidation never fails:
    a cache that cannot be reached is emptied before it is used again.
    """

    def movies(self, movies: Collection[MovieId]) -> AbstractContextManager[None]:
        """The ratings and tallies of these movies change. Movies that are added to the collection within the
        context count.
        """
        ...

    def watchlist(self, user: UserId) -> AbstractContextManager[None]:
        """The watchlist of a user changes."""
        ...

    def all(self) -> AbstractContextManager[None]:
        """The catalogue changes, or data of many movies or users."""
        ...


@dataclass(eq=False)
class QueueUnavailable(Unavailable):
    """The job queue is away, full, or not configured."""

    code: ClassVar[str] = "queue_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"The job queue cannot be had: {self.reason}"


class JobQueue(Protocol):
    """Work for later: what is put here is done once or more often by a worker, whenever there is one.

    Every method raises QueueUnavailable. Then the job is most likely not queued, but it may be: a silent
    queue may have heard.
    """

    def sync(self, entity: Entity, run: RunId) -> None:
        """Have a run that is on record done (`application.sync_runs.RunSync`)."""
        ...

    def is_pending(self, run: RunId) -> bool:
        """Whether the job of a run that was put here waits for a worker, or a living worker has it.

        False means that it was lost, or is over.
        """
        ...

    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        ...
