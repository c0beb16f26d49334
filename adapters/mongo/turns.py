"""Taking turns within a process. Transactions that meet at one document fail and back off, for seconds where
many want it; calls that wait here instead get through one after another.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from time import monotonic

from domain.errors import StorageUnavailable

STRIPES = 64
"""So many locks stand for all movies and users; two of them that share one only wait for each other."""

PATIENCE_IN_TURN = 1.0
"""Seconds to wait for all turns that one call wants."""


class Turns:
    """A bounded set of locks, chosen by the names of what calls are about."""

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(STRIPES))

    @contextmanager
    def taken(self, names: Iterable[str], until: float) -> Iterator[None]:
        """Alone, in this process, with all that bears these names; waits until a time of the monotonic clock
        at most. Raises StorageUnavailable.
        """
        until = min(until, monotonic() + PATIENCE_IN_TURN)
        with ExitStack() as held:
            # Always in the same order, so that no two calls wait for each other.
            for stripe in sorted({hash(name) % STRIPES for name in names}):
                lock = self._locks[stripe]
                if not lock.acquire(timeout=max(0, until - monotonic())):
                    reason = f"other calls for the same movie or user took over {PATIENCE_IN_TURN} s"
                    raise StorageUnavailable(reason)
                held.callback(lock.release)
            yield
