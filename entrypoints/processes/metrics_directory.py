"""Where the processes of `serve` keep the figures that they share: in memory, if there is a place for files
there, since a disk that is full must not harm who counts.
"""

import hashlib
import logging
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  a directory of our own is made in it, and checked to be ours
"""A file system in memory, on Linux."""

ROOM = 4 * 2**20
"""Bytes that must be free there. Each process takes some 200 kB."""

log = logging.getLogger("matinee.supervisor")


def made(data_directory: Path) -> Path | None:
    """An empty directory for metrics, in memory or else in the data directory; None if neither can be had."""
    for directory in (*_in_memory(data_directory), data_directory / "metrics"):
        try:
            return _emptied(directory)
        except OSError as error:
            log.warning("Metrics cannot be kept in %s: %s", directory, error.strerror)
    return None


def remove(directory: Path | None) -> None:
    """Remove what was made, in memory only: there is less of that."""
    if directory and directory.parent == MEMORY:
        shutil.rmtree(directory, ignore_errors=True)


def _in_memory(data_directory: Path) -> list[Path]:
    """The directory in memory that belongs to a data directory, if there is room: it is found again after a
    kill.
    """
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= ROOM and os.access(MEMORY, os.W_OK | os.X_OK):
            name = hashlib.sha256(os.fsencode(data_directory)).hexdigest()[:16]
            return [MEMORY / f"matinee-{os.geteuid()}-{name}"]
    return []


def _emptied(directory: Path) -> Path:
    """A directory that is ours alone, with nothing in it: figures of processes that are gone would be counted
    for ever. Raises OSError.
    """
    if os.path.lexists(directory):
        _refuse_strangers(directory)
        shutil.rmtree(directory)
    directory.mkdir(mode=0o700)
    return directory


def _refuse_strangers(directory: Path) -> None:
    """Raises PermissionError for what another user made, or a link: anybody may write to /dev/shm."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(None, "it is not ours")
