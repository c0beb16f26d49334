"""The response cache: its keys, how an entry is built once, and how it is invalidated.

A key such as `movies:detail:{id}` is a Redis hash with two fields for each variant of the response (other
fields, another page): `h:{variant}`, the head, and `b:{variant}`, the response as bytes. Deleting the key
deletes all its variants. No stale entry is served, because:

- The head begins with the generation, a random token under `cache:generation` that all entries share.
  Deleting it invalidates all of them at once.
- Before a response is built, a stamp is stored beside its key. An invalidation deletes the stamp too, and a
  response is stored only if its stamp still exists: a slow build never overwrites an invalidation.
- An invalidation only deletes, which Redis does even when its memory is full.
- The head is read from Redis at every request. A process keeps the responses themselves by their heads, so a
  popular one is transferred once.

The process that builds an entry holds a lock, and the others wait. The lock only saves work: if it expires, a
response is built twice, and both are correct.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Generic, TypeVar

from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import OutOfMemoryError

from adapters.redis.breaker import RedisBreaker, RedisUnavailable

GENERATION = "cache:generation"
"""The key of the token with which all valid heads begin."""

TOKEN_LENGTH = 16
"""Characters of a random token."""

STAMP_TTL = 10_000
"""Milliseconds for building a response: far longer than any request may take."""

LOCK_TTL = 2_000
"""Milliseconds after which a builder counts as dead, or as too slow to wait for."""

WAIT_TIMEOUT = 0.5
"""Seconds to wait for another process's response before building one: with the timeout of an unavailable
store, for which the other may be waiting too, two seconds at most.
"""

POLL_INTERVAL = 0.01
"""Seconds between two checks for another process's response."""

MAX_ATTEMPTS = 4
"""Times that a response may be invalidated while a request waits for it; then the request builds its own."""

MAX_LOCAL_ENTRIES = 256
"""Responses that a process keeps in memory."""

STORE = """
if redis.call('GET', KEYS[3]) == ARGV[2] then redis.call('DEL', KEYS[3]) end
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[7]) end
return 1
"""
"""Store a response if its stamp still exists, and release the lock."""

RELEASE_LOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

T = TypeVar("T")
Build = Callable[[], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class _Claim:
    """The state of a key: with `mine` this process holds the lock and builds; `token` is the lock's value."""

    mine: bool
    token: str
    generation: bytes
    stamp: bytes
    head: bytes | None


class RedisResponseCache(Generic[T]):
    """Responses that are built once and cached for some seconds.

    `dump` and `load` convert a response to bytes and back; `load` returns None for invalid bytes. Without
    Redis, or when it is full, every response is built again.
    """

    def __init__(
        self,
        breaker: RedisBreaker,
        *,
        seconds: int,
        dump: Callable[[T], bytes],
        load: Callable[[bytes], T | None],
    ) -> None:
        self._breaker = breaker
        self._milliseconds = seconds * 1000
        self._dump = dump
        self._load = load
        self._process = f"{token_hex(TOKEN_LENGTH // 2)}:"
        self._local: OrderedDict[bytes, T] = OrderedDict()
        self._builds: dict[tuple[str, str], asyncio.Future[Exception | None]] = {}

    async def __call__(self, key: str, variant: str, build: Build[T]) -> tuple[T, bool | None]:
        """Return a response, and whether it was cached; None instead if the cache was not available.

        `build` makes the response if it is not cached; its errors are raised. Of concurrent calls, in this
        process or others, one builds.
        """
        try:
            for _ in range(MAX_ATTEMPTS):
                cached = await self._find(key, variant)
                if cached is not None:
                    return cached, True
                pending = self._builds.get((key, variant))
                if pending is None:
                    return await self._lead(key, variant, build)
                if error := await asyncio.shield(pending):
                    raise error
        except RedisUnavailable:
            return await build(), None
        return await build(), False

    async def _find(self, key: str, variant: str) -> T | None:
        """The cached response, if it is valid. Raises RedisUnavailable."""
        generation, head = await self._breaker.call(lambda redis: _head(redis, key, variant))
        return await self._current(key, variant, generation, head)

    async def _current(
        self, key: str, variant: str, generation: bytes | None, head: bytes | None
    ) -> T | None:
        if not head or not generation or not head.startswith(generation):
            return None
        if head in self._local:
            self._local.move_to_end(head)
            return self._local[head]
        body = await self._breaker.call(lambda redis: _body(redis, key, variant, head))
        answer = None if body is None else self._load(body)
        return None if answer is None else self._remember(head, answer)

    def _remember(self, head: bytes, answer: T) -> T:
        self._local[head] = answer
        if len(self._local) > MAX_LOCAL_ENTRIES:
            self._local.popitem(last=False)
        return answer

    async def _lead(self, key: str, variant: str, build: Build[T]) -> tuple[T, bool | None]:
        """Get the response for all calls in this process that wait for it.

        They read the cache again when it is stored. An error of `build` is raised in all of them.
        """
        pending = self._builds[key, variant] = asyncio.get_running_loop().create_future()
        failed: Exception | None = None
        try:
            return await self._fill(key, variant, build)
        except RedisUnavailable:
            raise
        except Exception as error:
            failed = error
            raise
        finally:
            del self._builds[key, variant]
            pending.set_result(failed)

    async def _fill(self, key: str, variant: str, build: Build[T]) -> tuple[T, bool | None]:
        """Build the response, or wait for another process. Raises RedisUnavailable before building."""
        # Counted in polls, not by the clock: if this event loop is late, the builder may be late too.
        for _ in range(round(WAIT_TIMEOUT / POLL_INTERVAL)):
            claim = await self._breaker.call(lambda redis: _try_claim(redis, key, variant, self._process))
            if claim is None:
                return await build(), False
            cached = await self._current(key, variant, claim.generation, claim.head)
            if cached is not None:
                if claim.mine:
                    await self._release(key, variant, claim)
                return cached, True
            if claim.mine:
                return await self._build(key, variant, claim, build), False
            await asyncio.sleep(POLL_INTERVAL)
        return await build(), False

    async def _build(self, key: str, variant: str, claim: _Claim, build: Build[T]) -> T:
        try:
            answer = await build()
        except BaseException:
            await self._release(key, variant, claim)
            raise
        head = claim.generation + token_hex(TOKEN_LENGTH // 2).encode()
        with suppress(RedisUnavailable):  # then the response serves this request only
            if await self._breaker.call(lambda redis: self._store(redis, key, variant, claim, head, answer)):
                self._remember(head, answer)
        return answer

    async def _store(
        self, redis: AsyncRedis, key: str, variant: str, claim: _Claim, head: bytes, answer: T
    ) -> bool:
        keys = (key, stamp_key(key), _lock(key, variant))
        fields = (f"h:{variant}", head, f"b:{variant}", head + self._dump(answer))
        reply: Any = redis.eval(
            STORE, len(keys), *keys, claim.stamp, claim.token, *fields, self._milliseconds
        )
        return bool(await reply)

    async def _release(self, key: str, variant: str, claim: _Claim) -> None:
        """Release the lock; without Redis it expires."""
        with suppress(RedisUnavailable):
            await self._breaker.call(
                lambda redis: redis.eval(RELEASE_LOCK, 1, _lock(key, variant), claim.token)
            )


async def _head(redis: AsyncRedis, key: str, variant: str) -> tuple[bytes | None, bytes | None]:
    """The generation, and the head of a response."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get(GENERATION)
        pipe.hget(key, f"h:{variant}")
        generation, head = await pipe.execute()
    return generation, head


async def _body(redis: AsyncRedis, key: str, variant: str, head: bytes) -> bytes | None:
    """The response with that head; None if it was replaced."""
    reply: Any = redis.hget(key, f"b:{variant}")
    body: bytes | None = await reply
    return body.removeprefix(head) if body and body.startswith(head) else None


async def _try_claim(redis: AsyncRedis, key: str, variant: str, process: str) -> _Claim | None:
    """Try to lock a key, and read its head again; None if Redis is full.

    The order of the commands matters: the process that gets the lock sees everything that was stored before
    the lock was released. An existing lock of this process is left from a claim whose reply was lost, since
    only one call at a time builds a key here.
    """
    token = process + token_hex(TOKEN_LENGTH // 2)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set(_lock(key, variant), token, nx=True, px=LOCK_TTL)
        pipe.get(_lock(key, variant))
        pipe.set(stamp_key(key), token, nx=True, px=STAMP_TTL)
        pipe.pexpire(stamp_key(key), STAMP_TTL)
        pipe.get(stamp_key(key))
        pipe.set(GENERATION, token, nx=True)
        pipe.get(GENERATION)
        pipe.hget(key, f"h:{variant}")
        replies = await pipe.execute(raise_on_error=False)
    for error in replies:
        if isinstance(error, OutOfMemoryError):
            return None
        if isinstance(error, Exception):
            raise error
    _, holder, _, _, stamp, _, generation, head = replies
    owner = (holder or b"").decode()
    return _Claim(owner.startswith(process), owner, generation, stamp, head)


def stamp_key(key: str) -> str:
    """The braces keep the keys on the same node of a Cluster."""
    return f"{{{key}}}:stamp"


def _lock(key: str, variant: str) -> str:
    return f"{{{key}}}:lock:{variant}"
