"""What a user has of films in the distributed store, read and changed together within a transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne

from adapters.mongo.changes import next_change, removal_document
from adapters.mongo.database import Database
from adapters.mongo.documents import (
    item_document,
    item_of,
    own_id,
    rating_document,
    rating_of,
    tally_document,
    tally_of,
    viewing_document,
    viewing_of,
)
from adapters.mongo.rating_changes import Pair, record_changes
from adapters.mongo.schema import Document, Documents
from adapters.mongo.users import require_user
from domain.changes import Kind, Removal
from domain.ids import MovieId, UserId
from domain.imports.holdings import Holding, Holdings
from domain.ports import Clock
from domain.ratings import Tally, between
from domain.viewings import Viewing

Write = InsertOne[Document] | ReplaceOne[Document] | DeleteOne

Numbered = tuple[Write, Document]
"""A write with the document that it writes or deletes."""


CHANGE_TIMEOUT = 5
"""Seconds for a change of many entries."""


@dataclass(frozen=True, slots=True)
class MongoHoldingRepository:
    """HoldingRepository over MongoDB."""

    database: Database
    clock: Clock

    def change(
        self,
        user: UserId,
        movies: Sequence[MovieId],
        change: Callable[[Holdings], Mapping[MovieId, Holding]],
    ) -> None:
        def work(database: Documents) -> None:
            require_user(database, user)
            present = holdings(database, user, movies)
            exchange(database, user, present.films, change(present), self.clock())

        self.database.transaction(work, {user, *movies}, CHANGE_TIMEOUT)


def holdings(database: Documents, user: UserId, movies: Sequence[MovieId]) -> Holdings:
    """What a user has of those of these films that are held."""
    ids = [own_id(movie) for movie in movies]
    held = [str(each["_id"]) for each in database.movies.find({"_id": {"$in": ids}}, {"_id": True})]
    of_user: Document = {"userId": own_id(user)}
    wanted = {**of_user, "movieId": {"$in": ids}}
    ratings = {
        each.movie: each for each in map(rating_of, database.ratings.find(wanted, hint="one_per_movie"))
    }
    items = {
        each.movie: each for each in map(item_of, database.watchlists.find(wanted, hint="one_per_movie"))
    }
    viewings = defaultdict[MovieId, set[Viewing]](set)
    for viewing in map(viewing_of, database.viewings.find(wanted, hint="by_movie")):
        viewings[viewing.movie].add(viewing)
    hidden = {
        str(each["movieId"]): each["hiddenAt"]
        for each in database.hidden_movies.find(wanted, hint="one_per_movie")
    }
    return Holdings(
        films={
            movie: Holding(
                rating=ratings.get(movie),
                item=items.get(movie),
                viewings=frozenset(viewings[movie]),
                hidden_at=hidden.get(movie),
            )
            for movie in map(MovieId, held)
        },
        listed=database.watchlists.count_documents(of_user, hint="one_per_movie"),
        seen=database.viewings.count_documents(of_user, hint="by_position"),
        hidden=database.hidden_movies.count_documents(of_user, hint="one_per_movie"),
    )


def exchange(
    database: Documents,
    user: UserId,
    before: Mapping[MovieId, Holding],
    after: Mapping[MovieId, Holding],
    at: datetime,
) -> None:
    """Replace what a user has of films; tallies, counts and the change feed follow.

    Movies come last: users with the same movie conflict there.
    """
    ratings, items, viewings = list[Numbered](), list[Numbered](), list[Numbered]()
    differences: dict[ObjectId | str, tuple[Tally, int, int]] = {}
    for movie, wanted in after.items():
        present = before[movie]
        ratings += _writes(
            _documents(present.rating, rating_document), _documents(wanted.rating, rating_document)
        )
        items += _writes(_documents(present.item, item_document), _documents(wanted.item, item_document))
        viewings += _writes(_all(present.viewings), _all(wanted.viewings))
        differences[own_id(movie)] = (
            between(
                present.rating.score if present.rating else None,
                wanted.rating.score if wanted.rating else None,
            ),
            bool(wanted.item) - bool(present.item),
            len(wanted.viewings) - len(present.viewings),
        )
    for kind, collection, writes in (
        (Kind.RATING, database.ratings, ratings),
        (Kind.WATCHLIST, database.watchlists, items),
        (Kind.VIEWING, database.viewings, viewings),
    ):
        if writes:
            _number(database, user, kind, writes, at)
            collection.bulk_write([write for write, _ in writes])
    hidings = list(_hidings(user, before, after))
    if hidings:
        require_user(database, user)
        database.hidden_movies.bulk_write(hidings)
    record_changes(database, _rescored(before, after))
    updates = list(_updates(database, differences))
    if updates:
        database.movies.bulk_write(updates)


def _hidings(
    user: UserId, before: Mapping[MovieId, Holding], after: Mapping[MovieId, Holding]
) -> Iterable[Write]:
    for movie, wanted in after.items():
        if wanted.hidden_at == before[movie].hidden_at:
            continue
        key = {"userId": own_id(user), "movieId": own_id(movie)}
        if before[movie].hidden_at:
            yield DeleteOne(key)
        if wanted.hidden_at:
            yield InsertOne({**key, "hiddenAt": wanted.hidden_at})


def _rescored(before: Mapping[MovieId, Holding], after: Mapping[MovieId, Holding]) -> Iterable[Pair]:
    """The ratings whose score changes, with one that is added or removed, as pairs of user and movie."""
    for movie, wanted in after.items():
        old, new = before[movie].rating, wanted.rating
        rating = new or old
        if rating and (old.score if old else None) != (new.score if new else None):
            yield own_id(rating.user), own_id(movie)


def _updates(
    database: Documents, differences: Mapping[ObjectId | str, tuple[Tally, int, int]]
) -> Iterable[UpdateOne]:
    rated = [movie for movie, (tally, _, _) in differences.items() if any(tally.counts)]
    tallies = {
        each["_id"]: tally_of(each)
        for each in database.movies.find({"_id": {"$in": rated}}, {"ratingsCounts": True})
    }
    for movie, (tally, listed, seen) in differences.items():
        change: dict[str, Any] = {}
        if movie in tallies:
            change["$set"] = tally_document(tallies[movie] + tally)
        counts = {name: by for name, by in (("watchlistCount", listed), ("viewingsCount", seen)) if by}
        if counts:
            change["$inc"] = counts
        if change:
            yield UpdateOne({"_id": movie}, change)


def _documents(value: Any, convert: Any) -> dict[Any, Document]:  # noqa: ANN401  a rating or an item
    """The document of a value by its id; none for None."""
    document = convert(value) if value else None
    return {document["_id"]: document} if document else {}


def _all(viewings: Iterable[Viewing]) -> dict[Any, Document]:
    documents = map(viewing_document, viewings)
    return {document["_id"]: document for document in documents}


def _writes(before: Mapping[Any, Document], after: Mapping[Any, Document]) -> Iterable[Numbered]:
    """The writes that make the first documents the others, each with the document that is written or deleted.

    Deletions come first: a film has one of each.
    """
    for key in before.keys() - after.keys():
        yield DeleteOne({"_id": key}), before[key]
    for key, document in after.items():
        if key not in before:
            yield InsertOne(document), document
        elif document != before[key]:
            yield ReplaceOne({"_id": key}, document), document


def _number(database: Documents, user: UserId, kind: Kind, writes: Sequence[Numbered], at: datetime) -> None:
    """Number the changes of these writes: in the documents that are written, and by records of the others."""
    last = next_change(database, user, kind, at, len(writes))
    removals: list[Document] = []
    for number, (write, document) in enumerate(writes, last - len(writes) + 1):
        if isinstance(write, DeleteOne):
            removal = Removal(kind=kind, id=str(document["_id"]), movie=MovieId(str(document["movieId"])))
            removals.append(removal_document(user, number, removal, at))
        else:
            document["changeNumber"] = number  # the write refers to the same document
    if removals:
        database.removals.insert_many(removals)
