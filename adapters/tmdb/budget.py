"""The limit on requests per second to TMDB.

Libraries for rate limits (pyrate-limiter, limits) count requests in a window: they allow a burst, and another
a second later, and with a little jitter on the network the server counts more than the limit within one
second. Evenly spaced requests have no bursts, at any rate from half a request a second to a thousand.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import floor
from threading import Event, Lock
from time import monotonic
from typing import Protocol

SAFETY_FACTOR = 1.05
"""The factor by which gaps are longer than the limit requires: latency may vary by 50 ms."""

Reserve = Callable[[float], float]
"""Reserves the next slot of all processes, a gap in seconds wide; returns the seconds until it begins."""

Pause = Callable[[float, Event], None]
"""Sleeps for some seconds. Raises Stopped as soon as the event is set."""


class Stopped(Exception):  # noqa: N818  not an error
    """The request is no longer wanted."""


class Budget(Protocol):
    """Decides when a request may be sent. May be shared by threads and by processes."""

    def slot(self, stop: Event) -> AbstractContextManager[None]:
        """Wait until a request may be sent; the caller sends it within the context.

        Raises Stopped, and uses no slot, once `stop` is set.
        """
        ...


def pause(seconds: float, stop: Event) -> None:
    """Sleep in real time."""
    if stop.is_set() or (seconds > 0 and stop.wait(seconds)):
        raise Stopped


def no_reservation(gap: float) -> float:  # noqa: ARG001
    """Reserve nothing: no other process sends."""
    return 0.0


class RequestPacer:
    """A budget for the threads of one process: at most `per_second` requests a second, evenly spaced.

    With `reserve`, all processes that reserve at the same server keep to the rate together.
    """

    def __init__(
        self,
        per_second: float,
        *,
        reserve: Reserve = no_reservation,
        clock: Callable[[], float] = monotonic,
        pause: Pause = pause,
    ) -> None:
        # A second holds whole requests: at 1.5 a second, two of them two thirds apart would be one too many.
        self._gap = SAFETY_FACTOR / (floor(per_second) if per_second > 1 else per_second)
        self._book = reserve
        self._clock = clock
        self._pause = pause
        self._lock = Lock()
        self._free_at = clock()

    @contextmanager
    def slot(self, stop: Event) -> Iterator[None]:
        """Make other threads wait until the request has been sent and its gap has passed.

        The gap begins when the request has been sent, under the lock: a thread that is suspended between its
        slot and sending delays the others instead of sending together with them.
        """
        with self._lock:
            self._pause(max(0.0, self._free_at - self._clock()), stop)
            self._pause(self._book(self._gap), stop)
            try:
                yield
            finally:
                self._free_at = self._clock() + self._gap
