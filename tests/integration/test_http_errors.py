"""Errors as clients see them."""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from litestar import Litestar
from litestar.exceptions import (
    HTTPException,
    ImproperlyConfiguredException,
    NotAuthorizedException,
    WebSocketDisconnect,
)

from adapters.sqlite.genres import SqliteGenreRepository
from adapters.sqlite.store import SqliteStore
from domain.errors import (
    Conflict,
    Fault,
    FaultCode,
    Forbidden,
    Invalid,
    InvalidFields,
    NotFound,
    StorageUnavailable,
    Unauthenticated,
)
from domain.movies import Genre, MovieNotFound
from domain.sync import Entity, SourceRefused, SourceUnavailable, SyncRunning
from entrypoints import batched_log
from entrypoints.http import middleware
from entrypoints.http.errors import problem_of
from entrypoints.http.exceptions import ServerFull
from tests.integration.http_service import (
    AsgiResponse,
    any_application,
    application,
    call,
    call_synchronously,
    filled_store,
    now,
    serving,
)

TWO_FAULTS = (Fault("a", FaultCode.MALFORMED, "must be b"), Fault("c", FaultCode.REQUIRED, "is required"))


def failing(error: Exception) -> Callable[[], None]:
    """A database whose ping raises this error."""

    def ping() -> None:
        raise error

    return ping


def test_an_error_has_exactly_the_fields_of_the_contract() -> None:
    with serving() as client:
        answer = client.get("/api/v1/movies?limit=0", headers={"X-Request-ID": "mine"})

    error = answer.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", error.pop("timestamp"))
    assert error == {
        "statusCode": 400,
        "code": "validation_failed",
        "message": "Validation failed",
        "errors": ["limit must be a whole number from 1 to 100"],
        "details": [
            {"field": "limit", "code": "out_of_range", "message": "must be a whole number from 1 to 100"}
        ],
        "path": "/api/v1/movies",
        "request_id": "mine",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("name must not be empty"), 400, "validation_failed"),
        (InvalidFields(TWO_FAULTS), 400, "validation_failed"),
        (Unauthenticated("sign in"), 401, "token_rejected"),
        (Forbidden("not yours"), 403, "forbidden"),
        (NotFound("nothing"), 404, "not_found"),
        (MovieNotFound(5), 404, "movie_not_found"),
        (Conflict("not now"), 409, "conflict"),
        (SyncRunning(Entity.MOVIES), 409, "sync_running"),
        (SourceRefused("TMDB_API_KEY"), 502, "source_refused"),
        (SourceUnavailable("secret host"), 503, "source_unavailable"),
        (StorageUnavailable("/secret/path"), 503, "storage_unavailable"),
        (ServerFull(), 503, "server_full"),
        (NotAuthorizedException("secret"), 401, "token_rejected"),
        (HTTPException(status_code=413, detail="secret"), 413, "payload_too_large"),
        (HTTPException(status_code=415), 415, "unsupported_media_type"),
        (HTTPException(status_code=418), 418, "http_418"),
        (HTTPException(status_code=500, detail="secret"), 500, "internal_error"),
        (ImproperlyConfiguredException("secret"), 500, "internal_error"),
        (ZeroDivisionError("secret"), 500, "internal_error"),
    ],
)
def test_each_kind_of_error_has_its_status_and_reveals_nothing_internal(
    error: Exception, status: int, code: str
) -> None:
    problem = problem_of(error)

    assert (problem.status, problem.code) == (status, code)
    assert "secret" not in repr(problem)
    assert "TMDB_API_KEY" not in repr(problem)


def test_every_fault_is_listed_and_other_errors_list_none() -> None:
    assert problem_of(InvalidFields(TWO_FAULTS)).sentences == ("a must be b", "c is required")
    assert problem_of(InvalidFields(TWO_FAULTS)).faults == TWO_FAULTS
    assert problem_of(Invalid("a must be b")).sentences == ("a must be b",)
    assert problem_of(NotFound("nothing")).sentences == ()


def test_an_error_response_has_headers_for_the_next_step() -> None:
    assert dict(problem_of(Unauthenticated("who?")).headers)[b"www-authenticate"].startswith(b"Bearer")
    assert dict(problem_of(NotAuthorizedException()).headers)[b"www-authenticate"].startswith(b"Bearer")
    assert dict(problem_of(ServerFull()).headers) == {b"retry-after": b"1"}
    assert dict(problem_of(StorageUnavailable("away")).headers) == {b"retry-after": b"2"}
    assert dict(problem_of(SourceUnavailable("away")).headers) == {b"retry-after": b"2"}


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/nothing", "/api/v2/movies", "/api/v1/docs/nothing.js", "/schema"]
)
def test_the_404_of_an_unknown_path_links_to_the_documentation(path: str) -> None:
    with serving() as client:
        answer = client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/api/v1/docs" in answer.json()["message"]


def test_web_sockets_are_closed() -> None:
    with serving() as client, pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/v1/movies"):
        pytest.fail("it opened")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_405_names_the_allowed_methods(method: str) -> None:
    with serving() as client:
        answer = client.request(method, "/api/v1/genres")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


ROUTES = sorted({route.path_format for route in any_application().routes})


@pytest.mark.parametrize("cors", ["", "https://films.example"])
def test_options_and_a_405_name_the_same_methods(cors: str) -> None:
    with serving(cors_origins=cors, public_catalogue="true") as client:
        for route in ROUTES:
            options, refused = client.options(route), client.request("TRACE", route)

            assert (options.status_code, options.content) == (204, b"")
            assert refused.status_code == 405
            assert options.headers["allow"] == refused.headers["allow"]
            assert options.headers["x-request-id"]
            for method in options.headers["allow"].split(", "):
                assert client.request(method, route).status_code != 405
        assert client.options("/api/v1/auth/me").headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
        assert client.options("/api/v1/nothing").status_code == 404


def test_a_body_longer_than_we_read_is_refused_unread() -> None:
    with serving(max_body_bytes=100) as client:
        assert client.post("/api/v1/genres", content=b"a" * 100).status_code == 405
        answer = client.post("/api/v1/genres", content=b"a" * 101)

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("length", ["x", "-1", "9" * 40, ""])
def test_an_invalid_content_length_is_harmless(length: str) -> None:
    reply = call_synchronously(
        application(filled_store([])), "/api/v1/about", headers={"content-length": length}
    )

    assert reply.status == 200


def test_an_unexpected_error_is_logged_and_reveals_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with serving(database=failing(ZeroDivisionError("the secret"))) as client:
        answer = client.get("/api/v1/health", headers={"X-Request-ID": "mine"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "stack" not in answer.json()
    assert "Traceback" in caplog.text
    assert "the secret" in caplog.text
    assert "mine" in caplog.text


def test_in_development_an_unexpected_error_shows_its_traceback() -> None:
    with serving(database=failing(ZeroDivisionError("the cause")), environment="development") as client:
        error = client.get("/api/v1/health").json()

    assert error["message"].startswith("Something went wrong")
    assert "ZeroDivisionError: the cause\n" in error["stack"]


def test_without_storage_the_503_has_a_retry_after(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqliteStore(path=tmp_path / "matinee.db", clock=now)
    store.prepare()
    app = application(store)
    store.close()
    (tmp_path / "matinee.db").write_bytes(b"this is no database" * 1000)

    reply = call_synchronously(app, "/api/v1/movies")

    assert (reply.status, reply.json()["code"]) == (503, "storage_unavailable")
    assert reply.headers["retry-after"] == "2"
    assert "database" not in reply.json()["message"]
    assert "DatabaseError" in caplog.text


@pytest.mark.parametrize(
    "path", ["movies", "movies/search?q=a", "movies/603", "genres", "genres/18", "genres/18/movies"]
)
def test_a_private_catalogue_requires_a_token(path: str) -> None:
    with serving(public_catalogue="false") as client:
        answer = client.get(f"/api/v1/{path}")

    assert (answer.status_code, answer.json()["code"]) == (401, "token_rejected")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "/auth/login" in answer.json()["message"]


@pytest.mark.parametrize(
    "path", ["health", "health/live", "health/ready", "about", "docs", "docs/openapi.json"]
)
def test_public_endpoints_require_no_token(path: str) -> None:
    with serving(public_catalogue="false") as client:
        assert client.get(f"/api/v1/{path}").status_code == 200
        assert client.options("/api/v1/movies").status_code == 204


def test_an_overloaded_service_refuses_requests_at_once_and_stays_alive(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(middleware, "MAX_REQUESTS_IN_PROGRESS", 2)
    release, store = Event(), filled_store([])
    everything = SqliteGenreRepository.all

    def slowly(genres: SqliteGenreRepository) -> list[Genre]:
        assert release.wait(timeout=10)
        return everything(genres)

    monkeypatch.setattr(SqliteGenreRepository, "all", slowly)
    app = application(store)

    held, full, well, after = asyncio.run(_crowd(app, release))

    assert [reply.status for reply in held] == [200, 200]
    assert (full.status, full.json()["code"], full.headers["retry-after"]) == (503, "server_full", "1")
    assert full.headers["x-content-type-options"] == "nosniff"
    assert [reply.status for reply in well] == [200] * 5
    assert after.status == 200
    batched_log.flush()
    assert {record.name for record in caplog.records} == {"matinee.requests"}


async def _crowd(
    app: Litestar, release: Event
) -> tuple[list[AsgiResponse], AsgiResponse, list[AsgiResponse], AsgiResponse]:
    held = [asyncio.create_task(call(app, "/api/v1/genres")) for _ in range(2)]
    await asyncio.sleep(0)  # both have started
    try:
        full = await call(app, "/api/v1/about")
        health = ("", "/live", "/ready", "/database", "/redis")
        well = [await call(app, f"/api/v1/health{path}") for path in health]
    finally:
        release.set()
    replies = [await each for each in held]
    return replies, full, well, await call(app, "/api/v1/about")
