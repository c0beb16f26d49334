"""Metrics, verification of ratings and cache flush over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sqlite.ratings import set_tally
from adapters.sqlite.store import SqliteStore
from domain.ids import MovieId, UserId
from domain.ratings import Score, Tally
from domain.users import Role
from tests.integration.http_service import Client, SignedInUser, now, register_user, serving_with_store

VERIFY = "/admin/ratings/verify"


@pytest.fixture
def here() -> Iterator[tuple[Client, SqliteStore]]:
    with serving_with_store() as here:
        yield here


@pytest.fixture
def admin(here: tuple[Client, SqliteStore]) -> SignedInUser:
    client, store = here
    morpheus = register_user(client, "morpheus")
    store.users.change(UserId(morpheus.user["id"]), lambda user: user.with_changes(now(), role=Role.ADMIN))
    return morpheus


@pytest.fixture
def skewed(here: tuple[Client, SqliteStore], admin: SignedInUser) -> str:
    """A movie with one rating of 8 and a tally of two ratings of 10."""
    rated = admin("POST", "/ratings", {"movie_id": "603", "rating": 8}).json()
    movie = rated["movie"]["id"]
    with here[1].database.writing() as connection:
        set_tally(connection, MovieId(movie), Tally.of([Score.of(10), Score.of(10)]))
    return str(movie)


def average(somebody: SignedInUser) -> Any:
    return somebody("GET", "/movies/603").json()["average_rating"]


def test_without_wrong_tallies_there_is_no_drift(admin: SignedInUser) -> None:
    admin("POST", "/ratings", {"movie_id": "603", "rating": 8})

    answer = admin("POST", VERIFY)

    assert (answer.status_code, answer.json()) == (200, {"drifts": [], "repaired": False})


def test_a_drift_is_reported_and_not_repaired(admin: SignedInUser, skewed: str) -> None:
    answer = admin("POST", VERIFY, {}).json()

    (drift,) = answer["drifts"]
    assert answer["repaired"] is False
    assert drift["movie_id"] == skewed
    assert (drift["stored"]["ratings_count"], drift["stored"]["average_rating"]) == (2, 10.0)
    assert (drift["counted"]["ratings_count"], drift["counted"]["average_rating"]) == (1, 8.0)
    assert drift["counted"]["distribution"]["8"] == 1
    assert average(admin) == 10.0


def test_a_drift_is_repaired_on_request(admin: SignedInUser, skewed: str) -> None:
    answer = admin("POST", VERIFY, {"repair": True}).json()

    assert answer["repaired"] is True
    assert [drift["movie_id"] for drift in answer["drifts"]] == [skewed]
    assert average(admin) == 8.0
    assert admin("POST", VERIFY, {"repair": True}).json() == {"drifts": [], "repaired": False}


@pytest.mark.parametrize("body", [{"repair": "yes"}, {"repair": None}, {"mend": True}])
def test_an_unknown_field_is_refused(admin: SignedInUser, body: Any) -> None:
    assert admin("POST", VERIFY, body).status_code == 400


def test_only_admins_may_verify(here: tuple[Client, SqliteStore]) -> None:
    client, _ = here

    assert register_user(client, "neo")("POST", VERIFY).status_code == 403
    assert client.post(f"/api/v1{VERIFY}").status_code == 401
