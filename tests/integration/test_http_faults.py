"""All errors of a request are reported at once, as sentences for people and details for programs."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import FaultCode
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    Client,
    SignedInUser,
    register_user,
    serving_with_store,
)

SECOND = {"email": "second@example.com", "username": "second", "password": PASSWORD}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving_with_store(THE_MATRIX) as (client, _):
        register_user(client, "neo")
        register_user(client, "trinity")
        yield client


@pytest.fixture(scope="module")
def morpheus(client: Client) -> SignedInUser:
    return register_user(client, "morpheus")


def refused(answer: Any, status: int = 400) -> list[tuple[str, str]]:
    """The field and the code of each error; sentences and details list the same errors in the same order."""
    body = answer.json()
    assert answer.status_code == status, body
    assert len(body["errors"]) == len(body["details"])
    for sentence, detail in zip(body["errors"], body["details"], strict=True):
        assert set(detail) == {"field", "code", "message"}
        assert sentence.removeprefix("the ") == f"{detail['field']} {detail['message']}"
    return [(detail["field"], detail["code"]) for detail in body["details"]]


def test_a_weak_password_and_other_faults_are_named_together(client: Client) -> None:
    answer = client.post(
        "/api/v1/auth/register?colour=red",
        json={"username": "x", "email": "nobody", "password": "password1", "emial": "a@b.org"},
    )

    assert refused(answer) == [
        ("colour", "unknown"),
        ("emial", "unknown"),
        ("username", "malformed"),
        ("email", "malformed"),
        ("password", "too_common"),
    ]


def test_a_common_password_and_a_missing_field_are_named_together(client: Client) -> None:
    answer = client.post("/api/v1/auth/register", json={"email": "a@example.org", "password": "password1"})

    assert refused(answer) == [("username", "required"), ("password", "too_common")]


def test_a_new_password_is_checked_with_everything_else(morpheus: SignedInUser) -> None:
    answer = morpheus("POST", "/auth/password", {"new_password": "password1"})
    assert refused(answer) == [("current_password", "required"), ("new_password", "too_common")]

    answer = morpheus("POST", "/auth/password", {"current_password": 1, "new_password": "short"})
    assert refused(answer) == [("current_password", "wrong_type"), ("new_password", "too_short")]


def test_the_missing_password_for_a_new_address_is_named_with_other_faults(
    morpheus: SignedInUser,
) -> None:
    def faults(body: dict[str, Any]) -> list[tuple[str, str]]:
        return refused(morpheus("PATCH", "/auth/me", body))

    other = {"email": "other@example.com"}
    assert faults({"username": "x", **other}) == [("username", "malformed"), ("current_password", "required")]
    assert faults({**other, "current_password": 1}) == [("current_password", "wrong_type")]
    assert faults({"email": "nobody", "username": "x"}) == [("username", "malformed"), ("email", "malformed")]
    same = {"email": "morpheus@example.com", "username": "x"}
    assert faults(same) == [("username", "malformed")]


@pytest.mark.parametrize(
    ("taken", "code", "fields"),
    [
        ({"email": "NEO@example.com"}, "email_taken", ["email"]),
        ({"username": "Neo"}, "username_taken", ["username"]),
        ({"email": "NEO@example.com", "username": "Neo"}, "email_and_username_taken", ["email", "username"]),
        (
            {"email": "trinity@example.com", "username": "neo"},
            "email_and_username_taken",
            ["email", "username"],
        ),
    ],
)
def test_a_taken_name_and_a_taken_address_are_both_named(
    client: Client, morpheus: SignedInUser, taken: dict[str, str], code: str, fields: list[str]
) -> None:
    password = {"current_password": PASSWORD} if "email" in taken else {}
    for answer in (
        client.post("/api/v1/auth/register", json=SECOND | taken),
        morpheus("PATCH", "/auth/me", taken | password),
    ):
        assert answer.json()["code"] == code
        assert answer.json()["errors"] == [f"{field} is taken" for field in fields]
        assert refused(answer, 409) == [(field, "taken") for field in fields]


def test_a_conflict_names_its_field(morpheus: SignedInUser) -> None:
    for path, body in (("/ratings", {"movie_id": 603, "rating": 9}), ("/watchlist", {"movie_id": 603})):
        assert morpheus("POST", path, body).status_code == 201
        assert refused(morpheus("POST", path, body), 409) == [("movie_id", "already_exists")]


def test_an_error_without_a_field_has_no_details(client: Client, morpheus: SignedInUser) -> None:
    for answer in (
        client.get("/api/v1/auth/me"),
        morpheus("GET", "/movies/999999"),
        morpheus("GET", "/nowhere"),
    ):
        assert (answer.json()["errors"], answer.json()["details"]) == ([], [])


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("colour=red", ("colour", "unknown")),
        ("limit=1&limit=2", ("limit", "duplicate")),
        ("limit=many", ("limit", "wrong_type")),
        ("limit=0", ("limit", "out_of_range")),
        ("limit=101", ("limit", "out_of_range")),
        ("min_rating=11", ("min_rating", "out_of_range")),
        ("min_rating=high", ("min_rating", "wrong_type")),
        ("runtime_min=-1", ("runtime_min", "out_of_range")),
        ("mine=hated", ("mine", "malformed")),
        ("not_mine=", ("not_mine", "malformed")),
        ("min_rating=8&max_rating=7", ("min_rating", "conflicting")),
        ("runtime_min=91&runtime_max=90", ("runtime_min", "conflicting")),
        ("sort_by=colour", ("sort_by", "not_allowed")),
        ("sort_order=up", ("sort_order", "not_allowed")),
        ("language=e1", ("language", "malformed")),
        ("language=english", ("language", "too_long")),
        ("genre=", ("genre", "too_short")),
        ("genre=" + "a" * 501, ("genre", "too_long")),
        ("genre=a%00b", ("genre", "forbidden_characters")),
        ("genre=nowhere", ("genre", "not_found")),
        ("genre=a,b|c", ("genre", "conflicting")),
        ("fields=colour", ("fields", "malformed")),
        ("page=1000&limit=100", ("page", "out_of_range")),
        ("year_from=2001&year_to=2000", ("year_from", "conflicting")),
        ("cursor=nonsense", ("cursor", "malformed")),
        ("&".join(f"p{number}=1" for number in range(101)), ("query", "too_long")),
    ],
)
def test_each_fault_of_a_query_has_its_code(
    morpheus: SignedInUser, query: str, fault: tuple[str, str]
) -> None:
    assert fault in refused(morpheus("GET", f"/movies?{query}"))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"{", ("body", "malformed")),
        (b"[]", ("body", "wrong_type")),
        (b'{"movie_id": 603}', ("rating", "required")),
        (b'{"movie_id": 603, "rating": 11}', ("rating", "out_of_range")),
        (b'{"movie_id": 603, "rating": 7.3}', ("rating", "out_of_range")),
        (b'{"movie_id": 603, "rating": "8"}', ("rating", "wrong_type")),
        (b'{"movie_id": 603, "rating": null}', ("rating", "wrong_type")),
        (b'{"movie_id": [], "rating": 8}', ("movie_id", "wrong_type")),
        (b'{"movie_id": 603, "rating": 8, "review": 5}', ("review", "wrong_type")),
        (b'{"movie_id": 603, "rating": 8, "rating": 9}', ("rating", "duplicate")),
        (b'{"movie_id": 603, "rating": 8, "review": "\\u0007"}', ("review", "forbidden_characters")),
        (b'{"movie_id": 603, "rating": 8, "review": "\\u0000"}', ("review", "forbidden_characters")),
        (b'{"movie_id": 603, "rating": 8, "review": "%s"}' % (b"a" * 2001), ("review", "too_long")),
        (b'{"movie_id": 603, "rating": 8, "stars": 5}', ("stars", "unknown")),
        (b"{%s}" % b",".join(b'"f%d": 1' % number for number in range(101)), ("body", "too_long")),
    ],
)
def test_each_fault_of_a_body_has_its_code(
    morpheus: SignedInUser, body: bytes, fault: tuple[str, str]
) -> None:
    answer = morpheus("POST", "/ratings", content=body, headers={"Content-Type": "application/json"})

    assert fault in refused(answer)


def test_an_empty_change_is_a_fault_of_the_whole_body(morpheus: SignedInUser) -> None:
    rating = morpheus("PUT", "/movies/603/rating", {"rating": 5}).json()["id"]

    assert refused(morpheus("PATCH", f"/ratings/{rating}", {})) == [("body", "required")]


def test_each_unknown_genre_is_named(morpheus: SignedInUser) -> None:
    assert refused(morpheus("GET", "/movies?genre=drama,nowhere,never")) == [("genre", "not_found")] * 2


def test_the_document_lists_every_code(client: Client) -> None:
    schemas = client.get("/api/v1/docs/openapi.json").json()["components"]["schemas"]

    assert set(schemas["FieldErrorCode"]["enum"]) == set(FaultCode)
    assert schemas["FieldError"]["required"] == ["field", "code", "message"]
    assert "details" in schemas["ApiError"]["required"]
