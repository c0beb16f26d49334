"""Filters of /discover/movie, and the division of a list that is too long."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.browsing import GenreChoiceMixed
from domain.discovery import DiscoverFilter, GenreNumbers, ListPart, ListPlan, Period, genre_numbers
from domain.errors import InvalidFields
from domain.movies import GenreFacts

TODAY = date(2026, 11, 30)
DAYS = st.dates(date(1871, 1, 1), date(2040, 12, 31))


def period_of(first: date | None, last: date | None) -> Period:
    if first and last:
        first, last = min(first, last), max(first, last)
    return Period(first=first, last=last)


PERIODS = st.builds(period_of, st.none() | DAYS, st.none() | DAYS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", DiscoverFilter()),
        ("year_from=1990&min_votes=100", DiscoverFilter(year_from=1990, min_votes=100)),
        ("year=1994&language=FR&pages=3", DiscoverFilter(year=1994, language="fr", pages=3)),
        ("genre=Drama%7CWar", DiscoverFilter(genre="Drama|War")),
        ("exported_min_popularity=2.5", DiscoverFilter(exported_min_popularity=2.5)),
    ],
)  # fmt: skip
def test_filters_are_parsed_from_a_query_string(text: str, wanted: DiscoverFilter) -> None:
    assert DiscoverFilter.parse(text) == wanted
    assert DiscoverFilter.parse(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("year=1869&min_votes=-1&language=english", "year min_votes language"),
        ("pages=0&genre=a,,b&foo=1", "pages genre foo"),
        ("year=1990&year=1991&min_votes=ten", "year min_votes"),
        ("year_from=2000&year_to=1990", "year_from"),
        ("exported_min_popularity=1e3", "exported_min_popularity"),
        ("exported_min_popularity=5&year=1990", "exported_min_popularity"),
        ("year", "year"),
        ("&", ""),
    ],
)  # fmt: skip
def test_every_fault_of_a_filter_is_named(text: str, fields: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        DiscoverFilter.parse(text)
    assert [fault.field for fault in caught.value.faults] == fields.split(" ")
    assert all(fault.message for fault in caught.value.faults)


def test_a_fault_without_a_field_quotes_the_text() -> None:
    with pytest.raises(InvalidFields, match="'&' has no filter, such as min_votes=100"):
        DiscoverFilter.parse("&")


@pytest.mark.parametrize(
    ("first_allowed", "refused"),
    [
        ("year=1870", "year=1869"),
        ("year=2100", "year=2101"),
        ("year_from=1990&year_to=1990", "year_from=1991&year_to=1990"),
        ("min_votes=0", "min_votes="),
        ("min_votes=2147483647", "min_votes=2147483648"),
        ("pages=1", "pages=0"),
        ("pages=1000000", "pages=1000001"),
        ("language=fil", "language=fili"),
        ("language=fr", "language=f"),
        (f"genre={'a' * 200}", f"genre={'a' * 201}"),
        ("genre=9", "genre="),
        ("exported_min_popularity=1000000.0001", "exported_min_popularity=1000000.00001"),
        ("exported_min_popularity=0.5", "exported_min_popularity=0.5.5"),
    ],
)
def test_values_at_the_limits_are_allowed_and_the_next_are_not(first_allowed: str, refused: str) -> None:
    assert str(DiscoverFilter.parse(first_allowed)) == first_allowed
    with pytest.raises(InvalidFields):
        DiscoverFilter.parse(refused)


def test_a_year_narrows_other_years_and_years_become_days() -> None:
    assert DiscoverFilter(year_from=1990, year_to=1999).period == Period(
        first=date(1990, 1, 1), last=date(1999, 12, 31)
    )
    assert DiscoverFilter(year=1994, year_from=1990).period == Period(
        first=date(1994, 1, 1), last=date(1994, 12, 31)
    )
    assert DiscoverFilter(min_votes=3).period == Period()


def test_genres_are_numbers_or_names_of_the_source() -> None:
    genres = [GenreFacts(tmdb_id=18, name="Drama"), GenreFacts(tmdb_id=878, name="Science Fiction")]

    assert genre_numbers("18, 9999", lambda: pytest.fail("numbers need no names")) == GenreNumbers((18, 9999))
    assert genre_numbers("science fiction|18", lambda: genres) == GenreNumbers((878, 18), any_of=True)
    with pytest.raises(GenreChoiceMixed):
        genre_numbers("18,35|80", lambda: genres)
    with pytest.raises(InvalidFields) as caught:
        genre_numbers("drama,comedy,war", lambda: genres)
    assert [(fault.field, "'comedy'" in fault.message) for fault in caught.value.faults] == [
        ("genre", True),
        ("genre", False),
    ]


@settings(max_examples=60)
@given(PERIODS, DAYS)
def test_each_day_of_a_divided_period_is_in_exactly_one_part(period: Period, day: date) -> None:
    parts = period.divided(TODAY)
    if not parts:
        assert period.first == period.last or (period.first and period.first.year > TODAY.year + 1)
        return
    within = [part for part in parts if (part.first or day) <= day <= (part.last or day)]
    assert len(within) == int((period.first or day) <= day <= (period.last or day))
    assert period not in parts


@given(DAYS, st.integers(1, 364))
def test_a_period_within_a_year_is_divided_into_halves_that_meet(first: date, days: int) -> None:
    last = min(first + timedelta(days=days), date(first.year, 12, 31))
    if last == first:
        return
    late, early = Period(first=first, last=last).divided(TODAY)
    assert (early.first, late.last) == (first, last)
    assert early.last
    assert late.first == early.last + timedelta(days=1)
    assert 0 <= (early.last - first).days - (last - late.first).days <= 1


def test_parts_do_not_reach_beyond_the_period() -> None:
    years = Period(first=date(1998, 5, 1), last=date(2000, 3, 2)).divided(TODAY)
    assert years == [
        Period(first=date(2000, 1, 1), last=date(2000, 3, 2)),
        Period(first=date(1999, 1, 1), last=date(1999, 12, 31)),
        Period(first=date(1998, 5, 1), last=date(1998, 12, 31)),
    ]
    last_day = Period(first=date(2027, 12, 31))
    assert last_day.divided(TODAY) == [Period(first=date(2028, 1, 1)), replace(last_day, last=last_day.first)]


def test_the_first_year_is_parted_from_the_earlier_ones() -> None:
    assert Period(last=date(1900, 12, 31)).divided(TODAY) == [
        Period(first=date(1900, 1, 1), last=date(1900, 12, 31)),
        Period(last=date(1899, 12, 31)),
    ]


@settings(max_examples=30)
@given(PERIODS)
def test_any_period_is_divided_down_to_single_days(period: Period) -> None:
    for _ in range(20):
        parts = period.divided(TODAY)
        if not parts:
            break
        period = parts[len(parts) // 2]
    assert period.divided(TODAY) == []


def test_the_earliest_movies_and_those_of_the_far_future_have_parts_of_their_own() -> None:
    parts = Period().divided(TODAY)

    assert parts[0] == Period(first=date(2028, 1, 1))
    assert parts[1] == Period(first=date(2027, 1, 1), last=date(2027, 12, 31))
    assert parts[-1] == Period(last=date(1899, 12, 31))
    assert parts[0].divided(TODAY) == []
    assert parts[-1].divided(TODAY)[1].first is None
    assert Period(last=date(1870, 1, 1)).divided(TODAY) == []


def test_a_plan_numbers_its_pages_and_survives_as_a_text() -> None:
    whole, year = Period(), Period(first=date(1994, 1, 1), last=date(1994, 1, 1) + timedelta(days=364))
    plan = ListPlan("min_votes=5", (ListPart(whole, 1, 1),)).extended(
        ListPart(year, 1, 1), ListPart(year, 2, 3)
    )

    assert list(plan.numbered()) == [(1, whole, 1), (2, year, 1), (3, year, 2), (4, year, 3)]
    assert (plan.pages, plan.known_pages(year), plan.known_pages(whole)) == (4, 3, 1)
    assert ListPlan("min_votes=5").known_pages(whole) == 0
    assert ListPlan.parse(str(plan)) == plan
    assert ListPlan.parse("") == ListPlan("")
