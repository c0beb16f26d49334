"""The limit on requests per second to TMDB.

Libraries for rate limits (pyrate-limiter, limits) count requests in a window: they allow a burst, and another
a second later, and with a little jitter on the network the server counts more than the limit within one
second. Evenly spaced requests have no bursts, at any rate from half a request a second to a thousand.

Requests of users go before those of syncs, which reserve no time in advance: however many syncs wait, a user
waits for the request that is being sent, and for other users.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from math import floor
from threading import Event, Lock
from time import monotonic
from typing import Protocol

SAFETY_FACTOR = 1.05
"""The factor by which gaps are longer than the limit requires: latency may vary by 50 ms."""

MAX_URGENT_WAIT = 5.0
"""Seconds for which the request of a user waits for its slot. If it would wait longer, it is refused."""

LOOK_AHEAD = 0.1
"""The part of a gap by which the request of a sync may reserve its slot in advance."""

Reserve = Callable[[float, float], tuple[float, bool]]
"""Reserves the next slot of all processes, a gap in seconds wide, if it begins within so many seconds.

Returns the seconds until it begins, and whether it was reserved.
"""

Pause = Callable[[float, Event], None]
"""Sleeps for some seconds. Raises Stopped as soon as the event is set."""


class Stopped(Exception):  # noqa: N818  not an error
    """The request is no longer wanted."""


class BudgetExhausted(Exception):  # noqa: N818  the sentence it states
    """Too many requests of users wait already."""


class Budget(Protocol):
    """Decides when a request may be sent. May be shared by threads and by processes."""

    def slot(self, stop: Event) -> AbstractContextManager[None]:
        """Wait until a request may be sent; the caller sends it within the context.

        Raises Stopped, and uses no slot, once `stop` is set; and BudgetExhausted.
        """
        ...


def pause(seconds: float, stop: Event) -> None:
    """Sleep in real time."""
    if stop.is_set() or (seconds > 0 and stop.wait(seconds)):
        raise Stopped


def no_reservation(gap: float, within: float) -> tuple[float, bool]:  # noqa: ARG001
    """Reserve nothing: no other process sends."""
    return 0.0, True


class RequestPacer:
    """A budget for the threads of one process: at most `per_second` requests a second, evenly spaced.

    With `reserve`, all processes that reserve at the same server keep to the rate together. `urgent` is the
    same budget for requests of users.
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
        self._reserve = reserve
        self._clock = clock
        self._pause = pause
        self._turn = Lock()
        self._queue = Lock()
        self._free_at = clock()
        self._urgent: set[object] = set()
        self.urgent: Budget = _UrgentRequests(self)

    @contextmanager
    def slot(self, stop: Event) -> Iterator[None]:
        """A slot for a request of a sync. One such thread waits for its turn, the others for this one, until
        it has sent its request: each is woken once.
        """
        with self._queue:
            while (seconds := self._take_turn(stop)) is not None:
                self._pause(seconds, stop)
            with self._sending():
                yield

    @contextmanager
    def urgent_slot(self, stop: Event) -> Iterator[None]:
        """A slot for a request of a user."""
        waiting = object()
        self._urgent.add(waiting)
        try:
            self._turn.acquire()
            try:
                self._wait_urgently(stop)
            except BaseException:
                self._turn.release()
                raise
        finally:
            self._urgent.discard(waiting)
        with self._sending():
            yield

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Make other threads wait until the request has been sent and its gap has passed.

        The gap begins when the request has been sent, under the lock: a thread that is suspended between its
        slot and sending delays the others instead of sending together with them.
        """
        try:
            yield
        finally:
            self._free_at = self._clock() + self._gap
            self._turn.release()

    def _take_turn(self, stop: Event) -> float | None:
        """Take the turn for a request of a sync and wait for its slot; or return the seconds after which to
        try again, because other requests go first.
        """
        with ExitStack() as undo:
            self._turn.acquire()
            undo.callback(self._turn.release)
            self._pause(max(0.0, self._free_at - self._clock()), stop)
            if self._urgent:
                return self._gap * LOOK_AHEAD
            seconds, reserved = self._reserve(self._gap, self._gap * LOOK_AHEAD)
            if not reserved:
                return seconds
            self._pause(seconds, stop)
            undo.pop_all()
            return None

    def _wait_urgently(self, stop: Event) -> None:
        """Wait for the slot of a user's request, in turn. Raises BudgetExhausted if that would take long."""
        seconds = self._free_at - self._clock()
        if seconds > MAX_URGENT_WAIT:
            raise BudgetExhausted
        self._pause(max(0.0, seconds), stop)
        seconds, reserved = self._reserve(self._gap, MAX_URGENT_WAIT)
        if not reserved:
            raise BudgetExhausted
        self._pause(seconds, stop)


class _UrgentRequests:
    """The budget of a pacer for requests of users."""

    def __init__(self, pacer: RequestPacer) -> None:
        self._pacer = pacer

    def slot(self, stop: Event) -> AbstractContextManager[None]:
        return self._pacer.urgent_slot(stop)
