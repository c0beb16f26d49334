"""The request budget for TMDB that all processes share: each reserves the time of its next request."""

from math import ceil
from typing import Any

from adapters.redis.breaker import RedisBreaker, RedisUnavailable

KEY = "tmdb:free_at"

RESERVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
if at - now > tonumber(ARGV[2]) then return {string.format('%.0f', at - now), 0} end
local free_at = at + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', math.ceil((free_at - now) / 1000) + 1000)
return {string.format('%.0f', at - now), 1}
"""
"""Reserve the next free time by Redis' clock, if it is near; returns microseconds from now, and whether it
was reserved.
"""


class RedisReservations:
    """Reserves times for requests, evenly spaced over all processes."""

    def __init__(self, breaker: RedisBreaker) -> None:
        self._breaker = breaker

    def __call__(self, gap: float, within: float) -> tuple[float, bool]:
        """The seconds until the caller may send, `gap` seconds after the request before it, and whether that
        time was reserved; it is not if it begins after more than `within` seconds.

        0 and true while Redis is unavailable: then each process spaces only its own requests.
        """
        arguments = [str(ceil(seconds * 1_000_000)) for seconds in (gap, within)]
        try:
            reply: Any = self._breaker.call_from_thread(lambda redis: redis.eval(RESERVE, 1, KEY, *arguments))
        except RedisUnavailable:
            return 0.0, True
        return int(reply[0]) / 1_000_000, bool(reply[1])
