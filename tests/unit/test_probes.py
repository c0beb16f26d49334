"""Cached probes of remote services, and gauges."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from threading import Event, Thread
from time import sleep

import pytest

from adapters.metering import UNMETERED
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_session, add_user, new_run, noon
from application import probes
from application.operations import CheckHealth, Condition, Part
from application.probes import CachedGauges, CachedProbe, CollectGauges, Gauge, ProbeFailed, ProbeResult
from domain.errors import StorageUnavailable, Unavailable
from domain.sync import Entity, SourceRefused, SourceUnavailable
from tests.stores import store_in_memory


class Remote:
    """A remote service whose responses a test controls."""

    def __init__(self) -> None:
        self.calls = 0
        self.problem: Exception | None = None
        self.answers = Event()
        self.answers.set()
        self.now = 100.0
        self.takes = 0.0

    def __call__(self) -> None:
        self.calls += 1
        assert self.answers.wait(10)
        self.now += self.takes
        if self.problem:
            raise self.problem

    def clock(self) -> float:
        return self.now


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote()
    yield remote
    remote.answers.set()


@pytest.fixture
def probe(remote: Remote) -> CachedProbe:
    return CachedProbe(remote, stopwatch=remote.clock)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(noon)
    yield store
    store.close()


def test_a_success_is_cached_for_ten_seconds(remote: Remote, probe: CachedProbe) -> None:
    assert [probe().problem for _ in range(5)] == [None] * 5
    remote.now += 9.9
    assert probe().problem is None
    assert remote.calls == 1

    remote.now = 110.0
    assert probe().problem is None
    assert remote.calls == 2


def test_a_failure_is_cached_for_two_seconds(remote: Remote, probe: CachedProbe) -> None:
    remote.problem = SourceUnavailable("gone")
    assert probe().problem is remote.problem
    remote.problem = None
    remote.now += 1.9
    assert probe().problem is not None

    remote.now = 102.0
    assert probe().problem is None


@pytest.mark.parametrize("problem", [None, SourceUnavailable("gone"), ZeroDivisionError("a bug")])
def test_a_result_has_the_duration_of_the_probe(
    remote: Remote, probe: CachedProbe, problem: Exception | None
) -> None:
    remote.problem, remote.takes = problem, 0.25
    assert probe().seconds == 0.25


def test_a_result_that_is_read_late_expires_no_later(remote: Remote, probe: CachedProbe) -> None:
    probe.refresh()
    probe._thread.submit(lambda: None).result()  # it has responded
    remote.now += 10
    remote.problem = SourceUnavailable("gone")

    assert probe().problem is remote.problem
    assert remote.calls == 2


def test_a_result_expires_counted_from_the_end_of_its_probe(remote: Remote, probe: CachedProbe) -> None:
    remote.takes = 4.0
    probe.refresh()
    probe._thread.submit(lambda: None).result()  # it has responded
    remote.takes = 0.0
    remote.now = 113.9
    probe()
    assert remote.calls == 1
    remote.now = 114.0
    probe()
    assert remote.calls == 2


def test_a_first_result_is_waited_for_longer_than_a_later_one(
    remote: Remote, probe: CachedProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def waiting(futures: Iterable[Future[ProbeResult]], seconds: float) -> None:
        waits.append(seconds)
        wait(futures, 10 if remote.answers.is_set() else 0)

    monkeypatch.setattr(probes, "wait", waiting)
    remote.answers.clear()
    probe.refresh()
    remote.now += 0.25
    assert probe().problem
    remote.answers.set()
    assert not probe().problem
    remote.now += 10
    assert not probe().problem
    assert waits == pytest.approx([0.75, 0.75, 0.3])


def test_while_a_probe_runs_calls_return_the_last_result(remote: Remote, probe: CachedProbe) -> None:
    probe()
    remote.answers.clear()
    remote.now += 10
    probe.refresh()
    remote.now += 0.3

    assert [probe().problem for _ in range(3)] == [None] * 3
    remote.now -= 0.3
    remote.answers.set()
    probe()
    assert remote.calls == 2


def test_without_any_result_a_slow_probe_is_not_waited_for(remote: Remote, probe: CachedProbe) -> None:
    remote.answers.clear()
    probe.refresh()
    remote.now += 1

    first = probe()
    assert isinstance(first.problem, Unavailable)
    assert str(first.problem) == "The source of movies has not answered yet"
    assert first.seconds == 1.0
    remote.now = 0.0  # the first result is waited for without a limit
    remote.answers.set()
    assert probe().problem is None
    assert remote.calls == 1


def test_concurrent_calls_start_one_probe(remote: Remote, probe: CachedProbe) -> None:
    callers = [Thread(target=probe) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert remote.calls == 1


def test_an_unexpected_error_is_logged_and_the_next_probe_is_made(
    remote: Remote, probe: CachedProbe, caplog: pytest.LogCaptureFixture
) -> None:
    remote.problem = ZeroDivisionError("a bug")
    problem = probe().problem
    assert isinstance(problem, ProbeFailed)
    assert str(problem) == "The source of movies could not be probed: unexpected ZeroDivisionError"
    assert "Unexpected error in a probe of the movie source" in caplog.text
    assert "a bug" in caplog.text
    remote.problem = None
    remote.now += 2

    assert probe().problem is None


def test_a_refused_credential_makes_the_service_degraded(
    remote: Remote, probe: CachedProbe, store: SqliteStore
) -> None:
    remote.problem = SourceRefused("check TMDB_API_KEY")
    health = CheckHealth(database=store.ping, runs=store.runs, clock=noon, tmdb=probe)()

    assert health.condition is Condition.DEGRADED
    assert health.findings[Part.TMDB].condition is Condition.DEGRADED
    assert health.findings[Part.TMDB].problem is remote.problem


def test_an_unavailable_database_is_called_once(store: SqliteStore) -> None:
    entities: list[Entity] = []

    class Runs:
        def latest(self, entity: Entity, *, completed: bool = False) -> None:
            entities.append(entity)

    ticks = iter((10.0, 10.25, 11.0, 12.0, 13.0, 14.0))
    health = CheckHealth(
        database=_away,
        runs=Runs(),  # type: ignore[arg-type]
        clock=noon,
        stopwatch=lambda: next(ticks),
    )()

    assert health.findings[Part.DATABASE].seconds == 0.25
    assert health.findings[Part.SYNC].condition is Condition.DOWN
    assert health.findings[Part.SYNC].seconds == 0.0
    assert entities == []


def test_gauges_describe_syncs_users_and_the_queue(store: SqliteStore) -> None:
    store.runs.save(new_run(store, Entity.MOVIES).finished(noon()))
    new_run(store, Entity.GENRES)
    ann = add_user(store)
    add_session(store, ann)
    add_session(store, ann)

    assert _collect(store, lambda: 3) == [
        Gauge("storage_up", "1 if the store answers, 0 if not.", 1),
        Gauge(
            "sync_age_seconds",
            "Seconds since a sync of that kind was last complete.",
            86400,
            {"entity": "movies"},
        ),
        Gauge("active_users", "Users with a session that has not expired.", 1),
        Gauge("queue_up", "1 if the queue answers, 0 if not.", 1),
        Gauge("queue_depth", "Jobs that wait for a worker.", 3),
    ]


def test_a_failed_sync_does_not_change_the_age_of_the_last_complete_one(store: SqliteStore) -> None:
    store.runs.save(new_run(store, Entity.MOVIES).finished(noon()))
    store.runs.save(new_run(store, Entity.MOVIES, day=2).failed(noon(2), "TMDB is away"))

    (age,) = (each.value for each in _collect(store, lambda: 0) if each.name == "sync_age_seconds")
    assert age == 86400


def test_an_unavailable_service_has_only_the_gauge_up(store: SqliteStore) -> None:
    def gone() -> int:
        raise Unavailable

    class Away:
        latest = staticmethod(lambda *_, **__: _away())

    collect = CollectGauges(runs=Away(), sessions=store.sessions, clock=noon, waiting=gone)  # type: ignore[arg-type]

    assert {gauge.name: gauge.value for gauge in collect()} == {"storage_up": 0, "queue_up": 0}


def test_gauges_are_cached_for_five_seconds(remote: Remote) -> None:
    cached = CachedGauges(_gauges_of(remote), stopwatch=remote.clock)
    assert [cached()[0].value for _ in range(5)] == [1] * 5

    remote.now += 4.9
    assert cached()[0].value == 1
    remote.now = 105.0
    assert [cached()[0].value for _ in range(5)] == [2] * 5


def test_while_gauges_are_collected_calls_return_the_last_ones(remote: Remote) -> None:
    cached = CachedGauges(_gauges_of(remote), stopwatch=remote.clock)
    cached()
    remote.answers.clear()
    remote.now += 5
    collecting = Thread(target=cached)
    collecting.start()
    while remote.calls < 2 and collecting.is_alive():
        sleep(0.001)

    assert cached()[0].value == 1
    remote.answers.set()
    collecting.join()
    assert cached()[0].value == 2


def test_the_first_gauges_are_waited_for_and_collected_once(remote: Remote) -> None:
    cached = CachedGauges(_gauges_of(remote), stopwatch=remote.clock)
    remote.answers.clear()
    had: list[float] = []
    callers = [Thread(target=lambda: had.append(cached()[0].value)) for _ in range(5)]
    for caller in callers:
        caller.start()
    remote.answers.set()
    for caller in callers:
        caller.join()

    assert had == [1] * 5


def test_an_error_in_collecting_is_raised_and_the_next_call_collects_again(remote: Remote) -> None:
    cached = CachedGauges(_gauges_of(remote), stopwatch=remote.clock)
    remote.problem = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cached()
    remote.problem = None

    assert cached()[0].value == 2


def test_the_null_meter_accepts_everything() -> None:
    UNMETERED.timed("storage", 0.1)
    UNMETERED.counted("tmdb", "ok")


def _gauges_of(remote: Remote) -> Callable[[], list[Gauge]]:
    """Return a function that counts its calls in a gauge."""

    def collect() -> list[Gauge]:
        remote()
        return [Gauge("calls", "How often it was called.", remote.calls)]

    return collect


def _away() -> None:
    raise StorageUnavailable("no answer")


def _collect(store: SqliteStore, waiting: Callable[[], int]) -> list[Gauge]:
    return CollectGauges(runs=store.runs, sessions=store.sessions, clock=lambda: noon(2), waiting=waiting)()
