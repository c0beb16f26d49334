"""Durations that are collected in a list, and added to a histogram of Prometheus' client many at a time.

To observe one value in the client's histogram costs some 30 microseconds, a request does so several times.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from threading import Lock
from time import monotonic

from prometheus_client import Histogram

INTERVAL = 0.1
"""Seconds for which durations wait at least; the next one then adds them all."""


class Timings:
    """The durations of one histogram without labels, which has these upper bounds of its buckets.

    It may be used in any thread.
    """

    def __init__(self, histogram: Histogram, buckets: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = tuple(buckets)
        self._waiting: deque[float] = deque()
        self._lock = Lock()
        self._published_at = 0.0

    def observe(self, seconds: float) -> None:
        """Record a duration."""
        self._waiting.append(seconds)
        if monotonic() - self._published_at > INTERVAL:
            self.publish()

    def publish(self) -> None:
        """Add to the client's histogram what has been recorded since the last time."""
        with self._lock:
            self._published_at = monotonic()
            durations = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for index, count in Counter(bisect_left(self._bounds, each) for each in durations).items():
                self._histogram._buckets[index].inc(count)  # noqa: SLF001  `observe` takes one at a time
            if durations:
                self._histogram._sum.inc(sum(durations))  # noqa: SLF001

    def forget(self) -> None:
        """Start again, as a forked process must: its parent publishes what was recorded before."""
        self._waiting, self._lock = deque(), Lock()
