"""Counting requests in the memory of one process, by a clock of our own."""

import asyncio
from types import SimpleNamespace

import pytest
from limits.aio import strategies
from limits.aio.storage import memory

from adapters.redis import limits
from adapters.redis.limits import RedisLimits

RATE = "10/minute"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time, of which `now` can be set."""
    clock = SimpleNamespace(now=0.0)
    clock.time = lambda: clock.now
    for module in (memory, strategies):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(limits, "time", clock.time)
    return clock


@pytest.mark.parametrize("second", [0.5, 12.0, 30.3, 30.6, 42.1, 59.7])
@pytest.mark.parametrize("before", [0, 7, 10])
def test_who_waits_as_long_as_he_is_told_may_pass(clock: SimpleNamespace, second: float, before: int) -> None:
    async def work() -> None:
        count = RedisLimits(None)
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


def test_requests_come_back_by_and_by_and_not_all_at_once(clock: SimpleNamespace) -> None:
    async def work() -> None:
        count = RedisLimits(None)
        clock.now = 6_012.0
        for _ in range(10):
            _, remaining, seconds = await count(RATE, "neo")
        assert remaining == 0
        clock.now += seconds
        passed, remaining, _ = await count(RATE, "neo")
        assert passed
        assert remaining < 5

    asyncio.run(work())
