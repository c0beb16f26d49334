"""Fills an empty catalogue at the first start.

The start waits while the source makes progress. If the source does not answer or stalls, the service starts
without movies, and the catalogue is filled in the background.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Self

from domain.errors import MatineeError
from domain.sync import (
    Entity,
    FilledFromAnotherSource,
    SourceRefused,
    SourceUnavailable,
    Status,
    SyncRun,
    SyncRunning,
)
from entrypoints.console import echo
from entrypoints.container import Container
from entrypoints.progress import ProgressCallback, ProgressConsole, show_progress
from entrypoints.settings import Settings

NON_RETRYABLE = (SourceRefused, FilledFromAnotherSource)
"""Errors after which another attempt is useless."""

log = logging.getLogger("matinee.first_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the start waits, and how soon a sync is tried again; all in seconds."""

    first_answer: float = 5.0
    """The wait for the first answer of the source. Without a network, a DNS lookup takes longer than this."""

    progress: float = 20.0
    """The wait for each further page."""

    first_retry: float = 5.0
    last_retry: float = 300.0
    """The delay before another attempt; it doubles from the first to the last."""

    partial_retry: float = 900.0
    """The delay after a partial sync, which has stored most movies."""


class PagesMissing(SourceUnavailable):
    """A sync is over and some pages are missing: they could not be read, or the run was cancelled."""


def fill_if_empty(
    container: Container, settings: Settings, start_service: Callable[[], None], timing: Timing | None = None
) -> bool:
    """Sync genres and movies unless both were synced before; return whether syncs may run.

    Calls `start_service`, at most once, if the source does not answer in time or stalls; then continues until
    every page is read. A refused credential ends it at once. A catalogue that another source filled is left
    alone, and no sync may run.
    """
    if refused := container.check_source()():
        echo(f"No syncs will run: {refused}.")
        log.warning("no syncs will run: %s", refused)
        return False
    if _is_filled(container):
        return True
    problem = _fill(container, settings, start_service, timing or Timing())
    return not isinstance(problem, FilledFromAnotherSource)


def _fill(
    container: Container, settings: Settings, start_service: Callable[[], None], timing: Timing
) -> MatineeError | None:
    """Sync until the catalogue is complete; return what makes further attempts useless."""
    if settings.has_tmdb_credential:
        echo("First start: filling the catalogue from TMDB.")
    else:
        echo("First start: no TMDB_ACCESS_TOKEN is set, so the demo catalogue is loaded.")
    with CatalogueFill(start_service, timing) as fill:
        delay = timing.first_retry
        while (problem := _sync(container, settings, fill)) and not isinstance(problem, NON_RETRYABLE):
            fill.start_early(f"{problem}.")
            pause = timing.partial_retry if isinstance(problem, PagesMissing) else delay
            log.warning("the catalogue is not complete: %s; next attempt in %.0f s", problem, pause)
            Event().wait(pause)
            delay = min(delay * 2, timing.last_retry)
        if problem:
            echo(f"The catalogue stays as it is: {problem}. Set it right, and start again.")
            log.error("the catalogue is not filled: %s", problem)
        elif fill.service_started:
            log.info("the catalogue is filled")
        return problem


class CatalogueFill:
    """A catalogue being filled: in the foreground while there is progress, then in the background."""

    def __init__(self, start_service: Callable[[], None], timing: Timing) -> None:
        self.service_started = False
        self._start_service = start_service
        self._timing = timing
        self._console = ProgressConsole(stderr=True)
        self._lock = Lock()
        self._over = Event()
        self._deadline = monotonic() + timing.first_answer

    def __enter__(self) -> Self:
        Thread(target=self._watch_deadline, name="first-run", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def extend_deadline(self) -> None:
        """Set a new deadline, because the source has answered or a page was read."""
        self._deadline = monotonic() + self._timing.progress

    def start_early(self, reason: str) -> None:
        """Start the service before the catalogue is filled, unless that was done; print the reason."""
        with self._lock:
            if self.service_started:
                return
            self.service_started = True
            self._console.quiet = True  # a progress bar would overwrite the output of the service
            echo(f"{reason} The service starts now, and movies appear as soon as TMDB sends them.")
            self._start_service()

    @contextmanager
    def progress(self, entity: Entity) -> Iterator[ProgressCallback]:
        """The callback for a sync: progress is printed in the foreground and logged in the background."""
        with show_progress(entity, self._console) as show:

            def update(run: SyncRun) -> None:
                self.extend_deadline()
                show(run)
                if self.service_started:
                    log.info("sync of %s: %d of %d pages", entity, run.pages_done, run.pages_total)

            yield update

    def _watch_deadline(self) -> None:
        while not self.service_started and not self._over.wait(max(0.05, self._deadline - monotonic())):
            if monotonic() >= self._deadline:
                self.start_early("TMDB has not answered for some seconds.")


def _is_filled(container: Container) -> bool:
    return all(container.runs().latest(entity, completed=True) for entity in (Entity.GENRES, Entity.MOVIES))


def _sync(container: Container, settings: Settings, fill: CatalogueFill) -> MatineeError | None:
    """Sync genres and movies; return what prevented it, or None if the catalogue is complete."""
    try:
        container.source().ping()
        fill.extend_deadline()
        with fill.progress(Entity.GENRES) as update:
            genres = container.sync_genres()(on_progress=update)
        with fill.progress(Entity.MOVIES) as update:
            movies = container.sync_movies()(pages=settings.tmdb_sync_pages, on_progress=update)
    except (SourceRefused, SourceUnavailable, SyncRunning, FilledFromAnotherSource) as problem:
        return problem
    for run in (genres, movies):
        if run.status is Status.FAILED:
            return SourceRefused(run.problems[0]) if run.refused else SourceUnavailable(run.problems[0])
        if not run.complete:
            return PagesMissing(
                f"the sync of {run.entity} is {run.status}, {run.pages_failed} pages are missing"
            )
    return None
