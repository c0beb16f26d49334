"""`matinee ratings`: the tallies of the movies' ratings."""

import sys
from collections.abc import Mapping, Sequence

import click

from domain.ids import MovieId
from domain.movies import Movie
from domain.ratings import Drift, Tally
from entrypoints.cli.context import data_dir_option, examples, running_command
from entrypoints.cli.groups import SuggestingGroup
from entrypoints.console import command

DRIFT_CODE = 4
"""The exit code of `ratings verify` if tallies are wrong and were not repaired."""


@click.group(cls=SuggestingGroup)
def ratings() -> None:
    """Check the movies' tallies of ratings."""


@ratings.command(
    epilog=examples(
        "matinee ratings verify\nmatinee ratings verify --repair\nmatinee ratings verify --data-dir ~/films"
    )
)
@click.option("--repair", is_flag=True, help="Set right what is wrong.")
@data_dir_option
def verify(data_dir: str | None, *, repair: bool) -> None:
    """Recount every movie's tally from its ratings.

    Exit code 0: no drift, or all of it repaired; 4: drift was found.
    """
    with running_command(data_dir) as (container, _):
        drifts = container.verify_ratings()(repair=repair)
        movies = container.movies().by_ids([drift.movie for drift in drifts])
    _print_drifts(drifts, {movie.id: movie for movie in movies})
    _print_summary(len(drifts), data_dir, repaired=repair)
    sys.exit(DRIFT_CODE if drifts and not repair else 0)


def _print_drifts(drifts: Sequence[Drift], movies: Mapping[MovieId, Movie]) -> None:
    """Print a line for each movie whose tally differs from the recount."""
    for drift in drifts:
        title = movies[drift.movie].facts.title if drift.movie in movies else "?"
        click.echo(
            f"{drift.movie} {title}: stored {_in_words(drift.stored)}; counted {_in_words(drift.counted)}"
        )


def _print_summary(wrong: int, data_dir: str | None, *, repaired: bool) -> None:
    """Print how many tallies were wrong, and the command that corrects them."""
    number = "1 movie differs" if wrong == 1 else f"{wrong} movies differ"
    if not wrong:
        click.echo("No drift: every tally equals a recount.")
    elif repaired:
        click.echo(f"{number} from a recount; corrected.")
    else:
        click.echo(f"{number} from a recount. To correct it: {command('ratings verify --repair', data_dir)}")


def _in_words(tally: Tally) -> str:
    """The number of ratings, their average, and the number for each score."""
    scores = ", ".join(f"{score}: {number}" for score, number in tally.distribution.items() if number)
    return f"{tally.count}, average {tally.average} ({scores})" if tally.count else "0"
