"""Ports for what several processes share: locks, cache invalidation and the job queue; and the clock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from domain.errors import Unavailable

if TYPE_CHECKING:
    from domain.ids import ApiTokenId, ImportId, MovieId, RunId, SessionId, UserId
    from domain.sync import Entity

Clock = Callable[[], datetime]
"""Returns the present time: aware, in UTC, in whole milliseconds, which all stores can keep."""


class Locks(Protocol):
    """Locks with expiry, for mutual exclusion over all processes that share a store."""

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        """Acquire a lock for `ttl`. Return None on success, else the time at which the present holder's lock
        expires.

        Of several calls at once, one succeeds. The holder itself may acquire its lock again, which renews it.
        """
        ...

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        """Extend a lock to `ttl` from now. False if `holder` does not hold it."""
        ...

    def transfer(self, name: str, holder: str, to: str, ttl: timedelta) -> bool:
        """Make `to` the holder of a lock, for `ttl` from now. False if `holder` does not hold it.

        Of several calls at once, one succeeds.
        """
        ...

    def release(self, name: str, holder: str) -> None:
        """Release a lock. Nothing happens if `holder` does not hold it."""
        ...


class CacheInvalidation(Protocol):
    """Invalidates cached copies of stored data, in all processes.

    Each method returns a context in which the data is changed. The copies are invalidated when the context
    ends, also by an error, because the change may have been stored nevertheless. Invalidation never raises: a
    cache that cannot be reached is emptied before it is used again.
    """

    def movies(self, movies: Collection[MovieId]) -> AbstractContextManager[None]:
        """A context in which ratings and tallies of these movies change. Movies may be added to the
        collection within the context.
        """
        ...

    def recommendations(self, movies: Collection[MovieId]) -> AbstractContextManager[None]:
        """A context in which the neighbours of these movies change. Movies may be added to the collection
        within the context.
        """
        ...

    def watchlist(self, user: UserId) -> AbstractContextManager[None]:
        """A context in which the watchlist of a user changes."""
        ...

    def user(self, user: UserId) -> AbstractContextManager[None]:
        """A context in which the account of a user changes, or all its sessions end."""
        ...

    def session(self, session: SessionId | ApiTokenId) -> AbstractContextManager[None]:
        """A context in which a session or an API token ends."""
        ...

    def all(self) -> AbstractContextManager[None]:
        """A context in which the catalogue changes, or data of many movies or users."""
        ...


@dataclass(eq=False)
class QueueUnavailable(Unavailable):
    """The job queue is unavailable, full, or not configured."""

    code: ClassVar[str] = "queue_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"The job queue cannot be had: {self.reason}"


class JobQueue(Protocol):
    """A queue of jobs. Each is executed by a worker, at least once.

    Every method raises QueueUnavailable. A job may be in the queue nevertheless, if only the response was
    lost.
    """

    def sync(self, entity: Entity, run: RunId) -> None:
        """Enqueue the job of a recorded run, which `application.sync_runs.RunSync` executes."""
        ...

    def run_import(self, imported: ImportId, revision: int) -> None:
        """Enqueue the job that does what an import waits for at a revision, which
        `application.import_runner.RunImport` executes.
        """
        ...

    def is_pending(self, run: RunId) -> bool:
        """Whether the job of a run waits for a worker, or is executed by one that is alive.

        False if the job was lost or has ended.
        """
        ...

    def update_neighbours(self) -> None:
        """Enqueue the job that `application.neighbours.UpdateNeighbours` executes, unless it is pending."""
        ...

    def waiting(self) -> int:
        """The number of jobs that wait for a worker."""
        ...
