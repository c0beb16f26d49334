"""API tokens over HTTP: making and ending them, and what they may do."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from dependency_injector import providers

from adapters.sqlite.store import SqliteStore
from domain.ids import SessionId, UserId
from domain.users import Role
from entrypoints.http.app import openapi
from entrypoints.settings import Settings
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    Client,
    SignedInUser,
    client_over,
    container_over,
    filled_store,
    now,
    register_user,
    serving_with_store,
)


@pytest.fixture
def here() -> Iterator[tuple[SignedInUser, SqliteStore]]:
    with serving_with_store() as (client, store):
        yield register_user(client), store


def made(somebody: SignedInUser, scope: str = "write", **more: Any) -> tuple[SignedInUser, str]:
    """A token of somebody, as one who sends it, and its id."""
    answer = somebody("POST", "/auth/tokens", {"name": "Player", "scope": scope, **more})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return SignedInUser(somebody.client, somebody.user, body["token"], ""), body["id"]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_token_is_shown_once_and_listed_without_its_text(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    answer = neo("POST", "/auth/tokens", {"name": " Player ", "scope": "read", "expires_in": "90d"})
    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    text = body.pop("token")
    assert text.startswith("matinee_")
    assert body == {
        "id": body["id"],
        "name": "Player",
        "scope": "read",
        "created_at": "2026-01-02T12:00:00.345Z",
        "expires_at": "2026-04-02T12:00:00.345Z",
    }
    listed = neo("GET", "/auth/tokens")
    assert listed.json()["data"] == [body]
    assert text not in listed.text


def test_every_fault_of_a_new_token_is_named(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    answer = neo("POST", "/auth/tokens", {"name": " ", "scope": "admin", "expires_in": "1s", "more": 1})
    assert answer.status_code == 400
    assert {fault["field"] for fault in answer.json()["details"]} == {"name", "scope", "expires_in", "more"}


def test_a_token_may_do_what_its_scope_allows(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    reader, writer = made(neo, "read")[0], made(neo)[0]
    assert reader("GET", "/ratings").status_code == 200
    assert reader("HEAD", "/auth/me").status_code == 200
    assert code(reader("PUT", "/movies/603/rating", {"rating": 8})) == (403, "read_only_token")
    assert code(reader("POST", "/watchlist", {"movie_id": 603})) == (403, "read_only_token")
    assert writer("PUT", "/movies/603/rating", {"rating": 8}).status_code == 201
    assert reader("GET", "/ratings").json()["data"][0]["rating"] == 8


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/tokens", {"name": "Another", "scope": "read"}),
        ("GET", "/auth/tokens", None),
        ("DELETE", "/auth/tokens/{token}", None),
        ("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "there is no spoon"}),
        ("PATCH", "/auth/me", {"username": "thomas"}),
        ("DELETE", "/auth/me", {"password": PASSWORD}),
        ("POST", "/auth/logout", None),
        ("GET", "/me/sessions", None),
        ("DELETE", "/me/sessions", None),
        ("PATCH", "/admin/users/{user}", {"password": "there is no spoon"}),
        ("DELETE", "/admin/users/{user}", None),
    ],
)
def test_a_token_touches_no_account(
    here: tuple[SignedInUser, SqliteStore], method: str, path: str, body: Any
) -> None:
    neo, store = here
    store.users.change(UserId(neo.user["id"]), lambda user: user.with_changes(now(), role=Role.ADMIN))
    script, token = made(neo)
    answer = script(method, path.format(token=token, user=neo.user["id"]), body)
    assert code(answer) == (403, "session_required")
    assert script("GET", "/admin/users").status_code == 200


def test_a_token_is_ended_alone(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    (ended, identifier), (kept, _) = made(neo), made(neo)
    assert ended("GET", "/auth/me").status_code == 200
    assert neo("DELETE", f"/auth/tokens/{identifier}").status_code == 204
    assert code(ended("GET", "/auth/me")) == (401, "token_revoked")
    assert kept("GET", "/auth/me").status_code == 200
    assert code(neo("DELETE", f"/auth/tokens/{identifier}")) == (404, "api_token_not_found")
    assert code(neo("DELETE", "/auth/tokens/x")) == (404, "api_token_not_found")
    trinity = register_user(neo.client, "trinity")
    assert code(trinity("DELETE", f"/auth/tokens/{made(neo)[1]}")) == (404, "api_token_not_found")


def test_a_token_ends_with_the_password(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    script, _ = made(neo)
    change = {"current_password": PASSWORD, "new_password": "there is no spoon"}
    assert neo("POST", "/auth/password", change).status_code == 204
    assert code(script("GET", "/auth/me")) == (401, "token_revoked")
    assert neo("GET", "/auth/tokens").json()["data"] == []


def test_a_token_outlives_the_session_that_made_it(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, store = here
    script, _ = made(neo)
    neo("POST", "/auth/logout")
    assert script("GET", "/auth/me").status_code == 200
    store.users.change(UserId(neo.user["id"]), lambda user: user.with_changes(now(), disabled=True))
    assert code(script("GET", "/auth/me")) == (401, "token_revoked")


@pytest.mark.parametrize("text", ["matinee_", "matinee_x.y", "matinee_" + "a" * 43 + "." + "b" * 43])
def test_a_forged_token_is_rejected(here: tuple[SignedInUser, SqliteStore], text: str) -> None:
    neo, _ = here
    assert code(SignedInUser(neo.client, neo.user, text, "")("GET", "/auth/me")) == (401, "token_rejected")


def test_an_expired_token_says_so_and_stays_listed() -> None:
    store, late = filled_store([THE_MATRIX]), {"by": timedelta(0)}
    container = container_over(store, Settings())
    container.clock.override(providers.Object(lambda: now() + late["by"]))
    with client_over(store, container=container) as client:
        neo = register_user(client)
        script, token = made(neo, expires_in=3600)
        late["by"] = timedelta(hours=1)
        assert code(script("GET", "/auth/me")) == (401, "token_expired")
        assert [each["id"] for each in neo("GET", "/auth/tokens").json()["data"]] == [token]
    store.close()


def test_a_session_that_ended_meanwhile_makes_no_token(
    here: tuple[SignedInUser, SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    neo, store = here
    add = type(store.api_tokens).add

    def late(repository: Any, token: Any, *, session: SessionId) -> bool:
        store.sessions.remove(session)
        return add(repository, token, session=session)

    monkeypatch.setattr(type(store.api_tokens), "add", late)
    answer = neo("POST", "/auth/tokens", {"name": "Player", "scope": "read"})
    assert code(answer) == (401, "token_revoked")


def test_the_document_names_what_refuses_tokens(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    client: Client = neo.client
    paths = client.get("/api/v1/docs/openapi.json").json()["paths"]
    assert openapi(client.app)
    assert "403" in paths["/api/v1/movies/{id}/rating"]["put"]["responses"]
    assert "403" in paths["/api/v1/auth/tokens"]["get"]["responses"]
    assert "403" not in paths["/api/v1/ratings"]["get"]["responses"]
