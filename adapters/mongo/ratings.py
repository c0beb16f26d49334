"""The ratings of the distributed store. A rating and its movie's tally change in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from adapters.mongo.changes import next_change, record_removal
from adapters.mongo.database import Database
from adapters.mongo.documents import own_id, rating_document, rating_of, tally_document, tally_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.rating_changes import record_changes
from adapters.mongo.schema import RATING_FIELDS, Document, Documents
from domain.changes import Kind, Removal
from domain.ids import MovieId, RatingId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
from domain.ports import Clock
from domain.ratings import (
    LOWEST,
    STEPS,
    AlreadyRated,
    Drift,
    NotYourRating,
    Rating,
    RatingNotFound,
    RatingOrder,
    Score,
    Tally,
    between,
)

RECOUNT_BATCH_SIZE = 500
"""The movies whose tallies are compared with their ratings by one query."""

RECOUNT_TIMEOUT = 60
"""Seconds for the recount of such a batch, or of one movie."""

SMALLEST_ID = ObjectId("0" * 24)

OF_MOVIE = Keyset(field="createdAt", index="by_movie", descending=True)


@dataclass(frozen=True, slots=True)
class MongoRatingRepository:
    """RatingRepository over MongoDB."""

    database: Database
    clock: Clock

    def add(self, rating: Rating) -> Tally:
        return self.database.transaction(lambda database: _add(database, rating), _lock_names(rating))

    def put(self, rating: Rating) -> tuple[Rating, Tally, bool]:
        try:
            return self.database.transaction(lambda database: _put(database, rating), _lock_names(rating))
        except AlreadyRated:
            # Another process stored the user's first rating after the lookup. Now it is found.
            return self.database.transaction(lambda database: _put(database, rating), _lock_names(rating))

    def change(
        self, rating: RatingId, user: UserId, change: Callable[[Rating], Rating]
    ) -> tuple[Rating, Tally]:
        lock_names = _lock_names(self.get(rating))
        return self.database.transaction(lambda database: _change(database, rating, user, change), lock_names)

    def remove(self, rating: RatingId, user: UserId) -> Tally:
        lock_names = _lock_names(self.get(rating))
        return self.database.transaction(
            lambda database: _remove(database, _owned(database, rating, user), self.clock()), lock_names
        )

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        found = self.of(user, movie)
        if found:
            self.database.transaction(
                lambda database: _remove_from(database, movie, user, self.clock()), _lock_names(found)
            )

    def get(self, rating: RatingId) -> Rating:
        with self.database.using() as database:
            return _get(database, rating)

    def of(self, user: UserId, movie: MovieId) -> Rating | None:
        with self.database.using() as database:
            return _of(database, user, movie)

    def among(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, Rating]:
        with self.database.using() as database:
            found = [rating_of(document) for document in database.ratings.find(of_movies(user, movies))]
        return {rating.movie: rating for rating in found}

    def of_user(
        self,
        user: UserId,
        by: RatingOrder,
        *,
        descending: bool,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Rating]:
        keyset = Keyset(
            field=RATING_FIELDS[by],
            index=f"by_{by}_{'desc' if descending else 'asc'}",
            descending=descending,
            timed=by is not RatingOrder.RATING,
        )
        wanted = {"userId": own_id(user)}
        with self.database.using() as database:
            found = keyset.documents(database.ratings, wanted, limit=limit, skip=skip, after=after)
        return [rating_of(document) for document in found]

    def of_movie(
        self, movie: MovieId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Rating]:
        wanted = {"movieId": own_id(movie)}
        with self.database.using() as database:
            found = OF_MOVIE.documents(database.ratings, wanted, limit=limit, skip=skip, after=after)
        return [rating_of(document) for document in found]

    def count(self, user: UserId) -> int:
        with self.database.using() as database:
            return database.ratings.count_documents({"userId": own_id(user)}, hint="one_per_movie")

    def drifts(self, *, repair: bool = False) -> list[Drift]:
        found = (self._drift(movie, repair=repair) for movie in self._candidates())
        return [drift for drift in found if drift]

    def _candidates(self) -> Iterator[MovieId]:
        """Movies whose tally may be wrong, by id. Tallies and ratings are not read at the same time."""
        last: ObjectId | None = SMALLEST_ID
        while last:
            with self.database.using(RECOUNT_TIMEOUT) as database:
                stored = _tallies_after(database, last)
                counted = _counted(database, {"$gt": last, "$lte": max(stored)}) if stored else {}
            yield from (
                MovieId(str(movie)) for movie, tally in stored.items() if tally != counted.get(movie, Tally())
            )
            last = max(stored) if len(stored) == RECOUNT_BATCH_SIZE else None

    def _drift(self, movie: MovieId, *, repair: bool) -> Drift | None:
        """The drift of a movie's tally, from a recount in one transaction; None if there is none."""
        found = self.database.transaction(lambda database: _drift(database, movie), timeout=RECOUNT_TIMEOUT)
        if found and repair:
            # Recounted again in the transaction that writes, and with the lock of the movie's ratings.
            found = self.database.transaction(
                lambda database: _repaired(database, movie), {movie}, RECOUNT_TIMEOUT
            )
        return found


def of_movies(user: UserId, movies: Collection[MovieId]) -> Document:
    """The query for what a user has of these movies."""
    return {"userId": own_id(user), "movieId": {"$in": [own_id(movie) for movie in movies]}}


def _add(database: Documents, rating: Rating) -> Tally:
    try:
        database.ratings.insert_one(_numbered(database, rating))
    except DuplicateKeyError as error:
        raise AlreadyRated from error
    _record_change(database, rating)
    return _change_tally(database, rating.movie, between(None, rating.score))


def _put(database: Documents, rating: Rating) -> tuple[Rating, Tally, bool]:
    before = _of(database, rating.user, rating.movie)
    if before is None:
        return rating, _add(database, rating), True
    after = before.replaced_by(rating)
    return after, _replace(database, before, after), False


def _change(
    database: Documents, rating: RatingId, user: UserId, change: Callable[[Rating], Rating]
) -> tuple[Rating, Tally]:
    before = _owned(database, rating, user)
    after = change(before)
    return after, _replace(database, before, after)


def _replace(database: Documents, before: Rating, after: Rating) -> Tally:
    database.ratings.replace_one({"_id": own_id(before.id)}, _numbered(database, after))
    if after.score != before.score:
        _record_change(database, after)
    return _change_tally(database, before.movie, between(before.score, after.score))


def _remove(database: Documents, rating: Rating, at: datetime) -> Tally:
    database.ratings.delete_one({"_id": own_id(rating.id)})
    _record_change(database, rating)
    removal = Removal(kind=Kind.RATING, id=rating.id, movie=rating.movie)
    record_removal(database, rating.user, removal, at)
    return _change_tally(database, rating.movie, between(rating.score, None))


def _remove_from(database: Documents, movie: MovieId, user: UserId, at: datetime) -> None:
    found = _of(database, user, movie)
    if found:
        _remove(database, found, at)


def _numbered(database: Documents, rating: Rating) -> Document:
    """The document of a rating that is written now. Raises UserNotFound."""
    number = next_change(database, rating.user, Kind.RATING, rating.updated_at)
    return {**rating_document(rating), "changeNumber": number}


def _record_change(database: Documents, rating: Rating) -> None:
    record_changes(database, [(own_id(rating.user), own_id(rating.movie))])


def _change_tally(database: Documents, movie: MovieId, difference: Tally) -> Tally:
    """Add a difference to a movie's tally; return the new one.

    It is the last write of a transaction, since ratings of one movie conflict here.
    """
    found = database.movies.find_one({"_id": own_id(movie)}, {"ratingsCounts": True})
    if found is None:
        raise MovieNotFound(movie)
    tally = tally_of(found) + difference
    if any(difference.counts):
        database.movies.update_one({"_id": own_id(movie)}, {"$set": tally_document(tally)})
    return tally


def _get(database: Documents, rating: RatingId) -> Rating:
    found = database.ratings.find_one({"_id": own_id(rating)})
    if found is None:
        raise RatingNotFound
    return rating_of(found)


def _owned(database: Documents, rating: RatingId, user: UserId) -> Rating:
    found = _get(database, rating)
    if found.user != user:
        raise NotYourRating
    return found


def _of(database: Documents, user: UserId, movie: MovieId) -> Rating | None:
    found = database.ratings.find_one({"userId": own_id(user), "movieId": own_id(movie)})
    return rating_of(found) if found else None


def _tallies_after(database: Documents, last: ObjectId) -> dict[ObjectId, Tally]:
    """The tallies of the next movies by id."""
    found = database.movies.find({"_id": {"$gt": last}}, {"ratingsCounts": True}, sort=[("_id", 1)])
    return {movie["_id"]: tally_of(movie) for movie in found.limit(RECOUNT_BATCH_SIZE)}


def _counted(database: Documents, movies: object) -> dict[ObjectId, Tally]:
    """The tallies of movies, recounted from their ratings. `movies` is a query for their ids.

    A movie without ratings is left out.
    """
    group = {"_id": {"movie": "$movieId", "rating": "$rating"}, "count": {"$sum": 1}}
    pipeline: list[Document] = [{"$match": {"movieId": movies}}, {"$group": group}]
    counts: defaultdict[ObjectId, list[int]] = defaultdict(lambda: [0] * STEPS)
    for found in database.ratings.aggregate(pipeline, hint="by_movie"):
        score = Score.of(found["_id"]["rating"])
        counts[found["_id"]["movie"]][score.half_points - LOWEST] = found["count"]
    return {movie: Tally(tuple(each)) for movie, each in counts.items()}


def _drift(database: Documents, movie: MovieId) -> Drift | None:
    found = database.movies.find_one({"_id": own_id(movie)}, {"ratingsCounts": True})
    if found is None:
        return None
    stored, counted = tally_of(found), _counted(database, found["_id"]).get(found["_id"], Tally())
    return Drift(movie, stored, counted) if stored != counted else None


def _repaired(database: Documents, movie: MovieId) -> Drift | None:
    found = _drift(database, movie)
    if found:
        database.movies.update_one({"_id": own_id(movie)}, {"$set": tally_document(found.counted)})
    return found


def _lock_names(rating: Rating) -> Iterable[str]:
    """The lock names for a change of a rating."""
    return {rating.movie, rating.user}
