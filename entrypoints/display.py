"""What a person sees of a sync: a live bar on a terminal, plain lines elsewhere, and a table at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from domain.sync import Entity, SyncRun

EVERY = 5.0
"""Seconds between two plain lines."""

Watch = Callable[[SyncRun], None]


@contextmanager
def progress(entity: Entity, console: Console | None = None) -> Iterator[Watch]:
    """Show a run while it goes on, on standard error."""
    console = console or Console(stderr=True)
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
    console = console or Console()
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
