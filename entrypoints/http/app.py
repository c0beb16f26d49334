"""The HTTP application: the routes, the border around them, and what surrounds every request."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, cast

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ExceptionHandlersMap

from application.catalogue import BrowseMovies, GetGenre, GetMovie, ListGenres, SearchMovies
from application.operations import CheckHealth
from entrypoints.http.about import get_about
from entrypoints.http.access import readers
from entrypoints.http.answers import PRIVATE, PUBLIC, Answer, json_answer
from entrypoints.http.calls import API
from entrypoints.http.docs import get_asset, get_docs, get_openapi, get_root
from entrypoints.http.edge import Edge
from entrypoints.http.errors import error_answer
from entrypoints.http.genres import get_genre_by_id, get_genre_movies, get_genres
from entrypoints.http.health import (
    LIVE,
    get_health,
    get_health_database,
    get_health_live,
    get_health_ready,
    get_health_redis,
)
from entrypoints.http.movies import get_movie_by_id, get_movies, get_movies_search
from entrypoints.http.openapi import document
from entrypoints.settings import Settings

THREADS = 32
"""Requests that may wait for the store at a time; the others wait for a thread."""

CATALOGUE = (get_movies, get_movies_search, get_movie_by_id, get_genres, get_genre_by_id, get_genre_movies)
OPERATIONS = (get_health, get_health_live, get_health_ready, get_health_database, get_health_redis, get_about)
DOCUMENTATION = (get_docs, get_openapi, get_asset)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What the routes call upon, each by its name."""

    browse_movies: BrowseMovies
    search_movies: SearchMovies
    get_movie: GetMovie
    list_genres: ListGenres
    get_genre: GetGenre


def create_app(*, use_cases: UseCases, health: CheckHealth, settings: Settings, version: str) -> Litestar:
    """The application, ready for an ASGI server."""
    public = settings.catalogue_is_public
    catalogue = Router(
        API,
        route_handlers=CATALOGUE,
        guards=[readers(public=public)],
        opt={"cache_control": PUBLIC if public else PRIVATE},
    )
    app = Litestar(
        [catalogue, Router(API, route_handlers=[*OPERATIONS, *DOCUMENTATION]), get_root],
        dependencies=_provided(use_cases, check_health=health, version=version),
        exception_handlers=_border(development=settings.development),
        cors_config=_cors(settings.allowed_origins),
        on_startup=[_bound_threads],
        request_max_body_size=settings.max_body_bytes,
        state=State(),
        openapi_config=None,  # ours is drawn below
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.state.openapi = json_answer(document(app.routes, version=version, public=public), cache=PUBLIC)
    app.asgi_handler = Edge(
        app.asgi_handler,
        unlimited=LIVE,
        most_body_bytes=settings.max_body_bytes,
        cors=bool(settings.allowed_origins),
    )
    return app


def openapi(app: Litestar) -> bytes:
    """The OpenAPI document of an application, as JSON."""
    answer: Answer = app.state.openapi
    return answer.body


def _provided(use_cases: UseCases, **more: object) -> dict[str, Provide]:
    """What handlers may ask for by name."""
    things = {each.name: getattr(use_cases, each.name) for each in fields(use_cases)} | more
    return {name: Provide(_giving(thing), sync_to_thread=False) for name, thing in things.items()}


def _giving(thing: object) -> Callable[[], Any]:
    """A provider of one thing; untyped, since the handler that asks knows its type."""
    return lambda: thing


def _border(*, development: bool) -> ExceptionHandlersMap:
    def refuse(request: Request[Any, Any, Any], error: Exception) -> Answer:
        return error_answer(error, request.scope, development=development)

    return cast("ExceptionHandlersMap", {Exception: refuse})


def _cors(origins: list[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-ID"],
        expose_headers=["Link", "ETag", "X-Request-ID", "Retry-After"],
    )


async def _bound_threads() -> None:
    """Handlers that reach storage run in so many threads of this loop, and no more."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="request"))
