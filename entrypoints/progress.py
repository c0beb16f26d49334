"""The progress of a sync on a terminal, and the consoles that commands print to."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from domain.sync import Entity, SyncRun

LINE_INTERVAL = 5.0
"""Seconds between two lines of progress where no terminal shows a bar."""

ProgressCallback = Callable[[SyncRun], None]


class OutputConsole(Console):
    """A console for results: a closed pipe raises BrokenPipeError."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class ProgressConsole(Console):
    """A console for progress: after a closed pipe it prints nothing, and the work continues."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


@contextmanager
def show_progress(entity: Entity, console: Console | None = None) -> Iterator[ProgressCallback]:
    """Show the progress of a sync: a live bar on a terminal, elsewhere a line every few seconds.

    Yields the callback to pass to the sync. The default console writes to standard error.
    """
    console = console or ProgressConsole(stderr=True)
    if not console.is_terminal:
        yield _print_lines(entity, console)
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

        def update(run: SyncRun) -> None:
            rate = run.fetched / max(monotonic() - started, 0.001)
            done = run.pages_done + run.pages_failed
            bar.update(
                task, total=run.pages_total or None, completed=done, movies=run.fetched, rate=f"{rate:.0f}"
            )

        yield update


def _print_lines(entity: Entity, console: Console) -> ProgressCallback:
    printed_at = monotonic() - LINE_INTERVAL

    def update(run: SyncRun) -> None:
        nonlocal printed_at
        if monotonic() - printed_at >= LINE_INTERVAL or not run.running:
            printed_at = monotonic()
            console.print(
                f"sync {entity}: {run.pages_done} of {run.pages_total} pages, {run.fetched} fetched, "
                f"{run.pages_failed} pages failed",
                highlight=False,
                soft_wrap=True,
            )

    return update
