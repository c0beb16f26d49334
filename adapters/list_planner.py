"""How stores choose between two ways to read a filtered and sorted list.

They can walk the index of the order and test each movie, or read all movies that meet the rarest condition
and sort them. The first costs more the fewer movies pass the filter, the second the more movies meet the
condition.
"""

from collections.abc import Callable, Hashable, Mapping
from math import prod
from typing import Generic, TypeVar

from domain.browsing import SortBy

MAX_SORTED = 5000
"""The most movies that are read and sorted for one page."""

MAX_REMEMBERED = 1000
"""The most conditions whose frequencies are remembered."""

GROWTH = 0.1
"""The change in the number of movies, as a share, after which a frequency is counted anew."""

ALWAYS_KNOWN = frozenset({SortBy.TITLE, SortBy.RATINGS_COUNT})
"""Orders in which every movie has a value."""

ConditionT = TypeVar("ConditionT", bound=Hashable)


class Frequencies(Generic[ConditionT]):
    """Remembers how many movies meet each condition. An old count will do until the store has grown."""

    def __init__(self) -> None:
        self._known: dict[ConditionT, tuple[int, int]] = {}

    def __call__(self, condition: ConditionT, total: int, count: Callable[[], int]) -> int:
        """About how many of the `total` visible movies meet a condition; `count` counts them."""
        frequency, total_then = self._known.get(condition, (0, -1))
        if not (1 - GROWTH) * total <= total_then <= (1 + GROWTH) * total:
            frequency = count()
            if len(self._known) >= MAX_REMEMBERED:
                self._known = {}
            self._known[condition] = frequency, total
        return frequency


def worth_sorting(frequency: Mapping[ConditionT, int], total: int, limit: int) -> ConditionT | None:
    """The rarest condition, if reading and sorting its movies costs less than walking the order until `limit`
    movies and one more are found; None otherwise. The conditions are taken as independent of each other.
    """
    if not frequency:
        return None
    rarest = min(frequency, key=lambda condition: frequency[condition])
    share = prod(count / max(total, 1) for count in frequency.values())
    walked = min(total, (limit + 1) / share) if share else total
    return rarest if frequency[rarest] <= min(MAX_SORTED, walked) else None
