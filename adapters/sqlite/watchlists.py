"""The watchlists of the embedded store."""

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.changes import next_change, record_removal
from adapters.sqlite.database import Database
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.ratings import of_movies
from adapters.sqlite.rows import Cell, insert, item_of, item_row, update
from adapters.sqlite.schema import SORT_COLUMNS
from domain import watchlist
from domain.changes import Kind, Removal
from domain.ids import ItemId, MovieId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor, sorted_after
from domain.ports import Clock
from domain.watchlist import (
    AlreadyListed,
    ItemNotFound,
    NotYourItem,
    WatchlistFull,
    WatchlistItem,
    WatchlistOrder,
)

ALL_ITEMS = Keyset(
    table="watchlists",
    index="watchlists_by_added_at",
    column="added_at",
    condition="user = ?",
    descending=True,
)
BY_FAVORITE = Keyset(
    table="watchlists",
    index="watchlists_by_favorite",
    column="added_at",
    condition="user = ? AND is_favorite = ?",
    descending=True,
)


@dataclass(frozen=True, slots=True)
class SqliteWatchlistRepository:
    """WatchlistRepository over SQLite."""

    database: Database
    clock: Clock

    def add(self, item: WatchlistItem) -> None:
        with self.database.writing(shared=True) as connection:
            if _of(connection, item.user, item.movie):
                raise AlreadyListed
            _insert(connection, item)

    def put(self, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
        with self.database.writing(shared=True) as connection:
            before = _of(connection, item.user, item.movie)
            if before is None:
                _insert(connection, item)
                return item, True
            after = before.replaced_by(item)
            _update(connection, after)
            return after, False

    def change(
        self, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
    ) -> WatchlistItem:
        with self.database.writing(shared=True) as connection:
            after = change(_owned(connection, item, user))
            _update(connection, after)
        return after

    def remove(self, item: ItemId, user: UserId) -> None:
        with self.database.writing(shared=True) as connection:
            _delete(connection, _owned(connection, item, user), self.clock())

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        with self.database.writing(shared=True) as connection:
            remove_from(connection, movie, user, self.clock())

    def get(self, item: ItemId) -> WatchlistItem:
        with self.database.reading() as connection:
            return _get(connection, item)

    def of(self, user: UserId, movie: MovieId) -> WatchlistItem | None:
        with self.database.reading() as connection:
            return _of(connection, user, movie)

    def among(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, WatchlistItem]:
        with self.database.reading() as connection:
            found = [item_of(row) for row in of_movies(connection, "watchlists", user, movies)]
        return {item.movie: item for item in found}

    def of_user(
        self,
        user: UserId,
        *,
        favorite: bool | None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[WatchlistItem]:
        keyset, values = _keyset(user, favorite)
        with self.database.reading() as connection:
            rows = keyset.rows(connection, values, limit=limit, skip=skip, after=after)
        return [item_of(row) for row in rows]

    def sorted_of_user(
        self,
        user: UserId,
        by: WatchlistOrder,
        *,
        descending: bool,
        favorite: bool | None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[WatchlistItem]:
        keyset, values = _keyset(user, favorite)
        column = f"movies.{SORT_COLUMNS[by.of_movies]}" if by.of_movies else "added_at"
        with self.database.reading() as connection:
            rows = connection.execute(
                f"SELECT {column} AS value, watchlists.id FROM watchlists INDEXED BY {keyset.index}"
                f" LEFT JOIN movies ON movies.id = movie WHERE {keyset.condition}",
                values,
            )
            found = sorted_after([(value, item) for value, item in rows], after, descending=descending)
            return [_get(connection, ItemId(item)) for item in found[skip : skip + limit]]

    def count(self, user: UserId, *, favorite: bool | None = None) -> int:
        with self.database.reading() as connection:
            return _count(connection, user, favorite)


def remove_from(connection: sqlite3.Connection, movie: MovieId, user: UserId, at: datetime) -> None:
    """Remove a movie from a user's watchlist if it is there, within a transaction."""
    item = _of(connection, user, movie)
    if item:
        _delete(connection, item, at)


def exchange_item(
    connection: sqlite3.Connection, before: WatchlistItem | None, after: WatchlistItem | None, at: datetime
) -> None:
    """Replace a user's item of a movie within a transaction, None for no item."""
    if after == before:
        return
    if before and (after is None or after.id != before.id):
        _delete(connection, before, at)
        before = None
    if after:
        row = _numbered(connection, after)
        connection.execute((update if before else insert)("watchlists", row), row)


def _insert(connection: sqlite3.Connection, item: WatchlistItem) -> None:
    row = _numbered(connection, item)
    if not connection.execute("SELECT 1 FROM movies WHERE id = ?", (item.movie,)).fetchone():
        raise MovieNotFound(item.movie)
    if _count(connection, item.user) >= watchlist.MAX_ITEMS:
        raise WatchlistFull
    connection.execute(insert("watchlists", row), row)


def _update(connection: sqlite3.Connection, item: WatchlistItem) -> None:
    row = _numbered(connection, item)
    connection.execute(update("watchlists", row), row)


def _delete(connection: sqlite3.Connection, item: WatchlistItem, at: datetime) -> None:
    connection.execute("DELETE FROM watchlists WHERE id = ?", (item.id,))
    removal = Removal(kind=Kind.WATCHLIST, id=item.id, movie=item.movie)
    record_removal(connection, item.user, removal, at)


def _numbered(connection: sqlite3.Connection, item: WatchlistItem) -> dict[str, Cell]:
    """The row of an item that is written now. Raises UserNotFound."""
    number = next_change(connection, item.user, Kind.WATCHLIST, item.updated_at)
    return {**item_row(item), "change_number": number}


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
    keyset, values = _keyset(user, favorite)
    return keyset.count(connection, values)


def _keyset(user: UserId, favorite: bool | None) -> tuple[Keyset, tuple[Cell, ...]]:  # noqa: FBT001
    """The keyset of a user's items and its parameters; only items with this favourite mark if it is given."""
    return (ALL_ITEMS, (user,)) if favorite is None else (BY_FAVORITE, (user, favorite))
