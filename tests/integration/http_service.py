"""The HTTP application over a store in memory, for tests; and a way to call it with exactly these bytes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import msgspec
from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import HTTPScope

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, new_run, noon
from application.catalogue import BrowseMovies, GetGenre, GetMovie, ListGenres, SearchMovies, Totals
from application.operations import CheckHealth, Ping
from domain.movies import GenreFacts, MovieFacts
from domain.sync import Entity, Harvest
from entrypoints.http.app import UseCases, create_app
from entrypoints.settings import Settings

GENRES = {18: "Drama", 28: "Action", 35: "Comedy", 53: "Thriller", 878: "Science Fiction"}

Client = TestClient[Litestar]


def now() -> datetime:
    """The clock of these tests."""
    return noon(day=2)


def filled(movies: list[MovieFacts]) -> SqliteStore:
    """A store in memory that holds these movies and the usual genres, as two complete syncs leave it."""
    store = SqliteStore(path=None, clock=now)
    store.prepare()
    genres = tuple(GenreFacts(tmdb_id=number, name=name) for number, name in GENRES.items())
    run = new_run(store, Entity.GENRES).bounded(1)
    store.runs.save(store.genres.store(Harvest(page=1, at=noon(), genres=genres), run).finished(noon()))
    run = new_run(store, Entity.MOVIES).bounded(1)
    store.runs.save(
        store.movies.store(Harvest(page=1, at=noon(), movies=tuple(movies)), run).finished(noon())
    )
    return store


def application(
    store: SqliteStore, *, database: Ping | None = None, tmdb: bool = False, **settings: Any
) -> Litestar:
    """The application over a store; the catalogue is public unless told otherwise."""
    movies, genres = store.movies, store.genres
    return create_app(
        use_cases=UseCases(
            browse_movies=BrowseMovies(movies=movies, genres=genres, totals=Totals(movies, now)),
            search_movies=SearchMovies(movies=movies, genres=genres),
            get_movie=GetMovie(movies=movies, genres=genres),
            list_genres=ListGenres(genres=genres),
            get_genre=GetGenre(genres=genres),
        ),
        health=CheckHealth(database=database or store.ping, runs=store.runs, clock=now, tmdb_configured=tmdb),
        settings=Settings(**{"public_catalogue": "true", **settings}),
        version="1.2.3",
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
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body, read."""
        return msgspec.json.decode(self.body)


async def call(
    app: Litestar,
    path: str,
    query: bytes = b"",
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    scheme: str = "http",
) -> Reply:
    """Send one request past any client and any server, so that nothing is mended on the way."""
    reply = Reply()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message["body"]

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "query_string": query,
        "scheme": scheme,
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    await app(cast("HTTPScope", scope), receive, send)
    return reply


def called(app: Litestar, path: str, query: bytes = b"", **more: Any) -> Reply:
    """The same, from where nothing is awaited."""
    return asyncio.run(call(app, path, query, **more))
