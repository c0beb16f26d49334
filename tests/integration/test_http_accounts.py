"""Accounts over HTTP: registration, login, changes, deletion, and which endpoints each role may call."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Semaphore
from typing import Any

import msgspec
import pytest
from dependency_injector import providers

from adapters.security.passwords import ThreadedPasswordHasher
from adapters.sqlite.store import SqliteStore
from domain.ids import SessionId, UserId
from domain.users import Role
from entrypoints.http import thread_pools
from entrypoints.http.thread_pools import DELETION_THREADS
from entrypoints.settings import Settings
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    AsgiResponse,
    Client,
    SignedInUser,
    account,
    application,
    call,
    call_synchronously,
    container_over,
    filled_store,
    now,
    register_user,
    serving_with_store,
    signed_in_user,
)

ANOTHER = "there is no spoon"


@pytest.fixture
def here() -> Iterator[tuple[Client, SqliteStore]]:
    with serving_with_store() as here:
        yield here


@pytest.fixture
def client(here: tuple[Client, SqliteStore]) -> Client:
    return here[0]


def promote(store: SqliteStore, somebody: SignedInUser) -> None:
    store.users.change(UserId(somebody.user["id"]), lambda user: user.with_changes(now(), role=Role.ADMIN))


def log_in(client: Client, name: str = "neo", password: str = PASSWORD) -> Any:
    return client.post("/api/v1/auth/login", json={"email": f"{name}@example.com", "password": password})


def test_a_registration_signs_the_user_in(client: Client) -> None:
    answer = client.post("/api/v1/auth/register", json=account("neo"))
    body = answer.json()

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 7 * 24 * 3600)
    assert set(body["user"]) == {"id", "username", "email", "role", "created_at"}
    assert body["user"]["created_at"] == "2026-01-02T12:00:00.345Z"
    assert (body["user"]["username"], body["user"]["role"]) == ("neo", "user")
    assert signed_in_user(client, body)("GET", "/auth/me").json() == body["user"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"username": "other"}, "email_taken"),
        ({"username": "other", "email": "NEO@Example.com"}, "email_taken"),
        ({"email": "other@example.com"}, "username_taken"),
        ({"username": "NEO", "email": "other@example.com"}, "username_taken"),
    ],
)
def test_user_names_and_addresses_are_unique_whatever_their_case(
    client: Client, change: dict[str, str], code: str
) -> None:
    register_user(client)

    answer = client.post("/api/v1/auth/register", json=account("neo") | change)

    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_all_faults_of_a_registration_are_reported_at_once(client: Client) -> None:
    answer = client.post(
        "/api/v1/auth/register?page=1", json={"username": "n o", "email": "x@", "password": "short", "x": 1}
    )

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        "page is not a known parameter",
        "x is not a known field",
        "username must be 3 to 30 letters, digits, _ . or -",
        "email must be an e-mail address",
        "password must be 8 to 128 characters",
    ]


def test_a_common_password_is_refused(client: Client) -> None:
    answer = client.post("/api/v1/auth/register", json=account("neo") | {"password": "Password123"})

    assert answer.status_code == 400
    assert answer.json()["errors"] == ["password must not be one of the most common passwords"]


def test_a_login_starts_another_session(client: Client) -> None:
    neo = register_user(client)

    answer = client.post("/api/v1/auth/login", json={"email": " NEO@example.com", "password": PASSWORD})

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["user"] == neo.user
    assert signed_in_user(client, answer.json())("GET", "/auth/me").status_code == 200
    assert neo("GET", "/auth/me").status_code == 200


def test_a_failed_login_does_not_tell_whether_there_is_such_an_account(client: Client) -> None:
    register_user(client)

    wrong, unknown = log_in(client, password="wrong"), log_in(client, "nobody")

    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert wrong.headers["www-authenticate"].startswith("Bearer")
    changing = {"timestamp", "request_id"}
    assert {k: v for k, v in wrong.json().items() if k not in changing} == {
        k: v for k, v in unknown.json().items() if k not in changing
    }


def refresh(client: Client, refresh_token: str) -> Any:
    return client.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})


def test_a_refresh_token_works_again_within_the_grace_period(
    client: Client,
) -> None:
    neo = register_user(client)
    first, second = (refresh(client, neo.refresh_token) for _ in "ab")
    tabs = [signed_in_user(client, answer.json()) for answer in (first, second)]

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.headers["cache-control"] == "no-store"
    assert len({neo.refresh_token, *(tab.refresh_token for tab in tabs)}) == 3
    for tab in tabs:
        assert tab("GET", "/auth/me").json() == neo.user
        assert refresh(client, tab.refresh_token).status_code == 200

    assert tabs[0]("POST", "/auth/logout").status_code == 204
    for tab in (neo, *tabs):
        assert tab("GET", "/auth/me").json()["code"] == "token_revoked"
        assert refresh(client, tab.refresh_token).json()["code"] == "token_revoked"


def test_without_a_grace_period_a_second_use_ends_the_session() -> None:
    with serving_with_store(refresh_grace="0s") as (client, _):
        neo, elsewhere = register_user(client), signed_in_user(client, log_in(client).json())
        newer = signed_in_user(client, refresh(client, neo.refresh_token).json())
        stolen = refresh(client, neo.refresh_token)

        assert (stolen.status_code, stolen.json()["code"]) == (401, "token_revoked")
        assert 'error="invalid_token"' in stolen.headers["www-authenticate"]
        assert refresh(client, newer.refresh_token).json()["code"] == "token_revoked"
        assert newer("GET", "/auth/me").json()["code"] == "token_revoked"
        assert elsewhere("GET", "/auth/me").status_code == 200


def test_the_error_code_distinguishes_invalid_tokens(here: tuple[Client, SqliteStore]) -> None:
    client, store = here
    neo = register_user(client)
    session = neo.refresh_token.partition(".")[0]
    past = container_over(store, Settings())
    past.clock.override(providers.Object(lambda: now() - timedelta(days=40)))
    expired = past.tokens().issue(UserId(neo.user["id"]), SessionId(session))
    stale = past.refresh_tokens().issue(SessionId(session), now())
    ended = past.refresh_tokens().issue(SessionId("0" * 24), now() + timedelta(days=1))
    access = {expired: "token_expired", neo.access_token[:-1]: "token_rejected", "x": "token_rejected"}
    refreshing = {
        stale: "token_expired",
        ended: "token_revoked",
        f"{session}.garbage": "token_rejected",
        neo.refresh_token[:-1]: "token_rejected",
    }
    for token, code in access.items():
        answer = client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert answer.headers["www-authenticate"] == 'Bearer realm="matinee", error="invalid_token"'
    for token, code in refreshing.items():
        answer = refresh(client, token)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert answer.headers["www-authenticate"] == 'Bearer realm="matinee", error="invalid_token"'
    assert neo("GET", "/auth/me").status_code == 200
    assert refresh(client, neo.refresh_token).status_code == 200


@pytest.mark.parametrize("token", ["", "x", ".", "a" * 24 + ".x", "ä.ö", "x" * 9000])
def test_a_malformed_refresh_token_is_refused(client: Client, token: str) -> None:
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": token}).status_code == 401


def test_after_a_logout_no_token_of_the_session_works(client: Client) -> None:
    neo, elsewhere = register_user(client), signed_in_user(client, log_in(client).json())

    answer = elsewhere("POST", "/auth/logout")

    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert elsewhere("GET", "/auth/me").json()["code"] == "token_revoked"
    assert refresh(client, elsewhere.refresh_token).json()["code"] == "token_revoked"
    assert neo("GET", "/auth/me").status_code == 200


def test_only_the_given_fields_of_a_profile_change(client: Client) -> None:
    neo = register_user(client)
    register_user(client, "trinity")

    changed = neo("PATCH", "/auth/me", {"username": "TheOne"})

    assert changed.status_code == 200
    assert changed.json() == neo.user | {"username": "TheOne"}
    assert neo("GET", "/auth/me").json() == changed.json()
    confirmed = {"current_password": PASSWORD}
    assert neo("PATCH", "/auth/me", {"email": "one@example.com", **confirmed}).json()["email"] == (
        "one@example.com"
    )
    assert neo("PATCH", "/auth/me", {"email": "trinity@example.com", **confirmed}).json()["code"] == (
        "email_taken"
    )
    assert neo("PATCH", "/auth/me", {"username": "Trinity"}).json()["code"] == "username_taken"
    assert neo("PATCH", "/auth/me", {"username": "THEONE"}).status_code == 200


@pytest.mark.parametrize("body", [{}, {"username": None}, {"email": ""}, {"role": "admin"}, {"id": "x"}])
def test_other_fields_of_a_profile_cannot_be_changed(client: Client, body: dict[str, Any]) -> None:
    neo = register_user(client)

    assert neo("PATCH", "/auth/me", body).status_code == 400
    assert neo("GET", "/auth/me").json() == neo.user


def test_another_address_needs_the_password(client: Client) -> None:
    neo = register_user(client)

    missing = neo("PATCH", "/auth/me", {"email": "one@example.com", "username": "TheOne"})
    wrong = neo("PATCH", "/auth/me", {"email": "one@example.com", "current_password": "wrong"})
    alone = neo("PATCH", "/auth/me", {"current_password": PASSWORD})

    assert (missing.status_code, missing.json()["errors"]) == (
        400,
        ["current_password is required to change the e-mail address"],
    )
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert (alone.status_code, alone.json()["errors"]) == (
        400,
        ["the body must change something: username or email or language"],
    )
    assert neo("GET", "/auth/me").json() == neo.user
    assert neo("PATCH", "/auth/me", {"email": neo.user["email"], "username": "TheOne"}).status_code == 200


def test_an_empty_change_is_refused_with_the_names_of_the_fields(client: Client) -> None:
    errors = register_user(client)("PATCH", "/auth/me", {}).json()["errors"]

    assert errors == ["the body must change something: username or email or language"]


def test_a_new_password_ends_every_other_session(client: Client) -> None:
    neo, elsewhere = register_user(client), signed_in_user(client, log_in(client).json())

    answer = neo("POST", "/auth/password", {"current_password": PASSWORD, "new_password": ANOTHER})

    assert answer.status_code == 204
    assert neo("GET", "/auth/me").status_code == 200
    assert elsewhere("GET", "/auth/me").status_code == 401
    assert log_in(client).status_code == 401
    assert log_in(client, password=ANOTHER).status_code == 200


def test_a_password_change_needs_the_current_password_and_a_valid_new_one(client: Client) -> None:
    neo = register_user(client)

    wrong = neo("POST", "/auth/password", {"current_password": "wrong", "new_password": ANOTHER})
    short = neo("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "short"})

    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert short.json()["errors"] == ["new_password must be 8 to 128 characters"]
    assert log_in(client).status_code == 200


def test_a_deleted_account_leaves_nothing_behind(client: Client) -> None:
    neo, trinity = register_user(client), register_user(client, "trinity")
    neo("PUT", "/movies/603/rating", {"rating": 2})
    trinity("PUT", "/movies/603/rating", {"rating": 9})
    neo("PUT", "/movies/603/watchlist")

    assert neo("DELETE", "/auth/me", {"password": "wrong"}).json()["code"] == "wrong_password"
    assert neo("DELETE", "/auth/me", {}).json()["errors"] == ["password is required"]
    assert neo("DELETE", "/auth/me", {"password": PASSWORD}).status_code == 204

    assert neo("GET", "/auth/me").status_code == 401
    assert log_in(client).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": neo.refresh_token}).status_code == 401
    summary = trinity("GET", "/ratings/movie/603").json()["summary"]
    assert (summary["average_rating"], summary["ratings_count"]) == (9.0, 1)
    assert register_user(client).user["id"] != neo.user["id"]


def test_an_export_has_all_data_of_the_caller_and_no_other(client: Client) -> None:
    neo, trinity = register_user(client), register_user(client, "trinity")
    rating = neo("POST", "/ratings", {"movie_id": "603", "rating": 8.5, "review": "Whoa."}).json()
    item = neo("POST", "/watchlist", {"movie_id": "604", "note": "soon"}).json()
    viewing = neo("POST", "/viewings", {"movie_id": "604", "watched_on": "2026-01-01"}).json()
    trinity("POST", "/ratings", {"movie_id": "603", "rating": 1})

    export = neo("GET", "/me/export").json()

    rating.pop("movie_rating")
    assert export == {
        "user": neo.user,
        "ratings": [rating],
        "watchlist": [item],
        "viewings": [viewing],
        "hidden": [],
    }
    assert trinity("GET", "/me/export").json()["watchlist"] == []


OPEN = {
    "/auth/register", "/auth/login", "/auth/refresh", "/about",
    "/health", "/health/live", "/health/ready", "/health/database", "/health/redis",
    "/metrics",
}  # fmt: skip


def test_every_call_requires_a_token_except_the_public_ones(here: tuple[Client, SqliteStore]) -> None:
    client, _ = here
    document = client.get("/api/v1/docs/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            url = path.replace("{id}", "603").replace("{movie_id}", "603")
            answer = client.request(method, url)
            wanted = path.removeprefix("/api/v1") not in OPEN
            in_path = path.endswith("{token}")

            assert bool(operation["security"]) is (wanted and not in_path), path
            assert (answer.status_code == 401) is wanted, path
            if wanted:
                assert answer.json()["code"] == "token_rejected"
                found = ', error="invalid_token"' if in_path else ""
                assert answer.headers["www-authenticate"] == f'Bearer realm="matinee"{found}'


@pytest.mark.parametrize("header", ["", "{token}", "Basic bmVvOm5lbw==", "Token {token}", "Bearerly x"])
def test_credentials_of_another_scheme_are_ignored(header: str) -> None:
    for public, status in (("true", 200), ("false", 401)):
        with serving_with_store(public_catalogue=public) as (client, _):
            sent = header.format(token=register_user(client).access_token)
            answer = client.get("/api/v1/movies", headers={"Authorization": sent})

        assert answer.status_code == status
        assert ("error=" in answer.headers.get("www-authenticate", "")) is False


def test_a_token_is_accepted_beside_credentials_for_a_proxy() -> None:
    with serving_with_store(public_catalogue="true") as (client, _):
        neo = register_user(client)
        basic = [("Authorization", "Basic bmVvOm5lbw==")]
        token, other = list(neo.headers.items()), [("Authorization", "Bearer x")]

        assert call_synchronously(client.app, "/api/v1/auth/me", headers=basic + token).json() == neo.user
        assert call_synchronously(client.app, "/api/v1/auth/me", headers=token + basic).status == 200
        assert call_synchronously(client.app, "/api/v1/movies", headers=basic + token).status == 200
        assert call_synchronously(client.app, "/api/v1/movies", headers=basic + other).status == 401
        assert call_synchronously(client.app, "/api/v1/movies", headers=token + other).status == 401


@pytest.mark.parametrize("public", ["true", "false"])
@pytest.mark.parametrize(
    ("header", "sent_as_bearer"),
    [
        ("Bearer", False),
        ("Bearer ", False),
        ("Bearer {token} {token}", False),
        ("Bearer {token},", False),
        ("Bearer x", True),
        ("Bearer a.b.c", True),
        ("Bearer {token}x", True),
        ("Bearer {body}.", True),
        ("Bearer " + "a" * 9000, True),
    ],
)
def test_a_bad_token_is_refused_even_where_none_is_needed(
    public: str, header: str, *, sent_as_bearer: bool
) -> None:
    with serving_with_store(public_catalogue=public) as (client, _):
        token = register_user(client).access_token
        sent = header.format(token=token, body=token.rpartition(".")[0])
        answer = client.get("/api/v1/movies", headers={"Authorization": sent})

    assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected")
    assert ('error="invalid_token"' in answer.headers["www-authenticate"]) is sent_as_bearer


def test_two_tokens_in_one_request_are_refused(client: Client) -> None:
    neo = register_user(client)
    answer = client.get("/api/v1/auth/me", headers=[("Authorization", f"Bearer {neo.access_token}")] * 2)

    assert answer.json()["code"] == "token_rejected"


def test_the_scheme_of_a_token_is_case_insensitive(client: Client) -> None:
    neo = register_user(client)

    assert neo("GET", "/auth/me", headers={"Authorization": f"bearer  {neo.access_token}"}).status_code == 200


def test_responses_of_a_private_catalogue_may_be_cached_by_the_caller_only(client: Client) -> None:
    neo = register_user(client)

    for path in ("/movies", "/movies/603", "/genres", "/auth/me", "/ratings", "/watchlist", "/me/export"):
        answer = neo("GET", path)
        again = neo("GET", path, headers={"If-None-Match": answer.headers["etag"]})
        head = neo("HEAD", path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "private, no-cache"
        assert (again.status_code, again.content) == (304, b"")
        assert (head.status_code, head.headers["etag"]) == (200, answer.headers["etag"])


def test_a_disabled_user_is_not_authenticated(here: tuple[Client, SqliteStore]) -> None:
    client, store = here
    neo, smith = register_user(client), register_user(client, "smith")
    promote(store, smith)

    changed = smith("PATCH", f"/admin/users/{neo.user['id']}", {"disabled": True})

    assert changed.json() == neo.user | {"disabled": True}
    assert neo("GET", "/auth/me").json()["code"] == "token_revoked"
    assert refresh(client, neo.refresh_token).json()["code"] == "token_revoked"
    assert log_in(client).json()["code"] == "invalid_credentials"
    assert smith("PATCH", f"/admin/users/{neo.user['id']}", {"disabled": False}).json()["disabled"] is False
    assert log_in(client).status_code == 200


def test_admins_list_accounts_oldest_first(here: tuple[Client, SqliteStore]) -> None:
    client, store = here
    smith = register_user(client, "smith")
    promote(store, smith)
    others = [register_user(client, name) for name in ("neo", "trinity", "morpheus")]
    ids = sorted(each.user["id"] for each in (smith, *others))  # all at the same time

    page = smith("GET", "/admin/users?limit=3")
    body = page.json()

    assert [user["id"] for user in body["data"]] == ids[:3]
    assert set(body["data"][0]) == {"id", "username", "email", "role", "created_at", "disabled"}
    assert body["meta"].pop("next_cursor")
    assert body["meta"] == {
        "total": 4, "page": 1, "limit": 3, "total_pages": 2,
        "has_next_page": True, "has_prev_page": False,
    }  # fmt: skip
    assert '</api/v1/admin/users?limit=3&page=2>; rel="next"' in page.headers["link"]
    rest = smith("GET", "/admin/users?limit=3&page=2").json()
    assert [user["id"] for user in rest["data"]] == ids[3:]
    assert rest["meta"]["has_prev_page"]


def test_the_last_admin_cannot_be_demoted_or_disabled(here: tuple[Client, SqliteStore]) -> None:
    client, store = here
    smith, neo = register_user(client, "smith"), register_user(client)
    promote(store, smith)
    path = f"/admin/users/{smith.user['id']}"

    assert smith("PATCH", path, {"role": "user"}).json()["code"] == "last_admin"
    assert smith("PATCH", path, {"disabled": True}).json()["code"] == "last_admin"
    assert smith("DELETE", "/auth/me", {"password": PASSWORD}).json()["code"] == "last_admin"
    assert smith("PATCH", f"/admin/users/{neo.user['id']}", {"role": "admin"}).json()["role"] == "admin"
    assert smith("PATCH", path, {"role": "user"}).status_code == 200
    assert smith("GET", "/admin/users").json()["code"] == "admins_only"


def test_administration_requires_the_role_admin(client: Client) -> None:
    neo = register_user(client)

    for answer in (
        neo("GET", "/admin/users"),
        neo("PATCH", f"/admin/users/{neo.user['id']}", {"role": "admin"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "admins_only")
    assert neo("GET", "/auth/me").json()["role"] == "user"


@pytest.mark.parametrize("name", ["603", "x", "a" * 24, "A" * 24])
def test_an_unknown_user_is_not_found(here: tuple[Client, SqliteStore], name: str) -> None:
    client, store = here
    smith = register_user(client, "smith")
    promote(store, smith)

    answer = smith("PATCH", f"/admin/users/{name}", {"role": "admin"})

    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


@dataclass
class SlowHasher:
    """A hasher that takes as long as the test decides."""

    go_on: Event = field(default_factory=Event)

    def hash(self, password: str) -> str:
        return "a hash"

    def verify(self, password_hash: str, password: str) -> bool:
        assert self.go_on.wait(timeout=20)
        return False

    def outdated(self, password_hash: str) -> bool:
        return False


def test_logins_do_not_delay_other_requests_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pools, "PASSWORD_THREADS", 20)
    store, hasher = filled_store([]), SlowHasher()
    container = container_over(store, Settings())
    container.hasher.override(providers.Object(hasher))

    logins, full, movies, after = asyncio.run(_crowd(application(store, container=container), hasher))

    assert {reply.status for reply in logins} == {401}
    assert (full.status, full.json()["code"], full.headers["retry-after"]) == (503, "server_full", "1")
    assert movies.status == 200
    assert after.status == 401


@dataclass
class StuckUsers:
    """A user repository whose deletions take as long as the test decides."""

    store: SqliteStore
    begun: Semaphore = field(default_factory=lambda: Semaphore(0))
    go_on: Event = field(default_factory=Event)

    def remove(self, user: UserId, *, verified: str | None = None) -> bool:
        self.begun.release()
        assert self.go_on.wait(timeout=20)
        return self.store.users.remove(user, verified=verified)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store.users, name)


@pytest.mark.parametrize("by_admin", [False, True])
def test_slow_deletions_do_not_block_logins(by_admin: bool) -> None:
    store = filled_store([THE_MATRIX])
    container = container_over(store, Settings())
    quick = container.hasher()
    container.hasher.override(providers.Object(ThreadedPasswordHasher(quick, threads=1)))
    users = StuckUsers(store)
    container.users.override(providers.Object(users))
    app = application(store, container=container)

    async def post(path: str, body: Any, token: str = "", method: str = "POST") -> AsgiResponse:
        headers = {
            "content-type": "application/json",
            **({"authorization": f"Bearer {token}"} if token else {}),
        }
        return await call(
            app, f"/api/v1{path}", method=method, headers=headers, body=msgspec.json.encode(body)
        )

    async def delete(each: Any, admin: Any) -> AsgiResponse:
        if by_admin:
            return await post(f"/admin/users/{each['user']['id']}", {}, admin["access_token"], "DELETE")
        return await post("/auth/me", {"password": PASSWORD}, each["access_token"], "DELETE")

    async def work() -> tuple[list[AsgiResponse], list[AsgiResponse]]:
        admin = (await post("/auth/register", account("boss"))).json()
        store.users.change(admin["user"]["id"], lambda user: user.with_changes(now(), role=Role.ADMIN))
        leaving = [(await post("/auth/register", account(f"user{number}"))).json() for number in range(9)]
        deletions = [asyncio.create_task(delete(each, admin)) for each in leaving]
        try:
            for _ in range(DELETION_THREADS):
                assert await asyncio.to_thread(users.begun.acquire, timeout=20)
            (full,), _ = await asyncio.wait(deletions, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            answers = [
                await post("/auth/register", account("neo")),
                await post("/auth/login", {"email": "neo@example.com", "password": PASSWORD}),
                await full,
            ]
            token = answers[0].json()["access_token"]
            answers.append(
                await post("/auth/password", {"current_password": PASSWORD, "new_password": ANOTHER}, token)
            )
        finally:
            users.go_on.set()
        return answers, [await each for each in deletions if each is not full]

    answers, deleted = asyncio.run(work())
    assert [reply.status for reply in answers] == [201, 200, 503, 204]
    assert [reply.status for reply in deleted] == [204] * DELETION_THREADS
    store.close()


async def _crowd(
    app: Any, hasher: SlowHasher
) -> tuple[list[AsgiResponse], AsgiResponse, AsgiResponse, AsgiResponse]:
    def login() -> Any:
        body = msgspec.json.encode({"email": "neo@example.com", "password": PASSWORD})
        headers = {"content-type": "application/json"}
        return call(app, "/api/v1/auth/login", method="POST", headers=headers, body=body)

    waiting = [asyncio.create_task(login()) for _ in range(20)]
    try:
        await asyncio.sleep(0)  # all have started
        full = await asyncio.wait_for(login(), timeout=10)
        movies = await asyncio.wait_for(call(app, "/api/v1/movies"), timeout=10)
        assert not any(each.done() for each in waiting)
    finally:
        hasher.go_on.set()
    replies = [await each for each in waiting]
    return replies, full, movies, await login()


def test_a_token_signed_with_another_secret_is_rejected(here: tuple[Client, SqliteStore]) -> None:
    client, store = here
    neo = register_user(client)
    other = container_over(store, Settings())
    other.secret.override(providers.Object(b"another secret of enough bytes..."))
    session = SessionId(neo.refresh_token.partition(".")[0])
    forged = other.tokens().issue(UserId(neo.user["id"]), session)

    answer = client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {forged}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected")


def test_the_examples_of_bodies_in_the_document_are_valid(here: tuple[Client, SqliteStore]) -> None:
    client, store = here
    document = client.get("/api/v1/docs/openapi.json").json()
    smith = register_user(client, "smith")
    promote(store, smith)
    bodies = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                continue
            content = operation["requestBody"]["content"]["application/json"]
            many = content["schema"].get("type") == "array"
            if content["schema"].get("type") == "object":  # what players send has no common form
                continue
            reference = content["schema"]["items" if many else "$ref"]
            name = (reference["$ref"] if many else reference).rpartition("/")[2]
            schema = document["components"]["schemas"][name]
            answer = smith(method, path.removeprefix("/api/v1").replace("{id}", "0" * 24), content["example"])

            example = content["example"][0] if many else content["example"]
            assert set(example) == set(schema["properties"])
            assert schema["additionalProperties"] is False
            assert answer.status_code != 400, answer.text
            assert str(answer.status_code) in operation["responses"]
            assert "415" in operation["responses"]
            bodies += 1
    assert bodies >= 15


def test_the_language_of_the_pages_is_shown_while_one_is_chosen(client: Client) -> None:
    neo = register_user(client, "tastes")
    assert "language" not in neo("GET", "/auth/me").json()
    assert neo("PATCH", "/auth/me", {"language": "de"}).json()["language"] == "de"
    assert neo("PATCH", "/auth/me", {"username": "tasteful"}).json()["language"] == "de"
    assert neo("PATCH", "/auth/me", {"language": "de", "current_password": PASSWORD}).status_code == 200
    refused = neo("PATCH", "/auth/me", {"language": "fr"})
    assert (refused.status_code, refused.json()["errors"]) == (
        400,
        ["language must be one of en, de, or null"],
    )
    assert "language" not in neo("PATCH", "/auth/me", {"language": None}).json()
