"""The watchlists of the distributed store. A movie knows how many it is on: it is kept while it is on one."""

from collections.abc import Callable
from dataclasses import dataclass

from pymongo.errors import DuplicateKeyError

from adapters.mongo.database import Database, Document, Documents
from adapters.mongo.documents import item_document, item_of, own_id
from adapters.mongo.keyset import Keyset
from adapters.mongo.users import require_user
from domain import watchlist
from domain.ids import ItemId, MovieId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
from domain.watchlist import AlreadyListed, ItemNotFound, NotYourItem, WatchlistFull, WatchlistItem


@dataclass(frozen=True, slots=True)
class MongoWatchlistRepository:
    """WatchlistRepository over MongoDB."""

    database: Database

    def add(self, item: WatchlistItem) -> None:
        self.database.transaction(lambda database: _add(database, item), _about(item))

    def put(self, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
        try:
            return self.database.transaction(lambda database: _put(database, item), _about(item))
        except AlreadyListed:
            # The movie was listed by another process, unseen. Now it can be seen.
            return self.database.transaction(lambda database: _put(database, item), _about(item))

    def change(
        self, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
    ) -> WatchlistItem:
        return self.database.transaction(lambda database: _change(database, item, user, change), {user})

    def remove(self, item: ItemId, user: UserId) -> None:
        about = _about(self.get(item))
        self.database.transaction(lambda database: _remove(database, _own(database, item, user)), about)

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        found = self.of(user, movie)
        if found:
            self.database.transaction(lambda database: _remove_from(database, movie, user), _about(found))

    def get(self, item: ItemId) -> WatchlistItem:
        with self.database.using() as database:
            return _stored(database, item)

    def of(self, user: UserId, movie: MovieId) -> WatchlistItem | None:
        with self.database.using() as database:
            return _of(database, user, movie)

    def of_user(
        self,
        user: UserId,
        *,
        favorite: bool | None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[WatchlistItem]:
        wanted, index = _marked(user, favorite)
        listed = Keyset(field="addedAt", index=index, descending=True)
        with self.database.using() as database:
            found = listed.documents(database.watchlists, wanted, limit=limit, skip=skip, after=after)
        return [item_of(document) for document in found]

    def count(self, user: UserId, *, favorite: bool | None = None) -> int:
        wanted, index = _marked(user, favorite)
        with self.database.using() as database:
            return database.watchlists.count_documents(wanted, hint=index)


def _add(database: Documents, item: WatchlistItem) -> None:
    try:
        database.watchlists.insert_one(item_document(item))
    except DuplicateKeyError as error:
        raise AlreadyListed from error
    # Whoever lists another movie for this user meanwhile relies on the account too, so the count is exact.
    require_user(database, item.user)
    if _size(database, item.user) > watchlist.MAX_ITEMS:
        raise WatchlistFull
    if not _move(database, item.movie, 1):
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
    after = change(_own(database, item, user))
    _replace(database, after)
    return after


def _replace(database: Documents, item: WatchlistItem) -> None:
    database.watchlists.replace_one({"_id": own_id(item.id)}, item_document(item))


def _remove(database: Documents, item: WatchlistItem) -> None:
    database.watchlists.delete_one({"_id": own_id(item.id)})
    _move(database, item.movie, -1)


def _remove_from(database: Documents, movie: MovieId, user: UserId) -> None:
    found = _of(database, user, movie)
    if found:
        _remove(database, found)


def _move(database: Documents, movie: MovieId, step: int) -> bool:
    """Count the lists that the movie is on; last in a transaction, since users meet there. False if there is
    no such movie.
    """
    done = database.movies.update_one({"_id": own_id(movie)}, {"$inc": {"watchlistCount": step}})
    return done.matched_count > 0


def _size(database: Documents, user: UserId) -> int:
    return database.watchlists.count_documents({"userId": own_id(user)}, hint="one_per_movie")


def _stored(database: Documents, item: ItemId) -> WatchlistItem:
    found = database.watchlists.find_one({"_id": own_id(item)})
    if found is None:
        raise ItemNotFound
    return item_of(found)


def _own(database: Documents, item: ItemId, user: UserId) -> WatchlistItem:
    found = _stored(database, item)
    if found.user != user:
        raise NotYourItem
    return found


def _of(database: Documents, user: UserId, movie: MovieId) -> WatchlistItem | None:
    found = database.watchlists.find_one({"userId": own_id(user), "movieId": own_id(movie)})
    return item_of(found) if found else None


def _marked(user: UserId, favorite: bool | None) -> tuple[Document, str]:  # noqa: FBT001  as in the port
    """A user's items, those with a favourite mark or without it if that is asked for; and their index."""
    if favorite is None:
        return {"userId": own_id(user)}, "by_addition"
    return {"userId": own_id(user), "isFavorite": favorite}, "by_mark"


def _about(item: WatchlistItem) -> set[str]:
    return {item.movie, item.user}
