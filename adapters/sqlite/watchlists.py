"""The watchlists of the embedded store."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from adapters.sqlite.database import Database
from adapters.sqlite.ratings import rely_on
from adapters.sqlite.rows import insert, item_of, item_row, update
from domain import watchlist
from domain.ids import ItemId, MovieId, UserId
from domain.movies import MovieNotFound
from domain.watchlist import AlreadyListed, ItemNotFound, NotYourItem, WatchlistFull, WatchlistItem


@dataclass(frozen=True, slots=True)
class SqliteWatchlistRepository:
    """WatchlistRepository over SQLite."""

    database: Database

    def add(self, item: WatchlistItem) -> None:
        with self.database.writing() as connection:
            if _of(connection, item.user, item.movie):
                raise AlreadyListed
            _insert(connection, item)

    def put(self, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
        with self.database.writing() as connection:
            before = _of(connection, item.user, item.movie)
            if before is None:
                _insert(connection, item)
                return item, True
            after = before.changed(item.updated_at, is_favorite=item.is_favorite, note=item.note)
            _update(connection, after)
            return after, False

    def change(
        self, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
    ) -> WatchlistItem:
        with self.database.writing() as connection:
            after = change(_owned(connection, item, user))
            _update(connection, after)
        return after

    def remove(self, item: ItemId, user: UserId) -> None:
        with self.database.writing() as connection:
            _owned(connection, item, user)
            connection.execute("DELETE FROM watchlists WHERE id = ?", (item,))

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        with self.database.writing() as connection:
            connection.execute("DELETE FROM watchlists WHERE user = ? AND movie = ?", (user, movie))

    def get(self, item: ItemId) -> WatchlistItem:
        with self.database.reading() as connection:
            return _get(connection, item)

    def of(self, user: UserId, movie: MovieId) -> WatchlistItem | None:
        with self.database.reading() as connection:
            return _of(connection, user, movie)

    def of_user(
        self, user: UserId, *, favorite: bool | None, limit: int, skip: int = 0
    ) -> list[WatchlistItem]:
        where, values = _chosen(user, favorite)
        statement = f"SELECT * FROM watchlists {where} ORDER BY added_at DESC, id LIMIT ? OFFSET ?"
        with self.database.reading() as connection:
            return [item_of(row) for row in connection.execute(statement, (*values, limit, skip))]

    def count(self, user: UserId, *, favorite: bool | None = None) -> int:
        with self.database.reading() as connection:
            return _count(connection, user, favorite)


def _insert(connection: sqlite3.Connection, item: WatchlistItem) -> None:
    rely_on(connection, item.user)
    if not connection.execute("SELECT 1 FROM movies WHERE id = ?", (item.movie,)).fetchone():
        raise MovieNotFound(item.movie)
    if _count(connection, item.user) >= watchlist.MOST_ITEMS:
        raise WatchlistFull
    row = item_row(item)
    connection.execute(insert("watchlists", row), row)


def _update(connection: sqlite3.Connection, item: WatchlistItem) -> None:
    row = item_row(item)
    connection.execute(update("watchlists", row), row)


def _get(connection: sqlite3.Connection, item: ItemId) -> WatchlistItem:
    row = connection.execute("SELECT * FROM watchlists WHERE id = ?", (item,)).fetchone()
    if row is None:
        raise ItemNotFound
    return item_of(row)


def _owned(connection: sqlite3.Connection, item: ItemId, user: UserId) -> WatchlistItem:
    found = _get(connection, item)
    if found.user != user:
        raise NotYourItem
    return found


def _of(connection: sqlite3.Connection, user: UserId, movie: MovieId) -> WatchlistItem | None:
    row = connection.execute(
        "SELECT * FROM watchlists WHERE user = ? AND movie = ?", (user, movie)
    ).fetchone()
    return item_of(row) if row else None


def _count(connection: sqlite3.Connection, user: UserId, favorite: bool | None = None) -> int:  # noqa: FBT001
    where, values = _chosen(user, favorite)
    (count,) = connection.execute(f"SELECT count(*) FROM watchlists {where}", values).fetchone()
    return int(count)


def _chosen(user: UserId, favorite: bool | None) -> tuple[str, tuple[str | bool, ...]]:  # noqa: FBT001
    """A user's items by the index that holds them in order."""
    if favorite is None:
        return "INDEXED BY watchlists_by_age WHERE user = ?", (user,)
    return "INDEXED BY watchlists_by_favorite WHERE user = ? AND is_favorite = ?", (user, favorite)
