"""Rate limits, counted in Redis for all processes and in the memory of each."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import takewhile
from math import floor
from time import monotonic
from typing import Any, TypeAlias

from redis.asyncio import Redis as AsyncRedis

from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from adapters.redis.leases import (
    COUNT,
    LEASE_SECONDS,
    Counted,
    Reply,
    RequestLeases,
    Settlement,
    arguments,
)
from adapters.redis.sliding_windows import Key, SlidingWindows, WindowState

PREFIX = "limits:"

SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}

RETURN_INTERVAL = LEASE_SECONDS / 2
"""Seconds between two searches for leases that have ended."""

RETURNED_AT_ONCE = 100
"""Leases that are returned by one call."""

Result: TypeAlias = tuple[bool, int, int]
"""Whether a request is allowed, how many remain, and the whole seconds until more are."""

Call: TypeAlias = tuple[Key, tuple[int, ...]]
"""A counter, and the arguments of the script for it."""


class RedisRateLimiter:
    """A sliding window counter: the previous window counts in proportion to its overlap.

    Allowed requests are counted in Redis for all processes, and in the memory of this process too; the
    stricter count decides. So no client of this process gets a fresh count when Redis is unavailable or late,
    or has evicted a counter.

    Requests are leased from Redis in advance, see `adapters.redis.leases`. To be used from one event loop,
    before whose end `close` returns the unused ones.
    """

    def __init__(
        self,
        breaker: RedisBreaker | None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._breaker = breaker
        self._clustered = breaker is not None and breaker.clustered
        self._clock = clock
        self._local = SlidingWindows()
        self._leases = RequestLeases()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, rate: str, client: str) -> Result:
        """Count a request; return whether it is allowed, how many remain, and the seconds until more are.

        `rate` is a number of requests and a period, such as `100/minute`.
        """
        taken = self.take(rate, client)
        if taken is not None:
            return True, *taken
        result = await self._count([(client, *_parse(rate))], lease=True)
        if not result[0] and (taken := self.take(rate, client)):  # leased by a concurrent call
            return True, *taken
        return result

    async def count_all(self, rate: str, clients: Sequence[str]) -> Result:
        """Count a request of several clients in turn, up to the first whose limit is used up.

        Returns the result of the last one that was counted. No requests are leased: these limits are low.
        """
        return await self._count([(client, *_parse(rate)) for client in clients], lease=False)

    def take(self, rate: str, client: str) -> tuple[int, int] | None:
        """Count a request that is certainly allowed, without calling Redis.

        Returns how many remain, and the seconds until more are; None, counting nothing, if Redis must decide.
        """
        amount, seconds = _parse(rate)
        key = client, amount, seconds
        now = self._clock()
        if self._breaker is None:
            allowed, local = self._local.hit(key, now)
            return (local.remaining, _whole(local.reset)) if allowed else None
        lease = self._leases.usable(key, now)
        if lease is None:
            return None
        window = self._local.window(key, now)
        left = amount - window.used(seconds, now)
        if left < 1:
            return None
        window.current += 1
        remaining, reset = lease.use(amount, seconds, now)
        if lease.is_due(now):
            self._start(self._renew(self._breaker, key))
        if left <= remaining:  # Redis has lost requests that are counted here
            return _stricter(WindowState(remaining, reset + lease.lag), window.state(amount, seconds, now))
        return remaining, _whole(reset + lease.lag)

    async def close(self) -> None:
        """Return all unused requests."""
        if self._timer:
            self._timer.cancel()
            self._loop = self._timer = None
        while self._tasks:
            await asyncio.gather(*self._tasks)
        if self._breaker is not None:
            await self._report(self._breaker, self._leases.ended())

    async def _count(self, keys: Sequence[Key], *, lease: bool) -> Result:
        """Count a request of each client in turn, up to the first whose limit is used up."""
        now = self._clock()
        # A client over the limit of this process is refused without a call.
        left = list(takewhile(lambda key: self._local.state(key, now).remaining, keys))
        if left and self._breaker is not None:
            try:
                result = await self._count_in_redis(self._breaker, left, lease=lease)
            except RedisUnavailable:
                pass  # the count of this process decides
            else:
                if not result[0] or len(left) == len(keys):
                    return result
                keys = keys[len(left) :]
        for key in keys:
            allowed, local = self._local.hit(key, self._clock())
            if not allowed:
                break
        return allowed, local.remaining, _whole(local.reset)

    async def _count_in_redis(self, breaker: RedisBreaker, keys: Sequence[Key], *, lease: bool) -> Result:
        """The same by the counters in Redis. Raises RedisUnavailable."""
        for key, counted in zip(keys, await self._call(breaker, keys, hits=1, lease=lease), strict=False):
            if not counted.allowed:
                return False, counted.state.remaining, _whole(counted.state.reset)
            local = self._local.add(key, self._clock(), counted.start)
        return True, *_stricter(counted.state, local)

    async def _renew(self, breaker: RedisBreaker, key: Key) -> None:
        """Report used requests and lease further ones, if Redis is available."""
        with suppress(RedisUnavailable):
            await self._call(breaker, [key], hits=0, lease=True)

    async def _call(
        self, breaker: RedisBreaker, keys: Sequence[Key], *, hits: int, lease: bool
    ) -> list[Counted]:
        """Count and lease requests, and report used ones. Raises RedisUnavailable."""
        sent = self._clock()
        calls = [
            (key, arguments(key, self._leases.settle(key, sent), hits=hits, lease=lease)) for key in keys
        ]
        replies = await breaker.call(partial(self._evaluate, calls=calls))
        now = self._clock()
        counted = [self._leases.add(*each, sent, now) for each in zip(keys, replies, strict=False)]
        self._return_later(breaker)
        return counted

    async def _evaluate(self, redis: AsyncRedis, calls: Sequence[Call]) -> list[Reply]:
        """Evaluate the script; of a Cluster, for one key at a time, since each may be on another node."""
        replies: list[Reply] = []
        size = 1 if self._clustered else len(calls)
        for begin in range(0, len(calls), size):
            keys = [_name(key) for key, _ in calls[begin : begin + size]]
            values = [value for _, values in calls[begin : begin + size] for value in values]
            reply: Any = redis.eval(COUNT, len(keys), *keys, *values)
            replies += [Reply(*each) for each in await reply]
            if not replies[-1].allowed:
                break
        return replies

    def _return_later(self, breaker: RedisBreaker) -> None:
        """Return unused requests once their leases have ended."""
        loop = asyncio.get_running_loop()
        if self._leases and loop is not self._loop:
            self._loop = loop
            self._timer = loop.call_later(RETURN_INTERVAL, self._return_ended, breaker)

    def _return_ended(self, breaker: RedisBreaker) -> None:
        self._loop = None
        if ended := self._leases.ended(self._clock()):
            self._start(self._report(breaker, ended))
        self._return_later(breaker)

    async def _report(self, breaker: RedisBreaker, ended: Sequence[tuple[Key, Settlement]]) -> None:
        """Report leases that have ended, and return their unused requests; without Redis they expire."""
        size = 1 if self._clustered else RETURNED_AT_ONCE
        calls = [(key, arguments(key, settled, hits=0, lease=False)) for key, settled in ended]
        for begin in range(0, len(calls), size):
            part = calls[begin : begin + size]
            with suppress(RedisUnavailable):
                await breaker.call(partial(self._evaluate, calls=part))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background; the event loop itself keeps no reference to it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@cache
def _parse(rate: str) -> tuple[int, int]:
    """The requests and the seconds of a rate."""
    amount, _, period = rate.partition("/")
    return int(amount), SECONDS[period]


def _name(key: Key) -> str:
    """The key of a counter in Redis."""
    client, amount, seconds = key
    return f"{PREFIX}{client}:{amount}/{seconds}"


def _stricter(shared: WindowState, local: WindowState) -> tuple[int, int]:
    """What remains by both counts, and the whole seconds until more does."""
    if local.remaining < shared.remaining:
        return local.remaining, _whole(max(shared.reset, local.reset))
    return shared.remaining, _whole(shared.reset)


def _whole(seconds: float) -> int:
    """Round up to whole seconds: a client that waits as long must be allowed."""
    return floor(max(0.0, seconds)) + 1
