"""The threads in which handlers wait for the store."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import ParamSpec, TypeVar

from domain.ports import queue_time
from entrypoints.http.errors import ServerFull

THREADS = 32
"""Requests that may wait for the store at a time; the others wait for a thread."""

PATIENCE = 1.0
"""Seconds to wait for a thread. A store takes them off what its own calls may take."""

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class PatientThreads(ThreadPoolExecutor):
    """A few threads, and a queue in which nobody stands for long.

    When the store is silent, all threads wait for it, and more requests come than it lets go. Those that have
    waited too long are refused as soon as a thread is free, instead of adding their own wait to everybody's.
    """

    def __init__(self, threads: int = THREADS, patience: float = PATIENCE) -> None:
        super().__init__(threads, thread_name_prefix="request")
        self._patience = patience

    def submit(self, fn: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> "Future[ResultT]":
        """Run work in a thread; the future holds ServerFull if none was free in time."""
        return super().submit(self._in_time, monotonic(), partial(fn, *args, **kwargs))

    def _in_time(self, submitted: float, work: Callable[[], ResultT]) -> ResultT:
        waited = monotonic() - submitted
        if waited > self._patience:
            raise ServerFull
        queue_time.seconds = waited
        try:
            return work()
        finally:
            queue_time.seconds = 0.0
