"""Locks by name within a process.

Concurrent transactions that write to one document conflict and back off, for seconds if there are many. Calls
that first wait for a lock here succeed one after the other.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from time import monotonic

from domain.errors import StorageUnavailable

STRIPES = 64
"""The number of locks. Names that share one wait for each other, which costs only time."""

LOCK_TIMEOUT = 1.0
"""Seconds to wait for all locks of one call."""


class StripedLocks:
    """A fixed number of locks, each for all names with the same hash."""

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(STRIPES))

    @contextmanager
    def held(self, names: Iterable[str], until: float) -> Iterator[None]:
        """Hold the locks of these names; wait for them until a time of the monotonic clock, in seconds.

        Raises StorageUnavailable if they are not free by then, or within `LOCK_TIMEOUT` seconds.
        """
        until = min(until, monotonic() + LOCK_TIMEOUT)
        with ExitStack() as locks:
            # Always in the same order, which excludes deadlocks.
            for stripe in sorted({hash(name) % STRIPES for name in names}):
                lock = self._locks[stripe]
                if not lock.acquire(timeout=max(0, until - monotonic())):
                    reason = f"other calls for the same movie or user took over {LOCK_TIMEOUT} s"
                    raise StorageUnavailable(reason)
                locks.callback(lock.release)
            yield
