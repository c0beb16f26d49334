"""The days and pages of changes that a sync requests, and what else it refreshes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.locks import ManualClock
from adapters.testkit.samples import new_run, noon, store_page
from application.sync import SyncChanges
from domain.sync import ChangedIdsPage, Detail, Entity, MovieGone, SourceUnavailable, Status
from tests.integration.sync_bench import Bench, ShelfSource, facts_of

Question = tuple[date, date, int]


@dataclass
class BusySource(ShelfSource):
    """A source with a number of pages of changes for each day, which records requests."""

    pages_a_day: int = 1
    questions: list[Question] = field(default_factory=list)
    changed: tuple[int, ...] = ()
    gone: frozenset[int] = frozenset()
    unreadable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__init__()

    def changes(self, first: date, last: date, page: int) -> ChangedIdsPage:  # type: ignore[override]
        self.questions.append((first, last, page))
        pages = self.pages_a_day * max(1, (last - first).days)
        return ChangedIdsPage(total_pages=pages, tmdb_ids=self.changed, unreadable=self.unreadable)

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        for number in tmdb_ids:
            self.requested.append(number)
            yield MovieGone(number) if number in self.gone else facts_of(number)


@pytest.fixture
def source() -> BusySource:
    return BusySource()


@pytest.fixture
def bench(source: BusySource) -> Iterator[Bench]:
    clock = ManualClock()
    store = SqliteStore(path=None, clock=clock)
    store.prepare()
    yield Bench(store, clock, source)
    store.close()


def synced(bench: Bench, day: int, entity: Entity = Entity.CHANGES) -> None:
    """A complete run of that day."""
    bench.store.runs.save(new_run(bench.store, entity, day).finished(noon(day)))


def failed(bench: Bench, day: int, entity: Entity = Entity.CHANGES) -> None:
    """A failed run of that day."""
    bench.store.runs.save(new_run(bench.store, entity, day).failed(noon(day), "TMDB is away"))


def january(first: int, last: int, *pages: int) -> list[Question]:
    return [(date(2026, 1, first), date(2026, 1, last), page) for page in pages]


@pytest.mark.parametrize("entity", [Entity.CHANGES, Entity.MOVIES])
def test_changes_are_read_since_the_last_complete_run(
    bench: Bench, source: BusySource, entity: Entity
) -> None:
    synced(bench, 1, entity)
    failed(bench, 4, entity)
    bench.clock.now = noon(5)
    assert bench.do(entity=Entity.CHANGES).status is Status.SUCCESS
    assert {(first.day, last.day) for first, last, _ in source.questions} == {(1, 5)}


def test_a_changes_run_takes_precedence_over_an_earlier_movies_run(bench: Bench, source: BusySource) -> None:
    synced(bench, 1, Entity.MOVIES)
    synced(bench, 3, Entity.CHANGES)
    bench.clock.now = noon(4)
    bench.do(entity=Entity.CHANGES)
    assert source.questions == january(3, 4, 1)


@pytest.mark.parametrize(
    ("last", "pages_a_day", "expected"),
    [
        (5, 1, january(1, 5, 1, 2, 3, 4)),
        (2, 5, january(1, 2, 1, 2, 3, 4, 5)),
        (2, 7, january(1, 2, 1, 2, 3, 4, 5)),
        (3, 3, [*january(1, 3, 1), *january(1, 2, 1, 2, 3), *january(2, 3, 1, 2, 3)]),
        (5, 2, [*january(1, 5, 1), *january(1, 3, 1, 2, 3, 4), *january(3, 5, 1, 2, 3, 4)]),
        (4, 4, [*january(1, 4, 1), *january(1, 2, 1, 2, 3, 4), *january(2, 4, 1),
                *january(2, 3, 1, 2, 3, 4), *january(3, 4, 1, 2, 3, 4)]),
    ],
)  # fmt: skip
def test_a_period_with_too_many_pages_of_changes_is_halved_down_to_a_day(
    bench: Bench,
    source: BusySource,
    last: int,
    pages_a_day: int,
    expected: list[Question],
) -> None:
    source.max_pages, source.pages_a_day = 5, pages_a_day
    synced(bench, 1)
    bench.clock.now = noon(last)
    run = bench.do(entity=Entity.CHANGES)
    assert sorted(source.questions) == sorted(expected)
    assert (run.status, run.pages_total, run.pages_done) == (Status.SUCCESS, len(expected), len(expected))


def test_a_run_in_progress_has_the_number_of_pages(
    bench: Bench, source: BusySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_page(bench.store, *map(facts_of, range(1, 4)), day=1)
    synced(bench, 2)
    bench.clock.now = noon(3)
    source.pages_a_day, source.changed = 3, (1, 2)
    totals: list[tuple[int, int]] = []
    SyncChanges(runner=bench.runner, movies=bench.store.movies)(
        on_progress=lambda run: totals.append((run.pages_done, run.pages_total))
    )
    assert sorted(set(totals)) == [(0, 1), (0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_movie_on_several_pages_of_changes_is_read_once(bench: Bench, source: BusySource) -> None:
    store_page(bench.store, *map(facts_of, range(1, 4)), day=1)
    synced(bench, 2)
    bench.clock.now = noon(3)
    source.pages_a_day, source.changed = 2, (1, 2, 2, 999)
    run = bench.do(entity=Entity.CHANGES)
    assert source.requested == [1, 2]
    assert (run.unchanged, run.duplicates, run.fetched) == (2, 4, 6)


def test_without_a_complete_run_everything_is_refreshed_whatever_other_kinds_did(
    bench: Bench, source: BusySource
) -> None:
    run = store_page(bench.store, *map(facts_of, range(1, 4)), day=1)
    bench.store.runs.save(run.failed(noon(1), "TMDB is away"))
    bench.clock.now = noon(1) + timedelta(hours=1)
    bench.do(entity=Entity.CHANGES)
    assert sorted(source.requested) == [1, 2, 3]


@pytest.mark.parametrize("complete", [True, False])
def test_the_source_is_pinged_before_a_full_refresh(
    bench: Bench, source: BusySource, complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if complete:  # so that a page of changes is read
        synced(bench, 1)
    bench.clock.now = noon(2)

    def away() -> None:
        raise SourceUnavailable("TMDB is away")

    monkeypatch.setattr(source, "ping", away)
    run = SyncChanges(runner=bench.runner, movies=bench.store.movies)()
    assert run.status is (Status.SUCCESS if complete else Status.FAILED)


@pytest.mark.parametrize(
    ("held", "gone", "believed"),
    [(19, 19, True), (20, 10, True), (20, 11, False), (21, 10, True), (21, 11, False)],
)
def test_a_source_is_not_trusted_if_more_than_half_of_20_movies_are_gone(
    bench: Bench, source: BusySource, held: int, gone: int, believed: bool
) -> None:
    store_page(bench.store, *map(facts_of, range(1, held + 1)), day=1)
    synced(bench, 2)
    bench.clock.now = noon(3)
    source.changed, source.gone = tuple(range(1, held + 1)), frozenset(range(1, gone + 1))
    run = bench.changes()
    if believed:
        assert (run.status, bench.held()) == (Status.SUCCESS, list(range(gone + 1, held + 1)))
    else:
        assert (run.status, run.pages_failed, len(bench.held())) == (Status.FAILED, 1, held)
        assert f"{gone} of {held} movies that we hold are said to be unknown" in str(run.error)


def test_unreadable_rows_of_changes_are_skipped_counted_and_named(bench: Bench, source: BusySource) -> None:
    store_page(bench.store, facts_of(1), day=1)
    synced(bench, 2)
    bench.clock.now = noon(3)
    source.changed, source.unreadable = (1,), ("row 2: no id",)
    run = bench.changes()
    assert (run.fetched, run.skipped, run.problems) == (2, 1, ("page 1: row 2: no id",))
