"""Leases over a real server: copies are used while nothing can be missed, and dropped before a write ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from adapters.redis.breaker import RedisBreaker
from adapters.redis.invalidation import RedisCacheInvalidation, invalidate_all
from adapters.redis.listener import HOLDERS, IDLE_AFTER, InvalidationListener
from adapters.redis.local_cache import Lease
from domain.ids import SessionId, UserId, movie_id
from tests.contracts.valkey_server import Valkey, running_valkey

MOVIE = movie_id(603)
KEY = f"movies:detail:{MOVIE}"
USER, SESSION = UserId("a" * 24), SessionId("b" * 24)


LEASE, MAX_WAIT = 1.0, 1.5
"""Seconds: longer than in use, because the machine may be busy."""


class Process:
    """What one process has of the protocol; its clock can be moved on."""

    def __init__(self, url: str) -> None:
        self.ahead = 0.0
        self.lease = Lease(lambda: asyncio.get_running_loop().time() + self.ahead, duration=LEASE)
        self.breaker = RedisBreaker(url, flush=invalidate_all, timeout=2.0)  # the machine may be busy
        self.listener = InvalidationListener(url, self.lease, self.breaker)
        self.invalidation = RedisCacheInvalidation(self.breaker, self.listener, max_wait=MAX_WAIT)

    async def holds(self, *, held: bool = True, use: bool = True) -> None:
        """Wait until the lease is held, or is not."""
        async with asyncio.timeout(30):
            while self.lease.held is not held:
                if use:
                    self.listener.use()
                await asyncio.sleep(0.002)

    def keep(self, *tags: str, key: str = "key") -> None:
        """Keep a copy with these tags."""
        self.listener.responses.put(self.listener.responses.begin(*tags), key, "copy", tags, 3600)

    def copy(self, key: str = "key") -> str | None:
        """The copy, if it may be used."""
        copy: str | None = self.listener.responses.get(key)
        return copy

    async def rate(self) -> None:
        """Change a rating, in a thread as requests do."""

        def work() -> None:
            with self.invalidation.movies([MOVIE]):
                pass

        await asyncio.to_thread(work)


@asynccontextmanager
async def processes(url: str, number: int) -> AsyncIterator[list[Process]]:
    made = [Process(url) for _ in range(number)]
    async with AsyncExitStack() as stack:
        for process in made:
            stack.callback(process.breaker.close)
            await stack.enter_async_context(process.breaker.connected())
            await stack.enter_async_context(process.listener.listening())
        for process in made:
            await process.holds()
        yield made


def run(work: Callable[..., Awaitable[None]], url: str, number: int = 2) -> None:
    """Let work use some processes that hold leases."""

    async def wrapped() -> None:
        async with processes(url, number) as made:
            await work(*made)

    asyncio.run(wrapped())


def test_a_write_drops_the_copies_of_all_processes_before_it_ends(redis_url: str) -> None:
    async def work(writer: Process, *others: Process) -> None:
        for _ in range(20):
            for process in (writer, *others):
                await process.holds()
                process.keep(KEY)
                assert process.copy() == "copy"
            await writer.rate()
            assert {process.copy() for process in (writer, *others)} == {None}

    run(work, redis_url, 3)


def test_copies_of_other_data_stay(redis_url: str) -> None:
    async def work(one: Process, other: Process) -> None:
        other.keep("movies:detail:another")
        await one.rate()
        await other.holds()
        assert other.copy() == "copy"

    run(work, redis_url)


@pytest.mark.parametrize("tag", [f"user:{USER}", f"session:{SESSION}"])
def test_accounts_and_sessions_are_invalidated_too(redis_url: str, tag: str) -> None:
    async def work(one: Process, other: Process) -> None:
        def change() -> None:
            with one.invalidation.user(USER), one.invalidation.session(SESSION):
                pass

        other.keep(tag)
        assert other.copy()
        unread = other.listener.responses.begin("accounts")
        await asyncio.to_thread(change)
        other.listener.responses.put(unread, "read meanwhile", "copy", [tag], 3600)
        assert other.copy() is None
        assert other.copy("read meanwhile") is None

    run(work, redis_url)


def test_a_process_without_a_listener_is_believed_too(redis_url: str) -> None:
    async def work(one: Process) -> None:
        one.keep(KEY)
        worker = RedisBreaker(redis_url, flush=invalidate_all, timeout=2.0)

        def change() -> None:
            with RedisCacheInvalidation(worker, max_wait=MAX_WAIT).movies([MOVIE]):
                pass

        await asyncio.to_thread(change)
        assert one.copy() is None
        worker.close()

    run(work, redis_url, 1)


def test_an_outage_ends_the_lease_and_what_was_kept(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as valkey:

        async def work(one: Process) -> None:
            one.keep(KEY)
            valkey.kill()
            await one.holds(held=False)
            valkey.start()
            await one.holds()
            assert one.copy() is None

        run(work, valkey.url, 1)


def test_a_frozen_server_renews_no_lease(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as valkey:

        async def work(one: Process) -> None:
            one.keep(KEY)
            valkey.freeze()
            await one.holds(held=False)
            await one.rate()
            valkey.thaw()
            await one.holds()
            assert one.copy() is None

        run(work, valkey.url, 1)


def test_a_process_that_was_stopped_wakes_without_a_lease(redis_url: str) -> None:
    async def work(one: Process) -> None:
        one.keep(KEY)
        one.ahead += 3600
        assert one.copy() is None
        await one.holds()
        assert one.copy() is None

    run(work, redis_url, 1)


def test_a_lease_that_is_not_used_is_not_renewed(redis_url: str) -> None:
    async def work(one: Process) -> None:
        one.ahead += IDLE_AFTER
        await one.holds(held=False, use=False)
        await one.holds()

    run(work, redis_url, 1)


def test_a_holder_that_does_not_answer_is_waited_for_no_longer_than_its_lease(
    redis_url: str, valkey: Valkey
) -> None:
    async def work(one: Process) -> None:
        valkey.command("ZADD", HOLDERS, "9999999999", "frozen")
        one.keep(KEY)
        began = asyncio.get_running_loop().time()
        await one.rate()
        assert asyncio.get_running_loop().time() - began >= MAX_WAIT
        assert one.copy() is None
        valkey.command("ZREM", HOLDERS, "frozen")

    run(work, redis_url, 1)


def test_one_whose_registration_has_expired_is_not_waited_for(redis_url: str, valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        valkey.command("ZADD", HOLDERS, "1", "gone")
        await one.rate()
        assert valkey.command("ZSCORE", HOLDERS, "gone") == "$-1"

    run(work, redis_url, 1)
