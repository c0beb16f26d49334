"""When jobs are due: cron entries in UTC, kept and locked by rq-scheduler.

rq-scheduler would queue an entry's own job again and again, with the tries that are left of it, even while it
still runs; and it reads cron in local time. So an entry is only the pattern here: each time it is due a job
of its own is queued, with an id that tells the entry and the time. However many schedulers fire it, and
whatever becomes of them in between, RQ takes such a job once.
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
"""Seconds between two looks at the table."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)

Pattern = tuple[str, str, list[str]]
"""What makes an entry another one: its cron, the function by its import path, and the arguments."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CronEntry:
    """A job, and when it is due: five fields of cron, in UTC."""

    name: str
    cron: str
    job: str
    args: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Under which it stands in Redis."""
        return f"{QUEUE}-{self.name}"

    @property
    def pattern(self) -> Pattern:
        """What it is compared by."""
        return self.cron, f"{JOBS}.{self.job}", list(self.args)


def next_time(cron: str, after: datetime) -> datetime | None:
    """The first time after a moment that an entry is due, in UTC; None if it never is, as on 30 February."""
    due: datetime | None = CronTab(cron).next(now=after.astimezone(UTC), return_datetime=True)
    return due


# rq-scheduler has no types.
class CronTable(Scheduler):  # type: ignore[misc]
    """Cron entries in Redis, under keys of their own: others may use rq-scheduler there too."""

    scheduled_jobs_key = f"rq:scheduler:{QUEUE}"
    scheduler_lock_key = f"rq:scheduler_lock:{QUEUE}"

    def __init__(self, client: Redis, entries: Sequence[CronEntry]) -> None:
        super().__init__(QUEUE, connection=client, interval=POLL_INTERVAL, job_class=RestrictedJob)
        self.entries = {entry.id.encode(): entry for entry in entries}

    def poll(self) -> None:
        """Fire what is due, unless another scheduler is at it; see that the entries stand as they should."""
        if not self.acquire_lock():
            return
        try:
            self.synchronize()
            self.enqueue_due()
        finally:
            self.remove_lock()

    def synchronize(self) -> None:
        """Enter what is missing or has changed, and remove what is no entry, or none any more.

        An entry that stands is left alone: it may be due.
        """
        standing = set(self.connection.zrange(self.scheduled_jobs_key, 0, -1))
        for foreign in standing - set(self.entries):
            self.remove(foreign)
        for known, entry in self.entries.items():
            if known not in standing or self._stored_pattern(entry) != entry.pattern:
                self.add(entry)

    def add(self, entry: CronEntry) -> None:
        """Have an entry fire from its next time on."""
        cron, function, args = entry.pattern
        due = next_time(cron, datetime.now(UTC)) or NEVER
        self.connection.delete(RestrictedJob.key_for(entry.id))
        self.schedule(due, function, args=args, id=entry.id, meta={"cron": cron})
        log.info("%s is due at %s", entry.name, due)

    def remove(self, id: bytes) -> None:
        """Have something fire no more."""
        name = id.decode(errors="backslashreplace")
        log.warning("%s is struck from the table: it is no entry of ours", name)
        self.connection.zrem(self.scheduled_jobs_key, id)
        self.connection.delete(RestrictedJob.key_for(name))

    def enqueue_due(self) -> None:
        """Queue a job for each entry that is due, then note when it is due again.

        What is queued is what we say of the entry; of Redis we only learn that it is due.
        """
        due = self.connection.zrange(
            self.scheduled_jobs_key, "-inf", int(time()), byscore=True, withscores=True
        )
        for name, since in due:
            if entry := self.entries.get(name):
                self.enqueue(entry, since)

    def enqueue(self, entry: CronEntry, since: float) -> None:
        """Queue what an entry that has been due since then is the pattern of."""
        cron, function, args = entry.pattern
        try:
            enqueue_job(self.connection, function, *args, id=f"{entry.id}-{since:.0f}")
            log.info("%s queued", entry.name)
        except DuplicateJobError:
            log.info("%s was queued before", entry.name)
        again = next_time(cron, datetime.now(UTC)) or NEVER
        self.connection.zadd(self.scheduled_jobs_key, {entry.id: again.timestamp()}, xx=True)

    def _stored_pattern(self, entry: CronEntry) -> Pattern | None:
        """What Redis says of an entry; None if it says nothing, or nothing that makes sense."""
        try:
            job = RestrictedJob.fetch(entry.id, self.connection)
            return job.meta.get("cron", ""), str(job.func_name), list(job.args)
        except (ConnectionError, TimeoutError, OSError):
            raise
        except Exception as error:  # noqa: BLE001  RQ lets pass whatever reading has come to
            log.warning("What stands of %s cannot be read: %s: %s", entry.name, type(error).__name__, error)
            return None


def run_scheduler(url: str, entries: Sequence[CronEntry], ready: Callable[[], None] = lambda: None) -> None:
    """Keep the table until SIGTERM or SIGINT; Redis may come and go.

    `ready` is called after each look.
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
