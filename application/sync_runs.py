"""Background syncs: started, listed and cancelled by admins, run by a worker."""

from dataclasses import dataclass

from application.discovery import SyncDiscover
from application.sync import SyncChanges, SyncGenres, SyncMovies
from application.sync_runner import SyncRunner
from domain.discovery import DiscoverFilter
from domain.ids import RunId
from domain.pagination import Page, Window, page_of
from domain.ports import Clock, JobQueue, SyncRunRepository
from domain.sync import Entity, Status, SyncRun


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSync:
    """Start a sync in the background."""

    runner: SyncRunner
    jobs: JobQueue

    def __call__(self, *, entity: Entity) -> SyncRun:
        """The enqueued run.

        Raises SyncRunning if a run of the kind is in progress or enqueued, FilledFromAnotherSource, and
        QueueUnavailable, after which the run is cancelled.
        """
        with self.runner.enqueue(entity) as run:
            self.jobs.sync(entity, run.id)
        return run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSync:
    """Run a sync that was enqueued or scheduled."""

    runs: SyncRunRepository
    sync_genres: SyncGenres
    sync_movies: SyncMovies
    sync_changes: SyncChanges
    sync_discover: SyncDiscover
    pages: int
    discover_filter: DiscoverFilter

    def __call__(self, *, entity: Entity, queued: RunId | None = None) -> SyncRun:
        """The closed run. An enqueued run that was cancelled or completed is returned unchanged; one that
        died or failed is resumed by a new run.

        Raises SyncRunning if another run is in progress. If this one failed, raises SourceUnavailable, after
        which the queue retries, or SourceRefused or FilledFromAnotherSource, for which retries are useless.
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
            case Entity.CHANGES:
                return self.sync_changes(queued=queued)
        return self.sync_discover(wanted=self.discover_filter, queued=queued)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSync:
    """Cancel a run that is in progress or enqueued. Another can begin at once."""

    runner: SyncRunner
    clock: Clock

    def __call__(self, *, run: RunId) -> SyncRun:
        """The closed run. The worker that executes it stops with RunClosed when it next stores pages.

        Raises RunNotFound, and RunClosed if it is closed already.
        """
        cancelled = self.runner.runs.cancel(run, self.clock())
        self.runner.release_lock(cancelled)
        return cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRuns:
    """Show the runs of all kinds, the latest first."""

    runs: SyncRunRepository

    def __call__(self, *, window: Window) -> Page[SyncRun]:
        """One page of runs."""
        found = self.runs.recent(window.fetch_size, window.skip, after=window.cursor)
        return page_of(found, window, self.runs.count())


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRun:
    """Show one run."""

    runs: SyncRunRepository

    def __call__(self, *, run: RunId) -> SyncRun:
        """Raises RunNotFound."""
        return self.runs.get(run)
