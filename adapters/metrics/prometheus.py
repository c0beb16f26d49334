"""Meter over Prometheus' client, and the text of /metrics."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from adapters.metering import Counted, Timed
from adapters.metrics.requests import RequestCounts
from adapters.metrics.shared import readable, shared_values
from adapters.metrics.slots import Slots
from adapters.metrics.timings import Timings

PREFIX = "matinee"

log = logging.getLogger("matinee.metrics")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histograms' buckets, in seconds."""


class Gauge(Protocol):
    """A current value to export. `labels` distinguish gauges of one name."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


class Memory(Protocol):
    """The memory of a process in bytes. `anonymous` is None where it is not known."""

    @property
    def resident(self) -> int: ...
    @property
    def anonymous(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Series:
    """All series. Created once in a process, with the first meter."""

    storage: Timings
    redis: Timings
    tmdb: Counter
    closed: Counter
    requests: RequestCounts


class PrometheusMeter:
    """Meter over Prometheus' client. The figures of processes that share a directory are added up."""

    def __init__(self, directory: Path | None, memory: Callable[[int], Memory | None]) -> None:
        """`memory` returns the memory of a process by its id, None if it is not known.

        If the directory cannot be used, the metrics are not shared.
        """
        self._slots = _slots_of(directory) if directory else None
        if directory:
            # The client itself would map a sparse file, see `shared`.
            values.ValueClass = values.MutexValue
        if self._slots:
            values.ValueClass = shared_values(self._slots.directory, self._slots.claim)
        series = _series()
        self._timed = {"storage": series.storage, "redis": series.redis}
        self._counted = {"tmdb": series.tmdb}
        self._closed = series.closed
        self._memory_of = memory
        self._requests = series.requests
        self.answered = series.requests.count

    media_type = CONTENT_TYPE_LATEST.encode()

    def timed(self, what: Timed, seconds: float) -> None:
        self._timed[what].observe(seconds)

    def publish(self) -> None:
        """Let other processes see what has been recorded."""
        self._requests.publish()
        for timings in self._timed.values():
            timings.publish()

    def counted(self, what: Counted, outcome: str, amount: int = 1) -> None:
        self._counted[what].labels(outcome).inc(amount)

    def connection_closed(self, reason: str) -> None:
        """Record that a connection was closed because of a limit or an error."""
        self._closed.labels(reason).inc()

    def page(self, gauges: Sequence[Gauge]) -> bytes:
        """All metrics of all processes, and these gauges, in Prometheus's text format."""
        self.publish()
        registry = CollectorRegistry()
        if self._slots:
            registry.register(_SharedFigures(self._slots.directory))
        else:
            registry.register(REGISTRY)
        registry.register(_Gauges(gauges, self._memory()))
        return generate_latest(registry)

    def _memory(self) -> list[GaugeMetricFamily]:
        resident = GaugeMetricFamily(
            f"{PREFIX}_process_memory_bytes", "Resident memory of a process.", labels=["slot"]
        )
        anonymous = GaugeMetricFamily(
            f"{PREFIX}_process_anonymous_memory_bytes",
            "Memory of a process that no file backs.",
            labels=["slot"],
        )
        for slot, process in self._slots.in_use() if self._slots else [(1, os.getpid())]:
            if memory := self._memory_of(process):
                resident.add_metric([str(slot)], memory.resident)
                if memory.anonymous is not None:
                    anonymous.add_metric([str(slot)], memory.anonymous)
        return [family for family in (resident, anonymous) if family.samples]


class _SharedFigures:
    """A collector of the figures of all processes that share a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        merged: Iterable[Metric] = MultiProcessCollector.merge(list(readable(self._directory)))  # type: ignore[no-untyped-call]
        return merged


def _slots_of(directory: Path) -> Slots | None:
    """The slots of a directory; None if it cannot be used."""
    try:
        return Slots(directory)
    except OSError as error:
        log.warning("Metrics are not shared between processes: %s", error)
        return None


class _Gauges:
    """A collector of gauges, for the registry of one page."""

    def __init__(self, gauges: Iterable[Gauge], memory: Sequence[GaugeMetricFamily]) -> None:
        self._gauges = gauges
        self._memory = memory

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges:
            family = families.setdefault(
                gauge.name,
                GaugeMetricFamily(f"{PREFIX}_{gauge.name}", gauge.description, labels=list(gauge.labels)),
            )
            family.add_metric(list(gauge.labels.values()), gauge.value)
        yield from families.values()
        yield from self._memory


@cache
def _series() -> Series:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they would add a line to each series
    requests = RequestCounts(
        Histogram(
            f"{PREFIX}_request_duration_seconds",
            "Request duration, in seconds",
            ["method", "path", "status_code", "app_name"],
            buckets=BUCKETS,
        ),
        Counter(f"{PREFIX}_cache_lookups", "Cache lookups by outcome: hit or miss.", ["outcome"]),
        BUCKETS,
        PREFIX,
    )
    storage = _timings("storage_seconds", "Duration of one use of the store, in seconds.")
    redis = _timings("redis_seconds", "Duration of a round trip to Redis, in seconds.")
    for each in (requests, storage, redis):
        os.register_at_fork(after_in_child=each.forget)
    return Series(
        storage=storage,
        redis=redis,
        tmdb=Counter(f"{PREFIX}_tmdb_requests", "Requests to TMDB by outcome.", ["outcome"]),
        closed=Counter(
            f"{PREFIX}_connections_closed", "Connections closed by a limit or an error.", ["reason"]
        ),
        requests=requests,
    )


def _timings(name: str, description: str) -> Timings:
    return Timings(Histogram(f"{PREFIX}_{name}", description, buckets=BUCKETS), BUCKETS)
