"""The viewings of the distributed store. Each movie has a count of its viewings."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from adapters.mongo.changes import next_change, record_removal
from adapters.mongo.database import Database
from adapters.mongo.documents import own_id, viewing_document, viewing_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.ratings import of_movies
from adapters.mongo.schema import Document, Documents
from adapters.mongo.watchlists import remove_from
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

BY_CREATION = Keyset(field="createdAt", index="by_created_at", descending=True)


@dataclass(frozen=True, slots=True)
class MongoViewingRepository:
    """ViewingRepository over MongoDB."""

    database: Database
    clock: Clock

    def add(
        self, viewing: Viewing, *, remove_from_watchlist: bool = False, repeatable: bool = False
    ) -> Viewing:
        def add(database: Documents) -> Viewing:
            before = _before(database, viewing) if repeatable else None
            return before or _add(database, viewing, remove_from_watchlist=remove_from_watchlist)

        return self.database.transaction(add, {viewing.movie, viewing.user})

    def change(self, viewing: ViewingId, user: UserId, change: Callable[[Viewing], Viewing]) -> Viewing:
        return self.database.transaction(lambda database: _change(database, viewing, user, change), {user})

    def remove(self, viewing: ViewingId, user: UserId) -> None:
        found = self.get(viewing)
        self.database.transaction(
            lambda database: _remove(database, viewing, user, self.clock()), {found.movie, found.user}
        )

    def get(self, viewing: ViewingId) -> Viewing:
        with self.database.using() as database:
            return _get(database, viewing)

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
        wanted, index = _query(user, movie, days)
        keyset = Keyset(field="position", index=index, descending=True, timed=False)
        with self.database.using() as database:
            found = keyset.documents(database.viewings, wanted, limit=limit, skip=skip, after=after)
        return [viewing_of(document) for document in found]

    def count(self, user: UserId, *, movie: MovieId | None = None, days: DayRange | None = None) -> int:
        wanted, index = _query(user, movie, days)
        with self.database.using() as database:
            return database.viewings.count_documents(wanted, hint=index)

    def by_creation(self, user: UserId, *, limit: int, after: Cursor | None = None) -> list[Viewing]:
        wanted = {"userId": own_id(user)}
        with self.database.using() as database:
            found = BY_CREATION.documents(database.viewings, wanted, limit=limit, after=after)
        return [viewing_of(document) for document in found]

    def summaries(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, ViewingSummary]:
        group = {"_id": "$movieId", "count": {"$sum": 1}, "latest": {"$max": "$position"}}
        pipeline: list[Document] = [{"$match": of_movies(user, movies)}, {"$group": group}]
        with self.database.using() as database:
            found = list(database.viewings.aggregate(pipeline, hint="by_movie"))
        return {
            MovieId(str(document["_id"])): ViewingSummary(document["count"], day_of(document["latest"]))
            for document in found
        }


def _before(database: Documents, viewing: Viewing) -> Viewing | None:
    """The viewing of the same user with the same id, if there is one."""
    wanted = {"_id": own_id(viewing.id), "userId": own_id(viewing.user)}
    found = database.viewings.find_one(wanted)
    return viewing_of(found) if found else None


def _add(database: Documents, viewing: Viewing, *, remove_from_watchlist: bool) -> Viewing:
    # The number locks the account, as concurrent writes of this user do: so the day and the count are exact.
    document = _numbered(database, viewing)
    _require_free_day(database, viewing)
    wanted, index = _query(viewing.user)
    if database.viewings.count_documents(wanted, hint=index) >= viewings.MAX_VIEWINGS:
        raise DiaryFull
    database.viewings.insert_one(document)
    if remove_from_watchlist:
        remove_from(database, viewing.movie, viewing.user, viewing.updated_at)
    if not _change_count(database, viewing.movie, 1):
        raise MovieNotFound(viewing.movie)
    return viewing


def _change(
    database: Documents, viewing: ViewingId, user: UserId, change: Callable[[Viewing], Viewing]
) -> Viewing:
    before = _owned(database, viewing, user)
    after = change(before)
    document = _numbered(database, after)
    _require_free_day(database, after, before)
    database.viewings.replace_one({"_id": own_id(viewing)}, document)
    return after


def _remove(database: Documents, viewing: ViewingId, user: UserId, at: datetime) -> None:
    found = _owned(database, viewing, user)
    database.viewings.delete_one({"_id": own_id(viewing)})
    removal = Removal(kind=Kind.VIEWING, id=viewing, movie=found.movie)
    record_removal(database, user, removal, at)
    _change_count(database, found.movie, -1)


def _numbered(database: Documents, viewing: Viewing) -> Document:
    """The document of a viewing that is written now. Raises UserNotFound."""
    number = next_change(database, viewing.user, Kind.VIEWING, viewing.updated_at)
    return {**viewing_document(viewing), "changeNumber": number}


def _change_count(database: Documents, movie: MovieId, difference: int) -> bool:
    """Add to the number of viewings of a movie; False if there is no such movie.

    It is the last write of a transaction, since users with the same movie conflict here.
    """
    updated = database.movies.update_one({"_id": own_id(movie)}, {"$inc": {"viewingsCount": difference}})
    return updated.matched_count > 0


def _require_free_day(database: Documents, viewing: Viewing, before: Viewing | None = None) -> None:
    """Raises AlreadyViewed if the viewing requires a free day, and the user has another one on it."""
    if viewing.requires_free_day(before):
        lowest, end = position_range(viewing.watched_on, viewing.watched_on)
        wanted = {
            "userId": own_id(viewing.user),
            "movieId": own_id(viewing.movie),
            "position": {"$gte": lowest, "$lt": end},
            "_id": {"$ne": own_id(viewing.id)},
        }
        if database.viewings.find_one(wanted, {"_id": True}, hint="by_movie"):
            raise AlreadyViewed


def _get(database: Documents, viewing: ViewingId) -> Viewing:
    found = database.viewings.find_one({"_id": own_id(viewing)})
    if found is None:
        raise ViewingNotFound
    return viewing_of(found)


def _owned(database: Documents, viewing: ViewingId, user: UserId) -> Viewing:
    found = _get(database, viewing)
    if found.user != user:
        raise NotYourViewing
    return found


def _query(user: UserId, movie: MovieId | None = None, days: DayRange | None = None) -> tuple[Document, str]:
    """The query for a user's viewings, and its index."""
    wanted: Document = {"userId": own_id(user)}
    if movie:
        wanted["movieId"] = own_id(movie)
    if days:
        lowest, end = days.positions
        wanted["position"] = {"$gte": lowest, "$lt": end}
    return wanted, "by_movie" if movie else "by_position"
