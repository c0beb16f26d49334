"""One Redis, as a service sees it that can do without: short waits, none at all while it is away, and nothing
stale when it is back; the one place where redis-py's errors end.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from threading import Event, Lock, Thread
from time import monotonic, perf_counter
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from redis import Redis, RedisCluster
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError as BrokenOff
from redis.exceptions import OutOfMemoryError, RedisClusterException, RedisError

from adapters.redaction import credentials_in, redact
from adapters.redis import addresses
from adapters.redis.timeouts import LATE, PATIENCE, PROBING, QUICK, SILENCE, patient
from domain.errors import Unavailable
from domain.ports import UNMETERED, Meter

PROBED_EVERY = 0.1
"""Seconds between two looks whether Redis is back."""

PROBED_AFTER_ERROR = 2.0
"""Seconds until the next look after an error that no client should raise: each is logged."""

PROBE = "link:probe"
"""What is written to see whether Redis takes writes: one that takes none cannot be told of changes."""

OUTAGE = 1.0
"""Seconds after which an absence was more than a hiccup: others may have missed what we did not."""

PLACES = 16
"""Calls of one event loop that are under way at once, so that a rush of requests opens no rush of sockets."""

FAILURES = (RedisError, RedisClusterException, OSError)
"""What a client may raise; that of a Cluster has a kind of error of its own."""

T = TypeVar("T")
Client = Redis
Forget = Callable[[Client], object]

log = logging.getLogger(__name__)


@dataclass(eq=False)
class RedisAway(Unavailable):
    """Redis does not answer, or refuses to work.

    `reason` is for the log, never for a client.
    """

    code: ClassVar[str] = "redis_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"Redis is not available: {self.reason}"


@dataclass(frozen=True, slots=True)
class _OfLoop:
    """What belongs to one event loop."""

    client: AsyncRedis
    places: asyncio.Semaphore


class _OfProcess:
    """What belongs to one process: a fork never speaks on its parent's sockets.

    A client is made when it is first used. That of a Cluster asks it already then, and may fail.
    """

    def __init__(self, url: str, patience: float, greet: addresses.Greet) -> None:
        self.pid = os.getpid()
        self.loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = WeakKeyDictionary()
        self._url = url
        self._patience = patience
        self._greet = greet

    @cached_property
    def patient(self) -> Client:
        return addresses.client(self._url, self._patience, greet=self._greet)

    @cached_property
    def quick(self) -> Client:
        return addresses.client(self._url, QUICK)

    @cached_property
    def steady(self) -> Client:
        """As patient as the first, but not refused a new connection while Redis is thought away."""
        return addresses.client(self._url, self._patience)

    @cached_property
    def prober(self) -> Client:
        return addresses.client(self._url, PROBING)

    def close(self) -> None:
        """Close what was made, but for the clients of event loops."""
        for client in list(vars(self).values()):
            if isinstance(client, Redis | RedisCluster):
                client.close()


class RedisLink:
    """The way to a Redis that may fail at any time.

    The first call that fails finds Redis away; from then on calls are refused without waiting, until a probe
    finds it back. `forget` is called before Redis is used again if it may hold what is no longer true: after
    a change that it was not told of (`tell`), after a long absence, and when another server, or the same one
    started anew from older data, answers at the address.
    """

    def __init__(
        self, url: str, *, forget: Forget, meter: Meter = UNMETERED, patience: float = PATIENCE
    ) -> None:
        self._url = url
        self._forget = forget
        self._patience = patience
        self._meter = meter
        self._lock = Lock()
        self._process: _OfProcess | None = None
        self._absence: str | None = None
        self._since = 0.0
        self._missed = False
        self._server: bytes | None = None
        self._closed = Event()

    @property
    def away(self) -> bool:
        """Whether calls are refused at present."""
        return self._absence is not None

    async def ask(self, call: Callable[[AsyncRedis], Awaitable[T]]) -> T:
        """What Redis answers, from within an event loop. Raises RedisAway."""
        here = self._here()
        self._refuse_if_away()
        async with here.places:
            with self.trying():
                async with patient(self._patience):
                    return await call(here.client)

    def ask_from_thread(self, call: Callable[[Client], T]) -> T:
        """What Redis answers, from a thread that may wait. Raises RedisAway."""
        with self.trying():
            return call(self._own().patient)

    def tell(self, call: Callable[[Client], object]) -> None:
        """Tell Redis what it must not miss: it is tried once more, quickly, if Redis is or proves away, and
        if it cannot be told, all is forgotten before it is used again. `call` may be called twice.
        """
        own = self._own()
        began = perf_counter()
        if not self.away and self._told(lambda: call(own.patient)):
            return
        # Where we are late ourselves, Redis may be kept waiting for a processor just as we are.
        busy = perf_counter() - began > self._patience + LATE
        if not self._told(lambda: call(own.steady if busy else own.quick)):
            self._missed = True
            self._lose(BrokenOff("it missed a change"))  # it may have come back in this very moment

    def _told(self, call: Callable[[], object]) -> bool:
        began = perf_counter()
        try:
            call()
        except FAILURES as error:
            self._lose(error)
            return False
        finally:
            self._meter.timed("redis", perf_counter() - began)
        return True

    def ping(self) -> None:
        """Come back if Redis answers. Raises RedisAway."""
        self.ask_from_thread(lambda client: client.ping())

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Note how long a call takes, and that Redis is away if it fails. Raises RedisAway."""
        self._refuse_if_away()
        began = perf_counter()
        try:
            yield
        except OutOfMemoryError as error:  # it answers, and will keep nothing more at present
            raise RedisAway(str(error)) from error
        except FAILURES as error:
            self._lose(error)
            raise RedisAway(self._describe(error)) from error
        finally:
            self._meter.timed("redis", perf_counter() - began)

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """Be at work in the running event loop: its connections are opened before anybody waits for them, if
        Redis is there, and closed at the end.
        """
        with suppress(RedisAway):
            await asyncio.gather(*(self.ask(lambda redis: redis.ping()) for _ in range(PLACES)))
        try:
            yield
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Close the connections of the running event loop."""
        here = self._own().loops.pop(asyncio.get_running_loop(), None)
        if here:
            await here.client.aclose()

    def close(self) -> None:
        """Close the connections of this process, but those of its event loops."""
        self._closed.set()
        own, self._process = self._process, None
        if own and own.pid == os.getpid():
            own.close()

    def _refuse_if_away(self) -> None:
        if self._absence is not None:
            raise RedisAway(self._absence)

    def _lose(self, error: Exception) -> None:
        """Note that Redis is away, and have somebody watch for it."""
        with self._lock:
            if self._absence is not None or self._closed.is_set():
                return
            self._absence, self._since = self._describe(error), monotonic()
        log.warning("Redis is away: %s", self._absence)
        try:
            Thread(target=self._watch, name="redis-probe", daemon=True).start()
        except RuntimeError as failure:  # no more threads: the next call that fails tries again
            log.warning("Redis cannot be watched: %s", failure)
            with self._lock:
                self._missed, self._absence = True, None

    def _watch(self) -> None:
        rest = PROBED_EVERY / 10  # it may have been no more than a hiccup
        while not self._closed.wait(rest):
            rest = PROBED_EVERY
            try:
                returned = self._returned()
            except FAILURES:
                continue
            except Exception:  # nobody else would ever find Redis back
                log.exception("Unexpected error while Redis is probed; it is probed again")
                rest = PROBED_AFTER_ERROR
                continue
            if returned:
                log.info("Redis is back after %.1f s", monotonic() - self._since)
                return

    def _returned(self) -> bool:
        """Whether Redis is back and can be used: it has forgotten what it must."""
        client = self._own().prober
        server = addresses.server(client.info("server"))
        with suppress(OutOfMemoryError):  # what it has is true, and it still forgets
            client.set(PROBE, b"", px=1)  # a replica, or one whose disk is full, would refuse
        outage = monotonic() - self._since > OUTAGE
        if self._missed or outage or server != self._server:
            self._missed = False
            self._forget(client)
        with self._lock:
            if self._missed:  # one more change, which came while the others were forgotten
                return False
            self._server, self._absence = server, None
        return True

    def _met(self, server: bytes) -> None:
        """Refuse a new connection to a server that may hold older data than we know. Raises BrokenOff."""
        with self._lock:
            self._server = self._server or server
            known = server == self._server and not self._missed and self._absence is None
        if not known:
            raise BrokenOff("another server answers, or it was started anew")

    def _own(self) -> _OfProcess:
        """The clients of this process."""
        own = self._process
        if own is None or own.pid != os.getpid():
            with self._lock:
                own = self._process
                if own is None or own.pid != os.getpid():
                    own = self._process = _OfProcess(self._url, self._patience, self._greet)
        return own

    def _here(self) -> _OfLoop:
        """The client of the running event loop."""
        loops, loop = self._own().loops, asyncio.get_running_loop()
        if loop not in loops:
            client = addresses.async_client(self._url, SILENCE, greet=self._greet_async)
            loops[loop] = _OfLoop(client, asyncio.Semaphore(PLACES))
        return loops[loop]

    def _greet(self, connection: Any) -> None:  # noqa: ANN401  redis-py has no public type for it
        """Begin a connection."""
        connection.on_connect()
        connection.send_command("INFO", "server")
        self._met(addresses.server(connection.read_response()))

    async def _greet_async(self, connection: Any) -> None:  # noqa: ANN401
        """Begin a connection of an event loop."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        self._met(addresses.server(await connection.read_response()))

    def _describe(self, error: Exception) -> str:
        return f"{type(error).__name__}: {redact(str(error), credentials_in(self._url))}"
