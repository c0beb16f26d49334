"""The turns of the writers of one process, who share a connection."""

from collections import deque
from threading import Lock
from typing import Generic, TypeVar

from adapters.metering import pool_thread

T = TypeVar("T")


class Turn(Generic[T]):
    """The turn of a writer, and what the writer before has passed on to it, if anything."""

    def __init__(self, *, shares: bool) -> None:
        self.shares = shares
        self.given: T | None = None
        self.begun = Lock()


class WriteQueue(Generic[T]):
    """One writer at a time has the turn, in the order in which they came.

    It ends its turn, or passes its transaction on to the next writer, who ends both or passes them on.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._busy = False
        self._waiting: deque[Turn[T]] = deque()

    def enter(self, seconds: float, *, shares: bool) -> Turn[T] | None:
        """Wait for one's turn, for so long at most; None if it did not come.

        `shares` is whether the writer can take what another one passes on.
        """
        turn: Turn[T] = Turn(shares=shares)
        with self._lock:
            if not self._busy:
                self._busy = True
                return turn
            turn.begun.acquire()
            self._waiting.append(turn)
        with pool_thread.waiting():
            if turn.begun.acquire(timeout=seconds):
                return turn
        with self._lock:
            if turn not in self._waiting:  # it came in this moment
                return turn
            self._waiting.remove(turn)
        return None

    def pass_on(self, given: T) -> bool:
        """Give the turn to the next writer, with this; False if there is none that can take it."""
        with self._lock:
            if not self._waiting or not self._waiting[0].shares:
                return False
            self._begin_next(given)
        return True

    def leave(self) -> None:
        """End one's turn: the next writer, if there is one, has its own."""
        with self._lock:
            if self._waiting:
                self._begin_next(None)
            else:
                self._busy = False

    def _begin_next(self, given: T | None) -> None:
        turn = self._waiting.popleft()
        turn.given = given
        turn.begun.release()
