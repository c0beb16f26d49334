"""The fast path sends what the rest of the application would send, and only while it may."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from adapters.redis.local_cache import Lease, LocalCache
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from domain.ids import genre_id, movie_id
from domain.movies import MovieFacts
from domain.recommendations import Neighbour
from entrypoints.http.app import fast_path
from entrypoints.http.responses import Response
from tests.integration.http_service import (
    THE_MATRIX,
    SignedInUser,
    filled_store,
    register_user,
    reused_application,
)
from tests.integration.test_http_cache import CACHED, changed_requests

ENCODINGS = (None, "gzip", "br", "zstd;q=0.5, gzip", "identity", "*;q=0")
TIMESTAMP = re.compile(rb'"timestamp":"[^"]+",')
REQUEST_ID = "as-you-like-it"


@dataclass
class Copies:
    """Copies under a lease that is always held, and how often one was used."""

    lease: Lease = field(default_factory=lambda: Lease(lambda: 1.0, duration=99.0))

    def __post_init__(self) -> None:
        self.responses: LocalCache[Any] = self.lease.cache(1000)
        self.callers: LocalCache[Any] = self.lease.cache(1000)
        self.lease.renew(1.0)

    def use(self) -> None:
        pass


class Kept(dict[tuple[str, str], Response]):
    """A cache for all processes that forgets nothing."""

    async def __call__(
        self,
        key: str,
        variant: str,
        build: Callable[[], Awaitable[Response]],
        local_copy: Callable[[], Response | None],
    ) -> tuple[Response, bool | None, float]:
        if (key, variant) in self:
            return self[key, variant], True, 60.0
        self[key, variant] = await build()
        return self[key, variant], False, 60.0


class Offered(Kept):
    """The same; notes the copies that it is offered."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[Response | None] = []

    async def __call__(
        self,
        key: str,
        variant: str,
        build: Callable[[], Awaitable[Response]],
        local_copy: Callable[[], Response | None],
    ) -> tuple[Response, bool | None, float]:
        self.copies.append(local_copy())
        return await super().__call__(key, variant, build, local_copy)


class Unlimited:
    """Counts nothing, and says always the same."""

    def __init__(self, *, asks: bool = False) -> None:
        self.asks = asks
        self.taken: list[str] = []

    async def __call__(self, rate: str, client: str) -> tuple[bool, int, int]:
        return True, 7, 3

    async def count_all(self, rate: str, clients: Sequence[str]) -> tuple[bool, int, int]:
        return True, 7, 3

    def take(self, rate: str, client: str) -> tuple[int, int] | None:
        if self.asks:
            return None
        self.taken.append(client)
        return 7, 3


@dataclass
class Place:
    """Two applications over one store, and one user: one with copies, and one without."""

    store: SqliteStore
    copies: Copies
    counter: Unlimited
    cache: Kept
    fast: Litestar
    slow: Litestar
    user: SignedInUser


@contextmanager
def place(movies: Sequence[MovieFacts] = (), **settings: Any) -> Iterator[Place]:
    others = (facts(number, genres=(genre_id(28),)) for number in range(604, 630))
    store = filled_store([THE_MATRIX, *others, *movies])
    copies, counter, cache = Copies(), Unlimited(), settings.pop("cache", Kept())
    settings = {"public_catalogue": "false", "cache": cache, **settings}
    with (
        reused_application(store, counter=Unlimited(), **settings) as slow,
        reused_application(store, counter=counter, copies=copies, **settings) as fast,
        TestClient(slow) as client,
        TestClient(fast),
    ):
        user = register_user(client)
        for rater in (user, register_user(client, "trinity"), register_user(client, "smith")):
            rater("PUT", "/movies/603/rating", {"rating": 8})
        for movie in ("603", "604", "605"):
            user("PUT", f"/movies/{movie}/watchlist", {"is_favorite": movie == "603"})
        yield Place(store, copies, counter, cache, fast, slow, user)
    store.close()


@pytest.fixture(name="place")
def fixture_place() -> Iterator[Place]:
    with place() as made:
        yield made


Sent = tuple[int, list[tuple[bytes, bytes]], bytes]


def scope_of(path: str, headers: dict[str, str] | None, method: str) -> Any:
    target, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "scheme": "https",
        "path": f"/api/v1{target}",
        "raw_path": f"/api/v1{target}".encode(),
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in {"X-Request-ID": REQUEST_ID, **(headers or {})}.items()
        ],
        "client": ("127.0.0.1", 1),
        "state": {},
    }


def sent(app: Litestar, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Sent:
    """Status, headers in their order, and body of the response to a request."""
    found: dict[str, Any] = {"body": b""}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        found["body"] += message.pop("body", b"")
        found.update(message)

    asyncio.run(app(scope_of(path, headers, method), receive, send))
    body = TIMESTAMP.sub(b"", found["body"])
    return found["status"], list(found["headers"]), body


def test_both_ways_send_the_same_bytes_and_headers(place: Place) -> None:
    conditions = (None, "same", '"other"')
    beside = [Neighbour(movie_id(number), 5, number) for number in (604, 605)]
    place.store.recommendations.store({movie_id(603): beside})
    others = dict.fromkeys(path for pair in changed_requests(place.user) for path in pair)
    for path in (*CACHED, *others):
        sent(place.fast, path, place.user.headers)
    for path, encoding, method, known in (
        *product(CACHED, ENCODINGS, ("GET", "HEAD"), conditions),
        *product(others, ["gzip"], ["GET"], [None, "same"]),
    ):
        headers = dict(place.user.headers)
        if encoding:
            headers["Accept-Encoding"] = encoding
        if known:
            etag = dict(sent(place.slow, path, place.user.headers)[1])[b"etag"].decode()
            headers["If-None-Match"] = etag if known == "same" else known
        before = len(place.counter.taken)
        fast, slow = sent(place.fast, path, headers, method), sent(place.slow, path, headers, method)
        assert fast == slow, (path, headers, method)
        assert len(place.counter.taken) == before + 1, path
        assert (b"x-cache", b"HIT") in fast[1]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_liveness_is_answered_at_once_and_is_the_same(place: Place, method: str) -> None:
    headers = {"Authorization": "Bearer x"}  # which nobody checks
    fast, slow = (sent(app, "/health/live", headers, method) for app in (place.fast, place.slow))
    assert fast == slow
    found = fast_path(place.fast)
    assert found
    assert found.respond(scope_of("/health/live", headers, method))
    assert not found.respond(scope_of("/health/live?unknown=1", headers, method))


@pytest.mark.parametrize(
    "path",
    [
        "/movies?limit=0",
        "/movies?unknown=1",
        "/movies/999999",
        "/movies/603/rating",
        "/nowhere",
        "/health/live?unknown=1",
        "/health/database",
    ],
)
def test_what_is_not_cached_is_passed_on(place: Place, path: str) -> None:
    for _ in range(2):
        fast, slow = (sent(app, path, place.user.headers) for app in (place.fast, place.slow))
        assert fast[:1] == slow[:1]
        assert [name for name, _ in fast[1]] == [name for name, _ in slow[1]]
    assert place.counter.taken == []


def seen(place: Place, headers: dict[str, str], method: str = "GET") -> bool:
    """Whether a request for a response of which there is a copy is answered by the fast path, correctly."""
    before = len(place.counter.taken)
    fast, slow = (sent(app, "/movies", headers, method) for app in (place.fast, place.slow))
    assert fast == slow
    return len(place.counter.taken) > before


def test_only_callers_who_are_known_are_answered(place: Place) -> None:
    token = place.user.headers["Authorization"]
    for _ in range(2):
        sent(place.fast, "/movies", place.user.headers)
    assert seen(place, {"Authorization": token})
    for other in ("Bearer x", "Basic bmVvOng=", token.replace("Bearer", "bearer"), token[:-1]):
        assert not seen(place, {"Authorization": other})
    assert not seen(place, {})


@pytest.mark.parametrize(
    "header", [{"Origin": "https://example.org"}, {"Content-Length": "0"}, {"Transfer-Encoding": "chunked"}]
)
def test_unusual_requests_are_passed_on(place: Place, header: dict[str, str]) -> None:
    for _ in range(2):
        sent(place.fast, "/movies", place.user.headers)
    assert not seen(place, place.user.headers | header)


def test_a_request_beyond_what_the_process_may_grant_is_passed_on(place: Place) -> None:
    sent(place.fast, "/movies", place.user.headers)
    place.counter.asks = True
    assert not seen(place, place.user.headers)


def test_without_a_lease_nothing_is_answered(place: Place) -> None:
    sent(place.fast, "/movies", place.user.headers)
    assert seen(place, place.user.headers)
    place.copies.lease.end()
    assert not seen(place, place.user.headers)


def test_a_response_for_one_user_is_for_no_other(place: Place) -> None:
    other = register_user(place.user.client, "morpheus")
    for _ in range(2):
        sent(place.fast, "/watchlist", place.user.headers)
        fast, slow = (sent(app, "/watchlist", other.headers) for app in (place.fast, place.slow))
        assert fast[2] == slow[2] != sent(place.fast, "/watchlist", place.user.headers)[2]


def test_a_public_catalogue_is_for_everybody_and_counts_addresses() -> None:
    with place(public_catalogue="true") as public:
        for headers in ({}, public.user.headers):
            for _ in range(2):
                sent(public.fast, "/movies", headers)
            assert seen(public, headers)
        assert not seen(public, {"Authorization": "Bearer x"})
        assert public.counter.taken[0] == "address:127.0.0.1"
        assert public.counter.taken[-1] == f"user:{public.user.user['id']}"
        assert sent(public.fast, "/watchlist")[0] == 401


def test_the_cache_may_use_the_copy_of_the_process_while_it_is_valid() -> None:
    cache = Offered()
    with place(cache=cache) as made:
        headers = made.user.headers | {"Origin": "https://example.org"}  # passed on
        for _ in range(2):
            sent(made.fast, "/movies", headers)
        assert cache.copies == [None, *cache.values()]
        made.copies.lease.invalidate(["cache:generation"])
        sent(made.fast, "/movies", headers)
        assert cache.copies[2:] == [None]


def test_an_invalidated_copy_is_not_used(place: Place) -> None:
    sent(place.fast, "/movies", place.user.headers)
    for tag in ("cache:generation", f"user:{place.user.user['id']}"):
        assert seen(place, place.user.headers)
        place.copies.lease.invalidate([tag])
        assert not seen(place, place.user.headers)


def test_an_ended_api_token_is_answered_no_more(place: Place) -> None:
    made = place.user("POST", "/auth/tokens", {"name": "Player", "scope": "read"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    sent(place.fast, "/movies", place.user.headers)
    sent(place.fast, "/movies", headers)
    assert seen(place, headers)
    place.copies.lease.invalidate([f"session:{made['id']}"])
    assert not seen(place, headers)
    assert seen(place, place.user.headers)
