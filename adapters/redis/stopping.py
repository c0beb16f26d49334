"""Being told to stop by a signal, while working and while waiting."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether, and since when, this process has been told to stop.

    A handler of signals may come at any moment, so it touches no lock: it sets a time and writes to a pipe.
    """

    def __init__(self) -> None:
        self._told_at: float | None = None
        self._reading, self._writing = os.pipe()

    @property
    def told(self) -> bool:
        """Whether it has been."""
        return self._told_at is not None

    @property
    def told_for(self) -> float:
        """The seconds since then."""
        return monotonic() - self._told_at if self._told_at is not None else 0.0

    def tell(self) -> None:
        """Tell, and wake whoever waits; once is enough."""
        if self._told_at is None:
            self._told_at = monotonic()
            os.write(self._writing, b".")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until told."""
        select.select([self._reading], [], [], seconds)

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._reading)
        os.close(self._writing)


@contextmanager
def stopped_by_signals(stop: Stop, then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While within, SIGTERM and SIGINT tell `stop`, and call `then`; afterwards they do what they did."""

    def tell(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler's signature
        stop.tell()
        then()

    before = {number: signal.signal(number, tell) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
