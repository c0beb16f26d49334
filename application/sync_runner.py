"""What surrounds every sync: one run of a kind at a time over all processes, and no run without an end.

The frame takes the lock, closes a dead predecessor, and sees to it that every run ends in a closed record. A
run may be set down before anybody does it: then its lock is held in the name of the queue, until whoever
finds it there takes it over.
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

LOCK_TTL = timedelta(seconds=9)
"""A holder that has not been heard of for so long is dead."""

HEARTBEAT_INTERVAL = LOCK_TTL / 3
"""How often a living holder says so."""

MAX_LOCK_WAIT = LOCK_TTL * 2
"""Clocks of two hosts may differ, but not by so much that a worker's time seems longer than this."""

QUEUE_LOCK_TTL = timedelta(seconds=10)
"""How long a run that was just enqueued keeps others away without question. After that the queue is asked
whether it still has the job: if not, the job was lost and the run makes way.
"""

POLL_INTERVAL = timedelta(seconds=0.2)
"""How often a newcomer looks whether the holder still lives."""

MAX_FAILED_PAGES = 3
"""A run whose first pages failed, so many in a row, is given up: the source is away."""

PROCESS_DIED = "its process died"
NEVER_STARTED = "no worker took it up"
"""What has become of a run that is open and has lost its lock."""

log = logging.getLogger(__name__)

ProgressCallback = Callable[[SyncRun], None]
"""Told of a run's record whenever it has changed."""


def no_progress(run: SyncRun) -> None:
    """Watch nothing."""


def lock_name(entity: Entity) -> str:
    """The name of the lock that a kind of run needs."""
    return f"sync:{entity}"


def queue_holder(run: RunId) -> str:
    """The holder of a run's lock while nobody does it yet."""
    return f"queue:{run}"


@dataclass(slots=True)
class RunRecorder:
    """A run in progress: its latest record, kept in the store and shown to whoever watches."""

    run: SyncRun
    runs: SyncRunRepository
    invalidation: CacheInvalidation
    source: MovieSource
    on_progress: ProgressCallback
    _counted: int = field(init=False)

    def __post_init__(self) -> None:
        self._counted = self.source.requests()

    def set_last_page(self, last_page: int) -> None:
        """Learn where the list ends."""
        self.run = self.run.bounded(last_page)
        self.on_progress(self.run)

    def store(self, where: MovieRepository | GenreRepository, result: PageResult) -> None:
        """Store a page, with the record that tells of it."""
        with self.invalidation.all():
            self.run = where.store(result, self.run)
        self.on_progress(self.run)

    def new_requests(self) -> int:
        """The requests sent since this was last asked."""
        before, self._counted = self._counted, self.source.requests()
        return self._counted - before

    @contextmanager
    def attempt(self, page: int) -> Iterator[None]:
        """A page that cannot be read is counted and named, and does not stop the others, unless all first
        ones fail.
        """
        try:
            yield
        except SourceUnavailable as error:
            self.run = self.run.missed(page, str(error), self.new_requests())
            self.runs.save(self.run)
            self.on_progress(self.run)
            if self.run.pages_failed >= MAX_FAILED_PAGES and not self.run.done:
                raise

    def fail(self, at: datetime, reason: str, *, refused: bool = False) -> None:
        """Record the end of a run that cannot go on, and the requests that it has sent in vain."""
        self.close(self.run.failed(at, reason, requests=self.new_requests(), refused=refused))

    def close(self, run: SyncRun) -> None:
        """Record the end."""
        self.runs.save(run)
        self.run = run
        self.on_progress(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRunner:
    """What surrounds every run: one of a kind at a time, and no run without an end."""

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

    @contextmanager
    def run(
        self, entity: Entity, on_progress: ProgressCallback, queued: RunId | None = None
    ) -> Iterator[RunRecorder]:
        """Begin a run and see it through to a closed record.

        `queued` names a run that was set down: if it still lies there it is the one, else a new one goes on
        where it has stopped. Raises SyncRunning if another holder lives, and FilledFromAnotherSource. The
        source's refusal or absence closes the run as failed; anything else that breaks in does too, and goes
        on upward.
        """
        with self._locked_run(entity, queued) as run:
            recorder = RunRecorder(run, self.runs, self.invalidation, self.source, on_progress)
            self._check_source(recorder)
            try:
                yield recorder
                recorder.close(recorder.run.finished(self.clock()))
            except RunClosed:
                recorder.run = self.runs.get(run.id)
            except (SourceRefused, SourceUnavailable) as error:
                self._record_failure(recorder, error)
            except FilledFromAnotherSource as error:
                self._record_failure(recorder, error)
                raise
            except BaseException:
                self._record_interruption(recorder)
                raise

    @contextmanager
    def enqueue(self, entity: Entity) -> Iterator[SyncRun]:
        """Put a run on record that somebody else is to do, and hold its lock for the queue.

        It is to be queued within; if that fails it is cancelled, so that a job that was queued all the same
        finds nothing to do. Raises SyncRunning if one of its kind runs, or is set down already,
        FilledFromAnotherSource, and QueueUnavailable if nobody can tell whether one still waits.
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
        """Give back a run's lock, whoever holds it: the queue, or a worker that has not heard yet."""
        with suppress(StorageUnavailable):  # the lock lapses by itself
            for holder in (queue_holder(run.id), run.id):
                self.locks.release(lock_name(run.entity), holder)

    def _new_run(self, entity: Entity) -> SyncRun:
        run_id = RunId(self.new_id())
        return SyncRun(id=run_id, entity=entity, started_at=self.clock(), source=self.source.name)

    def _check_source(self, recorder: RunRecorder) -> None:
        """Have the store look at a run before anything is read for it. Whoever enqueued it may read from
        another source than whoever does it.

        Raises FilledFromAnotherSource.
        """
        with suppress(RunClosed):  # its first page will find that out
            try:
                self.runs.save(recorder.run)
            except FilledFromAnotherSource as error:
                self._record_failure(recorder, error)
                raise

    def _take_over_lost_job(
        self, fresh: SyncRun, holder: str, ttl: timedelta, is_pending: Callable[[RunId], bool]
    ) -> bool:
        """Take over the lock of an enqueued run whose job was lost; whether the lock is ours now.

        Raises SyncRunning if the job still waits for a worker, or was enqueued only just now.
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
        """Whether the queue has the run's job. While the queue is away, its runs keep nobody waiting."""
        try:
            return self.jobs.is_pending(run)
        except QueueUnavailable:
            return False

    def _add_run(self, fresh: SyncRun, end: str) -> SyncRun:
        """Add a run; `end` is what has become of the one before, if that is still open."""
        run = fresh.following(self._close_predecessor(fresh.entity, end))
        self.runs.add(run)
        return run

    def _record_failure(
        self, recorder: RunRecorder, error: SourceRefused | SourceUnavailable | FilledFromAnotherSource
    ) -> None:
        """Record why the source is not read, unless somebody has closed the run just now."""
        try:
            recorder.fail(self.clock(), str(error), refused=isinstance(error, SourceRefused))
        except RunClosed:
            recorder.run = self.runs.get(recorder.run.id)

    def _record_interruption(self, recorder: RunRecorder) -> None:
        """Close the record if the store still listens; if not, the next run will find its lock lapsed and do
        so.
        """
        with suppress(StorageUnavailable, RunClosed):
            recorder.fail(self.clock(), "interrupted")

    def _close_predecessor(self, entity: Entity, end: str) -> SyncRun | None:
        """The run before; one that is still open has lost its lock, and ends so."""
        last = self.runs.latest(entity)
        if last and last.running:
            last = last.failed(self.clock(), end)
            with suppress(RunClosed):  # somebody has cancelled it just now
                self.runs.save(last)
        return last

    @contextmanager
    def _locked_run(self, entity: Entity, queued: RunId | None) -> Iterator[SyncRun]:
        """A run that is on record, for as long as its lock is ours."""
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
        """Keep a lock that was acquired, and give it back at the end."""
        over = Event()
        try:
            Thread(target=self._renew_lock, args=(name, holder, over), name="sync-lock", daemon=True).start()
            yield
        finally:
            over.set()
            with suppress(StorageUnavailable):  # the lock lapses by itself
                self.locks.release(name, holder)

    def _acquire(self, entity: Entity, name: str, holder: RunId) -> None:
        """Wait for a silent holder's time to end; one that renews it lives, and is left alone."""
        expected = ends = self.locks.acquire(name, holder, self.lock_ttl)
        while ends is not None:
            if ends != expected or ends - self.clock() > MAX_LOCK_WAIT:
                raise SyncRunning(entity)
            Event().wait(self.poll_interval.total_seconds())
            ends = self.locks.acquire(name, holder, self.lock_ttl)

    def _renew_lock(self, name: str, holder: RunId, over: Event) -> None:
        """Say that the holder lives, until it is over or the lock is another's."""
        ours = True
        while ours and not over.wait(self.heartbeat_interval.total_seconds()):
            try:
                ours = self.locks.renew(name, holder, self.lock_ttl)
            except StorageUnavailable:  # a beat missed; the next may come in time
                continue
            except Exception:
                log.exception("Unexpected error while the lock %s is renewed; it is tried again", name)
