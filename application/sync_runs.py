"""Syncs that admins start and watch from afar, and that a worker does."""

from dataclasses import dataclass

from application.sync import SyncChanges, SyncGenres, SyncMovies
from application.sync_runner import SyncRunner
from domain.ids import RunId
from domain.pagination import Page, Window, page_of
from domain.ports import Clock, JobQueue, SyncRunRepository
from domain.sync import Entity, Status, SyncRun


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSync:
    """Have a sync done in the background."""

    runner: SyncRunner
    jobs: JobQueue

    def __call__(self, *, entity: Entity) -> SyncRun:
        """The run, which is on record and waits for a worker.

        Raises SyncRunning while one of its kind runs or waits, FilledFromAnotherSource, and QueueUnavailable;
        then it is cancelled.
        """
        with self.runner.enqueue(entity) as run:
            self.jobs.sync(entity, run.id)
        return run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSync:
    """Do a sync that was queued, or whose time has come."""

    runs: SyncRunRepository
    sync_genres: SyncGenres
    sync_movies: SyncMovies
    sync_changes: SyncChanges
    pages: int

    def __call__(self, *, entity: Entity, queued: RunId | None = None) -> SyncRun:
        """The closed run. A queued one that was cancelled or has ended well is left as it is; one that died
        or failed is followed by another.

        Raises SyncRunning if another is at work; SourceUnavailable if this one failed, so that the queue
        tries again later; and SourceRefused or FilledFromAnotherSource if that is no use.
        """
        if queued and not (run := self.runs.get(queued)).wanted:
            return run
        run = self._done(entity, queued)
        if run.status is Status.FAILED:
            raise run.failure
        return run

    def _done(self, entity: Entity, queued: RunId | None) -> SyncRun:
        match entity:
            case Entity.GENRES:
                return self.sync_genres(queued=queued)
            case Entity.MOVIES:
                return self.sync_movies(pages=self.pages, queued=queued)
            case _:
                return self.sync_changes(queued=queued)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSync:
    """Stop a run, at work or queued; another may begin at once."""

    runner: SyncRunner
    clock: Clock

    def __call__(self, *, run: RunId) -> SyncRun:
        """The closed run. Whoever does it is stopped by the fence as soon as he wants to write.

        Raises RunNotFound, and RunClosed if it is closed already.
        """
        cancelled = self.runner.runs.cancel(run, self.clock())
        self.runner.release_lock(cancelled)
        return cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRuns:
    """Show the runs of all kinds, the one that began last first."""

    runs: SyncRunRepository

    def __call__(self, *, window: Window) -> Page[SyncRun]:
        """A part of them."""
        found = self.runs.recent(window.fetch_size, window.skip, after=window.cursor)
        return page_of(found, window, self.runs.count())


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRun:
    """Show one run, as far as it has come."""

    runs: SyncRunRepository

    def __call__(self, *, run: RunId) -> SyncRun:
        """Raises RunNotFound."""
        return self.runs.get(run)
