"""What adapters report of their work: durations and outcomes; and how long their caller had waited."""

from threading import local
from typing import Literal, Protocol

Timed = Literal["storage", "redis"]
"""What is timed: one use of the store, one round trip to Redis."""

Counted = Literal["cache", "tmdb"]
"""What is counted: cache look-ups (`hit` or `miss`), requests to TMDB (by their outcome)."""


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
    """How many seconds the present thread's call had waited in a queue before it was started.

    A store shortens its own timeout by that, so that both waits together stay within the promised time.
    """

    seconds: float = 0.0


queue_time = QueueTime()
