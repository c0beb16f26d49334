"""What the first start does before anything is served: it fills an empty catalogue.

People do not wait for a source that does not answer: the service begins without movies then, and they are
fetched as soon as the source answers.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from entrypoints.container import Container
from entrypoints.observability.console import Progressing, Watch, progress
from entrypoints.processes.banner import say
from entrypoints.settings import Settings

FIRST_ANSWER = 5.0
"""Seconds that the service waits for the source's first answer. A resolver without a network takes longer."""

STALLED = 20.0
"""Seconds without another page after which the service begins while the catalogue is being filled."""

FIRST_DELAY = 5.0
LONGEST_DELAY = 300.0
"""Seconds between two tries; each is twice as long as the one before."""

PARTIAL_DELAY = 900.0
"""Seconds until the pages that a partial sync has missed are tried again: most movies are there."""

HOPELESS = (SourceRefused, FilledFromAnotherSource)
"""What will fail again however often it is tried."""

log = logging.getLogger(__name__)


class PagesMissing(SourceUnavailable):
    """A sync did not read every page: some could not be read, or it was cancelled."""


def fill_if_empty(container: Container, settings: Settings, begin: Callable[[], None]) -> None:
    """Sync genres and movies unless that was done.

    `begin` is called, once, to have the service begin meanwhile if the source does not answer or is slow;
    then this goes on until it has read every page. A refused credential ends it: only another would help. A
    catalogue that another source filled is left as it is.
    """
    if refused := container.check_source()():
        say(f"No syncs will run: {refused}.")
        log.warning("no syncs will run: %s", refused)
        return
    if _filled(container):
        return
    if settings.has_tmdb_credential:
        say("First start: filling the catalogue from TMDB.")
    else:
        say("First start: no TMDB_ACCESS_TOKEN is set, so the demo catalogue is loaded.")
    with Filling(begin) as filling:
        delay = FIRST_DELAY
        while (problem := _try(container, settings, filling)) and not isinstance(problem, HOPELESS):
            filling.begin_without(f"{problem}.")
            rest = PARTIAL_DELAY if isinstance(problem, PagesMissing) else delay
            log.warning("the catalogue is not complete: %s; next try in %.0f s", problem, rest)
            Event().wait(rest)
            delay = min(delay * 2, LONGEST_DELAY)
        if problem:
            say(f"The catalogue stays as it is: {problem}. Set it right, and start again.")
            log.error("the catalogue is not filled: %s", problem)
        elif filling.begun:
            log.info("the catalogue is filled")


class Filling:
    """The catalogue being filled: in the foreground while there is progress, else in the background."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self.begun = False
        self._begin = begin
        self._console = Progressing(stderr=True)
        self._lock = Lock()
        self._over = Event()
        self._deadline = monotonic() + FIRST_ANSWER

    def __enter__(self) -> Self:
        Thread(target=self._watch, name="filling", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def answered(self) -> None:
        """Note that the source answered, or that a page was read."""
        self._deadline = monotonic() + STALLED

    def begin_without(self, reason: str) -> None:
        """Let the service begin, if it has not, saying why."""
        with self._lock:
            if self.begun:
                return
            self.begun = True
            self._console.quiet = True  # a moving bar would write over what others say from now on
            say(f"{reason} The service starts now, and movies appear as soon as TMDB sends them.")
            self._begin()

    @contextmanager
    def progress(self, entity: Entity) -> Iterator[Watch]:
        """What to tell of a run: shown to people in the foreground, logged in the background."""
        with progress(entity, self._console) as show:

            def watch(run: SyncRun) -> None:
                self.answered()
                show(run)
                if self.begun:
                    log.info("sync of %s: %d of %d pages", entity, run.pages_done, run.pages_total)

            yield watch

    def _watch(self) -> None:
        while not self.begun and not self._over.wait(max(0.05, self._deadline - monotonic())):
            if monotonic() >= self._deadline:
                self.begin_without("TMDB has not answered for some seconds.")


def _filled(container: Container) -> bool:
    return all(container.runs().latest(entity, completed=True) for entity in (Entity.GENRES, Entity.MOVIES))


def _try(container: Container, settings: Settings, filling: Filling) -> MatineeError | None:
    """Fill the catalogue; what kept that from being done."""
    try:
        container.source().ping()
        filling.answered()
        with filling.progress(Entity.GENRES) as watch:
            genres = container.sync_genres()(watch=watch)
        with filling.progress(Entity.MOVIES) as watch:
            movies = container.sync_movies()(pages=settings.tmdb_sync_pages, watch=watch)
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
