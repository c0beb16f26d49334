"""The watchlists of the distributed store. Each movie has a count of the watchlists that it is on."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from adapters.mongo.changes import next_change, record_removal
from adapters.mongo.database import Database
from adapters.mongo.documents import item_document, item_of, own_id
from adapters.mongo.keyset import Keyset
from adapters.mongo.ratings import of_movies
from adapters.mongo.schema import SORT_FIELDS, Document, Documents
from domain import watchlist
from domain.changes import Kind, Removal
from domain.ids import ItemId, MovieId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor, Value, sorted_after, time_value
from domain.ports import Clock
from domain.watchlist import (
    AlreadyListed,
    ItemNotFound,
    NotYourItem,
    WatchlistFull,
    WatchlistItem,
    WatchlistOrder,
)


@dataclass(frozen=True, slots=True)
class MongoWatchlistRepository:
    """WatchlistRepository over MongoDB."""

    database: Database
    clock: Clock

    def add(self, item: WatchlistItem) -> None:
        self.database.transaction(lambda database: _add(database, item), _lock_names(item))

    def put(self, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
        try:
            return self.database.transaction(lambda database: _put(database, item), _lock_names(item))
        except AlreadyListed:
            # Another process stored the item after it was looked up here. Now it is found.
            return self.database.transaction(lambda database: _put(database, item), _lock_names(item))

    def change(
        self, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
    ) -> WatchlistItem:
        return self.database.transaction(lambda database: _change(database, item, user, change), {user})

    def remove(self, item: ItemId, user: UserId) -> None:
        lock_names = _lock_names(self.get(item))
        self.database.transaction(
            lambda database: _remove(database, _owned(database, item, user), self.clock()), lock_names
        )

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        found = self.of(user, movie)
        if found:
            self.database.transaction(
                lambda database: remove_from(database, movie, user, self.clock()), _lock_names(found)
            )

    def get(self, item: ItemId) -> WatchlistItem:
        with self.database.using() as database:
            return _get(database, item)

    def of(self, user: UserId, movie: MovieId) -> WatchlistItem | None:
        with self.database.using() as database:
            return _of(database, user, movie)

    def among(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, WatchlistItem]:
        with self.database.using() as database:
            found = [item_of(document) for document in database.watchlists.find(of_movies(user, movies))]
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
        wanted, index = _query(user, favorite)
        keyset = Keyset(field="addedAt", index=index, descending=True)
        with self.database.using() as database:
            found = keyset.documents(database.watchlists, wanted, limit=limit, skip=skip, after=after)
        return [item_of(document) for document in found]

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
        with self.database.using() as database:
            values = _sort_values(database, user, favorite, by)
            found = sorted_after(values, after, descending=descending)[skip : skip + limit]
            items = database.watchlists.find({"_id": {"$in": list(map(own_id, found))}})
            by_id = {item.id: item for item in map(item_of, items)}
        return [by_id[ItemId(each)] for each in found if each in by_id]

    def count(self, user: UserId, *, favorite: bool | None = None) -> int:
        wanted, index = _query(user, favorite)
        with self.database.using() as database:
            return database.watchlists.count_documents(wanted, hint=index)


def remove_from(database: Documents, movie: MovieId, user: UserId, at: datetime) -> None:
    """Remove a movie from a user's watchlist within a transaction, if it is there."""
    found = _of(database, user, movie)
    if found:
        _remove(database, found, at)


def _sort_values(
    database: Documents,
    user: UserId,
    favorite: bool | None,  # noqa: FBT001  as in the port
    by: WatchlistOrder,
) -> list[tuple[Value | None, str]]:
    """The sort values and the ids of a user's items."""
    wanted, index = _query(user, favorite)
    items = list(database.watchlists.find(wanted, {"movieId": True, "addedAt": True}, hint=index))
    if by.of_movies is None:
        return [(time_value(item["addedAt"]), str(item["_id"])) for item in items]
    field = SORT_FIELDS[by.of_movies]
    movies = database.movies.find({"_id": {"$in": [item["movieId"] for item in items]}}, {field: True})
    values = {movie["_id"]: movie.get(field) for movie in movies}
    values |= {key: day.date().isoformat() for key, day in values.items() if isinstance(day, datetime)}
    return [(values.get(item["movieId"]), str(item["_id"])) for item in items]


def _add(database: Documents, item: WatchlistItem) -> None:
    try:
        # The number locks the account, as a concurrent addition for this user does: so the count is exact.
        database.watchlists.insert_one(_numbered(database, item))
    except DuplicateKeyError as error:
        raise AlreadyListed from error
    if _size(database, item.user) > watchlist.MAX_ITEMS:
        raise WatchlistFull
    if not _change_count(database, item.movie, 1):
        raise MovieNotFound(item.movie)


def _put(database: Documents, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
    before = _of(database, item.user, item.movie)
    if before is None:
        _add(database, item)
        return item, True
    after = before.replaced_by(item)
    _replace(database, after)
    return after, False


def _change(
    database: Documents, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
) -> WatchlistItem:
    after = change(_owned(database, item, user))
    _replace(database, after)
    return after


def _replace(database: Documents, item: WatchlistItem) -> None:
    database.watchlists.replace_one({"_id": own_id(item.id)}, _numbered(database, item))


def _remove(database: Documents, item: WatchlistItem, at: datetime) -> None:
    database.watchlists.delete_one({"_id": own_id(item.id)})
    removal = Removal(kind=Kind.WATCHLIST, id=item.id, movie=item.movie)
    record_removal(database, item.user, removal, at)
    _change_count(database, item.movie, -1)


def _numbered(database: Documents, item: WatchlistItem) -> Document:
    """The document of an item that is written now. Raises UserNotFound."""
    number = next_change(database, item.user, Kind.WATCHLIST, item.updated_at)
    return {**item_document(item), "changeNumber": number}


def _change_count(database: Documents, movie: MovieId, difference: int) -> bool:
    """Add to the number of watchlists that a movie is on; False if there is no such movie.

    It is the last write of a transaction, since users with the same movie conflict here.
    """
    updated = database.movies.update_one({"_id": own_id(movie)}, {"$inc": {"watchlistCount": difference}})
    return updated.matched_count > 0


def _size(database: Documents, user: UserId) -> int:
    return database.watchlists.count_documents({"userId": own_id(user)}, hint="one_per_movie")


def _get(database: Documents, item: ItemId) -> WatchlistItem:
    found = database.watchlists.find_one({"_id": own_id(item)})
    if found is None:
        raise ItemNotFound
    return item_of(found)


def _owned(database: Documents, item: ItemId, user: UserId) -> WatchlistItem:
    found = _get(database, item)
    if found.user != user:
        raise NotYourItem
    return found


def _of(database: Documents, user: UserId, movie: MovieId) -> WatchlistItem | None:
    found = database.watchlists.find_one({"userId": own_id(user), "movieId": own_id(movie)})
    return item_of(found) if found else None


def _query(user: UserId, favorite: bool | None) -> tuple[Document, str]:  # noqa: FBT001  as in the port
    """The query for a user's items, and its index; only items with this favourite mark if it is given."""
    if favorite is None:
        return {"userId": own_id(user)}, "by_added_at"
    return {"userId": own_id(user), "isFavorite": favorite}, "by_favorite"


def _lock_names(item: WatchlistItem) -> set[str]:
    """The lock names for a change of an item."""
    return {item.movie, item.user}
