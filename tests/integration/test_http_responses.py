"""Properties of every response: request ids, security headers, entity tags, compression and CORS."""

import gzip
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from litestar import Litestar

from adapters.testkit.samples import random_facts
from entrypoints.http.middleware import request_id_of
from entrypoints.http.responses import preferred_encoding
from tests.integration.http_service import Client, application, call_synchronously, filled_store, serving

PATHS = [
    "/api/v1/movies",
    "/api/v1/movies/nothing",
    "/api/v1/movies?limit=0",
    "/api/v1/health",
    "/api/v1/docs",
    "/",
    "/no",
]


@pytest.fixture(scope="module")
def app() -> Litestar:
    return application(filled_store(random_facts(50)))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(*random_facts(50)) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_a_request_id_and_the_security_headers(client: Client, path: str) -> None:
    headers = client.get(path, follow_redirects=False).headers

    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    assert headers["vary"] == "Accept-Encoding"
    assert headers["cache-control"]
    assert "strict-transport-security" not in headers


def test_responses_over_tls_have_hsts(app: Litestar) -> None:
    assert "strict-transport-security" in call_synchronously(app, "/api/v1/about", scheme="https").headers


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 128])
def test_a_well_formed_request_id_is_kept(client: Client, name: str) -> None:
    answer = client.get("/api/v1/movies/nothing", headers={"X-Request-ID": name})

    assert answer.headers["x-request-id"] == answer.json()["request_id"] == name


@pytest.mark.parametrize("name", ["", "x" * 129, "a b", "a\tb", "ä", '"a"', "a,b"])
def test_any_other_request_id_is_replaced(client: Client, name: str) -> None:
    answer = client.get("/api/v1/about", headers={b"X-Request-ID": name.encode()})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_threads_get_different_request_ids() -> None:
    def ids(_: int) -> list[str]:
        return [request_id_of(b"") for _ in range(2000)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads are switched within a call
    try:
        with ThreadPoolExecutor(8) as threads:
            found = [each for part in threads.map(ids, range(8)) for each in part]
    finally:
        sys.setswitchinterval(interval)
    assert len(set(found)) == 16_000


@pytest.mark.parametrize(
    "held",
    ["{tag}", "{bare}", "*", '"other", {tag}', '{bare} , W/"other"', 'W/"a,b",{tag}'],
    ids=["its tag", "the tag made strong", "any", "in a list", "first of a list", "behind a comma"],
)
def test_a_client_with_a_current_response_gets_304(client: Client, held: str) -> None:
    first = client.get("/api/v1/movies")
    tag = first.headers["etag"]

    again = client.get("/api/v1/movies", headers={"If-None-Match": held.format(tag=tag, bare=tag[2:])})

    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary", "link"):
        assert again.headers[name] == first.headers[name]


@pytest.mark.parametrize("held", ["", '"other"', 'W/"other"', "nonsense", '"'])
def test_a_client_with_an_outdated_response_gets_a_200(client: Client, held: str) -> None:
    assert client.get("/api/v1/movies", headers={"If-None-Match": held}).status_code == 200


def test_an_etag_is_derived_from_the_body(client: Client) -> None:
    tags = {
        client.get(path).headers["etag"]
        for path in ("/api/v1/movies", "/api/v1/movies?limit=1", "/api/v1/genres")
    }

    assert len(tags) == 3
    assert client.get("/api/v1/movies").headers["etag"] in tags
    assert "etag" not in client.get("/api/v1/movies/nothing").headers


CHANGING = ("etag", "content-length")
COUNTED = ("ratelimit-remaining", "ratelimit-reset")
"""The headers in which two responses to the same request differ: those of health checks, and of others."""


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    get, head = (client.request(method, path, follow_redirects=False) for method in ("GET", "HEAD"))
    differing = {"x-request-id", *(CHANGING if "health" in path else COUNTED)}

    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in {*get.headers} - differing:
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("encoding", "opened"),
    [
        ("gzip", gzip.decompress),
        ("br", brotli.decompress),
        ("zstd", lambda body: zstandard.ZstdDecompressor().decompress(body)),
    ],
)
def test_long_responses_have_the_requested_encoding(app: Litestar, encoding: str, opened: object) -> None:
    plain = call_synchronously(app, "/api/v1/movies")
    small = call_synchronously(app, "/api/v1/movies", headers={"accept-encoding": encoding})

    assert callable(opened)
    assert small.headers["content-encoding"] == encoding
    assert int(small.headers["content-length"]) == len(small.body) < len(plain.body) / 2
    assert opened(small.body) == plain.body
    assert small.headers["etag"] == plain.headers["etag"]
    assert "content-encoding" not in plain.headers


def test_short_responses_are_not_compressed(app: Litestar) -> None:
    reply = call_synchronously(app, "/api/v1/about", headers={"accept-encoding": "gzip"})

    assert "content-encoding" not in reply.headers
    assert reply.json()["name"] == "Matinee"


def test_errors_are_compressed_too(app: Litestar) -> None:
    query = "&".join(f"no_parameter_of_ours_{number}=1" for number in range(50)).encode()
    reply = call_synchronously(app, "/api/v1/movies", query, headers={"accept-encoding": "gzip"})

    assert reply.status == 400
    assert b"no_parameter_of_ours_49" in gzip.decompress(reply.body)


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", None),
        ("identity", None),
        ("deflate, compress", None),
        ("gzip", "gzip"),
        ("GZIP ; Q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "br"),
        ("br;q=oops, gzip;q=0.1", "gzip"),
        ("gzip;level=9", "gzip"),
        ("br;q=nan", None),
        (",;,", None),
    ],
)
def test_the_clients_preferred_encoding_is_used(accepted: str, chosen: str | None) -> None:
    assert preferred_encoding(accepted.encode()) == chosen


def test_any_cache_may_store_a_public_catalogue(client: Client) -> None:
    assert client.get("/api/v1/movies").headers["cache-control"] == "public, no-cache"
    assert client.get("/api/v1/health").headers["cache-control"] == "no-store"
    assert client.get("/api/v1/movies/nothing").headers["cache-control"] == "no-store"


def test_only_configured_origins_may_read_responses() -> None:
    with serving(cors_origins="https://films.example, https://other.example") as client:
        named = client.get("/api/v1/movies", headers={"Origin": "https://films.example"})
        foreign = client.get("/api/v1/movies", headers={"Origin": "https://evil.example"})
        failed = client.get("/api/v1/movies?limit=0", headers={"Origin": "https://films.example"})
        plain = client.get("/api/v1/movies")

    assert named.headers["access-control-allow-origin"] == "https://films.example"
    assert failed.headers["access-control-allow-origin"] == "https://films.example"
    assert named.headers["access-control-expose-headers"] == (
        "ETag, Link, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Cache, "
        "X-Request-ID"
    )
    assert "access-control-allow-origin" not in foreign.headers
    assert "access-control-allow-origin" not in plain.headers
    for answer in (named, foreign, failed, plain):
        assert answer.headers["vary"] == "Accept-Encoding, Origin"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://films.example", True),
        ("http://films.example", False),
        ("https://films.example:8443", False),
        ("https://a.other.example", True),
        ("https://a.b.other.example", True),
        ("https://other.example", False),
        ("https://evilother.example", False),
        ("https://a.other.example.evil.example", False),
        ("https://filmsxexample", False),
        ("null", False),
    ],
)
def test_an_origin_matches_in_any_spelling(origin: str, *, allowed: bool) -> None:
    with serving(cors_origins="HTTPS://Films.example:443/, https://*.other.example") as client:
        answer = client.get("/api/v1/movies", headers={"Origin": origin})
        preflight = client.options(
            "/api/v1/movies", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
        )

    for each in (answer, preflight):
        assert each.headers.get("access-control-allow-origin") == (origin if allowed else None)


def test_a_cors_preflight_is_answered() -> None:
    with serving(cors_origins="https://films.example") as client:
        preflight = {
            "Origin": "https://films.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = client.options("/api/v1/movies", headers=preflight)

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://films.example"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("header", ["authorization", "content-type", "if-none-match", "x-request-id"])
def test_configured_origins_may_send_the_headers_of_the_api(header: str) -> None:
    with serving(cors_origins="https://films.example") as client:
        preflight = {
            "Origin": "https://films.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": header,
        }
        answer = client.options("/api/v1/movies", headers=preflight)

    assert answer.status_code == 204
    assert header in answer.headers["access-control-allow-headers"].lower()


def test_without_configured_origins_there_are_no_cors_headers(client: Client) -> None:
    answer = client.get("/api/v1/movies", headers={"Origin": "https://films.example"})

    assert not [name for name in answer.headers if name.startswith("access-control")]
