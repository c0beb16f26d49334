"""The check of a Redis server for `matinee check`, over a connection of its own."""

from datetime import UTC, datetime, timedelta

from adapters.redaction import credentials_in, redact
from adapters.redis import addresses
from adapters.redis.breaker import FAILURES, RedisUnavailable

TIMEOUT = 2.0
"""Seconds to wait for a connection, and for an answer."""


def probe(url: str) -> tuple[datetime, str]:
    """The server's time and its `maxmemory-policy`. Raises RedisUnavailable."""
    try:
        with addresses.client(url, TIMEOUT) as client:
            seconds, microseconds = client.time()
            policy = str(client.info("memory").get("maxmemory_policy", "noeviction"))
    except FAILURES as error:
        raise RedisUnavailable(redact(str(error), credentials_in(url))) from error
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds), policy
