"""Leased requests: several processes, each with a clock of its own, count in one Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.redis.breaker import RedisUnavailable
from adapters.redis.leases import LEASE_SECONDS, LEASE_SHARE, MICROSECONDS, Reply, RequestLeases
from adapters.redis.limits import RETURN_INTERVAL, RedisRateLimiter
from tests.unit.shared_counter import Counter, SharedCounters

PERIOD = 60 * MICROSECONDS
PROCESSES = 3
PROCESS = st.integers(0, PROCESSES - 1)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run by a clock that is set by hand."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock

    def time(self) -> float:
        return self.clock()

    def run_ready(self) -> None:
        """Run until everything waits."""

        async def turns() -> None:
            for _ in range(6):
                await asyncio.sleep(0)

        self.run_until_complete(turns())


@dataclass(eq=False)
class Message:
    """A call in transit: it arrives at Redis, and then its reply arrives at the process."""

    arrived: asyncio.Future[bool]
    answered: asyncio.Future[bool]

    @property
    def waiting(self) -> bool:
        return not self.answered.done()

    def step(self, *, lost: bool = False) -> None:
        future = self.answered if self.arrived.done() else self.arrived
        future.set_result(not lost)
        if lost and not self.answered.done():
            self.answered.cancel()


@dataclass(eq=False)
class Network:
    """The connections to Redis, in which messages are delayed, lost and overtaken."""

    redis: SharedCounters
    messages: list[Message] = field(default_factory=list)
    clustered: ClassVar[bool] = False

    async def call(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        loop = asyncio.get_running_loop()
        message = Message(loop.create_future(), loop.create_future())
        self.messages.append(message)
        reply = await call(self.redis) if await message.arrived else None
        if reply is None or not await message.answered:
            reason = "lost"
            raise RedisUnavailable(reason)
        return reply

    def waiting(self) -> list[Message]:
        self.messages = [message for message in self.messages if message.waiting]
        return self.messages


class Observed(RedisRateLimiter):
    """Notes which requests it takes without a call."""

    taken: Callable[[tuple[int, int]], None]

    def take(self, rate: str, client: str) -> tuple[int, int] | None:
        taken = super().take(rate, client)
        if taken is not None:
            self.taken(taken)
        return taken


class Processes(RuleBasedStateMachine):
    """Requests of one client to several processes.

    `used` counts the requests as they are really used, with the windows of the counter in Redis.
    """

    @initialize(
        amount=st.sampled_from([100, 25, 20, 5]),
        starts=st.lists(st.integers(0, 10**6), min_size=PROCESSES, max_size=PROCESSES),
        rates=st.lists(st.floats(0.999, 1.001), min_size=PROCESSES, max_size=PROCESSES),
    )
    def start(self, amount: int, starts: list[int], rates: list[float]) -> None:
        self.amount, self.rate = amount, f"{amount}/minute"
        self.may_be_leased = amount // LEASE_SHARE
        self.redis = ObservedCounters(self.counted)
        self.network = Network(self.redis)
        self.loop = SimulatedLoop(lambda: self.redis.now / MICROSECONDS)
        self.clocks = list(zip(starts, rates, strict=True))
        self.limiters = [self.process(number) for number in range(PROCESSES)]
        self.used = Counter(0)
        self.seen = [0] * PROCESSES
        self.requests: set[asyncio.Task[tuple[bool, int, int]]] = set()
        self.exact = True  # until something is lost

    def process(self, number: int) -> Observed:
        start, rate = self.clocks[number]
        limiter = Observed(self.network, clock=lambda: start + self.redis.now / MICROSECONDS * rate)  # type: ignore[arg-type]
        limiter.taken = self.taken
        return limiter

    # What is used

    def use(self) -> None:
        """Count a request that is used now."""
        self.move_on()
        self.used.current += 1
        assert self.used.used(PERIOD, self.redis.now) <= self.amount
        assert self.used.current <= self.redis.at(self.redis.key, PERIOD).current, "counted in its own window"

    def move_on(self) -> None:
        start = self.redis.at(self.redis.key, PERIOD).start
        if start == self.used.start + PERIOD:
            self.used = Counter(start, previous=self.used.current)
        elif start != self.used.start:
            self.used = Counter(start)

    def remaining(self) -> int:
        """How many requests really remain."""
        self.move_on()
        return self.amount - self.used.used(PERIOD, self.redis.now)

    def counted(self, *, allowed: bool, hits: int) -> None:
        """Redis has counted a request, or refused it."""
        if hits and allowed:
            self.use()
        elif hits:
            assert self.remaining() <= self.may_be_leased

    def taken(self, result: tuple[int, int]) -> None:
        """A process has used a leased request."""
        self.use()
        if self.exact:
            assert result[0] >= self.remaining() - self.may_be_leased

    # What happens

    def request(self, number: int) -> asyncio.Task[tuple[bool, int, int]]:
        task = self.loop.create_task(self.limiters[number](self.rate, "neo"))
        before = len(self.network.messages)
        self.loop.run_ready()
        if task.done() and not task.result()[0] and self.exact and len(self.network.messages) == before:
            assert self.remaining() <= self.may_be_leased, "refused by the process itself"
        return task

    def settle(self) -> None:
        """Let everything arrive that is on its way."""
        while self.network.waiting():
            for message in self.network.waiting():
                message.step()
            self.loop.run_ready()

    def wait(self, microseconds: int) -> None:
        self.redis.now += microseconds
        self.loop.run_ready()

    @rule(number=PROCESS, after=st.sampled_from([0, 300_000, 1_100_000]))
    def a_request_comes(self, number: int, after: int) -> None:
        self.redis.now += after  # before any timer
        self.requests.add(self.request(number))

    @rule(number=PROCESS, times=st.integers(1, 20))
    def requests_come_one_after_another(self, number: int, times: int) -> None:
        for _ in range(times):
            self.request(number)
            self.settle()

    @rule(number=PROCESS, times=st.integers(2, 10))
    def requests_come_at_once(self, number: int, times: int) -> None:
        for _ in range(times):
            self.requests.add(self.request(number))

    @precondition(lambda self: self.network.waiting())
    @rule(data=st.data())
    def a_message_arrives(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.network.waiting())).step()
        self.loop.run_ready()

    @precondition(lambda self: self.network.waiting())
    @rule(data=st.data())
    def a_message_is_lost(self, data: st.DataObject) -> None:
        self.exact = False
        data.draw(st.sampled_from(self.network.waiting())).step(lost=True)
        self.loop.run_ready()

    @rule(microseconds=st.integers(0, 300_000))
    def time_passes(self, microseconds: int) -> None:
        self.wait(microseconds)

    @rule(seconds=st.integers(1, 125))
    def much_time_passes(self, seconds: int) -> None:
        self.settle()
        self.wait(seconds * MICROSECONDS)
        self.settle()

    @rule(
        number=PROCESS,
        before=st.sampled_from([1_000, 30_000, 400_000]),
        delay=st.sampled_from([0, 300_000]),
        after=st.sampled_from([0, 10_000, 700_000]),
        dies=st.booleans(),
    )
    def requests_come_around_the_end_of_a_window(
        self, number: int, before: int, delay: int, after: int, *, dies: bool
    ) -> None:
        self.settle()
        end = self.redis.at(self.redis.key, PERIOD).start + PERIOD
        self.wait(max(0, end - before - self.redis.now))
        self.request(number)
        for message in self.network.waiting():
            message.step()
        self.loop.run_ready()
        self.wait(delay)
        self.settle()
        if dies:
            self.a_process_dies(number)
        self.redis.now = max(self.redis.now, end + after)
        self.requests_come_one_after_another(number, 2)

    @rule(number=PROCESS)
    def a_process_dies(self, number: int) -> None:
        self.settle()
        self.exact = False
        self.limiters[number] = self.process(number)

    @rule(number=PROCESS)
    def a_process_stops(self, number: int) -> None:
        closing = self.loop.create_task(self.limiters[number].close())
        while not closing.done():
            self.loop.run_ready()
            self.settle()
        self.limiters[number] = self.process(number)

    @precondition(lambda self: self.exact)
    @rule()
    def everything_unused_is_returned(self) -> None:
        for _ in range(round((LEASE_SECONDS + 2 * RETURN_INTERVAL) / 0.1)):
            self.settle()
            self.wait(100_000)
        self.settle()
        self.move_on()
        counter = self.redis.at(self.redis.key, PERIOD)
        assert (counter.current, counter.previous) == (self.used.current, self.used.previous)
        assert (counter.leased, counter.before) == (0, 0)

    @invariant()
    def all_used_requests_are_counted_and_few_others(self) -> None:
        if hasattr(self, "redis"):
            remaining = self.remaining()
            counter = self.redis.at(self.redis.key, PERIOD)
            assert counter.previous >= self.used.previous
            assert self.amount - counter.used(PERIOD, self.redis.now) >= remaining - self.may_be_leased

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.settle()
            assert all(task.result() for task in self.requests)
            self.loop.close()


class ObservedCounters(SharedCounters):
    """Reports what the counter decides."""

    key = "limits:neo:0/60"

    def __init__(self, counted: Callable[..., None]) -> None:
        super().__init__()
        self.counted = counted

    def count(self, key: str, amount: int, period: int, hits: int, *rest: int) -> list[int]:
        self.key = key
        reply = super().count(key, amount, period, hits, *rest)
        self.counted(allowed=bool(reply[0]), hits=hits)
        return reply


class Direct:
    """A Redis that answers at once."""

    clustered = False

    def __init__(self) -> None:
        self.redis = SharedCounters()

    async def call(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        return await call(self.redis)

    def limiter(self) -> RedisRateLimiter:
        return RedisRateLimiter(self, clock=lambda: self.redis.now / MICROSECONDS)  # type: ignore[arg-type]


def test_a_process_that_came_later_refuses_no_more_than_redis() -> None:
    async def work() -> None:
        direct = Direct()
        one, other = direct.limiter(), direct.limiter()
        assert (await one("10/minute", "neo"))[0]
        direct.redis.now += 50 * MICROSECONDS
        assert [(await other("10/minute", "neo"))[0] for _ in range(10)] == [True] * 9 + [False]
        direct.redis.now += 40 * MICROSECONDS  # half of the window before counts
        assert [(await other("10/minute", "neo"))[0] for _ in range(6)] == [True] * 5 + [False]

    asyncio.run(work())


def test_a_redis_that_loses_its_counters_grants_no_process_more_than_the_limit() -> None:
    async def work() -> list[tuple[bool, int, int]]:
        direct = Direct()
        limiter = direct.limiter()
        results = []
        for number in range(120):
            if number % 7 == 0:
                direct.redis.counters.clear()
            results.append(await limiter("100/minute", "neo"))
            await asyncio.sleep(0)
        return results

    results = asyncio.run(work())
    assert [allowed for allowed, _, _ in results] == [True] * 100 + [False] * 20
    assert [remaining for _, remaining, _ in results] == [*range(99, -1, -1), *[0] * 20]


def test_a_request_that_redis_refuses_uses_what_a_concurrent_one_has_leased() -> None:
    async def work() -> list[bool]:
        network = Network(SharedCounters())
        limiter = RedisRateLimiter(network, clock=lambda: 0.0)  # type: ignore[arg-type]
        requests = [asyncio.ensure_future(limiter("100/minute", "neo")) for _ in range(2)]
        await asyncio.sleep(0)
        first, second = network.messages
        first.step()
        await asyncio.sleep(0)
        network.redis.counters["limits:neo:100/60"].current = 100  # by other processes
        for message in (second, first, second):
            message.step()
            await asyncio.sleep(0)
        return [(await request)[0] for request in requests]

    assert asyncio.run(work()) == [True, True]


KEY = ("neo", 100, 60)


def reply(elapsed: int, current: int, granted: int, start: int = 1) -> Reply:
    return Reply(1, start, elapsed, current, previous=0, granted=granted)


def test_replies_that_overtake_each_other_lead_to_the_same_state() -> None:
    first, second = reply(1_000, current=6, granted=5), reply(2_000, current=11, granted=4)
    states = []
    for replies in ((first, second), (second, first)):
        leases = RequestLeases()
        for each in replies:
            leases.add(KEY, each, sent=100.0, now=100.001)
        lease = leases.usable(KEY, 100.002)
        assert lease
        states.append((lease.unused, lease.use(100, 60, 100.002).remaining))
    assert states == [(9, 97), (9, 97)]


def test_a_late_reply_of_an_earlier_window_grants_nothing() -> None:
    leases = RequestLeases()
    leases.add(KEY, reply(1_000, current=6, granted=5, start=60_000_001), sent=100.0, now=100.0)
    leases.add(KEY, reply(59_999_999, current=3, granted=2), sent=99.9, now=100.1)
    assert leases.usable(KEY, 100.1) is None
    assert {(each.window, each.unused) for _, each in leases.ended(100.1)} == {(60_000_001, 5), (1, 2)}


def test_a_lease_is_renewed_once_when_little_of_it_is_left_or_time_passes() -> None:
    for times, now in ((4, 100.0), (1, 100.6)):
        leases = RequestLeases()
        leases.add(KEY, reply(1_000, current=7, granted=6), sent=100.0, now=100.0)
        lease = leases.usable(KEY, now)
        assert lease
        due = []
        for _ in range(times + 1):
            lease.use(100, 60, now)
            due.append(lease.is_due(now))
        assert due == [False] * (times - 1) + [True, False]


Processes.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestProcesses = Processes.TestCase
