"""`matinee ratings` and `matinee export`: tallies, and one user's data."""

import sys

import click

from entrypoints.cli.border import Group, data_dir_option, example, opened
from entrypoints.http.exports import json_chunks
from entrypoints.http.queries import ExportFormat
from entrypoints.observability import console

DRIFT_FOUND = 4
"""The exit code of `ratings verify` where tallies are wrong and stay so."""


@click.group(cls=Group)
def ratings() -> None:
    """See to the movies' tallies of ratings."""


@ratings.command(
    epilog=example(
        "matinee ratings verify\nmatinee ratings verify --repair\nmatinee ratings verify --data-dir ~/films"
    )
)
@click.option("--repair", is_flag=True, help="Set right what is wrong.")
@data_dir_option
def verify(data_dir: str | None, *, repair: bool) -> None:
    """Recount every movie's tally from its ratings.

    Exit code 0: no drift, or all of it repaired; 4: drift was found.
    """
    with opened(data_dir) as (container, _):
        drifts = container.verify_ratings()(repair=repair)
        movies = container.movies().by_ids([drift.movie for drift in drifts])
    console.drifts(drifts, {movie.id: movie for movie in movies}, repaired=repair)
    sys.exit(DRIFT_FOUND if drifts and not repair else 0)


@click.command(
    epilog=example(
        "matinee export --user ada@example.org > ada.json\n"
        "matinee export --user ada@example.org --data-dir ~/films > ada.json"
    )
)
@click.option("--user", "email", required=True, metavar="EMAIL", help="Whose data.")
@click.option(
    "--format",
    "_format",
    type=click.Choice([each.value for each in ExportFormat]),
    default=ExportFormat.JSON.value,
    show_default=True,
    help="How it is written.",
)
@data_dir_option
def export(email: str, _format: str, data_dir: str | None) -> None:
    """Print all data of one user as JSON, as GET /me/export answers it.

    It is written as it is read. Exit code 1: it is not whole.
    """
    with opened(data_dir) as (container, _):
        user = container.find_user()(email=email)
        for chunk in json_chunks(user, container.export_user()(user=user)):
            click.echo(chunk, nl=False)
        click.echo()
