"""The choice between two plans for a page of a filtered and sorted list.

A store can scan the index of the order and test each movie, or read all movies that meet the rarest condition
and sort them. The first plan costs more the fewer movies pass the filter, the second the more movies meet the
condition.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from math import prod
from typing import Generic, TypeVar

from domain.browsing import SortBy

MAX_SORTED = 5000
"""The most movies that are read and sorted for one page."""

MAX_CACHED = 1000
"""The most conditions whose frequencies are cached."""

GROWTH = 0.1
"""The relative change in the number of movies after which a frequency is counted again."""

ALWAYS_KNOWN = frozenset({SortBy.TITLE, SortBy.CREATED_AT, SortBy.RATINGS_COUNT})
"""Orders in which every movie has a value."""

ConditionT = TypeVar("ConditionT", bound=Hashable)


class Frequencies(Generic[ConditionT]):
    """A cache of the number of movies that meet each condition. A count is used until the store has grown."""

    def __init__(self) -> None:
        self._counts: dict[ConditionT, tuple[int, int]] = {}

    def __call__(self, condition: ConditionT, total: int, count: Callable[[], int]) -> int:
        """The approximate number of the `total` visible movies that meet a condition; `count` counts them."""
        frequency, total_then = self._counts.get(condition, (0, -1))
        if not (1 - GROWTH) * total <= total_then <= (1 + GROWTH) * total:
            frequency = count()
            if len(self._counts) >= MAX_CACHED:
                self._counts = {}
            self._counts[condition] = frequency, total
        return frequency


def worth_sorting(
    frequency: Mapping[ConditionT, int], total: int, limit: int, *, skewed: bool = False
) -> ConditionT | None:
    """The rarest condition if reading and sorting its movies costs less than scanning the index of the order
    until `limit` movies and one more are found; None otherwise.

    `skewed` is whether the matches may all be at the end of the order, as what a user has rated often is.
    """
    if not frequency:
        return None
    rarest = min(frequency, key=lambda condition: frequency[condition])
    scanned = total if skewed else scanned_movies(frequency.values(), total, limit + 1)
    return rarest if frequency[rarest] <= min(MAX_SORTED, scanned) else None


def scanned_movies(frequencies: Collection[int], total: int, limit: int) -> float:
    """How many of `total` movies must be scanned until `limit` meet all conditions, by their frequencies.

    The estimate assumes that the conditions are independent of each other.
    """
    share = prod(count / max(total, 1) for count in frequencies)
    return min(total, limit / share) if share else total
