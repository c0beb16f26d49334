"""Runs syncs: one run of a kind at a time over all processes, each with a record that is closed at its end.

The runner acquires the lock, closes the record of a run that died, and records the new run. A run can be
enqueued; the queue holds its lock until a worker takes over.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event, Thread

from domain.errors import StorageUnavailable
from domain.ids import NewId, RunId
from domain.ports import (
    CacheInvalidation,
    Clock,
    GenreRepository,
    JobQueue,
    Locks,
    MovieRepository,
    MovieSource,
    QueueUnavailable,
    SyncRunRepository,
)
from domain.sync import (
    Entity,
    FilledFromAnotherSource,
    PageResult,
    RunClosed,
    SourceRefused,
    SourceUnavailable,
    SyncRun,
    SyncRunning,
)

STORE_DELAY = timedelta(seconds=2)
"""How long pages are stored together after the last step: each step is one transaction, and one invalidation
of the caches. A page waits for the next one, however long that takes to be read.
"""

MAX_WAITING_MOVIES = 100
"""The movies of the pages that wait: a kill costs little, and other writers are not kept waiting. A page with
more is stored alone.
"""

LOCK_TTL = timedelta(seconds=9)
"""A holder that has not renewed its lock for this long is taken for dead."""

HEARTBEAT_INTERVAL = LOCK_TTL / 3
"""How often a holder renews its lock."""

MAX_LOCK_WAIT = LOCK_TTL * 2
"""A lock that seems to last longer than this, by the clock of this host, is not waited for."""

QUEUE_LOCK_TTL = timedelta(seconds=10)
"""How long the lock of an enqueued run is respected without further checks. After that, if the queue no
longer has the job, the job was lost and another run takes the lock.
"""

POLL_INTERVAL = timedelta(seconds=0.2)
"""How often a run that waits for a lock tries to acquire it."""

MAX_FAILED_PAGES = 3
"""A run fails if this many pages failed before any was stored: the source is unavailable."""

PROCESS_DIED = "its process died"
NEVER_STARTED = "no worker took it up"
"""Why a run failed that is in progress in the store, but has lost its lock."""

log = logging.getLogger(__name__)

ProgressCallback = Callable[[SyncRun], None]
"""Called with the record of a run whenever it has changed."""


def no_progress(run: SyncRun) -> None:
    """A callback that does nothing."""


def lock_name(entity: Entity) -> str:
    """The name of the lock for a kind of run."""
    return f"sync:{entity}"


def queue_holder(run: RunId) -> str:
    """The holder of a run's lock while it is enqueued."""
    return f"queue:{run}"


@dataclass(slots=True)
class RunRecorder:
    """Updates the record of a run in progress: saves it in the store and passes it to a callback."""

    run: SyncRun
    runs: SyncRunRepository
    invalidation: CacheInvalidation
    source: MovieSource
    clock: Clock
    on_progress: ProgressCallback
    store_delay: timedelta
    _counted: int = field(init=False)
    _waiting: list[PageResult] = field(init=False, default_factory=list)
    _movies: MovieRepository = field(init=False)
    _checked: SyncRun = field(init=False)
    _stored_at: datetime | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._counted = self.source.requests()

    def set_last_page(self, last_page: int) -> None:
        """Set the number of the last page of the source's list."""
        self.run = self.run.bounded(last_page)
        self.on_progress(self.run)

    def begin_plan(self, plan: str) -> None:
        """Set the plan of the run, which reads all of it whatever the run that it resumes has read."""
        self.run = self.run.with_plan(plan).restarted()

    def set_plan(self, plan: str) -> None:
        """Set the plan of the run. It is stored with the next page."""
        self.run = self.run.with_plan(plan)

    def store_genres(self, genres: GenreRepository, result: PageResult) -> None:
        """Store genres and the record with their counts, in one step."""
        with self.invalidation.all():
            self.run = genres.store(result, self.run)

    def store_page(self, where: MovieRepository, result: PageResult) -> None:
        """Store a page of movies and the record with its counts, in one step: at once, or if the last step
        was within `store_delay`, together with the next pages.

        Raises SourceUnavailable for this page alone if too many movies could not be read.
        """
        if sum(map(_size, self._waiting)) + _size(result) > MAX_WAITING_MOVIES:
            self.store_waiting()
        self._checked = (self._checked if self._waiting else self.run).stored(result, ())
        self._waiting.append(result)
        self._movies = where
        full = sum(map(_size, self._waiting)) >= MAX_WAITING_MOVIES
        if full or self._stored_at is None or self.clock() >= self._stored_at + self.store_delay:
            self.store_waiting()

    def store_waiting(self) -> None:
        """Store the pages that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        with self.invalidation.all():
            if len(waiting) == 1:
                self.run = self._movies.store(waiting[0], self.run)
            else:
                self.run = self._movies.store_together(waiting, self.run)
        self._stored_at = self.clock()
        self.on_progress(self.run)

    def new_requests(self) -> int:
        """The number of requests sent since the last call."""
        before, self._counted = self._counted, self.source.requests()
        return self._counted - before

    @contextmanager
    def attempt(self, page: int) -> Iterator[None]:
        """A context that records a page as failed on SourceUnavailable, and lets the run go on.

        Raises SourceUnavailable if MAX_FAILED_PAGES failed before any was stored.
        """
        try:
            yield
        except SourceUnavailable as error:
            log.debug("page %d could not be read", page, exc_info=True)
            self.store_waiting()
            self.run = self.run.missed(page, str(error), self.new_requests())
            self.runs.save(self.run)
            self.on_progress(self.run)
            if self.run.pages_failed >= MAX_FAILED_PAGES and not self.run.done:
                raise

    def finish(self) -> None:
        """Close the run."""
        self.store_waiting()
        self._close(self.run.finished(self.clock()))

    def fail(self, reason: str, *, refused: bool) -> None:
        """Close the run as failed, and count the requests that it sent since the last page. If the pages that
        wait cannot be stored, they are left to the next run, and the error is raised.
        """
        try:
            self.store_waiting()
        finally:
            self._close(self.run.failed(self.clock(), reason, requests=self.new_requests(), refused=refused))

    def _close(self, run: SyncRun) -> None:
        self.runs.save(run)
        self.run = run
        self.on_progress(run)


def _size(result: PageResult) -> int:
    """The number of movies that a page changes."""
    return len(result.movies) + len(result.gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRunner:
    """Runs one sync of a kind at a time, and closes the record of each."""

    source: MovieSource
    runs: SyncRunRepository
    locks: Locks
    jobs: JobQueue
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId
    lock_ttl: timedelta = LOCK_TTL
    heartbeat_interval: timedelta = HEARTBEAT_INTERVAL
    poll_interval: timedelta = POLL_INTERVAL
    store_delay: timedelta = timedelta(0)

    @contextmanager
    def run(
        self, entity: Entity, on_progress: ProgressCallback, queued: RunId | None = None
    ) -> Iterator[RunRecorder]:
        """A context in which a run is in progress; its record is closed at the end.

        `queued` is an enqueued run, which is continued if the queue still holds its lock; otherwise a new run
        resumes it. SourceRefused and SourceUnavailable close the run as failed and are not raised; any other
        error closes it as failed and is raised. Raises SyncRunning if a living process holds the lock, and
        FilledFromAnotherSource.
        """
        with self._locked_run(entity, queued) as run:
            recorder = RunRecorder(
                run,
                self.runs,
                self.invalidation,
                self.source,
                self.clock,
                on_progress,
                self.store_delay,
            )
            try:
                # The process that enqueued the run may be configured with another source, so the store checks
                # the source again before anything is read.
                with suppress(RunClosed):  # storing the first page raises it again
                    self.runs.save(run)
                yield recorder
                recorder.finish()
            except RunClosed:
                recorder.run = self.runs.get(run.id)
            except (SourceRefused, SourceUnavailable) as error:
                log.debug("the sync failed", exc_info=True)
                self._record_failure(recorder, error)
            except FilledFromAnotherSource as error:
                self._record_failure(recorder, error)
                raise
            except BaseException:
                self._record_interruption(recorder)
                raise

    @contextmanager
    def enqueue(self, entity: Entity) -> Iterator[SyncRun]:
        """A context in which the job of a new run is to be queued. The run is recorded, and the queue holds
        its lock.

        If queueing raises QueueUnavailable the run is cancelled, so that a job that was queued nevertheless
        does nothing. Raises SyncRunning if a run of the kind is in progress or enqueued,
        FilledFromAnotherSource, and QueueUnavailable if the state of an earlier job is unknown.
        """
        fresh = self._new_run(entity)
        name, holder = lock_name(entity), queue_holder(fresh.id)
        idle = self._take_over_lost_job(fresh, holder, QUEUE_LOCK_TTL, self.jobs.is_pending)
        if not idle and self.locks.acquire(name, holder, QUEUE_LOCK_TTL) is not None:
            raise SyncRunning(entity)
        with ExitStack() as undo:
            undo.callback(self.release_lock, fresh)
            run = self._add_run(fresh, NEVER_STARTED if idle else PROCESS_DIED)
            try:
                yield run
            except QueueUnavailable as error:
                self.runs.save(run.cancelled(self.clock(), str(error)))
                raise
            undo.pop_all()

    def release_lock(self, run: SyncRun) -> None:
        """Release the lock of a run, whether the queue or a worker holds it."""
        with suppress(StorageUnavailable):  # the lock expires
            for holder in (queue_holder(run.id), run.id):
                self.locks.release(lock_name(run.entity), holder)

    def _new_run(self, entity: Entity) -> SyncRun:
        run_id = RunId(self.new_id())
        return SyncRun(id=run_id, entity=entity, started_at=self.clock(), source=self.source.name)

    def _take_over_lost_job(
        self, fresh: SyncRun, holder: str, ttl: timedelta, is_pending: Callable[[RunId], bool]
    ) -> bool:
        """Take over the lock of an enqueued run whose job was lost. Return whether the lock is ours now.

        Raises SyncRunning if the job still waits for a worker, or was enqueued within QUEUE_LOCK_TTL.
        """
        last, name = self.runs.latest(fresh.entity), lock_name(fresh.entity)
        if (
            last is None
            or not last.running
            or not self.locks.renew(name, queue_holder(last.id), QUEUE_LOCK_TTL)
        ):
            return False
        if fresh.started_at - last.started_at < QUEUE_LOCK_TTL or is_pending(last.id):
            raise SyncRunning(fresh.entity)
        return self.locks.transfer(name, queue_holder(last.id), holder, ttl)

    def _is_pending(self, run: RunId) -> bool:
        """Whether the queue has the run's job; False while the queue is unavailable."""
        try:
            return self.jobs.is_pending(run)
        except QueueUnavailable:
            return False

    def _add_run(self, fresh: SyncRun, end: str) -> SyncRun:
        """Record a new run; `end` is why the previous one failed, if that is still in progress."""
        run = fresh.following(self._close_predecessor(fresh.entity, end))
        self.runs.add(run)
        return run

    def _record_failure(
        self, recorder: RunRecorder, error: SourceRefused | SourceUnavailable | FilledFromAnotherSource
    ) -> None:
        """Close the run as failed because of its source, unless it was closed meanwhile."""
        try:
            recorder.fail(str(error), refused=isinstance(error, SourceRefused))
        except RunClosed:
            recorder.run = self.runs.get(recorder.run.id)

    def _record_interruption(self, recorder: RunRecorder) -> None:
        """Close the run as failed if the store is available; otherwise the next run does so."""
        with suppress(StorageUnavailable, RunClosed, FilledFromAnotherSource):
            recorder.fail("interrupted", refused=False)

    def _close_predecessor(self, entity: Entity, end: str) -> SyncRun | None:
        """The previous run. If it is still in progress it has lost its lock, and is closed as failed."""
        last = self.runs.latest(entity)
        if last and last.running:
            last = last.failed(self.clock(), end)
            with suppress(RunClosed):  # it was cancelled meanwhile
                self.runs.save(last)
        return last

    @contextmanager
    def _locked_run(self, entity: Entity, queued: RunId | None) -> Iterator[SyncRun]:
        """A context with a recorded run whose lock is held."""
        name = lock_name(entity)
        if queued and self.locks.transfer(name, queue_holder(queued), queued, self.lock_ttl):
            with self._hold_lock(name, queued):
                yield replace(self.runs.get(queued), source=self.source.name)
            return
        fresh = self._new_run(entity)
        idle = self._take_over_lost_job(fresh, fresh.id, self.lock_ttl, self._is_pending)
        if not idle:
            self._acquire(entity, name, fresh.id)
        with self._hold_lock(name, fresh.id):
            yield self._add_run(fresh, NEVER_STARTED if idle else PROCESS_DIED)

    @contextmanager
    def _hold_lock(self, name: str, holder: RunId) -> Iterator[None]:
        """A context in which a thread renews an acquired lock; it is released at the end."""
        over = Event()
        try:
            Thread(target=self._renew_lock, args=(name, holder, over), name="sync-lock", daemon=True).start()
            yield
        finally:
            over.set()
            with suppress(StorageUnavailable):  # the lock expires
                self.locks.release(name, holder)

    def _acquire(self, entity: Entity, name: str, holder: RunId) -> None:
        """Acquire a lock, waiting until that of a dead holder expires. Raises SyncRunning if it is
        renewed.
        """
        expected = ends = self.locks.acquire(name, holder, self.lock_ttl)
        while ends is not None:
            if ends != expected or ends - self.clock() > MAX_LOCK_WAIT:
                raise SyncRunning(entity)
            Event().wait(self.poll_interval.total_seconds())
            ends = self.locks.acquire(name, holder, self.lock_ttl)

    def _renew_lock(self, name: str, holder: RunId, over: Event) -> None:
        """Renew a lock until `over` is set or another holder has it."""
        ours = True
        while ours and not over.wait(self.heartbeat_interval.total_seconds()):
            try:
                ours = self.locks.renew(name, holder, self.lock_ttl)
            except StorageUnavailable:  # the next renewal may be in time
                continue
            except Exception:
                log.exception("Unexpected error while the lock %s is renewed; retrying", name)
