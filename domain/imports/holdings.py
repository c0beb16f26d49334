"""What a user has of a film: a rating, a place on the watchlist, viewings, whether it is hidden from
recommendations; and how it changes as one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.ids import MovieId
from domain.ratings import Rating
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """All that a user has of one film. The viewings are in no particular order.

    `hidden_at` is when the user hid it from recommendations; None if it is not hidden.
    """

    rating: Rating | None = None
    item: WatchlistItem | None = None
    viewings: frozenset[Viewing] = frozenset()
    hidden_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a user has of some films, and how many items, viewings and hidden films the user has in all."""

    films: Mapping[MovieId, Holding]
    listed: int
    seen: int
    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an import did to a user's holding of one film: `before` and `after`."""

    movie: MovieId
    before: Holding
    after: Holding


def undone(effect: Effect, present: Holding) -> tuple[Holding, bool]:
    """The holding after an effect is undone, and whether all of it could be.

    Each part that is still what the import made of it becomes what it was before; what the user has changed
    since stays.
    """
    rating, item, complete = present.rating, present.item, True
    if effect.before.rating != effect.after.rating:
        same = present.rating == effect.after.rating
        rating, complete = (effect.before.rating, complete) if same else (present.rating, False)
    if effect.before.item != effect.after.item:
        same = present.item == effect.after.item
        item, complete = (effect.before.item, complete) if same else (present.item, False)
    hidden_at = present.hidden_at
    if effect.before.hidden_at != effect.after.hidden_at:
        same = present.hidden_at == effect.after.hidden_at
        hidden_at, complete = (effect.before.hidden_at, complete) if same else (present.hidden_at, False)
    added = effect.after.viewings - effect.before.viewings
    complete = complete and added <= present.viewings
    viewings = present.viewings - added
    return Holding(rating=rating, item=item, viewings=viewings, hidden_at=hidden_at), complete
