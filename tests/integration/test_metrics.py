"""Metrics as Prometheus reads them: of one process, and of several that share a directory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics.prometheus import BUCKETS
from adapters.metrics.requests import RequestCounts
from adapters.metrics.slots import Slots
from adapters.metrics.timings import Timings
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, noon
from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.source import TmdbMovieSource
from application import probes
from domain.errors import StorageUnavailable
from domain.sync import SourceRefused, SourceUnavailable
from entrypoints.container import CleanupStack, open_meter
from entrypoints.http.access_log import METHODS
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import Client, register_user, serving, serving_with_store
from tests.tmdb_simulator import Fault, TmdbSimulator

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(page: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def figure(page: str, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    wanted = set(labels.items())
    # All tests of a process count in one registry: to parse the whole page would take seconds.
    lines = "".join(line for line in page.splitlines(keepends=True) if line.startswith(name))
    return sum(value for (each, had), value in samples(lines).items() if each == name and wanted <= set(had))


@pytest.fixture
def client() -> Iterator[Client]:
    with serving() as client:
        yield client


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/metrics"])
def test_metrics_are_public_at_both_paths(path: str) -> None:
    with serving(public_catalogue="false") as client:
        answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    assert figure(answer.text, "matinee_storage_up") == 1
    assert figure(answer.text, "matinee_sync_age_seconds", entity="movies") == 86400
    resident = figure(answer.text, "matinee_process_memory_bytes")
    assert resident > figure(answer.text, "matinee_process_anonymous_memory_bytes") > 10_000_000


def test_a_request_is_counted_by_its_route_and_never_by_its_path(client: Client) -> None:
    def seen(**labels: str) -> float:
        name = "matinee_request_duration_seconds_count"
        return figure(client.get("/metrics").text, name, **labels)

    route = {"path": "/api/v1/movies/{id}", "status_code": "200", "method": "GET"}
    before, unknown = seen(**route), seen(path="none")
    for number in (1, 2, 3):
        client.get(f"/api/v1/movies/{number}")
        client.request(f"ODD{number}", f"/api/v1/no/such/{number}")

    assert seen(**route) - before == 3
    assert seen(path="none") - unknown == 3
    page = client.get("/metrics").text
    assert "such" not in page
    assert {dict(had)["method"] for (_, had) in samples(page) if "method" in dict(had)} <= METHODS | {"other"}


def test_requests_refused_by_the_middleware_are_counted(client: Client) -> None:
    client.post("/api/v1/auth/login", content=b" " * 100_000)

    name = "matinee_request_duration_seconds_count"
    assert figure(client.get("/metrics").text, name, status_code="413") >= 1


def test_each_operation_of_the_store_is_timed_once() -> None:
    def uses() -> float:
        return figure(meter.page([]).decode(), "matinee_storage_seconds_count")

    meter = open_meter(CleanupStack())
    store = SqliteStore(path=None, clock=noon, meter=meter)
    store.prepare()
    before = uses()
    add_user(store)
    store.users.count()
    store.close()

    assert uses() - before == 2


def test_cache_lookups_are_counted_as_hits_and_misses(valkey: Valkey) -> None:
    def looks(client: Client) -> tuple[float, float]:
        page = client.get("/metrics").text
        name = "matinee_cache_lookups_total"
        return figure(page, name, outcome="hit"), figure(page, name, outcome="miss")

    with serving_with_store(redis=valkey.url) as (client, _):
        neo = register_user(client)
        hits, misses = looks(client)
        for _ in range(3):
            neo("GET", "/movies")
        assert looks(client) == (hits + 2, misses + 1)


def test_users_with_several_sessions_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "GAUGES_TTL", 0.0)
    with serving_with_store() as (client, _):
        assert figure(client.get("/metrics").text, "matinee_active_users") == 0
        for name in ("neo", "trinity"):
            register_user(client, name)
            client.post(
                "/api/v1/auth/login",
                json={"email": f"{name}@example.com", "password": "follow the white rabbit"},
            )
        assert figure(client.get("/metrics").text, "matinee_active_users") == 2


def test_not_every_scrape_reads_the_store_and_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_with_store() as (client, store):
        client.get("/metrics")

        def fail(*_: object, **__: object) -> None:
            raise AssertionError

        monkeypatch.setattr(type(store.runs), "latest", fail)
        answer = client.get("/api/v1/metrics")

    assert figure(answer.text, "matinee_storage_up") == 1
    assert "matinee_active_users" in answer.text


def test_metrics_are_available_without_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_with_store() as (client, store):

        def away(*_: object, **__: object) -> None:
            raise StorageUnavailable("frozen")

        monkeypatch.setattr(type(store.runs), "latest", away)
        answer = client.get("/metrics")

    assert answer.status_code == 200
    assert figure(answer.text, "matinee_storage_up") == 0
    assert "matinee_active_users" not in answer.text


def test_requests_to_tmdb_are_counted_by_outcome() -> None:
    meter = open_meter(CleanupStack())

    def counted() -> dict[str, float]:
        page = samples(meter.page([]).decode())
        return {
            dict(had)["outcome"]: value
            for (name, had), value in page.items()
            if name == "matinee_tmdb_requests_total"
        }

    faults = {
        "limited": Fault("too_many"),
        "server_error": Fault("server_error", status=503),
        "not_found": Fault("answer", status=404, body={}),
        "connection_error": Fault("reset"),
        "unusable": Fault("html"),
        "refused": Fault("answer", status=401, body={"status_code": 7}),
        "other_status": Fault("firewall", status=401),
    }
    before = counted()
    with TmdbSimulator() as tmdb:
        source = TmdbMovieSource(
            access_token="t", api_key=None, budget=RequestPacer(1000), base_url=tmdb.url, meter=meter
        )
        source.ping()
        for fault in faults.values():
            tmdb.set_faults(fault)
            with pytest.raises((SourceUnavailable, SourceRefused)):
                source.ping()
        source.close()
    after = counted()

    counts = {name: after[name] - before.get(name, 0) for name in after}
    assert counts == dict.fromkeys([*faults, "ok"], 1) | {
        "not_found": 2
    }  # after a 404, another path is tried


COUNTER = """
import os, sys
from entrypoints.container import CleanupStack, open_meter

meter = open_meter(CleanupStack())
meter.counted("tmdb", "ok", int(sys.argv[1]))
meter.timed("storage", 0.02)
meter.answered("GET", "/api/v1/movies", 200, 0.001)
meter.publish()
if sys.argv[2] == "fork":
    child = os.fork()
    if child == 0:
        meter.counted("tmdb", "ok", 1000)
        os._exit(0)
    os.waitpid(child, 0)
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[2] == "page":
    print(meter.page([]).decode())
"""


class Counting:
    """A process that counts, and waits for a signal to continue."""

    def __init__(self, directory: Path, amount: int, mode: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTER, str(amount), mode],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def finish(self) -> str:
        output, _ = self.process.communicate("\n", timeout=30)
        assert self.process.returncode == 0
        return output

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_the_metrics_of_processes_that_share_a_directory_are_added(tmp_path: Path) -> None:
    one, two = Counting(tmp_path, 3, "fork"), Counting(tmp_path, 5, "page")
    page = two.finish()

    assert figure(page, "matinee_tmdb_requests_total", outcome="ok") == 1008
    assert figure(page, "matinee_storage_seconds_count") == 2
    assert figure(page, "matinee_request_duration_seconds_count", path="/api/v1/movies") == 2
    assert len([name for name, _ in samples(page) if name == "matinee_process_memory_bytes"]) == 2
    one.finish()


def test_the_counts_of_ended_processes_stay_and_their_files_are_reused(tmp_path: Path) -> None:
    for amount in (1, 2, 4):
        Counting(tmp_path, amount, "fork").kill()
    page = Counting(tmp_path, 8, "page").finish()

    assert figure(page, "matinee_tmdb_requests_total", outcome="ok") == 3015
    assert len([name for name, _ in samples(page) if name == "matinee_process_memory_bytes"]) == 1
    assert sorted(each.name for each in tmp_path.glob("*.slot")) == ["1.slot", "2.slot"]
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


@pytest.mark.parametrize(
    "module", ["adapters.metrics.prometheus", "entrypoints.cli.users", "entrypoints.processes.jobs"]
)
def test_commands_and_jobs_do_not_import_the_web_framework(module: str) -> None:
    code = f"import sys, {module}; print('litestar' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "False\n"


def test_the_series_of_requests_keeps_its_name_labels_and_buckets() -> None:
    meter = open_meter(CleanupStack())
    meter.answered("GET", "/api/v1/movies/{id}", 200, 0.003)

    found = {
        dict(labels)["le"]
        for name, labels in samples(meter.page([]).decode())
        if name == "matinee_request_duration_seconds_bucket"
        and {("method", "GET"), ("path", "/api/v1/movies/{id}"), ("status_code", "200")} <= set(labels)
        and dict(labels).keys() == {"method", "path", "status_code", "app_name", "le"}
    }
    assert sorted(map(float, found)) == [*BUCKETS, float("inf")]


@given(
    st.lists(
        st.tuples(st.sampled_from([*BUCKETS, 0.0, 0.0001, 0.003, 0.7, 11.0]), st.booleans()), max_size=30
    )
)
def test_requests_that_are_counted_and_published_later_equal_observed_ones(
    requests: list[tuple[float, bool]],
) -> None:
    def series(registry: CollectorRegistry) -> tuple[Histogram, Counter, Histogram]:
        labels = ["method", "path", "status_code", "app_name"]
        return (
            Histogram("seconds", "", labels, buckets=BUCKETS, registry=registry),
            Counter("lookups", "", ["outcome"], registry=registry),
            Histogram("store", "", buckets=BUCKETS, registry=registry),
        )

    later, at_once = CollectorRegistry(), CollectorRegistry()
    counted, counted_lookups, timed = series(later)
    counts, timings = RequestCounts(counted, counted_lookups, BUCKETS, "matinee"), Timings(timed, BUCKETS)
    histogram, lookups, store = series(at_once)
    for number, (seconds, is_published) in enumerate(requests):
        cache, status = [(None, 200), ("HIT", 200), ("MISS", 404)][number % 3]
        counts.count("GET", "/a", status, seconds, cache)
        histogram.labels("GET", "/a", status, "matinee").observe(seconds)
        timings.observe(seconds)
        store.observe(seconds)
        if cache:
            lookups.labels(cache.lower()).inc()
        if is_published:
            counts.publish()
            timings.publish()
    for _ in range(2):
        counts.publish()
        timings.publish()

    found, expected = (samples(generate_latest(each).decode()) for each in (later, at_once))
    assert {key: pytest.approx(value) for key, value in found.items()} == expected


def test_metrics_are_published_when_the_container_is_closed() -> None:
    def published() -> float:
        return REGISTRY.get_sample_value("matinee_storage_seconds_count") or 0.0

    cleanup = CleanupStack()
    meter = open_meter(cleanup)
    meter.publish()
    before = published()
    meter.timed("storage", 0.001)
    cleanup.close()
    assert published() == before + 1


UNPUBLISHED = """
import os
from entrypoints.container import CleanupStack, open_meter

meter = open_meter(CleanupStack())
meter.publish()
meter.answered("GET", "/a", 200, 0.001)
meter.timed("storage", 0.001)
child = os.fork()
meter.answered("GET", "/b", 200, 0.001)
meter.timed("redis", 0.001)
meter.publish()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(meter.page([]).decode())
"""


def test_a_forked_process_does_not_publish_what_its_parent_has_counted(tmp_path: Path) -> None:
    page = subprocess.run(
        [sys.executable, "-c", UNPUBLISHED],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    name = "matinee_request_duration_seconds_count"
    assert (figure(page, name, path="/a"), figure(page, name, path="/b")) == (1, 2)
    assert (figure(page, "matinee_storage_seconds_count"), figure(page, "matinee_redis_seconds_count")) == (
        1,
        2,
    )


def test_a_slot_belongs_to_one_process_and_is_listed_while_in_use(tmp_path: Path) -> None:
    one, two = Slots(tmp_path / "metrics"), Slots(tmp_path / "metrics")

    assert (one.claim(), two.claim(), one.claim()) == (1, 2, 1)
    assert list(one.in_use()) == [(1, os.getpid()), (2, os.getpid())]
    one.release()
    assert list(two.in_use()) == [(2, os.getpid())]
    two.release()
