"""Invalidation of cached copies: in Redis, in this process, and in all others that hold a lease.

A writer deletes the copies in Redis, publishes the tags, and returns when every holder has applied them. One
that does not answer holds no lease after `MAX_WAIT`, so no write waits longer. If Redis does not answer, no
process can renew its lease: after the same time no copy is used, and the breaker flushes Redis before it is
used again.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any

from redis import Redis

from adapters.metering import pool_thread
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

MAX_NAMES = 1000
"""Names in a message from which on others are in the next one."""

MAX_SENDING = 0.003
"""Seconds to wait for another message to be sent, several times as long as that takes while Redis answers."""

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
        self._lock = Lock()
        self._sending = Lock()
        self._next: _Message | None = None

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
            self._publish_together(names, [*keys, *tags])
        elif names:
            self._breaker.invalidate(lambda redis: redis.delete(*names))

    def _publish_together(self, names: Collection[str], tags: Collection[str]) -> None:
        """Publish in one message what threads want to publish while another one is sent, and wait until it is
        applied.
        """
        with self._lock:
            message, sends = self._next, False
            if message is None or len(message.names) > MAX_NAMES:
                message = self._next = _Message()
                sends = True
            message.names.update(dict.fromkeys(names))
            message.tags.update(dict.fromkeys(tags))
        if sends:
            with message.ended_with():
                self._publish_and_wait(message)
        else:
            message.wait()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Wait until no other message is being sent, but not long: they may be sent at once, too."""
        alone = self._sending.acquire(blocking=False)
        if not alone:
            with pool_thread.waiting():
                alone = self._sending.acquire(timeout=MAX_SENDING)
        try:
            yield
        finally:
            if alone:
                self._sending.release()

    def _close(self, message: "_Message") -> Sequence[Collection[str]]:
        """The names and tags of a message, which no other thread can join any more."""
        with self._lock:
            if self._next is message:
                self._next = None
        return message.names, message.tags

    def _publish_and_wait(self, message: "_Message") -> None:
        listener = self._listener if self._listener and self._listener.running else None
        holder = listener.holder if listener else None
        number, publication = holder.publication() if holder else (0, Publication())
        holders: set[str] = set()

        def publish(redis: Redis) -> None:
            text = " ".join((holder.name if holder else NO_SENDER, str(number), *tags))
            reply: Any = redis.eval(PUBLISH, 1 + len(names), HOLDERS, *names, CHANNEL, text, REGISTRATION_TTL)
            holders.update(name.decode() for name in reply)

        with self._one_at_a_time():
            names, tags = self._close(message)
            began = time.monotonic()
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


class _Message:
    """What several threads publish at once: names of copies in Redis, and tags. One of them sends it."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.tags: dict[str, None] = {}
        self._over = Event()
        self._error: BaseException | None = None

    @contextmanager
    def ended_with(self) -> Iterator[None]:
        """A context in which it is sent. At its end the other threads go on, or raise its error."""
        try:
            yield
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._over.set()

    def wait(self) -> None:
        """Wait until another thread has sent it. Raises the error with which that failed."""
        with pool_thread.waiting():
            self._over.wait()
        if self._error:
            raise self._error


def invalidate_all(redis: Redis) -> None:
    """Invalidate every response, cached or being built, and everything that processes have kept."""
    redis.delete(GENERATION)
    redis.publish(CHANNEL, f"{NO_SENDER} 0 {EVERYTHING}")
