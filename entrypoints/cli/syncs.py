"""`matinee sync`: syncs in the foreground."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click
from rich.console import Console
from rich.table import Table

from domain.discovery import DiscoverFilter
from domain.errors import Fault, Invalid
from domain.sync import Entity, Status, SyncRun
from entrypoints.cli.context import data_dir_option, examples, running_command
from entrypoints.cli.groups import SuggestingGroup
from entrypoints.console import echo
from entrypoints.memory import collect_less
from entrypoints.progress import OutputConsole, show_progress
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from entrypoints.container import Container

EXIT_CODES = {Status.SUCCESS: 0, Status.PARTIAL: 3, Status.FAILED: 1, Status.CANCELLED: 1}

SUMMARY_FIELDS = (
    "pages_total", "pages_done", "pages_failed", "fetched", "inserted", "updated", "unchanged",
    "skipped", "duplicates", "requests",
)  # fmt: skip

demo_option = click.option(
    "--demo", is_flag=True, help="Read the demo catalogue, into a store that TMDB has not filled."
)


@click.group(cls=SuggestingGroup)
def sync() -> None:
    """Bring the catalogue up to date, in the foreground.

    Exit code 0: everything was read; 3: a part was not, the summary names it; 1: failed, or refused because
    the catalogue was filled from another source.
    """


@sync.command(epilog=examples("matinee sync genres\nmatinee sync genres --data-dir ~/films"))
@demo_option
@data_dir_option
def genres(data_dir: str | None, *, demo: bool) -> None:
    """Read the genres."""
    with _running_sync(data_dir, demo=demo) as (container, _):
        sys.exit(_run(Entity.GENRES, container.sync_genres()))


@sync.command(epilog=examples("matinee sync movies\nmatinee sync movies --pages 5 --data-dir ~/films"))
@click.option(
    "--pages", type=click.IntRange(1, 500), help="Pages of 20 movies to read.  [default: TMDB_SYNC_PAGES]"
)
@demo_option
@data_dir_option
def movies(pages: int | None, data_dir: str | None, *, demo: bool) -> None:
    """Read the popular movies; resumes a run that failed within the last 12 hours."""
    with _running_sync(data_dir, demo=demo) as (container, settings):
        sys.exit(_run(Entity.MOVIES, container.sync_movies(), pages=pages or settings.tmdb_sync_pages))


@sync.command(epilog=examples("matinee sync changes\nmatinee sync changes --data-dir ~/films"))
@demo_option
@data_dir_option
def changes(data_dir: str | None, *, demo: bool) -> None:
    """Read again the movies that changed since the last complete run."""
    with _running_sync(data_dir, demo=demo) as (container, _):
        sys.exit(_run(Entity.CHANGES, container.sync_changes()))


@sync.command(
    epilog=examples(
        "matinee sync discover --year 1994\n"
        "matinee sync discover --year-from 1990 --year-to 1999 --min-votes 100\n"
        "matinee sync discover --genre drama,war --language fr\n"
        "matinee sync discover --exported-min-popularity 5"
    )
)
@click.option("--year", metavar="Y", help="Only movies of this year.")
@click.option("--year-from", metavar="Y", help="Only movies of this year or later.")
@click.option("--year-to", metavar="Y", help="Only movies of this year or earlier.")
@click.option("--genre", metavar="G", help="TMDB numbers or names: a,b for all of them, 'a|b' for any.")
@click.option("--language", metavar="L", help="Only movies of this original language, such as fr.")
@click.option("--min-votes", metavar="N", help="Only movies with at least so many votes at TMDB.")
@click.option("--pages", metavar="N", help="Read at most so many pages of 20 movies.")
@click.option(
    "--exported-min-popularity",
    metavar="X",
    help="Read TMDB's daily file of all movies instead, and those at least as popular that are missing.",
)
@demo_option
@data_dir_option
def discover(data_dir: str | None, *, demo: bool, **filters: str | None) -> None:
    """Read all movies at TMDB that match, year by year if there are too many for one list.

    Without a filter, those of SYNC_DISCOVER_FILTERS; without these, all that have a day of release, which
    takes many hours. Resumes a run with the same filters that failed within the last 12 hours.
    """
    wanted = _discover_filter(filters)
    with _running_sync(data_dir, demo=demo) as (container, settings):
        run = container.sync_discover()
        sys.exit(_run(Entity.DISCOVER, run, wanted=wanted or settings.discover_filter))


def _discover_filter(options: Mapping[str, str | None]) -> DiscoverFilter | None:
    """The filter of the options; None if there are none. Raises UsageError with every fault."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return None
    try:
        return DiscoverFilter.parse(urlencode(given))
    except Invalid as error:
        raise click.UsageError("; ".join(map(_as_option, error.faults))) from None


def _as_option(fault: Fault) -> str:
    """A fault of the option that gives its field."""
    message = fault.message.replace("year_to", "--year-to")
    return f"--{fault.field.replace('_', '-')} {message}"


@sync.command(epilog=examples("TMDB_ACCESS_TOKEN=... matinee sync upgrade"))
@data_dir_option
def upgrade(data_dir: str | None) -> None:
    """Hand a catalogue that the demo filled over to TMDB, and read everything from there.

    Accounts, ratings and watchlists stay. Needs a TMDB credential.
    """
    with running_command(data_dir) as (container, settings):
        if not settings.has_tmdb_credential:
            raise click.UsageError("no TMDB credential is set: set TMDB_ACCESS_TOKEN or TMDB_API_KEY")
        container.upgrade_catalogue()()
        codes = [
            _run(Entity.GENRES, container.sync_genres()),
            _run(Entity.MOVIES, container.sync_movies(), pages=settings.tmdb_sync_pages),
            _run(Entity.CHANGES, container.sync_changes()),
        ]
    sys.exit(worst_exit_code(codes))


def worst_exit_code(codes: Collection[int]) -> int:
    """Return the exit code for several runs: failed (1) before partial (3) before complete (0)."""
    return next(code for code in (1, 3, 0) if code in codes)


@contextmanager
def _running_sync(data_dir: str | None, *, demo: bool) -> "Iterator[tuple[Container, Settings]]":
    """A running container whose source the catalogue accepts. Raises FilledFromAnotherSource."""
    with running_command(data_dir, create=True, demo=demo) as (container, settings):
        if refused := container.check_source()():
            raise refused
        if not (demo or settings.has_tmdb_credential):
            echo("No TMDB_ACCESS_TOKEN is set, so the demo catalogue is read.", err=True)
        collect_less()
        yield container, settings


def _run(entity: Entity, sync: Callable[..., SyncRun], **options: object) -> int:
    """Run a sync, show its progress and print its summary; return the exit code."""
    with show_progress(entity) as update:
        run = sync(on_progress=update, **options)
    _print_summary(run)
    return EXIT_CODES[run.status]


def _print_summary(run: SyncRun, console: Console | None = None) -> None:
    """Print the record of a closed run as a table, and its problems."""
    console = console or OutputConsole()
    table = Table(title=f"sync {run.entity}: {run.status}", title_justify="left", show_header=False)
    seconds = ((run.finished_at or run.started_at) - run.started_at).total_seconds()
    for name in SUMMARY_FIELDS:
        table.add_row(name, str(getattr(run, name)))
    table.add_row("seconds", f"{seconds:.1f}")
    table.add_row("run", run.id)
    console.print(table)
    for problem in run.problems:
        console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
