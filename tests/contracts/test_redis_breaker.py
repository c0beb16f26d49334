"""The circuit breaker around Redis."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from redis import Redis

from adapters.redis import breaker
from adapters.redis.breaker import MAX_CONCURRENT_CALLS, RedisBreaker, RedisUnavailable
from adapters.redis.timeouts import CALL_TIMEOUT, RETRY_TIMEOUT
from tests import waiting
from tests.contracts.valkey_server import Valkey, running_valkey

eventually = partial(waiting.eventually, timeout=10, interval=0.01)


class Counted:
    """A breaker that counts its flushes."""

    def __init__(self, url: str) -> None:
        self.flushes = 0
        self.breaker = RedisBreaker(url, flush=self._forget, timeout=1.0)  # the machine may be busy

    def _forget(self, redis: Redis) -> None:
        redis.ping()
        self.flushes += 1

    def get(self) -> bytes | None:
        return self.breaker.call_from_thread(lambda redis: redis.get("word"))  # type: ignore[return-value]


@contextmanager
def counted(url: str) -> Iterator[Counted]:
    made = Counted(url)
    try:
        yield made
    finally:
        made.breaker.close()


def commands(valkey: Valkey) -> int:
    """The number of commands that the server has processed."""
    with Redis.from_url(valkey.url) as redis:
        return int(redis.info("stats")["total_commands_processed"])


def test_a_call_returns_the_answer_of_redis(redis_url: str) -> None:
    with counted(redis_url) as it:
        it.breaker.call_from_thread(lambda redis: redis.set("word", "yes"))
        assert it.get() == b"yes"
        it.breaker.ping()


def test_an_event_loop_has_connections_of_its_own(redis_url: str) -> None:
    async def ask(breaker: RedisBreaker) -> object:
        try:
            return await breaker.call(lambda redis: redis.incr("asked"))
        finally:
            await breaker.disconnect()

    with counted(redis_url) as it:
        assert [asyncio.run(ask(it.breaker)) for _ in range(2)] == [1, 2]


def test_calls_to_a_dead_redis_fail_until_it_is_back(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adapters.redis")
    with counted(valkey.url) as it:
        it.breaker.ping()
        valkey.kill()
        with pytest.raises(RedisUnavailable):
            it.get()
        assert it.breaker.is_open
        valkey.start()
        eventually(lambda: not it.breaker.is_open)
        it.breaker.ping()
        eventually(lambda: len(caplog.records) > 1)  # it is logged once the breaker is closed
    unavailable, available = (record.getMessage() for record in caplog.records)
    assert unavailable.startswith("Redis is unavailable")
    assert available.startswith("Redis is available again after")


def test_a_redis_that_is_unavailable_at_the_start_is_used_once_it_answers(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as valkey:
        valkey.stop()
        with counted(valkey.url) as it:
            with pytest.raises(RedisUnavailable):
                it.breaker.ping()
            valkey.start()
            eventually(lambda: not it.breaker.is_open)


def test_calls_fail_without_waiting_while_the_breaker_is_open(valkey: Valkey) -> None:
    with counted(valkey.url) as it:
        it.breaker.ping()
        valkey.freeze()
        with pytest.raises(RedisUnavailable):
            it.get()
        with pytest.raises(RedisUnavailable, match="Timeout"):
            it.get()


def test_a_failed_call_and_the_retry_of_an_invalidation_take_less_than_50_ms() -> None:
    assert CALL_TIMEOUT + RETRY_TIMEOUT < 0.05


def test_a_new_server_at_the_address_is_flushed_before_it_is_used(valkey: Valkey) -> None:
    """It may have started from older data."""
    with counted(valkey.url) as it:
        it.breaker.ping()
        valkey.kill()
        valkey.start()
        with pytest.raises(RedisUnavailable):  # the connection broke, and the next one meets another server
            it.get()
        eventually(lambda: not it.breaker.is_open)
        assert it.flushes == 1
        it.get()


def test_an_idle_process_notices_a_restart(valkey: Valkey) -> None:
    """Its connections were closed by the server, and redis-py reconnects without an error."""
    with counted(valkey.url) as it:
        assert it.get() is None
        valkey.stop()
        valkey.start()
        try:
            it.get()
        except RedisUnavailable:
            eventually(lambda: not it.breaker.is_open)
        assert it.flushes == 1


def test_redis_is_flushed_after_a_missed_invalidation(valkey: Valkey) -> None:
    with counted(valkey.url) as it:
        it.breaker.ping()
        valkey.freeze()
        it.breaker.invalidate(lambda redis: redis.delete("word"))
        valkey.thaw()
        eventually(lambda: not it.breaker.is_open)
        assert it.flushes == 1


@pytest.mark.parametrize(("min_outage", "flushes"), [(0.0, 1), (3600.0, 0)])
def test_the_same_server_is_flushed_only_after_a_long_outage(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch, min_outage: float, flushes: int
) -> None:
    """Other processes may have missed an invalidation meanwhile."""
    monkeypatch.setattr(breaker, "MIN_OUTAGE", min_outage)
    with counted(valkey.url) as it:
        it.breaker.ping()
        valkey.freeze()
        with pytest.raises(RedisUnavailable):
            it.get()
        valkey.thaw()
        eventually(lambda: not it.breaker.is_open)
        assert it.flushes == flushes


def test_an_invalidation_is_sent_while_the_breaker_is_open(redis_url: str) -> None:
    with counted(redis_url) as it:
        it.breaker.call_from_thread(lambda redis: redis.set("word", "old"))
        it.breaker._open_reason = "as if it were"
        it.breaker.invalidate(lambda redis: redis.delete("word"))
        it.breaker._open_reason = None
        assert it.get() is None
        assert it.flushes == 0


def test_an_invalidation_missed_during_a_flush_causes_another(valkey: Valkey) -> None:
    with counted(valkey.url) as it:
        it.breaker.ping()

        def forget(redis: Redis) -> None:
            it.flushes += 1
            it.breaker._invalidation_missed = it.flushes == 1  # another thread could not tell Redis just then

        it.breaker._flush = forget
        valkey.freeze()
        it.breaker.invalidate(lambda redis: redis.delete("word"))
        valkey.thaw()
        eventually(lambda: not it.breaker.is_open)
        assert it.flushes == 2


def test_a_full_redis_does_not_open_the_breaker(tmp_path: Path) -> None:
    with (
        running_valkey(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as valkey,
        counted(valkey.url) as it,
    ):
        with pytest.raises(RedisUnavailable, match="maxmemory"):
            it.breaker.call_from_thread(lambda redis: redis.set("word", "more"))
        assert not it.breaker.is_open
        assert it.get() is None


def test_many_concurrent_calls_open_a_limited_number_of_connections(redis_url: str) -> None:
    async def rush(breaker: RedisBreaker) -> None:
        async with breaker.connected():
            await asyncio.gather(*(breaker.call(lambda redis: redis.ping()) for _ in range(500)))
            clients = await breaker.call(lambda redis: redis.info("clients"))
            assert int(clients["connected_clients"]) <= MAX_CONCURRENT_CALLS + 10

    with counted(redis_url) as it:
        asyncio.run(rush(it.breaker))


def test_errors_do_not_contain_the_password_of_the_address() -> None:
    with counted("redis://reader:s3cret@127.0.0.1:1/0") as it, pytest.raises(RedisUnavailable) as caught:
        it.breaker.ping()
    assert "s3cret" not in str(caught.value)


def test_concurrent_failures_start_one_probing_thread(valkey: Valkey) -> None:
    with counted(valkey.url) as it:
        it.breaker.ping()
        valkey.kill()

        def ask() -> None:
            with pytest.raises(RedisUnavailable):
                it.get()

        threads = [Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        valkey.start()
        eventually(lambda: not it.breaker.is_open)
        assert it.flushes == 1


def test_a_busy_event_loop_does_not_open_the_breaker(redis_url: str) -> None:
    async def busy(breaker: RedisBreaker) -> None:
        async def hog() -> None:
            while True:
                time.sleep(0.06)  # noqa: ASYNC251  each turn takes longer than Redis may
                await asyncio.sleep(0)

        hogging = asyncio.create_task(hog())
        try:
            for _ in range(3):
                assert await breaker.call(lambda redis: redis.ping())
        finally:
            hogging.cancel()
            await breaker.disconnect()

    breaker = RedisBreaker(redis_url, flush=lambda _: None)
    asyncio.run(busy(breaker))
    assert not breaker.is_open
    breaker.close()


def test_a_call_from_an_event_loop_times_out(valkey: Valkey) -> None:
    async def ask(breaker: RedisBreaker) -> None:
        await breaker.call(lambda redis: redis.ping())
        valkey.freeze()
        with pytest.raises(RedisUnavailable, match="Timeout"):
            await breaker.call(lambda redis: redis.ping())
        await breaker.disconnect()

    with counted(valkey.url) as it:
        asyncio.run(ask(it.breaker))


def test_the_breaker_is_open_while_redis_refuses_writes(tmp_path: Path) -> None:
    with running_valkey(tmp_path, "--min-replicas-to-write", "1") as valkey, counted(valkey.url) as it:
        it.breaker.ping()
        with pytest.raises(RedisUnavailable):
            it.breaker.call_from_thread(lambda redis: redis.set("word", "yes"))
        probes = commands(valkey)
        eventually(lambda: commands(valkey) >= probes + 5)
        assert it.breaker.is_open

        assert valkey.command("CONFIG", "SET", "min-replicas-to-write", "0") == "+OK"
        eventually(lambda: not it.breaker.is_open)


def test_an_event_loop_may_start_without_redis(valkey: Valkey) -> None:
    async def come_and_go(breaker: RedisBreaker) -> None:
        async with breaker.connected():
            pass

    with counted(valkey.url) as it:
        valkey.kill()
        asyncio.run(come_and_go(it.breaker))
        assert it.breaker.is_open
