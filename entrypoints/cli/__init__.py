"""The command line: `matinee serve`, `matinee sync …`. Exit codes and words are in docs/operating.md."""

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import NoReturn

import click

from domain.sync import Entity, Status, SyncRun
from entrypoints import serving
from entrypoints.cli.border import Border, example, started
from entrypoints.cli.check import check
from entrypoints.cli.people import export, ratings, users
from entrypoints.display import progress, summary
from entrypoints.settings import load

EXIT_CODES = {Status.SUCCESS: 0, Status.PARTIAL: 3, Status.FAILED: 1, Status.CANCELLED: 1}


@click.group(
    cls=Border,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("matinee serve\nmatinee serve --port 9000 --data-dir ~/films\nmatinee sync movies"),
)
@click.version_option(version("matinee"), prog_name="matinee")
def matinee() -> None:
    """A self-hosted movie catalogue, in step with TMDB.

    Settings come from environment variables and a .env file; docs/operating.md lists them.
    """


@matinee.command(epilog=example("matinee serve\nPUBLIC_CATALOGUE=true matinee serve --port 9000"))
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8080]")
@click.option("--data-dir", help="Where the catalogue is kept.  [default: ./matinee-data]")
def serve(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Run everything on this machine; the first start fills the catalogue."""
    with started("serve", host=host, port=port, data_dir=data_dir) as (container, settings):
        serving.fill_if_empty(container, settings)
        serving.serve(container, settings)


@matinee.group()
def sync() -> None:
    """Bring the catalogue up to date, in the foreground.

    Exit code 0: everything was read; 3: a part was not, the summary names it; 1: failed.
    """


@sync.command(epilog=example("matinee sync genres"))
def genres() -> None:
    """Read the genres."""
    with started() as (container, _):
        _report(Entity.GENRES, container.sync_genres())


@sync.command(epilog=example("matinee sync movies\nmatinee sync movies --pages 5"))
@click.option(
    "--pages", type=click.IntRange(1, 500), help="Pages of 20 movies to read.  [default: TMDB_SYNC_PAGES]"
)
def movies(pages: int | None) -> None:
    """Read the popular movies; goes on where a run of the last 12 hours failed."""
    with started() as (container, settings):
        _report(Entity.MOVIES, container.sync_movies(), pages=pages or settings.tmdb_sync_pages)


@sync.command(epilog=example("matinee sync changes"))
def changes() -> None:
    """Read anew the movies that changed since the last complete run."""
    with started() as (container, _):
        _report(Entity.CHANGES, container.sync_changes())


@matinee.command(epilog=example("matinee openapi > openapi.json"))
def openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(serving.openapi(load()))


for command in (users, ratings, export, check):
    matinee.add_command(command)


def _report(entity: Entity, sync: Callable[..., SyncRun], **options: int) -> NoReturn:
    with progress(entity) as watch:
        run = sync(watch=watch, **options)
    summary(run)
    sys.exit(EXIT_CODES[run.status])
