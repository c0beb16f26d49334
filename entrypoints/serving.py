"""What the API's process does: answer requests until told to stop."""

import socket
from contextlib import nullcontext, suppress
from dataclasses import fields
from importlib.metadata import version
from secrets import token_bytes

import click
import uvicorn
from dependency_injector import providers
from litestar import Litestar

from entrypoints.container import Container, answers_over
from entrypoints.http.answers import packed, unpacked
from entrypoints.http.app import UseCases, create_app
from entrypoints.http.app import openapi as documented
from entrypoints.http.calls import API
from entrypoints.settings import Settings

GRACE = 8
"""Seconds that running requests get to finish; all is over within ten."""


def serve(
    container: Container, settings: Settings, listener: socket.socket, *, announce: bool = True
) -> None:
    """Answer requests on a bound socket until SIGINT or SIGTERM, then let running ones finish."""
    container.flush_cache()()  # it may hold what changed while nobody was there to have it forgotten
    config = uvicorn.Config(
        _app(container, settings),
        log_level=settings.log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        timeout_graceful_shutdown=GRACE,
    )
    if announce:
        _announce(settings, listener)
    # uvicorn raises the signal that stopped it once more at its end; SIGTERM is a SystemExit by then.
    with suppress(KeyboardInterrupt, SystemExit):
        uvicorn.Server(config).run(sockets=[listener])


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


def _announce(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    store = "MongoDB at MONGODB_URI" if settings.mongodb_uri else settings.data_path.resolve()
    click.echo(f"API   {base}{API}/movies\nDocs  {base}{API}/docs\nData  {store}")
    click.echo(f"Join  {_registering(f'{base}{API}')}")
    if settings.catalogue_is_public:
        click.echo(f"Read  curl '{base}{API}/movies?limit=3&fields=title,release_date'")
    else:
        click.echo(
            f"Read  curl -H 'Authorization: Bearer ACCESS_TOKEN' '{base}{API}/movies?limit=3'\n"
            "      (started with PUBLIC_CATALOGUE=true, movies and genres are read without a token)"
        )
    click.echo("Stop  Ctrl-C")


def _registering(api: str) -> str:
    """How to become a user; the answer holds the access token."""
    account = """{"username": "ada", "email": "ada@example.org", "password": "..."}"""
    return f"curl {api}/auth/register -H 'Content-Type: application/json' \\\n      -d '{account}'"
