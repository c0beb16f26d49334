"""One look at a Redis server, over a connection of its own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from domain.errors import Unavailable

PATIENCE = 2.0
"""Seconds to wait for a connection, and for an answer."""


@dataclass(eq=False)
class RedisSilent(Unavailable):
    """A Redis server does not answer, or not to us."""

    reason: str

    def __str__(self) -> str:
        return f"Redis does not answer: {self.reason}"


def probe(url: str) -> tuple[datetime, str]:
    """The server's time, and what it does when it is full (`maxmemory-policy`). Raises RedisSilent."""
    try:
        with Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        ) as client:
            seconds, microseconds = client.time()
            policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except (RedisError, ValueError) as error:
        raise RedisSilent(str(error)) from error
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds), policy
