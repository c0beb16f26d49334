"""The subscription of a process to invalidations, which keeps its lease.

A holder is a process that may hold a lease. It registers in Redis, subscribes, and then sends pings on the
connection that is subscribed. Redis answers a ping after all messages that it had for this client, so an
answer proves that everything published before the ping was sent has been applied.

A writer reads the holders in the same step in which it publishes, and waits until each of them has applied
the message, or until none can hold the lease any more that it had then. A registration outlasts the lease by
far, so a holder whose connection has broken, unnoticed by itself, is waited for as well.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from itertools import count
from secrets import token_hex
from threading import Event, Lock
from typing import Any

from redis.asyncio import Redis as AsyncRedis

from adapters.redis import addresses
from adapters.redis.breaker import FAILURES, RedisBreaker, RedisUnavailable
from adapters.redis.local_cache import Lease
from adapters.redis.timeouts import SOCKET_TIMEOUT

CHANNEL = "cache:invalidations"
"""The channel on which processes publish what they invalidate: sender, number and tags, between spaces."""

ACKS = "cache:acks:"
"""The beginning of a sender's channel, on which holders publish the numbers of the messages that they have
applied, and their names.
"""

HOLDERS = "cache:holders"
"""The key of the sorted set of holders, by the time of their registration in Redis's seconds."""

NO_SENDER = "-"
"""The sender of a message that nobody has to acknowledge."""

REGISTER = "redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])"

REGISTRATION_INTERVAL = 1.0
"""Seconds after which a holder registers again."""

REGISTRATION_VALID = 2.0
"""Seconds after which a holder that could not register again holds no lease."""

REGISTRATION_TTL = 4
"""Seconds after which Redis drops a registration: longer than it is valid for its holder, by any clock."""

PING_INTERVAL = 0.006
"""Seconds between two pings, if the first is answered in that time."""

IDLE_AFTER = 2.0
"""Seconds without a use of the lease after which it is no longer renewed."""

RECONNECT_INTERVAL = 0.2
"""Seconds between two attempts to subscribe."""

CANCEL_INTERVAL = 0.1
"""Seconds until a task that goes on is cancelled again."""

MAX_WAIT = 0.045
"""Seconds after which a process that has not received an invalidation holds no lease: `LEASE`, and half as
much again for the way of its last ping and for clocks that run at different speeds.
"""

MAX_RESPONSES = 1024
"""Responses of which a process keeps copies."""

MAX_CALLERS = 10_000
"""Access tokens of whose callers a process keeps copies."""

log = logging.getLogger(__name__)


class Publication:
    """A published invalidation, and the holders that have applied it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._applied: set[str] = set()
        self._holders: Collection[str] | None = None
        self._complete = Event()

    def applied(self, holder: str) -> None:
        """Note that a holder has applied it."""
        with self._lock:
            self._applied.add(holder)
            self._check()

    def wait(self, holders: Collection[str], seconds: float) -> bool:
        """Wait until all these holders have applied it, or until the time is over."""
        with self._lock:
            self._holders = holders
            self._check()
        return self._complete.wait(seconds)

    def _check(self) -> None:
        if self._holders is not None and self._applied.issuperset(self._holders):
            self._complete.set()


class Holder:
    """What a process knows as a holder: its registration, its last ping, and its lease. It does no I/O."""

    def __init__(self, lease: Lease) -> None:
        self.name = token_hex(8)
        self.lease = lease
        self._registered = -math.inf
        self._ping_sent = 0.0
        self._publications: dict[int, Publication] = {}
        self._numbers = count(1)

    def registered(self, sent: float) -> None:
        """Note a registration that was sent at that time, and has succeeded."""
        self._registered = sent

    @property
    def must_register(self) -> bool:
        """Whether it is time to register, again."""
        return self.lease.now() - self._registered > REGISTRATION_INTERVAL

    def subscribed(self) -> None:
        """Note a new subscription: whatever was kept under an earlier one may be stale."""
        self.lease.end()

    def ping_sent(self) -> None:
        """Note that a ping is about to be sent. There must be no other without an answer."""
        self._ping_sent = self.lease.now()

    def until_next_ping(self) -> float:
        """Seconds until the next ping is to be sent, after the one before was answered."""
        return max(0.0, self._ping_sent + PING_INTERVAL - self.lease.now())

    def pong(self) -> None:
        """Renew the lease, because the ping was answered."""
        if self.lease.now() - self._registered < REGISTRATION_VALID:
            self.lease.renew(self._ping_sent)

    def invalidated(self, message: bytes) -> tuple[str, str] | None:
        """Apply a message; return the channel and the text of its acknowledgement, if there has to be one."""
        sender, number, *tags = message.decode().split(" ")
        self.lease.invalidate(tags)
        if sender == self.name:
            self._applied(number, self.name)
        return None if sender in {self.name, NO_SENDER} else (ACKS + sender, f"{number} {self.name}")

    def acknowledged(self, message: bytes) -> None:
        """Note that a holder has applied a message of this process."""
        number, holder = message.decode().split(" ")
        self._applied(number, holder)

    def _applied(self, number: str, holder: str) -> None:
        publication = self._publications.get(int(number))
        if publication:
            publication.applied(holder)

    def publication(self) -> tuple[int, Publication]:
        """A number for a message of this process, and what is known of the holders that have applied it."""
        number, publication = next(self._numbers), Publication()
        self._publications[number] = publication
        return number, publication

    def forget(self, number: int) -> None:
        """End a publication."""
        self._publications.pop(number, None)


class InvalidationListener:
    """Receives the invalidations of all processes, and renews a lease as long as none can be missed.

    `responses` and `callers` are the copies that may be used while the lease is held.
    """

    def __init__(self, url: str, lease: Lease, breaker: RedisBreaker) -> None:
        self.holder = Holder(lease)
        self.responses = lease.cache(MAX_RESPONSES)
        self.callers = lease.cache(MAX_CALLERS)
        self.running = False
        self._lease = lease
        self._url = url
        self._breaker = breaker
        self._used = 0.0
        self._wanted: asyncio.Event | None = None
        self._acks: set[asyncio.Task[None]] = set()

    def use(self) -> None:
        """Note, in the event loop, that the lease is in use: otherwise it is no longer renewed."""
        self._used = self._lease.now()
        if self._wanted and not self._wanted.is_set():
            self._wanted.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """A context in which this process listens."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            while not task.done():  # wait_for, which redis-py uses, may swallow a cancellation in Python 3.11
                task.cancel()
                await asyncio.wait([task], timeout=CANCEL_INTERVAL)

    async def _run(self) -> None:
        client = addresses.async_client(self._url, SOCKET_TIMEOUT)
        self.running = True
        try:
            while True:
                try:
                    await self._listen(client)
                except (*FAILURES, RedisUnavailable) as error:
                    log.debug("The subscription to invalidations has ended: %s", type(error).__name__)
                except Exception:
                    log.exception("Unexpected error in the subscription to invalidations; it is renewed")
                finally:
                    self._lease.end()
                await asyncio.sleep(RECONNECT_INTERVAL)
        finally:
            self.running = False
            await client.aclose()

    async def _listen(self, client: AsyncRedis) -> None:
        await self._register()
        pool: Any = client.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_command("SUBSCRIBE", CHANNEL, ACKS + self.holder.name)
            for _ in range(2):
                await _read(connection)
            self.holder.subscribed()
            self._wanted, answered = asyncio.Event(), asyncio.Event()
            pinging = asyncio.create_task(self._ping(connection, answered))
            try:
                while True:
                    self._receive(await _read(connection), answered)
            finally:
                pinging.cancel()
        finally:
            await connection.disconnect(nowait=True)
            await pool.release(connection)

    async def _register(self) -> None:
        """Register as a holder. Raises RedisUnavailable."""
        sent = self._lease.now()
        await self._breaker.call(lambda redis: _eval(redis, REGISTER, HOLDERS, self.holder.name))
        self.holder.registered(sent)

    async def _ping(self, connection: Any, answered: asyncio.Event) -> None:  # noqa: ANN401
        """Send a ping whenever the one before was answered. Closes the connection at the end."""
        try:
            with suppress(*FAILURES, RedisUnavailable):  # the reader of the closed connection fails, too
                while True:
                    if self.holder.must_register:
                        await self._register()
                    if not connection.is_connected:  # redis-py would connect again, without a subscription
                        break
                    answered.clear()
                    self.holder.ping_sent()
                    try:
                        await connection.send_command("PING", check_health=False)
                    except AttributeError:  # in redis-py, if the reader has closed the connection meanwhile
                        if connection.is_connected:
                            raise
                        break
                    async with asyncio.timeout(SOCKET_TIMEOUT):
                        await answered.wait()
                    await asyncio.sleep(self.holder.until_next_ping())
                    if self._wanted and self._lease.now() - self._used > IDLE_AFTER:
                        self._wanted.clear()
                        await self._wanted.wait()
        finally:
            await connection.disconnect(nowait=True)

    def _receive(self, reply: Any, answered: asyncio.Event) -> None:  # noqa: ANN401
        if not isinstance(reply, list) or reply[0] == b"pong":
            self.holder.pong()
            answered.set()
        elif reply[0] == b"message" and reply[1] == CHANNEL.encode():
            if acknowledgement := self.holder.invalidated(reply[2]):
                task = asyncio.create_task(self._acknowledge(*acknowledgement))
                self._acks.add(task)
                task.add_done_callback(self._acks.discard)
        elif reply[0] == b"message":
            self.holder.acknowledged(reply[2])

    async def _acknowledge(self, channel: str, text: str) -> None:
        with suppress(RedisUnavailable):  # the sender waits until our lease is over
            await self._breaker.call(lambda redis: redis.publish(channel, text))


async def _eval(redis: AsyncRedis, script: str, key: str, argument: str) -> object:
    reply: Any = redis.eval(script, 1, key, argument)
    return await reply


async def _read(connection: Any) -> Any:  # noqa: ANN401  redis-py has no public type for it
    return await connection.read_response(timeout=math.inf, push_request=True)
