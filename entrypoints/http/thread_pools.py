"""Bounded thread pools. Requests that find no free thread are refused instead of waiting without end."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from adapters.metering import pool_thread, queue_time
from entrypoints.http.exceptions import ServerFull

REQUEST_THREADS = 32
"""Requests that use the store at a time; others wait for a thread."""

ACTIVE_THREADS = 2
"""Of these, calls that run at a time while all are short."""

SHORT_CALL = 0.02
"""Seconds for which a call counts as short."""

QUEUE_TIMEOUT = 1.0
"""Seconds to wait for a thread. The store deducts this time from the timeout of its own calls."""

PASSWORD_THREADS = max(2, os.cpu_count() or 1) + 64
"""Requests that hash a password, or wait to do so, at a time: some two seconds of work."""

DELETION_THREADS = 8
"""Deletions of accounts at a time. Each updates every movie that the user has rated, which may take long."""

SOURCE_THREADS = 32
"""Requests that wait for TMDB at a time. Those for the same film share a thread."""

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


@dataclass(eq=False, slots=True)
class _Work:
    """A call that waits for a thread since `submitted`, or runs since `began`.

    `waits` is whether it waits for other calls at present.
    """

    call: Callable[[], Any]
    future: "Future[Any]"
    submitted: float
    began: float = 0.0
    waits: bool = False

    def run(self, timeout: float) -> None:
        """Call, unless it has waited too long or was cancelled."""
        if not self.future.set_running_or_notify_cancel():
            return
        waited = self.began - self.submitted
        if waited > timeout:
            self.future.set_exception(ServerFull())
            return
        queue_time.seconds = waited
        try:
            result = self.call()
        except BaseException as error:  # noqa: BLE001  it is raised where the result is awaited
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
        finally:
            queue_time.seconds = 0.0


class RequestThreadPool(ThreadPoolExecutor):
    """A thread pool whose queue has a time limit, and in which few calls run at a time while all are short.

    Many threads that run Python at a time cost several times as much as few, because they take the
    interpreter's lock from each other at every query. A call that is not short waits for the store, and lets
    another one run beside it, until all threads are in use; so does one that says that it waits for others.

    If the store does not respond, all threads wait for it while more requests arrive. Requests that have
    waited too long are refused as soon as a thread is free, so that delays do not add up.
    """

    def __init__(
        self,
        threads: int = REQUEST_THREADS,
        timeout: float = QUEUE_TIMEOUT,
        *,
        active: int = ACTIVE_THREADS,
        short: float = SHORT_CALL,
    ) -> None:
        super().__init__(threads, thread_name_prefix="request")
        self._timeout = timeout
        self._active = active
        self._short = short
        self._guard = Lock()
        self._waiting: deque[_Work] = deque()
        self._running: set[_Work] = set()
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, fn: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> "Future[ResultT]":
        """Run a function in a thread; to be called in an event loop.

        The future raises ServerFull if no thread was free in time.
        """
        future: Future[ResultT] = Future()
        self._waiting.append(_Work(partial(fn, *args, **kwargs), future, monotonic()))
        self._start()
        return future

    def _start(self) -> None:
        """Start the calls that may run. If others wait, look again when those that run are short no more."""
        while work := self._next():
            super().submit(self._run, work)
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._short, self._start_again)

    def _start_again(self) -> None:
        self._timer = None
        self._start()

    def _next(self, done: _Work | None = None) -> _Work | None:
        """The next call that may run, after another was done."""
        with self._guard:
            if done:
                self._running.discard(done)
            now = monotonic()
            short = sum(not work.waits and now - work.began < self._short for work in self._running)
            if not self._waiting or short >= self._active or len(self._running) >= self._max_workers:
                return None
            work = self._waiting.popleft()
            work.began = now
            self._running.add(work)
            return work

    def _run(self, work: _Work) -> None:
        """Run a call, and others that wait."""
        following: _Work | None = work
        while following:
            pool_thread.waiting = partial(self._letting_others_run, following)
            following.run(self._timeout)
            following = self._next(following)
        pool_thread.waiting = nullcontext

    @contextmanager
    def _letting_others_run(self, work: _Work) -> Iterator[None]:
        """A context in which a call waits for others, and counts as one that is not short."""
        work.waits = True
        while other := self._next():
            super().submit(self._run, other)
        try:
            yield
        finally:
            work.waits = False


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


class SourceThreads(BoundedThreadPool):
    """Threads for requests that wait for TMDB, so that a slow one delays no others."""

    def __init__(self, threads: int = SOURCE_THREADS) -> None:
        super().__init__("source", threads)
        self._shared: dict[Hashable, asyncio.Task[Any]] = {}

    async def shared(
        self, key: Hashable, work: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs
    ) -> ResultT:
        """Return the result of the work, or raise its error. Of all calls with the same key at a time, one
        does it, in one thread, also if its own caller leaves. Raises ServerFull.
        """
        task: asyncio.Task[ResultT] | None = self._shared.get(key)
        if task is None:
            task = self._shared[key] = asyncio.create_task(self(work, *args, **kwargs))
            task.add_done_callback(partial(self._forget, key))
        return await asyncio.shield(task)

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._shared[key]
        if not task.cancelled():
            task.exception()  # nobody may be left to see it


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
