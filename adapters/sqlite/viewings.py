"""The viewings of the embedded store."""

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.changes import next_change, record_removal
from adapters.sqlite.database import MAX_VALUES, Database, placeholders
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import Cell, insert, update, viewing_of, viewing_row
from adapters.sqlite.watchlists import remove_from
from domain import viewings
from domain.changes import Kind, Removal
from domain.ids import MovieId, UserId, ViewingId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
from domain.ports import Clock
from domain.viewings import (
    AlreadyViewed,
    DayRange,
    DiaryFull,
    NotYourViewing,
    Viewing,
    ViewingNotFound,
    ViewingSummary,
    day_of,
    position_range,
)

BY_CREATION = Keyset(
    table="viewings",
    index="viewings_by_created_at",
    column="created_at",
    condition="user = ?",
    descending=True,
)


@dataclass(frozen=True, slots=True)
class SqliteViewingRepository:
    """ViewingRepository over SQLite."""

    database: Database
    clock: Clock

    def add(
        self, viewing: Viewing, *, remove_from_watchlist: bool = False, repeatable: bool = False
    ) -> Viewing:
        with self.database.writing(shared=True) as connection:
            if repeatable and (before := _before(connection, viewing)):
                return before
            row = _numbered(connection, viewing)
            if not connection.execute("SELECT 1 FROM movies WHERE id = ?", (viewing.movie,)).fetchone():
                raise MovieNotFound(viewing.movie)
            _require_free_day(connection, viewing)
            keyset, values = _keyset(viewing.user)
            if keyset.count(connection, values) >= viewings.MAX_VIEWINGS:
                raise DiaryFull
            connection.execute(insert("viewings", row), row)
            if remove_from_watchlist:
                remove_from(connection, viewing.movie, viewing.user, viewing.updated_at)
        return viewing

    def change(self, viewing: ViewingId, user: UserId, change: Callable[[Viewing], Viewing]) -> Viewing:
        with self.database.writing(shared=True) as connection:
            before = _owned(connection, viewing, user)
            after = change(before)
            _require_free_day(connection, after, before)
            row = _numbered(connection, after)
            connection.execute(update("viewings", row), row)
        return after

    def remove(self, viewing: ViewingId, user: UserId) -> None:
        with self.database.writing(shared=True) as connection:
            _delete(connection, _owned(connection, viewing, user), self.clock())

    def get(self, viewing: ViewingId) -> Viewing:
        with self.database.reading() as connection:
            return _get(connection, viewing)

    def of_user(
        self,
        user: UserId,
        *,
        movie: MovieId | None = None,
        days: DayRange | None = None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Viewing]:
        keyset, values = _keyset(user, movie, days, bounded=after is None)
        with self.database.reading() as connection:
            rows = keyset.rows(connection, values, limit=limit, skip=skip, after=after)
        return [viewing_of(row) for row in rows]

    def count(self, user: UserId, *, movie: MovieId | None = None, days: DayRange | None = None) -> int:
        keyset, values = _keyset(user, movie, days)
        with self.database.reading() as connection:
            return keyset.count(connection, values)

    def by_creation(self, user: UserId, *, limit: int, after: Cursor | None = None) -> list[Viewing]:
        with self.database.reading() as connection:
            rows = BY_CREATION.rows(connection, (user,), limit=limit, after=after)
        return [viewing_of(row) for row in rows]

    def summaries(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, ViewingSummary]:
        wanted, found = list(movies), dict[MovieId, ViewingSummary]()
        with self.database.reading() as connection:
            for start in range(0, len(wanted), MAX_VALUES):
                part = wanted[start : start + MAX_VALUES]
                rows = connection.execute(
                    "SELECT movie, count(*), max(position) FROM viewings INDEXED BY viewings_by_movie"
                    f" WHERE user = ? AND movie IN {placeholders(part)} GROUP BY movie",
                    (user, *part),
                )
                for movie, count, latest in rows:
                    found[MovieId(movie)] = ViewingSummary(count, day_of(latest))
        return found


def exchange_viewing(
    connection: sqlite3.Connection, before: Viewing | None, after: Viewing | None, at: datetime
) -> None:
    """Replace a viewing by another version of it within a transaction, None for none."""
    if after == before:
        return
    if after:
        row = _numbered(connection, after)
        connection.execute((update if before else insert)("viewings", row), row)
    elif before:
        _delete(connection, before, at)


def _delete(connection: sqlite3.Connection, viewing: Viewing, at: datetime) -> None:
    connection.execute("DELETE FROM viewings WHERE id = ?", (viewing.id,))
    removal = Removal(kind=Kind.VIEWING, id=viewing.id, movie=viewing.movie)
    record_removal(connection, viewing.user, removal, at)


def _numbered(connection: sqlite3.Connection, viewing: Viewing) -> dict[str, Cell]:
    """The row of a viewing that is written now. Raises UserNotFound."""
    number = next_change(connection, viewing.user, Kind.VIEWING, viewing.updated_at)
    return {**viewing_row(viewing), "change_number": number}


def _require_free_day(
    connection: sqlite3.Connection, viewing: Viewing, before: Viewing | None = None
) -> None:
    """Raises AlreadyViewed if the viewing requires a free day, and the user has another one on it."""
    if viewing.requires_free_day(before):
        row = connection.execute(
            "SELECT 1 FROM viewings INDEXED BY viewings_by_movie"
            " WHERE user = ? AND movie = ? AND position >= ? AND position < ? AND id != ? LIMIT 1",
            (
                viewing.user,
                viewing.movie,
                *position_range(viewing.watched_on, viewing.watched_on),
                viewing.id,
            ),
        ).fetchone()
        if row:
            raise AlreadyViewed


def _before(connection: sqlite3.Connection, viewing: Viewing) -> Viewing | None:
    """The viewing of the same user with the same id, if there is one."""
    values = (viewing.id, viewing.user)
    row = connection.execute("SELECT * FROM viewings WHERE id = ? AND user = ?", values).fetchone()
    return viewing_of(row) if row else None


def _get(connection: sqlite3.Connection, viewing: ViewingId) -> Viewing:
    row = connection.execute("SELECT * FROM viewings WHERE id = ?", (viewing,)).fetchone()
    if row is None:
        raise ViewingNotFound
    return viewing_of(row)


def _owned(connection: sqlite3.Connection, viewing: ViewingId, user: UserId) -> Viewing:
    found = _get(connection, viewing)
    if found.user != user:
        raise NotYourViewing
    return found


def _keyset(
    user: UserId, movie: MovieId | None = None, days: DayRange | None = None, *, bounded: bool = True
) -> tuple[Keyset, tuple[Cell, ...]]:
    """The keyset of a user's viewings and its parameters.

    Unless it is `bounded`, the end of `days` is left out: after a cursor, which is before it, SQLite would
    have two upper bounds to choose from.
    """
    condition, values = ["user = ?"], list[Cell]([user])
    if movie:
        condition.append("movie = ?")
        values.append(movie)
    if days:
        lowest, end = days.positions
        condition.append("position >= ?")
        values.append(lowest)
        if bounded:
            condition.append("position < ?")
            values.append(end)
    keyset = Keyset(
        table="viewings",
        index="viewings_by_movie" if movie else "viewings_by_position",
        column="position",
        condition=" AND ".join(condition),
        descending=True,
    )
    return keyset, tuple(values)
