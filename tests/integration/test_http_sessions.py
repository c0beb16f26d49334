"""The list of one's own sessions over HTTP, and ending them."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sqlite.store import SqliteStore
from tests.integration.http_service import (
    PASSWORD,
    Client,
    SignedInUser,
    register_user,
    serving_with_store,
    signed_in_user,
)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def here() -> Iterator[tuple[Client, SqliteStore]]:
    with serving_with_store() as here:
        yield here


@pytest.fixture
def client(here: tuple[Client, SqliteStore]) -> Client:
    return here[0]


def log_in(client: Client, user_agent: str = "curl/8.5.0") -> SignedInUser:
    body = {"email": "neo@example.com", "password": PASSWORD}
    answer = client.post("/api/v1/auth/login", json=body, headers={"User-Agent": user_agent})
    assert answer.status_code == 200, answer.text
    return signed_in_user(client, answer.json())


def sessions(somebody: SignedInUser) -> list[dict[str, Any]]:
    answer = somebody("GET", "/me/sessions")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def current(somebody: SignedInUser) -> str:
    (session,) = (each["id"] for each in sessions(somebody) if each["current"])
    return str(session)


def status(somebody: SignedInUser) -> int:
    return int(somebody("GET", "/auth/me").status_code)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_session_shows_the_program_that_logged_in_and_no_secret(client: Client) -> None:
    register_user(client)
    neo = log_in(client, FIREFOX)
    answer = neo("GET", "/me/sessions")
    (here,) = (each for each in answer.json()["data"] if each["current"])
    assert here == {
        "id": here["id"],
        "client": "Firefox (Linux)",
        "created_at": "2026-01-02T12:00:00.345Z",
        "refreshed_at": "2026-01-02T12:00:00.345Z",
        "expires_at": "2026-02-01T12:00:00.345Z",
        "current": True,
    }
    assert answer.json()["meta"]["total"] == 2
    for secret in (neo.access_token, neo.refresh_token, "hash"):
        assert secret not in answer.text


def test_a_program_that_does_not_name_itself_has_no_name(client: Client) -> None:
    register_user(client)
    assert [each["client"] for each in sessions(log_in(client, "")) if each["current"]] == [None]


def test_a_refreshed_session_stays_the_same(client: Client) -> None:
    neo = register_user(client)
    before = current(neo)
    body = client.post("/api/v1/auth/refresh", json={"refresh_token": neo.refresh_token}).json()
    assert current(signed_in_user(client, body)) == before
    assert len(sessions(neo)) == 1


def test_another_session_is_ended_at_once(client: Client) -> None:
    neo = register_user(client)
    other = log_in(client)
    assert status(other) == 200
    assert neo("DELETE", f"/me/sessions/{current(other)}").status_code == 204
    assert code(other("GET", "/auth/me")) == (401, "token_revoked")
    refreshed = client.post("/api/v1/auth/refresh", json={"refresh_token": other.refresh_token})
    assert code(refreshed) == (401, "token_revoked")
    assert [each["current"] for each in sessions(neo)] == [True]


def test_ones_own_session_may_be_ended(client: Client) -> None:
    neo = register_user(client)
    other = log_in(client)
    assert neo("DELETE", f"/me/sessions/{current(neo)}").status_code == 204
    assert (status(neo), status(other)) == (401, 200)


def test_an_unknown_session_and_that_of_another_user_are_not_found(client: Client) -> None:
    neo, trinity = register_user(client), register_user(client, "trinity")
    for session in ("x", "0" * 24, current(trinity)):
        answer = neo("DELETE", f"/me/sessions/{session}")
        assert code(answer) == (404, "session_not_found")
        assert answer.json()["message"] == "There is no such session"
    assert (status(neo), status(trinity)) == (200, 200)


def test_all_other_sessions_are_ended_and_tokens_go_on(client: Client) -> None:
    neo, trinity = register_user(client), register_user(client, "trinity")
    others = [log_in(client) for _ in range(2)]
    token = neo("POST", "/auth/tokens", {"name": "Player", "scope": "read"}).json()["token"]
    assert [status(each) for each in others] == [200, 200]
    assert neo("DELETE", "/me/sessions").status_code == 204
    assert [status(each) for each in others] == [401, 401]
    assert [status(each) for each in (neo, trinity, SignedInUser(client, neo.user, token, ""))] == [200] * 3
    assert neo("DELETE", "/me/sessions").status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/me/sessions"), ("DELETE", "/me/sessions/{id}"), ("DELETE", "/me/sessions")],
)
def test_an_api_token_neither_lists_nor_ends_sessions(client: Client, method: str, path: str) -> None:
    neo = register_user(client)
    other = log_in(client)
    token = neo("POST", "/auth/tokens", {"name": "Player", "scope": "write"}).json()["token"]
    answer = SignedInUser(client, neo.user, token, "")(method, path.format(id=current(other)))
    assert code(answer) == (403, "session_required")
    assert status(other) == 200
