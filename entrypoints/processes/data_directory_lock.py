"""One `serve` a data directory: the lock on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Conflict, StorageUnavailable
from entrypoints import data_directory

LOCKS = Path("/proc/locks")


@dataclass(eq=False)
class DataDirectoryTaken(Conflict):
    """Another `serve` keeps its data there."""

    directory: Path
    pid: int | None

    def __str__(self) -> str:
        who = f" (process {self.pid})" if self.pid else ""
        return (
            f"another matinee serve{who} uses the data directory {self.directory}; --data-dir chooses another"
        )


@contextmanager
def occupying(directory: Path) -> Iterator[None]:
    """Have a data directory, made if need be, to oneself.

    The lock is on the directory itself and belongs to this process: it leaves no file, and the kernel takes
    it back however the process ends. Raises DataDirectoryTaken, DataDirectoryUnusable, StorageUnavailable.
    """
    data_directory.make(directory)
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
        raise DataDirectoryTaken(directory, _holder(os.fstat(descriptor))) from None
    except OSError as error:
        raise StorageUnavailable(
            f"the data directory {directory} cannot be locked: {error.strerror}"
        ) from error


def _holder(held: os.stat_result) -> int | None:
    """Who holds the lock on a file, where the kernel tells (Linux)."""
    if not LOCKS.exists():
        return None
    place = f"{os.major(held.st_dev):02x}:{os.minor(held.st_dev):02x}:{held.st_ino}"
    for line in LOCKS.read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, where, *_] if where == place:
                return int(pid)
    return None
