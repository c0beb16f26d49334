"""A process that its supervisor starts, logs, and starts again when it ends."""

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

from domain.errors import MatineeError

FIRST_DELAY = 0.2
MAX_DELAY = 10.0

STABLE_AFTER = 30.0
"""Seconds after which a process counts as stable: when it ends then, its delay is the shortest again."""

MAX_LINE_BYTES = 64 * 1024
"""The length at which a line of output is logged although it has not ended."""

SYNCS_REFUSED = 3
"""The exit code of a process that has found that another source filled the catalogue."""

Process = subprocess.Popen[bytes]
Start = Callable[[], Process]

logger = logging.getLogger("matinee.supervisor")


class ChildProcess:
    """At most one running process, started by `start`; its output is logged under its name.

    `start` may raise OSError or a MatineeError, which counts like a process that ends at once. Lines that
    contain `noise` are logged at level debug.
    """

    def __init__(self, name: str, start: Start, noise: str = "\n") -> None:
        self.name = name
        self.process: Process | None = None
        self.due = 0.0
        self._start = start
        self._noise = noise
        self._failures = 0
        self._started_at = 0.0
        self._unfinished_line = b""
        self._output_log = logging.getLogger(f"matinee.{name}")

    def supervise(self) -> None:
        """Check whether the process has ended, and start it when it is due. To be called after every wait."""
        code = self.poll()
        if code is not None:
            self.postpone(describe_exit(code))
        self.start()

    def start(self) -> None:
        """Start the process if none runs and its delay is over."""
        if self.process or monotonic() < self.due:
            return
        self._started_at = monotonic()
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

    def poll(self) -> int | None:
        """The exit code of a process that has ended since the last call (the negative number of a signal);
        else None.
        """
        code = self.process.poll() if self.process else None
        if self.process and code is not None:
            self.log_output()
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None
        return code

    def postpone(self, reason: str) -> None:
        """Set the time of the next start: the delay doubles with each failure until a process was stable."""
        if monotonic() - self._started_at > STABLE_AFTER:
            self._failures = 0
        delay = min(FIRST_DELAY * 2**self._failures, MAX_DELAY)
        self._failures = min(self._failures + 1, 10)
        self.due = monotonic() + delay
        logger.warning("%s %s; it is started again in %.1f s", self.name, reason, delay)

    @property
    def delay(self) -> float | None:
        """Seconds until the process is to be started; None while it runs."""
        return None if self.process else max(0.0, self.due - monotonic())

    @property
    def output(self) -> int | None:
        """The descriptor of its output; None if it has none of its own or does not run."""
        return self.process.stdout.fileno() if self.process and self.process.stdout else None

    def log_output(self) -> None:
        """Log the lines that it has written. An unfinished one waits for its end, or that of the output."""
        if self.output is None:
            return
        with suppress(BlockingIOError):
            while chunk := os.read(self.output, MAX_LINE_BYTES):
                *lines, self._unfinished_line = (self._unfinished_line + chunk).split(b"\n")
                self._log_lines(lines)
                if len(self._unfinished_line) >= MAX_LINE_BYTES:
                    self._log_unfinished_line()
            self._log_unfinished_line()

    def _log_unfinished_line(self) -> None:
        if self._unfinished_line:
            self._log_lines([self._unfinished_line])
            self._unfinished_line = b""

    def _log_lines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            self._output_log.log(logging.DEBUG if self._noise in text else logging.INFO, "%s", text)

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.process:
            self.process.send_signal(signum)

    def wait(self, deadline: float) -> bool:
        """Wait for the process until a time of the monotonic clock; return whether it has ended."""
        if self.process:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, deadline - monotonic()))
        return self.process is None or self.process.returncode is not None


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
