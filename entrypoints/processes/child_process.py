"""A process that is to run for as long as its supervisor: started, missed, started again."""

import logging
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from domain.errors import MatineeError

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0

WELL = 30.0
"""Seconds after which a process is taken to run well: should it end then, it comes back without delay."""

Process = subprocess.Popen[bytes]
Start = Callable[[], Process]

logger = logging.getLogger("matinee.supervisor")


class Child:
    """One process at a time, made by `start`; what it says on a pipe goes to the log under its name.

    `start` may raise OSError or an error of our own: that counts like a process that ends at once. Lines with
    `noise` in them are for debugging only.
    """

    def __init__(self, name: str, start: Start, noise: str = "\n") -> None:
        self.name = name
        self.process: Process | None = None
        self.due = 0.0
        self._start = start
        self._noise = noise
        self._failures = 0
        self._began = 0.0
        self._voice = logging.getLogger(f"matinee.{name}")

    def attend(self) -> None:
        """Note an end, and start what is due: to be called whenever something may have happened."""
        code = self.ended()
        if code is not None:
            self.postpone(ending(code))
        self.begin()

    def begin(self) -> None:
        """Start the process if none runs and its delay is over."""
        if self.process or monotonic() < self.due:
            return
        self._began = monotonic()
        try:
            self.process = self._start()
        except (OSError, subprocess.SubprocessError, MatineeError) as error:
            self.postpone(f"cannot be started: {error}")
            return
        except Exception as error:  # a bug must not end the other processes
            logger.exception("unexpected error while %s is started", self.name)
            self.postpone(f"cannot be started: unexpected {type(error).__name__}")
            return
        if self.process.stdout:
            os.set_blocking(self.process.stdout.fileno(), False)
        logger.info("%s runs as process %d", self.name, self.process.pid)

    def ended(self) -> int | None:
        """The exit code (of a signal, its negative) of a process that has ended since this was last asked."""
        code = self.process.poll() if self.process else None
        if self.process and code is not None:
            self.listen()
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None
        return code

    def postpone(self, reason: str) -> None:
        """Start again after a delay, which doubles each time until the process once ran well."""
        if monotonic() - self._began > WELL:
            self._failures = 0
        delay = min(FIRST_DELAY * 2**self._failures, LONGEST_DELAY)
        self._failures = min(self._failures + 1, 10)
        self.due = monotonic() + delay
        logger.warning("%s %s; it is started again in %.1f s", self.name, reason, delay)

    @property
    def wait(self) -> float | None:
        """Seconds until there is something to do by the clock; None if there is nothing."""
        return None if self.process else max(0.0, self.due - monotonic())

    @property
    def output(self) -> int | None:
        """The descriptor of what it says, if it says it to us."""
        return self.process.stdout.fileno() if self.process and self.process.stdout else None

    def listen(self) -> None:
        """Log what it has said."""
        if self.output is None:
            return
        with suppress(BlockingIOError):
            while said := os.read(self.output, 65536):
                for line in said.decode(errors="replace").splitlines():
                    self._voice.log(logging.DEBUG if self._noise in line else logging.INFO, "%s", line)

    def tell(self, signum: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process:
            self.process.send_signal(signum)

    def gone(self, until: float) -> bool:
        """Wait for its end until a time of the monotonic clock; whether it has ended."""
        if self.process:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, until - monotonic()))
        return self.process is None or self.process.returncode is not None


def ending(code: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
