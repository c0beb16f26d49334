"""`matinee movies`: single films."""

import sys
from collections.abc import Sequence

import click

from domain.ids import MovieRef, film_ref
from domain.movies import Movie, MovieNotFound
from domain.sync import SourceUnavailable
from entrypoints.cli.context import data_dir_option, examples, running_command
from entrypoints.cli.groups import SuggestingGroup

PARTIAL_CODE = 3
"""The exit code if some films were added and others could not be."""


@click.group(cls=SuggestingGroup)
def movies() -> None:
    """Add single films to the catalogue."""


@movies.command(
    epilog=examples(
        "matinee movies add 603 tt0133093\n"
        "matinee movies add https://www.imdb.com/title/tt0211915/\n"
        "matinee movies add --data-dir ~/films https://www.themoviedb.org/movie/194-amelie"
    )
)
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@data_dir_option
def add(refs: Sequence[str], data_dir: str | None) -> None:
    """Read films from TMDB, and store those that the catalogue lacks.

    REF is a TMDB number, an IMDb id, or the address of a film at either site. Exit code 0: the catalogue has
    all of them now; 3: some could not be had, each is named; 1: none could.
    """
    parsed = _parsed(refs)
    problems = 0
    with running_command(data_dir) as (container, _):
        add_movie = container.add_movie()
        for name, ref in zip(refs, parsed, strict=True):
            try:
                added = add_movie(ref=ref)
            except (MovieNotFound, SourceUnavailable) as error:
                problems += 1
                reason = "TMDB knows no such film" if isinstance(error, MovieNotFound) else error
                click.echo(f"matinee: {name}: {reason}", err=True)
            else:
                click.echo(f"{'Added' if added.created else 'There already'}: {_shown(added.movie)}")
    if problems:
        sys.exit(1 if problems == len(refs) else PARTIAL_CODE)


def _parsed(refs: Sequence[str]) -> list[MovieRef]:
    """The films that are named. Raises UsageError with every text that names none."""
    parsed = [film_ref(ref) for ref in refs]
    if invalid := [repr(ref) for ref, film in zip(refs, parsed, strict=True) if film is None]:
        message = f"{', '.join(invalid)}: no TMDB number, IMDb id or address of a film at either"
        raise click.UsageError(message)
    return [film for film in parsed if film]


def _shown(movie: Movie) -> str:
    facts = movie.facts
    year = f" ({facts.release_date.year})" if facts.release_date else ""
    return f"{facts.title}{year}, TMDB number {facts.tmdb_id}"
