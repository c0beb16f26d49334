"""The directory in which the processes of `serve` share their metrics.

It is in memory where there is a file system for that, so that metrics are counted even if the disk is full.
"""

import hashlib
import logging
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  our directory in it is checked to belong to us
"""A file system in memory (Linux)."""

MIN_FREE_BYTES = 4 * 2**20
"""Free space that is required there. Each process takes about 200 kB."""

log = logging.getLogger("matinee.supervisor")


def create(data_directory: Path) -> Path | None:
    """An empty directory, in memory or else in the data directory; None if neither can be created."""
    for directory in (*_in_memory(data_directory), data_directory / "metrics"):
        try:
            return _make_empty(directory)
        except OSError as error:
            log.warning("metrics cannot be stored in %s: %s", directory, error.strerror)
    return None


def remove(directory: Path | None) -> None:
    """Remove the directory if it is in memory; on disk it may stay."""
    if directory and directory.parent == SHARED_MEMORY:
        shutil.rmtree(directory, ignore_errors=True)


def _in_memory(data_directory: Path) -> list[Path]:
    """The path in memory for a data directory, or none without enough room.

    It is always the same for one data directory, so a start after a kill reuses it.
    """
    with suppress(OSError):
        if shutil.disk_usage(SHARED_MEMORY).free >= MIN_FREE_BYTES and os.access(
            SHARED_MEMORY, os.W_OK | os.X_OK
        ):
            name = hashlib.sha256(os.fsencode(data_directory)).hexdigest()[:16]
            return [SHARED_MEMORY / f"matinee-{os.geteuid()}-{name}"]
    return []


def _make_empty(directory: Path) -> Path:
    """Create a directory, without the files of ended processes, which would be counted forever.

    Raises OSError.
    """
    if os.path.lexists(directory):
        _require_own(directory)
        shutil.rmtree(directory)
    directory.mkdir(mode=0o700)
    return directory


def _require_own(directory: Path) -> None:
    """Raise PermissionError for a link or another user's directory: /dev/shm is writable foreverybody."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(None, "it is not ours")
