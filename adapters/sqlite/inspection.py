"""A look at an embedded store from outside: what its schema lacks. It changes nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from adapters.sqlite.database import MIGRATIONS, Database, apply_migrations, storage_errors
from adapters.sqlite.files import Traces, exists, refuse_foreign, to_read
from adapters.sqlite.source import source_of
from adapters.store import StoreInspection

NEWEST = len(MIGRATIONS)

FINDINGS = 5
"""Faults to look for: one is enough to know that a backup is needed."""


def inspect(path: Path | None, database: Database, traces: Traces = ()) -> StoreInspection:
    """What there is at a path, or in memory. Raises StorageUnavailable for what is no database of ours."""
    if path is None:
        with database.reading() as connection:
            return _seen(connection)
    with storage_errors(path):
        if not exists(path, traces):
            return StoreInspection(version=0, newest=NEWEST)
        with closing(to_read(path)) as connection:
            refuse_foreign(path, connection)
            return _seen(connection)


def _seen(connection: sqlite3.Connection) -> StoreInspection:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    there = parts(connection)
    return StoreInspection(
        version=version,
        newest=NEWEST,
        missing=tuple(sorted(parts_of(version) - there)),
        damage=tuple(_damage(connection)),
        source=source_of(connection) if "catalogue" in there else None,
    )


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    """The first faults that SQLite finds in the whole of a database."""
    for (finding,) in connection.execute(f"PRAGMA integrity_check({FINDINGS})"):
        # SQLite begins its list with a heading, and puts several into one row.
        yield from (line for line in finding.splitlines() if line != "ok" and not line.startswith("***"))


def parts_of(version: int) -> set[str]:
    """The tables and indexes of a schema, from one made for the purpose."""
    with closing(sqlite3.connect(":memory:")) as connection:
        apply_migrations(connection, MIGRATIONS[:version])
        return parts(connection)


def parts(connection: sqlite3.Connection) -> set[str]:
    """The tables and indexes of a database; an index as table.index."""
    rows = connection.execute("SELECT tbl_name, name FROM sqlite_master WHERE sql IS NOT NULL")
    return {table if table == name else f"{table}.{name}" for table, name in rows}
