"""Slots: the numbers under which processes keep their metrics files in a shared directory.

Prometheus' client names the files after process ids, and a worker has a new process for every job. Here each
process takes the lowest free slot and continues the files of the process that had it before. So there are as
many files as processes ever ran at once, and sums never fall. A slot is locked with `flock`, so the kernel
frees it when its process ends.
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
"""Seconds until a process that got no slot tries again."""

log = logging.getLogger("matinee.metrics")


class Slots:
    """The slots of a directory, which is created if necessary. Raises OSError if that fails."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._process = 0
        self._slot: int | None = None
        self._descriptor: int | None = None
        self._retry_at = 0.0

    def claim(self) -> int | None:
        """The slot of this process; a forked process gets its own.

        None if no slot can be locked, as on a full or read-only disk; a later call tries again.
        """
        forked = self._process != os.getpid()
        if forked or (self._slot is None and monotonic() >= self._retry_at):
            self.release()  # in a child: the parent keeps its own descriptor
            self._process = os.getpid()
            try:
                self._claim()
            except OSError as error:
                self._retry_at = monotonic() + RETRY_AFTER
                log.warning("Metrics of this process are not shared: %s", error)
        return self._slot

    def in_use(self) -> Iterator[tuple[int, int]]:
        """The slots in use, each with the id of its process."""
        for path in sorted(self.directory.glob("*.slot")):
            with suppress(OSError), path.open("r", encoding="ascii", errors="replace") as file:
                if not _lock(file.fileno()) and (process := file.read()).isdigit():
                    yield int(path.stem), int(process)

    def release(self) -> None:
        """Free the slot of this process."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._slot, self._process = None, None, 0

    def _claim(self) -> None:
        for slot in count(1):
            file = os.open(self.directory / f"{slot}.slot", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                locked = _lock(file)
            except OSError:
                os.close(file)
                raise
            if locked:
                break
            os.close(file)
        self._descriptor, self._slot = file, slot
        with suppress(OSError):  # without its id only the process's memory is not shown
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode("ascii"), 0)


def _lock(file: int) -> bool:
    """Lock a slot through a descriptor; False if another process holds it."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
