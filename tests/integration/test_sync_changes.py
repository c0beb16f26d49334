"""The days and pages of changes that a sync requests, and what else it refreshes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest

from adapters.testkit.samples import new_run, noon, store_page
from application.sync import SyncChanges
from domain.movies import MovieFacts
from domain.sync import REFRESH_AFTER, ChangedIdsPage, Detail, Entity, MovieGone, SourceUnavailable, Status
from tests.integration.sync_use_cases import FakeSource, SyncUseCases, facts_of

Question = tuple[date, date, int]


@dataclass
class BusySource(FakeSource):
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
        for detail in super().details(tmdb_ids):
            gone = isinstance(detail, MovieFacts) and detail.tmdb_id in self.gone
            yield MovieGone(detail.tmdb_id) if gone else detail


@pytest.fixture
def source() -> BusySource:
    return BusySource()


@pytest.fixture
def fake_source(source: BusySource) -> BusySource:
    """The source of the use cases."""
    return source


def synced(use_cases: SyncUseCases, day: int, entity: Entity = Entity.CHANGES) -> None:
    """A complete run of that day."""
    use_cases.store.runs.save(new_run(use_cases.store, entity, day).finished(noon(day)))


def failed(use_cases: SyncUseCases, day: int, entity: Entity = Entity.CHANGES) -> None:
    """A failed run of that day."""
    use_cases.store.runs.save(new_run(use_cases.store, entity, day).failed(noon(day), "TMDB is away"))


def january(first: int, last: int, *pages: int) -> list[Question]:
    return [(date(2026, 1, first), date(2026, 1, last), page) for page in pages]


@pytest.mark.parametrize("entity", [Entity.CHANGES, Entity.MOVIES])
def test_changes_are_read_since_the_last_complete_run(
    use_cases: SyncUseCases, source: BusySource, entity: Entity
) -> None:
    synced(use_cases, 1, entity)
    failed(use_cases, 4, entity)
    use_cases.clock.now = noon(5)
    assert use_cases.run_sync(entity=Entity.CHANGES).status is Status.SUCCESS
    assert {(first.day, last.day) for first, last, _ in source.questions} == {(1, 5)}


def test_a_changes_run_takes_precedence_over_an_earlier_movies_run(
    use_cases: SyncUseCases, source: BusySource
) -> None:
    synced(use_cases, 1, Entity.MOVIES)
    synced(use_cases, 3, Entity.CHANGES)
    use_cases.clock.now = noon(4)
    use_cases.run_sync(entity=Entity.CHANGES)
    assert source.questions == january(3, 4, 1)


@pytest.mark.parametrize(
    ("last", "pages_a_day", "expected"),
    [
        (5, 1, january(1, 5, 1, 2, 3, 4)),
        (6, 1, january(1, 6, 1, 2, 3, 4, 5)),
        (2, 5, january(1, 2, 1, 2, 3, 4, 5)),
        (2, 7, january(1, 2, 1, 2, 3, 4, 5)),
        (3, 3, [*january(1, 3, 1), *january(1, 2, 1, 2, 3), *january(2, 3, 1, 2, 3)]),
        (5, 2, [*january(1, 5, 1), *january(1, 3, 1, 2, 3, 4), *january(3, 5, 1, 2, 3, 4)]),
        (4, 4, [*january(1, 4, 1), *january(1, 2, 1, 2, 3, 4), *january(2, 4, 1),
                *january(2, 3, 1, 2, 3, 4), *january(3, 4, 1, 2, 3, 4)]),
    ],
)  # fmt: skip
def test_a_period_with_too_many_pages_of_changes_is_halved_down_to_a_day(
    use_cases: SyncUseCases,
    source: BusySource,
    last: int,
    pages_a_day: int,
    expected: list[Question],
) -> None:
    source.max_pages, source.pages_a_day = 5, pages_a_day
    synced(use_cases, 1)
    use_cases.clock.now = noon(last)
    run = use_cases.run_sync(entity=Entity.CHANGES)
    assert sorted(source.questions) == sorted(expected)
    assert (run.status, run.pages_total, run.pages_done) == (Status.SUCCESS, len(expected), len(expected))


def progress_of_changes(use_cases: SyncUseCases) -> list[tuple[int, int]]:
    """Sync changes; return each number of pages done, with the number of pages known then."""
    seen: list[tuple[int, int]] = []
    SyncChanges(runner=use_cases.runner, movies=use_cases.store.movies)(
        on_progress=lambda run: seen.append((run.pages_done, run.pages_total))
    )
    return sorted(set(seen))


def test_a_run_in_progress_has_the_number_of_pages(use_cases: SyncUseCases, source: BusySource) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, 4)), day=1)
    synced(use_cases, 2)
    use_cases.clock.now = noon(3)
    source.pages_a_day, source.changed = 3, (1, 2)
    assert progress_of_changes(use_cases) == [(0, 1), (0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_refresh_of_all_movies_has_the_number_of_pages_before_it_reads_one(use_cases: SyncUseCases) -> None:
    run = store_page(use_cases.store, *map(facts_of, range(1, 251)), day=1)
    use_cases.store.runs.save(run.failed(noon(1), "TMDB is away"))
    use_cases.clock.now = noon(2)
    totals = progress_of_changes(use_cases)
    assert [(done, total) for done, total in totals if total] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_pages_of_stale_movies_are_added_before_they_are_read(
    use_cases: SyncUseCases, source: BusySource
) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, 102)), day=1)
    use_cases.clock.now = noon(1) + REFRESH_AFTER + timedelta(days=1)
    run = replace(new_run(use_cases.store, Entity.CHANGES), started_at=use_cases.clock() - timedelta(days=1))
    use_cases.store.runs.save(run.finished(run.started_at))
    assert progress_of_changes(use_cases) == [(0, 1), (1, 1), (1, 3), (2, 3), (3, 3)]


def test_a_changed_row_that_cannot_be_read_is_named_with_its_page(
    use_cases: SyncUseCases, source: BusySource
) -> None:
    synced(use_cases, 1)
    use_cases.clock.now = noon(2)
    source.pages_a_day, source.unreadable = 2, ("row 3: no id",)
    run = use_cases.run_sync(entity=Entity.CHANGES)
    assert (run.status, run.skipped) == (Status.PARTIAL, 2)
    assert run.problems == ("page 1: row 3: no id", "page 2: row 3: no id")


def test_a_changed_movie_that_cannot_be_read_is_named(use_cases: SyncUseCases, source: BusySource) -> None:
    store_page(use_cases.store, facts_of(1), day=1)
    synced(use_cases, 1)
    use_cases.clock.now = noon(2)
    source.changed, source.unread = (1,), {1}
    assert use_cases.run_sync(entity=Entity.CHANGES).problems == ("movie 1: no answer",)


@pytest.mark.parametrize(("later_runs", "read"), [(48, [101, 102]), (49, [1, 102])])
def test_movies_of_a_failed_refresh_are_skipped_while_it_is_among_the_latest_runs(
    use_cases: SyncUseCases, source: BusySource, later_runs: int, read: list[int]
) -> None:
    run = store_page(use_cases.store, *map(facts_of, range(1, 103)), day=1)
    use_cases.store.runs.save(run.failed(noon(1), "TMDB is away"))
    use_cases.clock.now = noon(2)
    source.before_detail = lambda number: pytest.fail("killed") if number == 101 else None
    with pytest.raises(pytest.fail.Exception):
        SyncChanges(runner=use_cases.runner, movies=use_cases.store.movies)()
    source.before_detail = lambda _: None
    source.requested.clear()
    for _ in range(later_runs):
        new_run(use_cases.store, Entity.GENRES, 2)
    use_cases.clock.advance(timedelta(hours=1))
    SyncChanges(runner=use_cases.runner, movies=use_cases.store.movies)()
    assert [min(source.requested), max(source.requested)] == read


def test_a_movie_on_several_pages_of_changes_is_read_once(
    use_cases: SyncUseCases, source: BusySource
) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, 4)), day=1)
    synced(use_cases, 2)
    use_cases.clock.now = noon(3)
    source.pages_a_day, source.changed = 2, (1, 2, 2, 999)
    run = use_cases.run_sync(entity=Entity.CHANGES)
    assert source.requested == [1, 2]
    assert (run.unchanged, run.duplicates, run.fetched) == (2, 4, 6)


def test_without_a_complete_run_everything_is_refreshed_whatever_other_kinds_did(
    use_cases: SyncUseCases, source: BusySource
) -> None:
    run = store_page(use_cases.store, *map(facts_of, range(1, 4)), day=1)
    use_cases.store.runs.save(run.failed(noon(1), "TMDB is away"))
    use_cases.clock.now = noon(1) + timedelta(hours=1)
    use_cases.run_sync(entity=Entity.CHANGES)
    assert sorted(source.requested) == [1, 2, 3]


@pytest.mark.parametrize("complete", [True, False])
def test_the_source_is_pinged_before_a_full_refresh(
    use_cases: SyncUseCases, source: BusySource, complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if complete:  # so that a page of changes is read
        synced(use_cases, 1)
    use_cases.clock.now = noon(2)

    def away() -> None:
        raise SourceUnavailable("TMDB is away")

    monkeypatch.setattr(source, "ping", away)
    run = SyncChanges(runner=use_cases.runner, movies=use_cases.store.movies)()
    assert run.status is (Status.SUCCESS if complete else Status.FAILED)


@pytest.mark.parametrize(
    ("held", "gone", "believed"),
    [(19, 19, True), (20, 10, True), (20, 11, False), (21, 10, True), (21, 11, False)],
)
def test_a_source_is_not_trusted_if_more_than_half_of_20_movies_are_gone(
    use_cases: SyncUseCases, source: BusySource, held: int, gone: int, believed: bool
) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, held + 1)), day=1)
    synced(use_cases, 2)
    use_cases.clock.now = noon(3)
    source.changed, source.gone = tuple(range(1, held + 1)), frozenset(range(1, gone + 1))
    run = use_cases.changes()
    if believed:
        assert (run.status, use_cases.stored_numbers()) == (Status.SUCCESS, list(range(gone + 1, held + 1)))
    else:
        assert (run.status, run.pages_failed, len(use_cases.stored_numbers())) == (Status.FAILED, 1, held)
        assert f"{gone} of {held} movies that we hold are said to be unknown" in str(run.error)
