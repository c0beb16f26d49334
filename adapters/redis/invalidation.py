"""Invalidation of cached copies: in Redis, in this process, and in all others that hold a lease.

A writer deletes the copies in Redis, publishes the tags, and returns when every holder has applied them. One
that does not answer holds no lease after `MAX_WAIT`, so no write waits longer. If Redis does not answer, no
process can renew its lease: after the same time no copy is used, and the breaker flushes Redis before it is
used again.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from adapters.redis.breaker import RedisBreaker
from adapters.redis.cache import GENERATION, stamp_key
from adapters.redis.listener import (
    CHANNEL,
    HOLDERS,
    MAX_WAIT,
    NO_SENDER,
    REGISTRATION_TTL,
    InvalidationListener,
    Publication,
)
from adapters.redis.local_cache import EVERYTHING
from domain.ids import ApiTokenId, MovieId, SessionId, UserId

ACCOUNTS = "accounts"
"""The tag of changes of any account or session."""

MAX_MOVIES_SINGLY = 250
"""Movies that are invalidated one by one; if more change at once, everything is."""

MAX_NEIGHBOURHOODS_SINGLY = 1000
"""The same for their neighbours, which a few ratings change for many movies."""

PUBLISH = """
if #KEYS > 1 then redis.call('DEL', unpack(KEYS, 2)) end
redis.call('PUBLISH', ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1] - ARGV[3])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""
"""Delete keys, publish a message, and return the holders."""


class RedisCacheInvalidation:
    """CacheInvalidation: invalidates for all processes.

    While this process runs its `listener`, acknowledgements end the wait; other processes wait `max_wait`
    seconds if there are holders. Without `publish`, which is for a Cluster, no process keeps copies.
    """

    def __init__(
        self,
        breaker: RedisBreaker,
        listener: InvalidationListener | None = None,
        *,
        publish: bool = True,
        max_wait: float = MAX_WAIT,
    ) -> None:
        self._breaker = breaker
        self._listener = listener
        self._publish = publish
        self._max_wait = max_wait

    @contextmanager
    def movies(self, movies: Collection[MovieId]) -> Iterator[None]:
        try:
            yield
        finally:
            if len(movies) > MAX_MOVIES_SINGLY:
                self._invalidate([GENERATION])
            elif movies:
                self._invalidate(
                    [f"movies:{kind}:{movie}" for movie in movies for kind in ("detail", "rating")]
                )

    @contextmanager
    def recommendations(self, movies: Collection[MovieId]) -> Iterator[None]:
        try:
            yield
        finally:
            if len(movies) > MAX_NEIGHBOURHOODS_SINGLY:
                self._invalidate([GENERATION])
            elif movies:
                self._invalidate([f"movies:recommendations:{movie}" for movie in movies])

    @contextmanager
    def watchlist(self, user: UserId) -> Iterator[None]:
        try:
            yield
        finally:
            self._invalidate([f"watchlist:user:{user}"])

    @contextmanager
    def all(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._invalidate([GENERATION])

    @contextmanager
    def user(self, user: UserId) -> Iterator[None]:
        try:
            yield
        finally:
            self._invalidate([], [f"user:{user}", ACCOUNTS])

    @contextmanager
    def session(self, session: SessionId | ApiTokenId) -> Iterator[None]:
        try:
            yield
        finally:
            self._invalidate([], [f"session:{session}", ACCOUNTS])

    def _invalidate(self, keys: Collection[str], tags: Collection[str] = ()) -> None:
        """Delete copies under these keys in Redis; all processes drop copies with these keys or tags."""
        names = [name for key in keys for name in (key, stamp_key(key))]
        if self._publish:
            self._publish_and_wait(names, [*keys, *tags])
        elif names:
            self._breaker.invalidate(lambda redis: redis.delete(*names))

    def _publish_and_wait(self, names: Collection[str], tags: Collection[str]) -> None:
        began = time.monotonic()
        listener = self._listener if self._listener and self._listener.running else None
        holder = listener.holder if listener else None
        number, publication = holder.publication() if holder else (0, Publication())
        message = " ".join((holder.name if holder else NO_SENDER, str(number), *tags))
        holders: set[str] = set()

        def publish(redis: Redis) -> None:
            reply: Any = redis.eval(
                PUBLISH, 1 + len(names), HOLDERS, *names, CHANNEL, message, REGISTRATION_TTL
            )
            holders.update(name.decode() for name in reply)

        published = self._breaker.invalidate(publish)
        if holder:
            # After the deletion, or a copy could be made of what is deleted then.
            holder.lease.invalidate(tags)
            publication.applied(holder.name)
        # Holders of another server, which this one has replaced, are not known here.
        if not published or self._breaker.server_age() < self._max_wait:
            time.sleep(max(0.0, began + self._max_wait - time.monotonic()))
        elif holder:
            publication.wait(holders, self._max_wait)
        elif holders:
            time.sleep(self._max_wait)
        if holder:
            holder.forget(number)


def invalidate_all(redis: Redis) -> None:
    """Invalidate every response, cached or being built, and everything that processes have kept."""
    redis.delete(GENERATION)
    redis.publish(CHANNEL, f"{NO_SENDER} 0 {EVERYTHING}")
