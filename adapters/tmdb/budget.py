"""How many requests a second may go to TMDB.

Libraries that limit rates (pyrate-limiter, limits) count requests in a window: they let a second's worth pass
at once and as many again a second later, and a little jitter on the way makes that more than a second's worth
for whoever counts arrivals. Even spacing has no such edge, works for half a request a second and for a
thousand, and is short enough to be our own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import floor
from threading import Event, Lock
from time import monotonic
from typing import Protocol

SAFETY = 1.05
"""Requests keep this much more distance than they need: what is lost on the way may differ by 50 ms."""

Book = Callable[[float], float]
"""Books a moment to send at, so many seconds apart from that of any process; gives the seconds until then."""

Pause = Callable[[float, Event], None]
"""Lets so many seconds pass. Raises Stopped as soon as the event is set."""


class Stopped(Exception):  # noqa: N818  it is no error: nobody waits for the answer any more
    """Nobody waits for the answer any more."""


class Budget(Protocol):
    """Who may send a request, and when. May be shared by any number of threads, or of processes."""

    def turn(self, stop: Event) -> AbstractContextManager[None]:
        """Wait until one more request may be sent; it is sent within the context.

        Raises Stopped, spending nothing, once `stop` is set.
        """
        ...


def pause(seconds: float, stop: Event) -> None:
    """Let real time pass."""
    if stop.wait(seconds):
        raise Stopped


def at_once(gap: float) -> float:  # noqa: ARG001
    """Book nothing: no other process sends."""
    return 0.0


class Pace:
    """A budget for the threads of one process: at most `per_second` requests in a second, evenly spaced.

    With `book` the processes that book at the same place keep to it together.
    """

    def __init__(
        self,
        per_second: float,
        *,
        book: Book = at_once,
        clock: Callable[[], float] = monotonic,
        pause: Pause = pause,
    ) -> None:
        # A second holds whole requests: at 1.5 a second, two of them two thirds apart would be one too many.
        self._gap = SAFETY / (floor(per_second) if per_second > 1 else per_second)
        self._book = book
        self._clock = clock
        self._pause = pause
        self._lock = Lock()
        self._free_at = clock()

    @contextmanager
    def turn(self, stop: Event) -> Iterator[None]:
        """Hold everybody else back until the request has left and its gap has passed.

        The gap is counted from when the request has left, under the lock: a thread that the system puts to
        sleep between its turn and its sending delays the others instead of arriving together with them.
        """
        with self._lock:
            self._pause(max(0.0, self._free_at - self._clock()), stop)
            self._pause(self._book(self._gap), stop)
            try:
                yield
            finally:
                self._free_at = self._clock() + self._gap
