"""The budget of requests to TMDB that all processes share: each books the moment at which it may send."""

from math import ceil
from typing import Any

from adapters.redis.breaker import RedisBreaker, RedisUnavailable

KEY = "tmdb:free_at"

BOOK = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local free_at = at + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', math.ceil((free_at - now) / 1000) + 1000)
return string.format('%.0f', at - now)
"""
"""Give out the next free moment, by Redis' own clock, in microseconds from now."""


class RedisReservations:
    """Books moments to send requests at, evenly spaced over all processes."""

    def __init__(self, breaker: RedisBreaker) -> None:
        self._breaker = breaker

    def __call__(self, gap: float) -> float:
        """In how many seconds to send, so that `gap` seconds lie between that and any other request.

        Zero while Redis is away: then each process only keeps its own distance.
        """
        try:
            reply: Any = self._breaker.call_from_thread(
                lambda redis: redis.eval(BOOK, 1, KEY, str(ceil(gap * 1_000_000)))
            )
        except RedisUnavailable:
            return 0.0
        return int(reply) / 1_000_000
