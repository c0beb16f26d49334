"""Who counts where. Processes that are scraped together keep their figures in files of one directory.

Prometheus' client names the files for processes by their numbers, of which there is no end: a worker has a
new process for every job. Here each process takes the lowest slot that nobody holds, and goes on counting in
the files that the last one left there. So there are as many files as processes ever ran at once, sums never
fall, and nobody must be told who has died: a slot is held by a lock, which ends with its process.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import count
from pathlib import Path
from time import monotonic

RETRY_AFTER = 10.0
"""Seconds until a process that could have no slot tries again."""

log = logging.getLogger("matinee.metrics")


class Slots:
    """The slots of a directory, which is made if need be. Raises OSError if it cannot be."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._process = 0
        self._slot: int | None = None
        self._held: int | None = None
        self._retry_at = 0.0

    def mine(self) -> int | None:
        """The number of this process's slot; a process that was forked gets one of its own.

        None if none can be had, as on a full or read-only disk; it is tried again later.
        """
        forked = self._process != os.getpid()
        if forked or (self._slot is None and monotonic() >= self._retry_at):
            self.leave()  # our parent's, if we are a child: it goes on holding its own
            self._process = os.getpid()
            try:
                self._claim()
            except OSError as error:
                self._retry_at = monotonic() + RETRY_AFTER
                log.warning("Metrics are kept in this process alone: %s", error)
        return self._slot

    def living(self) -> Iterator[tuple[int, int]]:
        """The slots that are held now, each with the number of its process."""
        for path in sorted(self.directory.glob("*.slot")):
            with suppress(OSError), path.open("r", encoding="ascii", errors="replace") as file:
                if not _taken(file.fileno()) and (process := file.read()).isdigit():
                    yield int(path.stem), int(process)

    def leave(self) -> None:
        """Let another process have this one's slot."""
        if self._held is not None:
            os.close(self._held)
        self._held, self._slot, self._process = None, None, 0

    def _claim(self) -> None:
        for slot in count(1):
            file = os.open(self.directory / f"{slot}.slot", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                taken = _taken(file)
            except OSError:
                os.close(file)
                raise
            if taken:
                break
            os.close(file)
        self._held, self._slot = file, slot
        with suppress(OSError):  # without its number the process still counts, only its memory is not shown
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode("ascii"), 0)


def _taken(file: int) -> bool:
    """Whether a slot was free, and is held by way of this descriptor now."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
