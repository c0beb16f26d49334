"""Statistics: sums by group, exact, and the same in any order."""

from collections import Counter
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import GenreId, MovieId
from domain.ratings import HIGHEST, LOWEST, Score, Tally
from domain.statistics import (
    MAX_DIRECTORS,
    Figures,
    Group,
    MovieTraits,
    RatedMovie,
    ViewedMovie,
    statistics,
)

DRAMA, COMEDY = GenreId("1" * 24), GenreId("2" * 24)
MATRIX = MovieTraits(
    id=MovieId("a" * 24),
    runtime=136,
    release_year=1999,
    language="en",
    genres=(DRAMA, COMEDY),
    directors=("Lana", "Lilly"),
)
UNKNOWN = MovieTraits(id=MovieId("b" * 24))
AMELIE = MovieTraits(
    id=MovieId("c" * 24), runtime=122, release_year=2001, language="fr", genres=(COMEDY,), directors=("Jean",)
)
MONDAY = date(2026, 1, 5)

movies = st.sampled_from([MATRIX, UNKNOWN, AMELIE])
days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
scores = st.integers(LOWEST, HIGHEST).map(Score)
viewed = st.builds(
    ViewedMovie, movie=movies, watched_on=st.none() | days, rewatch=st.booleans(), score=st.none()
)
rated = st.builds(RatedMovie, movie=movies, rated_on=days, score=scores)


def seen(movie: MovieTraits, day: date | None = MONDAY, points: float | None = None) -> ViewedMovie:
    score = Score.of(points) if points else None
    return ViewedMovie(movie=movie, watched_on=day, rewatch=False, score=score)


def given_on(movie: MovieTraits, day: date, points: float) -> RatedMovie:
    return RatedMovie(movie=movie, rated_on=day, score=Score.of(points))


def test_viewings_and_ratings_are_counted_by_what_they_have_in_common() -> None:
    found = statistics(
        [
            seen(MATRIX, MONDAY, 9),
            ViewedMovie(movie=MATRIX, watched_on=date(2026, 2, 1), rewatch=True, score=Score.of(9)),
            seen(AMELIE),
            seen(UNKNOWN, None),
        ],
        [given_on(MATRIX, MONDAY, 9), given_on(UNKNOWN, date(2025, 12, 31), 6.5)],
    )
    assert found.total == Figures(viewings=4, movies=3, minutes=2 * 136 + 122, ratings=2, half_points=31)
    assert (found.rewatches, found.undated) == (1, 1)
    assert found.months == [
        Group((2025, 12), Figures(ratings=1, half_points=13)),
        Group((2026, 1), Figures(viewings=2, movies=2, minutes=258, ratings=1, half_points=18)),
        Group((2026, 2), Figures(viewings=1, movies=1, minutes=136)),
    ]
    matrix = Figures(viewings=2, movies=1, minutes=272, ratings=1, half_points=18)
    amelie = Figures(viewings=1, movies=1, minutes=122)
    unknown = Figures(viewings=1, movies=1, ratings=1, half_points=13)
    assert found.decades == [Group(1990, matrix), Group(2000, amelie), Group(None, unknown)]
    assert found.languages == [Group("en", matrix), Group("fr", amelie), Group(None, unknown)]
    both = Figures(viewings=3, movies=2, minutes=394, ratings=1, half_points=18)
    assert found.genres == [Group(COMEDY, both), Group(DRAMA, matrix)]
    assert found.directors == [Group("Lana", matrix), Group("Lilly", matrix), Group("Jean", amelie)]
    by_score = {group.key.points: group.figures for group in found.scores}
    assert by_score[9] == Figures(viewings=2, movies=1, minutes=272, ratings=1, half_points=18)
    assert by_score[6.5] == Figures(ratings=1, half_points=13)
    assert len(by_score) == 19


def test_groups_with_as_many_viewings_are_sorted_by_ratings_then_by_name() -> None:
    german = replace(AMELIE, id=MovieId("d" * 24), language="de", genres=(DRAMA,))
    found = statistics([seen(AMELIE), seen(german)], [])
    assert [group.key for group in found.languages] == ["de", "fr"]
    assert [group.key for group in found.genres] == [DRAMA, COMEDY]
    found = statistics([seen(AMELIE), seen(german)], [given_on(AMELIE, MONDAY, 8)])
    assert [group.key for group in found.languages] == ["fr", "de"]
    assert [group.key for group in found.genres] == [COMEDY, DRAMA]


def test_a_year_has_all_its_months() -> None:
    found = statistics([seen(AMELIE)], [], year=2026)
    assert [group.key for group in found.months] == [(2026, month) for month in range(1, 13)]
    assert sum(group.figures.viewings for group in found.months) == 1
    assert statistics([], [], year=2025).total == Figures()
    assert statistics([], []).months == []


def test_only_the_most_seen_directors_are_named() -> None:
    films = [
        MovieTraits(id=MovieId(f"{number:024x}"), directors=(f"Director {number:02}",))
        for number in range(MAX_DIRECTORS + 3)
    ]
    found = statistics(
        [seen(film) for film in films[1:]] + [seen(films[5], None)], [given_on(films[0], MONDAY, 8)]
    )
    names = [group.key for group in found.directors]
    assert names == ["Director 05", "Director 01", "Director 02", "Director 03", "Director 04"] + [
        f"Director {number:02}" for number in range(6, MAX_DIRECTORS + 1)
    ]


@pytest.mark.parametrize(
    ("minutes", "hours"), [(0, 0.0), (2, 0.0), (3, 0.1), (60, 1.0), (136, 2.3), (99_999, 1666.7)]
)
def test_hours_are_rounded_half_up_to_one_decimal(minutes: int, hours: float) -> None:
    assert Figures(minutes=minutes).hours == hours


@given(st.lists(viewed, max_size=12), st.lists(rated, max_size=12), st.randoms(use_true_random=False))
def test_statistics_add_up_in_any_order(
    viewings: list[ViewedMovie], ratings: list[RatedMovie], random: Random
) -> None:
    found = statistics(viewings, ratings)
    total = found.total
    assert total.viewings == len(viewings) == sum(group.figures.viewings for group in found.decades)
    assert total.movies == len({each.movie.id for each in viewings})
    assert total.minutes == sum(each.movie.runtime or 0 for each in viewings)
    assert total.average_rating == Tally.of(each.score for each in ratings).average
    assert total.viewings == found.undated + sum(group.figures.viewings for group in found.months)
    assert {group.key: group.figures.ratings for group in found.scores if group.figures.ratings} == Counter(
        each.score for each in ratings
    )
    random.shuffle(viewings)
    random.shuffle(ratings)
    assert statistics(viewings, ratings) == found
