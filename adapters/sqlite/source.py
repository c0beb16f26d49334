"""Which source filled the catalogue of the embedded store."""

import sqlite3

from domain.sync import PageResult, SourceName, SyncRun, admit


def source_of(connection: sqlite3.Connection) -> SourceName | None:
    """The source that has filled the catalogue; None if it is empty."""
    (name,) = connection.execute("SELECT source FROM catalogue WHERE id = 1").fetchone()
    return SourceName(name) if name else None


def claim(connection: sqlite3.Connection, run: SyncRun, result: PageResult) -> None:
    """Check within a transaction that a run may write a page; the first page with content sets the source.

    Raises FilledFromAnotherSource.
    """
    filled_from = source_of(connection)
    admit(filled_from, run.source)
    if filled_from is None and (result.movies or result.genres):
        set_source(connection, run.source)


def set_source(connection: sqlite3.Connection, source: SourceName) -> None:
    """Set the source of the catalogue, within a transaction."""
    connection.execute("UPDATE catalogue SET source = ? WHERE id = 1", (source,))
