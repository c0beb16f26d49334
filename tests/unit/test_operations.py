"""Health of the parts and of the whole."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import new_run, noon
from application.operations import CheckHealth, Condition, Part
from application.probes import CachedProbe
from domain.errors import StorageUnavailable, Unavailable
from domain.sync import Entity, FilledFromAnotherSource, SourceName
from tests.stores import store_in_memory


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(noon)
    yield store
    store.close()


def away() -> None:
    raise StorageUnavailable("no answer")


def well() -> None:
    """A ping that succeeds."""


def check(store: SqliteStore, *, day: int = 1, tmdb: bool = True) -> CheckHealth:
    source = CachedProbe(well) if tmdb else None
    return CheckHealth(database=store.ping, runs=store.runs, clock=lambda: noon(day), tmdb=source)


def synced(store: SqliteStore, entity: Entity, day: int) -> None:
    store.runs.save(new_run(store, entity, day).finished(noon(day)))


def test_the_service_is_healthy_if_everything_responds_and_the_catalogue_is_fresh(store: SqliteStore) -> None:
    synced(store, Entity.MOVIES, day=1)

    health = check(store)()

    assert health.condition is Condition.OK
    assert health.findings[Part.REDIS].condition is Condition.NOT_CONFIGURED
    assert health.findings[Part.SYNC].age == timedelta(0)


def test_the_latest_complete_sync_counts_whatever_its_kind(store: SqliteStore) -> None:
    synced(store, Entity.MOVIES, day=1)
    synced(store, Entity.CHANGES, day=3)

    assert check(store, day=4)().findings[Part.SYNC].synced_at == noon(3)


@pytest.mark.parametrize(("day", "condition"), [(3, Condition.OK), (4, Condition.DEGRADED)])
def test_a_catalogue_not_refreshed_for_two_days_is_degraded(
    store: SqliteStore, day: int, condition: Condition
) -> None:
    synced(store, Entity.MOVIES, day=1)

    assert check(store, day=day)().condition is condition


def test_a_failed_sync_does_not_count_as_complete(store: SqliteStore) -> None:
    synced(store, Entity.MOVIES, day=1)
    store.runs.save(new_run(store, Entity.MOVIES, day=2).failed(noon(2), "TMDB is away"))
    store.runs.save(new_run(store, Entity.CHANGES, day=3).failed(noon(3), "TMDB is away"))

    assert check(store, day=4)().findings[Part.SYNC].synced_at == noon(1)


def test_a_catalogue_that_cannot_be_synced_is_degraded_with_the_reason(store: SqliteStore) -> None:
    problem = FilledFromAnotherSource(SourceName.DEMO)
    for complete in (False, True):
        if complete:
            synced(store, Entity.MOVIES, day=1)
        health = CheckHealth(database=well, runs=store.runs, clock=noon, check_source=lambda: problem)

        finding = health().findings[Part.SYNC]

        assert (finding.condition, finding.problem) == (Condition.DEGRADED, problem)


def test_tmdb_is_probed_while_other_parts_are_checked(store: SqliteStore) -> None:
    probed = Event()

    def waiting() -> None:
        assert probed.wait(10)

    health = CheckHealth(database=waiting, runs=store.runs, clock=noon, tmdb=CachedProbe(probed.set))

    assert health().findings[Part.TMDB].condition is Condition.OK


def test_tmdb_is_probed_only_if_it_is_requested(store: SqliteStore) -> None:
    probed: list[float] = []
    now = [0.0]
    probe = CachedProbe(lambda: probed.append(now[0]), stopwatch=lambda: now[0])

    CheckHealth(database=well, runs=store.runs, clock=noon, tmdb=probe)([Part.DATABASE])
    now[0] = 60.0
    probe()

    assert probed == [60.0]


def test_the_duration_of_tmdb_is_that_of_its_probe(store: SqliteStore) -> None:
    now = [100.0]

    def answer() -> None:
        now[0] += 0.25

    probe = CachedProbe(answer, stopwatch=lambda: now[0])
    health = CheckHealth(database=well, runs=store.runs, clock=noon, tmdb=probe)

    assert health([Part.TMDB]).findings[Part.TMDB].seconds == 0.25


def test_a_demo_catalogue_does_not_become_outdated(store: SqliteStore) -> None:
    synced(store, Entity.MOVIES, day=1)

    health = check(store, day=30, tmdb=False)()

    assert health.condition is Condition.OK
    assert health.findings[Part.TMDB].condition is Condition.NOT_CONFIGURED


def test_a_catalogue_that_was_never_filled_is_degraded(store: SqliteStore) -> None:
    finding = check(store)().findings[Part.SYNC]
    assert finding.condition is Condition.DEGRADED
    assert str(finding.problem) == "No sync of movies was ever complete"


def test_without_its_database_the_service_is_down(store: SqliteStore) -> None:
    health = CheckHealth(database=away, runs=store.runs, clock=noon)()

    assert health.condition is Condition.DOWN
    assert str(health.findings[Part.DATABASE].problem) == "The storage is not available: no answer"


def test_the_service_is_degraded_without_redis_and_healthy_with_it(store: SqliteStore) -> None:
    def gone() -> None:
        raise Unavailable

    for redis, condition in ((gone, Condition.DEGRADED), (store.ping, Condition.OK)):
        health = CheckHealth(database=store.ping, redis=redis, runs=store.runs, clock=noon)
        assert health([Part.DATABASE, Part.REDIS]).condition is condition


def test_a_finding_has_the_duration_of_the_check(store: SqliteStore) -> None:
    ticks = iter((10.0, 10.25))
    health = CheckHealth(database=store.ping, runs=store.runs, clock=noon, stopwatch=lambda: next(ticks))

    assert health([Part.DATABASE]).findings[Part.DATABASE].seconds == 0.25
