"""Watchlists: movies that a user wants to see or has marked as favourites."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from domain.browsing import SortBy
from domain.errors import Conflict, Fault, FaultCode, Forbidden, NotFound
from domain.ids import ItemId, MovieId, UserId
from domain.pagination import Cursor, time_value
from domain.texts import UNCHANGED, Unchanged

MAX_ITEMS = 5000
"""The largest number of items on a user's watchlist."""


class WatchlistOrder(StrEnum):
    """What a watchlist may be sorted by: when an item was added, or a value of its movie."""

    ADDED_AT = "added_at"
    TITLE = "title"
    RELEASE_DATE = "release_date"
    RUNTIME = "runtime"
    WEIGHTED_RATING = "weighted_rating"

    @property
    def of_movies(self) -> SortBy | None:
        """The order of movies with the same values; None if the value is that of the item."""
        return None if self is WatchlistOrder.ADDED_AT else SortBy(self.value)


@dataclass(eq=False)
class AlreadyListed(Conflict):
    """The movie is on the user's watchlist already."""

    code: ClassVar[str] = "already_listed"
    faults = (Fault("movie_id", FaultCode.ALREADY_EXISTS, "is a movie that is on your watchlist already"),)

    def __str__(self) -> str:
        return "The movie is on the watchlist already"


@dataclass(eq=False)
class WatchlistFull(Conflict):
    """The watchlist has the maximum number of items."""

    code: ClassVar[str] = "watchlist_full"

    def __str__(self) -> str:
        return f"A watchlist holds at most {MAX_ITEMS:,} movies"


@dataclass(eq=False)
class ItemNotFound(NotFound):
    """No watchlist item has that id."""

    code: ClassVar[str] = "item_not_found"

    def __str__(self) -> str:
        return "There is no such watchlist item"


@dataclass(eq=False)
class NotYourItem(Forbidden):
    """The watchlist item is another user's."""

    code: ClassVar[str] = "not_your_item"

    def __str__(self) -> str:
        return "The watchlist item is another user's"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistItem:
    """A movie on a user's watchlist."""

    id: ItemId
    user: UserId
    movie: MovieId
    is_favorite: bool = False
    note: str | None = None
    added_at: datetime
    updated_at: datetime

    def changed(
        self, at: datetime, *, is_favorite: bool | None = None, note: str | Unchanged | None = UNCHANGED
    ) -> "WatchlistItem":
        """This item with the given fields changed."""
        return replace(
            self,
            is_favorite=self.is_favorite if is_favorite is None else is_favorite,
            note=self.note if isinstance(note, Unchanged) else note,
            updated_at=at,
        )

    def replaced_by(self, other: "WatchlistItem") -> "WatchlistItem":
        """Another item of the same user and movie, with the id and `added_at` of this one."""
        return replace(other, id=self.id, added_at=self.added_at)

    def toggled(self, at: datetime) -> "WatchlistItem":
        """This item with the favourite mark set or removed."""
        return self.changed(at, is_favorite=not self.is_favorite)

    @property
    def cursor(self) -> Cursor:
        """The position of this item in the watchlist, which is sorted by `added_at`."""
        return Cursor(time_value(self.added_at), self.id)
