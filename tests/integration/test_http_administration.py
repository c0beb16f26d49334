"""Administration over HTTP: invitations, passwords, deletion of accounts and reviews."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from domain.ids import UserId
from domain.users import Role
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    Client,
    SignedInUser,
    account,
    client_over,
    filled_store,
    now,
    register_user,
    signed_in_user,
)

NEW_PASSWORD = "there is no spoon"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = filled_store([THE_MATRIX, facts(604)])
    yield store
    store.close()


@pytest.fixture
def client(store: SqliteStore) -> Iterator[Client]:
    with client_over(store) as client:
        yield client


@pytest.fixture
def admin(client: Client, store: SqliteStore) -> SignedInUser:
    admin = register_user(client, "smith")
    store.users.change(UserId(admin.user["id"]), lambda user: user.with_changes(now(), role=Role.ADMIN))
    return admin


@pytest.fixture
def invited(store: SqliteStore, admin: SignedInUser) -> Iterator[Client]:
    """A process over the same store, where registration needs an invitation."""
    with client_over(store, registration="invite") as client:
        yield client


def register(client: Client, name: str = "neo", **more: Any) -> Any:
    return client.post("/api/v1/auth/register", json=account(name) | more)


def test_an_invitation_makes_as_many_accounts_as_it_has_uses(admin: SignedInUser, invited: Client) -> None:
    made = admin("POST", "/admin/invitations", {"uses": 2})
    body = made.json()
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert set(body) == {"id", "code", "uses", "remaining", "created_at", "expires_at"}
    assert (body["uses"], body["remaining"]) == (2, 2)
    assert (body["created_at"], body["expires_at"]) == (
        "2026-01-02T12:00:00.345Z",
        "2026-01-09T12:00:00.345Z",
    )

    answer = register(invited, invitation=body["code"])

    assert answer.status_code == 201
    assert signed_in_user(invited, answer.json())("GET", "/auth/me").status_code == 200
    listed = admin("GET", "/admin/invitations").json()["data"]
    assert listed == [{key: value for key, value in body.items() if key != "code"} | {"remaining": 1}]
    assert register(invited, "trinity", invitation=body["code"]).status_code == 201
    refused = register(invited, "cypher", invitation=body["code"])
    assert (refused.status_code, refused.json()["code"]) == (403, "invitation_rejected")


def test_registration_without_a_required_invitation_is_refused(invited: Client) -> None:
    for more in ({}, {"invitation": None}, {"invitation": ""}):
        answer = register(invited, **more)
        assert (answer.status_code, answer.json()["code"]) == (403, "invitation_required")
    answer = register(invited, invitation="guessed")
    assert (answer.status_code, answer.json()["code"]) == (403, "invitation_rejected")


def test_without_an_invitation_taken_names_are_not_revealed(invited: Client) -> None:
    answer = register(invited, "smith", invitation="guessed")
    assert answer.json()["code"] == "invitation_rejected"


def test_with_closed_registration_an_invitation_is_refused(store: SqliteStore, admin: SignedInUser) -> None:
    code = admin("POST", "/admin/invitations", {}).json()["code"]
    with client_over(store, registration="closed") as client:
        for more in ({}, {"invitation": code}):
            answer = register(client, **more)
            assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
        login = {"email": "smith@example.com", "password": PASSWORD}
        assert client.post("/api/v1/auth/login", json=login).status_code == 200


def test_with_open_registration_an_invitation_is_not_consumed(client: Client, admin: SignedInUser) -> None:
    code = admin("POST", "/admin/invitations", {}).json()["code"]
    assert register(client, invitation=code).status_code == 201
    assert admin("GET", "/admin/invitations").json()["data"][0]["remaining"] == 1


def test_an_invalid_registration_does_not_consume_an_invitation(admin: SignedInUser, invited: Client) -> None:
    code = admin("POST", "/admin/invitations", {}).json()["code"]
    assert register(invited, invitation=code, password="short").status_code == 400
    assert register(invited, "smith", invitation=code).status_code == 409
    assert register(invited, invitation=code).status_code == 201


def test_a_deleted_invitation_is_rejected(admin: SignedInUser, invited: Client) -> None:
    made = admin("POST", "/admin/invitations", {}).json()
    assert admin("DELETE", f"/admin/invitations/{made['id']}").status_code == 204
    assert register(invited, invitation=made["code"]).json()["code"] == "invitation_rejected"
    for name in (made["id"], "603"):
        answer = admin("DELETE", f"/admin/invitations/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "invitation_not_found")


@pytest.mark.parametrize(
    ("expires_in", "expires_at"),
    [
        (60, "2026-01-02T12:01:00.345Z"),
        ("1m", "2026-01-02T12:01:00.345Z"),
        ("36h", "2026-01-04T00:00:00.345Z"),
        (31536000, "2027-01-02T12:00:00.345Z"),
        ("365d", "2027-01-02T12:00:00.345Z"),
    ],
)
def test_the_admin_chooses_how_long_an_invitation_is_valid(
    admin: SignedInUser, expires_in: Any, expires_at: str
) -> None:
    made = admin("POST", "/admin/invitations", {"expires_in": expires_in})
    assert made.json()["expires_at"] == expires_at


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"expires_in": 59}, "expires_in must be 60 to 31536000 seconds"),
        ({"expires_in": 31536001}, "expires_in must be 60 to 31536000 seconds"),
        ({"expires_in": "366d"}, "expires_in must be 60 to 31536000 seconds"),
        ({"expires_in": "59s"}, "expires_in must be 60 to 31536000 seconds"),
        ({"expires_in": "a week"}, "expires_in must be 60 to 31536000 seconds"),
        ({"expires_in": 10**400}, "expires_in must be 60 to 31536000 seconds"),
        ({"expires_in": True}, "expires_in must be 60 to 31536000 seconds"),
        ({"uses": 0}, "uses must be a whole number from 1 to 1000"),
        ({"uses": 1001}, "uses must be a whole number from 1 to 1000"),
        ({"valid": "7d"}, "valid is not a known field"),
    ],
)
def test_the_faults_of_an_invitation_are_named(admin: SignedInUser, body: Any, error: str) -> None:
    answer = admin("POST", "/admin/invitations", body)
    assert answer.status_code == 400
    (sentence,) = answer.json()["errors"]
    assert sentence.startswith(error)


def test_invitations_are_listed_page_by_page(admin: SignedInUser) -> None:
    made = {admin("POST", "/admin/invitations", {}).json()["id"] for _ in range(5)}
    seen: list[str] = []
    path: str | None = "/admin/invitations?limit=2"
    while path:
        body = admin("GET", path).json()
        seen += [each["id"] for each in body["data"]]
        cursor = body["meta"]["next_cursor"]
        path = f"/admin/invitations?limit=2&cursor={cursor}" if cursor else None
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize("path", ["users", "invitations", "sync/runs"])
def test_responses_for_admins_may_be_cached_by_their_client_only(admin: SignedInUser, path: str) -> None:
    answer = admin("GET", f"/admin/{path}")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"


def test_a_new_password_from_an_admin_ends_all_sessions(client: Client, admin: SignedInUser) -> None:
    neo = register_user(client)
    answer = admin("PATCH", f"/admin/users/{neo.user['id']}", {"password": NEW_PASSWORD})
    assert (answer.status_code, answer.json()) == (200, neo.user | {"disabled": False})
    assert neo("GET", "/auth/me").json()["code"] == "token_revoked"
    for password, status in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
        login = {"email": "neo@example.com", "password": password}
        assert client.post("/api/v1/auth/login", json=login).status_code == status


@pytest.mark.parametrize("password", ["short", "Password1", "x" * 129])
def test_an_admin_cannot_set_a_weak_password(client: Client, admin: SignedInUser, password: str) -> None:
    neo = register_user(client)
    answer = admin("PATCH", f"/admin/users/{neo.user['id']}", {"password": password})
    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith("password must")
    assert neo("GET", "/auth/me").status_code == 200


def test_a_deleted_user_is_deleted_with_all_data(client: Client, admin: SignedInUser) -> None:
    neo = register_user(client)
    neo("PUT", "/movies/603/rating", {"rating": 8})
    assert admin("GET", "/movies/603").json()["ratings_count"] == 1

    assert admin("DELETE", f"/admin/users/{neo.user['id']}").status_code == 204

    assert neo("GET", "/auth/me").json()["code"] == "token_revoked"
    assert admin("GET", "/movies/603").json()["ratings_count"] == 0
    assert admin("GET", "/admin/users").json()["meta"]["total"] == 1
    for name in (neo.user["id"], "603"):
        answer = admin("DELETE", f"/admin/users/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


def test_the_last_admin_cannot_be_deleted(admin: SignedInUser) -> None:
    answer = admin("DELETE", f"/admin/users/{admin.user['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


def test_an_admin_deletes_a_review_but_not_its_score(client: Client, admin: SignedInUser) -> None:
    neo = register_user(client)
    rating = neo("PUT", "/movies/603/rating", {"rating": 8, "review": "Rude words."}).json()

    assert admin("DELETE", f"/admin/ratings/{rating['id']}/review").status_code == 204

    kept = neo("GET", f"/ratings/{rating['id']}").json()
    assert (kept["rating"], kept["review"]) == (8.0, None)
    assert admin("GET", "/ratings/movie/603").json()["data"][0]["review"] is None
    assert admin("GET", "/movies/603").json()["ratings_count"] == 1
    assert admin("DELETE", f"/admin/ratings/{rating['id']}/review").status_code == 204
    for name in ("0" * 24, "603"):
        answer = admin("DELETE", f"/admin/ratings/{name}/review")
        assert (answer.status_code, answer.json()["code"]) == (404, "rating_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/invitations", {}),
        ("GET", "/admin/invitations", None),
        ("DELETE", "/admin/invitations/000000000000000000000000", None),
        ("DELETE", "/admin/users/000000000000000000000000", None),
        ("PATCH", "/admin/users/000000000000000000000000", {"password": NEW_PASSWORD}),
        ("DELETE", "/admin/ratings/000000000000000000000000/review", None),
    ],
)
def test_admin_endpoints_require_the_role_admin(client: Client, method: str, path: str, body: Any) -> None:
    neo = register_user(client)
    answer = neo(method, path, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "admins_only")
    assert client.request(method, f"/api/v1{path}", json=body).status_code == 401
