"""Documents are read as they were written, and have the field names of the original system."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions

from adapters.mongo.documents import (
    candidate_of,
    genre_document,
    genre_of,
    movie_document,
    movie_of,
    run_document,
    run_of,
)
from adapters.testkit.movies import candidate
from adapters.testkit.samples import facts, noon, random_facts
from domain.ids import RunId
from domain.movies import Genre, GenreFacts, Movie
from domain.people import name_keys
from domain.ratings import Score, Tally
from domain.sync import Entity, SyncRun

RATED = replace(Movie.from_facts(facts(1), noon()), tally=Tally.of([Score(2), Score(20), Score(20)]))


def through_bson(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document encoded and decoded like those that the server returns."""
    return bson.decode(bson.encode(document), CodecOptions(tz_aware=True, tzinfo=UTC))


@pytest.mark.parametrize(
    "movies",
    [
        [Movie.from_facts(each, noon()) for each in random_facts(60)],
        [RATED],
        [RATED.marked_removed(noon(2)).updated_from(facts(1, title="Back"), noon(3)).marked_removed(noon(4))],
    ],
    ids=["invented", "rated", "removed"],
)
def test_movies_are_read_as_they_were_written(movies: list[Movie]) -> None:
    for movie in movies:
        document = through_bson(movie_document(movie))
        assert movie_of(document) == movie
        people = name_keys(movie.facts.people)
        assert candidate_of(document) == candidate(movie)._replace(people=people)


def test_genres_are_read_as_they_were_written() -> None:
    genre = Genre.from_facts(GenreFacts(tmdb_id=878, name="Science Fiction"), noon())
    assert genre_of(through_bson(genre_document(genre))) == genre


@pytest.mark.parametrize("closed", [False, True])
def test_runs_are_read_as_they_were_written(closed: bool) -> None:
    run = SyncRun(id=RunId("a" * 24), entity=Entity.CHANGES, started_at=noon(), inherited=frozenset({1, 2}))
    run = run.bounded(9).missed(3, "no answer", 5)
    run = run.failed(noon(2), "given up") if closed else run
    assert run_of(through_bson(run_document(run))) == run


def test_a_movie_has_the_field_names_and_types_of_the_original_system() -> None:
    movie = Movie.from_facts(facts(603, release_date=date(1999, 3, 31), genres=("a" * 24,)), noon())
    document = movie_document(movie)
    assert document["_id"] == ObjectId(movie.id)
    assert document["tmdbId"] == 603
    assert document["releaseDate"] == datetime(1999, 3, 31, tzinfo=UTC)
    assert document["genres"] == [ObjectId("a" * 24)]
    assert (document["averageRating"], document["ratingsCount"]) == (None, 0)
    assert {"title", "overview", "posterPath", "backdropPath", "runtime", "popularity", "voteAverage"} <= set(
        document
    )
    assert (document["createdAt"], document["updatedAt"]) == (noon(), noon())


def test_a_run_has_the_field_names_of_the_original_system() -> None:
    run = replace(
        SyncRun(id=RunId("a" * 24), entity=Entity.MOVIES, started_at=noon()),
        inserted=1, updated=2, unchanged=3, problems=("page 4: odd",),
    ).finished(noon(2))  # fmt: skip
    document = run_document(run)
    assert (document["entityType"], document["status"], document["totalSynced"]) == ("movies", "partial", 6)
    assert (document["createdAt"], document["lastSyncDate"]) == (noon(), noon(2))
    assert document["errorMessage"] == "page 4: odd"


def test_only_visible_movies_have_terms() -> None:
    assert "=quiet" in movie_document(Movie.from_facts(facts(1, title="Quiet"), noon()))["terms"]
    assert "terms" not in movie_document(Movie.from_facts(facts(1, title="Quiet", adult=True), noon()))


def test_only_a_tally_with_ratings_is_stored() -> None:
    assert "ratingsCounts" not in movie_document(Movie.from_facts(facts(1), noon()))
    document = movie_document(RATED)
    assert document["ratingsCounts"] == list(RATED.tally.counts)
    assert (document["ratingsCount"], document["averageRating"]) == (3, 7.0)
