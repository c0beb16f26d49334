"""The script that counts requests in Redis, in Python and with a clock that is set by hand.

`tests/contracts/test_redis_limits.py` compares both.
"""

from dataclasses import astuple, dataclass
from math import ceil, floor
from typing import Any

from adapters.redis.leases import MICROSECONDS


@dataclass
class Counter:
    """The requests of a client in a window that began at `start`, and in the one before."""

    start: int
    current: int = 0
    previous: int = 0
    leased: int = 0
    before: int = 0

    def used(self, period: int, now: int) -> int:
        return floor(self.previous * (1 - (now - self.start) / period)) + self.current


class SharedCounters:
    """Redis with the script. `now` is in microseconds."""

    def __init__(self) -> None:
        self.now = 1_700_000_000 * MICROSECONDS
        self.counters: dict[str, Counter] = {}

    def at(self, key: str, period: int) -> Counter:
        """The counter of a key, moved on to the current window."""
        stored = self.counters.get(key)
        if stored is None or self.now >= stored.start + 2 * period:
            return Counter(self.now)
        counter = Counter(*astuple(stored))
        counter.start = min(counter.start, self.now)
        if self.now < counter.start + period:
            return counter
        return Counter(counter.start + period, previous=counter.current, before=counter.leased)

    async def eval(self, _: str, number: int, *values: Any) -> list[list[int]]:
        """As redis-py's."""
        replies = []
        for index, key in enumerate(values[:number]):
            arguments = values[number + 7 * index : number + 7 * index + 7]
            replies.append(self.count(key, *arguments))
            if not replies[-1][0]:
                break
        return replies

    def count(
        self,
        key: str,
        amount: int,
        period: int,
        hits: int,
        max_leased: int,
        window: int,
        used: int,
        unused: int,
    ) -> list[int]:
        counter = self.at(key, period)
        if window == counter.start:
            counter.current = max(0, counter.current - unused)
            counter.leased = max(0, counter.leased - used - unused)
        elif window == counter.start - period:
            counter.previous = max(0, counter.previous - unused)
            counter.before = max(0, counter.before - used - unused)
        remaining = amount - counter.used(period, self.now)
        allowed = hits == 0 or remaining >= hits
        granted = 0
        if allowed:
            remaining -= hits
            free = (
                max_leased - counter.leased - ceil(counter.before * (1 - (self.now - counter.start) / period))
            )
            granted = max(0, min(remaining * max_leased // amount, (free + 1) // 2))
            counter.current += hits + granted
            counter.leased += granted
        if (allowed and hits + granted) or used + unused:
            self.counters[key] = counter
        elapsed = self.now - counter.start
        return [int(allowed), counter.start, elapsed, counter.current, counter.previous, granted]
