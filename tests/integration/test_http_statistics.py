"""Statistics over HTTP."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from adapters.testkit.samples import facts
from domain.ids import genre_id
from tests.integration.http_service import Client, SignedInUser, register_user, serving_with_store

FILMS = (
    facts(
        603,
        title="The Matrix",
        runtime=136,
        release_date=date(1999, 3, 30),
        original_language="en",
        genres=(genre_id(28), genre_id(878)),
        directors=("Lana Wachowski", "Lilly Wachowski"),
        detailed=True,
    ),
    facts(604, runtime=100, release_date=date(2003, 5, 15), original_language="fr", genres=(genre_id(28),)),
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving_with_store(*FILMS) as (client, _):
        yield client


@pytest.fixture(scope="module")
def neo(client: Client) -> SignedInUser:
    neo = register_user(client)
    for movie, day in (("603", "2025-03-01"), ("603", "2026-01-01"), ("604", "2026-01-02"), ("604", None)):
        neo("POST", "/viewings", {"movie_id": movie, "watched_on": day, "rewatch": movie == "603"})
    neo("PUT", "/movies/603/rating", {"rating": 9.5})
    return neo


def figures(viewings: int, movies: int, hours: float, *ratings: float) -> dict[str, Any]:
    average = sum(ratings) / len(ratings) if ratings else None
    return {
        "viewings": viewings,
        "movies": movies,
        "hours": hours,
        "ratings": len(ratings),
        "average_rating": average,
    }


def test_statistics_of_all_time_count_everything(neo: SignedInUser) -> None:
    found = neo("GET", "/me/statistics").json()

    assert (found["year"], found["years"]) == (None, [2026, 2025])
    assert found["total"] == {**figures(4, 2, 7.9, 9.5), "rewatches": 2, "undated": 1}
    assert found["by_month"] == [
        {**figures(1, 1, 2.3), "month": "2025-03"},
        {**figures(2, 2, 3.9, 9.5), "month": "2026-01"},
    ]
    matrix = figures(2, 1, 4.5, 9.5)
    assert found["by_decade"] == [{**matrix, "decade": 1990}, {**figures(2, 1, 3.3), "decade": 2000}]
    assert [(each["genre"]["name"], each["viewings"]) for each in found["by_genre"]] == [
        ("Action", 4),
        ("Science Fiction", 2),
    ]
    assert [(each["language"], each["viewings"]) for each in found["by_language"]] == [("en", 2), ("fr", 2)]
    assert len(found["by_score"]) == 19
    assert [each for each in found["by_score"] if each["viewings"]] == [{**matrix, "score": 9.5}]
    assert found["directors"] == [
        {**matrix, "name": "Lana Wachowski"},
        {**matrix, "name": "Lilly Wachowski"},
    ]


def test_statistics_of_a_year_count_its_viewings_and_ratings(neo: SignedInUser) -> None:
    last_year = neo("GET", "/me/statistics?year=2025").json()
    assert last_year["total"] == {**figures(1, 1, 2.3), "rewatches": 1, "undated": 0}
    assert [each["month"] for each in last_year["by_month"]] == [f"2025-{month:02}" for month in range(1, 13)]
    assert last_year["years"] == [2026, 2025]
    this_year = neo("GET", "/me/statistics?year=2026&fields=total,year").json()
    assert this_year == {"year": 2026, "total": {**figures(2, 2, 3.9, 9.5), "rewatches": 1, "undated": 0}}


def test_statistics_are_ones_own_and_never_out_of_date(client: Client) -> None:
    smith = register_user(client, "smith")
    nothing = smith("GET", "/me/statistics").json()
    smith("POST", "/viewings", {"movie_id": "603"})
    assert (nothing["years"], nothing["total"]["viewings"]) == ([], 0)
    assert smith("GET", "/me/statistics").json()["total"]["viewings"] == 1


@pytest.mark.parametrize("year", ["1887", "2101", "this", ""])
def test_a_year_of_statistics_is_one_in_which_films_are_seen(neo: SignedInUser, year: str) -> None:
    assert neo("GET", f"/me/statistics?year={year}").json()["errors"] == [
        "year must be a year from 1888 to 2100"
    ]
