"""What statistics read from the distributed store, within one transaction for viewings or ratings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import ObjectId

from adapters.mongo.database import Database
from adapters.mongo.documents import midnight, own_id
from adapters.mongo.schema import Document, Documents
from domain.ids import GenreId, MovieId, UserId
from domain.ratings import Score
from domain.statistics import MovieTraits, RatedMovie, ViewedMovie
from domain.viewings import DayRange

TRAITS = dict.fromkeys(("runtime", "releaseDate", "originalLanguage", "genres", "directors"), True)
"""A projection of the fields of `_traits`."""

YEARS = {
    "viewings": {"$substrBytes": ["$position", 0, 4]},
    "ratings": {"$dateToString": {"date": "$createdAt", "format": "%Y"}},
}
"""The year of a document of each collection, as text."""


@dataclass(frozen=True, slots=True)
class MongoStatisticsRepository:
    """StatisticsRepository over MongoDB."""

    database: Database

    def viewed(self, user: UserId, days: DayRange | None = None) -> list[ViewedMovie]:
        return self.database.transaction(lambda database: _viewed(database, user, days))

    def rated(self, user: UserId, days: DayRange | None = None) -> list[RatedMovie]:
        return self.database.transaction(lambda database: _rated(database, user, days))

    def years(self, user: UserId) -> list[int]:
        found: set[int] = set()
        with self.database.using() as database:
            for collection, year in YEARS.items():
                stages: list[Document] = [{"$match": {"userId": own_id(user)}}, {"$group": {"_id": year}}]
                index = "by_position" if collection == "viewings" else "by_created_at_desc"
                texts = (document["_id"] for document in database[collection].aggregate(stages, hint=index))
                # The position of a viewing on an unknown day begins with a space.
                found |= {int(text) for text in texts if not text.startswith(" ")}
        return sorted(found, reverse=True)


def _viewed(database: Documents, user: UserId, days: DayRange | None) -> list[ViewedMovie]:
    wanted: Document = {"userId": own_id(user)}
    if days:
        lowest, end = days.positions
        wanted["position"] = {"$gte": lowest, "$lt": end}
    fields = {"movieId": True, "watchedOn": True, "rewatch": True}
    viewings = list(database.viewings.find(wanted, fields, hint="by_position"))
    movies = _movies(database, viewings)
    mine = {"userId": own_id(user), "movieId": {"$in": list(movies)}}
    scores = {
        document["movieId"]: Score.of(document["rating"])
        for document in database.ratings.find(mine, {"movieId": True, "rating": True})
    }
    return [
        ViewedMovie(
            movie=movies[viewing["movieId"]],
            watched_on=viewing["watchedOn"].date() if viewing["watchedOn"] else None,
            rewatch=viewing["rewatch"],
            score=scores.get(viewing["movieId"]),
        )
        for viewing in viewings
    ]


def _rated(database: Documents, user: UserId, days: DayRange | None) -> list[RatedMovie]:
    wanted: Document = {"userId": own_id(user)}
    if days:
        wanted["createdAt"] = {"$gte": midnight(days.first), "$lt": midnight(days.last + timedelta(days=1))}
    fields = {"movieId": True, "createdAt": True, "rating": True}
    ratings = list(database.ratings.find(wanted, fields, hint="by_created_at_desc"))
    movies = _movies(database, ratings)
    return [
        RatedMovie(
            movie=movies[rating["movieId"]],
            rated_on=rating["createdAt"].date(),
            score=Score.of(rating["rating"]),
        )
        for rating in ratings
    ]


def _movies(database: Documents, documents: Iterable[Mapping[str, Any]]) -> dict[ObjectId, MovieTraits]:
    """The movies of viewings or ratings. None of them is missing: a movie with either is not deleted."""
    ids = list({document["movieId"] for document in documents})
    found = database.movies.find({"_id": {"$in": ids}}, TRAITS)
    return {document["_id"]: _traits(document) for document in found}


def _traits(document: Mapping[str, Any]) -> MovieTraits:
    released = document["releaseDate"]
    return MovieTraits(
        id=MovieId(str(document["_id"])),
        runtime=document["runtime"],
        release_year=released.year if released else None,
        language=document["originalLanguage"],
        genres=tuple(GenreId(str(genre)) for genre in document["genres"]),
        directors=tuple(document.get("directors", ())),
    )
