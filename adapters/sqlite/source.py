"""Which source filled the catalogue of the embedded store."""

import sqlite3

from domain.sync import SourceName, admit


def source_of(connection: sqlite3.Connection) -> SourceName | None:
    """The source that has filled the catalogue; None if it is empty."""
    (name,) = connection.execute("SELECT source FROM catalogue WHERE id = 1").fetchone()
    return SourceName(name) if name else None


def claim(connection: sqlite3.Connection, source: SourceName, *, content: bool) -> None:
    """Check within a transaction that a source may write; the first one with content becomes the source of
    the catalogue.

    Raises FilledFromAnotherSource.
    """
    filled_from = source_of(connection)
    admit(filled_from, source)
    if filled_from is None and content:
        set_source(connection, source)


def set_source(connection: sqlite3.Connection, source: SourceName) -> None:
    """Set the source of the catalogue, within a transaction."""
    connection.execute("UPDATE catalogue SET source = ? WHERE id = 1", (source,))
