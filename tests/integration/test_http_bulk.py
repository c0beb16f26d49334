"""Many entries at once over HTTP: each is stored or refused by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from domain import viewings, watchlist
from domain.ids import movie_id
from entrypoints.http.body_limits import MAX_BULK_BYTES
from tests.integration.http_service import SignedInUser, register_user, serving_with_store

MANY = range(1, 131)


@pytest.fixture(scope="module")
def here() -> Iterator[tuple[SignedInUser, SqliteStore]]:
    movies = [facts(number, imdb_id=f"tt{number:07}") for number in MANY]
    with serving_with_store(*movies) as (client, store):
        yield register_user(client), store


@pytest.fixture
def neo(here: tuple[SignedInUser, SqliteStore]) -> Iterator[SignedInUser]:
    yield here[0]
    for name in ("ratings", "watchlist", "viewings"):
        for entry in here[0]("GET", f"/{name}?limit=100").json()["data"]:
            here[0]("DELETE", f"/{name}/{entry['id']}")


def results(answer: Any) -> list[tuple[int, bool, str | None]]:
    """Status, whether anything has changed, and the code of the error, of each entry."""
    assert answer.status_code == 200, answer.text
    return [
        (each["status"], each["changed"], each["error"] and each["error"]["code"])
        for each in answer.json()["data"]
    ]


def test_each_rating_has_a_result_of_its_own(neo: SignedInUser) -> None:
    entries: list[Any] = [
        {"movie_id": 1, "rating": 8},
        {"movie_id": "tt0000002", "rating": 9, "review": "Good"},
        {"movie_id": 99999, "rating": 9},
        {"movie_id": 3, "rating": 11, "note": "x"},
        "no object",
        {"movie_id": 1, "rating": 7},
        {"movie_id": "tt9999999", "rating": 7},
    ]
    answer = neo("PUT", "/me/ratings", entries)
    assert results(answer) == [
        (201, True, None),
        (201, True, None),
        (404, False, "movie_not_found"),
        (400, False, "validation_failed"),
        (400, False, "validation_failed"),
        (200, True, None),
        (404, False, "movie_not_found"),
    ]
    data = answer.json()["data"]
    assert {each["field"] for each in data[3]["error"]["details"]} == {"rating", "note"}
    assert data[0]["id"] == data[5]["id"]
    assert neo("GET", "/movies/1").json()["average_rating"] == 7
    again = neo("PUT", "/me/ratings", [{**entries[1], "movie_id": movie_id(2)}])
    assert results(again) == [(200, False, None)]
    assert again.json()["data"][0]["id"] == data[1]["id"]


def test_many_ratings_are_one_after_the_other_in_the_feed(neo: SignedInUser) -> None:
    since = neo("GET", "/me/changes").json()["next"]
    entries = [{"movie_id": number, "rating": 5} for number in MANY]
    assert {status for status, _, _ in results(neo("PUT", "/me/ratings", entries))} == {201}
    changed = neo("GET", f"/me/changes?since={since}&limit=500").json()
    assert [each["movie"]["tmdb_id"] for each in changed["ratings"]] == list(MANY)
    assert {changed for _, changed, _ in results(neo("PUT", "/me/ratings", entries))} == {False}
    for each in changed["ratings"][100:]:
        neo("DELETE", f"/ratings/{each['id']}")


def test_watchlist_items_are_set_until_the_list_is_full(
    neo: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlist, "MAX_ITEMS", 2)
    entries = [{"movie_id": 1}, {"movie_id": 2, "is_favorite": True}, {"movie_id": 3}, {"movie_id": 1}]
    answer = neo("PUT", "/me/watchlist", entries)
    assert results(answer) == [
        (201, True, None),
        (201, True, None),
        (409, False, "watchlist_full"),
        (200, False, None),
    ]
    assert results(neo("PUT", "/me/watchlist", [{"movie_id": 1, "note": "soon"}])) == [(200, True, None)]
    assert neo("GET", "/watchlist").json()["meta"]["total"] == 2


def test_viewings_are_recorded_once_however_often_they_are_sent(
    neo: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = "2025-12-24"
    entries = [
        {"movie_id": 1, "watched_on": day},
        {"movie_id": 1, "watched_on": day, "rewatch": True},
        {"movie_id": 1},
        {"movie_id": 2, "watched_on": "2999-01-01"},
        {"movie_id": 1, "watched_on": day, "note": "With friends"},
        {"movie_id": 3, "watched_on": day, "rewatch": True},
        {"movie_id": 3, "watched_on": day},
    ]
    first = results(neo("PUT", "/me/viewings", entries))
    assert first == [
        (201, True, None),
        (201, True, None),
        (201, True, None),
        (400, False, "validation_failed"),
        (200, True, None),
        (201, True, None),
        (409, False, "already_viewed"),
    ]
    assert [changed for _, changed, _ in results(neo("PUT", "/me/viewings", entries[1:3]))] == [False, False]
    assert neo("GET", "/viewings").json()["meta"]["total"] == 4
    monkeypatch.setattr(viewings, "MAX_VIEWINGS", 4)
    assert results(neo("PUT", "/me/viewings", [{"movie_id": 5}])) == [(409, False, "diary_full")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "the body must be a JSON array"),
        (b"[", "the body must be JSON in UTF-8"),
        (b"[" + b"{}," * 500 + b"{}]", "the body must have at most 500 entries"),
    ],
)
def test_what_is_no_list_of_entries_is_refused(neo: SignedInUser, body: bytes, message: str) -> None:
    answer = neo("PUT", "/me/ratings", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"]) == (400, [message])


def test_a_body_may_have_a_mebibyte(neo: SignedInUser) -> None:
    entries = [{"movie_id": number, "rating": 5, "review": "x" * 2000} for number in MANY]
    answer = neo("PUT", "/me/ratings", entries[:40])
    assert {status for status, _, _ in results(answer)} == {201}
    too_large = b"[" + b" " * MAX_BULK_BYTES + b"]"
    answer = neo("PUT", "/me/ratings", content=too_large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert results(neo("PUT", "/me/ratings", [])) == []
