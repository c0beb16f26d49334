"""The metrics that adapters report, and what adapters and the thread pools of their callers exchange."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import local
from typing import Literal, Protocol

Timed = Literal["storage", "redis"]
"""The operations that are timed: one use of the store, one round trip to Redis."""

Counted = Literal["tmdb"]
"""The events that are counted by outcome: requests to TMDB."""


class Meter(Protocol):
    """Records durations and events for metrics. It raises nothing and costs next to nothing."""

    def timed(self, what: Timed, seconds: float) -> None:
        """Record how long something took, whether it succeeded or failed."""
        ...

    def counted(self, what: Counted, outcome: str, amount: int = 1) -> None:
        """Record the outcome of something. Outcomes come from a short, fixed list; they hold no data."""
        ...


class Unmetered:
    """A Meter that records nothing."""

    def timed(self, what: Timed, seconds: float) -> None:
        """Do nothing."""

    def counted(self, what: Counted, outcome: str, amount: int = 1) -> None:
        """Do nothing."""


UNMETERED = Unmetered()


class QueueTime(local):
    """The seconds that the current thread's call waited in a queue before it was started.

    A store reduces its own timeout by them, so that both waits together stay within the promised time.
    """

    seconds: float = 0.0


queue_time = QueueTime()


class PoolThread(local):
    """What the pool of the current thread provides.

    `waiting` makes a context in which the thread waits for other threads, so that the pool may let another
    call run meanwhile.
    """

    waiting: Callable[[], AbstractContextManager[object]] = nullcontext


pool_thread = PoolThread()
