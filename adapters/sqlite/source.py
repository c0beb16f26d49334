"""Which source filled the catalogue of the embedded store."""

import sqlite3

from domain.sync import PageResult, SourceName, SyncRun, admit

FILLED_FROM = """
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM synclogs WHERE requests > 0 AND inserted + updated + unchanged > 0)
            OR EXISTS (SELECT 1 FROM movies WHERE vote_count IS NOT NULL OR vote_average IS NOT NULL
                OR poster_path IS NOT NULL OR backdrop_path IS NOT NULL) THEN 'tmdb'
        WHEN EXISTS (SELECT 1 FROM movies) OR EXISTS (SELECT 1 FROM genres) THEN 'demo'
    END
"""
"""The source of a store that did not remember it. The demo sends no requests and has no votes and pictures;
a store in which both have written is TMDB's, whose next syncs complete the movies of the demo.
"""


def remember_source(connection: sqlite3.Connection) -> None:
    """A migration: remember the source of the catalogue and of each run, and how many problems were named."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(synclogs)")}
    if "source" not in columns:
        connection.execute("ALTER TABLE synclogs ADD COLUMN source TEXT NOT NULL DEFAULT 'tmdb'")
        connection.execute("ALTER TABLE synclogs ADD COLUMN problems_dropped INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE synclogs SET source = 'demo' WHERE requests = 0")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS catalogue (id INTEGER PRIMARY KEY CHECK (id = 1), source TEXT)"
    )
    connection.execute(f"INSERT OR IGNORE INTO catalogue VALUES (1, ({FILLED_FROM}))")


def remember_unread(connection: sqlite3.Connection) -> None:
    """A migration: remember which movies a run could not read."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(synclogs)")}
    if "unread" not in columns:
        connection.execute("ALTER TABLE synclogs ADD COLUMN unread TEXT NOT NULL DEFAULT '[]'")


def source_of(connection: sqlite3.Connection) -> SourceName | None:
    """The source that has filled the catalogue; None if it is empty."""
    (name,) = connection.execute("SELECT source FROM catalogue WHERE id = 1").fetchone()
    return SourceName(name) if name else None


def claim(connection: sqlite3.Connection, run: SyncRun, result: PageResult) -> None:
    """Within a transaction, see that a run may write this page; the first that brings anything decides.

    Raises FilledFromAnotherSource.
    """
    filled_from = source_of(connection)
    admit(filled_from, run.source)
    if filled_from is None and (result.movies or result.genres):
        set_source(connection, run.source)


def set_source(connection: sqlite3.Connection, source: SourceName) -> None:
    """Make this the source of the catalogue."""
    connection.execute("UPDATE catalogue SET source = ? WHERE id = 1", (source,))
