"""Counts of requests as plain integers, which are added to the series of Prometheus' client later.

To observe a value in the client's histogram costs some 30 microseconds, a whole cached response 40.
"""

from bisect import bisect_left
from collections.abc import Sequence
from threading import Lock

from prometheus_client import Counter, Histogram


class RequestCounts:
    """Counts requests by method, route, status and use of the cache.

    `count` is to be used in one thread, `publish` in any.
    """

    def __init__(self, histogram: Histogram, cache: Counter, buckets: Sequence[float], app_name: str) -> None:
        """`histogram` has the labels method, path, status code and name of the application, and these upper
        bounds of its buckets; `cache` has the label outcome.
        """
        self._histogram = histogram
        self._cache = cache
        self._bounds = tuple(buckets)
        self._app_name = app_name
        self._series: dict[tuple[str, str, int, str | None], _Series] = {}
        self._lock = Lock()

    def count(self, method: str, route: str, status: int, seconds: float, cache: str | None = None) -> None:
        """Count a request."""
        series = self._series.get((method, route, status, cache))
        if series is None:
            series = self._add(method, route, status, cache)
        series.buckets[bisect_left(self._bounds, seconds)] += 1
        series.seconds += seconds

    def publish(self) -> None:
        """Add to the client's series what has been counted since the last time."""
        with self._lock:
            for series in list(self._series.values()):
                series.publish()

    def forget(self) -> None:
        """Start again from 0, as a forked process must: its parent publishes what was counted before."""
        self._series = {}
        self._lock = Lock()

    def _add(self, method: str, route: str, status: int, cache: str | None) -> "_Series":
        histogram = self._histogram.labels(method, route, status, self._app_name)
        lookups = self._cache.labels(cache.lower()) if cache else None
        series = _Series(len(self._bounds) + 1, histogram, lookups)
        self._series[method, route, status, cache] = series
        return series


class _Series:
    """The counts of equal requests, and how much of them is published.

    Counts only grow, so they can be read while another thread counts.
    """

    __slots__ = ("_histogram", "_lookups", "_published", "_published_seconds", "buckets", "seconds")

    def __init__(self, buckets: int, histogram: Histogram, lookups: Counter | None) -> None:
        self.buckets = [0] * buckets
        self.seconds = 0.0
        self._published = [0] * buckets
        self._published_seconds = 0.0
        self._histogram = histogram
        self._lookups = lookups

    def publish(self) -> None:
        """Add what is not published yet. The caller holds the lock."""
        buckets, seconds = self.buckets[:], self.seconds
        if buckets == self._published:
            return
        histogram = self._histogram
        for index, (count, published) in enumerate(zip(buckets, self._published, strict=True)):
            if count > published:
                histogram._buckets[index].inc(count - published)  # noqa: SLF001  `observe` takes one at a time
        histogram._sum.inc(seconds - self._published_seconds)  # noqa: SLF001
        if self._lookups is not None:
            self._lookups.inc(sum(buckets) - sum(self._published))
        self._published, self._published_seconds = buckets, seconds
