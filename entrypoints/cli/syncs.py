"""Syncs in the foreground."""

import sys
from collections.abc import Callable
from typing import NoReturn

import click

from domain.sync import Entity, Status, SyncRun
from entrypoints.cli.border import Group, data_dir_option, example, opened
from entrypoints.display import progress, summary

EXIT_CODES = {Status.SUCCESS: 0, Status.PARTIAL: 3, Status.FAILED: 1, Status.CANCELLED: 1}


@click.group(cls=Group)
def sync() -> None:
    """Bring the catalogue up to date, in the foreground.

    Exit code 0: everything was read; 3: a part was not, the summary names it; 1: failed.
    """


@sync.command(epilog=example("matinee sync genres\nmatinee sync genres --data-dir ~/films"))
@data_dir_option
def genres(data_dir: str | None) -> None:
    """Read the genres."""
    with opened(data_dir, make=True) as (container, _):
        _report(Entity.GENRES, container.sync_genres())


@sync.command(epilog=example("matinee sync movies\nmatinee sync movies --pages 5 --data-dir ~/films"))
@click.option(
    "--pages", type=click.IntRange(1, 500), help="Pages of 20 movies to read.  [default: TMDB_SYNC_PAGES]"
)
@data_dir_option
def movies(pages: int | None, data_dir: str | None) -> None:
    """Read the popular movies; goes on where a run of the last 12 hours failed."""
    with opened(data_dir, make=True) as (container, settings):
        _report(Entity.MOVIES, container.sync_movies(), pages=pages or settings.tmdb_sync_pages)


@sync.command(epilog=example("matinee sync changes\nmatinee sync changes --data-dir ~/films"))
@data_dir_option
def changes(data_dir: str | None) -> None:
    """Read anew the movies that changed since the last complete run."""
    with opened(data_dir, make=True) as (container, _):
        _report(Entity.CHANGES, container.sync_changes())


def _report(entity: Entity, sync: Callable[..., SyncRun], **options: int) -> NoReturn:
    with progress(entity) as watch:
        run = sync(watch=watch, **options)
    summary(run)
    sys.exit(EXIT_CODES[run.status])
