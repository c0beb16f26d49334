"""The cache of answers: what is kept under which key, how it is filled once, and how it is forgotten.

A key of the contract (`movies:detail:{id}`) is a Redis hash with two fields for each variant of the answer
(other fields, another page): `h:{variant}`, the head, and `b:{variant}`, the answer as bytes. All that is
known of an answer lives and dies with its key. What makes that exact:

- The head begins with the generation, a random word under `cache:generation` that all answers share; deleting
  that word makes all of them void at once.
- Before an answer is made from the store, a stamp is left beside its key. Forgetting the key deletes it too,
  and what was made without its stamp still standing is not kept: a slow filler never buries a change.
- Forgetting only deletes, which Redis does even when its memory is full.
- The head is read from Redis at every request. A process keeps the answers themselves, ready to send, under
  the random word that ends their head, so that an answer that everybody wants crosses the wire once.

Who fills a key holds a lock, so that over all processes one does and the others wait. The lock is there to
spare work: if it lapses, an answer is made twice, and nothing is wrong.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Generic, TypeVar

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import OutOfMemoryError

from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from domain.ids import MovieId, UserId

GENERATION = "cache:generation"
"""The word that all valid answers begin with."""

TOKEN_LENGTH = 16
"""Characters of a random word."""

STAMP_TTL = 10_000
"""Milliseconds for making an answer: far more than any request is given."""

LOCK_TTL = 2_000
"""Milliseconds after which a filler is taken to be dead, or too slow to be waited for."""

WAIT_TIMEOUT = 0.5
"""Seconds to wait for another process's answer before making one's own: with the time that a silent store is
given, which the other may be waiting for too, no more than two seconds.
"""

POLL_INTERVAL = 0.01
"""Seconds between two looks whether it is there."""

MAX_ATTEMPTS = 4
"""So often an answer may be voided while one waits for it, before one makes one's own."""

MAX_LOCAL_ENTRIES = 256
"""Answers that a process keeps ready."""

STORE = """
if redis.call('GET', KEYS[3]) == ARGV[2] then redis.call('DEL', KEYS[3]) end
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[7]) end
return 1
"""
"""Keep an answer if its stamp still stands, and let the next one fill."""

RELEASE_LOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

MAX_MOVIES_SINGLY = 250
"""Movies whose answers are forgotten one by one; where more change at once, everything is."""

T = TypeVar("T")
Build = Callable[[], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a filler finds: with `mine` the key is its own to fill, and `token` is what its lock holds."""

    mine: bool
    token: str
    generation: bytes
    stamp: bytes
    head: bytes | None


class RedisResponseCache(Generic[T]):
    """Answers that are made once and kept for a while. `dump` and `load` turn one into bytes and back;
    `load` gives None for bytes that it cannot read.

    Without Redis, or with a Redis that keeps nothing more, every answer is made anew.
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
        """The answer, and whether it was kept; None if the cache had no part in it.

        `build` makes the answer, as of now, if need be; what it raises is raised. Of several that ask at
        once, here or elsewhere, one builds.
        """
        try:
            for _ in range(MAX_ATTEMPTS):
                kept = await self._find(key, variant)
                if kept is not None:
                    return kept, True
                pending = self._builds.get((key, variant))
                if pending is None:
                    return await self._lead(key, variant, build)
                if error := await asyncio.shield(pending):
                    raise error
        except RedisUnavailable:
            return await build(), None
        return await build(), False

    async def _find(self, key: str, variant: str) -> T | None:
        """The answer that is kept, if it still holds. Raises RedisUnavailable."""
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
        """Get the answer for all who wait for it here; they look again when it is there, and share an error
        of the building, since it would only be theirs a moment later.
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
        """The answer of whichever process builds it. Raises RedisUnavailable before anything is built."""
        # Counted in looks and not by the clock: where our event loop is late, whoever builds may be late too.
        for _ in range(round(WAIT_TIMEOUT / POLL_INTERVAL)):
            claim = await self._breaker.call(lambda redis: _try_claim(redis, key, variant, self._process))
            if claim is None:
                return await build(), False
            kept = await self._current(key, variant, claim.generation, claim.head)
            if kept is not None:
                if claim.mine:
                    await self._release(key, variant, claim)
                return kept, True
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
        with suppress(RedisUnavailable):  # then it was made for this one request
            if await self._breaker.call(lambda redis: self._store(redis, key, variant, claim, head, answer)):
                self._remember(head, answer)
        return answer

    async def _store(
        self, redis: AsyncRedis, key: str, variant: str, claim: _Claim, head: bytes, answer: T
    ) -> bool:
        keys = (key, _stamp(key), _lock(key, variant))
        fields = (f"h:{variant}", head, f"b:{variant}", head + self._dump(answer))
        reply: Any = redis.eval(
            STORE, len(keys), *keys, claim.stamp, claim.token, *fields, self._milliseconds
        )
        return bool(await reply)

    async def _release(self, key: str, variant: str, claim: _Claim) -> None:
        """Let others fill at once; if Redis cannot be told, the lock lapses."""
        with suppress(RedisUnavailable):
            await self._breaker.call(
                lambda redis: redis.eval(RELEASE_LOCK, 1, _lock(key, variant), claim.token)
            )


class RedisCacheInvalidation:
    """CacheInvalidation: removes cached responses from Redis, for all processes."""

    def __init__(self, breaker: RedisBreaker) -> None:
        self._breaker = breaker

    @contextmanager
    def movies(self, movies: Collection[MovieId]) -> Iterator[None]:
        try:
            yield
        finally:
            if len(movies) > MAX_MOVIES_SINGLY:
                self._breaker.invalidate(invalidate_all)
            elif movies:
                self._invalidate(
                    [f"movies:{kind}:{movie}" for movie in movies for kind in ("detail", "rating")]
                )

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
            self._breaker.invalidate(invalidate_all)

    def _invalidate(self, keys: Collection[str]) -> None:
        names = [name for key in keys for name in (key, _stamp(key))]
        self._breaker.invalidate(lambda redis: redis.delete(*names))


def invalidate_all(redis: Redis) -> None:
    """Void every answer, kept or in the making."""
    redis.delete(GENERATION)


async def _head(redis: AsyncRedis, key: str, variant: str) -> tuple[bytes | None, bytes | None]:
    """The generation, and the head of an answer."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get(GENERATION)
        pipe.hget(key, f"h:{variant}")
        generation, head = await pipe.execute()
    return generation, head


async def _body(redis: AsyncRedis, key: str, variant: str, head: bytes) -> bytes | None:
    """The answer with that head; None if another has taken its place."""
    reply: Any = redis.hget(key, f"b:{variant}")
    body: bytes | None = await reply
    return body.removeprefix(head) if body and body.startswith(head) else None


async def _try_claim(redis: AsyncRedis, key: str, variant: str, process: str) -> _Claim | None:
    """Try to become the one who fills, and look once more; None if Redis keeps nothing more.

    The commands run in this order: who gets the lock sees all that was kept before it was free. A lock of our
    process that stands there already is left from a claim whose answer was lost, since only one at a time is
    made here for a key.
    """
    token = process + token_hex(TOKEN_LENGTH // 2)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set(_lock(key, variant), token, nx=True, px=LOCK_TTL)
        pipe.get(_lock(key, variant))
        pipe.set(_stamp(key), token, nx=True, px=STAMP_TTL)
        pipe.pexpire(_stamp(key), STAMP_TTL)
        pipe.get(_stamp(key))
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
    held_by = (holder or b"").decode()
    return _Claim(held_by.startswith(process), held_by, generation, stamp, head)


def _stamp(key: str) -> str:
    """The braces keep a key's companions on its own node of a Cluster."""
    return f"{{{key}}}:stamp"


def _lock(key: str, variant: str) -> str:
    return f"{{{key}}}:lock:{variant}"
