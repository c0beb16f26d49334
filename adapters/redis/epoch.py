"""An epoch that all processes of a machine share. It ends when one of them could not invalidate copies.

A process that Redis does not answer cannot tell the others what it has changed, though they may reach Redis
and go on with what they have. So it changes the epoch, before it responds to the writer. Copies of an earlier
epoch are not used any more, and each process flushes Redis before it uses it again.
"""

import logging
import mmap
import os
from pathlib import Path
from secrets import token_bytes

FILE = "cache-epoch"
"""The name of the file in the data directory."""

SIZE = 8
"""Bytes of an epoch, which is a random number: two epochs are never the same."""

log = logging.getLogger(__name__)


class SharedEpoch:
    """The epoch in a file that processes have mapped. Without a path, or if the file cannot be opened, it is
    that of this process and of those that it forks.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        try:
            self._epoch = _mapped(path) if path else mmap.mmap(-1, SIZE)
        except OSError as error:
            log.debug("Other processes will not notice failed invalidations: %s", error)
            self._path, self._epoch = None, mmap.mmap(-1, SIZE)

    def current(self) -> bytes:
        """The epoch now."""
        return self._epoch[:SIZE]

    def change(self) -> bytes:
        """Begin another epoch, and return it."""
        new = token_bytes(SIZE)
        try:
            if self._path:
                _write(self._path, new)
            else:
                self._epoch[:SIZE] = new
        except OSError as error:
            log.warning("Other processes do not notice that an invalidation has failed: %s", error)
        return self.current()


def _mapped(path: Path) -> mmap.mmap:
    """The file in memory, which is created if necessary. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_size < SIZE:
            os.pwrite(descriptor, bytes(SIZE), 0)
        return mmap.mmap(descriptor, SIZE, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _write(path: Path, epoch: bytes) -> None:
    """Change the file. Raises OSError, where writing to the mapped memory would end the process: on some
    file systems also if the disk is full.
    """
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, epoch, 0)
    finally:
        os.close(descriptor)
