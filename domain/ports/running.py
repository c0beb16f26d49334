"""Ports for operation: sync runs, locks, cache invalidation, the job queue, and the clock."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from domain.errors import Unavailable
from domain.ids import MovieId, RunId, UserId
from domain.pagination import Cursor
from domain.sync import Entity, SyncRun

Clock = Callable[[], datetime]
"""Tells the time: aware, UTC, whole milliseconds (all that every store keeps)."""


class SyncRunRepository(Protocol):
    """The records of sync runs."""

    def add(self, run: SyncRun) -> None:
        """Record a run that has begun. Raises SyncRunning if one of its kind is in progress in the store, and
        FilledFromAnotherSource if its source is not that of the catalogue.
        """
        ...

    def save(self, run: SyncRun) -> None:
        """Replace the record of a run that is in progress in the store, as its last word if it is closed now.

        Raises RunClosed if the stored run is closed already or unknown, and FilledFromAnotherSource if it is
        to go on and its source is not that of the catalogue.
        """
        ...

    def cancel(self, run: RunId, at: datetime) -> SyncRun:
        """Close a run as cancelled, with what it has done up to this very moment; return it.

        Raises RunNotFound, and RunClosed if it is closed already.
        """
        ...

    def get(self, run: RunId) -> SyncRun:
        """The run of that id. Raises RunNotFound."""
        ...

    def latest(self, entity: Entity, *, completed: bool = False) -> SyncRun | None:
        """The run of a kind that began last; with `completed`, the last that is complete
        (`SyncRun.complete`).
        """
        ...

    def recent(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[SyncRun]:
        """Runs of all kinds, the one that began last first; ties by id, the largest first.

        They follow `after` (`SyncRun.cursor`) if it is given, else the first `skip`. The cost does not grow
        with the depth of a cursor.
        """
        ...

    def count(self) -> int:
        """How many runs of all kinds there are."""
        ...


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
