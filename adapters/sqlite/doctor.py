"""A look at an embedded store from outside: what its schema lacks. It changes nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.sqlite.database import MIGRATIONS, PATIENCE, Database, apply_migrations, storage_errors
from domain.ports import StoreLook

NEWEST = len(MIGRATIONS)


def look(path: Path | None, database: Database) -> StoreLook:
    """What there is at a path, or in memory. Raises StorageUnavailable for what is no database of ours."""
    if path is None:
        with database.reading() as connection:
            return _seen(connection)
    if not path.exists():
        return StoreLook(version=0, newest=NEWEST)
    with storage_errors(), closing(_to_read(path)) as connection:
        return _seen(connection)


def _to_read(path: Path) -> sqlite3.Connection:
    """A connection of its own, by which nothing can be written."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)


def _seen(connection: sqlite3.Connection) -> StoreLook:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    missing = parts_of(version) - parts(connection)
    return StoreLook(version=version, newest=NEWEST, missing=tuple(sorted(missing)))


def parts_of(version: int) -> set[str]:
    """The tables and indexes of a schema, from one made for the purpose."""
    with closing(sqlite3.connect(":memory:")) as connection:
        apply_migrations(connection, MIGRATIONS[:version])
        return parts(connection)


def parts(connection: sqlite3.Connection) -> set[str]:
    """The tables and indexes of a database; an index as table.index."""
    rows = connection.execute("SELECT tbl_name, name FROM sqlite_master WHERE sql IS NOT NULL")
    return {table if table == name else f"{table}.{name}" for table, name in rows}
