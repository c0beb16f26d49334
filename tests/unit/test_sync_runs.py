"""The rules of sync runs."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.sync import _remaining_queries
from domain.ids import RunId
from domain.movies import MovieFacts, Outcome
from domain.sync import (
    MAX_PROBLEMS,
    RESUME_WINDOW,
    Entity,
    FilledFromAnotherSource,
    PageResult,
    RunClosed,
    RunNotFound,
    SourceName,
    SourceRefused,
    SourceUnavailable,
    Status,
    SyncRun,
    admit,
    changed_days,
    mismatch,
)

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
RUN = SyncRun(id=RunId("a" * 24), entity=Entity.MOVIES, started_at=NOON)
WINDOW = timedelta(days=14)
CHANGES = replace(RUN, entity=Entity.CHANGES)

harvests = st.builds(
    PageResult,
    page=st.integers(1, 5),
    at=st.just(NOON),
    movies=st.lists(st.integers(1, 9), unique=True).map(
        lambda numbers: tuple(MovieFacts(tmdb_id=n, title="a", original_title="a") for n in numbers)
    ),
    duplicates=st.integers(0, 3),
    skipped=st.integers(0, 3),
    requests=st.integers(0, 30),
)


@given(st.lists(harvests), st.data())
def test_every_row_that_was_fetched_is_accounted_for(pages: list[PageResult], data: st.DataObject) -> None:
    run = RUN
    for result in pages:
        outcomes = [data.draw(st.sampled_from(Outcome)) for _ in result.movies]
        run = run.stored(result, outcomes)
    assert run.fetched == run.inserted + run.updated + run.unchanged + run.skipped + run.duplicates
    assert run.requests == sum(result.requests for result in pages)
    assert run.done == {result.page for result in pages}


@given(st.integers(0, 9), st.sets(st.integers(1, 9)), st.sets(st.integers(1, 9)))
def test_a_successor_reads_the_pages_that_a_failed_run_left(
    last: int, first: set[int], second: set[int]
) -> None:
    run = RUN.bounded(last)
    for page in first:
        run = run.stored(PageResult(page=page, at=NOON), [])
    later = SyncRun(id=RunId("b" * 24), entity=Entity.MOVIES, started_at=NOON + timedelta(hours=1))
    heir = later.following(run.failed(NOON, "killed")).bounded(last)
    assert set(heir.pages_left) == set(range(1, last + 1)) - first
    for page in second - first:
        heir = heir.stored(PageResult(page=page, at=NOON), [])
    last_heir = later.following(heir.failed(NOON, "killed again")).bounded(last)
    assert set(last_heir.pages_left) == set(range(1, last + 1)) - first - second


@pytest.mark.parametrize(
    "before", [None, RUN.finished(NOON), RUN.failed(NOON, "at once"), RUN.cancelled(NOON)]
)
def test_there_is_nothing_to_take_up_from_a_run_that_did_not_fail_half_way(before: SyncRun | None) -> None:
    assert RUN.following(before) is RUN


def test_changes_take_up_movies_from_whatever_run_was_before_and_no_pages() -> None:
    left = replace(CHANGES.bounded(3), done=frozenset({1}), unread=frozenset({5, 7}))
    for before in (left.finished(NOON), left.failed(NOON, "away"), left.cancelled(NOON)):
        run = CHANGES.following(before)
        assert run.unread == {5, 7}
        assert (run.inherited, run.last_page) == (frozenset(), None)
    assert RUN.following(left).unread == frozenset()
    foreign = replace(left, source=SourceName.DEMO).finished(NOON)
    assert CHANGES.following(foreign).unread == frozenset()


def test_a_movie_is_unread_until_it_is_read_or_gone() -> None:
    run = replace(CHANGES, unread=frozenset({1, 2, 3}))
    result = PageResult(
        page=1,
        at=NOON,
        movies=(MovieFacts(tmdb_id=1, title="a", original_title="a"),),
        gone=(2,),
        unread=(3, 4),
    )
    assert run.stored(result, []).unread == {3, 4}


def test_a_thousand_movies_are_left_to_the_next_run_and_no_more() -> None:
    thousand = PageResult(page=1, at=NOON, unread=tuple(range(1, 1001)))
    run = CHANGES.stored(thousand, [])
    assert len(run.unread) == 1000
    assert run.stored(replace(thousand, page=2), []).unread == run.unread
    with pytest.raises(SourceUnavailable, match="More than 1,000 movies could not be read"):
        run.stored(PageResult(page=2, at=NOON, unread=(1001,)), [])


def test_an_old_or_foreign_run_is_not_taken_up() -> None:
    failed = RUN.stored(PageResult(page=1, at=NOON), []).failed(NOON, "killed")
    in_time = SyncRun(id=RunId("b" * 24), entity=Entity.MOVIES, started_at=NOON + timedelta(hours=12))
    assert in_time.following(failed).inherited == {1}
    late = replace(in_time, started_at=NOON + timedelta(hours=12, microseconds=1))
    other = SyncRun(id=RunId("c" * 24), entity=Entity.CHANGES, started_at=NOON)
    assert late.following(failed) is late
    assert other.following(failed) is other


def test_a_run_ends_as_what_it_was() -> None:
    good = RUN.bounded(2).stored(PageResult(page=1, at=NOON), [])
    assert good.finished(NOON).status is Status.SUCCESS
    assert good.missed(2, "no answer", 5).finished(NOON).status is Status.PARTIAL
    assert (
        good.stored(PageResult(page=2, at=NOON, problems=("movie 1: odd",)), []).finished(NOON).status
        is Status.PARTIAL
    )
    assert RUN.missed(1, "no answer", 5).finished(NOON).status is Status.FAILED
    assert RUN.cancelled(NOON).status is Status.CANCELLED


def test_an_end_has_its_time_and_its_reason() -> None:
    later = NOON + timedelta(hours=1)
    assert RUN.finished(later) == replace(RUN, status=Status.SUCCESS, finished_at=later)
    half = RUN.missed(2, "no answer", 5)
    failed = half.failed(later, "killed", requests=3, refused=True)
    assert failed == replace(
        half,
        status=Status.FAILED,
        finished_at=later,
        problems=("killed", "page 2: no answer"),
        requests=8,
    )
    assert failed.refused
    assert not half.failed(later, "killed").refused
    assert half.failed(later, "killed").requests == 5
    assert RUN.cancelled(later) == replace(RUN, status=Status.CANCELLED, finished_at=later)
    assert half.cancelled(later, "nobody wants it").problems == ("nobody wants it", "page 2: no answer")


def test_a_run_that_read_only_what_another_had_left_did_not_fail() -> None:
    heir = replace(RUN, inherited=frozenset({1}), last_page=2).missed(2, "no answer", 1)
    assert heir.finished(NOON).status is Status.PARTIAL


def test_a_successor_knows_what_is_left_before_it_has_read_a_page() -> None:
    failed = RUN.bounded(7).stored(PageResult(page=3, at=NOON), []).failed(NOON, "killed")
    later = SyncRun(id=RunId("b" * 24), entity=Entity.MOVIES, started_at=NOON + RESUME_WINDOW)
    heir = later.following(failed)
    assert (heir.last_page, heir.inherited, heir.pages_left) == (7, frozenset({3}), (1, 2, 4, 5, 6, 7))
    assert (heir.pages_total, heir.pages_done) == (6, 0)
    assert heir.done == frozenset()


def test_a_run_is_wanted_until_it_ends_well_or_is_cancelled() -> None:
    assert RUN.wanted
    assert RUN.running
    assert RUN.failed(NOON, "killed").wanted
    for ended in (RUN.finished(NOON), RUN.cancelled(NOON), RUN.missed(1, "x", 0).finished(NOON)):
        assert not ended.running
        assert ended.wanted == (ended.status is Status.FAILED)


def test_what_a_page_brought_is_counted() -> None:
    outcomes = [Outcome.INSERTED] * 2 + [Outcome.UPDATED] * 3 + [Outcome.UNCHANGED] * 4
    page = PageResult(page=1, at=NOON, duplicates=5, skipped=6, requests=7, problems=("odd",))
    run = RUN.stored(page, outcomes).stored(replace(page, page=2), outcomes[:1])
    assert (run.inserted, run.updated, run.unchanged) == (3, 3, 4)
    assert (run.duplicates, run.skipped, run.requests) == (10, 12, 14)
    assert (run.fetched, run.problems) == (32, ("odd", "odd"))


def test_a_page_without_anything_counts_as_a_page_only() -> None:
    assert RUN.stored(PageResult(page=1, at=NOON), []) == replace(RUN, done=frozenset({1}))
    assert not RUN.refused
    half = RUN.bounded(5).stored(PageResult(page=2, at=NOON), []).stored(PageResult(page=4, at=NOON), [])
    assert (half.pages_total, half.pages_done, half.pages_left) == (5, 2, (1, 3, 5))


def test_a_failure_says_what_failed_and_whether_trying_again_is_of_use() -> None:
    away = RUN.failed(NOON, "no answer").failure
    assert (type(away), str(away)) == (SourceUnavailable, "The sync of movies failed: no answer")
    refused = RUN.failed(NOON, "401", refused=True).failure
    assert (type(refused), str(refused)) == (SourceRefused, "The sync of movies failed: 401")


def test_runs_stand_by_the_time_at_which_they_began_ties_by_id() -> None:
    later = replace(RUN, started_at=NOON + timedelta(milliseconds=1))
    assert str(RUN.cursor.value) < str(later.cursor.value)
    assert RUN.cursor.id == RUN.id


def test_a_run_is_complete_if_it_missed_no_page() -> None:
    good = RUN.stored(PageResult(page=1, at=NOON, problems=("movie 1: odd",)), [])
    assert good.finished(NOON).complete
    assert not good.complete
    assert not good.missed(2, "no answer", 1).finished(NOON).complete
    assert not good.failed(NOON, "refused").complete


@pytest.mark.parametrize("closed", [RUN.finished(NOON), RUN.failed(NOON, "x"), RUN.cancelled(NOON)])
def test_a_closed_run_never_changes_again(closed: SyncRun) -> None:
    for close in (closed.finished, closed.cancelled, lambda at: closed.failed(at, "again")):
        with pytest.raises(RunClosed, match="closed"):
            close(NOON)


def test_a_missed_page_is_counted_as_a_page_and_named() -> None:
    run = RUN.bounded(2).missed(2, "no answer within 10 s", 5)
    assert (run.pages_failed, run.fetched, run.requests) == (1, 0, 5)
    assert run.error == "page 2: no answer within 10 s"
    assert (run.pages_total, run.pages_done) == (2, 0)


def test_the_error_names_the_first_problems_and_counts_the_rest() -> None:
    assert RUN.error is None
    run = RUN.stored(PageResult(page=1, at=NOON, problems=tuple(f"movie {n}: odd" for n in range(25))), [])
    assert run.error
    assert run.error.startswith("movie 0: odd; movie 1: odd; ")
    assert run.error.endswith("movie 19: odd; and 5 more")
    exactly = replace(run, problems=run.problems[:20]).error
    assert exactly
    assert exactly.endswith("movie 19: odd")
    one_more = replace(run, problems=run.problems[:21]).error
    assert one_more
    assert one_more.endswith("movie 19: odd; and 1 more")


def test_changes_are_asked_for_since_a_little_before_the_last_good_run() -> None:
    good = RUN.finished(NOON)
    assert changed_days(good, NOON + timedelta(days=3), WINDOW) == (
        (NOON - RESUME_WINDOW).date(),
        (NOON + timedelta(days=3)).date(),
    )
    # Noon is twelve hours after midnight, so the fourteen days begin on the day of the run.
    assert changed_days(good, NOON + timedelta(days=14), WINDOW) == (date(2026, 1, 20), date(2026, 2, 3))
    assert changed_days(good, NOON + timedelta(days=15), WINDOW) is None
    assert changed_days(None, NOON, WINDOW) is None


def test_what_a_recent_failed_run_refreshed_counts_as_fresh() -> None:
    run = SyncRun(id=RunId("b" * 24), entity=Entity.CHANGES, started_at=NOON + timedelta(hours=1))
    assert run.resuming_from(None) == run.started_at
    assert run.resuming_from(RUN.finished(NOON)) == run.started_at
    assert run.resuming_from(RUN.failed(NOON, "killed")) == NOON
    in_time = SyncRun(id=RunId("c" * 24), entity=Entity.CHANGES, started_at=run.started_at - RESUME_WINDOW)
    assert run.resuming_from(in_time.failed(NOON, "killed")) == in_time.started_at
    long_ago = replace(in_time, started_at=in_time.started_at - timedelta(microseconds=1))
    assert run.resuming_from(long_ago.failed(NOON, "killed")) == run.started_at


def test_more_changes_than_a_list_shows_are_asked_for_in_halves() -> None:
    first, last = date(2026, 1, 1), date(2026, 1, 11)
    assert _remaining_queries(first, last, 3, 500) == [(first, last, 2), (first, last, 3)]
    assert _remaining_queries(first, last, 501, 500) == [
        (first, date(2026, 1, 6), 1),
        (date(2026, 1, 6), last, 1),
    ]
    assert len(_remaining_queries(first, date(2026, 1, 2), 900, 500)) == 499


def test_an_own_or_empty_catalogue_admits_a_source_and_another_does_not() -> None:
    for source in SourceName:
        admit(None, source)
        admit(source, source)
        assert mismatch(None, source) is mismatch(source, source) is None
    for filled_from, source, remedy in (
        (SourceName.TMDB, SourceName.DEMO, "set TMDB_ACCESS_TOKEN or TMDB_API_KEY"),
        (SourceName.DEMO, SourceName.TMDB, "run `matinee sync upgrade`"),
    ):
        with pytest.raises(FilledFromAnotherSource, match=remedy) as caught:
            admit(filled_from, source)
        assert (caught.value.refused, caught.value.code) == (source, "source_mismatch")
        error = mismatch(filled_from, source)
        assert error
        assert str(error) == str(caught.value)


def test_pages_and_times_of_another_source_are_not_taken_up() -> None:
    failed = replace(RUN.stored(PageResult(page=1, at=NOON), []), source=SourceName.DEMO).failed(
        NOON, "killed"
    )
    late = SyncRun(id=RunId("b" * 24), entity=Entity.MOVIES, started_at=NOON + timedelta(hours=1))
    assert late.following(failed) is late
    assert late.resuming_from(failed) == late.started_at
    assert replace(late, source=SourceName.DEMO).following(failed).inherited == {1}
    assert replace(late, source=SourceName.DEMO).resuming_from(failed) == NOON


def test_a_thousand_problems_are_kept_and_the_rest_is_counted() -> None:
    many = tuple(f"movie {n}: odd" for n in range(MAX_PROBLEMS))
    run = RUN.stored(PageResult(page=1, at=NOON, problems=many), [])
    assert (run.problems, run.problems_dropped) == (many, 0)
    run = run.stored(PageResult(page=2, at=NOON, problems=("x", "y")), []).missed(3, "no answer", 1)
    assert (run.problems, run.problems_dropped) == (many, 3)
    assert str(run.error).endswith("movie 19: odd; and 983 more")
    assert run.finished(NOON).status is Status.PARTIAL
    failed = run.failed(NOON, "killed")
    assert (failed.problems[0], len(failed.problems), failed.problems_dropped) == ("killed", MAX_PROBLEMS, 4)
    cancelled = run.cancelled(NOON, "unwanted")
    assert (cancelled.problems[0], cancelled.problems_dropped) == ("unwanted", 4)


def test_a_run_that_is_not_there_is_told_so() -> None:
    assert str(RunNotFound("x")) == "There is no such sync run"


def test_a_restarted_run_has_all_pages_left_and_knows_nothing_of_the_list() -> None:
    resumed = replace(RUN.bounded(9), inherited=frozenset({1, 2}))
    assert resumed.restarted() == RUN
