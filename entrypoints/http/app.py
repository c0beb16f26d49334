"""The HTTP application: the routes of all resources, their dependencies, and the middleware around them."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol, TypeAlias, TypeVar, cast

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ExceptionHandlersMap, Scope

from application.accounts import Authenticate
from application.additions import AddMovie, FindHeld
from application.export import ExportUser
from application.idempotency import KeepResponses
from application.operations import CheckHealth
from entrypoints.http import BASE
from entrypoints.http.access_log import access_log, observers
from entrypoints.http.auth import CallerCache, make_guard
from entrypoints.http.caching import Caching, ResponseCache
from entrypoints.http.dependencies import OwnedRouter, Resolver, bound
from entrypoints.http.errors import error_response
from entrypoints.http.exports import Exports, UserExport
from entrypoints.http.fast_path import FastPath
from entrypoints.http.idempotency import HEADER as IDEMPOTENCY_KEY
from entrypoints.http.idempotency import IdempotentRequests
from entrypoints.http.languages import LanguageNegotiation
from entrypoints.http.local_copies import LocalCopies
from entrypoints.http.middleware import CommonHeaders, OuterMiddleware
from entrypoints.http.openapi import document
from entrypoints.http.options import respond_to_options
from entrypoints.http.rate_limits import Counter, RateLimits
from entrypoints.http.resources import (
    about,
    accounts,
    additions,
    api_tokens,
    bulk,
    changes,
    docs,
    export,
    genres,
    health,
    hooks,
    imports,
    invitations,
    movies,
    operations,
    ratings,
    recommendations,
    relations,
    search,
    sessions,
    statistics,
    syncs,
    users,
    viewings,
    watchlist,
)
from entrypoints.http.resources.about import Version
from entrypoints.http.resources.additions import FilmAdder
from entrypoints.http.resources.health import HealthChecks
from entrypoints.http.resources.operations import Metrics
from entrypoints.http.responses import PRIVATE, PUBLIC, Response, json_response
from entrypoints.http.thread_pools import DeletionThreads, PasswordThreads, RequestThreadPool, SourceThreads
from entrypoints.settings import Settings

CATALOGUE = (
    (*movies.ROUTES, *additions.ROUTES),
    search.ROUTES,
    genres.ROUTES,
    recommendations.CATALOGUE_ROUTES,
)
"""The routes that anyone may read if the catalogue is public. Those of one path are in one tuple."""

OTHERS = (
    sessions.ROUTES,
    accounts.ROUTES,
    api_tokens.ROUTES,
    export.ROUTES,
    users.ROUTES,
    invitations.ROUTES,
    ratings.ROUTES,
    watchlist.ROUTES,
    viewings.ROUTES,
    relations.ROUTES,
    statistics.ROUTES,
    imports.ROUTES,
    hooks.ROUTES,
    recommendations.ROUTES,
    changes.ROUTES,
    bulk.ROUTES,
    syncs.ROUTES,
    health.ROUTES,
    operations.ROUTES,
    about.ROUTES,
    docs.ROUTES,
)
AT_ROOT = (docs.get_base, operations.get_metrics_at_root)
"""The routes outside of `/api/v1`, and the one of its root."""
WITHOUT_PAGES = (docs.get_root,)
"""The routes that take the place of pages for people."""

T = TypeVar("T")
Routes: TypeAlias = Sequence[HTTPRouteHandler]


class Pages(Protocol):
    """The pages for people, which the application serves beside the API."""

    def routers(self, find: Resolver) -> Sequence[Router]:
        """Their routes, with handlers that use what `find` provides."""
        ...

    def error_page(self, error: Exception, scope: Scope) -> Response | None:
        """The page for an error outside of their routes; None if the client does not want a page."""
        ...


def create_app(  # noqa: PLR0913  each is a part of the process that runs it
    *,
    resolve: Resolver,
    metrics: Metrics,
    cache: ResponseCache | None,
    copies: LocalCopies | None = None,
    counter: Counter,
    settings: Settings,
    version: str,
    pages: Pages | None = None,
    lifespan: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> Litestar:
    """Create the application. `resolve` finds the use cases; the event loop runs within `lifespan`. Without
    `copies` there is no fast path, and without `pages` only the API.

    Raises InvalidHandler if a handler requests something that nothing provides.
    """
    public = settings.catalogue_is_public
    rate_limits = RateLimits(counter, rate=settings.rate_limit, auth_rate=settings.auth_rate_limit)
    source_threads = SourceThreads()
    exports, export_user = Exports(), resolve(ExportUser)
    negotiate = LanguageNegotiation(settings.languages)
    own: dict[object, object] = {
        Caching: Caching(cache, negotiate, copies),
        CallerCache: CallerCache(resolve(Authenticate), copies),
        DeletionThreads: DeletionThreads(),
        Exports: exports,
        HealthChecks: HealthChecks(resolve(CheckHealth)),
        LanguageNegotiation: negotiate,
        Metrics: metrics,
        PasswordThreads: PasswordThreads(),
        RateLimits: rate_limits,
        FilmAdder: FilmAdder(
            find_held=resolve(FindHeld),
            add_movie=resolve(AddMovie),
            source_threads=source_threads,
            rate_limits=rate_limits,
        ),
        SourceThreads: source_threads,
        UserExport: UserExport(
            exports, lambda user, how: export.export_chunks(user, export_user(user=user), how)
        ),
        Version: version,
    }

    def find(kind: type[T]) -> T:
        return cast("T", own[kind]) if kind in own else resolve(kind)

    repeatable = IdempotentRequests(resolve(KeepResponses))

    def router(path: str, routes: Routes, **options: bytes) -> Router:
        return OwnedRouter(path, route_handlers=bound(routes, find, repeatable), opt=options)

    respond_to_error = _error_responder(pages, development=settings.development)
    catalogue_cache = PUBLIC if public else PRIVATE
    app = Litestar(
        [
            *(router(BASE, routes, cache_control=catalogue_cache) for routes in CATALOGUE),
            *(router(BASE, routes) for routes in OTHERS),
            router("/", AT_ROOT),
            *(pages.routers(find) if pages else [router("/", WITHOUT_PAGES)]),
        ],
        guards=[make_guard(find(CallerCache), rate_limits, public=public)],
        exception_handlers=cast(
            "ExceptionHandlersMap",
            {Exception: lambda request, error: respond_to_error(error, request.scope)},
        ),
        cors_config=_cors(settings.allowed_origins),
        on_startup=[_set_thread_pool],
        on_shutdown=[access_log.flush, metrics.publish],
        lifespan=[lambda _: lifespan()],
        request_max_body_size=settings.max_body_bytes,
        state=State(),
        openapi_config=None,  # the document is generated when it is first requested
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.state.openapi = functools.cache(
        lambda: json_response(document(app.routes, version=version, public=public), cache=PUBLIC)
    )
    common_headers = CommonHeaders(cors=bool(settings.allowed_origins))
    app.asgi_handler = OuterMiddleware(
        respond_to_options(app, app.asgi_handler),
        unlimited=health.HEALTH,
        max_body_bytes=settings.max_body_bytes,
        common_headers=common_headers,
        observers=observers(metrics),
        respond_to_error=respond_to_error,
    )
    if copies:
        app.asgi_handler = FastPath(
            app.asgi_handler,
            copies,
            rate_limits,
            common_headers,
            negotiate,
            observers(metrics),
            health.FIXED,
        )
    return app


def fast_path(app: Litestar) -> FastPath | None:
    """The fast path of an application that has one."""
    return app.asgi_handler if isinstance(app.asgi_handler, FastPath) else None


def openapi(app: Litestar) -> bytes:
    """The OpenAPI document of an application, as JSON."""
    response: Response = app.state.openapi()
    return response.body


def _error_responder(pages: Pages | None, *, development: bool) -> Callable[[Exception, Scope], Response]:
    """Responds to errors: with a page if the client shows pages, else as the API does."""

    def respond(error: Exception, scope: Scope) -> Response:
        page = pages.error_page(error, scope) if pages else None
        return page or error_response(error, scope, development=development)

    return respond


def _cors(origins: list[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", IDEMPOTENCY_KEY, "If-None-Match", "X-Request-ID"],
        expose_headers=[
            "Link",
            "ETag",
            "X-Request-ID",
            "X-Cache",
            "Retry-After",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
        ],
    )


async def _set_thread_pool() -> None:
    """Let handlers that use the store run in the request thread pool."""
    asyncio.get_running_loop().set_default_executor(RequestThreadPool())
