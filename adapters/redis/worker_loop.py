"""How a process works in the background: turn after turn, while Redis comes and goes, until a signal."""

import logging
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

from redis import RedisError

FIRST_RETRY_DELAY = 0.5
MAX_RETRY_DELAY = 5.0
"""Seconds between two tries to reach Redis; each rest is twice the one before."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ShutdownFlag:
    """Whether, and since when, this process has been told to stop.

    A handler of signals may come at any moment, so it touches no lock: it sets a time and writes to a pipe.
    The pipe wakes the process that made it. A forked process has a flag of its own and leaves the pipe
    alone, or its parent would never wait again.
    """

    def __init__(self) -> None:
        self._set_at: float | None = None
        self._owner = os.getpid()
        self._reading, self._writing = os.pipe()

    @property
    def is_set(self) -> bool:
        """Whether it has been."""
        return self._set_at is not None

    @property
    def seconds_since_set(self) -> float:
        """The seconds since then."""
        return monotonic() - self._set_at if self._set_at is not None else 0.0

    def set(self) -> None:
        """Tell, and wake whoever waits; once is enough."""
        if self._set_at is None:
            self._set_at = monotonic()
            if os.getpid() == self._owner:
                os.write(self._writing, b".")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until told."""
        select.select([self._reading], [], [], seconds)

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._reading)
        os.close(self._writing)


@contextmanager
def set_by_signals(shutdown: ShutdownFlag, then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While within, SIGTERM and SIGINT tell `stop`, and call `then`; afterwards they do what they did."""

    def set_flag(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler's signature
        shutdown.set()
        then()

    before = {number: signal.signal(number, set_flag) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_stopped(run_once: Callable[[], None], shutdown: ShutdownFlag, log: logging.Logger) -> bool:
    """Do turns until told to stop; return whether the last one succeeded.

    A turn may raise anything: the loop goes on after a pause, which doubles each time. The beginning and the
    end of an outage of Redis are logged once each, every other error with its traceback.
    """
    rest, away = 0.0, False
    while not shutdown.is_set:
        try:
            run_once()
        except (RedisError, OSError) as error:
            log.log(logging.DEBUG if away else logging.WARNING, "The job queue is away: %s", error)
            away = True
        except Exception:
            log.exception("Unexpected error in the background; it goes on")
        else:
            if away:
                log.warning("The job queue is back")
            rest, away = 0.0, False
            continue
        rest = min(rest * 2 or FIRST_RETRY_DELAY, MAX_RETRY_DELAY)
        shutdown.wait(rest)
    return not rest
