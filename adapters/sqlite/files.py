"""The file of the embedded store: made whole or not at all, and never taken for ours if it is not.

A database that is there and holds nothing was lost. To begin with an empty one in its place would look as if
nobody had ever had an account.
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
"""Where the way back is described."""

HEADER = b"SQLite format 3\0"

OURS = frozenset({"movies", "counters"})
"""Tables that every version of the schema has."""

LOOK_TIMEOUT = 1.5
"""Seconds for which a look at a database waits for who has it locked."""

NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How file systems say that they have no hard links."""


Traces = Collection[tuple[str, int]]
"""Files that stand beside a database once one was made, by their names, each with the least size that ours
have: a smaller one was put there by hand.
"""


@dataclass(eq=False)
class DatabaseUnfit(StorageUnavailable):
    """What stands at the path of the database is none of ours, or what was there is gone."""

    def __str__(self) -> str:
        return self.reason


def exists(path: Path, traces: Traces = ()) -> bool:
    """Whether a database was made at a path.

    Raises DatabaseUnfit for what cannot be a database, and where there must have been one; OSError.
    """
    try:
        with path.open("rb") as file:
            header = file.read(len(HEADER))
    except FileNotFoundError:
        _refuse_lost(path, traces)
        return False
    except IsADirectoryError:
        raise DatabaseUnfit(f"{path} is a directory: set DATA_DIR to another directory") from None
    if not header:
        raise DatabaseUnfit(
            f"{path} is empty, so what it held is lost: restore a backup ({BACKUP}), or remove the file to"
            " begin with an empty store"
        )
    if header != HEADER:
        raise DatabaseUnfit(
            f"{path} is not a database, or its beginning is damaged: restore a backup ({BACKUP}), or set"
            " DATA_DIR to another directory"
        )
    return True


def _refuse_lost(path: Path, traces: Traces) -> None:
    """Raises DatabaseUnfit if there must have been a database."""
    if path.is_symlink():
        raise DatabaseUnfit(f"{path} is a link that leads nowhere: mend it, or restore a backup ({BACKUP})")
    log = path.with_name(f"{path.name}-wal")
    left = [name for name, least in traces if _size(path.with_name(name)) >= least]
    if _size(log) > 0:
        left.append(log.name)
    if left:
        raise DatabaseUnfit(
            f"{path} is missing, though {' and '.join(left)} beside it shows that there was a store: restore"
            f" a backup ({BACKUP}), or remove {' and '.join(left)} too to begin with an empty store"
        )


def _size(path: Path) -> int:
    """The size of a file; -1 for none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def create(path: Path, build: Callable[[sqlite3.Connection], None]) -> None:
    """Put a database at a path, whole or not at all, unless another process was faster.

    It is built under a name of its own and then linked to the path, which fails if that is taken. So a
    process that is killed meanwhile, or finds the disk full, leaves nothing that looks like a lost database.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    made = Path(name)
    try:
        with closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = MEMORY")  # no file that a kill would leave
            build(connection)
            # Kept in the file; to change it later, with others at work, could find the database locked.
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            _publish(made, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{made}{suffix}").unlink(missing_ok=True)


def _publish(made: Path, path: Path) -> None:
    """Give a file its name. Raises FileExistsError."""
    try:
        os.link(made, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError from None
        made.rename(path)


def to_read(path: Path) -> sqlite3.Connection:
    """A connection of its own to a database, by which nothing can be written."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOOK_TIMEOUT)


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """Raises DatabaseUnfit for a database that holds nothing, or what belongs to others."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        raise DatabaseUnfit(
            f"{path} has no tables, so what it held is lost: restore a backup ({BACKUP}), or remove the file"
            " to begin with an empty store"
        )
    if version < 1 or not tables >= OURS:
        raise DatabaseUnfit(
            f"{path} is the database of another application: set DATA_DIR to another directory, or restore a"
            f" backup ({BACKUP})"
        )
