"""When jobs are due: cron entries in UTC, kept and locked by rq-scheduler.

rq-scheduler would queue an entry's own job again and again, with the tries that are left of it, even while it
still runs; and it reads cron in local time. So an entry is only the pattern here: each time it is due a job
of its own is queued, with an id that tells the entry and the time. However many schedulers fire it, and
whatever becomes of them in between, RQ takes such a job once.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from crontab import CronTab
from redis import Redis
from rq.exceptions import DuplicateJobError
from rq_scheduler import Scheduler

from adapters.redis.background import Stop, stopped_by_signals, turns
from adapters.redis.queue import JOBS, QUEUE, OwnJob, connected, put

LOOKS_EVERY = 5
"""Seconds between two looks at the timetable."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)

Pattern = tuple[str, str, list[str]]
"""What makes an entry another one: its cron, the function by its import path, and the arguments."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
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
class Timetable(Scheduler):  # type: ignore[misc]
    """Cron entries in Redis, under keys of their own: others may use rq-scheduler there too."""

    scheduled_jobs_key = f"rq:scheduler:{QUEUE}"
    scheduler_lock_key = f"rq:scheduler_lock:{QUEUE}"

    def __init__(self, client: Redis, entries: Sequence[Entry]) -> None:
        super().__init__(QUEUE, connection=client, interval=LOOKS_EVERY, job_class=OwnJob)
        self.entries = entries

    def look(self) -> None:
        """Fire what is due, unless another scheduler is at it; see that the entries stand as they should."""
        if not self.acquire_lock():
            return
        try:
            self.keep_entries()
            self.enqueue_jobs()
        finally:
            self.remove_lock()

    def keep_entries(self) -> None:
        """Enter what is missing or has changed, and strike what is no entry any more.

        An entry that stands is left alone: it may be due.
        """
        standing = {job.id: pattern_of(job) for job in self.get_jobs()}
        for entry in self.entries:
            if standing.pop(entry.id, None) != entry.pattern:
                self.enter(entry)
        for old in standing:
            self.cancel(old)
            self.connection.delete(OwnJob.key_for(old))

    def enter(self, entry: Entry) -> None:
        """Have an entry fire from its next time on."""
        cron, function, args = entry.pattern
        due = next_time(cron, datetime.now(UTC)) or NEVER
        self.schedule(due, function, args=args, id=entry.id, meta={"cron": cron})
        log.info("%s is due at %s", entry.name, due)

    def get_jobs_to_queue(self, with_times: bool = False) -> Iterator[OwnJob]:  # noqa: FBT001, FBT002
        """The entries that are due. rq-scheduler would ask for the time in a way that Python gives up."""
        due: Iterator[OwnJob] = self.get_jobs(int(time()), with_times=with_times)
        return due

    def enqueue_job(self, job: OwnJob) -> None:
        """Queue what an entry is the pattern of, then note when it is due again."""
        cron, function, args = pattern_of(job)
        due = self.connection.zscore(self.scheduled_jobs_key, job.id)
        try:
            put(self.connection, function, *args, id=f"{job.id}-{due:.0f}")
            log.info("%s queued", job.id)
        except DuplicateJobError:
            log.info("%s was queued before", job.id)
        again = next_time(cron, datetime.now(UTC)) or NEVER
        self.connection.zadd(self.scheduled_jobs_key, {job.id: again.timestamp()}, xx=True)


def pattern_of(job: OwnJob) -> Pattern:
    """What an entry in Redis says."""
    return job.meta.get("cron", ""), str(job.func_name), list(job.args)


def keep(url: str, entries: Sequence[Entry]) -> None:
    """Keep the timetable until SIGTERM or SIGINT; Redis may come and go."""
    client, stop = connected(url), Stop()
    timetable = Timetable(client, entries)

    def turn() -> None:
        timetable.look()
        stop.wait(LOOKS_EVERY)

    with stopped_by_signals(stop):
        turns(turn, stop, log)
    client.close()
    stop.close()
