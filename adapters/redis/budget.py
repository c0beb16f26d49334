"""The request budget for TMDB that all processes share: each reserves the time of its next request."""

from math import ceil
from typing import Any

from adapters.redis.breaker import RedisBreaker, RedisUnavailable

KEY = "tmdb:free_at"

RESERVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local free_at = at + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', math.ceil((free_at - now) / 1000) + 1000)
return string.format('%.0f', at - now)
"""
"""Reserve the next free time by Redis' clock; returns microseconds from now."""


class RedisReservations:
    """Reserves times for requests, evenly spaced over all processes."""

    def __init__(self, breaker: RedisBreaker) -> None:
        self._breaker = breaker

    def __call__(self, gap: float) -> float:
        """The seconds until the caller may send, `gap` seconds after the request before it.

        0 while Redis is unavailable: then each process spaces only its own requests.
        """
        try:
            reply: Any = self._breaker.call_from_thread(
                lambda redis: redis.eval(RESERVE, 1, KEY, str(ceil(gap * 1_000_000)))
            )
        except RedisUnavailable:
            return 0.0
        return int(reply) / 1_000_000
