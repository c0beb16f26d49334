"""The lock on a data directory: one `serve` may use it at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Conflict, StorageUnavailable
from entrypoints import data_directory

LOCK_TABLE = Path("/proc/locks")


@dataclass(eq=False)
class DataDirectoryTaken(Conflict):
    """Another `serve` uses the data directory."""

    directory: Path
    pid: int | None

    def __str__(self) -> str:
        who = f" (process {self.pid})" if self.pid else ""
        return (
            f"another matinee serve{who} uses the data directory {self.directory}; --data-dir chooses another"
        )


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock on a data directory, which is created if there is none.

    The lock is a `flock` on the directory itself: it leaves no file, and the kernel releases it however the
    process ends. Raises DataDirectoryTaken, DataDirectoryUnusable, StorageUnavailable.
    """
    data_directory.create(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataDirectoryTaken(directory, _owner(os.fstat(descriptor))) from None
    except OSError as error:
        raise StorageUnavailable(
            f"the data directory {directory} cannot be locked: {error.strerror}"
        ) from error


def _owner(file: os.stat_result) -> int | None:
    """The process that holds the lock on a file; None on systems other than Linux."""
    if not LOCK_TABLE.exists():
        return None
    key = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in LOCK_TABLE.read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, found, *_] if found == key:
                return int(pid)
    return None
