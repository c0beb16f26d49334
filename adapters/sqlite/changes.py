"""The change feed of the embedded store: numbers of changes, and records of removed entries.

Whatever writes an entry of a user takes a number in the same transaction. There is one writer at a time, so
the numbers are in the order of the commits.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.sqlite.database import Database
from adapters.sqlite.rows import item_of, moment, rating_of, viewing_of
from adapters.sqlite.schema import ENTRIES
from domain.changes import Activity, Change, ChangeBatch, Entry, Kind, Removal
from domain.ids import MovieId, UserId
from domain.users import UserNotFound

CHANGED_AT = dict(zip((Kind.RATING, Kind.WATCHLIST, Kind.VIEWING), ENTRIES.values(), strict=True))
"""The column of `users` with the time of the last change of each kind."""

READERS: dict[str, Callable[[Any], Entry]] = dict(zip(ENTRIES, (rating_of, item_of, viewing_of), strict=True))
"""The conversion of the rows of each table of entries."""

EPOCH = "changes_epoch"
"""The counter that identifies the history of the store."""

REMOVAL_BATCH_SIZE = 1000
"""The records that are deleted in one transaction; other writers wait meanwhile."""


@dataclass(frozen=True, slots=True)
class SqliteChangeRepository:
    """ChangeRepository over SQLite."""

    database: Database

    def since(self, user: UserId, number: int, limit: int, *, removals_since: int = 0) -> ChangeBatch:
        with self.database.reading() as connection:
            # Read first: an entry that changes after this has a higher number, and comes with a later call.
            latest = _latest(connection, user)
            (epoch,) = connection.execute("SELECT value FROM counters WHERE name = ?", (EPOCH,)).fetchone()
            changes = [
                Change(row["change_number"], read(row))
                for table, read in READERS.items()
                for row in _rows(connection, table, user, number, latest, limit)
            ]
            first = max(number, removals_since)
            changes += _removals(_rows(connection, "removals", user, first, latest, limit))
        return ChangeBatch.of(changes, limit, latest=latest, epoch=epoch)

    def activity(self, user: UserId) -> Activity:
        with self.database.reading() as connection:
            row = connection.execute(
                f"SELECT changes, {', '.join(CHANGED_AT.values())} FROM users WHERE id = ?", (user,)
            ).fetchone()
        if row is None:
            raise UserNotFound
        latest, *times = row
        ratings, watchlist, viewings = (datetime.fromisoformat(each) if each else None for each in times)
        return Activity(latest=latest, ratings=ratings, watchlist=watchlist, viewings=viewings)

    def remove_before(self, at: datetime) -> int:
        total, removed = 0, REMOVAL_BATCH_SIZE
        while removed == REMOVAL_BATCH_SIZE:
            with self.database.writing() as connection:
                removed = connection.execute(
                    "DELETE FROM removals WHERE (user, change_number) IN"
                    " (SELECT user, change_number FROM removals INDEXED BY removals_by_removed_at"
                    " WHERE removed_at < ? LIMIT ?)",
                    (moment(at), REMOVAL_BATCH_SIZE),
                ).rowcount
            total += removed
        return total


def next_change(
    connection: sqlite3.Connection, user: UserId, kind: Kind, at: datetime, amount: int = 1
) -> int:
    """Take the numbers of that many changes of a user's entries, within a write transaction; return the last.

    Raises UserNotFound.
    """
    updated = connection.execute(
        f"UPDATE users SET changes = changes + ?, {CHANGED_AT[kind]} = ? WHERE id = ?",
        (amount, moment(at), user),
    )
    if not updated.rowcount:
        raise UserNotFound
    return _latest(connection, user)


def record_removal(connection: sqlite3.Connection, user: UserId, removal: Removal, at: datetime) -> None:
    """Record that an entry of a user was deleted, within the same transaction."""
    number = next_change(connection, user, removal.kind, at)
    connection.execute(
        "INSERT INTO removals VALUES (?, ?, ?, ?, ?, ?)",
        (user, number, removal.kind, removal.id, removal.movie, moment(at)),
    )


def forget_removals(connection: sqlite3.Connection, user: UserId) -> None:
    """Delete the records of a user's removed entries, within a transaction."""
    connection.execute("DELETE FROM removals WHERE user = ?", (user,))


def require_user(connection: sqlite3.Connection, user: UserId) -> None:
    """Check within a write transaction that an account exists. Raises UserNotFound."""
    _latest(connection, user)


def _latest(connection: sqlite3.Connection, user: UserId) -> int:
    row = connection.execute("SELECT changes FROM users WHERE id = ?", (user,)).fetchone()
    if row is None:
        raise UserNotFound
    return int(row[0])


def _rows(
    connection: sqlite3.Connection, table: str, user: UserId, number: int, latest: int, limit: int
) -> list[sqlite3.Row]:
    """The rows of a table with the next numbers after `number`."""
    index = "" if table == "removals" else f" INDEXED BY {table}_by_change_number"
    return connection.execute(
        f"SELECT * FROM {table}{index} WHERE user = ? AND change_number > ? AND change_number <= ?"
        " ORDER BY change_number LIMIT ?",
        (user, number, latest, limit),
    ).fetchall()


def _removals(rows: list[sqlite3.Row]) -> Iterator[Change]:
    for row in rows:
        removal = Removal(kind=Kind(row["kind"]), id=row["entry"], movie=MovieId(row["movie"]))
        yield Change(row["change_number"], removal)
