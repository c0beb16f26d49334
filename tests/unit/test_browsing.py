"""The rules of lists."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.browsing import (
    GenreChoiceMixed,
    Mine,
    MovieFilter,
    OwnFilter,
    SortBy,
    Sorting,
    SortOrder,
    Span,
    parse_genre_choice,
    spans,
)
from domain.errors import InvalidFields
from domain.ids import MovieId, UserId, genre_id, movie_id
from domain.movies import Genre, GenreFacts, Movie, MovieFacts
from domain.pagination import Cursor
from domain.ratings import Score, Tally

NOW = datetime(2026, 1, 5, tzinfo=UTC)
WAR, DRAMA = (
    Genre.from_facts(GenreFacts(tmdb_id=number, name=name), NOW)
    for number, name in ((10752, "War"), (18, "Drama"))
)
RAN = replace(
    Movie.from_facts(
        MovieFacts(
            tmdb_id=11645,
            title="Ran",
            original_title="乱",
            original_language="ja",
            release_date=date(1985, 6, 1),
            vote_count=1600,
            runtime=162,
            genres=(WAR.id, DRAMA.id),
        ),
        NOW,
    ),
    tally=Tally.of([Score.of(8), Score.of(9)]),
)


@pytest.mark.parametrize("bound", ["min_rating", "max_rating"])
def test_a_rating_may_change_what_a_filter_by_ratings_lists(bound: str) -> None:
    assert MovieFilter(**{bound: 5.0}).depends_on_ratings  # type: ignore[arg-type]
    assert not MovieFilter(min_votes=5).depends_on_ratings


@pytest.mark.parametrize(
    ("wanted", "admitted"),
    [
        (MovieFilter(), True),
        (MovieFilter(all_genres=frozenset({WAR.id, DRAMA.id})), True),
        (MovieFilter(all_genres=frozenset({WAR.id, genre_id(28)})), False),
        (MovieFilter(any_genres=frozenset({WAR.id, genre_id(28)})), True),
        (MovieFilter(any_genres=frozenset({genre_id(28)})), False),
        (MovieFilter(year_from=1985, year_to=1985), True),
        (MovieFilter(year_from=1986), False),
        (MovieFilter(year_to=1984), False),
        (MovieFilter(min_rating=8.5), True),
        (MovieFilter(min_rating=8.6), False),
        (MovieFilter(max_rating=8.5), True),
        (MovieFilter(min_rating=5, max_rating=8.4), False),
        (MovieFilter(min_runtime=162, max_runtime=162), True),
        (MovieFilter(min_runtime=163), False),
        (MovieFilter(max_runtime=161), False),
        (MovieFilter(min_votes=1600), True),
        (MovieFilter(min_votes=1601), False),
        (MovieFilter(language="ja"), True),
        (MovieFilter(language="en"), False),
    ],
)
def test_a_filter_admits_movies_that_meet_all_conditions(wanted: MovieFilter, admitted: bool) -> None:
    assert wanted.admits(RAN) is admitted


def test_a_year_includes_its_first_and_its_last_day() -> None:
    wanted = MovieFilter(year_from=1985, year_to=1986)
    assert wanted.released == (date(1985, 1, 1), date(1986, 12, 31))
    assert (MovieFilter().released, MovieFilter(year_to=1986).released[0]) == ((None, None), None)
    for day, admitted in (
        (date(1984, 12, 31), False),
        (date(1985, 1, 1), True),
        (date(1986, 12, 31), True),
        (date(1987, 1, 1), False),
    ):
        movie = replace(RAN, facts=replace(RAN.facts, release_date=day))
        assert wanted.admits(movie) is admitted


def test_an_unknown_value_meets_no_condition() -> None:
    unknown = Movie.from_facts(MovieFacts(tmdb_id=1, title="?", original_title="?"), NOW)
    assert MovieFilter().admits(unknown)
    for wanted in (
        MovieFilter(year_from=1870),
        MovieFilter(min_rating=1),
        MovieFilter(max_rating=10),
        MovieFilter(min_votes=0),
        MovieFilter(max_runtime=999),
    ):
        assert not wanted.admits(unknown)


@pytest.mark.parametrize(
    ("mine", "not_mine", "admitted"),
    [
        ({Mine.RATED}, (), True),
        ({Mine.RATED, Mine.FAVORITE}, (), True),
        ({Mine.FAVORITE}, (), False),
        ((), {Mine.FAVORITE}, True),
        ((), {Mine.FAVORITE, Mine.RATED}, False),
        ({Mine.RATED}, {Mine.FAVORITE}, True),
        ({Mine.RATED}, {Mine.LISTED}, False),
        ((), (), True),
    ],
)
def test_a_filter_about_a_user_wants_any_of_mine_and_none_of_not_mine(
    mine: Iterable[Mine], not_mine: Iterable[Mine], admitted: bool
) -> None:
    own = OwnFilter(user=UserId("a" * 24), mine=frozenset(mine), not_mine=frozenset(not_mine))
    assert MovieFilter(own=own).admits(RAN, {Mine.RATED, Mine.LISTED}) is admitted


def test_what_not_mine_alone_excludes_is_a_filter_too() -> None:
    user, rated = UserId("a" * 24), frozenset({Mine.RATED})
    wanted = MovieFilter(language="ja", own=OwnFilter(user=user, not_mine=rated))
    assert wanted.excluded == MovieFilter(language="ja", own=OwnFilter(user=user, mine=rated))
    assert wanted.of_everyone == MovieFilter(language="ja")
    assert MovieFilter().excluded is None
    assert MovieFilter(own=OwnFilter(user=user, mine=rated, not_mine=rated)).excluded is None
    assert MovieFilter(own=OwnFilter(user=user)).excluded is None


def test_a_movie_that_is_not_visible_meets_no_filter() -> None:
    assert not MovieFilter().admits(RAN.marked_removed(NOW))


@given(
    st.none() | st.floats(0, 9) | st.integers(0, 9),
    st.integers(1, 99),
    st.lists(st.tuples(st.none() | st.integers(0, 3), st.integers(1, 99))),
)
def test_the_spans_after_a_cursor_contain_exactly_what_follows_it(
    value: float | None, number: int, rows: list[tuple[int | None, int]]
) -> None:
    for descending in (True, False):
        order = sorted({(row, movie_id(n)) for row, n in rows}, key=lambda row: _place(row, descending))
        after = [
            row for row in order if _place(row, descending) > _place((value, movie_id(number)), descending)
        ]
        found = [
            row
            for span in spans(Cursor(value, movie_id(number)))
            for row in order
            if _within(row, span, descending)
        ]
        assert found == after


def _place(row: tuple[float | None, MovieId], descending: bool) -> tuple[bool, float, MovieId]:
    value, identifier = row
    return (value is None, (-value if descending else value) if value is not None else 0, identifier)


def _within(row: tuple[float | None, MovieId], span: Span, descending: bool) -> bool:
    value, identifier = row
    if span.after and identifier <= span.after:
        return False
    if value is None or not span.known:
        return value is None and not span.known
    if span.at is not None:
        return value == span.at
    assert isinstance(span.beyond, int | float)
    return value < span.beyond if descending else value > span.beyond


def test_a_list_begins_with_known_values() -> None:
    assert spans(None) == (Span(known=True), Span(known=False))


def test_each_sort_key_has_its_own_value() -> None:
    values = {by: Sorting(by, SortOrder.ASC).value(RAN) for by in SortBy}
    assert values == {
        SortBy.POPULARITY: None,
        SortBy.RELEASE_DATE: "1985-06-01",
        SortBy.TITLE: "ran",
        SortBy.VOTE_AVERAGE: None,
        SortBy.VOTE_COUNT: 1600,
        SortBy.RUNTIME: 162,
        SortBy.CREATED_AT: "2026-01-05T00:00:00.000+00:00",
        SortBy.AVERAGE_RATING: 8.5,
        SortBy.WEIGHTED_RATING: 6.83,
        SortBy.RATINGS_COUNT: 2,
    }


def test_a_choice_of_genres_is_all_or_any() -> None:
    both = frozenset({WAR.id, DRAMA.id})
    assert parse_genre_choice("war, 18", [WAR, DRAMA]) == (both, frozenset())
    assert parse_genre_choice(f"{WAR.id}|drama", [WAR, DRAMA]) == (frozenset(), both)
    assert parse_genre_choice("DRAMA", [WAR, DRAMA]) == (frozenset({DRAMA.id}), frozenset())


@pytest.mark.parametrize("text", ["western", "", "war,", "|", "0"])
def test_a_choice_of_an_unknown_genre_is_refused(text: str) -> None:
    with pytest.raises(InvalidFields, match="genre must be the id, TMDB number or name of a genre"):
        parse_genre_choice(text, [WAR, DRAMA])


def test_a_choice_with_both_separators_is_refused() -> None:
    with pytest.raises(GenreChoiceMixed, match="not both"):
        parse_genre_choice("war,drama|18", [WAR, DRAMA])
