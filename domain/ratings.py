"""Ratings, scores and tallies. A movie's averages are computed from integer counters, so they are exact and
do not depend on the order of the ratings.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict, Fault, FaultCode, Forbidden, Invalid, NotFound
from domain.ids import MovieId, RatingId, UserId
from domain.pagination import Cursor, Value, time_value
from domain.texts import UNCHANGED, Unchanged

LOWEST, HIGHEST = 2, 20
"""The range of a score in half points: 1 to 10 in steps of a half."""

STEPS = HIGHEST - LOWEST + 1
"""The number of different scores: 19."""


@dataclass(eq=False)
class ScoreOutOfRange(Invalid):
    """The score is not one of the 19 possible values."""

    value: object
    field: ClassVar[str] = "rating"
    rule: ClassVar[str] = "must be between 1 and 10 in steps of 0.5"
    faults = (Fault(field, FaultCode.OUT_OF_RANGE, rule),)

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


@dataclass(eq=False)
class AlreadyRated(Conflict):
    """The user has rated the movie already."""

    code: ClassVar[str] = "already_rated"
    faults = (Fault("movie_id", FaultCode.ALREADY_EXISTS, "is a movie that you have rated already"),)

    def __str__(self) -> str:
        return "You have rated this movie already"


@dataclass(eq=False)
class RatingNotFound(NotFound):
    """No rating has that id."""

    code: ClassVar[str] = "rating_not_found"

    def __str__(self) -> str:
        return "There is no such rating"


@dataclass(eq=False)
class NotYourRating(Forbidden):
    """The rating is another user's."""

    code: ClassVar[str] = "not_your_rating"

    def __str__(self) -> str:
        return "The rating is another user's"


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """A user's score for a movie: 1 to 10 in steps of a half."""

    half_points: int

    def __post_init__(self) -> None:
        if not LOWEST <= self.half_points <= HIGHEST:
            raise ScoreOutOfRange(self.half_points / 2)

    @classmethod
    def of(cls, points: float) -> "Score":
        """The score for a number of points, such as 8 or 7.5. Raises ScoreOutOfRange."""
        doubled = points * 2
        if not LOWEST <= doubled <= HIGHEST or doubled != int(doubled):
            raise ScoreOutOfRange(points)
        return cls(int(doubled))

    @property
    def points(self) -> float:
        """The score in points: 1.0 to 10.0."""
        return self.half_points / 2


PRIOR_WEIGHT = 10
"""The number of assumed votes that a weighted rating adds to those of users."""

PRIOR_MEAN = Score(13)
"""The score of the assumed votes: 6.5, that of an average film."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many users gave each of the 19 scores, lowest first. Adding tallies merges them, in any order."""

    counts: tuple[int, ...] = field(default=(0,) * STEPS)

    def __post_init__(self) -> None:
        if len(self.counts) != STEPS:
            message = f"a tally has {STEPS} counters, not {len(self.counts)}"
            raise ValueError(message)

    @classmethod
    def of(cls, scores: Iterable[Score]) -> "Tally":
        """Count scores."""
        counts = [0] * STEPS
        for score in scores:
            counts[score.half_points - LOWEST] += 1
        return cls(tuple(counts))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)))

    @property
    def count(self) -> int:
        """The number of ratings."""
        return sum(self.counts)

    @property
    def half_points(self) -> int:
        """The sum of all scores, in half points."""
        return sum(count * half for half, count in enumerate(self.counts, LOWEST))

    @property
    def average(self) -> float | None:
        """The mean score in points (`mean_points`)."""
        count = self.count
        return mean_points(self.half_points, count) if count else None

    @property
    def weighted(self) -> float | None:
        """The Bayesian average in points, rounded half up to two decimals; None if there are no ratings.

        (v·R + m·C) / (v + m), with v votes of mean R, m = PRIOR_WEIGHT and C = PRIOR_MEAN: the formula that
        IMDb published for its Top 250. A movie with a single 10 ranks below one with a thousand nines.
        """
        if not self.count:
            return None
        votes = self.count + PRIOR_WEIGHT
        half_points = self.half_points + PRIOR_WEIGHT * PRIOR_MEAN.half_points
        hundredths = (100 * half_points + votes) // (2 * votes)
        return hundredths / 100

    @property
    def distribution(self) -> dict[str, int]:
        """The counters by score in points: `{"1": 0, "1.5": 0, …, "10": 3}`."""
        return {f"{half / 2:g}": count for half, count in enumerate(self.counts, LOWEST)}


def mean_points(half_points: int, count: int) -> float | None:
    """The mean of `count` scores with this sum in points, rounded half up to one decimal; None for none.

    It is computed with integers: with floats, a mean of 7.25 might be rounded down.
    """
    if not count:
        return None
    tenths = (10 * half_points + count) // (2 * count)
    return tenths / 10


def between(old: Score | None, new: Score | None) -> Tally:
    """The difference to add to a tally when a user's score changes from `old` to `new`; None is no score."""
    counts = [0] * STEPS
    if old:
        counts[old.half_points - LOWEST] -= 1
    if new:
        counts[new.half_points - LOWEST] += 1
    return Tally(tuple(counts))


class RatingOrder(StrEnum):
    """What a list of ratings may be sorted by."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    RATING = "rating"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A user's score for a movie, and optionally a review."""

    id: RatingId
    user: UserId
    movie: MovieId
    score: Score
    review: str | None = None
    created_at: datetime
    updated_at: datetime

    def changed(
        self, at: datetime, *, score: Score | None = None, review: str | Unchanged | None = UNCHANGED
    ) -> "Rating":
        """This rating with the given fields changed."""
        return replace(
            self,
            score=score or self.score,
            review=self.review if isinstance(review, Unchanged) else review,
            updated_at=at,
        )

    def replaced_by(self, other: "Rating") -> "Rating":
        """Another rating of the same user and movie, with the id and `created_at` of this one."""
        return replace(other, id=self.id, created_at=self.created_at)

    def cursor(self, by: RatingOrder) -> Cursor:
        """The position of this rating in a list that is sorted by `by`. The sort value of a score is its
        points.
        """
        values: dict[RatingOrder, Value] = {
            RatingOrder.CREATED_AT: time_value(self.created_at),
            RatingOrder.UPDATED_AT: time_value(self.updated_at),
            RatingOrder.RATING: self.score.points,
        }
        return Cursor(values[by], self.id)


@dataclass(frozen=True, slots=True)
class Drift:
    """A movie whose tally differs from a recount of its ratings."""

    movie: MovieId
    stored: Tally
    counted: Tally
