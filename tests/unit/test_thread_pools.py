"""The thread pool of requests."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from adapters.metering import queue_time
from entrypoints.http.exceptions import ServerFull
from entrypoints.http.thread_pools import RequestThreadPool


def test_a_call_in_a_thread_returns_its_result() -> None:
    with RequestThreadPool(threads=1) as threads:
        assert threads.submit(divmod, 7, 2).result() == (3, 1)


def test_each_request_has_its_own_waiting_time() -> None:
    begun, over = Event(), Event()

    def work() -> float:
        begun.set()
        over.wait(30)
        return queue_time.seconds

    with RequestThreadPool(threads=1, timeout=30) as threads:
        threads.submit(work)
        assert begun.wait(30)
        waiting = threads.submit(lambda: queue_time.seconds)
        over.set()
        assert waiting.result() > 0
        left = ThreadPoolExecutor.submit(threads, lambda: queue_time.seconds)  # in the same thread
        assert left.result() == 0


def test_a_request_that_waits_too_long_for_a_thread_is_refused() -> None:
    begun, over = Event(), Event()
    done: list[str] = []

    def work() -> bool:
        begun.set()
        return over.wait(30)

    with RequestThreadPool(threads=1, timeout=30) as threads:
        busy = threads.submit(work)
        assert begun.wait(30)
        threads._timeout = 0  # any wait is too long from now on
        late = threads.submit(done.append, "late")
        over.set()
        with pytest.raises(ServerFull):
            late.result()
        assert busy.result()
    assert done == []
