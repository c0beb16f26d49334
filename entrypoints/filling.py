"""What the first start does before anything is served: it fills an empty catalogue."""

import click

from domain.sync import Entity, Status
from entrypoints.container import Container
from entrypoints.display import progress
from entrypoints.settings import Settings


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
