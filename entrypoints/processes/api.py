"""What the API's process does: answer requests until told to stop."""

import socket
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import fields
from importlib.metadata import version
from secrets import token_bytes

import uvicorn
from dependency_injector import providers
from litestar import Litestar

from entrypoints.container import Container, answers_over
from entrypoints.http.app import UseCases, create_app
from entrypoints.http.app import openapi as documented
from entrypoints.http.connections import Limits
from entrypoints.http.responses import packed, unpacked
from entrypoints.http.server import Server, connections_within_descriptors
from entrypoints.settings import Settings

GRACE = 8
"""Seconds that running requests get to finish; all is over within ten."""


def serve(
    container: Container, settings: Settings, listener: socket.socket, ready: Callable[[], None]
) -> None:
    """Answer requests on a bound socket until SIGINT or SIGTERM, then let running ones finish.

    `ready` is called as soon as the port answers.
    """
    container.flush_cache()()  # it may hold what changed while nobody was there to have it forgotten
    meter = container.meter()
    config = uvicorn.Config(
        _app(container, settings),
        http="httptools",
        ws="none",
        log_level=settings.log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        timeout_graceful_shutdown=GRACE,
    )
    most = min(Limits().open, connections_within_descriptors())
    limits = Limits(body_bytes=settings.max_body_bytes, open=most)
    server = Server(config, limits, proxies=settings.proxies, closed=meter.connection_closed, ready=ready)
    # uvicorn raises the signal that stopped it once more at its end; SIGTERM is a SystemExit by then.
    with suppress(KeyboardInterrupt, SystemExit):
        server.run(sockets=[listener])


def openapi(settings: Settings) -> str:
    """The OpenAPI document; nothing is opened, and no secret kept, for it."""
    container = Container(settings=providers.Object(settings), secret=providers.Object(token_bytes()))
    return documented(_app(container, settings)).decode()


def _app(container: Container, settings: Settings) -> Litestar:
    """The application over the container's use cases, which bear the names that the routes ask for."""
    use_cases = UseCases(**{field.name: getattr(container, field.name)() for field in fields(UseCases)})
    link = container.link()
    return create_app(
        use_cases=use_cases,
        health=container.check_health(),
        metrics=container.meter(),
        cache=answers_over(link, settings, dump=packed, load=unpacked) if link else None,
        counter=container.counter(),
        settings=settings,
        version=version("matinee"),
        presence=link.present if link else nullcontext,
    )
