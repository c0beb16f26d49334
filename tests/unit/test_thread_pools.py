"""The thread pool of requests."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from adapters.metering import pool_thread, queue_time
from entrypoints.http.exceptions import ServerFull
from entrypoints.http.thread_pools import RequestThreadPool, SourceThreads

LONG = 30.0


def in_event_loop(test: Callable[[], None]) -> Callable[[], None]:
    async def run() -> None:
        test()

    return lambda: asyncio.run(run())


class Blocked:
    """Calls that run until they are let go."""

    def __init__(self) -> None:
        self.begun = [Event() for _ in range(4)]
        self.over = Event()

    def __call__(self, number: int = 0) -> bool:
        self.begun[number].set()
        return self.over.wait(LONG)


@in_event_loop
def test_a_call_in_a_thread_returns_its_result() -> None:
    with RequestThreadPool(threads=1) as threads:
        assert threads.submit(divmod, 7, 2).result() == (3, 1)


@in_event_loop
def test_a_call_in_a_thread_raises_its_error() -> None:
    with RequestThreadPool(threads=1) as threads, pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result()


@in_event_loop
def test_each_request_has_its_own_waiting_time() -> None:
    work = Blocked()
    with RequestThreadPool(threads=1, timeout=LONG) as threads:
        threads.submit(work)
        assert work.begun[0].wait(LONG)
        waiting = threads.submit(lambda: queue_time.seconds)
        work.over.set()
        assert waiting.result() > 0
        left = ThreadPoolExecutor.submit(threads, lambda: queue_time.seconds)  # in the same thread
        assert left.result() == 0


@in_event_loop
def test_a_request_that_waits_too_long_for_a_thread_is_refused() -> None:
    work = Blocked()
    done: list[str] = []

    with RequestThreadPool(threads=1, timeout=LONG) as threads:
        busy = threads.submit(work)
        assert work.begun[0].wait(LONG)
        threads._timeout = 0  # any wait is too long from now on
        late = threads.submit(done.append, "late")
        work.over.set()
        with pytest.raises(ServerFull):
            late.result()
        assert busy.result()
    assert done == []


@in_event_loop
def test_a_request_that_is_cancelled_while_it_waits_is_not_run() -> None:
    work = Blocked()
    done: list[str] = []

    with RequestThreadPool(threads=1, timeout=LONG) as threads:
        threads.submit(work)
        cancelled, last = threads.submit(done.append, "cancelled"), threads.submit(done.append, "last")
        assert cancelled.cancel()
        work.over.set()
        last.result()
    assert done == ["last"]


@in_event_loop
def test_few_calls_run_at_a_time_while_all_are_short() -> None:
    work = Blocked()
    with RequestThreadPool(threads=4, timeout=LONG, active=2, short=LONG) as threads:
        calls = [threads.submit(work, number) for number in range(4)]
        assert all(begun.wait(LONG) for begun in work.begun[:2])
        assert len(threads._running) == 2
        work.over.set()
        assert all(call.result() for call in calls)
    assert not threads._running


def test_a_call_that_is_not_short_lets_another_one_run_until_all_threads_are_in_use() -> None:
    work = Blocked()

    async def run() -> None:
        with RequestThreadPool(threads=3, timeout=LONG, active=1, short=0.001) as threads:
            calls: list[Future[bool]] = [threads.submit(work, number) for number in range(4)]
            for begun in work.begun[:3]:
                await asyncio.to_thread(begun.wait, LONG)
            assert all(begun.is_set() for begun in work.begun[:3])
            assert len(threads._running) == 3
            work.over.set()
            for call in calls:
                assert await asyncio.wrap_future(call)

    asyncio.run(run())


@in_event_loop
def test_a_call_that_waits_for_others_lets_another_one_run_until_all_threads_are_in_use() -> None:
    work = Blocked()

    def wait(number: int) -> bool:
        with pool_thread.waiting():
            return work(number)

    with RequestThreadPool(threads=3, timeout=LONG, active=1, short=LONG) as threads:
        calls = [threads.submit(wait, number) for number in range(4)]
        assert all(begun.wait(LONG) for begun in work.begun[:3])
        assert len(threads._running) == 3
        work.over.set()
        assert all(call.result() for call in calls)
        with pool_thread.waiting():
            pass  # a thread of no pool


@in_event_loop
def test_a_call_that_no_longer_waits_counts_again() -> None:
    work = Blocked()

    def wait() -> bool:
        with pool_thread.waiting():
            pass
        return work(0)

    with RequestThreadPool(threads=3, timeout=LONG, active=1, short=LONG) as threads:
        first = threads.submit(wait)
        assert work.begun[0].wait(LONG)
        second = threads.submit(work, 1)
        assert len(threads._running) == 1
        work.over.set()
        assert first.result()
        assert second.result()


def test_calls_with_the_same_key_share_one_thread_and_its_result_or_error() -> None:
    calls: list[int] = []

    async def run() -> None:
        work, threads = Blocked(), SourceThreads(threads=1)

        def fail() -> None:
            calls.append(1)
            work()
            raise ZeroDivisionError

        waiting = [asyncio.create_task(threads.shared("603", fail)) for _ in range(3)]
        assert await asyncio.to_thread(work.begun[0].wait, LONG)
        waiting[0].cancel()  # whoever came first leaves
        with pytest.raises(ServerFull):
            await threads.shared("604", fail)
        work.over.set()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError, ZeroDivisionError, ZeroDivisionError]
        assert await threads.shared("603", divmod, 7, 2) == (3, 1)

    asyncio.run(run())
    assert calls == [1]
