"""The neighbours of movies in the distributed store, and the movies that users hide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo import DeleteOne, ReplaceOne

from adapters.mongo.database import Database, counter
from adapters.mongo.documents import own_id, tally_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.rating_changes import change_id
from adapters.mongo.schema import NEIGHBOURS_RULE, Document, Documents
from adapters.mongo.users import require_user
from domain import recommendations
from domain.ids import MovieId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
from domain.ratings import Tally
from domain.recommendations import LIKED, MAX_RATERS, HiddenListFull, HiddenMovie, Neighbour, RatingChange

LAST_HIDDEN_FIRST = Keyset(field="hiddenAt", index="by_hidden_at", descending=True, id_field="movieId")


@dataclass(frozen=True, slots=True)
class MongoRecommendationRepository:
    """RecommendationRepository over MongoDB."""

    database: Database

    def changes(self, limit: int) -> list[RatingChange]:
        with self.database.using() as database:
            found = list(database.rating_changes.find().limit(limit))
        return [
            RatingChange(
                UserId(str(each["_id"]["user"])), MovieId(str(each["_id"]["movie"])), str(each["mark"])
            )
            for each in found
        ]

    def settle(self, changes: Sequence[RatingChange]) -> None:
        deletions = [
            DeleteOne({"_id": change_id(own_id(each.user), own_id(each.movie)), "mark": ObjectId(each.mark)})
            for each in changes
        ]
        if deletions:
            with self.database.using() as database:
                database.rating_changes.bulk_write(deletions, ordered=False)

    def likers(self, movie: MovieId) -> list[UserId]:
        wanted, fields = {"movieId": own_id(movie)}, {"userId": True, "rating": True}
        order = [("createdAt", -1), ("_id", 1)]
        with self.database.using() as database:
            found = list(database.ratings.find(wanted, fields, sort=order, hint="by_movie").limit(MAX_RATERS))
        return [UserId(str(each["userId"])) for each in found if each["rating"] >= LIKED.points]

    def likes(self, users: Collection[UserId], *, newest: int) -> dict[UserId, list[MovieId]]:
        fields, order = {"movieId": True, "rating": True}, [("createdAt", -1), ("_id", 1)]
        found = dict[UserId, list[MovieId]]()
        with self.database.using() as database:
            for user in users:
                rated = database.ratings.find(
                    {"userId": own_id(user)}, fields, sort=order, hint="by_created_at_desc"
                )
                liked = [
                    MovieId(str(each["movieId"]))
                    for each in rated.limit(newest)
                    if each["rating"] >= LIKED.points
                ]
                if liked:
                    found[user] = liked
        return found

    def tallies(self, movies: Collection[MovieId]) -> dict[MovieId, Tally]:
        wanted = {"_id": {"$in": [own_id(movie) for movie in movies]}}
        with self.database.using() as database:
            found = {
                MovieId(str(each["_id"])): tally_of(each)
                for each in database.movies.find(wanted, {"ratingsCounts": True})
            }
        return {movie: tally for movie, tally in found.items() if tally.count}

    def movies_after(self, movie: MovieId | None, limit: int) -> list[MovieId]:
        after: Document = {"_id": {"$gt": own_id(movie)}} if movie else {}
        rated = {**after, "ratingsCounts": {"$exists": True}}
        with self.database.using() as database:
            found = {
                each["_id"]
                for collection, wanted in ((database.movies, rated), (database.neighbours, after))
                for each in collection.find(wanted, {"_id": True}, sort=[("_id", 1)]).limit(limit)
            }
        return [MovieId(str(each)) for each in sorted(found)[:limit]]

    def store(self, neighbours: Mapping[MovieId, Sequence[Neighbour]]) -> None:
        writes = [
            ReplaceOne({"_id": own_id(movie)}, _document(movie, found), upsert=True)
            if found
            else DeleteOne({"_id": own_id(movie)})
            for movie, found in neighbours.items()
        ]
        if writes:
            self.database.transaction(lambda database: database.neighbours.bulk_write(writes, ordered=False))

    def neighbours(self, movies: Collection[MovieId]) -> dict[MovieId, tuple[Neighbour, ...]]:
        wanted = {"_id": {"$in": [own_id(movie) for movie in movies]}}
        with self.database.using() as database:
            return {
                MovieId(str(found["_id"])): tuple(
                    Neighbour(MovieId(str(movie)), agreeing, strength)
                    for movie, agreeing, strength in found["others"]
                )
                for found in database.neighbours.find(wanted)
            }

    def rule(self) -> int:
        with self.database.using() as database:
            return counter(database, NEIGHBOURS_RULE)

    def set_rule(self, rule: int) -> None:
        with self.database.using() as database:
            database.counters.update_one({"_id": NEIGHBOURS_RULE}, {"$set": {"value": rule}})

    def known(self, user: UserId, movies: Collection[MovieId]) -> set[MovieId]:
        wanted = {"userId": own_id(user), "movieId": {"$in": [own_id(movie) for movie in movies]}}
        with self.database.using() as database:
            return {
                MovieId(str(found["movieId"]))
                for collection, index in (
                    (database.ratings, "one_per_movie"),
                    (database.viewings, "by_movie"),
                    (database.hidden_movies, "one_per_movie"),
                )
                for found in collection.find(wanted, {"movieId": True}, hint=index)
            }

    def hide(self, user: UserId, movie: MovieId, at: datetime) -> None:
        self.database.transaction(lambda database: _hide(database, user, movie, at), {user})

    def unhide(self, user: UserId, movie: MovieId) -> None:
        with self.database.using() as database:
            database.hidden_movies.delete_one({"userId": own_id(user), "movieId": own_id(movie)})

    def hidden(
        self, user: UserId, *, limit: int, skip: int = 0, after: Cursor | None = None
    ) -> list[HiddenMovie]:
        wanted = {"userId": own_id(user)}
        with self.database.using() as database:
            found = LAST_HIDDEN_FIRST.documents(
                database.hidden_movies, wanted, limit=limit, skip=skip, after=after
            )
        return [HiddenMovie(MovieId(str(each["movieId"])), each["hiddenAt"]) for each in found]

    def count_hidden(self, user: UserId) -> int:
        with self.database.using() as database:
            return _count_hidden(database, user)

    def is_hidden(self, user: UserId, movie: MovieId) -> bool:
        with self.database.using() as database:
            return _is_hidden(database, user, movie)


def _hide(database: Documents, user: UserId, movie: MovieId, at: datetime) -> None:
    # A concurrent call for this user locks the account too, so the count is exact.
    require_user(database, user)
    if database.movies.find_one({"_id": own_id(movie)}, {"_id": True}) is None:
        raise MovieNotFound(movie)
    if _is_hidden(database, user, movie):
        return
    if _count_hidden(database, user) >= recommendations.MAX_HIDDEN:
        raise HiddenListFull
    database.hidden_movies.insert_one({"userId": own_id(user), "movieId": own_id(movie), "hiddenAt": at})


def _count_hidden(database: Documents, user: UserId) -> int:
    return database.hidden_movies.count_documents({"userId": own_id(user)}, hint="one_per_movie")


def _is_hidden(database: Documents, user: UserId, movie: MovieId) -> bool:
    wanted = {"userId": own_id(user), "movieId": own_id(movie)}
    return database.hidden_movies.find_one(wanted, {"_id": True}, hint="one_per_movie") is not None


def _document(movie: MovieId, neighbours: Sequence[Neighbour]) -> Document:
    return {
        "_id": own_id(movie),
        "others": [[own_id(each.movie), each.agreeing, each.strength] for each in neighbours],
    }
