"""Ports for ratings and watchlists."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.ids import ItemId, MovieId, RatingId, UserId
    from domain.pagination import Cursor
    from domain.ratings import Drift, Rating, RatingOrder, Tally
    from domain.watchlist import WatchlistItem, WatchlistOrder


class RatingRepository(Protocol):
    """Ratings. Each write changes the rating and its movie's tally in one step, both or neither.

    The tallies returned are those of the movie after the change.
    """

    def add(self, rating: Rating) -> Tally:
        """Store a user's first rating of a movie. Raises AlreadyRated, MovieNotFound, UserNotFound."""
        ...

    def put(self, rating: Rating) -> tuple[Rating, Tally, bool]:
        """Store a rating, whether or not the user has rated the movie. Return the rating, the tally, and
        whether it is the user's first rating of the movie.

        A rating that exists keeps its id and `created_at`, and gets the score, review and `updated_at` of the
        new one. Raises MovieNotFound, UserNotFound.
        """
        ...

    def change(
        self, rating: RatingId, user: UserId, change: Callable[[Rating], Rating]
    ) -> tuple[Rating, Tally]:
        """Apply a function to a user's stored rating; store and return the result. The function may be called
        more than once.

        Raises RatingNotFound, NotYourRating.
        """
        ...

    def remove(self, rating: RatingId, user: UserId) -> Tally:
        """Delete a user's rating. Raises RatingNotFound, NotYourRating."""
        ...

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        """Delete a user's rating of a movie. Nothing happens if there is none."""
        ...

    def get(self, rating: RatingId) -> Rating:
        """The rating with that id. Raises RatingNotFound."""
        ...

    def of(self, user: UserId, movie: MovieId) -> Rating | None:
        """A user's rating of a movie; None if there is none."""
        ...

    def among(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, Rating]:
        """A user's ratings of these movies, by movie; those without a rating are left out."""
        ...

    def of_user(
        self,
        user: UserId,
        by: RatingOrder,
        *,
        descending: bool,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Rating]:
        """Up to `limit` of a user's ratings in an order; ties by id, ascending.

        They are those after the cursor `after` (`Rating.cursor` in that order) if it is given, else those
        after the first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def of_movie(
        self, movie: MovieId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Rating]:
        """Up to `limit` of all users' ratings of a movie, the newest (`created_at`) first; ties by id.

        They are those after the cursor `after` (`Rating.cursor` by `created_at`) if it is given, else those
        after the first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def count(self, user: UserId) -> int:
        """The number of movies that a user has rated."""
        ...

    def drifts(self, *, repair: bool = False) -> list[Drift]:
        """The movies whose tally differs from a recount of their ratings, sorted by id; `repair` corrects the
        tallies.

        Each movie is recounted in one step, so ratings that are stored meanwhile do not appear as drift.
        """
        ...


class WatchlistRepository(Protocol):
    """Watchlists. A movie on a watchlist is not deleted when its source removes it."""

    def add(self, item: WatchlistItem) -> None:
        """Store a new item. Raises AlreadyListed, MovieNotFound, UserNotFound, WatchlistFull."""
        ...

    def put(self, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
        """Store an item, whether or not the movie is on the watchlist. Return it, and whether it is new.

        An item that exists keeps its id and `added_at`, and gets all other fields of the new one. Raises
        MovieNotFound, WatchlistFull.
        """
        ...

    def change(
        self, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
    ) -> WatchlistItem:
        """Apply a function to a user's stored item; store and return the result. The function may be called
        more than once.

        Raises ItemNotFound, NotYourItem.
        """
        ...

    def remove(self, item: ItemId, user: UserId) -> None:
        """Delete a user's item. Raises ItemNotFound, NotYourItem."""
        ...

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        """Remove a movie from a user's watchlist. Nothing happens if it is not there."""
        ...

    def get(self, item: ItemId) -> WatchlistItem:
        """The item with that id. Raises ItemNotFound."""
        ...

    def of(self, user: UserId, movie: MovieId) -> WatchlistItem | None:
        """A user's item for a movie; None if there is none."""
        ...

    def among(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, WatchlistItem]:
        """A user's items for these movies, by movie; those without an item are left out."""
        ...

    def of_user(
        self,
        user: UserId,
        *,
        favorite: bool | None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[WatchlistItem]:
        """Up to `limit` of a user's items, the newest (`added_at`) first; ties by id. `favorite` selects
        those with or without the mark.

        They are those after the cursor `after` (`WatchlistItem.cursor`) if it is given, else those after the
        first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def sorted_of_user(
        self,
        user: UserId,
        by: WatchlistOrder,
        *,
        descending: bool,
        favorite: bool | None,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[WatchlistItem]:
        """Like `of_user`, in an order; unknown values last in either direction, ties by id, ascending. The
        sort values of movies are those of `domain.browsing.sort_values`, visible or not.

        All of the user's items are read, of which there are `domain.watchlist.MAX_ITEMS` at most.
        """
        ...

    def count(self, user: UserId, *, favorite: bool | None = None) -> int:
        """The number of a user's items; `favorite` selects those with or without the mark."""
        ...
