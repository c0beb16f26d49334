"""The diary over HTTP, and a user's relation to movies."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain import viewings
from domain.ids import movie_id
from tests.integration.http_service import Client, SignedInUser, register_user, serving_with_store

MATRIX = str(movie_id(603))
TODAY = "2026-01-02"
"""The day of the clock of these tests, at noon in UTC; on Kiritimati it is the day after."""


@pytest.fixture
def client() -> Iterator[Client]:
    with serving_with_store() as (client, _):
        yield client


@pytest.fixture
def neo(client: Client) -> SignedInUser:
    return register_user(client)


def seen(somebody: SignedInUser, movie: str = "603", **more: Any) -> Any:
    answer = somebody("POST", "/viewings", {"movie_id": movie, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_viewing_shows_the_movie_as_lists_do(neo: SignedInUser) -> None:
    viewing = seen(neo, watched_on=TODAY, note=" in the park ")

    (shown,) = [each for each in neo("GET", "/movies").json()["data"] if each["id"] == MATRIX]
    assert viewing == {
        "id": viewing["id"],
        "movie": shown,
        "watched_on": TODAY,
        "rewatch": False,
        "note": "in the park",
        "created_at": "2026-01-02T12:00:00.345Z",
        "updated_at": "2026-01-02T12:00:00.345Z",
    }
    assert neo("GET", f"/viewings/{viewing['id']}").json() == viewing


def test_a_viewing_without_a_day_is_of_an_unknown_day(neo: SignedInUser) -> None:
    assert seen(neo)["watched_on"] is None
    assert seen(neo, rewatch=True, watched_on=None)["watched_on"] is None


@pytest.mark.parametrize("name", [MATRIX, "603", 603, "tt0133093"])
def test_a_seen_movie_may_be_given_by_any_of_its_ids(neo: SignedInUser, name: Any) -> None:
    assert seen(neo, name)["movie"]["id"] == MATRIX
    assert neo("GET", f"/viewings?movie_id={name}").json()["meta"]["total"] == 1


@pytest.mark.parametrize("name", ["9", "x", "a" * 24])
def test_an_unknown_movie_has_no_viewings(neo: SignedInUser, name: str) -> None:
    for answer in (
        neo("POST", "/viewings", {"movie_id": name}),
        neo("GET", f"/viewings?movie_id={name}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "movie_not_found")


@pytest.mark.parametrize("day", [TODAY, None])
def test_a_second_viewing_of_a_day_must_be_a_rewatch(neo: SignedInUser, day: str | None) -> None:
    body = {"movie_id": "603", "watched_on": day}
    seen(neo, watched_on=day)

    again = neo("POST", "/viewings", body)
    assert (again.status_code, again.json()["code"]) == (409, "already_viewed")
    assert neo("POST", "/viewings", {**body, "rewatch": True}).status_code == 201
    assert neo("GET", "/viewings").json()["meta"]["total"] == 2


@pytest.mark.parametrize("day", ["1888-01-01", TODAY, "2026-01-03"])
def test_a_day_may_be_any_from_the_first_film_to_one_that_has_begun_somewhere(
    neo: SignedInUser, day: str
) -> None:
    assert seen(neo, watched_on=day)["watched_on"] == day


RANGE = "watched_on must be a day from 1888-01-01 until today"
FORM = "watched_on must be a date such as 2025-12-31"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"watched_on": "1887-12-31"}, [RANGE]),
        ({"watched_on": "2026-01-04"}, [RANGE]),
        ({"watched_on": "2026-01-04", "note": "a" * 2001, "rewatch": "yes"},
         ["rewatch must be true or false", "note must be at most 2,000 characters", RANGE]),
        ({"watched_on": "2026-02-30"}, [FORM]),
        ({"watched_on": "2026-01-01T10:00:00Z"}, [FORM]),
        ({"watched_on": "yesterday"}, [FORM]),
        ({"watched_on": 20260101}, [FORM]),
        ({"watched_on": ""}, [FORM]),
        ({"rewatch": None}, ["rewatch must be true or false"]),
        ({"seen_on": TODAY}, ["seen_on is not a known field"]),
    ],
)  # fmt: skip
def test_invalid_fields_of_a_viewing_are_all_named(
    neo: SignedInUser, body: dict[str, Any], errors: list[str]
) -> None:
    viewing = seen(neo)

    for answer in (
        neo("POST", "/viewings", {"movie_id": "604", **body}),
        neo("PATCH", f"/viewings/{viewing['id']}", body),
    ):
        assert (answer.status_code, answer.json()["errors"]) == (400, errors)
    assert neo("GET", "/viewings").json()["data"] == [viewing]


@pytest.mark.parametrize("sent", [True, False])
def test_a_viewing_takes_its_movie_off_the_watchlist_only_if_that_is_sent(
    neo: SignedInUser, sent: bool
) -> None:
    neo("PUT", "/movies/603/watchlist")
    neo("GET", "/watchlist")

    seen(neo, remove_from_watchlist=sent)

    assert neo("GET", "/watchlist").json()["meta"]["total"] == (0 if sent else 1)


def test_a_patch_changes_the_given_fields_of_a_viewing(neo: SignedInUser) -> None:
    path = f"/viewings/{seen(neo, watched_on=TODAY, note='soon')['id']}"

    again = neo("PATCH", path, {"rewatch": True}).json()
    unknown = neo("PATCH", path, {"watched_on": None, "note": None}).json()
    moved = neo("PATCH", path, {"watched_on": "2025-12-31"}).json()

    assert (again["watched_on"], again["rewatch"], again["note"]) == (TODAY, True, "soon")
    assert (unknown["watched_on"], unknown["rewatch"], unknown["note"]) == (None, True, None)
    assert moved["watched_on"] == "2025-12-31"
    assert neo("PATCH", path, {}).json()["errors"] == [
        "the body must change something: watched_on or rewatch or note"
    ]


def test_a_viewing_cannot_be_moved_to_the_day_of_another(neo: SignedInUser) -> None:
    seen(neo, watched_on=TODAY)
    path = f"/viewings/{seen(neo)['id']}"

    assert neo("PATCH", path, {"watched_on": TODAY}).json()["code"] == "already_viewed"
    assert neo("PATCH", path, {"watched_on": TODAY, "rewatch": True}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_viewing_is_forbidden_and_an_unknown_one_not_found(
    client: Client, neo: SignedInUser, method: str
) -> None:
    smith, mine = register_user(client, "smith"), seen(neo)
    body = {"rewatch": True} if method == "PATCH" else None

    answer = smith(method, f"/viewings/{mine['id']}", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_your_viewing")
    for name in ("x", "603", "a" * 24):
        answer = neo(method, f"/viewings/{name}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "viewing_not_found")
    assert neo("GET", f"/viewings/{mine['id']}").json() == mine


def test_a_viewing_can_be_deleted_once(neo: SignedInUser) -> None:
    path = f"/viewings/{seen(neo)['id']}"

    assert (neo("DELETE", path).status_code, neo("DELETE", path).status_code) == (204, 404)


def test_the_diary_is_private_sorted_by_day_and_selected_by_year_and_movie(
    client: Client, neo: SignedInUser
) -> None:
    for movie, day in (("603", "2025-12-31"), ("604", TODAY), ("603", None), ("603", "2026-01-01")):
        seen(neo, movie, watched_on=day)
    seen(register_user(client, "smith"))

    def days(query: str) -> list[str | None]:
        return [each["watched_on"] for each in neo("GET", f"/viewings{query}").json()["data"]]

    assert days("") == [TODAY, "2026-01-01", "2025-12-31", None]
    assert days("?year=2026") == [TODAY, "2026-01-01"]
    assert days("?movie_id=603") == ["2026-01-01", "2025-12-31", None]
    assert days("?movie_id=603&year=2025") == ["2025-12-31"]
    assert neo("GET", "/viewings?year=1887&page=x").json()["errors"] == [
        "page must be a whole number from 1",
        "year must be a year from 1888 to 2100",
    ]


def test_a_full_diary_refuses_further_viewings(neo: SignedInUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewings, "MAX_VIEWINGS", 1)
    seen(neo)

    full = neo("POST", "/viewings", {"movie_id": "604"})
    assert (full.status_code, full.json()["code"]) == (409, "diary_full")


def test_a_relation_has_the_rating_the_watchlist_item_and_the_viewings(neo: SignedInUser) -> None:
    nothing = {"rating": None, "watchlist": None, "viewings": {"count": 0, "last_watched_on": None}}
    rating = neo("POST", "/ratings", {"movie_id": "603", "rating": 9}).json()
    rating.pop("movie_rating")
    item = neo("POST", "/watchlist", {"movie_id": "603"}).json()
    seen(neo)
    unknown = neo("GET", "/me/movies/603").json()["viewings"]
    seen(neo, watched_on=TODAY)

    assert unknown == {"count": 1, "last_watched_on": None}
    relation = neo("GET", "/me/movies/tt0133093").json()
    assert relation == {
        "movie_id": MATRIX,
        "rating": rating,
        "watchlist": item,
        "viewings": {"count": 2, "last_watched_on": TODAY},
    }
    assert neo("GET", "/me/movies/604").json() == {"movie_id": str(movie_id(604)), **nothing}
    assert neo("GET", "/me/movies/9").status_code == 404


def test_relations_to_many_movies_come_in_their_order_without_unknown_ones(neo: SignedInUser) -> None:
    seen(neo, "604")
    names = ("605", "9", "tt0133093", "tt0000001", "x", MATRIX, str(movie_id(604)), "605")

    answer = neo("GET", f"/me/movies?ids={','.join(names)}").json()

    assert [each["movie_id"] for each in answer["data"]] == [movie_id(number) for number in (605, 603, 604)]
    assert answer["data"] == [neo("GET", f"/me/movies/{number}").json() for number in (605, 603, 604)]
    narrow = neo("GET", "/me/movies?ids=604,%20603&fields=movie_id,viewings").json()["data"]
    assert [set(each) for each in narrow] == [{"movie_id", "viewings"}] * 2
    assert neo("GET", "/me/movies?ids=9").json() == {"data": []}


@pytest.mark.parametrize("ids", ["", ",", "603,", ",".join(["603"] * 101)])
def test_one_to_a_hundred_movies_must_be_named(neo: SignedInUser, ids: str) -> None:
    assert neo("GET", f"/me/movies?ids={ids}").json()["errors"] == [
        "ids must be 1 to 100 references to movies, separated by commas"
    ]
    assert len(neo("GET", f"/me/movies?ids={','.join(['603'] * 100)}").json()["data"]) == 1
