"""Threads for calls that hash passwords, which are slow on purpose: nobody else must wait for them."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from entrypoints.http.errors import ServerFull

ACCOUNT_CALLS = max(2, os.cpu_count() or 1) + 64
"""Calls that may hash, or wait until they can, some two seconds of work; the next one is refused at once."""

DELETIONS = 8
"""Deletions of accounts that may be under way at a time: each changes every movie that its user has rated,
and may take long, so they have threads that nobody else needs.
"""

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class BoundedThreads:
    """So many threads, each for one call at a time, its work in the store included.

    The hashing itself is done by fewer threads, which do nothing else (`ThreadedPasswordHasher`).
    """

    def __init__(self, name: str, most: int) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._places = BoundedSemaphore(most)

    async def __call__(self, work: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs) -> ResultT:
        """The result of the work. Raises ServerFull if all threads are taken."""
        if not self._places.acquire(blocking=False):
            raise ServerFull
        future = self._executor.submit(partial(work, *args, **kwargs))
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: "Future[ResultT]") -> None:
        """A thread is free when the work has ended, even if nobody waits for its result any more."""
        self._places.release()


def account_threads() -> BoundedThreads:
    """For all calls that hash, but deletions."""
    return BoundedThreads("accounts", ACCOUNT_CALLS)


def deletion_threads() -> BoundedThreads:
    """For deletions of accounts."""
    return BoundedThreads("deletions", DELETIONS)
