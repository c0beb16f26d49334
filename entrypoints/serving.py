"""What `matinee serve` does: fill an empty catalogue, then answer requests until told to stop."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from importlib.metadata import version

import click
import uvicorn
from dependency_injector import providers
from litestar import Litestar

from domain.errors import Unavailable
from domain.sync import Entity, Status
from entrypoints.container import Container
from entrypoints.display import progress
from entrypoints.http.app import UseCases, create_app
from entrypoints.http.app import openapi as documented
from entrypoints.http.calls import API
from entrypoints.settings import SHORTEST_SECRET, Settings

GRACE = 8
"""Seconds that running requests get to finish; all is over within ten."""


@dataclass(eq=False)
class AddressTaken(Unavailable):
    """The address to listen on cannot be had."""

    host: str
    port: int
    reason: str

    def __str__(self) -> str:
        return f"cannot listen on {self.host} port {self.port}: {self.reason}; --port chooses another"


def fill_if_empty(container: Container, settings: Settings) -> None:
    """Sync genres and movies unless that was done; what fails is told, and tried again at the next start."""
    if all(container.runs().latest(entity, completed=True) for entity in (Entity.GENRES, Entity.MOVIES)):
        return
    if settings.has_tmdb_credential:
        click.echo("First start: filling the catalogue from TMDB.")
    else:
        click.echo("First start: no TMDB_ACCESS_TOKEN is set, so the demo catalogue is loaded.")
    with progress(Entity.GENRES) as watch:
        genres = container.sync_genres()(watch=watch)
    with progress(Entity.MOVIES) as watch:
        movies = container.sync_movies()(pages=settings.tmdb_sync_pages, watch=watch)
    for run in (genres, movies):
        if run.status is not Status.SUCCESS:
            click.echo(f"The catalogue is not complete ({run.entity}): {run.error}", err=True)


def serve(container: Container, settings: Settings) -> None:
    """Answer requests until SIGINT or SIGTERM, then let running ones finish. Raises AddressTaken."""
    with _listening(settings) as listener:
        _announce(settings, listener)
        config = uvicorn.Config(
            _app(container, settings),
            log_level=settings.log_level,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        # uvicorn raises the signal that stopped it once more at its end; SIGTERM is a SystemExit by then.
        with suppress(KeyboardInterrupt, SystemExit):
            uvicorn.Server(config).run(sockets=[listener])


def openapi(settings: Settings) -> str:
    """The OpenAPI document; nothing is opened, and no secret made, for it."""
    container = Container(
        settings=providers.Object(settings), secret=providers.Object(bytes(SHORTEST_SECRET))
    )
    return documented(_app(container, settings)).decode()


def _app(container: Container, settings: Settings) -> Litestar:
    """The application over the container's use cases, which bear the names that the routes ask for."""
    use_cases = UseCases(**{field.name: getattr(container, field.name)() for field in fields(UseCases)})
    return create_app(
        use_cases=use_cases,
        health=container.check_health(),
        metrics=container.meter(),
        settings=settings,
        version=version("matinee"),
    )


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise AddressTaken(settings.host, settings.port, error.strerror or str(error)) from error
        yield listener


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
