"""Recommendations over HTTP: what is in them, from the very next request on, and hiding."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, facts, new_rating
from application.neighbours import UpdateNeighbours
from domain.errors import StorageUnavailable
from domain.ids import movie_id
from entrypoints.processes.api import updating_neighbours
from tests.integration.http_service import THE_MATRIX, Client, SignedInUser, register_user, serving_with_store

Here = tuple[Client, SqliteStore]


@pytest.fixture
def here() -> Iterator[Here]:
    with serving_with_store(
        THE_MATRIX, *(facts(number) for number in range(604, 610)), public_catalogue="true"
    ) as made:
        yield made


@pytest.fixture
def neo(here: Here) -> SignedInUser:
    """A user who likes a movie that five others like together with five more."""
    client, store = here
    for number in range(5):
        user = add_user(store, f"user{number}")
        for other in range(603, 609):
            store.ratings.add(new_rating(user.id, movie_id(other), 9))
    update(store)
    somebody = register_user(client)
    assert somebody("PUT", "/movies/603/rating", {"rating": 8}).is_success
    return somebody


def update(store: SqliteStore) -> None:
    UpdateNeighbours(
        recommendations=store.recommendations,
        locks=store.locks,
        invalidation=system.NoCache(),
        new_id=system.new_id,
    )()


def recommended(somebody: SignedInUser) -> set[int]:
    answer = somebody("GET", "/me/recommendations")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-cache"
    return {row["tmdb_id"] for row in answer.json()["data"]}


def test_what_i_have_just_rated_seen_or_hidden_is_not_recommended_any_more(neo: SignedInUser) -> None:
    assert recommended(neo) == {604, 605, 606, 607, 608}
    neo("PUT", "/movies/604/rating", {"rating": 3})
    assert recommended(neo) == {605, 606, 607, 608}
    neo("POST", "/viewings", {"movie_id": 605})
    assert recommended(neo) == {606, 607, 608}
    assert neo("PUT", "/me/recommendations/hidden/606").status_code == 204
    assert recommended(neo) == {607, 608}
    assert neo("DELETE", "/me/recommendations/hidden/606").status_code == 204
    assert recommended(neo) == {606, 607, 608}
    neo("PUT", "/movies/603/rating", {"rating": 2})
    assert recommended(neo) == set()


def test_a_recommendation_names_what_i_liked(neo: SignedInUser) -> None:
    (row, *_) = neo("GET", "/me/recommendations").json()["data"]
    assert [reason["tmdb_id"] for reason in row["because"]] == [603]
    assert row["agreeing_users"] == 5
    fields = neo("GET", "/me/recommendations?fields=title,because&limit=1").json()["data"]
    assert list(fields[0]) == ["title", "because"]


def test_recommendations_beside_a_movie_are_for_everyone(here: Here, neo: SignedInUser) -> None:
    client, _ = here
    answer = client.get("/api/v1/movies/603/recommendations")
    assert {row["tmdb_id"] for row in answer.json()["data"]} == {604, 605, 606, 607, 608}
    for row in answer.json()["data"]:
        assert ([each["tmdb_id"] for each in row["because"]], row["agreeing_users"]) == ([603], 5)
    own = neo("GET", "/movies/tt0133093/recommendations").json()
    assert own["data"] == answer.json()["data"]
    assert client.get("/api/v1/me/recommendations").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/movies/{}/recommendations"),
        ("PUT", "/me/recommendations/hidden/{}"),
        ("DELETE", "/me/recommendations/hidden/{}"),
    ],
)
def test_a_movie_that_does_not_exist_is_not_found(here: Here, method: str, path: str) -> None:
    neo = register_user(here[0])
    for name in ("999", "none", "0" * 24, "tt9999999"):
        answer = neo(method, path.format(name))
        assert (answer.status_code, answer.json()["code"]) == (404, "movie_not_found")


def test_hidden_movies_are_listed_the_last_first_and_repeating_changes_nothing(neo: SignedInUser) -> None:
    for number in (604, 605, 604):
        assert neo("PUT", f"/me/recommendations/hidden/{number}").status_code == 204
    listed = neo("GET", "/me/recommendations/hidden").json()
    assert {row["tmdb_id"] for row in listed["data"]} == {604, 605}
    assert listed["meta"]["total"] == 2
    neo("DELETE", "/me/recommendations/hidden/604")
    neo("DELETE", "/me/recommendations/hidden/604")
    (row,) = neo("GET", "/me/recommendations/hidden?fields=tmdb_id,hidden_at").json()["data"]
    assert (row["tmdb_id"], list(row)) == (605, ["tmdb_id", "hidden_at"])


def test_no_more_movies_can_be_hidden_than_allowed(
    neo: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.recommendations.MAX_HIDDEN", 1)
    neo("PUT", "/me/recommendations/hidden/604")
    answer = neo("PUT", "/me/recommendations/hidden/605")
    assert (answer.status_code, answer.json()["code"]) == (409, "hidden_list_full")


def test_updates_are_requested_again_and_again_also_after_errors(caplog: pytest.LogCaptureFixture) -> None:
    results: list[Any] = [StorageUnavailable("away"), ZeroDivisionError("a bug"), True, False]
    done = asyncio.Event()

    async def requested() -> None:
        loop = asyncio.get_running_loop()

        def request() -> None:
            result = results.pop(0)
            if not results:
                loop.call_soon_threadsafe(done.set)
                results.append(False)
            if isinstance(result, Exception):
                raise result

        async with updating_neighbours(nullcontext(), request, interval=0):
            await done.wait()

    with caplog.at_level(logging.DEBUG, "matinee.api"):
        asyncio.run(requested())
    assert "No update of neighbours can be requested" in caplog.text
    assert "a bug" in caplog.text
