"""The main loop of worker and scheduler: it survives outages of Redis, and stops on a signal."""

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
"""Seconds between attempts to reach Redis; each delay is twice the one before."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ShutdownFlag:
    """A flag that tells this process to shut down; safe to set in a signal handler.

    A handler may run at any moment, so it takes no lock: it stores a time and writes to a pipe, which wakes
    `wait`. A forked process has a copy of the flag and does not write to the shared pipe, because its parent
    would never wait again.
    """

    def __init__(self) -> None:
        self._set_at: float | None = None
        self._owner = os.getpid()
        self._read_end, self._write_end = os.pipe()

    @property
    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._set_at is not None

    @property
    def seconds_since_set(self) -> float:
        """The seconds since the flag was set, 0 if it is not."""
        return monotonic() - self._set_at if self._set_at is not None else 0.0

    def set(self) -> None:
        """Set the flag and wake `wait`; further calls do nothing."""
        if self._set_at is None:
            self._set_at = monotonic()
            if os.getpid() == self._owner:
                os.write(self._write_end, b".")

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until the flag is set."""
        select.select([self._read_end], [], [], seconds)

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._read_end)
        os.close(self._write_end)


@contextmanager
def set_by_signals(shutdown: ShutdownFlag, then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Set the flag on SIGTERM and SIGINT and call `then`; the former handlers are restored at the end."""

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
    """Call `run_once` until the flag is set; return whether the last call succeeded.

    After an exception of any kind the loop continues with a delay, which doubles each time. The beginning and
    the end of an outage of Redis are logged once each, other errors with their traceback.
    """
    delay, outage = 0.0, False
    while not shutdown.is_set:
        try:
            run_once()
        except (RedisError, OSError) as error:
            log.log(logging.DEBUG if outage else logging.WARNING, "The job queue is unavailable: %s", error)
            outage = True
        except Exception:
            log.exception("Unexpected error in the main loop; it continues")
        else:
            if outage:
                log.warning("The job queue is available again")
            delay, outage = 0.0, False
            continue
        delay = min(delay * 2 or FIRST_RETRY_DELAY, MAX_RETRY_DELAY)
        shutdown.wait(delay)
    return not delay
