"""Syncs in the foreground."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from domain.sync import Entity, Status, SyncRun
from entrypoints.cli.border import Group, data_dir_option, example, opened
from entrypoints.observability.console import progress, summary
from entrypoints.processes.banner import say
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from entrypoints.container import Container

EXIT_CODES = {Status.SUCCESS: 0, Status.PARTIAL: 3, Status.FAILED: 1, Status.CANCELLED: 1}


demo_option = click.option(
    "--demo", is_flag=True, help="Read the demo catalogue, into a store that TMDB has not filled."
)


@click.group(cls=Group)
def sync() -> None:
    """Bring the catalogue up to date, in the foreground.

    Exit code 0: everything was read; 3: a part was not, the summary names it; 1: failed, or refused because
    the catalogue was filled from another source.
    """


@sync.command(epilog=example("matinee sync genres\nmatinee sync genres --data-dir ~/films"))
@demo_option
@data_dir_option
def genres(data_dir: str | None, *, demo: bool) -> None:
    """Read the genres."""
    with _admitted(data_dir, demo=demo) as (container, _):
        sys.exit(_done(Entity.GENRES, container.sync_genres()))


@sync.command(epilog=example("matinee sync movies\nmatinee sync movies --pages 5 --data-dir ~/films"))
@click.option(
    "--pages", type=click.IntRange(1, 500), help="Pages of 20 movies to read.  [default: TMDB_SYNC_PAGES]"
)
@demo_option
@data_dir_option
def movies(pages: int | None, data_dir: str | None, *, demo: bool) -> None:
    """Read the popular movies; goes on where a run of the last 12 hours failed."""
    with _admitted(data_dir, demo=demo) as (container, settings):
        sys.exit(_done(Entity.MOVIES, container.sync_movies(), pages=pages or settings.tmdb_sync_pages))


@sync.command(epilog=example("matinee sync changes\nmatinee sync changes --data-dir ~/films"))
@demo_option
@data_dir_option
def changes(data_dir: str | None, *, demo: bool) -> None:
    """Read anew the movies that changed since the last complete run."""
    with _admitted(data_dir, demo=demo) as (container, _):
        sys.exit(_done(Entity.CHANGES, container.sync_changes()))


@sync.command(epilog=example("TMDB_ACCESS_TOKEN=... matinee sync upgrade"))
@data_dir_option
def upgrade(data_dir: str | None) -> None:
    """Hand a catalogue that the demo filled over to TMDB, and read everything from there.

    Accounts, ratings and watchlists stay. Needs a TMDB credential.
    """
    with opened(data_dir) as (container, settings):
        if not settings.has_tmdb_credential:
            raise click.UsageError("no TMDB credential is set: set TMDB_ACCESS_TOKEN or TMDB_API_KEY")
        container.upgrade_catalogue()()
        codes = [
            _done(Entity.GENRES, container.sync_genres()),
            _done(Entity.MOVIES, container.sync_movies(), pages=settings.tmdb_sync_pages),
            _done(Entity.CHANGES, container.sync_changes()),
        ]
    sys.exit(next(code for code in (1, 3, 0) if code in codes))


@contextmanager
def _admitted(data_dir: str | None, *, demo: bool) -> "Iterator[tuple[Container, Settings]]":
    """A running container whose source may fill the catalogue. Raises FilledFromAnotherSource."""
    with opened(data_dir, make=True, demo=demo) as (container, settings):
        if refused := container.check_source()():
            raise refused
        if not (demo or settings.has_tmdb_credential):
            say("No TMDB_ACCESS_TOKEN is set, so the demo catalogue is read.", err=True)
        yield container, settings


def _done(entity: Entity, sync: Callable[..., SyncRun], **options: int) -> int:
    """Do a sync and show what it came to; its exit code."""
    with progress(entity) as watch:
        run = sync(watch=watch, **options)
    summary(run)
    return EXIT_CODES[run.status]
