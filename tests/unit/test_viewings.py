"""Viewings: their days, their order, and when a day is taken."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.samples import new_viewing, noon
from domain.ids import MovieId, UserId
from domain.viewings import (
    EARLIEST_DAY,
    MAX_VIEWINGS,
    AlreadyViewed,
    DayOutOfRange,
    DayRange,
    DiaryFull,
    NotYourViewing,
    Viewing,
    ViewingNotFound,
    ViewingSummary,
    day_of,
    position_range,
    validate_day,
)

ANN, FILM = UserId("a" * 24), MovieId("b" * 24)
days = st.none() | st.dates(EARLIEST_DAY, date(2100, 1, 1))
seen = st.builds(lambda day, created: new_viewing(ANN, FILM, day, created), days, st.integers(1, 28))


def test_a_day_that_has_begun_somewhere_is_accepted() -> None:
    noon_in_london = datetime(2026, 1, 5, 12, tzinfo=UTC)
    tomorrow = date(2026, 1, 6)  # it has begun on Kiritimati, 14 hours ahead
    for day in (EARLIEST_DAY, date(2026, 1, 5), tomorrow):
        assert validate_day(day, noon_in_london) == day


@pytest.mark.parametrize(
    ("day", "hour"),
    [(EARLIEST_DAY - timedelta(days=1), 12), (date(2026, 1, 7), 23), (date(2026, 1, 6), 9)],
    ids=["before the first film", "the day after tomorrow", "a day that has begun nowhere"],
)
def test_other_days_are_refused_with_the_rule(day: date, hour: int) -> None:
    with pytest.raises(
        DayOutOfRange, match="watched_on must be a day from 1888-01-01 until today"
    ) as refused:
        validate_day(day, datetime(2026, 1, 5, hour, 59, tzinfo=UTC))
    assert [fault.field for fault in refused.value.faults] == ["watched_on"]


def test_a_change_leaves_what_it_does_not_name() -> None:
    viewing = new_viewing(ANN, FILM, EARLIEST_DAY, note="late", rewatch=True)
    assert viewing.changed(noon(2)) == new_viewing(
        ANN, FILM, EARLIEST_DAY, note="late", rewatch=True, id=viewing.id, updated_at=noon(2)
    )
    changed = viewing.changed(noon(2), watched_on=None, rewatch=False, note=None)
    assert (changed.watched_on, changed.rewatch, changed.note) == (None, False, None)


def test_only_a_first_viewing_of_a_day_requires_it_to_be_free() -> None:
    first = new_viewing(ANN, FILM, EARLIEST_DAY)
    again = first.changed(noon(), rewatch=True)
    moved = first.changed(noon(), watched_on=None)
    assert first.requires_free_day()
    assert not again.requires_free_day()
    assert first.requires_free_day(before=again)
    assert moved.requires_free_day(before=first)
    assert not first.requires_free_day(before=first)


@given(st.lists(seen, max_size=9))
def test_the_position_sorts_by_day_then_by_creation_and_unknown_days_last(viewings: list[Viewing]) -> None:
    def chronology(viewing: Viewing) -> tuple[date, datetime]:
        return viewing.watched_on or date.min, viewing.created_at

    by_day = sorted(viewings, key=chronology, reverse=True)
    by_position = sorted(viewings, key=lambda viewing: viewing.position, reverse=True)
    assert list(map(chronology, by_position)) == list(map(chronology, by_day))


@given(seen, days, days)
def test_a_range_of_positions_holds_exactly_the_viewings_of_its_days(
    viewing: Viewing, first: date | None, last: date | None
) -> None:
    lowest, end = position_range(first, last)
    day = viewing.watched_on or date.min
    assert (lowest <= viewing.position < end) is ((first or date.min) <= day <= (last or date.min))


@given(st.integers(1888, 2100), st.integers(1, 12))
def test_a_month_and_a_year_have_their_days(year: int, month: int) -> None:
    assert DayRange.of_month(year, month) == DayRange(
        date(year, month, 1), date(year, month, monthrange(year, month)[1])
    )
    assert DayRange.of_year(year) == DayRange(date(year, 1, 1), date(year, 12, 31))
    assert DayRange.of_year(year).positions == (f"{year}-01-01 ", f"{year}-12-31!")


def test_cursors_name_the_position_in_each_order() -> None:
    viewing = new_viewing(ANN, FILM, date(2026, 1, 5), day=7)
    assert viewing.cursor.value == "2026-01-05 2026-01-07T12:00:00.345+00:00"
    assert viewing.creation_cursor.value == "2026-01-07T12:00:00.345+00:00"
    assert viewing.cursor.id == viewing.creation_cursor.id == viewing.id


@given(seen)
def test_a_position_tells_its_day(viewing: Viewing) -> None:
    assert day_of(viewing.position) == viewing.watched_on


def test_a_movie_that_was_never_seen_has_no_viewings() -> None:
    assert (ViewingSummary().count, ViewingSummary().last_watched_on) == (0, None)


def test_errors_of_a_diary_are_sentences() -> None:
    assert str(AlreadyViewed()) == "You have a viewing of this movie on that day already"
    assert str(DiaryFull()) == f"A diary holds at most {MAX_VIEWINGS:,} viewings"
    assert str(ViewingNotFound()) == "There is no such viewing"
    assert str(NotYourViewing()) == "The viewing is another user's"
