"""A read-only inspection of an embedded store: its version, damage, and missing tables and indexes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from adapters.sqlite.database import Database, storage_errors
from adapters.sqlite.files import Traces, exists, open_read_only, refuse_foreign
from adapters.sqlite.schema import MIGRATIONS, apply_migrations
from adapters.sqlite.source import source_of
from adapters.store import StoreInspection

NEWEST = len(MIGRATIONS)

MAX_FINDINGS = 5
"""The findings that are reported. One is enough to know that a backup is needed."""


def inspect(path: Path | None, database: Database, traces: Traces = ()) -> StoreInspection:
    """Inspect the database at a path, or `database` if that is in memory.

    Raises StorageUnavailable for a file that is no database of Matinee.
    """
    if path is None:
        with database.reading() as connection:
            return _inspection(connection)
    with storage_errors(path):
        if not exists(path, traces):
            return StoreInspection(version=0, newest=NEWEST)
        with closing(open_read_only(path)) as connection:
            refuse_foreign(path, connection)
            return _inspection(connection)


def _inspection(connection: sqlite3.Connection) -> StoreInspection:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    present = parts(connection)
    return StoreInspection(
        version=version,
        newest=NEWEST,
        missing=tuple(sorted(parts_of(version) - present)),
        damage=tuple(_damage(connection)),
        source=source_of(connection) if "catalogue" in present else None,
    )


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    """The first findings of SQLite's integrity check of the whole database."""
    for (finding,) in connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})"):
        # The list begins with a heading, and a row may hold several findings.
        yield from (line for line in finding.splitlines() if line != "ok" and not line.startswith("***"))


def parts_of(version: int) -> set[str]:
    """The tables and indexes of a version of the schema."""
    with closing(sqlite3.connect(":memory:")) as connection:
        apply_migrations(connection, MIGRATIONS[:version])
        return parts(connection)


def parts(connection: sqlite3.Connection) -> set[str]:
    """The tables and indexes of a database, an index as `table.index`."""
    rows = connection.execute("SELECT tbl_name, name FROM sqlite_master WHERE sql IS NOT NULL")
    return {table if table == name else f"{table}.{name}" for table, name in rows}
