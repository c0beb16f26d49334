"""The rules of scores and tallies."""

from fractions import Fraction
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ratings import (
    HIGHEST,
    LOWEST,
    PRIOR_MEAN,
    PRIOR_WEIGHT,
    STEPS,
    Score,
    ScoreOutOfRange,
    Tally,
    between,
)

scores = st.integers(LOWEST, HIGHEST).map(Score)
users = st.integers(0, 5)
histories = st.lists(st.tuples(users, st.none() | scores))
tallies = st.lists(scores).map(Tally.of)


@given(scores)
def test_a_score_reads_as_it_was_written(score: Score) -> None:
    assert Score.of(score.points) == score


@given(st.floats() | st.integers())
def test_a_score_is_one_of_nineteen_numbers_or_refused(points: float) -> None:
    if points in {half / 2 for half in range(LOWEST, HIGHEST + 1)}:
        assert Score.of(points).points == points
    else:
        with pytest.raises(ScoreOutOfRange, match=r"rating must be between 1 and 10 in steps of 0\.5"):
            Score.of(points)


@pytest.mark.parametrize("points", [0, 0.5, 0.99, 1.25, 7.3, 10.5, -1, nan, inf, -inf, 10**400])
def test_a_score_beside_the_scale_is_refused(points: float) -> None:
    with pytest.raises(ScoreOutOfRange):
        Score.of(points)


def test_half_points_beside_the_scale_are_refused() -> None:
    with pytest.raises(ScoreOutOfRange):
        Score(1)


@given(histories)
def test_the_tally_counts_each_users_latest_score_once(history: list[tuple[int, Score | None]]) -> None:
    tally, current = Tally(), dict[int, Score | None]()
    for user, score in history:
        tally += between(current.get(user), score)
        current[user] = score
    assert tally == Tally.of(score for score in current.values() if score)


@given(tallies, tallies, tallies)
def test_tallies_merge_in_any_order(one: Tally, two: Tally, three: Tally) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Tally() == one


@given(st.lists(scores, min_size=1))
def test_the_average_is_the_mean_rounded_half_up_to_one_decimal(given_scores: list[Score]) -> None:
    mean = Fraction(sum(score.half_points for score in given_scores), 2 * len(given_scores))
    average = Tally.of(given_scores).average
    assert average == int(mean * 10 + Fraction(1, 2)) / 10


@given(st.lists(scores, min_size=1))
def test_the_weighted_rating_lies_between_the_mean_and_what_an_average_film_gets(
    given_scores: list[Score],
) -> None:
    tally = Tally.of(given_scores)
    mean = tally.half_points / 2 / tally.count
    low, high = sorted((mean, PRIOR_MEAN.points))
    assert tally.weighted is not None
    assert low - 0.005 <= tally.weighted <= high + 0.005


def test_one_ten_does_not_stand_above_a_thousand_nines() -> None:
    one, thousand = Tally.of([Score.of(10)]).weighted, Tally.of([Score.of(9)] * 1000).weighted
    assert one == 6.82  # (10 + 10 * 6.5) / 11
    assert thousand == 8.98
    assert PRIOR_WEIGHT == 10


def test_an_unrated_movie_has_no_average_and_no_weight() -> None:
    assert (Tally().count, Tally().average, Tally().weighted) == (0, None, None)


@given(tallies)
def test_the_distribution_lists_every_score(tally: Tally) -> None:
    assert list(tally.distribution)[:3] == ["1", "1.5", "2"]
    assert list(tally.distribution)[-1] == "10"
    assert sum(tally.distribution.values()) == tally.count


def test_a_tally_has_nineteen_counters() -> None:
    with pytest.raises(ValueError, match="19 counters"):
        Tally((0,) * (STEPS - 1))
