"""Bounded thread pools. Requests that find no free thread are refused instead of waiting without end."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from time import monotonic
from typing import ParamSpec, TypeVar

from adapters.metering import queue_time
from entrypoints.http.exceptions import ServerFull

REQUEST_THREADS = 32
"""Requests that use the store at a time; others wait for a thread."""

QUEUE_TIMEOUT = 1.0
"""Seconds to wait for a thread. The store deducts this time from the timeout of its own calls."""

PASSWORD_THREADS = max(2, os.cpu_count() or 1) + 64
"""Requests that hash a password, or wait to do so, at a time: some two seconds of work."""

DELETION_THREADS = 8
"""Deletions of accounts at a time. Each updates every movie that the user has rated, which may take long."""

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class RequestThreadPool(ThreadPoolExecutor):
    """A thread pool whose queue has a time limit.

    If the store does not respond, all threads wait for it while more requests arrive. Requests that have
    waited too long are refused as soon as a thread is free, so that delays do not add up.
    """

    def __init__(self, threads: int = REQUEST_THREADS, timeout: float = QUEUE_TIMEOUT) -> None:
        super().__init__(threads, thread_name_prefix="request")
        self._timeout = timeout

    def submit(self, fn: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> "Future[ResultT]":
        """Run a function in a thread. The future raises ServerFull if none was free in time."""
        return super().submit(self._run, monotonic(), partial(fn, *args, **kwargs))

    def _run(self, submitted: float, work: Callable[[], ResultT]) -> ResultT:
        waited = monotonic() - submitted
        if waited > self._timeout:
            raise ServerFull
        queue_time.seconds = waited
        try:
            return work()
        finally:
            queue_time.seconds = 0.0


class BoundedThreadPool:
    """A thread pool without a queue: a call that finds no free thread is refused."""

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = BoundedSemaphore(threads)

    async def __call__(self, work: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs) -> ResultT:
        """Return the result of the work. Raises ServerFull if all threads are busy."""
        if not self._free.acquire(blocking=False):
            raise ServerFull
        future = self._executor.submit(partial(work, *args, **kwargs))
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _release(self, _: "Future[ResultT]") -> None:
        """Free the thread when the work has ended, even if the caller has given up."""
        self._free.release()


class PasswordThreads(BoundedThreadPool):
    """Threads for requests that hash passwords, which takes long on purpose.

    Hashing itself is done by fewer threads (`ThreadedPasswordHasher`), one for each processor.
    """

    def __init__(self) -> None:
        super().__init__("accounts", PASSWORD_THREADS)


class DeletionThreads(BoundedThreadPool):
    """Threads for deletions of accounts, so that a slow one does not delay logins."""

    def __init__(self) -> None:
        super().__init__("deletions", DELETION_THREADS)
