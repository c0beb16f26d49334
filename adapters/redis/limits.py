"""Rate limits, counted in Redis for all processes and in the memory of each."""

import asyncio
from collections.abc import Callable
from math import floor
from time import monotonic, time
from typing import Any
from weakref import WeakKeyDictionary

from limits import RateLimitItem, parse
from limits.aio.storage import RedisClusterStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis as AsyncRedis

from adapters.redis import addresses
from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from adapters.redis.sliding_windows import SlidingWindows
from adapters.redis.timeouts import CALL_TIMEOUT

PREFIX = "limits"


class _Storage(RedisStorage):
    """Without these lists the library imports every Redis client that it supports."""

    STORAGE_SCHEME: list[str] = []  # noqa: RUF012  as in the library
    DEPENDENCIES = {"redis": RedisStorage.DEPENDENCIES["redis"]}  # noqa: RUF012


class _ClusterStorage(RedisClusterStorage):
    """Like `_Storage`, for a Cluster."""

    STORAGE_SCHEME: list[str] = []  # noqa: RUF012
    DEPENDENCIES = {"redis": RedisStorage.DEPENDENCIES["redis"]}  # noqa: RUF012


class RedisRateLimiter:
    """A sliding window counter: the previous window counts in proportion to its overlap.

    Allowed requests are counted in Redis for all processes, and in the memory of this process too; the
    stricter count decides. So no client of this process gets a fresh count when Redis is unavailable or late,
    or has evicted a counter.
    """

    def __init__(
        self,
        breaker: RedisBreaker | None,
        url: str | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._breaker = breaker
        self._url = url
        self._clock = clock
        self._local = SlidingWindows()
        self._shared: WeakKeyDictionary[asyncio.AbstractEventLoop, SlidingWindowCounterRateLimiter] = (
            WeakKeyDictionary()
        )

    async def __call__(self, rate: str, client: str) -> tuple[bool, int, int]:
        """Count a request; return whether it is allowed, how many remain, and the seconds until more are.

        `rate` is a number of requests and a period, such as `100/minute`.
        """
        item = parse(rate)
        key = client, item.amount, item.get_expiry()
        local = self._local.state(*key, self._clock())
        if local.remaining and self._breaker is not None:
            try:
                allowed, remaining, reset = await self._breaker.call(
                    lambda redis: _hit(self._limiter(redis), item, client)
                )
            except RedisUnavailable:
                pass  # the count of this process decides
            else:
                if allowed:
                    local = self._local.add(*key, self._clock())
                if local.remaining < remaining:
                    remaining, reset = local.remaining, max(reset, local.reset)
                return allowed, remaining, _whole(reset)
        allowed, local = self._local.hit(*key, self._clock())
        return allowed, local.remaining, _whole(local.reset)

    def _limiter(self, redis: AsyncRedis) -> SlidingWindowCounterRateLimiter:
        loop = asyncio.get_running_loop()
        if loop not in self._shared:
            self._shared[loop] = SlidingWindowCounterRateLimiter(self._storage(redis))
        return self._shared[loop]

    def _storage(self, redis: AsyncRedis) -> RedisStorage:
        if self._url and addresses.clustered(self._url):
            url = f"async+{self._url}"
            timeouts: dict[str, Any] = {
                "socket_timeout": CALL_TIMEOUT,
                "socket_connect_timeout": CALL_TIMEOUT,
            }
            return _ClusterStorage(url, implementation="redispy", key_prefix=PREFIX, **timeouts)
        # Uses the breaker's connections; the address is ignored.
        return _Storage(
            "async+redis://",
            implementation="redispy",
            key_prefix=PREFIX,
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )


async def _hit(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, client: str
) -> tuple[bool, int, float]:
    allowed = await limiter.hit(item, client)
    state = await limiter.get_window_stats(item, client)
    return allowed, state.remaining, state.reset_time - time()


def _whole(seconds: float) -> int:
    """Round up to whole seconds: a client that waits as long must be allowed."""
    return floor(max(0.0, seconds)) + 1
