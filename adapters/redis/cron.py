"""Periodic jobs: cron entries in UTC, stored and locked by rq-scheduler.

rq-scheduler itself would enqueue an entry's one job again and again, with the retries that it has left, even
while it is running, and it reads cron in local time. Here an entry is only a template: each time it is due, a
new job is enqueued whose id contains the entry and the time. RQ accepts such an id once, however many
schedulers enqueue it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from crontab import CronTab
from redis import ConnectionError, Redis, TimeoutError  # noqa: A004  the ones that redis-py raises
from rq.exceptions import DuplicateJobError
from rq_scheduler import Scheduler

from adapters.redis.queue import JOBS, QUEUE, RestrictedJob, connect, enqueue_job
from adapters.redis.worker_loop import ShutdownFlag, run_until_stopped, set_by_signals

POLL_INTERVAL = 5
"""Seconds between two checks of the table."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)

Pattern = tuple[str, str, list[str]]
"""The cron string, the import path of the function, and the arguments."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CronEntry:
    """A job, and when it is due: five cron fields, in UTC."""

    name: str
    cron: str
    job: str
    args: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of the entry in Redis."""
        return f"{QUEUE}-{self.name}"

    @property
    def pattern(self) -> Pattern:
        """The fields that are compared with the stored entry."""
        return self.cron, f"{JOBS}.{self.job}", list(self.args)


def next_time(cron: str, after: datetime) -> datetime | None:
    """The next time that an entry is due, in UTC; None if it never is, as on 30 February."""
    due: datetime | None = CronTab(cron).next(now=after.astimezone(UTC), return_datetime=True)
    return due


# rq-scheduler has no types.
class CronTable(Scheduler):  # type: ignore[misc]
    """Cron entries in Redis, under keys of their own: other programs may use rq-scheduler there too."""

    scheduled_jobs_key = f"rq:scheduler:{QUEUE}"
    scheduler_lock_key = f"rq:scheduler_lock:{QUEUE}"

    def __init__(self, client: Redis, entries: Sequence[CronEntry]) -> None:
        super().__init__(QUEUE, connection=client, interval=POLL_INTERVAL, job_class=RestrictedJob)
        self.entries = {entry.id.encode(): entry for entry in entries}

    def poll(self) -> None:
        """Synchronize the entries and enqueue due jobs, unless another scheduler is doing so."""
        if not self.acquire_lock():
            return
        try:
            self.synchronize()
            self.enqueue_due()
        finally:
            self.remove_lock()

    def synchronize(self) -> None:
        """Add entries that are missing or have changed, and remove all others.

        An unchanged entry is left as it is: it may be due.
        """
        stored = set(self.connection.zrange(self.scheduled_jobs_key, 0, -1))
        for foreign in stored - set(self.entries):
            self.remove(foreign)
        for known, entry in self.entries.items():
            if known not in stored or self._stored_pattern(entry) != entry.pattern:
                self.add(entry)

    def add(self, entry: CronEntry) -> None:
        """Store an entry, due at its next time."""
        cron, function, args = entry.pattern
        due = next_time(cron, datetime.now(UTC)) or NEVER
        self.connection.delete(RestrictedJob.key_for(entry.id))
        self.schedule(due, function, args=args, id=entry.id, meta={"cron": cron})
        log.info("%s is due at %s", entry.name, due)

    def remove(self, id: bytes) -> None:
        """Remove a foreign or former entry."""
        name = id.decode(errors="backslashreplace")
        log.warning("%s is removed from the cron table: it is no entry of Matinee", name)
        self.connection.zrem(self.scheduled_jobs_key, id)
        self.connection.delete(RestrictedJob.key_for(name))

    def enqueue_due(self) -> None:
        """Enqueue a job for each due entry, and store its next time.

        Only the time is read from Redis. The job is made from the entry in this program.
        """
        due = self.connection.zrange(
            self.scheduled_jobs_key, "-inf", int(time()), byscore=True, withscores=True
        )
        for name, since in due:
            if entry := self.entries.get(name):
                self.enqueue(entry, since)

    def enqueue(self, entry: CronEntry, since: float) -> None:
        """Enqueue the job of an entry that is due since a time, and store the next time."""
        cron, function, args = entry.pattern
        try:
            enqueue_job(self.connection, function, *args, id=f"{entry.id}-{since:.0f}")
            log.info("%s queued", entry.name)
        except DuplicateJobError:
            log.info("%s was queued before", entry.name)
        again = next_time(cron, datetime.now(UTC)) or NEVER
        self.connection.zadd(self.scheduled_jobs_key, {entry.id: again.timestamp()}, xx=True)

    def _stored_pattern(self, entry: CronEntry) -> Pattern | None:
        """The stored pattern of an entry; None if there is none or it cannot be read."""
        try:
            job = RestrictedJob.fetch(entry.id, self.connection)
            return job.meta.get("cron", ""), str(job.func_name), list(job.args)
        except (ConnectionError, TimeoutError, OSError):
            raise
        except Exception as error:  # noqa: BLE001  RQ raises anything for invalid fields
            log.warning("The stored entry %s cannot be read: %s: %s", entry.name, type(error).__name__, error)
            return None


def run_scheduler(url: str, entries: Sequence[CronEntry], ready: Callable[[], None] = lambda: None) -> None:
    """Enqueue due jobs until SIGTERM or SIGINT; outages of Redis are survived.

    `ready` is called after each check of the table.
    """
    client, shutdown = connect(url), ShutdownFlag()
    table = CronTable(client, entries)

    def run_once() -> None:
        table.poll()
        ready()
        shutdown.wait(POLL_INTERVAL)

    with set_by_signals(shutdown):
        run_until_stopped(run_once, shutdown, log)
    client.close()
    shutdown.close()
