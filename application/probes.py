"""Probes of remote services, and gauges for monitoring. Both are cached."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import ClassVar

from domain.errors import Unavailable
from domain.ports import Clock, SessionRepository, SyncRunRepository
from domain.sync import Entity

Ping = Callable[[], object]
"""Returns if a service answers. Raises Unavailable."""

CountWaiting = Callable[[], int]
"""Returns how many jobs wait for a worker. Raises Unavailable."""

SUCCESS_TTL = 10.0
FAILURE_TTL = 2.0
"""Seconds for which a result is cached. A failure expires sooner, so that a recovery is noticed soon."""

FIRST_TIMEOUT = 1.0
TIMEOUT = 0.3
"""Seconds that a caller waits for a running probe: while there is no result at all, and while there is an
expired one to return instead.
"""

GAUGES_TTL = 5.0
"""Seconds for which gauges are cached. Monitoring usually reads them less often."""


log = logging.getLogger(__name__)


class NotProbedYet(Unavailable):
    """The first probe has not ended yet."""

    code: ClassVar[str] = "source_unavailable"

    def __str__(self) -> str:
        return "The source of movies has not answered yet"


@dataclass(eq=False)
class ProbeFailed(Unavailable):
    """A probe raised an unexpected error, which is a bug. The log has the traceback."""

    code: ClassVar[str] = "source_unavailable"
    error: str

    def __str__(self) -> str:
        return f"The source of movies could not be probed: unexpected {self.error}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How many seconds a probe took, and the error, if there was one."""

    seconds: float
    problem: Unavailable | None = None


class CachedProbe:
    """Probes a remote service in a thread, at most once at a time, and caches the result.

    A call returns the cached result unless that has expired. Then it starts a probe and waits for it; if the
    probe does not end in time, the call returns the expired result.
    """

    def __init__(self, ping: Ping, *, stopwatch: Callable[[], float] = monotonic) -> None:
        self._ping = ping
        self._stopwatch = stopwatch
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._running: Future[ProbeResult] | None = None
        self._started_at = self._expires_at = stopwatch()
        self._result: ProbeResult | None = None

    def refresh(self) -> None:
        """Start a probe if the cached result has expired and no probe is running."""
        with self._lock:
            self._collect()
            if self._running is None and self._stopwatch() >= self._expires_at:
                self._started_at = self._stopwatch()
                self._running = self._thread.submit(self._probe)

    def __call__(self) -> ProbeResult:
        """The latest result, which is current if a probe ends in time."""
        self.refresh()
        with self._lock:
            running, timeout = self._running, TIMEOUT if self._result else FIRST_TIMEOUT
        if running:
            wait([running], self._started_at + timeout - self._stopwatch())
        with self._lock:
            self._collect()
            return self._result or ProbeResult(self._stopwatch() - self._started_at, NotProbedYet())

    def _collect(self) -> None:
        """Cache the result of a probe that has ended."""
        if self._running and self._running.done():
            ended, self._running = self._running, None
            self._result = ended.result()
            ttl = FAILURE_TTL if self._result.problem else SUCCESS_TTL
            self._expires_at = self._started_at + self._result.seconds + ttl  # from the end of the probe on

    def _probe(self) -> ProbeResult:
        began = self._stopwatch()
        try:
            self._ping()
        except Unavailable as problem:
            return ProbeResult(self._stopwatch() - began, problem)
        except Exception as error:
            log.exception("Unexpected error in a probe of the movie source")
            return ProbeResult(self._stopwatch() - began, ProbeFailed(type(error).__name__))
        return ProbeResult(self._stopwatch() - began)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A current value for monitoring. `labels` tell gauges of one name apart."""

    name: str
    description: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectGauges:
    """Collect the gauges of the store and the job queue."""

    runs: SyncRunRepository
    sessions: SessionRepository
    waiting: CountWaiting
    clock: Clock

    def __call__(self) -> list[Gauge]:
        """All gauges that can be read. If a service is unavailable, only its gauge `…_up` is returned."""
        return [*self._of_store(), *self._of_queue()]

    def _of_store(self) -> list[Gauge]:
        description = "1 if the store answers, 0 if not."
        try:
            return [Gauge("storage_up", description, 1), *self._ages(), self._users()]
        except Unavailable:
            return [Gauge("storage_up", description, 0)]

    def _ages(self) -> Iterator[Gauge]:
        """The age of each kind of sync that was ever complete."""
        for entity in Entity:
            run = self.runs.latest(entity, completed=True)
            if run and run.finished_at:
                age = (self.clock() - run.finished_at).total_seconds()
                description = "Seconds since a sync of that kind was last complete."
                yield Gauge("sync_age_seconds", description, age, {"entity": entity})

    def _users(self) -> Gauge:
        description = "Users with a session that has not expired."
        return Gauge("active_users", description, self.sessions.active_users(self.clock()))

    def _of_queue(self) -> list[Gauge]:
        description = "1 if the queue answers, 0 if not."
        try:
            depth = self.waiting()
        except Unavailable:
            return [Gauge("queue_up", description, 0)]
        return [
            Gauge("queue_up", description, 1),
            Gauge("queue_depth", "Jobs that wait for a worker.", depth),
        ]


class CachedGauges:
    """Caches gauges, which are collected by one caller at a time.

    Callers that come meanwhile get the cached gauges; only the first ones are waited for.
    """

    def __init__(
        self, collect: Callable[[], list[Gauge]], *, stopwatch: Callable[[], float] = monotonic
    ) -> None:
        self._collect = collect
        self._stopwatch = stopwatch
        self._lock = Lock()
        self._gauges: list[Gauge] = []
        self._expires_at = float("-inf")

    def __call__(self) -> list[Gauge]:
        """The gauges as they were at most GAUGES_TTL seconds ago, or while they are being collected anew."""
        if self._lock.acquire(blocking=not self._gauges):
            try:
                if self._stopwatch() >= self._expires_at:
                    self._gauges = self._collect()
                    self._expires_at = self._stopwatch() + GAUGES_TTL
            finally:
                self._lock.release()
        return self._gauges
