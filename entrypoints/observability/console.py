"""What a person sees: of a sync a live bar on a terminal, plain lines elsewhere, and a table at the end; of
accounts and of recounts what operators ask for.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from domain.ids import MovieId
from domain.movies import Movie
from domain.ratings import Drift, Tally
from domain.sync import Entity, SyncRun
from domain.users import User
from entrypoints.http.schemas import moment

EVERY = 5.0
"""Seconds between two plain lines."""

Watch = Callable[[SyncRun], None]


class Output(Console):
    """A console on which a reader that has gone is an error to be dealt with where commands end."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Progressing(Console):
    """A console for what is only for looking at: if nobody reads it any more, the work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


@contextmanager
def progress(entity: Entity, console: Console | None = None) -> Iterator[Watch]:
    """Show a run while it goes on, on standard error."""
    console = console or Progressing(stderr=True)
    if not console.is_terminal:
        yield _lines(entity, console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages  {task.fields[movies]} {task.fields[noun]}  {task.fields[rate]}/s "),
        TimeRemainingColumn(),
    )
    noun = "genres" if entity is Entity.GENRES else "movies"
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"sync {entity}", total=None, movies=0, noun=noun, rate="0")
        started = monotonic()

        def watch(run: SyncRun) -> None:
            rate = run.fetched / max(monotonic() - started, 0.001)
            done = run.pages_done + run.pages_failed
            bar.update(
                task, total=run.pages_total or None, completed=done, movies=run.fetched, rate=f"{rate:.0f}"
            )

        yield watch


def summary(run: SyncRun, console: Console | None = None) -> None:
    """The closed record as a table, on standard output."""
    console = console or Output()
    table = Table(title=f"sync {run.entity}: {run.status}", title_justify="left", show_header=False)
    seconds = ((run.finished_at or run.started_at) - run.started_at).total_seconds()
    for name in ("pages_total", "pages_done", "pages_failed", "fetched", "inserted", "updated", "unchanged"):
        table.add_row(name, str(getattr(run, name)))
    for name in ("skipped", "duplicates", "requests"):
        table.add_row(name, str(getattr(run, name)))
    table.add_row("seconds", f"{seconds:.1f}")
    table.add_row("run", run.id)
    console.print(table)
    for problem in run.problems:
        console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)


def accounts(users: Sequence[User]) -> None:
    """Accounts as a table, or as lines with tabs where standard output is no terminal."""
    console = Output()
    table = Table("id", "username", "e-mail", "role", "state", "created")
    for user in users:
        row = (user.id, user.username, user.email, user.role, _state(user), moment(user.created_at))
        if console.is_terminal:
            table.add_row(*map(escape, row))
        else:
            click.echo("\t".join(row))
    if console.is_terminal:
        console.print(table)


def drifts(found: Sequence[Drift], movies: Mapping[MovieId, Movie], *, repaired: bool) -> None:
    """What a recount found, a line for each movie and one for all."""
    for drift in found:
        title = movies[drift.movie].facts.title if drift.movie in movies else "?"
        stored, counted = _figures(drift.stored), _figures(drift.counted)
        click.echo(f"{drift.movie} {title}: stored {stored}; counted {counted}")
    many = "1 movie differs" if len(found) == 1 else f"{len(found)} movies differ"
    if not found:
        click.echo("No drift: every tally equals a recount.")
    elif repaired:
        click.echo(f"{many} from a recount; corrected.")
    else:
        click.echo(f"{many} from a recount; matinee ratings verify --repair corrects it.")


def _state(user: User) -> str:
    return "disabled" if user.disabled else "enabled"


def _figures(tally: Tally) -> str:
    """How many ratings, their average, and how many of each score."""
    scores = ", ".join(f"{score}: {number}" for score, number in tally.distribution.items() if number)
    return f"{tally.count}, average {tally.average} ({scores})" if tally.count else "0"


def _lines(entity: Entity, console: Console) -> Watch:
    last = monotonic() - EVERY

    def watch(run: SyncRun) -> None:
        nonlocal last
        if monotonic() - last >= EVERY or not run.running:
            last = monotonic()
            console.print(
                f"sync {entity}: {run.pages_done} of {run.pages_total} pages, {run.fetched} fetched, "
                f"{run.pages_failed} pages failed",
                highlight=False,
                soft_wrap=True,
            )

    return watch
