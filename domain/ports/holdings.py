"""The port for changes of many of a user's entries at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.ids import MovieId, UserId
    from domain.imports.holdings import Holding, Holdings


class HoldingRepository(Protocol):
    """All that a user has of films, changed together."""

    def change(
        self,
        user: UserId,
        movies: Sequence[MovieId],
        change: Callable[[Holdings], Mapping[MovieId, Holding]],
    ) -> None:
        """Apply a function to what a user has of these films, and store what it returns, all or nothing.

        The function gets the films that are stored, and returns the holdings of some of them. It may be
        called more than once. Tallies and the change feed follow. Raises UserNotFound.
        """
        ...
