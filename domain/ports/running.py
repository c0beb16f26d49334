"""Keeping the place running: sync runs, locks, the store as a whole, the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from domain.ids import RunId
from domain.sync import Entity, SyncRun

Clock = Callable[[], datetime]
"""Tells the time: aware, UTC, whole milliseconds (all that every store keeps)."""


class SyncRunRepository(Protocol):
    """The records of sync runs."""

    def add(self, run: SyncRun) -> None:
        """Record a run that has begun. Raises SyncRunning if one of its kind is in progress in the store."""
        ...

    def save(self, run: SyncRun) -> None:
        """Replace the record of a run that is in progress in the store, as its last word if it is closed now.

        Raises RunClosed if the stored run is closed already or unknown.
        """
        ...

    def get(self, run: RunId) -> SyncRun:
        """The run of that id. Raises RunNotFound."""
        ...

    def latest(self, entity: Entity, *, completed: bool = False) -> SyncRun | None:
        """The run of a kind that began last; with `completed`, the last that is complete
        (`SyncRun.complete`).
        """
        ...

    def recent(self, limit: int, skip: int = 0) -> list[SyncRun]:
        """Runs of all kinds, the one that began last first."""
        ...


class Locks(Protocol):
    """Mutual exclusion over all processes that share a store. A lock whose holder falls silent ends by
    itself.
    """

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        """Take the lock for `ttl`: None if it is ours now, else the moment at which its present holder's time
        ends.

        Of several that try at once, one gets it. The holder itself may acquire again, which renews.
        """
        ...

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        """Hold on for another `ttl` from now; False if it is no longer ours."""
        ...

    def release(self, name: str, holder: str) -> None:
        """Give the lock back, if it is ours; otherwise do nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLook:
    """What there is of a store.

    `version` is that of its schema, 0 for a store that was never prepared; `newest` the one that this program
    brings. `missing` names what the schema of that version has and the store has not, as "collection.index".
    `clock` is the time where the store runs; None if that is here.
    """

    version: int
    newest: int
    missing: tuple[str, ...] = ()
    clock: datetime | None = None


class Store(Protocol):
    """What an operator asks of a store as a whole."""

    def prepare(self) -> None:
        """Create what is missing, bring older schemas forward; safe when several processes do so at once."""
        ...

    def ping(self) -> None:
        """Come back if the store answers. Raises StorageUnavailable."""
        ...

    def look(self) -> StoreLook:
        """See what there is, creating and changing nothing. Raises StorageUnavailable."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


Timed = Literal["storage", "redis"]
"""What is timed: one use of the store, one round trip to Redis."""

Counted = Literal["cache", "tmdb"]
"""What is counted: looks into the cache (`hit` or `miss`), requests to TMDB (by what came of them)."""


class Meter(Protocol):
    """Takes note of what happens, for whoever watches over the place. It raises nothing and hardly takes
    time.
    """

    def timed(self, what: Timed, seconds: float) -> None:
        """Note that something took so long, whether or not it went well."""
        ...

    def counted(self, what: Counted, outcome: str, amount: int = 1) -> None:
        """Note that something came to this. Outcomes are words from a short list, never data."""
        ...


class Unmetered:
    """The Meter of a place that nobody watches over."""

    def timed(self, what: Timed, seconds: float) -> None:
        """Let it pass."""

    def counted(self, what: Counted, outcome: str, amount: int = 1) -> None:
        """Let it pass."""


UNMETERED = Unmetered()


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure as it is when somebody asks; `of` tells what of, where there are several of one name."""

    name: str
    meaning: str
    value: float
    of: Mapping[str, str] = field(default_factory=dict)
