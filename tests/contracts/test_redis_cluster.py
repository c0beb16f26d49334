"""A Cluster instead of one server: redis-py has another client for it, with other errors."""

import asyncio
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.redis.breaker import RedisBreaker, RedisUnavailable
from adapters.redis.cache import RedisResponseCache
from adapters.redis.invalidation import RedisCacheInvalidation, invalidate_all
from adapters.redis.limits import RedisRateLimiter
from domain.ids import movie_id
from tests.contracts.test_redis_breaker import counted, eventually
from tests.contracts.valkey_server import Valkey, running_valkey
from tests.ports import free_port

MOVIE = movie_id(603)
KEY = f"movies:detail:{MOVIE}"


class Cluster:
    """A Cluster of one node."""

    def __init__(self, node: Valkey, port: int) -> None:
        self.node = node
        self.url = f"redis+cluster://127.0.0.1:{port}"
        assert node.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == "+OK"
        self.await_it()

    def await_it(self) -> None:
        """Wait until the node serves all slots."""
        eventually(lambda: self.node.command("GET", "nothing") == "$-1")

    def start(self) -> None:
        self.node.start()
        self.await_it()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    port, bus = free_port(), free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes")
    with running_valkey(tmp_path, *options, "--cluster-port", str(bus)) as node:
        yield Cluster(node, port)
    # redis-py leaves the sockets of a client that could not be made to the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_cluster_that_is_unavailable_at_the_start_is_used_once_it_answers(cluster: Cluster) -> None:
    cluster.node.kill()
    with counted(cluster.url) as it:
        it.breaker.invalidate(lambda redis: redis.delete("word"))  # raises nothing
        with pytest.raises(RedisUnavailable):
            it.get()
        assert it.flushes == 0

        cluster.start()
        eventually(lambda: not it.breaker.is_open)
        assert it.flushes > 0
        it.breaker.call_from_thread(lambda redis: redis.set("word", "yes"))
        assert it.get() == b"yes"


def test_an_outage_of_a_cluster_fails_neither_readers_nor_writers(cluster: Cluster) -> None:
    breaker = RedisBreaker(cluster.url, flush=invalidate_all, timeout=2.0)  # the machine may be busy
    answers = RedisResponseCache[str](breaker, seconds=60, dump=str.encode, load=bytes.decode)

    async def response_to(says: str) -> str:
        async def build() -> str:
            return says

        answer, _, _ = await answers(KEY, "", build)
        await answers.finish()
        return answer

    async def work() -> None:
        try:
            assert [await response_to("old"), await response_to("new")] == ["old", "old"]

            cluster.node.kill()
            with RedisCacheInvalidation(breaker).movies([MOVIE]):
                pass
            assert await response_to("new") == "new"

            cluster.start()
            while breaker.is_open:  # noqa: ASYNC110  it comes back in a thread
                await asyncio.sleep(0.01)
            assert await response_to("newest") == "newest"
        finally:
            await breaker.disconnect()

    try:
        asyncio.run(work())
    finally:
        breaker.close()


def test_each_counter_of_limits_may_be_on_another_node(cluster: Cluster) -> None:
    async def work() -> list[Any]:
        breaker = RedisBreaker(cluster.url, flush=invalidate_all, timeout=2.0)  # the machine may be busy
        limiter = RedisRateLimiter(breaker)
        assert (await limiter.count_all("2/minute", ["address", "account"]))[:2] == (True, 1)
        assert (await limiter("100/minute", "neo"))[:2] == (True, 99)
        assert (await limiter("100/minute", "trinity"))[:2] == (True, 99)
        await limiter.close()
        counted = breaker.call_from_thread(lambda redis: [redis.get(name) for name in names])
        await breaker.disconnect()
        breaker.close()
        return counted

    names = ["limits:neo:100/60", "limits:trinity:100/60", "limits:account:2/60"]
    assert [value.split()[1:] for value in asyncio.run(work())] == [[b"1", b"0", b"0", b"0"]] * 3
