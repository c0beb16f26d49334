"""Use cases for operators: health checks, and flushing the cache."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from time import perf_counter
from typing import ClassVar

from application.probes import CachedProbe, Ping
from domain.errors import MatineeError, Unavailable
from domain.ports import CacheInvalidation, Clock, SyncRunRepository
from domain.sync import Entity

STALE_AFTER = timedelta(days=2)
"""The age at which a catalogue is reported as stale; TMDB's is refreshed every night."""


class Part(StrEnum):
    """A dependency of the service, or the age of its data."""

    DATABASE = "database"
    REDIS = "redis"
    TMDB = "tmdb"
    SYNC = "sync"


class Condition(StrEnum):
    """The health of a part or of the whole. A part that is not configured counts as healthy."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    NOT_CONFIGURED = "not_configured"


@dataclass(eq=False)
class CatalogueNotFilled(Unavailable):
    """No sync of movies was ever complete, so the catalogue is empty or incomplete."""

    code: ClassVar[str] = "catalogue_not_filled"

    def __str__(self) -> str:
        return "No sync of movies was ever complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The condition of one part, and how many seconds the check took.

    `problem` is the error that a check raised; its text is for the log. Only the part `sync` has
    `synced_at`, the end of the last complete sync, and `age`, the time since then; None if there was none.
    """

    condition: Condition
    seconds: float = 0.0
    problem: MatineeError | None = None
    synced_at: datetime | None = None
    age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The findings of all parts."""

    findings: Mapping[Part, Finding]

    @property
    def condition(self) -> Condition:
        """Down if the database is down, degraded if any other part is down or degraded, else ok."""
        conditions = {part: finding.condition for part, finding in self.findings.items()}
        if conditions.get(Part.DATABASE) is Condition.DOWN:
            return Condition.DOWN
        unhealthy = {Condition.DOWN, Condition.DEGRADED} & set(conditions.values())
        return Condition.DEGRADED if unhealthy else Condition.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHealth:
    """Check the health of the service.

    `redis` and `tmdb` are None if they are not configured. `check_source` returns the error that every sync
    would raise, or None. The result for TMDB is cached, so that frequent health checks neither use up the
    request budget nor wait for a remote server.
    """

    database: Ping
    runs: SyncRunRepository
    clock: Clock
    tmdb: CachedProbe | None = None
    redis: Ping | None = None
    check_source: Callable[[], MatineeError | None] = lambda: None
    stopwatch: Callable[[], float] = perf_counter

    def __call__(self, parts: Collection[Part] = tuple(Part)) -> Health:
        """Check these parts. An unavailable part is a finding, not an error."""
        if self.tmdb and Part.TMDB in parts:
            self.tmdb.refresh()  # it runs while the other parts are checked
        findings: dict[Part, Finding] = {}
        for part in parts:
            findings[part] = self._check(part, findings.get(Part.DATABASE))
        return Health(findings=findings)

    def _check(self, part: Part, database: Finding | None) -> Finding:
        """Check one part. An unavailable database is not called again for the part `sync`."""
        if part is Part.SYNC and database and database.problem:
            return replace(database, seconds=0.0)
        checks = {
            Part.DATABASE: self._database,
            Part.REDIS: self._redis,
            Part.TMDB: self._tmdb,
            Part.SYNC: self._sync,
        }
        began = self.stopwatch()
        try:
            found = checks[part]()
        except Unavailable as problem:
            found = Finding(condition=Condition.DOWN, problem=problem)
        return replace(found, seconds=found.seconds or self.stopwatch() - began)

    def _database(self) -> Finding:
        self.database()
        return Finding(condition=Condition.OK)

    def _redis(self) -> Finding:
        if self.redis is None:
            return Finding(condition=Condition.NOT_CONFIGURED)
        self.redis()
        return Finding(condition=Condition.OK)

    def _tmdb(self) -> Finding:
        """TMDB is degraded at worst, because only syncs need it."""
        if self.tmdb is None:
            return Finding(condition=Condition.NOT_CONFIGURED)
        result = self.tmdb()
        condition = Condition.DEGRADED if result.problem else Condition.OK
        return Finding(condition=condition, seconds=result.seconds, problem=result.problem)

    def _sync(self) -> Finding:
        """A catalogue from TMDB that is out of date, or any that cannot be synced, is degraded."""
        problem = self.check_source()
        runs = [self.runs.latest(entity, completed=True) for entity in (Entity.MOVIES, Entity.CHANGES)]
        ends = [run.finished_at for run in runs if run and run.finished_at]
        if not ends:
            return Finding(condition=Condition.DEGRADED, problem=problem or CatalogueNotFilled())
        age = self.clock() - max(ends)
        outdated = self.tmdb is not None and age > STALE_AFTER
        condition = Condition.DEGRADED if outdated or problem else Condition.OK
        return Finding(condition=condition, problem=problem, synced_at=max(ends), age=age)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushCache:
    """Invalidate all cached responses in all processes."""

    invalidation: CacheInvalidation

    def __call__(self) -> None:
        """A cache that cannot be reached is emptied before it is used again."""
        with self.invalidation.all():
            pass
