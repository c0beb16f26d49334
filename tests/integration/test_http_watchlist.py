"""The watchlist over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain import watchlist
from domain.ids import movie_id
from tests.integration.http_service import Client, SignedInUser, register_user, serving_with_store

MATRIX = str(movie_id(603))


@pytest.fixture
def client() -> Iterator[Client]:
    with serving_with_store() as (client, _):
        yield client


@pytest.fixture
def neo(client: Client) -> SignedInUser:
    return register_user(client)


def listed(somebody: SignedInUser, movie: str = "603", **more: Any) -> Any:
    return somebody("POST", "/watchlist", {"movie_id": movie, **more}).json()


def test_an_item_shows_the_movie_as_lists_do(neo: SignedInUser) -> None:
    answer = neo("POST", "/watchlist", {"movie_id": "603", "is_favorite": True, "note": " soon "})
    item = answer.json()

    assert answer.status_code == 201
    assert set(item) == {"id", "movie", "is_favorite", "note", "added_at", "created_at", "updated_at"}
    (shown,) = [each for each in neo("GET", "/movies").json()["data"] if each["id"] == MATRIX]
    assert item["movie"] == shown
    assert [genre["name"] for genre in item["movie"]["genres"]] == ["Action", "Science Fiction"]
    assert (item["is_favorite"], item["note"]) == (True, "soon")
    assert item["added_at"] == item["created_at"] == "2026-01-02T12:00:00.345Z"
    assert neo("GET", f"/watchlist/{item['id']}").json() == item


def test_a_new_item_is_no_favourite_and_has_no_note_by_default(neo: SignedInUser) -> None:
    item = listed(neo)

    assert (item["is_favorite"], item["note"]) == (False, None)


@pytest.mark.parametrize("name", [MATRIX, "603", 603, "tt0133093"])
def test_a_movie_may_be_given_by_any_of_its_ids(neo: SignedInUser, name: Any) -> None:
    assert neo("POST", "/watchlist", {"movie_id": name}).json()["movie"]["id"] == MATRIX
    assert neo("PUT", f"/movies/{name}/watchlist", {}).status_code == 200
    assert neo("GET", f"/me/movies/{name}").json()["watchlist"]["movie"]["id"] == MATRIX
    assert neo("DELETE", f"/movies/{name}/watchlist").status_code == 204


@pytest.mark.parametrize("name", ["9", 9, "x", "", "a" * 24])
def test_an_unknown_reference_to_a_movie_is_not_found(neo: SignedInUser, name: Any) -> None:
    assert neo("POST", "/watchlist", {"movie_id": name}).json()["code"] == "movie_not_found"
    if name:
        for method, path in (
            ("PUT", "movies/{}/watchlist"),
            ("DELETE", "movies/{}/watchlist"),
            ("GET", "me/movies/{}"),
        ):
            answer = neo(method, f"/{path.format(name)}")
            assert (answer.status_code, answer.json()["code"]) == (404, "movie_not_found")


def test_a_movie_is_on_a_watchlist_at_most_once(neo: SignedInUser) -> None:
    listed(neo)
    again = neo("POST", "/watchlist", {"movie_id": 603})

    assert (again.status_code, again.json()["code"]) == (409, "already_listed")


def test_setting_and_removing_a_movies_item_are_idempotent(neo: SignedInUser) -> None:
    first = neo("PUT", "/movies/603/watchlist", {"is_favorite": True, "note": "soon"})
    second = neo("PUT", "/movies/603/watchlist")

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert (second.json()["is_favorite"], second.json()["note"]) == (False, None)
    for _ in range(2):
        assert neo("DELETE", "/movies/603/watchlist").status_code == 204
    assert neo("GET", "/watchlist").json()["meta"]["total"] == 0


def test_a_patch_changes_the_given_fields_and_null_removes_a_note(neo: SignedInUser) -> None:
    path = f"/watchlist/{listed(neo, note='soon')['id']}"

    marked = neo("PATCH", path, {"is_favorite": True}).json()
    bare = neo("PATCH", path, {"note": None}).json()

    assert (marked["is_favorite"], marked["note"]) == (True, "soon")
    assert (bare["is_favorite"], bare["note"]) == (True, None)
    assert neo("PATCH", path, {}).json()["errors"] == ["the body must change something: is_favorite or note"]


def test_a_favourite_mark_is_toggled(neo: SignedInUser) -> None:
    path = f"/watchlist/{listed(neo, note='soon')['id']}/favorite"

    marks = [neo("PATCH", path).json()["is_favorite"] for _ in range(3)]

    assert marks == [True, False, True]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"is_favorite": None}, "is_favorite must be true or false"),
        ({"is_favorite": 1}, "is_favorite must be true or false"),
        ({"is_favorite": "true"}, "is_favorite must be true or false"),
        ({"note": 5}, "note must be text or null"),
        ({"note": "a" * 2001}, "note must be at most 2,000 characters"),
        ({"added_at": "2026-01-01"}, "added_at is not a known field"),
    ],
)
def test_invalid_fields_of_an_item_are_refused(neo: SignedInUser, body: dict[str, Any], error: str) -> None:
    item = listed(neo)

    for answer in (
        neo("POST", "/watchlist", {"movie_id": "604"} | body),
        neo("PUT", "/movies/604/watchlist", body),
        neo("PATCH", f"/watchlist/{item['id']}", body),
    ):
        assert (answer.status_code, answer.json()["errors"]) == (400, [error])
    assert [each["id"] for each in neo("GET", "/watchlist").json()["data"]] == [item["id"]]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_users_item_is_forbidden_and_an_unknown_one_not_found(
    client: Client, neo: SignedInUser, method: str
) -> None:
    smith, mine = register_user(client, "smith"), listed(neo)
    body = {"is_favorite": True} if method == "PATCH" else None

    assert smith(method, f"/watchlist/{mine['id']}", body).json()["code"] == "not_your_item"
    assert smith("PATCH", f"/watchlist/{mine['id']}/favorite").status_code == 403
    for name in ("x", "603", "a" * 24, "A" * 24):
        answer = neo(method, f"/watchlist/{name}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "item_not_found")
    assert neo("PATCH", "/watchlist/x/favorite").status_code == 404
    assert neo("GET", f"/watchlist/{mine['id']}").json() == mine


def test_an_item_can_be_deleted_once(neo: SignedInUser) -> None:
    path = f"/watchlist/{listed(neo)['id']}"

    assert (neo("DELETE", path).status_code, neo("DELETE", path).status_code) == (204, 404)


def test_a_watchlist_is_private_and_can_be_filtered_by_favourites(client: Client, neo: SignedInUser) -> None:
    for movie in ("603", "604", "605"):
        listed(neo, movie, is_favorite=movie == "604")
    listed(register_user(client, "smith"))

    def numbers(query: str) -> set[int]:
        return {each["movie"]["tmdb_id"] for each in neo("GET", f"/watchlist{query}").json()["data"]}

    assert numbers("") == {603, 604, 605}
    assert numbers("?favorite=true") == {604}
    assert numbers("?favorite=false") == {603, 605}
    assert neo("GET", "/watchlist?favorite=yes").json()["errors"] == ["favorite must be true or false"]
    page = neo("GET", "/watchlist?favorite=false&limit=1&page=2")
    assert page.json()["meta"] == {
        "total": 2, "page": 2, "limit": 1, "total_pages": 2,
        "has_next_page": False, "has_prev_page": True, "next_cursor": None,
    }  # fmt: skip
    assert '</api/v1/watchlist?limit=1&favorite=false&page=1>; rel="prev"' in page.headers["link"]


def test_a_favourite_mark_is_not_a_rating(neo: SignedInUser) -> None:
    listed(neo, is_favorite=True)

    assert neo("GET", "/movies/603").json()["ratings_count"] == 0


def test_a_full_watchlist_refuses_further_items(neo: SignedInUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlist, "MAX_ITEMS", 1)
    listed(neo)

    for answer in (neo("POST", "/watchlist", {"movie_id": "604"}), neo("PUT", "/movies/604/watchlist")):
        assert (answer.status_code, answer.json()["code"]) == (409, "watchlist_full")
    assert neo("PUT", "/movies/603/watchlist").status_code == 200
