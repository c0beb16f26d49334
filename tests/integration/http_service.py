"""The HTTP application over a store in memory, and functions that call it."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, partial
from inspect import Parameter, signature
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
from tests.stores import store_in_memory

GENRES = {18: "Drama", 28: "Action", 35: "Comedy", 53: "Thriller", 878: "Science Fiction"}

Client = TestClient[Litestar]

SECRET = b"a secret of more than thirty-two bytes for tests"


def now() -> datetime:
    """The current time of the tests."""
    return noon(day=2)


def filled_store(movies: list[MovieFacts], source: SourceName = SourceName.TMDB) -> SqliteStore:
    """A store in memory with these movies and five genres, in the state after two complete syncs."""
    store = store_in_memory(now)
    genres = tuple(GenreFacts(tmdb_id=number, name=name) for number, name in GENRES.items())
    run = new_run(store, Entity.GENRES, source=source).bounded(1)
    store.runs.save(store.genres.store(PageResult(page=1, at=noon(), genres=genres), run).finished(noon()))
    run = new_run(store, Entity.MOVIES, source=source).bounded(1)
    store.runs.save(
        store.movies.store(PageResult(page=1, at=noon(), movies=tuple(movies)), run).finished(noon())
    )
    return store


def container_over(store: SqliteStore, settings: Settings) -> Container:
    """The container of the service with this store and clock, and with fast password hashes. Searches use the
    demo source instead of TMDB.
    """
    container = Container(settings=providers.Object(settings), secret=providers.Object(SECRET))
    container.store.override(providers.Object(store))
    container.clock.override(providers.Object(now))
    container.user_source.override(providers.Object(DemoMovieSource()))
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    container.hasher.override(providers.Object(Argon2PasswordHasher(argon2=quick)))
    return container


HIGH_LIMITS = {"rate_limit": "1000000/minute", "auth_rate_limit": "1000000/minute"}


def settings_for_tests(**settings: Any) -> Settings:
    """Settings for tests. By default the catalogue is public, and there are no pages, whose routes take as
    long to register as those of the API.
    """
    return Settings(**{"public_catalogue": "true", "web": "false", **HIGH_LIMITS, **settings})


def application_parts(
    store: SqliteStore,
    settings: Settings,
    *,
    database: Ping | None = None,
    tmdb: Ping | None = None,
    container: Container | None = None,
    redis: str | None = None,
    cache: ResponseCache | None = None,
    copies: LocalCopies | None = None,
    counter: Counter | None = None,
) -> dict[str, Any]:
    """The arguments of `create_app` for an application over a store.

    `redis` is the address of a server for the cache and the rate limits.
    """
    container = container or container_over(store, settings)
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
    own_cache = response_cache(breaker, settings, dump=pack, load=unpack)
    return {
        "resolve": Resolver(container),
        "metrics": container.meter(),
        "cache": own_cache if cache is None else cache,
        "copies": copies or listener,
        "counter": counter or limiter,
        "lifespan": lambda: connected(breaker, listener, limiter, own_cache),
    }


def application(store: SqliteStore, **options: Any) -> Litestar:
    """The application over a store. The options are those of `application_parts`, and settings."""
    return create_application(*settings_and_parts(store, options))


def settings_and_parts(store: SqliteStore, options: dict[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """The settings and the parts of an application with these options."""
    settings = settings_for_tests(
        **{name: value for name, value in options.items() if name not in PART_NAMES}
    )
    own = {name: value for name, value in options.items() if name in PART_NAMES}
    return settings, application_parts(store, settings, **own)


PART_NAMES = {
    name
    for name, parameter in signature(application_parts).parameters.items()
    if parameter.kind is Parameter.KEYWORD_ONLY
}


def create_application(settings: Settings, parts: dict[str, Any]) -> Litestar:
    """Create an application of these parts."""
    pages = WebPages(settings) if settings.has_pages else None
    return create_app(settings=settings, version="1.2.3", pages=pages, **parts)


@cache
def any_application() -> Litestar:
    """An application over an empty store, for tests of its routes and its OpenAPI document."""
    return application(filled_store([]))


class Replaceable:
    """Delegates calls and attributes to an object that can be replaced."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._find()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


class ReplaceableCopies:
    """Local copies that can be replaced. So can their attributes, which an application reads only once."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find
        self.responses = Replaceable(lambda: find().responses)
        self.callers = Replaceable(lambda: find().callers)

    def use(self) -> None:
        self._find().use()


class ReusableApplication:
    """An application that tests use one after the other, each with its own container and store.

    To create one, with all its routes, takes longer than most tests. Its routes, templates and thread pools
    are used again, and so are its registers of exports and health checks in progress, which are empty when a
    test ends.
    """

    def __init__(self, settings: Settings, first: dict[str, Any]) -> None:
        self._parts = first
        self._kinds: dict[Any, Any] = {}
        replaceable = {
            name: Replaceable(partial(self._part, name))
            for name in ("metrics", "cache", "counter", "lifespan")
        }
        copies = ReplaceableCopies(partial(self._part, "copies")) if first["copies"] else None
        self.app = create_application(settings, {"resolve": self._resolve, "copies": copies, **replaceable})

    def use(self, parts: dict[str, Any]) -> None:
        """Replace the parts by those of the next test."""
        self._parts = parts
        self._kinds = {kind: parts["resolve"](kind) for kind in self._kinds}

    def _part(self, name: str) -> Any:
        return self._parts[name]

    def _resolve(self, kind: Any) -> Any:
        if kind not in self._kinds:
            self._kinds[kind] = self._parts["resolve"](kind)
        return Replaceable(lambda: self._kinds[kind])


UNUSED: defaultdict[tuple[str, bool], list[ReusableApplication]] = defaultdict(list)
"""The applications that no test uses at present, by their settings and whether they have local copies."""


@contextmanager
def reused_application(store: SqliteStore, **options: Any) -> Iterator[Litestar]:
    """An application over a store: one that was used before, if there is one with these settings."""
    settings, own = settings_and_parts(store, options)
    unused = UNUSED[repr(settings), bool(own["copies"])]
    reusable = unused.pop() if unused else _new_reusable(settings, own)
    reusable.use(own)
    yield reusable.app
    unused.append(reusable)  # not after a failure


def _new_reusable(settings: Settings, own: dict[str, Any]) -> ReusableApplication:
    """A new application. The garbage collector ignores it, since it is used until the end."""
    reusable = ReusableApplication(settings, own)
    gc.collect(1)
    gc.freeze()
    return reusable


@contextmanager
def client_over(store: SqliteStore, **options: Any) -> Iterator[Client]:
    """A client of the application over a store."""
    with reused_application(store, **options) as app, TestClient(app) as client:
        yield client


@contextmanager
def serving(*movies: MovieFacts, **options: Any) -> Iterator[Client]:
    """A client of the application over these movies."""
    store = filled_store(list(movies) or [facts(number, popularity=float(number)) for number in range(1, 6)])
    with client_over(store, **options) as client:
        yield client
    store.close()


@dataclass
class AsgiResponse:
    """A response that the application has sent."""

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
) -> AsgiResponse:
    """Send a request directly to the application, so that no client or server changes it."""
    response = AsgiResponse()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            response.body += message["body"]

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
    return response


def call_synchronously(app: Litestar, path: str, query: bytes = b"", **options: Any) -> AsgiResponse:
    """Send a request with `call`, and wait for the response."""
    return asyncio.run(call(app, path, query, **options))


PASSWORD = "follow the white rabbit"


@dataclass(frozen=True)
class SignedInUser:
    """A signed-in user, who sends requests."""

    client: Client
    user: dict[str, Any]
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Send a request; `json` is the body unless it is None."""
        if json is not None:
            options["json"] = json
        headers = {**self.headers, **options.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)


def account(name: str) -> dict[str, str]:
    """The body of a registration."""
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD}


def register_user(client: Client, name: str = "neo") -> SignedInUser:
    """Register a user."""
    response = client.post("/api/v1/auth/register", json=account(name))
    assert response.status_code == 201, response.text
    return signed_in_user(client, response.json())


def signed_in_user(client: Client, body: Any) -> SignedInUser:
    """The user in the body of a response to a registration or a login."""
    return SignedInUser(client, body["user"], body["access_token"], body["refresh_token"])


@contextmanager
def serving_with_store(*movies: MovieFacts, **options: Any) -> Iterator[tuple[Client, SqliteStore]]:
    """A client of the application over these movies, and its store. The catalogue is not public."""
    store = filled_store(list(movies) or [THE_MATRIX, facts(604), facts(605)])
    with client_over(store, **{"public_catalogue": "false", **options}) as client:
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
