"""The data directory: its creation, and checks whose errors name the fault and the remedy."""

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

SAMPLE = bytes(64 * 1024)
"""Written to see whether there is room: about what it takes to open a store."""

CHOOSE_ANOTHER = "choose another with --data-dir or DATA_DIR"

CAUSES = {
    errno.ENOSPC: ("cannot be written, the disk is full", f"make room, or {CHOOSE_ANOTHER}"),
    errno.EDQUOT: ("cannot be written, the disk quota is used up", f"make room, or {CHOOSE_ANOTHER}"),
    errno.EFBIG: ("cannot be written, files are limited in size (ulimit -f)", "raise that limit"),
    errno.EROFS: ("is on a read-only file system", CHOOSE_ANOTHER),
    errno.ENOTDIR: ("is not a directory", CHOOSE_ANOTHER),
    errno.EEXIST: ("is not a directory", CHOOSE_ANOTHER),
    errno.ENAMETOOLONG: ("has too long a name", CHOOSE_ANOTHER),
    errno.ELOOP: ("is a link that leads to itself", f"repair it, or {CHOOSE_ANOTHER}"),
    errno.EIO: ("cannot be read or written, the disk is broken", CHOOSE_ANOTHER),
}
"""The fault and its remedy by the error number of the system."""


@dataclass(eq=False)
class DataDirectoryUnusable(Invalid):
    """DATA_DIR names something that cannot hold the data."""

    directory: Path
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"DATA_DIR {self.directory} {self.fault}: {self.remedy}"


def exists(directory: Path) -> bool:
    """Whether the data directory exists; False if it can be created. Raises DataDirectoryUnusable."""
    with _errors(directory):
        try:
            status = directory.stat()
        except FileNotFoundError:
            if directory.is_symlink():
                raise DataDirectoryUnusable(
                    directory, "is a link that leads nowhere", f"repair it, or {CHOOSE_ANOTHER}"
                ) from None
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return True


def create(directory: Path) -> bool:
    """Create the data directory if there is none; return whether it was created.

    Raises DataDirectoryUnusable.
    """
    if exists(directory):
        return False
    with _errors(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return True


def prepare(directory: Path) -> Path:
    """Create the data directory if there is none, and check that it can be written; return its absolute path.

    Raises DataDirectoryUnusable.
    """
    created = create(directory)
    with _errors(directory):
        try:
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(SAMPLE)
                file.flush()
        except OSError:
            if created:
                with suppress(OSError):
                    directory.rmdir()
            raise
        return directory.resolve()


@contextmanager
def _errors(directory: Path) -> Iterator[None]:
    """Turn errors of the file system into DataDirectoryUnusable."""
    try:
        yield
    except PermissionError as error:
        fault = f"may not be used by the user that runs matinee ({_user()})"
        raise DataDirectoryUnusable(directory, fault, f"give it to that user, or {CHOOSE_ANOTHER}") from error
    except OSError as error:
        fault, remedy = CAUSES.get(
            error.errno or 0,
            (f"cannot be used ({error.strerror or error})", f"repair it, or {CHOOSE_ANOTHER}"),
        )
        raise DataDirectoryUnusable(directory, fault, remedy) from error


def _user() -> str:
    """The name of the user that runs this process, or its number if it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
