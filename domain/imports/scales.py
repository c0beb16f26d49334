"""Scales of other services, and how ratings become scores: exactly, or rounded half up to half points."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Final

from domain.errors import Fault, FaultCode, Invalid
from domain.ratings import HIGHEST, LOWEST, Score

SCALES: Final = (5, 10, 20, 100)
"""The largest ratings of the known scales. A rating of 0 means unrated in each."""

MAX_DIGITS = 12
"""Characters of a rating; longer ones are not numbers that anybody gave."""


@dataclass(eq=False)
class UnknownScale(Invalid):
    """The scale is none of those that are known."""

    rule: ClassVar[str] = f"must be one of {', '.join(map(str, SCALES))}"
    faults = (Fault("scale", FaultCode.NOT_ALLOWED, rule),)

    def __str__(self) -> str:
        return f"scale {self.rule}"


@dataclass(eq=False)
class UnreadableRating(Invalid):
    """The text is not a number, or is larger than its scale."""

    text: str

    def __str__(self) -> str:
        return f"{self.text!r} is not a rating"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A score from another scale, and what was done to it."""

    score: Score
    rounded: bool
    raised: bool


EMOJI_STYLE = "\ufe0f"
"""A character that asks for a coloured sign before it."""

_OUT_OF = re.compile(r"([0-9.,]+)\s*/\s*([0-9]+)")
_STARS = re.compile(r"(★*|⭐*|\*+)\s*(½?)\s*(☆*)")


def known_scale(scale: int) -> int:
    """The scale, if it is known. Raises UnknownScale."""
    if scale not in SCALES:
        raise UnknownScale
    return scale


def largest_meant(text: str) -> Decimal | None:
    """The largest rating that a text tells of: that of its scale if it names one, else itself; None if it is
    unrated. Raises UnreadableRating, also for a negative number.
    """
    number, scale = _parsed(text)
    return number and Decimal(scale or number)


def _parsed(text: str) -> tuple[Decimal | None, int | None]:
    """The number of a rating, and the scale if it names its own: "4/5", "85%", "★★★☆☆".

    The number has a decimal point or comma. It is None if it is empty or 0, which mean unrated.
    """
    shown = text.strip().replace(EMOJI_STYLE, "")
    if len(shown) > 2 * MAX_DIGITS:
        raise UnreadableRating(text)
    if out_of := _OUT_OF.fullmatch(shown):
        return _number(out_of[1], text), _own_scale(out_of[2], text)
    if shown.endswith("%"):
        return _number(shown[:-1].rstrip(), text), 100
    if shown and (stars := _STARS.fullmatch(shown)):
        full, half, empty = len(stars[1]), bool(stars[2]), len(stars[3])
        number = Decimal(full) + (Decimal("0.5") if half else 0)
        return number or None, _own_scale(str(full + half + empty), text) if empty else None
    return _number(shown, text), None


def _own_scale(scale: str, text: str) -> int:
    if scale not in map(str, SCALES):
        raise UnreadableRating(text)
    return int(scale)


def _number(shown: str, text: str) -> Decimal | None:
    shown = shown.replace(",", ".")
    if not shown:
        return None
    if len(shown) > MAX_DIGITS or not set(shown).issubset("0123456789."):
        raise UnreadableRating(text)
    try:
        number = Decimal(shown)
    except InvalidOperation as error:
        raise UnreadableRating(text) from error
    return number or None


def converted(text: str, scale: int) -> Conversion | None:
    """The score for a rating of a scale from 0 to `scale`, or its own; None if it is unrated.

    It is proportional, rounded half up to half points. What lies below 1 becomes 1. Raises UnreadableRating,
    also for a rating that is larger than the scale.
    """
    number, own = _parsed(text)
    if number is None:
        return None
    scale = own or scale
    if number > scale:
        raise UnreadableRating(text)
    exact = number * HIGHEST / scale
    half_points = int(exact + Decimal("0.5"))
    raised = exact < LOWEST
    return Conversion(
        Score(max(LOWEST, half_points)), rounded=not raised and half_points != exact, raised=raised
    )


def guessed_scale(largest: Decimal | None) -> int:
    """The smallest known scale that holds the largest rating of a file; 10 if there is no rating."""
    if largest is None:
        return 10
    return next((scale for scale in SCALES if largest <= scale), SCALES[-1])
