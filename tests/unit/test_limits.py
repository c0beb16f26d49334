"""Rate limits counted in the memory of one process, with a clock that is set by hand."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.redis import limits
from adapters.redis.breaker import RedisUnavailable
from adapters.redis.leases import Reply
from adapters.redis.limits import RedisRateLimiter
from adapters.redis.sliding_windows import SlidingWindows

RATE = "10/minute"


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Link:
    """A Redis in which so many requests remain, unavailable if that is None. It counts calls."""

    clustered = False

    def __init__(self, *remaining: int | None) -> None:
        self.remaining = list(remaining)
        self.calls = 0

    async def call(self, _: object) -> list[Reply]:
        self.calls += 1
        remaining = self.remaining.pop(0) if len(self.remaining) > 1 else self.remaining[0]
        if remaining is None:
            reason = "late"
            raise RedisUnavailable(reason)
        allowed = remaining > 0
        elapsed = 0 if allowed else 30 * 10**6
        return [Reply(int(allowed), 10**15, elapsed, current=10 - remaining + allowed, previous=0, granted=0)]


def counted(breaker: Link | None, times: int, rate: str = RATE) -> list[tuple[bool, int, int]]:
    async def work() -> list[tuple[bool, int, int]]:
        count = RedisRateLimiter(cast("Any", breaker), clock=Clock())
        return [await count(rate, "neo") for _ in range(times)]

    return asyncio.run(work())


@pytest.mark.parametrize("second", [0.5, 12.0, 30.3, 30.6, 42.1, 59.7])
@pytest.mark.parametrize("before", [0, 1, 7, 10])
def test_a_client_that_waits_for_the_reset_is_allowed(clock: Clock, second: float, before: int) -> None:
    async def work() -> None:
        count = RedisRateLimiter(None, clock=clock)
        clock.now = 6_000.0 + 45.0
        for _ in range(before):
            await count(RATE, "neo")
        clock.now = 6_060.0 + second
        passed, seconds = True, 0
        while passed:
            passed, _, seconds = await count(RATE, "neo")
        clock.now += seconds
        passed, _, _ = await count(RATE, "neo")
        assert passed

    asyncio.run(work())


def test_the_limit_is_freed_gradually(clock: Clock) -> None:
    async def work() -> None:
        count = RedisRateLimiter(None, clock=clock)
        clock.now = 6_012.0
        for _ in range(10):
            _, remaining, seconds = await count(RATE, "neo")
        assert remaining == 0
        clock.now += seconds
        passed, remaining, _ = await count(RATE, "neo")
        assert passed
        assert remaining < 5

    asyncio.run(work())


def test_an_outage_of_redis_opens_no_fresh_counter() -> None:
    breaker = Link(*range(10, 3, -1), None)
    passed = [passed for passed, _, _ in counted(breaker, 12)]
    assert passed == [True] * 10 + [False] * 2


def test_requests_allowed_without_redis_count_when_it_is_back() -> None:
    breaker = Link(*[None] * 9, 10)
    answers = counted(breaker, 12)
    assert [passed for passed, _, _ in answers] == [True] * 10 + [False] * 2
    assert answers[9][1] == 0
    assert breaker.calls == 10  # a client over the limit of this process is refused at once


def test_a_redis_that_lost_its_counts_opens_no_fresh_counter() -> None:
    answers = counted(Link(10), 12)
    assert [remaining for _, remaining, _ in answers] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert [passed for passed, _, _ in answers] == [True] * 10 + [False] * 2
    assert answers[-1][2] > 50


def test_a_request_refused_by_redis_is_not_counted_in_memory() -> None:
    answers = counted(Link(0, 0, None), 12)
    assert answers[:2] == [(False, 0, 31)] * 2
    assert [passed for passed, _, _ in answers[2:]] == [True] * 10


def test_each_client_and_rate_is_counted_separately(clock: Clock) -> None:
    async def work() -> list[bool]:
        count = RedisRateLimiter(None, clock=clock)
        requests = [("1/minute", "neo"), ("1/minute", "trinity"), ("2/minute", "neo"), ("1/hour", "neo")]
        return [(await count(*each))[0] for each in (*requests, *requests)]

    assert asyncio.run(work()) == [True] * 4 + [False, False, True, False]


def test_the_oldest_counts_are_evicted() -> None:
    windows = SlidingWindows(max_counts=2)
    for who in ("a", "b", "a", "c"):
        windows.hit((who, 1, 60), 100.0)
    assert [windows.state((who, 1, 60), 100.0).remaining for who in "abc"] == [0, 1, 0]


def test_a_client_without_requests_for_two_windows_starts_again_from_0() -> None:
    windows = SlidingWindows()
    windows.add(("neo", 10, 60), 100.0)
    windows.add(("neo", 10, 60), 165.0)
    assert windows.state(("neo", 10, 60), 165.0).remaining == 9
    assert windows.state(("neo", 10, 60), 285.0).remaining == 10
    assert windows.state(("nobody", 10, 60), 285.0) == windows.state(("neo", 10, 60), 290.0)


@given(
    st.integers(1, 5),
    st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=30),
)
def test_no_window_allows_more_than_twice_the_limit_and_waiting_for_the_reset_suffices(
    amount: int, waits: list[float]
) -> None:
    windows, now, passed = SlidingWindows(), 1000.0, []
    for wait in waits:
        now += wait
        allowed, standing = windows.hit(("neo", amount, 60), now)
        passed += [now] * allowed
        assert 0 <= standing.remaining < amount
        assert 0 <= standing.reset <= 121
        if not allowed:
            later = now + limits._whole(standing.reset)
            assert windows.state(("neo", amount, 60), later).remaining > 0
    for at in passed:
        assert sum(at <= each < at + 60 for each in passed) <= 2 * amount
