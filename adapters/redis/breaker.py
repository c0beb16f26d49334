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
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisClusterException, RedisError

from adapters.metering import UNMETERED, Meter
from adapters.redaction import credentials_in, redact
from adapters.redis import addresses
from adapters.redis.timeouts import (
    CALL_TIMEOUT,
    LATE_THRESHOLD,
    PROBE_TIMEOUT,
    RETRY_TIMEOUT,
    SOCKET_TIMEOUT,
    call_timeout,
)
from domain.errors import Unavailable

PROBE_INTERVAL = 0.1
"""Seconds between two looks whether Redis is back."""

PROBE_INTERVAL_AFTER_ERROR = 2.0
"""Seconds until the next look after an error that no client should raise: each is logged."""

PROBE_KEY = "link:probe"
"""What is written to see whether Redis takes writes: one that takes none cannot be told of changes."""

MIN_OUTAGE = 1.0
"""Seconds after which an absence was more than a hiccup: others may have missed what we did not."""

MAX_CONCURRENT_CALLS = 16
"""Calls of one event loop that are under way at once, so that a rush of requests opens no rush of sockets."""

FAILURES = (RedisError, RedisClusterException, OSError)
"""What a client may raise; that of a Cluster has a kind of error of its own."""

T = TypeVar("T")
Client = Redis
Flush = Callable[[Client], object]

log = logging.getLogger(__name__)


@dataclass(eq=False)
class RedisUnavailable(Unavailable):
    """Redis does not answer, or refuses to work.

    `reason` is for the log, never for a client.
    """

    code: ClassVar[str] = "redis_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"Redis is not available: {self.reason}"


@dataclass(frozen=True, slots=True)
class _LoopClient:
    """What belongs to one event loop."""

    client: AsyncRedis
    semaphore: asyncio.Semaphore


class _ProcessClients:
    """What belongs to one process: a fork never speaks on its parent's sockets.

    A client is made when it is first used. That of a Cluster asks it already then, and may fail.
    """

    def __init__(self, url: str, timeout: float, on_connect: addresses.OnConnect) -> None:
        self.pid = os.getpid()
        self.loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClient] = WeakKeyDictionary()
        self._url = url
        self._timeout = timeout
        self._on_connect = on_connect

    @cached_property
    def default(self) -> Client:
        return addresses.client(self._url, self._timeout, on_connect=self._on_connect)

    @cached_property
    def quick(self) -> Client:
        return addresses.client(self._url, RETRY_TIMEOUT)

    @cached_property
    def steady(self) -> Client:
        """As patient as the first, but not refused a new connection while Redis is thought away."""
        return addresses.client(self._url, self._timeout)

    @cached_property
    def prober(self) -> Client:
        return addresses.client(self._url, PROBE_TIMEOUT)

    def close(self) -> None:
        """Close what was made, but for the clients of event loops."""
        for client in list(vars(self).values()):
            if isinstance(client, Redis | RedisCluster):
                client.close()


class RedisBreaker:
    """The way to a Redis that may fail at any time.

    The first call that fails finds Redis away; from then on calls are refused without waiting, until a probe
    finds it back. `forget` is called before Redis is used again if it may hold what is no longer true: after
    a change that it was not told of (`tell`), after a long absence, and when another server, or the same one
    started anew from older data, answers at the address.
    """

    def __init__(
        self, url: str, *, flush: Flush, meter: Meter = UNMETERED, timeout: float = CALL_TIMEOUT
    ) -> None:
        self._url = url
        self._flush = flush
        self._timeout = timeout
        self._meter = meter
        self._lock = Lock()
        self._process: _ProcessClients | None = None
        self._open_reason: str | None = None
        self._opened_at = 0.0
        self._invalidation_missed = False
        self._server: bytes | None = None
        self._closed = Event()

    @property
    def is_open(self) -> bool:
        """Whether calls are refused at present."""
        return self._open_reason is not None

    async def call(self, call: Callable[[AsyncRedis], Awaitable[T]]) -> T:
        """What Redis answers, from within an event loop. Raises RedisUnavailable."""
        here = self._loop_client()
        self._refuse_if_open()
        async with here.semaphore:
            with self.guarded():
                async with call_timeout(self._timeout):
                    return await call(here.client)

    def call_from_thread(self, call: Callable[[Client], T]) -> T:
        """What Redis answers, from a thread that may wait. Raises RedisUnavailable."""
        with self.guarded():
            return call(self._process_clients().default)

    def invalidate(self, call: Callable[[Client], object]) -> None:
        """Tell Redis what it must not miss: it is tried once more, quickly, if Redis is or proves away, and
        if it cannot be told, all is forgotten before it is used again. `call` may be called twice.
        """
        own = self._process_clients()
        began = perf_counter()
        if not self.is_open and self._attempt(lambda: call(own.default)):
            return
        # Where we are late ourselves, Redis may be kept waiting for a processor just as we are.
        busy = perf_counter() - began > self._timeout + LATE_THRESHOLD
        if not self._attempt(lambda: call(own.steady if busy else own.quick)):
            self._invalidation_missed = True
            # Another thread may have closed the breaker in this very moment.
            self._open(RedisConnectionError("it missed an invalidation"))

    def _attempt(self, call: Callable[[], object]) -> bool:
        began = perf_counter()
        try:
            call()
        except FAILURES as error:
            self._open(error)
            return False
        finally:
            self._meter.timed("redis", perf_counter() - began)
        return True

    def ping(self) -> None:
        """Come back if Redis answers. Raises RedisUnavailable."""
        self.call_from_thread(lambda client: client.ping())

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Note how long a call takes, and that Redis is away if it fails. Raises RedisUnavailable."""
        self._refuse_if_open()
        began = perf_counter()
        try:
            yield
        except OutOfMemoryError as error:  # it answers, and will keep nothing more at present
            raise RedisUnavailable(str(error)) from error
        except FAILURES as error:
            self._open(error)
            raise RedisUnavailable(self._describe(error)) from error
        finally:
            self._meter.timed("redis", perf_counter() - began)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Be at work in the running event loop: its connections are opened before anybody waits for them, if
        Redis is there, and closed at the end.
        """
        with suppress(RedisUnavailable):
            await asyncio.gather(
                *(self.call(lambda redis: redis.ping()) for _ in range(MAX_CONCURRENT_CALLS))
            )
        try:
            yield
        finally:
            await self.disconnect()

    async def disconnect(self) -> None:
        """Close the connections of the running event loop."""
        here = self._process_clients().loops.pop(asyncio.get_running_loop(), None)
        if here:
            await here.client.aclose()

    def close(self) -> None:
        """Close the connections of this process, but those of its event loops."""
        self._closed.set()
        own, self._process = self._process, None
        if own and own.pid == os.getpid():
            own.close()

    def _refuse_if_open(self) -> None:
        if self._open_reason is not None:
            raise RedisUnavailable(self._open_reason)

    def _open(self, error: Exception) -> None:
        """Note that Redis is away, and have somebody watch for it."""
        with self._lock:
            if self._open_reason is not None or self._closed.is_set():
                return
            self._open_reason, self._opened_at = self._describe(error), monotonic()
        log.warning("Redis is away: %s", self._open_reason)
        try:
            Thread(target=self._probe_until_closed, name="redis-probe", daemon=True).start()
        except RuntimeError as failure:  # no more threads: the next call that fails tries again
            log.warning("Redis cannot be watched: %s", failure)
            with self._lock:
                self._invalidation_missed, self._open_reason = True, None

    def _probe_until_closed(self) -> None:
        rest = PROBE_INTERVAL / 10  # it may have been no more than a hiccup
        while not self._closed.wait(rest):
            rest = PROBE_INTERVAL
            try:
                returned = self._try_to_close()
            except FAILURES:
                continue
            except Exception:  # nobody else would ever find Redis back
                log.exception("Unexpected error while Redis is probed; it is probed again")
                rest = PROBE_INTERVAL_AFTER_ERROR
                continue
            if returned:
                log.info("Redis is back after %.1f s", monotonic() - self._opened_at)
                return

    def _try_to_close(self) -> bool:
        """Whether Redis is back and can be used: it has forgotten what it must."""
        client = self._process_clients().prober
        server = addresses.run_id(client.info("server"))
        with suppress(OutOfMemoryError):  # what it has is true, and it still forgets
            client.set(PROBE_KEY, b"", px=1)  # a replica, or one whose disk is full, would refuse
        outage = monotonic() - self._opened_at > MIN_OUTAGE
        if self._invalidation_missed or outage or server != self._server:
            self._invalidation_missed = False
            self._flush(client)
        with self._lock:
            if self._invalidation_missed:  # one more change, which came while the others were forgotten
                return False
            self._server, self._open_reason = server, None
        return True

    def _check_server(self, server: bytes) -> None:
        """Refuse a new connection to a server that may hold older data than we know.

        Raises RedisConnectionError.
        """
        with self._lock:
            self._server = self._server or server
            known = server == self._server and not self._invalidation_missed and self._open_reason is None
        if not known:
            raise RedisConnectionError("another server answers, or it was started anew")

    def _process_clients(self) -> _ProcessClients:
        """The clients of this process."""
        own = self._process
        if own is None or own.pid != os.getpid():
            with self._lock:
                own = self._process
                if own is None or own.pid != os.getpid():
                    own = self._process = _ProcessClients(self._url, self._timeout, self._on_connect)
        return own

    def _loop_client(self) -> _LoopClient:
        """The client of the running event loop."""
        loops, loop = self._process_clients().loops, asyncio.get_running_loop()
        if loop not in loops:
            client = addresses.async_client(self._url, SOCKET_TIMEOUT, on_connect=self._on_connect_async)
            loops[loop] = _LoopClient(client, asyncio.Semaphore(MAX_CONCURRENT_CALLS))
        return loops[loop]

    def _on_connect(self, connection: Any) -> None:  # noqa: ANN401  redis-py has no public type for it
        """Begin a connection."""
        connection.on_connect()
        connection.send_command("INFO", "server")
        self._check_server(addresses.run_id(connection.read_response()))

    async def _on_connect_async(self, connection: Any) -> None:  # noqa: ANN401
        """Begin a connection of an event loop."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        self._check_server(addresses.run_id(await connection.read_response()))

    def _describe(self, error: Exception) -> str:
        return f"{type(error).__name__}: {redact(str(error), credentials_in(self._url))}"
