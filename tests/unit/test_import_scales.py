"""Ratings of other scales become scores: exactly where they can, else rounded half up, and said so."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.imports.scales import (
    SCALES,
    UnknownScale,
    UnreadableRating,
    converted,
    guessed_scale,
    known_scale,
    largest_meant,
)
from domain.ratings import Score


@pytest.mark.parametrize(
    ("text", "scale", "points"),
    [
        ("4.5", 5, 9),
        ("0.5", 5, 1),
        ("8,5", 10, 8.5),
        ("10", 10, 10),
        ("85", 100, 8.5),
        ("100", 100, 10),
        ("8.5000000000", 10, 8.5),
    ],
)
def test_a_rating_on_a_half_point_is_converted_exactly(text: str, scale: int, points: float) -> None:
    conversion = converted(text, scale)
    assert conversion is not None
    assert conversion.score.points == points
    assert not conversion.rounded
    assert not conversion.raised


@pytest.mark.parametrize(("text", "points"), [("8.7", 8.5), ("8.75", 9), ("8.74", 8.5), ("8.25", 8.5)])
def test_a_rating_between_two_half_points_is_rounded_half_up_and_marked(text: str, points: float) -> None:
    conversion = converted(text, 10)
    assert conversion is not None
    assert conversion.score.points == points
    assert conversion.rounded


@pytest.mark.parametrize(("text", "scale"), [("0.5", 10), ("0.1", 5), ("3", 100)])
def test_a_rating_below_one_becomes_one_and_is_marked(text: str, scale: int) -> None:
    conversion = converted(text, scale)
    assert conversion is not None
    assert conversion.score == Score.of(1)
    assert conversion.raised


@pytest.mark.parametrize("text", ["", " ", "0", "0.0", "00"])
def test_nothing_and_zero_mean_unrated(text: str) -> None:
    assert converted(text, 10) is None


@pytest.mark.parametrize(
    "text", ["eight", "11", "-1", "1e3", "8.", "1.2.3", "inf", "nan", "٣", "9" * 13, "."]
)
def test_what_is_no_rating_of_the_scale_is_refused(text: str) -> None:
    if text == "8.":
        assert converted(text, 10) is not None
        return
    with pytest.raises(UnreadableRating, match="is not a rating"):
        converted(text, 10)


@given(st.decimals("0.01", "10", places=2))
def test_a_conversion_is_never_more_than_a_quarter_point_off_unless_it_is_raised(number: Decimal) -> None:
    conversion = converted(str(number), 10)
    assert conversion is not None
    difference = Fraction(conversion.score.half_points, 2) - Fraction(number)
    assert conversion.raised or Fraction(-1, 4) < difference <= Fraction(1, 4)


@pytest.mark.parametrize(
    ("largest", "scale"),
    [(None, 10), ("5", 5), ("5.5", 10), ("10", 10), ("17", 20), ("21", 100), ("250", 100)],
)
def test_the_scale_is_the_smallest_that_holds_the_largest_rating(largest: str | None, scale: int) -> None:
    assert guessed_scale(Decimal(largest) if largest else None) == scale


def test_a_rating_has_24_characters_at_most() -> None:
    fitting = f"4{' ' * 21}/5"
    conversion = converted(fitting, 10)
    assert conversion is not None
    assert conversion.score == Score.of(8)
    with pytest.raises(UnreadableRating):
        converted(fitting.replace("/", " /"), 10)


def test_only_known_scales_can_be_chosen() -> None:
    assert [known_scale(scale) for scale in SCALES] == list(SCALES)
    with pytest.raises(UnknownScale, match="scale must be one of 5, 10, 20, 100"):
        known_scale(7)


def test_a_number_of_a_file_may_have_a_decimal_comma() -> None:
    assert largest_meant("7,5") == Decimal("7.5")


@pytest.mark.parametrize(
    ("text", "points", "largest"),
    [
        ("4/5", 8, 5),
        ("7,5 / 10", 7.5, 10),
        ("85 %", 8.5, 100),
        ("★★★½", 7, 3.5),
        ("****", 8, 4),
        ("⭐️⭐️⭐️", 6, 3),
        ("★★★☆☆", 6, 5),
        ("★★★½☆", 7, 5),
        ("★★★★★★★☆☆☆", 7, 10),
    ],
)
def test_a_rating_may_name_its_scale_or_be_drawn(text: str, points: float, largest: float) -> None:
    conversion = converted(text, 5)
    assert conversion is not None
    assert conversion.score.points == points
    assert largest_meant(text) == Decimal(str(largest))


@pytest.mark.parametrize("text", ["3/7", "6/5", "/5", "4/", "½/5", "★x", "☆★", "★★☆", "★" * 30, "120%", "/"])
def test_what_only_looks_like_a_rating_with_a_scale_is_refused(text: str) -> None:
    with pytest.raises(UnreadableRating):
        converted(text, 10)


@pytest.mark.parametrize("text", ["0/10", "0%", "☆☆☆☆☆"])
def test_nothing_of_a_scale_means_unrated(text: str) -> None:
    assert converted(text, 10) is None
    assert largest_meant(text) is None
