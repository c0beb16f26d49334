"""`matinee api`: the server process of the REST API."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import version
from secrets import token_bytes

import uvicorn
from dependency_injector import providers
from litestar import Litestar

from domain.errors import Unavailable
from entrypoints.batched_log import flush
from entrypoints.container import Container, Resolver, connected, response_cache
from entrypoints.http.app import create_app, fast_path
from entrypoints.http.app import openapi as documented
from entrypoints.http.connections import Limits
from entrypoints.http.responses import pack, unpack
from entrypoints.http.server import Server, connections_within_descriptors
from entrypoints.settings import Settings
from entrypoints.web.app import WebPages

SHUTDOWN_TIMEOUT = 8
"""Seconds that open requests get to finish: the process must end within ten."""


UPDATE_INTERVAL = 10.0
"""Seconds between two looks for changed ratings, on which the neighbours of movies depend."""

GC_THRESHOLDS = (10_000, 20, 20)
"""New objects until a collection of the youngest generation, and collections until one of the next."""


log = logging.getLogger("matinee.api")


def run(container: Container, settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests on a bound socket until SIGINT or SIGTERM, then let open requests finish.

    Calls `ready` as soon as the port answers.
    """
    container.flush_cache()()  # data may have changed while no process was there to invalidate it
    meter = container.meter()

    def started() -> None:
        relieve_garbage_collector()
        ready()

    app = _app(container, settings)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        log_level=settings.log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )
    most = min(Limits().open, connections_within_descriptors())
    limits = Limits(body_bytes=settings.max_body_bytes, open=most)
    server = Server(
        config,
        limits,
        proxies=settings.proxies,
        fast_path=fast_path(app),
        closed=meter.connection_closed,
        ready=started,
    )
    # At its end uvicorn raises the signal that stopped it once more; of SIGTERM we make a SystemExit.
    with suppress(KeyboardInterrupt, SystemExit):
        try:
            server.run(sockets=[listener])
        finally:  # requests that were interrupted have been recorded last
            flush()


def relieve_garbage_collector() -> None:
    """Let the collector skip what lives as long as the process, and run less often: a full collection of all
    modules and routes would delay every request that is in progress.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def openapi(settings: Settings) -> str:
    """The OpenAPI document. Opens nothing and stores no secret."""
    container = Container(settings=providers.Object(settings), secret=providers.Object(token_bytes()))
    return documented(_app(container, settings)).decode()


def _app(container: Container, settings: Settings) -> Litestar:
    """The application with the use cases of the container."""
    breaker, listener, counter = container.breaker(), container.listener(), container.counter()
    cache = response_cache(breaker, settings, dump=pack, load=unpack)
    return create_app(
        resolve=Resolver(container),
        metrics=container.meter(),
        cache=cache,
        copies=listener,
        counter=counter,
        settings=settings,
        version=version("matinee"),
        pages=WebPages(settings) if settings.has_pages else None,
        lifespan=lambda: updating_neighbours(
            connected(breaker, listener, counter, cache), container.request_update()
        ),
    )


@asynccontextmanager
async def updating_neighbours(
    connected: AbstractAsyncContextManager[None],
    request_update: Callable[[], object],
    interval: float = UPDATE_INTERVAL,
) -> AsyncIterator[None]:
    """A context within `connected` in which an update of neighbours is requested whenever it is necessary."""

    async def request_updates() -> None:
        while True:
            await asyncio.sleep(interval)
            try:
                await asyncio.to_thread(request_update)
            except Unavailable as error:
                log.debug("No update of neighbours can be requested: %s", error)
            except Exception:
                log.exception("Unexpected error in a request for an update of neighbours")

    async with connected:
        task = asyncio.create_task(request_updates())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
