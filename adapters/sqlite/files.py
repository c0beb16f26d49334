"""The file of the embedded store: created atomically, and checked before it is used.

An empty file at its path means that data was lost. It is refused: a new database in its place would look as
if no account had ever existed.
"""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import StorageUnavailable

BACKUP = "docs/deployment.md, Backup and restore"
"""The documentation of restoring a backup."""

HEADER = b"SQLite format 3\0"

OWN_TABLES = frozenset({"movies", "counters"})
"""Tables of every version of the schema."""

READ_TIMEOUT = 1.5
"""Seconds that a read-only connection waits for a lock."""

HARD_LINKS_UNSUPPORTED = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Error numbers of file systems without hard links."""


Traces = Collection[tuple[str, int]]
"""Names of files that exist beside a used database, each with its least size in bytes. A smaller file was
put there by the operator.
"""


@dataclass(eq=False)
class UnusableDatabase(StorageUnavailable):
    """The file is no database of Matinee, or the database is missing."""

    def __str__(self) -> str:
        return self.reason


def exists(path: Path, traces: Traces = ()) -> bool:
    """Whether there is a database at a path.

    Raises UnusableDatabase for a file that is no database, and for a database that is lost; and OSError.
    """
    try:
        with path.open("rb") as file:
            header = file.read(len(HEADER))
    except FileNotFoundError:
        _refuse_lost(path, traces)
        return False
    except IsADirectoryError:
        raise UnusableDatabase(f"{path} is a directory: set DATA_DIR to another directory") from None
    if not header:
        raise UnusableDatabase(
            f"{path} is empty, so what it held is lost: restore a backup ({BACKUP}), or remove the file to"
            " begin with an empty store"
        )
    if header != HEADER:
        raise UnusableDatabase(
            f"{path} is not a database, or its beginning is damaged: restore a backup ({BACKUP}), or set"
            " DATA_DIR to another directory"
        )
    return True


def _refuse_lost(path: Path, traces: Traces) -> None:
    """Raises UnusableDatabase if other files show that there was a database."""
    if path.is_symlink():
        raise UnusableDatabase(f"{path} is a broken link: repair it, or restore a backup ({BACKUP})")
    log = path.with_name(f"{path.name}-wal")
    remaining = [name for name, min_size in traces if _size(path.with_name(name)) >= min_size]
    if _size(log) > 0:
        remaining.append(log.name)
    if remaining:
        names = " and ".join(remaining)
        raise UnusableDatabase(
            f"{path} is missing, though {names} beside it shows that there was a store: restore a backup"
            f" ({BACKUP}), or remove {names} too to begin with an empty store"
        )


def _size(path: Path) -> int:
    """The size of a file in bytes; -1 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def create(path: Path, build: Callable[[sqlite3.Connection], None]) -> None:
    """Create a database at a path atomically, unless another process has done so.

    `build` creates its schema. The database is built in a temporary file and then linked to the path, which
    fails if the path exists. So a process that is killed, or finds the disk full, leaves no empty database.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    built = Path(name)
    try:
        with closing(sqlite3.connect(built, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = MEMORY")  # no journal file that could be left
            build(connection)
            # The mode is stored in the file. It cannot be changed while other processes use the database.
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            _publish(built, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{built}{suffix}").unlink(missing_ok=True)


def _publish(built: Path, path: Path) -> None:
    """Link a file to its final path. Raises FileExistsError."""
    try:
        os.link(built, path)
    except OSError as error:
        if error.errno not in HARD_LINKS_UNSUPPORTED:
            raise
        if path.exists():
            raise FileExistsError from None
        built.rename(path)


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a read-only connection to a database."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=READ_TIMEOUT)


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """Raises UnusableDatabase for a database without tables, and for one of another application."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        raise UnusableDatabase(
            f"{path} has no tables, so what it held is lost: restore a backup ({BACKUP}), or remove the file"
            " to begin with an empty store"
        )
    if version < 1 or not tables >= OWN_TABLES:
        raise UnusableDatabase(
            f"{path} is the database of another application: set DATA_DIR to another directory, or restore a"
            f" backup ({BACKUP})"
        )
