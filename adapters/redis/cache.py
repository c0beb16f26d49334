"""The response cache: its keys, how an entry is built once, and how it is invalidated.

A key such as `movies:detail:{id}` is a Redis hash with two fields for each variant of the response (other
fields, another page): `h:{variant}`, the head, and `b:{variant}`, the response as bytes. Deleting the key
deletes all its variants. No stale entry is served, because:

- The head begins with the generation, a random token under `cache:generation` that all entries share.
  Deleting it invalidates all of them at once.
- Before a response is built, a stamp is stored beside its key. An invalidation deletes the stamp too, and a
  response is stored only if its stamp still exists: a slow build never overwrites an invalidation.
- An invalidation only deletes, which Redis does even when its memory is full.
- The entry is looked up in Redis at every call. A process keeps the responses themselves, and a lookup names
  the head that it has, so a popular one is transferred once.

One script looks an entry up, and locks the key if there is none. The process with the lock builds the entry,
and the others wait. The lock only saves work: if it expires, a response is built twice, and both are correct.
The entry is stored, and the lock released, after the response was returned.

Within a process one call at a time looks up or builds an entry: a flight. The calls that wait for it share
its response if they began before Redis or the store was read. A later call may have begun after a change that
the flight has not seen. It uses a local copy, if the process has one that is known to be valid, or it makes
another flight, when the entry is stored.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from secrets import token_hex
from time import monotonic
from typing import Any, Generic, TypeVar

from redis.exceptions import OutOfMemoryError
from redis.typing import EncodableT

from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from domain.errors import Unavailable

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

MAX_LOCAL_ENTRIES = 256
"""Responses that a process keeps in memory."""

LOOK_UP = """
local generation = KEYS[4] and redis.call('GET', KEYS[4]) or ARGV[9]
local head, left = redis.call('HGET', KEYS[1], ARGV[1]), redis.call('PTTL', KEYS[1])
if head and generation ~= '' and head:sub(1, #generation) == generation and head ~= ARGV[4] then
  return {'hit', left, head, head ~= ARGV[3] and redis.call('HGET', KEYS[1], ARGV[2])}
end
local holder = redis.call('GET', KEYS[3])
if holder and holder:sub(1, #ARGV[6]) ~= ARGV[6] then return {'locked'} end
local locked = redis.pcall('SET', KEYS[3], ARGV[5], 'PX', ARGV[7])
if locked.err then return locked.err:find('OOM', 1, true) and {'full'} or locked end
if generation == '' then
  generation = ARGV[5]
  redis.call('SET', KEYS[4], generation)
end
local stamp = redis.call('GET', KEYS[2]) or ARGV[5]
redis.call('SET', KEYS[2], stamp, 'PX', ARGV[8])
return {'build', left, ARGV[5], generation, stamp}
"""
"""Return an entry, without a response that the process has. If there is none, lock the key, unless another
process has the lock, and return the generation and a stamp. A lock of the same process is left from a call
whose reply was lost, since only one call at a time builds an entry there.

Keys: entry, stamp, lock; the generation, except in a Cluster, where it is on another node and comes as an
argument. Arguments: the fields of head and response; the head that the process has; a head whose response it
cannot read; a new token, and the beginning of all tokens of the process.
"""

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
Place = tuple[str, str]
"""A key, and a variant."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Claim:
    """The lock of an entry that this process builds; `token` is its value."""

    token: str
    generation: bytes
    stamp: bytes


@dataclass(frozen=True, slots=True)
class _Lookup(Generic[T]):
    """The result of a lookup: a valid response, or a claim, or neither if the response cannot be stored.

    `hit` is None if the cache is not available. `expires` is the end of the entry, or of one that is built
    now, in seconds by the monotonic clock.
    """

    hit: bool | None
    expires: float = 0.0
    response: T | None = None
    claim: _Claim | None = None


class _Flight(Generic[T]):
    """A lookup, and a build if that is necessary, for all calls that wait for it.

    `moment` is set before Redis or the store is read. A call whose moment is earlier began before that.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.moment = 0
        self.response: T | None = None
        self.hit: bool | None = True
        self.error: Exception | None = None
        self.returned: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def share(self, moment: int) -> tuple[T, bool | None, float] | None:
        """The result for a call that waits since `moment`; None if it may be stale.

        Raises the flight's error, to later calls too if the store is unavailable: or each of them would wait
        for its timeout.
        """
        early = moment < self.moment
        if self.error and (early or isinstance(self.error, Unavailable)):
            raise self.error
        return (self.response, self.hit, 0.0) if early and self.response is not None else None


class RedisResponseCache(Generic[T]):
    """Responses that are built once and cached for some seconds.

    `dump` and `load` convert a response to bytes and back; `load` returns None for invalid bytes. Without
    Redis, or when it is full, no response is stored; concurrent calls still share one.
    """

    def __init__(
        self,
        breaker: RedisBreaker | None,
        *,
        seconds: int,
        dump: Callable[[T], bytes],
        load: Callable[[bytes], T | None],
    ) -> None:
        self._breaker = breaker
        self._seconds = seconds
        self._dump = dump
        self._load = load
        self._process = f"{token_hex(TOKEN_LENGTH // 2)}:"
        self._moments = count(1)
        self._local: OrderedDict[Place, tuple[bytes, T]] = OrderedDict()
        self._flights: dict[Place, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(
        self, key: str, variant: str, build: Build[T], local_copy: Callable[[], T | None] = lambda: None
    ) -> tuple[T, bool | None, float]:
        """Return a response, whether it was cached, and the seconds for which a copy of it may be kept.

        The second value is None if the cache was not available, and the third is 0 for a call that has waited
        for another. `build` makes the response if it is not cached; its errors are raised. Of concurrent
        calls, in this process or others, one builds. `local_copy` returns a copy that is known to be valid,
        or None.
        """
        moment = next(self._moments)
        place = key, variant
        while flight := self._flights.get(place):
            await asyncio.shield(flight.returned)
            shared = flight.share(moment)
            if shared is not None:
                return shared
            copy = local_copy()
            if copy is not None:
                return copy, True, 0.0
            await asyncio.shield(flight.ended)
        return await self._lead(place, build)

    async def finish(self) -> None:
        """Wait until all responses that were built are stored."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _lead(self, place: Place, build: Build[T]) -> tuple[T, bool | None, float]:
        """Get the response for all calls in this process that wait for it."""
        flight = self._flights[place] = _Flight()
        claim: _Claim | None = None
        try:
            found = await self._find(place, flight)
            claim, response = found.claim, found.response
            if response is None:
                flight.moment = next(self._moments)
                response = await build()
            flight.response, flight.hit = response, None if found.hit is None else True
        except Exception as error:
            flight.error = error
            raise
        finally:
            flight.returned.set_result(None)
            self._end(place, flight, claim)
        return response, found.hit, max(0.0, found.expires - monotonic())

    async def _find(self, place: Place, flight: _Flight[T]) -> _Lookup[T]:
        """Look the entry up, or wait for another process that builds it."""
        head, response = self._local.get(place, (b"", None))
        unreadable = b""
        sent = monotonic()
        try:
            # Counted in polls, not by the clock: if this event loop is late, the builder may be late too.
            for _ in range(round(WAIT_TIMEOUT / POLL_INTERVAL)):
                flight.moment, sent = next(self._moments), monotonic()
                match await self._look_up(place, head, unreadable):
                    case [b"hit", left, found, packed]:
                        if found != head:
                            response = None if packed is None else self._load(packed)
                        if response is not None:
                            self._remember(place, found, response)
                            return _Lookup(hit=True, expires=sent + left / 1000, response=response)
                        unreadable = found
                    case [b"build", left, token, generation, stamp]:
                        # An entry of another variant is there already: all of a key expire together.
                        seconds = left / 1000 if left >= 0 else self._seconds
                        claim = _Claim(token.decode(), generation, stamp)
                        return _Lookup(hit=False, expires=sent + seconds, claim=claim)
                    case [b"full"]:
                        break
                    case _:
                        await asyncio.sleep(POLL_INTERVAL)
        except RedisUnavailable:
            await asyncio.sleep(0)  # the calls that are about to begin can share the response
            return _Lookup(hit=None)
        return _Lookup(hit=False, expires=sent + self._seconds)

    async def _look_up(self, place: Place, head: bytes, unreadable: bytes) -> Any:  # noqa: ANN401
        """The reply of the script. Raises RedisUnavailable."""
        key, variant = place
        token = self._process + token_hex(TOKEN_LENGTH // 2)
        keys = [key, stamp_key(key), _lock(key, variant)]
        generation = b""
        if self._breaker and self._breaker.clustered:
            generation = await self._generation(token)
        else:
            keys.append(GENERATION)
        fields = f"h:{variant}", f"b:{variant}"
        own = token, self._process, LOCK_TTL, STAMP_TTL
        try:
            return await self._evaluate(LOOK_UP, keys, *fields, head, unreadable, *own, generation)
        except RedisUnavailable as error:
            if isinstance(error.__cause__, OutOfMemoryError):
                return [b"full"]
            raise

    async def _generation(self, token: str) -> bytes:
        """The generation in a Cluster. It is read before the entry: an entry is valid if it was so then."""
        found = await self._execute("GET", GENERATION)
        if found is None:
            await self._execute("SET", GENERATION, token, "NX")
            found = await self._execute("GET", GENERATION)
        return found or token.encode()  # or it was deleted in this moment, and what is built now never valid

    async def _evaluate(self, script: str, keys: Sequence[str], *arguments: EncodableT) -> Any:  # noqa: ANN401
        """The reply of a script. Raises RedisUnavailable."""
        return await self._execute("EVAL", script, len(keys), *keys, *arguments)

    async def _execute(self, *command: EncodableT) -> Any:  # noqa: ANN401
        """The reply to a command. Raises RedisUnavailable, also if there is no Redis."""
        if self._breaker is None:
            raise RedisUnavailable("there is none")
        return await self._breaker.execute(*command)

    def _remember(self, place: Place, head: bytes, response: T) -> None:
        self._local[place] = head, response
        self._local.move_to_end(place)
        if len(self._local) > MAX_LOCAL_ENTRIES:
            self._local.popitem(last=False)

    def _end(self, place: Place, flight: _Flight[T], claim: _Claim | None) -> None:
        """End a flight when its response, if there is one, is stored and its lock released."""
        if claim is None:
            self._remove(place)
            return
        task = asyncio.create_task(self._settle(place, flight.response, claim))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._settled(place, task))

    async def _settle(self, place: Place, response: T | None, claim: _Claim) -> None:
        """Store a response, if there is one, and release the lock; without Redis it expires."""
        key, variant = place
        lock = _lock(key, variant)
        with suppress(RedisUnavailable):  # then the response was for the calls that waited for it
            if response is None:
                await self._evaluate(RELEASE_LOCK, [lock], claim.token)
                return
            head = claim.generation + token_hex(TOKEN_LENGTH // 2).encode()
            fields = f"h:{variant}", head, f"b:{variant}", self._dump(response)
            own = claim.stamp, claim.token
            if await self._evaluate(STORE, [key, stamp_key(key), lock], *own, *fields, self._seconds * 1000):
                self._remember(place, head, response)

    def _settled(self, place: Place, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("Unexpected error while a response is stored", exc_info=error)
        self._remove(place)

    def _remove(self, place: Place) -> None:
        self._flights.pop(place).ended.set_result(None)


def stamp_key(key: str) -> str:
    """The braces keep the keys on the same node of a Cluster."""
    return f"{{{key}}}:stamp"


def _lock(key: str, variant: str) -> str:
    return f"{{{key}}}:lock:{variant}"
