"""The HTTP application over a store in memory, and functions that call it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

import msgspec
from argon2 import PasswordHasher
from dependency_injector import providers
from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import HTTPScope

from adapters.demo import DemoMovieSource
from adapters.redis.breaker import RedisBreaker
from adapters.redis.invalidation import invalidate_all
from adapters.security.passwords import Argon2PasswordHasher
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, new_run, noon
from application.operations import CheckHealth
from application.probes import CachedProbe, Ping
from domain.ids import genre_id
from domain.movies import GenreFacts, MovieFacts
from domain.sync import Entity, PageResult, SourceName
from entrypoints.container import Container, Resolver, connected, redis_ping, response_cache
from entrypoints.http.app import create_app
from entrypoints.http.caching import ResponseCache
from entrypoints.http.local_copies import LocalCopies
from entrypoints.http.rate_limits import Counter
from entrypoints.http.responses import pack, unpack
from entrypoints.settings import Settings
from entrypoints.web.app import WebPages

GENRES = {18: "Drama", 28: "Action", 35: "Comedy", 53: "Thriller", 878: "Science Fiction"}

Client = TestClient[Litestar]

SECRET = b"a secret of more than thirty-two bytes for tests"


def now() -> datetime:
    """The clock of these tests."""
    return noon(day=2)


def filled(movies: list[MovieFacts], source: SourceName = SourceName.TMDB) -> SqliteStore:
    """A store in memory with these movies and five genres, in the state after two complete syncs."""
    store = SqliteStore(path=None, clock=now)
    store.prepare()
    genres = tuple(GenreFacts(tmdb_id=number, name=name) for number, name in GENRES.items())
    run = new_run(store, Entity.GENRES, source=source).bounded(1)
    store.runs.save(store.genres.store(PageResult(page=1, at=noon(), genres=genres), run).finished(noon()))
    run = new_run(store, Entity.MOVIES, source=source).bounded(1)
    store.runs.save(
        store.movies.store(PageResult(page=1, at=noon(), movies=tuple(movies)), run).finished(noon())
    )
    return store


def container_over(store: SqliteStore, settings: Settings) -> Container:
    """The container of the service with this store and clock, and with fast password hashes. The demo takes
    the place of TMDB for searches.
    """
    container = Container(settings=providers.Object(settings), secret=providers.Object(SECRET))
    container.store.override(providers.Object(store))
    container.clock.override(providers.Object(now))
    container.user_source.override(providers.Object(DemoMovieSource()))
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    container.hasher.override(providers.Object(Argon2PasswordHasher(argon2=quick)))
    return container


def application(
    store: SqliteStore,
    *,
    database: Ping | None = None,
    tmdb: Ping | None = None,
    container: Container | None = None,
    redis: str | None = None,
    cache: ResponseCache | None = None,
    copies: LocalCopies | None = None,
    counter: Counter | None = None,
    **settings: Any,
) -> Litestar:
    """The application over a store. By default the catalogue is public, and there are no pages, whose routes
    would take as long to register as those of the API.

    `redis` is the address of a server for the cache and the rate limits.
    """
    plenty = {"rate_limit": "1000000/minute", "auth_rate_limit": "1000000/minute"}
    chosen = Settings(**{"public_catalogue": "true", "web": "false", **plenty, **settings})
    container = container or container_over(store, chosen)
    if redis:  # long timeouts, because the machine may be busy
        container.breaker.override(providers.Object(RedisBreaker(redis, flush=invalidate_all, timeout=2.0)))
        container.redis_url.override(providers.Object(redis))
    breaker, listener, limiter = container.breaker(), container.listener(), container.counter()
    health = CheckHealth(
        database=database or store.ping,
        redis=redis_ping(breaker),
        runs=store.runs,
        clock=now,
        tmdb=CachedProbe(tmdb) if tmdb else None,
    )
    container.check_health.override(providers.Object(health))
    own_cache = response_cache(breaker, chosen, dump=pack, load=unpack)
    return create_app(
        resolve=Resolver(container),
        metrics=container.meter(),
        cache=own_cache if cache is None else cache,
        copies=copies or listener,
        counter=counter or limiter,
        settings=chosen,
        version="1.2.3",
        pages=WebPages(chosen) if chosen.has_pages else None,
        lifespan=lambda: connected(breaker, listener, limiter, own_cache),
    )


@contextmanager
def serving(*movies: MovieFacts, **options: Any) -> Iterator[Client]:
    """A client of the application over these movies."""
    store = filled(list(movies) or [facts(number, popularity=float(number)) for number in range(1, 6)])
    with TestClient(application(store, **options)) as client:
        yield client
    store.close()


@dataclass
class Reply:
    """A response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


async def call(
    app: Litestar,
    path: str,
    query: bytes = b"",
    *,
    method: str = "GET",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    scheme: str = "http",
    body: bytes = b"",
    client: tuple[str, int] = ("127.0.0.1", 1),
) -> Reply:
    """Send a request directly to the application, so that no client or server changes it."""
    reply = Reply()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message["body"]

    pairs = list(headers.items()) if isinstance(headers, dict) else headers or []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "query_string": query,
        "scheme": scheme,
        "client": client,
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
    }
    await app(cast("HTTPScope", scope), receive, send)
    return reply


def called(app: Litestar, path: str, query: bytes = b"", **more: Any) -> Reply:
    """The same for synchronous callers."""
    return asyncio.run(call(app, path, query, **more))


PASSWORD = "follow the white rabbit"


@dataclass(frozen=True)
class Somebody:
    """A signed-in user, who sends requests."""

    client: Client
    user: dict[str, Any]
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """Send a request; `json` is the body unless it is None."""
        if json is not None:
            more["json"] = json
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **more)


def account(name: str) -> dict[str, str]:
    """The body of a registration."""
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD}


def joined(client: Client, name: str = "neo") -> Somebody:
    """Register a user."""
    answer = client.post("/api/v1/auth/register", json=account(name))
    assert answer.status_code == 201, answer.text
    return signed_in(client, answer.json())


def signed_in(client: Client, body: Any) -> Somebody:
    """The user in the response to a registration or a login."""
    return Somebody(client, body["user"], body["access_token"], body["refresh_token"])


@contextmanager
def place(*movies: MovieFacts, **options: Any) -> Iterator[tuple[Client, SqliteStore]]:
    """A client of the application over these movies, and its store. The catalogue is not public."""
    store = filled(list(movies) or [THE_MATRIX, facts(604), facts(605)])
    with TestClient(application(store, **{"public_catalogue": "false", **options})) as client:
        yield client, store
    store.close()


THE_MATRIX = facts(
    603,
    title="The Matrix",
    imdb_id="tt0133093",
    genres=(genre_id(28), genre_id(878)),
    poster_path="/matrix.jpg",
    release_date=date(1999, 3, 30),
)
