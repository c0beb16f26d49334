"""The rules of scores and tallies."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from fractions import Fraction
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import RatingId, UserId, movie_id
from domain.ratings import (
    HIGHEST,
    LOWEST,
    PRIOR_MEAN,
    PRIOR_WEIGHT,
    STEPS,
    Rating,
    RatingOrder,
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
def test_a_score_has_the_points_it_was_made_of(score: Score) -> None:
    assert Score.of(score.points) == score


@given(st.floats() | st.integers())
def test_a_score_is_one_of_nineteen_numbers_or_refused(points: float) -> None:
    if points in {half / 2 for half in range(LOWEST, HIGHEST + 1)}:
        assert Score.of(points).points == points
    else:
        with pytest.raises(ScoreOutOfRange, match=r"rating must be between 1 and 10 in steps of 0\.5"):
            Score.of(points)


@pytest.mark.parametrize("points", [0, 0.5, 0.99, 1.25, 7.3, 10.5, -1, nan, inf, -inf, 10**400])
def test_a_score_outside_the_scale_is_refused(points: float) -> None:
    with pytest.raises(ScoreOutOfRange):
        Score.of(points)


@pytest.mark.parametrize("half_points", [1, 21])
def test_half_points_outside_the_scale_are_refused(half_points: int) -> None:
    with pytest.raises(ScoreOutOfRange) as refused:
        Score(half_points)
    assert refused.value.value == half_points / 2


def test_the_scale_goes_from_one_to_ten_in_halves() -> None:
    assert (Score.of(1), Score.of(10)) == (Score(LOWEST), Score(HIGHEST))
    assert (LOWEST, HIGHEST, STEPS) == (2, 20, 19)
    assert Score.of(7.5).points == 7.5


def test_scores_are_ordered_and_never_change() -> None:
    low, high = Score.of(1), Score.of(1.5)
    assert sorted([high, low]) == [low, high]
    with pytest.raises(FrozenInstanceError):
        low.half_points = 3  # type: ignore[misc]


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


def test_one_ten_does_not_rank_above_a_thousand_nines() -> None:
    one, thousand = Tally.of([Score.of(10)]).weighted, Tally.of([Score.of(9)] * 1000).weighted
    assert one == 6.82  # (10 + 10 * 6.5) / 11
    assert thousand == 8.98
    assert (10, Score.of(6.5)) == (PRIOR_WEIGHT, PRIOR_MEAN)


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


@pytest.mark.parametrize(
    ("points", "average"),
    [([7.5, 7], 7.3), ([8, 8, 8.5], 8.2), ([7, 7.5, 7.5, 7], 7.3), ([10], 10.0), ([1], 1.0)],
)
def test_averages_are_those_computed_by_hand(points: list[float], average: float) -> None:
    assert Tally.of(map(Score.of, points)).average == average


@given(st.lists(scores, min_size=1))
def test_the_weighted_rating_is_the_published_formula_rounded_half_up_to_two_decimals(
    given_scores: list[Score],
) -> None:
    votes, mean = len(given_scores), Fraction(sum(score.half_points for score in given_scores), 2)
    exact = (mean + PRIOR_WEIGHT * Fraction(13, 2)) / (votes + PRIOR_WEIGHT)
    assert Tally.of(given_scores).weighted == int(exact * 100 + Fraction(1, 2)) / 100


@given(st.lists(scores))
def test_the_distribution_counts_each_score(given_scores: list[Score]) -> None:
    distribution = Tally.of(given_scores).distribution
    for score in map(Score, range(LOWEST, HIGHEST + 1)):
        assert distribution[f"{score.points:g}"] == given_scores.count(score)


def test_a_change_of_score_takes_one_from_the_old_and_adds_one_to_the_new() -> None:
    assert between(Score.of(1), Score.of(10)).counts == (-1, *(0,) * 17, 1)
    assert between(None, Score.of(1)).counts == (1, *(0,) * 18)
    assert between(Score.of(10), None).counts == (*(0,) * 18, -1)
    assert between(Score.of(4), Score.of(4)) == between(None, None) == Tally()


MONDAY, TUESDAY = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
RATING = Rating(
    id=RatingId("a" * 24),
    user=UserId("b" * 24),
    movie=movie_id(603),
    score=Score.of(7.5),
    review="Whoa.",
    created_at=MONDAY,
    updated_at=MONDAY,
)


def test_a_change_of_a_rating_changes_the_given_fields_and_updated_at() -> None:
    assert RATING.changed(TUESDAY) == replace(RATING, updated_at=TUESDAY)
    assert RATING.changed(TUESDAY, score=Score.of(8)) == replace(
        RATING, score=Score.of(8), updated_at=TUESDAY
    )
    assert RATING.changed(TUESDAY, review="Hm.") == replace(RATING, review="Hm.", updated_at=TUESDAY)
    assert RATING.changed(TUESDAY, review=None) == replace(RATING, review=None, updated_at=TUESDAY)


def test_orders_have_the_names_of_the_api() -> None:
    assert [str(order) for order in RatingOrder] == ["created_at", "updated_at", "rating"]


def test_ratings_are_sorted_by_the_order_then_by_id() -> None:
    later = replace(RATING, id=RatingId("c" * 24), updated_at=TUESDAY, score=Score.of(9))
    for order, before_other in (
        (RatingOrder.CREATED_AT, RATING.cursor(RatingOrder.CREATED_AT).value),
        (RatingOrder.UPDATED_AT, None),
        (RatingOrder.RATING, 7.5),
    ):
        place, other = RATING.cursor(order), later.cursor(order)
        assert (place.id, other.id) == (RATING.id, later.id)
        if order is RatingOrder.CREATED_AT:
            assert place.value == other.value == before_other
        else:
            assert str(place.value) < str(other.value)
    assert RATING.cursor(RatingOrder.RATING).value == 7.5


def test_a_rating_that_replaces_another_keeps_its_id_and_created_at() -> None:
    first = Rating(
        id=RatingId("1" * 24), user=UserId("2" * 24), movie=movie_id(3), score=Score(3), review="Dull.",
        created_at=datetime(2026, 1, 1, tzinfo=UTC), updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    other = replace(
        first, id=RatingId("4" * 24), score=Score(20), review=None,
        created_at=datetime(2026, 1, 2, tzinfo=UTC), updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    assert first.replaced_by(other) == replace(other, id=first.id, created_at=first.created_at)
