"""Ratings over HTTP, and the tally after each change."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.ids import movie_id
from tests.integration.http_service import Client, SignedInUser, register_user, serving_with_store

RULE = "rating must be between 1 and 10 in steps of 0.5"
MATRIX = str(movie_id(603))


@pytest.fixture
def client() -> Iterator[Client]:
    with serving_with_store() as (client, _):
        yield client


@pytest.fixture
def neo(client: Client) -> SignedInUser:
    return register_user(client)


def rated(somebody: SignedInUser, movie: str = "603", rating: float = 8.5) -> Any:
    return somebody("POST", "/ratings", {"movie_id": movie, "rating": rating}).json()


def tally(somebody: SignedInUser, movie: str = "603") -> tuple[float | None, int]:
    shown = somebody("GET", f"/movies/{movie}").json()
    return shown["average_rating"], shown["ratings_count"]


def test_a_new_rating_shows_its_movie_its_author_and_the_new_average(neo: SignedInUser) -> None:
    answer = neo("POST", "/ratings", {"movie_id": MATRIX, "rating": 8.5, "review": "  Whoa.\n"})
    body = answer.json()

    assert answer.status_code == 201
    assert body.pop("id") == neo("GET", "/ratings").json()["data"][0]["id"]
    assert body == {
        "movie_id": MATRIX,
        "movie": {
            "id": MATRIX,
            "tmdb_id": 603,
            "title": "The Matrix",
            "poster_path": "/matrix.jpg",
            "release_date": "1999-03-30",
        },
        "user": {"id": neo.user["id"], "username": "neo"},
        "rating": 8.5,
        "review": "Whoa.",
        "created_at": "2026-01-02T12:00:00.345Z",
        "updated_at": "2026-01-02T12:00:00.345Z",
        "movie_rating": {"average_rating": 8.5, "ratings_count": 1},
    }


@pytest.mark.parametrize("name", [MATRIX, "603", 603, "tt0133093"])
def test_a_movie_may_be_given_by_any_of_its_ids(neo: SignedInUser, name: str | int) -> None:
    assert neo("POST", "/ratings", {"movie_id": name, "rating": 7}).json()["movie_id"] == MATRIX
    assert neo("PUT", f"/movies/{name}/rating", {"rating": 8}).json()["movie_id"] == MATRIX
    assert neo("GET", f"/ratings/movie/{name}").json()["summary"]["average_rating"] == 8.0
    assert neo("DELETE", f"/movies/{name}/rating").status_code == 204


@pytest.mark.parametrize(
    "name", ["9", 9, "0", 0, -603, "-1", "the matrix", "", "a" * 24, "tt1", "A" * 24, 10**30]
)
def test_an_unknown_reference_to_a_movie_is_not_found(neo: SignedInUser, name: str | int) -> None:
    posted = neo("POST", "/ratings", {"movie_id": name, "rating": 7})

    assert (posted.status_code, posted.json()["code"]) == (404, "movie_not_found")
    if name:
        for method, path in (
            ("PUT", "movies/{}/rating"),
            ("DELETE", "movies/{}/rating"),
            ("GET", "ratings/movie/{}"),
        ):
            answer = neo(method, f"/{path.format(name)}", {"rating": 7} if method == "PUT" else None)
            assert (answer.status_code, answer.json()["code"]) == (404, "movie_not_found")
    assert neo("GET", "/ratings").json()["meta"]["total"] == 0


def test_a_second_post_of_a_rating_is_a_conflict(neo: SignedInUser) -> None:
    rated(neo)
    again = neo("POST", "/ratings", {"movie_id": "tt0133093", "rating": 1})

    assert (again.status_code, again.json()["code"]) == (409, "already_rated")
    assert tally(neo) == (8.5, 1)


def test_one_of_many_concurrent_first_ratings_is_stored(neo: SignedInUser) -> None:
    def rate(_: int) -> int:
        status: int = neo("POST", "/ratings", {"movie_id": "603", "rating": 7}).status_code
        return status

    with ThreadPoolExecutor(8) as clients:
        statuses = sorted(clients.map(rate, range(16)))

    assert statuses == [201] + [409] * 15
    assert tally(neo) == (7.0, 1)


@pytest.mark.parametrize(
    "score", [0, 0.5, 10.5, 11, -1, 7.25, 7.3, 1e300, "8", "", True, False, None, [], [8], {}, {"$gt": ""}]
)
@pytest.mark.parametrize("call", ["POST /ratings", "PUT /movies/603/rating", "PATCH /ratings/{id}"])
def test_a_score_is_one_of_nineteen_numbers(neo: SignedInUser, score: Any, call: str) -> None:
    method, path = call.format(id=rated(neo, "604")["id"]).split()
    body = {"rating": score} | ({"movie_id": "603"} if method == "POST" else {})

    answer = neo(method, path, body)

    assert (answer.status_code, answer.json()["errors"]) == (400, [RULE])
    assert (tally(neo), tally(neo, "604")) == ((None, 0), (8.5, 1))


@pytest.mark.parametrize("score", [half / 2 for half in range(2, 21)])
def test_each_of_the_nineteen_scores_is_stored_exactly(neo: SignedInUser, score: float) -> None:
    assert neo("PUT", "/movies/603/rating", {"rating": score}).json()["rating"] == score
    assert tally(neo) == (score, 1)


def test_all_faults_of_a_rating_are_named_at_once(neo: SignedInUser) -> None:
    answer = neo("POST", "/ratings?x=1", {"rating": 11, "review": "a" * 2001, "stars": 5})

    assert answer.json()["errors"] == [
        "x is not a known parameter",
        "stars is not a known field",
        RULE,
        "review must be at most 2,000 characters",
        "movie_id is required",
    ]


@pytest.mark.parametrize("review", ["a" * 2001, 5, True, [], {"$ne": None}, "a\x07b", "a\x00b"])
def test_a_review_is_plain_text_of_bounded_length(neo: SignedInUser, review: Any) -> None:
    answer = neo("POST", "/ratings", {"movie_id": "603", "rating": 8, "review": review})

    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith("review must ")


def test_a_long_review_is_stored_unchanged(neo: SignedInUser) -> None:
    review = "<script>alert('é\t🎬')</script>\n" + "字" * 1960

    body = neo("POST", "/ratings", {"movie_id": "603", "rating": 8, "review": review}).json()

    assert body["review"] == review
    assert neo("GET", f"/ratings/{body['id']}").json()["review"] == review


def test_setting_and_removing_a_movies_rating_are_idempotent(neo: SignedInUser) -> None:
    first = neo("PUT", "/movies/603/rating", {"rating": 4, "review": "Hm."})
    second = neo("PUT", "/movies/603/rating", {"rating": 9})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["review"] is None
    assert second.json()["movie_rating"] == {"average_rating": 9.0, "ratings_count": 1}
    for _ in range(2):
        assert neo("DELETE", "/movies/603/rating").status_code == 204
    assert tally(neo) == (None, 0)


def test_a_patch_changes_the_given_fields_and_null_removes_a_review(neo: SignedInUser) -> None:
    body = neo("POST", "/ratings", {"movie_id": "603", "rating": 8, "review": "Whoa."}).json()
    path = f"/ratings/{body['id']}"

    score = neo("PATCH", path, {"rating": 2}).json()
    gone = neo("PATCH", path, {"review": None}).json()
    both = neo("PATCH", path, {"rating": 3.5, "review": "Meh"}).json()

    assert (score["rating"], score["review"]) == (2.0, "Whoa.")
    assert score["movie_rating"] == {"average_rating": 2.0, "ratings_count": 1}
    assert (gone["rating"], gone["review"]) == (2.0, None)
    assert (both["rating"], both["review"], both["movie_rating"]["average_rating"]) == (3.5, "Meh", 3.5)
    assert neo("PATCH", path, {}).json()["errors"] == ["the body must change something: rating or review"]
    assert neo("PATCH", path, {"movie_id": "604"}).status_code == 400


def test_a_deleted_rating_is_removed_from_the_average(neo: SignedInUser) -> None:
    path = f"/ratings/{rated(neo)['id']}"

    assert neo("DELETE", path).status_code == 204
    assert tally(neo) == (None, 0)
    for method in ("GET", "PATCH", "DELETE"):
        answer = neo(method, path, {"rating": 5} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "rating_not_found")


@pytest.mark.parametrize("name", ["x", "603", "movie", "a" * 24, "A" * 24, "0" * 25, "%00", "%FF", "é"])
def test_an_unknown_rating_is_not_found(neo: SignedInUser, name: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = neo(method, f"/ratings/{name}", {"rating": 5} if method == "PATCH" else None)
        assert answer.status_code == 404


def test_another_users_rating_cannot_be_read_changed_or_deleted(client: Client, neo: SignedInUser) -> None:
    smith, path = register_user(client, "smith"), f"/ratings/{rated(neo)['id']}"

    for method in ("GET", "PATCH", "DELETE"):
        answer = smith(method, path, {"rating": 1} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_your_rating")
    assert tally(neo) == (8.5, 1)


def test_own_ratings_have_the_requested_order(client: Client, neo: SignedInUser) -> None:
    for movie, score in (("603", 5), ("604", 9), ("605", 1)):
        rated(neo, movie, score)
    rated(register_user(client, "smith"))

    falling = neo("GET", "/ratings?sort_by=rating").json()
    rising = neo("GET", "/ratings?sort_by=rating&sort_order=asc&limit=2")

    assert [each["rating"] for each in falling["data"]] == [9.0, 5.0, 1.0]
    assert [each["rating"] for each in rising.json()["data"]] == [1.0, 5.0]
    meta = rising.json()["meta"]
    assert meta.pop("next_cursor")
    assert meta == {
        "total": 3, "page": 1, "limit": 2, "total_pages": 2,
        "has_next_page": True, "has_prev_page": False,
    }  # fmt: skip
    assert (
        '</api/v1/ratings?limit=2&sort_by=rating&sort_order=asc&page=2>; rel="next"' in rising.headers["link"]
    )
    assert len(neo("GET", "/ratings").json()["data"]) == 3


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", "limit must be a whole number from 1 to 100"),
        ("limit=101", "limit must be a whole number from 1 to 100"),
        ("page=0", "page must be a whole number from 1"),
        (
            "page=101&limit=100",
            "page must stay within the first 10,000 rows; use cursor to go on from there",
        ),
        ("sort_by=title", "sort_by must be one of created_at, updated_at, rating"),
        ("sort_order=up", "sort_order must be desc or asc"),
        ("cursor=x", "cursor must be the next_cursor of another page of the same list"),
    ],
)
def test_an_invalid_page_is_refused(neo: SignedInUser, query: str, error: str) -> None:
    answer = neo("GET", f"/ratings?{query}")

    assert (answer.status_code, answer.json()["errors"]) == (400, [error])


def test_the_ratings_of_a_movie_have_a_summary_and_no_addresses(client: Client, neo: SignedInUser) -> None:
    for name, score in (("trinity", 10), ("morpheus", 9.5), ("smith", 1)):
        rated(register_user(client, name), rating=score)

    answer = neo("GET", "/ratings/movie/603?limit=2")
    body = answer.json()

    assert "@" not in answer.text
    assert set(body) == {"data", "meta", "summary"}
    assert {each["user"]["username"] for each in body["data"]} < {"trinity", "morpheus", "smith"}
    assert (body["meta"]["total"], body["meta"]["has_next_page"]) == (3, True)
    summary = body["summary"]
    assert (summary["average_rating"], summary["ratings_count"]) == (6.8, 3)
    assert summary["weighted_rating"] == 6.58
    assert {score: number for score, number in summary["distribution"].items() if number} == {
        "1": 1, "9.5": 1, "10": 1,
    }  # fmt: skip
    assert len(summary["distribution"]) == 19
    assert 'rel="next"' in answer.headers["link"]


def test_an_unrated_movie_has_an_empty_summary(neo: SignedInUser) -> None:
    body = neo("GET", "/ratings/movie/604").json()

    assert body["data"] == []
    assert (body["summary"]["average_rating"], body["summary"]["ratings_count"]) == (None, 0)
    assert body["summary"]["weighted_rating"] is None
