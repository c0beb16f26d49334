"""Running the service: whether it is well, and what it stands on."""

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
"""A catalogue that a source should refresh every night, and that was not for so long, is behind."""


class Part(StrEnum):
    """What the service stands on."""

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
    """No sync of movies was ever complete."""

    code: ClassVar[str] = "catalogue_not_filled"

    def __str__(self) -> str:
        return "No sync of movies was ever complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look at one part found, and how many seconds that took.

    `problem` is set if the part is away; its text is for the log. `synced_at` and `age` tell, of the sync
    only, when it was last complete and how long ago that is; None if it never was.
    """

    condition: Condition
    seconds: float = 0.0
    problem: MatineeError | None = None
    synced_at: datetime | None = None
    age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The findings, and what they come to: down without the database, degraded if anything else is unwell."""

    findings: Mapping[Part, Finding]

    @property
    def condition(self) -> Condition:
        """The condition of the whole."""
        conditions = {part: finding.condition for part, finding in self.findings.items()}
        if conditions.get(Part.DATABASE) is Condition.DOWN:
            return Condition.DOWN
        unwell = {Condition.DOWN, Condition.DEGRADED} & set(conditions.values())
        return Condition.DEGRADED if unwell else Condition.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHealth:
    """Look at what the service stands on.

    `redis` and `tmdb` are None where they are not configured. `check_source` returns why no sync can run, if
    none can. TMDB is not asked each time: a probe every few seconds must neither eat the budget of requests
    nor wait for a server far away.
    """

    database: Ping
    runs: SyncRunRepository
    clock: Clock
    tmdb: CachedProbe | None = None
    redis: Ping | None = None
    check_source: Callable[[], MatineeError | None] = lambda: None
    stopwatch: Callable[[], float] = perf_counter

    def __call__(self, parts: Collection[Part] = tuple(Part)) -> Health:
        """What is found of these parts. Raises nothing: what is away is a finding."""
        if self.tmdb and Part.TMDB in parts:
            self.tmdb.refresh()  # it answers while the others are looked at
        findings: dict[Part, Finding] = {}
        for part in parts:
            findings[part] = self._look(part, findings.get(Part.DATABASE))
        return Health(findings=findings)

    def _look(self, part: Part, database: Finding | None) -> Finding:
        """A look at one part; what a silent database would have to tell is not waited for once more."""
        if part is Part.SYNC and database and database.problem:
            return replace(database, seconds=0.0)
        looks = {
            Part.DATABASE: self._database,
            Part.REDIS: self._redis,
            Part.TMDB: self._tmdb,
            Part.SYNC: self._sync,
        }
        began = self.stopwatch()
        try:
            found = looks[part]()
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
        """Without TMDB all goes on but the syncs."""
        if self.tmdb is None:
            return Finding(condition=Condition.NOT_CONFIGURED)
        word = self.tmdb()
        condition = Condition.DEGRADED if word.problem else Condition.OK
        return Finding(condition=condition, seconds=word.seconds, problem=word.problem)

    def _sync(self) -> Finding:
        """The bundled catalogue does not age; TMDB's does. One that cannot be synced is as good as behind."""
        problem = self.check_source()
        runs = [self.runs.latest(entity, completed=True) for entity in (Entity.MOVIES, Entity.CHANGES)]
        ends = [run.finished_at for run in runs if run and run.finished_at]
        if not ends:
            return Finding(condition=Condition.DEGRADED, problem=problem or CatalogueNotFilled())
        age = self.clock() - max(ends)
        behind = self.tmdb is not None and age > STALE_AFTER
        condition = Condition.DEGRADED if behind or problem else Condition.OK
        return Finding(condition=condition, problem=problem, synced_at=max(ends), age=age)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushCache:
    """Have every kept answer forgotten, in all processes."""

    invalidation: CacheInvalidation

    def __call__(self) -> None:
        """Where the cache cannot be reached, it forgets before it is used again."""
        with self.invalidation.all():
            pass
