"""The data directory: whether it can be used, and what to do if not, in one line."""

import errno
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Invalid

TRIED = bytes(64 * 1024)
"""What is written to see whether there is room: what a store needs to be opened."""

ANOTHER = "choose another with --data-dir or DATA_DIR"

CAUSES = {
    errno.ENOSPC: ("cannot be written, the disk is full", f"make room, or {ANOTHER}"),
    errno.EDQUOT: ("cannot be written, the disk quota is used up", f"make room, or {ANOTHER}"),
    errno.EFBIG: ("cannot be written, files are limited in size (ulimit -f)", "raise that limit"),
    errno.EROFS: ("is on a read-only file system", ANOTHER),
    errno.ENOTDIR: ("is not a directory", ANOTHER),
    errno.EEXIST: ("is not a directory", ANOTHER),
    errno.ENAMETOOLONG: ("has too long a name", ANOTHER),
    errno.ELOOP: ("is a link that leads to itself", f"mend it, or {ANOTHER}"),
    errno.EIO: ("cannot be read or written, the disk is broken", ANOTHER),
}
"""What is wrong and what mends it, by the error of the system."""


@dataclass(eq=False)
class DataDirectoryUnusable(Invalid):
    """DATA_DIR names what cannot hold the data."""

    directory: Path
    fault: str
    mend: str

    def __str__(self) -> str:
        return f"DATA_DIR {self.directory} {self.fault}: {self.mend}"


def exists(directory: Path) -> bool:
    """Whether there is a data directory; False if it may be made. Raises DataDirectoryUnusable."""
    with _told(directory):
        try:
            found = directory.stat()
        except FileNotFoundError:
            if directory.is_symlink():
                raise DataDirectoryUnusable(
                    directory, "is a link that leads nowhere", f"mend it, or {ANOTHER}"
                ) from None
            return False
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return True


def make(directory: Path) -> bool:
    """Make a data directory if there is none; whether it was made. Raises DataDirectoryUnusable."""
    if exists(directory):
        return False
    with _told(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return True


def prepare(directory: Path) -> Path:
    """Make a data directory if need be, and see that it can be written; its absolute path.

    Raises DataDirectoryUnusable.
    """
    made = make(directory)
    with _told(directory):
        try:
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(TRIED)
                file.flush()
        except OSError:
            if made:
                with suppress(OSError):
                    directory.rmdir()
            raise
        return directory.resolve()


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Turn what the file system raises into what is wrong with the directory."""
    try:
        yield
    except PermissionError as error:
        fault = f"may not be used by the user that runs matinee ({_user()})"
        raise DataDirectoryUnusable(directory, fault, f"give it to that user, or {ANOTHER}") from error
    except OSError as error:
        fault, mend = CAUSES.get(
            error.errno or 0, (f"cannot be used ({error.strerror or error})", f"mend it, or {ANOTHER}")
        )
        raise DataDirectoryUnusable(directory, fault, mend) from error


def _user() -> str:
    """The name of the user, or the number where there is no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
