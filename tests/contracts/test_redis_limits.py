"""Rate limits over a real Redis: the script, and limiters of several processes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from adapters.redis.breaker import RedisBreaker
from adapters.redis.leases import COUNT, MICROSECONDS
from adapters.redis.limits import RedisRateLimiter
from tests.contracts.valkey_server import Valkey, running_valkey
from tests.unit.shared_counter import SharedCounters

RATE = "100/minute"
COUNTER = "limits:neo:100/60"

SET_CLOCK = COUNT.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
"""The script with the clock of a test."""

Work = Callable[..., Awaitable[None]]


def with_limiters(url: str, number: int, work: Work) -> None:
    """Do something with the limiters of some processes."""

    async def run() -> None:
        breakers = [RedisBreaker(url, flush=lambda _: None, timeout=2.0) for _ in range(number)]
        limiters = [RedisRateLimiter(breaker) for breaker in breakers]
        try:
            await work(*limiters)
        finally:
            for limiter, breaker in zip(limiters, breakers, strict=True):
                await limiter.close()
                await breaker.disconnect()
                breaker.close()

    asyncio.run(run())


def stored(url: str, name: str = COUNTER) -> dict[str, int]:
    """A counter, with 0 for one that is not there."""
    with Redis.from_url(url) as redis:
        numbers: Any = (redis.get(name) or b"0 0 0 0 0").split()
    return dict(zip(("start", "current", "previous", "leased", "before"), map(int, numbers), strict=True))


def calls(url: str) -> int:
    """How often the script was called."""
    with Redis.from_url(url) as redis:
        commands: Any = redis.info("commandstats")
    return int(commands.get("cmdstat_eval", {"calls": 0})["calls"])


async def allowed(limiter: RedisRateLimiter, number: int) -> int:
    """How many of these requests are allowed, one after another."""
    return sum([(await limiter(RATE, "neo"))[0] for _ in range(number)])


STEPS = st.lists(
    st.tuples(
        st.integers(-1, 130).map(lambda seconds: seconds * MICROSECONDS + 1),
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b"]),
                st.integers(0, 1),
                st.sampled_from([0, 2, 10]),
                st.sampled_from([0, 60 * MICROSECONDS, 7]),
                st.integers(0, 5),
                st.integers(0, 5),
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    min_size=1,
    max_size=20,
)


def test_the_script_counts_as_its_simulation_does(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:

        @settings(max_examples=100)
        @given(STEPS)
        def compare(steps: list[tuple[int, list[tuple[str, int, int, int, int, int]]]]) -> None:
            redis.flushdb()
            simulation = SharedCounters()
            for wait, counts in steps:
                simulation.now += wait
                keys, values = [], list[int]()
                for key, hits, most, before, used, unused in counts:
                    window = simulation.at(key, 60 * MICROSECONDS).start - before
                    keys.append(key)
                    values += (20, 60 * MICROSECONDS, hits, most, window, used, unused)
                clock = divmod(simulation.now, MICROSECONDS)
                expected = asyncio.run(simulation.eval("", len(keys), *keys, *values))
                assert redis.eval(SET_CLOCK, len(keys), *keys, *values, *clock) == expected
            names: Any = redis.keys()
            assert sorted(name.decode() for name in names) == sorted(simulation.counters)
            for name in simulation.counters:
                assert 0 < redis.pttl(name) <= 120_000

        compare()


def test_two_processes_allow_the_limit_together_and_call_redis_rarely(redis_url: str) -> None:
    async def work(one: RedisRateLimiter, other: RedisRateLimiter) -> None:
        passed, before = 0, calls(redis_url)
        for turn in range(75):
            passed += await allowed(one, 1) + await allowed(other, 1)
            if turn == 29:
                assert passed == 60
                assert calls(redis_url) - before < 40
        assert passed == 100

    with_limiters(redis_url, 2, work)


def test_leased_requests_are_taken_without_a_call(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        assert limiter.take(RATE, "neo") is None
        assert (await limiter(RATE, "neo"))[:2] == (True, 99)
        before = calls(redis_url)
        taken = [limiter.take(RATE, "neo") or (0, 0) for _ in range(3)]
        assert [remaining for remaining, _ in taken] == [98, 97, 96]
        assert all(0 < reset <= 61 for _, reset in taken)
        assert limiter.take(RATE, "trinity") is None
        assert calls(redis_url) == before

    with_limiters(redis_url, 1, work)


def test_a_lease_is_renewed_in_the_background(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        rate, taken = "1000000/minute", 0
        await limiter(rate, "neo")
        while taken < 3000:
            if limiter.take(rate, "neo"):
                taken += 1
            else:
                await asyncio.sleep(0)  # it may be on its way

    with_limiters(redis_url, 1, work)


def test_low_limits_are_counted_one_by_one(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        assert [(await limiter("19/minute", "neo"))[:2] for _ in range(2)] == [(True, 18), (True, 17)]
        assert limiter.take("19/minute", "neo") is None

    with_limiters(redis_url, 1, work)


def test_unused_requests_are_returned_after_a_second(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        await limiter(RATE, "neo")
        assert stored(redis_url)["leased"] > 0
        while stored(redis_url)["leased"]:  # noqa: ASYNC110  Redis sends no event
            await asyncio.sleep(0.01)
        assert stored(redis_url)["current"] == 1

    with_limiters(redis_url, 1, work)


def test_unused_requests_are_returned_at_the_end(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        await limiter(RATE, "neo")
        assert limiter.take(RATE, "neo")

    with_limiters(redis_url, 1, work)
    counter = stored(redis_url)
    assert (counter["current"], counter["leased"]) == (2, 0)


def test_requests_of_a_counter_that_was_lost_are_not_returned_to_the_next_one(redis_url: str) -> None:
    async def work(one: RedisRateLimiter, other: RedisRateLimiter) -> None:
        await one(RATE, "neo")
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        await allowed(other, 10)
        await one.close()
        await other.close()
        assert stored(redis_url)["current"] == 10

    with_limiters(redis_url, 2, work)


def test_several_clients_are_counted_by_one_call(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        before = calls(redis_url)
        assert (await limiter.count_all("3/minute", ["address", "account"]))[:2] == (True, 2)
        assert calls(redis_url) == before + 1

    with_limiters(redis_url, 1, work)


def test_a_refused_request_is_not_counted_against_further_limits(redis_url: str) -> None:
    async def work(one: RedisRateLimiter, other: RedisRateLimiter) -> None:
        for limiter in (one, other, one, other):
            await limiter.count_all("2/minute", ["address", "account"])
        assert stored(redis_url, "limits:account:2/60")["current"] == 2
        assert (await one.count_all("2/minute", ["elsewhere", "address"]))[:2] == (False, 0)
        assert stored(redis_url, "limits:elsewhere:2/60")["current"] == 1

    with_limiters(redis_url, 2, work)


def test_a_process_refuses_the_second_of_two_limits_itself(redis_url: str) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        await limiter.count_all("1/minute", ["account"])
        before = calls(redis_url)
        passed, remaining, _ = await limiter.count_all("1/minute", ["address", "account"])
        assert (passed, remaining) == (False, 0)
        assert calls(redis_url) == before + 1
        assert stored(redis_url, "limits:address:1/60")["current"] == 1

    with_limiters(redis_url, 1, work)


def test_with_a_full_redis_each_process_counts_for_itself(tmp_path: Path) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        assert [(await limiter("2/minute", "neo"))[:2] for _ in range(3)] == [
            (True, 1),
            (True, 0),
            (False, 0),
        ]

    with running_valkey(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as valkey:
        with_limiters(valkey.url, 1, work)


def test_leased_requests_are_used_while_redis_is_unavailable(valkey: Valkey) -> None:
    async def work(limiter: RedisRateLimiter) -> None:
        await limiter(RATE, "neo")
        valkey.kill()
        assert limiter.take(RATE, "neo")
        assert await allowed(limiter, 150) == 98

    with_limiters(valkey.url, 1, work)
