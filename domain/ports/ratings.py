"""Ports for ratings and watchlists."""

from collections.abc import Callable
from typing import Protocol

from domain.ids import ItemId, MovieId, RatingId, UserId
from domain.pagination import Cursor
from domain.ratings import Drift, Rating, RatingOrder, Tally
from domain.watchlist import WatchlistItem


class RatingRepository(Protocol):
    """Ratings, each of which moves with its movie's tally: both change in one step, or neither does.

    `Tally`s that are returned are the movie's, right after the change.
    """

    def add(self, rating: Rating) -> Tally:
        """Store a first rating. Raises AlreadyRated, MovieNotFound, UserNotFound."""
        ...

    def put(self, rating: Rating) -> tuple[Rating, Tally, bool]:
        """Store a rating whether or not the user has rated the movie; return it, and whether it is the first.

        One that was there keeps its id and `created_at`, and takes score, review and `updated_at` of the new
        one. Raises MovieNotFound, UserNotFound.
        """
        ...

    def change(
        self, rating: RatingId, user: UserId, change: Callable[[Rating], Rating]
    ) -> tuple[Rating, Tally]:
        """Apply a change to a user's rating as it is stored; return the result. The function may be called
        twice.

        Raises RatingNotFound, NotYourRating.
        """
        ...

    def remove(self, rating: RatingId, user: UserId) -> Tally:
        """Delete a user's rating. Raises RatingNotFound, NotYourRating."""
        ...

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        """Delete a user's rating of a movie; nothing happens if there is none."""
        ...

    def get(self, rating: RatingId) -> Rating:
        """The rating of that id. Raises RatingNotFound."""
        ...

    def of(self, user: UserId, movie: MovieId) -> Rating | None:
        """A user's rating of a movie; None if there is none."""
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
        """A user's ratings in order; ties by id, ascending.

        They follow `after` (`Rating.cursor` in that order) if it is given, else the first `skip`. The cost
        does not grow with the depth of a cursor.
        """
        ...

    def of_movie(
        self, movie: MovieId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Rating]:
        """Everybody's ratings of a movie, the newest (`created_at`) first; ties by id.

        They follow `after` (`Rating.cursor` by `created_at`) if it is given, else the first `skip`. The cost
        does not grow with the depth of a cursor.
        """
        ...

    def count(self, user: UserId) -> int:
        """How many movies a user has rated."""
        ...

    def drifts(self, *, repair: bool = False) -> list[Drift]:
        """The movies whose tally differs from a recount of their ratings, by id; with `repair` it is set
        right.

        Each movie is recounted in one step, so ratings that come in meanwhile are no drift.
        """
        ...


class WatchlistRepository(Protocol):
    """Watchlists. A movie that is on one is kept when its source drops it."""

    def add(self, item: WatchlistItem) -> None:
        """Store a new item. Raises AlreadyListed, MovieNotFound, UserNotFound, WatchlistFull."""
        ...

    def put(self, item: WatchlistItem) -> tuple[WatchlistItem, bool]:
        """Store an item whether or not the movie is listed already; return it, and whether it is new.

        One that was there keeps its id and `added_at`, and takes the rest of the new one. Raises
        MovieNotFound, WatchlistFull.
        """
        ...

    def change(
        self, item: ItemId, user: UserId, change: Callable[[WatchlistItem], WatchlistItem]
    ) -> WatchlistItem:
        """Apply a change to a user's item as it is stored; return the result. The function may be called
        twice.

        Raises ItemNotFound, NotYourItem.
        """
        ...

    def remove(self, item: ItemId, user: UserId) -> None:
        """Delete a user's item. Raises ItemNotFound, NotYourItem."""
        ...

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        """Take a movie off a user's watchlist; nothing happens if it is not on it."""
        ...

    def get(self, item: ItemId) -> WatchlistItem:
        """The item of that id. Raises ItemNotFound."""
        ...

    def of(self, user: UserId, movie: MovieId) -> WatchlistItem | None:
        """A user's item for a movie; None if there is none."""
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
        """A user's items, the newest (`added_at`) first, ties by id; only those with that favourite mark if
        given.

        They follow `after` (`WatchlistItem.cursor`) if it is given, else the first `skip`. The cost does not
        grow with the depth of a cursor.
        """
        ...

    def count(self, user: UserId, *, favorite: bool | None = None) -> int:
        """How many items a user has, or how many with that favourite mark."""
        ...
