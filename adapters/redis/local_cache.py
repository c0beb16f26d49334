"""Entries that this process may use without asking Redis, while it holds a lease.

Each entry has tags. An invalidation names a tag, and removes all entries that have it. A `Lease` says until
when this process cannot have missed an invalidation; `listener` renews it. An entry is used only while the
lease is held, and a lease that has lapsed empties the cache before it is held again.

An entry that is read from the store while an invalidation arrives may be stale. So a `Fill` is begun before
the store is read, and its entry is discarded if one of its tags was invalidated since.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar

from adapters.redis.epoch import SharedEpoch

LEASE = 0.030
"""Seconds for which a lease is held after a ping that was answered."""

EVERYTHING = "*"
"""A tag that all entries have."""

T = TypeVar("T")


elapsed = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds since some moment, in which a suspended machine counts, where the system can tell."""


class Fill:
    """An entry that is being read; `valid` until one of these tags is invalidated."""

    __slots__ = ("tags", "valid")

    def __init__(self, tags: Collection[str]) -> None:
        self.tags = tags
        self.valid = True


class LocalCache(Generic[T]):
    """The most recently used entries under a lease. It may be used from any thread."""

    def __init__(self, lease: "Lease", max_entries: int) -> None:
        self._lease = lease
        self._max_entries = max_entries
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, tuple[T, Collection[str], float]] = OrderedDict()
        self._keys: dict[str, set[Hashable]] = {}
        self._fills: set[Fill] = set()

    def get(self, key: Hashable) -> T | None:
        """The entry; None if there is none, if it has expired, or if the lease is not held."""
        found = self._entries.get(key)
        if found is None or not self._lease.covers(found[2]):
            return None
        try:  # noqa: SIM105  suppress would cost as much as all the rest
            self._entries.move_to_end(key)
        except KeyError:  # another thread has removed it meanwhile
            pass
        return found[0]

    def begin(self, *tags: str) -> Fill:
        """Begin an entry, which is valid unless one of these tags is invalidated while its data is read. Call
        this first, and `put` or `discard` afterwards.
        """
        fill = Fill(tags)
        with self._lock:
            self._fills.add(fill)
        return fill

    def put(self, fill: Fill, key: Hashable, value: T, tags: Collection[str], seconds: float) -> None:
        """Add an entry with these tags for some seconds, unless a tag of `begin` was invalidated since."""
        with self._lock:
            self._fills.discard(fill)
            if not fill.valid:
                return
            self._remove(key)
            self._entries[key] = value, tags, self._lease.now() + seconds
            for tag in tags:
                self._keys.setdefault(tag, set()).add(key)
            if len(self._entries) > self._max_entries:
                self._remove(next(iter(self._entries)))

    def discard(self, fill: Fill) -> None:
        """End a fill that has no entry."""
        with self._lock:
            self._fills.discard(fill)

    def invalidate(self, tags: Collection[str]) -> None:
        """Remove all entries, and discard all fills, that have one of these tags."""
        with self._lock:
            for fill in self._fills:
                fill.valid = fill.valid and set(fill.tags).isdisjoint(tags)
            for tag in tags:
                for key in list(self._keys.get(tag, ())):
                    self._remove(key)

    def clear(self) -> None:
        """Remove all entries, and discard all fills."""
        with self._lock:
            self._entries.clear()
            self._keys.clear()
            for fill in self._fills:
                fill.valid = False

    def _remove(self, key: Hashable) -> None:
        removed = self._entries.pop(key, None)
        for tag in removed[1] if removed else ():
            keys = self._keys[tag]
            keys.discard(key)
            if not keys:
                del self._keys[tag]


class Lease:
    """Until when this process cannot have missed an invalidation: for a while, and in one epoch. It may be
    used from any thread.
    """

    def __init__(
        self,
        clock: Callable[[], float] = elapsed,
        duration: float = LEASE,
        epoch: SharedEpoch | None = None,
    ) -> None:
        self.now = clock
        """The time by the clock of this lease, in seconds."""
        self._duration = duration
        self._until = 0.0
        self._current_epoch = (epoch or SharedEpoch()).current
        self._epoch = self._current_epoch()
        self._lock = Lock()
        self._caches: list[LocalCache[Any]] = []

    @property
    def held(self) -> bool:
        """Whether entries may be used now."""
        return self.covers(math.inf)

    def covers(self, expires: float) -> bool:
        """Whether an entry that expires at that time may be used now."""
        now = self.now()
        return now < self._until and now < expires and self._current_epoch() == self._epoch

    def renew(self, sent: float) -> None:
        """Hold the lease from now on: a ping that was sent at that time was answered, and everything that was
        received before the answer has been applied.
        """
        with self._lock:
            epoch = self._current_epoch()
            if not self.held:
                self._clear()
            self._epoch = epoch
            self._until = max(self._until, sent + self._duration)

    def end(self) -> None:
        """Give up the lease: an invalidation may be missed from now on."""
        with self._lock:
            self._until = 0.0
            self._clear()

    def invalidate(self, tags: Collection[str]) -> None:
        """Remove all entries that have one of these tags."""
        if EVERYTHING in tags:
            self.end()
        for cache in self._caches:
            cache.invalidate(tags)

    def cache(self, max_entries: int) -> LocalCache[Any]:
        """A new cache under this lease."""
        cache: LocalCache[Any] = LocalCache(self, max_entries)
        self._caches.append(cache)
        return cache

    def _clear(self) -> None:
        for cache in self._caches:
            cache.clear()
