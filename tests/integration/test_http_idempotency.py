"""`Idempotency-Key` over HTTP: a repeated POST is carried out once."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from domain.errors import StorageUnavailable
from domain.idempotency import ATTEMPT_TIMEOUT, RETENTION, Attempt
from domain.ids import UserId
from entrypoints.settings import Settings
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    SignedInUser,
    client_over,
    container_over,
    filled_store,
    now,
    register_user,
    signed_in_user,
)


class Place:
    """A user, and a clock that can be set."""

    def __init__(self, store: SqliteStore, client: Any) -> None:
        self.store = store
        self.neo: SignedInUser = register_user(client)
        self.late = timedelta(0)

    def post(self, path: str, body: Any, key: str = "one", somebody: SignedInUser | None = None) -> Any:
        return (somebody or self.neo)("POST", path, body, headers={"Idempotency-Key": key})


@pytest.fixture
def place() -> Iterator[Place]:
    store = filled_store([THE_MATRIX, facts(604)])
    container = container_over(store, Settings(jwt_expires_in="30d"))
    made: list[Place] = []
    container.clock.override(providers.Object(lambda: now() + (made[0].late if made else timedelta(0))))
    with client_over(store, container=container) as client:
        made.append(Place(store, client))
        yield made[0]
    store.close()


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_repeated_request_has_the_same_response_and_is_done_once(place: Place) -> None:
    body = {"movie_id": 603, "watched_on": "2026-01-01", "rewatch": True}
    first, second = place.post("/viewings", body), place.post("/viewings", body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert place.neo("GET", "/viewings").json()["meta"]["total"] == 1
    assert place.post("/viewings", body, "two").json()["id"] != first.json()["id"]


def test_a_refusal_is_repeated_too(place: Place) -> None:
    body = {"movie_id": 605, "rating": 8}
    assert code(place.post("/ratings", body)) == (404, "movie_not_found")
    again = place.post("/ratings", body)
    assert (code(again), again.headers["idempotency-replayed"]) == ((404, "movie_not_found"), "true")


def test_a_key_is_for_one_request_of_one_user(place: Place) -> None:
    body = {"movie_id": 603, "rating": 8}
    assert place.post("/ratings", body).status_code == 201
    assert code(place.post("/ratings", {**body, "rating": 9})) == (409, "idempotency_key_reused")
    assert code(place.post("/watchlist", {"movie_id": 603})) == (409, "idempotency_key_reused")
    trinity = register_user(place.neo.client, "trinity")
    assert place.post("/ratings", body, somebody=trinity).status_code == 201


def test_a_key_is_kept_for_a_day(place: Place) -> None:
    body = {"movie_id": 603, "rating": 8}
    place.post("/ratings", body)
    place.late = RETENTION - timedelta(seconds=1)
    assert place.post("/ratings", body).status_code == 201
    place.late = RETENTION
    assert code(place.post("/ratings", body)) == (409, "already_rated")


def test_of_concurrent_requests_one_is_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    body, others = {"movie_id": 603, "rating": 8}, list[Any]()
    kind = type(place.store.ratings)
    add = kind.add

    def slow(repository: Any, rating: Any) -> Any:
        others.append(place.store.idempotency)
        attempt = Attempt(id="b" * 24, user=rating.user, key="one", fingerprint="", at=now())
        with pytest.raises(Exception, match="another request"):
            place.store.idempotency.begin(attempt)
        return add(repository, rating)

    monkeypatch.setattr(kind, "add", slow)
    assert place.post("/ratings", body).status_code == 201
    assert len(others) == 1


def test_an_attempt_in_progress_is_waited_for_until_it_must_have_died(place: Place) -> None:
    body = {"movie_id": 603, "rating": 8}
    assert place.post("/ratings", body).status_code == 201
    with place.store.database.writing() as connection:
        connection.execute("UPDATE idempotency_keys SET done = 0, response = NULL")
    answer = place.post("/ratings", body)
    assert (code(answer), answer.headers["retry-after"]) == ((409, "idempotency_key_in_use"), "1")
    place.late = ATTEMPT_TIMEOUT
    assert code(place.post("/ratings", body)) == (409, "already_rated")


KILLED_BEFORE_ITS_RESPONSE = """
import json, os, pathlib, signal, sys
from litestar.testing import TestClient
from adapters.sqlite.idempotency import SqliteIdempotencyRepository
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, store_page
from tests.integration.http_service import application, now, register_user

store = SqliteStore(path=pathlib.Path(sys.argv[1]), clock=now)
store.prepare()
store_page(store, facts(603))
SqliteIdempotencyRepository.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with TestClient(application(store)) as client:
    register_user(client)("POST", sys.argv[2], json.loads(sys.argv[3]), headers={"Idempotency-Key": "one"})
"""


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/viewings", {"rewatch": True}, (201, None)),
        ("/viewings", {"watched_on": "2026-01-01", "remove_from_watchlist": True}, (201, None)),
        ("/ratings", {"rating": 8}, (409, "already_rated")),
        ("/watchlist", {}, (409, "already_listed")),
    ],
)
def test_a_request_whose_process_is_killed_before_it_responds_is_done_once(
    tmp_path: Path, path: str, body: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    body = {"movie_id": 603, **body}
    arguments = [str(tmp_path / "matinee.db"), path, json.dumps(body)]
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_ITS_RESPONSE, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    store = SqliteStore(path=tmp_path / "matinee.db", clock=now)
    store.prepare()
    container = container_over(store, Settings(jwt_expires_in="30d"))
    container.clock.override(providers.Object(lambda: now() + ATTEMPT_TIMEOUT))
    with client_over(store, container=container) as client:
        login = client.post("/api/v1/auth/login", json={"email": "neo@example.com", "password": PASSWORD})
        neo = signed_in_user(client, login.json())

        def post() -> Any:
            return neo("POST", path, body, headers={"Idempotency-Key": "one"})

        (stored,) = neo("GET", path).json()["data"]
        answer = post()
        assert (answer.status_code, answer.json().get("code")) == expected
        assert neo("GET", path).json()["data"] == [stored]
        if answer.status_code == 201:
            assert answer.json() == stored
            replayed = post()
            assert (replayed.json(), replayed.headers["idempotency-replayed"]) == (stored, "true")
    store.close()


def test_the_same_viewing_under_the_same_key_a_day_later_is_another(place: Place) -> None:
    body = {"movie_id": 603, "rewatch": True}
    first = place.post("/viewings", body).json()["id"]
    place.late = RETENTION
    assert place.post("/viewings", body).json()["id"] != first
    assert place.neo("GET", "/viewings").json()["meta"]["total"] == 2


def test_a_failure_is_not_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        reason = "jammed"
        raise StorageUnavailable(reason)

    body = {"movie_id": 603, "rating": 8}
    with monkeypatch.context() as patch:
        patch.setattr(type(place.store.ratings), "add", fail)
        assert place.post("/ratings", body).status_code == 503
    assert place.post("/ratings", body).status_code == 201


def test_a_response_with_a_secret_is_not_kept(place: Place) -> None:
    body = {"name": "Player", "scope": "read"}
    assert place.post("/auth/tokens", body).status_code == 201
    assert code(place.post("/auth/tokens", body)) == (409, "response_not_kept")
    assert place.store.api_tokens.count(UserId(place.neo.user["id"])) == 1


def test_an_asynchronous_handler_repeats_its_response(place: Place) -> None:
    wrong = {"current_password": "guessed it", "new_password": "there is no spoon"}
    right = {**wrong, "current_password": PASSWORD}
    for _ in range(2):
        assert code(place.post("/auth/password", wrong, "wrong")) == (403, "wrong_password")
        assert place.post("/auth/password", right, "right").status_code == 204


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 201])
def test_an_invalid_key_is_named(place: Place, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    answer = place.neo("POST", "/ratings", {"movie_id": 603, "rating": 8}, headers=headers)
    assert [each["field"] for each in answer.json()["details"]] == ["Idempotency-Key"]


def test_a_key_has_no_effect_without_a_caller(place: Place) -> None:
    login = {"email": "neo@example.com", "password": PASSWORD}
    client, headers = place.neo.client, {"Idempotency-Key": "one"}
    tokens = {client.post("/api/v1/auth/login", json=login, headers=headers).text for _ in range(2)}
    assert len(tokens) == 2
