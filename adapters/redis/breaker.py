"""A circuit breaker around Redis: short timeouts, no calls during an outage, and no stale data after it.

This is the only module in which errors of redis-py are translated.
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
from redis.typing import EncodableT

from adapters.metering import UNMETERED, Meter
from adapters.redaction import credentials_in, redact
from adapters.redis import addresses
from adapters.redis.epoch import SharedEpoch
from adapters.redis.pipelining import CommandPipeline
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
"""Seconds between two probes during an outage."""

PROBE_INTERVAL_AFTER_ERROR = 2.0
"""Seconds until the next probe after an unexpected error, each of which is logged."""

PROBE_KEY = "link:probe"
"""The key that a probe writes: a server that accepts no writes accepts no invalidations."""

MIN_OUTAGE = 1.0
"""Seconds of an outage after which other processes may have missed invalidations."""

MAX_CONCURRENT_CALLS = 16
"""Concurrent calls of one event loop, which bounds its connections."""

FAILURES = (RedisError, RedisClusterException, OSError)
"""The errors of redis-py; the Cluster client has one of its own."""

T = TypeVar("T")
Client = Redis
Flush = Callable[[Client], object]

log = logging.getLogger(__name__)


@dataclass(eq=False)
class RedisUnavailable(Unavailable):
    """Redis does not answer, or refuses commands.

    `reason` is for the log only, and never sent to clients.
    """

    code: ClassVar[str] = "redis_unavailable"
    reason: str

    def __str__(self) -> str:
        return f"Redis is not available: {self.reason}"


@dataclass(frozen=True, slots=True)
class _LoopClient:
    """The client of one event loop, the limit on its concurrent calls, and the pipeline of its commands."""

    client: AsyncRedis
    semaphore: asyncio.Semaphore
    pipeline: CommandPipeline


class _ProcessClients:
    """The clients of one process: a forked process never uses its parent's sockets.

    Each client is created on first use. The Cluster client connects when it is created, and may fail.
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
        """Like `default`, but allowed to connect while the breaker is open."""
        return addresses.client(self._url, self._timeout)

    @cached_property
    def prober(self) -> Client:
        return addresses.client(self._url, PROBE_TIMEOUT)

    def close(self) -> None:
        """Close all clients except those of event loops."""
        for client in list(vars(self).values()):
            if isinstance(client, Redis | RedisCluster):
                client.close()


class RedisBreaker:
    """A circuit breaker around one Redis.

    The first failed call opens it: further calls fail without waiting, until a probe succeeds. `flush` is
    called before the breaker closes if Redis may hold stale data: after a missed invalidation, after a long
    outage, and when another server, or the same one restarted from older data, answers at the address. A new
    `epoch` means that another process has missed an invalidation.
    """

    def __init__(
        self,
        url: str,
        *,
        flush: Flush,
        meter: Meter = UNMETERED,
        epoch: SharedEpoch | None = None,
        timeout: float = CALL_TIMEOUT,
        interval_after_error: float = PROBE_INTERVAL_AFTER_ERROR,
    ) -> None:
        self.clustered = addresses.clustered(url)
        self._url = url
        self._interval_after_error = interval_after_error
        self._flush = flush
        self._timeout = timeout
        self._meter = meter
        self._lock = Lock()
        self._process: _ProcessClients | None = None
        self._open_reason: str | None = None
        self._opened_at = 0.0
        self._invalidation_missed = False
        self._shared_epoch = epoch or SharedEpoch()
        self._epoch = self._shared_epoch.current()
        self._server: bytes | None = None
        self._server_since = 0.0
        self._closed = Event()

    @property
    def is_open(self) -> bool:
        """Whether calls fail without reaching Redis."""
        return self._open_reason is not None

    def server_age(self) -> float:
        """Seconds since this process first reached the server that it uses now. For so long at least no other
        server was at the address.
        """
        with self._lock:
            return monotonic() - self._server_since

    async def call(self, call: Callable[[AsyncRedis], Awaitable[T]]) -> T:
        """Call Redis from an event loop. Raises RedisUnavailable."""
        here = self._loop_client()
        self._refuse_if_open()
        async with here.semaphore:
            with self.guarded():
                async with call_timeout(self._timeout):
                    return await call(here.client)

    async def execute(self, *command: EncodableT) -> Any:  # noqa: ANN401  each command has its own reply
        """The reply to a command, which is sent with those of concurrent calls. Raises RedisUnavailable.

        A Cluster has no common pipeline for its nodes.
        """
        if self.clustered:

            async def send(cluster: Any) -> Any:  # noqa: ANN401  redis-py has no type for it
                return await cluster.execute_command(*command)

            return await self.call(send)
        with self.guarded():
            return await self._loop_client().pipeline.execute(*command)

    def call_from_thread(self, call: Callable[[Client], T]) -> T:
        """Call Redis from a thread. Raises RedisUnavailable."""
        with self.guarded():
            return call(self._process_clients().default)

    def invalidate(self, call: Callable[[Client], object]) -> bool:
        """Send an invalidation, also while the breaker is open. Return whether that succeeded at once.

        A failed call is retried once with a short timeout, so `call` must be repeatable. If that fails too,
        Redis is flushed before it is used again, also by the other processes that share the epoch.
        """
        own = self._process_clients()
        began = perf_counter()
        if not self.is_open and self._attempt(lambda: call(own.default)):
            return True
        # On a busy machine Redis may be waiting for a processor too.
        busy = perf_counter() - began > self._timeout + LATE_THRESHOLD
        if not self._attempt(lambda: call(own.steady if busy else own.quick)):
            self._invalidation_missed = True
            self._epoch = self._shared_epoch.change()
            # Another thread may have closed the breaker in this very moment.
            self._open(RedisConnectionError("an invalidation was missed"))
        return False

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
        """Check that Redis answers. Raises RedisUnavailable."""
        self.call_from_thread(lambda client: client.ping())

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Time a call, and open the breaker if it fails. Raises RedisUnavailable."""
        self._refuse_if_open()
        began = perf_counter()
        try:
            yield
        except OutOfMemoryError as error:  # Redis answers, so the breaker stays closed
            raise RedisUnavailable(str(error)) from error
        except FAILURES as error:
            self._open(error)
            raise RedisUnavailable(self._describe(error)) from error
        finally:
            self._meter.timed("redis", perf_counter() - began)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Open the connections of the running event loop in advance; close them at the end."""
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
        """Close the connections of this process except those of its event loops."""
        self._closed.set()
        own, self._process = self._process, None
        if own and own.pid == os.getpid():
            own.close()

    def _refuse_if_open(self) -> None:
        epoch = self._shared_epoch.current()
        if epoch != self._epoch:
            self._invalidation_missed = True
            missed = RedisConnectionError("another process has missed an invalidation")
            self._open(missed)
            if self.is_open:  # or it is opened by the next call
                self._epoch = epoch
            raise RedisUnavailable(self._describe(missed))
        if self._open_reason is not None:
            raise RedisUnavailable(self._open_reason)

    def _open(self, error: Exception) -> None:
        """Open the breaker, and start a thread that probes Redis."""
        with self._lock:
            if self._open_reason is not None or self._closed.is_set():
                return
            self._open_reason, self._opened_at = self._describe(error), monotonic()
        log.warning("Redis is unavailable: %s", self._open_reason)
        try:
            Thread(target=self._probe_until_closed, name="redis-probe", daemon=True).start()
        except RuntimeError as failure:  # no more threads: the next failed call tries again
            log.warning("Redis cannot be probed: %s", failure)
            with self._lock:
                self._invalidation_missed, self._open_reason = True, None

    def _probe_until_closed(self) -> None:
        opened_at = self._opened_at  # another outage may begin before the end of this one is logged
        interval = PROBE_INTERVAL / 10  # it may have been a single late answer
        while not self._closed.wait(interval):
            interval = PROBE_INTERVAL
            try:
                closed = self._try_to_close()
            except FAILURES:
                continue
            except Exception:  # without this thread the breaker would stay open
                log.exception("Unexpected error while Redis is probed; retrying")
                interval = self._interval_after_error
                continue
            if closed:
                log.info("Redis is available again after %.1f s", monotonic() - opened_at)
                return

    def _try_to_close(self) -> bool:
        """Probe Redis, flush it if necessary, and close the breaker; return whether it is closed."""
        client = self._process_clients().prober
        server = addresses.run_id(client.info("server"))
        with suppress(OutOfMemoryError):  # a full Redis can still be read and invalidated
            client.set(PROBE_KEY, b"", px=1)  # fails on a replica, or when the disk is full
        outage = monotonic() - self._opened_at > MIN_OUTAGE
        if self._invalidation_missed or outage or server != self._server:
            self._invalidation_missed = False
            self._flush(client)
        with self._lock:
            if self._invalidation_missed:  # another one was missed during the flush
                return False
            if server != self._server:
                self._server, self._server_since = server, monotonic()
            self._open_reason = None
        return True

    def _check_server(self, server: bytes) -> None:
        """Refuse a new connection to a server that may hold stale data.

        Raises RedisConnectionError.
        """
        with self._lock:
            if self._server is None:
                self._server, self._server_since = server, monotonic()
            known = server == self._server and not self._invalidation_missed and self._open_reason is None
        if not known:
            raise RedisConnectionError("another server answers, or it was restarted")

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
            semaphore = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
            loops[loop] = _LoopClient(client, semaphore, CommandPipeline(client, semaphore, self._timeout))
        return loops[loop]

    def _on_connect(self, connection: Any) -> None:  # noqa: ANN401  redis-py has no public type for it
        """Set up a connection, and check its server."""
        connection.on_connect()
        connection.send_command("INFO", "server")
        self._check_server(addresses.run_id(connection.read_response()))

    async def _on_connect_async(self, connection: Any) -> None:  # noqa: ANN401
        """Set up a connection of an event loop, and check its server."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        self._check_server(addresses.run_id(await connection.read_response()))

    def _describe(self, error: Exception) -> str:
        return f"{type(error).__name__}: {redact(str(error), credentials_in(self._url))}"
