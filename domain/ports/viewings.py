"""Ports for viewings, and for the statistics of what users have seen and rated."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.ids import MovieId, UserId, ViewingId
    from domain.pagination import Cursor
    from domain.statistics import RatedMovie, ViewedMovie
    from domain.viewings import DayRange, Viewing, ViewingSummary


class ViewingRepository(Protocol):
    """Viewings. A movie that someone has seen is not deleted when its source removes it."""

    def add(
        self, viewing: Viewing, *, remove_from_watchlist: bool = False, repeatable: bool = False
    ) -> Viewing:
        """Store a new viewing and return it. With `remove_from_watchlist` its movie is removed from the
        user's watchlist in the same step, if it is there: both or neither. If it is `repeatable` and the user
        has a viewing with that id, that is returned, and nothing changes.

        Raises AlreadyViewed if the user has another viewing of the movie on that day and this one is no
        rewatch, DiaryFull, MovieNotFound, UserNotFound.
        """
        ...

    def change(self, viewing: ViewingId, user: UserId, change: Callable[[Viewing], Viewing]) -> Viewing:
        """Apply a function to a user's stored viewing; store and return the result. The function may be
        called more than once, and changes neither ids nor `created_at`.

        Raises ViewingNotFound, NotYourViewing, and AlreadyViewed like `add`, unless the viewing keeps its day
        and was no rewatch before.
        """
        ...

    def remove(self, viewing: ViewingId, user: UserId) -> None:
        """Delete a user's viewing. Raises ViewingNotFound, NotYourViewing."""
        ...

    def get(self, viewing: ViewingId) -> Viewing:
        """The viewing with that id. Raises ViewingNotFound."""
        ...

    def of_user(
        self,
        user: UserId,
        *,
        movie: MovieId | None = None,
        days: DayRange | None = None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Viewing]:
        """Up to `limit` of a user's viewings, the latest day first and unknown days last; those of one day by
        `created_at`, the newest first; ties by id. `movie` selects those of a movie, `days` those on these
        days.

        They are those after the cursor `after` (`Viewing.cursor`) if it is given, else those after the first
        `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def count(self, user: UserId, *, movie: MovieId | None = None, days: DayRange | None = None) -> int:
        """The number of a user's viewings, selected like those of `of_user`."""
        ...

    def by_creation(self, user: UserId, *, limit: int, after: Cursor | None = None) -> list[Viewing]:
        """Up to `limit` of a user's viewings, the newest (`created_at`) first; ties by id. The position of a
        viewing in this order never changes.

        They are those after the cursor `after` (`Viewing.creation_cursor`) if it is given.
        """
        ...

    def summaries(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, ViewingSummary]:
        """The summary of a user's viewings of each of these movies; those without viewings are left out."""
        ...


class StatisticsRepository(Protocol):
    """What users have seen and rated, with the facts of the movies that statistics use.

    Each method reads one state of the store. Movies are those that are stored, visible or not.
    """

    def viewed(self, user: UserId, days: DayRange | None = None) -> list[ViewedMovie]:
        """A user's viewings, in no particular order: all, or those on these days."""
        ...

    def rated(self, user: UserId, days: DayRange | None = None) -> list[RatedMovie]:
        """A user's ratings, in no particular order: all, or those first given on these days in UTC."""
        ...

    def years(self, user: UserId) -> list[int]:
        """The years in which a user has viewings or ratings, the latest first."""
        ...
