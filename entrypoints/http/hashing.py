"""Calls that hash passwords, kept to threads of their own: they are slow on purpose, and nobody else must
wait for them.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from entrypoints.http.errors import ServerFull

THREADS = max(2, os.cpu_count() or 1)
"""More would only share the same cores."""

MOST_WAITING = 64
"""Calls that may wait for a thread, two seconds of work or so; the next one is refused at once."""

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class Hashing:
    """Runs work in a few threads, for as many as can be served soon."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        self._places = BoundedSemaphore(threads + most_waiting)

    async def __call__(self, work: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs) -> ResultT:
        """The result of the work. Raises ServerFull."""
        if not self._places.acquire(blocking=False):
            raise ServerFull
        future = self._executor.submit(partial(work, *args, **kwargs))
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: "Future[ResultT]") -> None:
        """A place is free when the work has ended, even if nobody waits for its result any more."""
        self._places.release()
