"""Hostile requests are refused with an error in the documented format, never a 500, and change nothing."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.sqlite.store import SqliteStore
from domain.ids import UserId
from domain.users import Role
from entrypoints.http.app import openapi
from tests.integration.http_service import (
    PASSWORD,
    Client,
    SignedInUser,
    account,
    any_application,
    now,
    register_user,
    serving_with_store,
)

CALLS = [
    "POST /auth/register",
    "POST /auth/login",
    "POST /auth/refresh",
    "PATCH /auth/me",
    "POST /auth/password",
    "DELETE /auth/me",
    "POST /ratings",
    "PUT /movies/603/rating",
    "PATCH /ratings/{rating}",
    "POST /watchlist",
    "PUT /movies/603/watchlist",
    "PATCH /watchlist/{item}",
    "POST /viewings",
    "PATCH /viewings/{viewing}",
    "POST /admin/ratings/verify",
]
EMPTY_IS_FINE = {"PUT /movies/603/watchlist", "POST /admin/ratings/verify"}
FIELDS = [
    "username", "email", "password", "refresh_token", "current_password", "new_password",
    "rating", "review", "movie_id", "is_favorite", "note", "watched_on", "rewatch", "role",
    "disabled", "repair",
]  # fmt: skip

BAD = {
    "no JSON": b"{",
    "text": b"hello",
    "a form": b"rating=8&movie_id=603",
    "an array": b"[]",
    "an array of objects": b'[{"rating": 8, "movie_id": "603"}]',
    "a string": b'"rating"',
    "a number": b"8",
    "null": b"null",
    "true": b"true",
    "two objects": b"{}{}",
    "trailing words": b'{"rating": 8} x',
    "a comment": b'{"rating": 8 /* eight */}',
    "a trailing comma": b'{"rating": 8,}',
    "single quotes": b"{'rating': 8}",
    "a duplicate": b'{"rating": 8, "rating": 9, "movie_id": "603"}',
    "a duplicate inside": b'{"rating": {"a": 1, "a": 2}}',
    "NaN": b'{"rating": NaN, "movie_id": "603"}',
    "infinity": b'{"rating": -Infinity, "movie_id": "603"}',
    "a number too large": b'{"rating": 1e400, "movie_id": "603"}',
    "a number of many digits": b'{"rating": ' + b"9" * 5000 + b', "movie_id": "603"}',
    "a lone surrogate": rb'{"review": "\ud800", "note": "\ud800", "email": "\ud800", "password": "\udfff"}',
    "a lone surrogate as a name": rb'{"\ud800": 1}',
    "NUL": rb'{"movie_id": "603\u0000", "email": "\u0000", "refresh_token": "\u0000"}',
    "NUL as a name": rb'{"\u0000": 1}',
    "raw NUL": b'{"movie_id": "6\x0003"}',
    "no UTF-8": b'{"review": "\xff\xfe"}',
    "UTF-16": '{"rating": 8}'.encode("utf-16"),
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "a byte order mark of UTF-16": b"\xff\xfe{\x00}\x00",
    "a byte order mark inside": b"{\xef\xbb\xbf}",
    "deep arrays": b'{"rating": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep objects": b'{"rating": ' * 5_000 + b"1" + b"}" * 5_000,
    "deep and open": b"[" * 60_000,
    "operators": json.dumps({name: {"$gt": ""} for name in FIELDS}).encode(),
    "many fields": json.dumps({f"field_{number}": number for number in range(2_000)}).encode(),
    "a prototype": b'{"__proto__": {"role": "admin"}, "constructor": 1, "__class__": 1}',
    "a long name": b'{"' + b"a" * 60_000 + b'": 1}',
}


@pytest.fixture(scope="module")
def here() -> Iterator[tuple[Client, SqliteStore, SignedInUser, dict[str, str]]]:
    with serving_with_store() as (client, store):
        neo = register_user(client)
        store.users.change(UserId(neo.user["id"]), lambda user: user.with_changes(now(), role=Role.ADMIN))
        rating = neo("POST", "/ratings", {"movie_id": "604", "rating": 8.5, "review": "Whoa."}).json()["id"]
        item = neo("POST", "/watchlist", {"movie_id": "604", "note": "soon"}).json()["id"]
        viewing = neo("POST", "/viewings", {"movie_id": "604", "note": "again"}).json()["id"]
        yield client, store, neo, {"rating": rating, "item": item, "viewing": viewing}


@pytest.fixture
def neo(here: tuple[Client, SqliteStore, SignedInUser, dict[str, str]]) -> Iterator[SignedInUser]:
    """The only user, whose data must stay unchanged."""
    _, store, neo, _ = here
    before = neo("GET", "/me/export").content
    yield neo
    assert neo("GET", "/me/export").content == before
    assert store.users.count() == 1


def sent(neo: SignedInUser, here: Any, call: str, body: bytes, kind: str = "application/json") -> Any:
    method, path = call.format(**here[3]).split()
    return neo(method, path, content=body, headers={"Content-Type": kind})


def assert_refused(answer: Any, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    error = answer.json()
    assert set(error) == {
        "statusCode", "code", "message", "errors", "details", "timestamp", "path", "request_id"
    }  # fmt: skip
    assert len(error["details"]) == len(error["errors"])
    assert error["statusCode"] == answer.status_code
    assert bool(error["errors"]) is (answer.status_code == 400)
    assert len(answer.content) < 20_000


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_a_malformed_body_is_refused(here: Any, neo: SignedInUser, call: str, body: bytes) -> None:
    assert_refused(sent(neo, here, call, body), 400)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonx", "application/json; charset=utf-16", "application/xml", "é"],
)  # fmt: skip
def test_only_json_bodies_are_accepted(here: Any, neo: SignedInUser, call: str, kind: str) -> None:
    answer = sent(neo, here, call, b'{"rating": 1}', kind.encode())  # type: ignore[arg-type]

    assert_refused(answer, 415)
    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_any_json_media_type_is_accepted(here: Any, neo: SignedInUser, kind: str) -> None:
    assert_refused(sent(neo, here, "POST /ratings", b"{}", kind), 400)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "x-gzip", "deflate", "identity, gzip", "no such"])
def test_a_compressed_body_is_refused(here: Any, neo: SignedInUser, encoding: str) -> None:
    for call in CALLS:
        method, path = call.format(**here[3]).split()
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = neo(method, path, content=gzip.compress(b"{}"), headers=headers)

        assert_refused(answer, 415)
        assert answer.json()["code"] == "unsupported_content_encoding"
        assert answer.headers["accept-encoding"] == "identity"


def test_the_encoding_identity_and_a_byte_order_mark_are_accepted(here: Any) -> None:
    client = here[0]
    body = b"\xef\xbb\xbf" + json.dumps({"email": "neo@example.com", "password": PASSWORD}).encode()
    headers = {"Content-Type": "application/json", "Content-Encoding": "Identity"}

    assert client.post("/api/v1/auth/login", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("call", [call for call in CALLS if call not in EMPTY_IS_FINE])
def test_a_missing_body_lacks_the_required_fields(here: Any, neo: SignedInUser, call: str) -> None:
    method, path = call.format(**here[3]).split()

    assert_refused(neo(method, path), 400)


def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(here: Any, neo: SignedInUser) -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for _ in range(160):
            read += 65_536
            yield b" " * 65_536

    for call in CALLS:
        assert_refused(sent(neo, here, call, b" " * 10_485_760), 413)
    assert_refused(sent(neo, here, "POST /ratings", chunks()), 413)  # type: ignore[arg-type]


def test_null_is_refused_for_fields_that_are_not_nullable(here: Any, neo: SignedInUser) -> None:
    for call in CALLS:
        answer = sent(neo, here, call, json.dumps(dict.fromkeys(FIELDS)).encode())
        errors = answer.json()["errors"]
        assert_refused(answer, 400)
        assert not [
            error for error in errors if error.startswith(("review ", "note ")) and "known" not in error
        ]


def test_long_names_from_requests_are_shortened_in_errors(here: Any, neo: SignedInUser) -> None:
    answer = sent(neo, here, "POST /ratings", b'{"' + b"a" * 60_000 + rb'\ud800": 1}')

    assert answer.json()["errors"][0] == f"{'a' * 60} is not a known field"


@pytest.mark.parametrize("header", [b"Bearer \xff", b"\x00", b"Bearer " + b"a" * 60_000, b"Bearer {$gt: ''}"])
def test_invalid_tokens_are_refused(here: Any, header: bytes) -> None:
    client = here[0]

    assert_refused(client.get("/api/v1/auth/me", headers={b"Authorization": header}), 401)


def test_without_a_token_the_body_is_not_read(here: Any) -> None:
    client = here[0]

    assert_refused(client.post("/api/v1/ratings", content=b"{"), 401)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["603", "tt0133093", "neo@example.com", "\ud800", "\x00", "$where"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=settings().max_examples * 3 // 2,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(
    call=st.sampled_from(CALLS),
    body=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JSON, max_size=4).map(json.dumps)
    | JSON.map(json.dumps)
    | st.text(),
    path=st.text(max_size=12),
)
def test_no_input_causes_a_500(here: Any, call: str, body: str, path: str) -> None:
    client, _, neo, _ = here

    answer = sent(neo, here, call, body.encode(errors="surrogatepass"))

    assert answer.status_code in {200, 201, 400, 401, 403, 404, 409}, answer.text
    for method in ("GET", "PATCH", "DELETE"):
        safe = path.encode(errors="replace").hex("%")
        odd = client.request(method, f"/api/v1/ratings/%{safe}", headers=neo.headers)
        assert odd.status_code in {200, 204, 400, 403, 404, 405}, odd.text


def test_the_limit_of_a_body_is_a_setting() -> None:
    with serving_with_store(max_body_bytes=200) as (client, _):
        body = json.dumps(account("neo")).encode()
        kind = {"Content-Type": "application/json"}
        assert client.post("/api/v1/auth/register", content=body.ljust(201), headers=kind).status_code == 413
        assert client.post("/api/v1/auth/register", content=body.ljust(200), headers=kind).status_code == 201


def test_no_schema_of_the_document_is_ambiguous() -> None:
    document = msgspec.json.decode(openapi(any_application()))

    assert "oneOf" not in json.dumps(document)
    for name, schema in document["components"]["schemas"].items():
        assert schema["type"] == ("string" if "enum" in schema else "object"), name
        assert schema.get("additionalProperties", False) is False
