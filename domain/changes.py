"""The change feed of a user: what has changed since a mark, for clients that keep a copy.

Each change of a user's ratings, watchlist and viewings has a number, which is taken in the transaction of the
change. Transactions of one user that change something are serial, so a number is visible only when all lower
ones are. An entry has the number of its last change; of a deleted one a removal is kept for a while.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict
from domain.ids import MovieId
from domain.ratings import Rating
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem

RETENTION = timedelta(days=90)
"""How long a mark is valid, and removals are kept at least."""

CLOCK_TOLERANCE = timedelta(days=1)
"""How much longer removals are kept, since the clocks of hosts differ."""

RENEWAL = timedelta(days=1)
"""The age from which a mark is renewed although nothing has changed."""


@dataclass(eq=False)
class ChangesExpired(Conflict):
    """The mark is too old, or is not of this store: start again without one."""

    code: ClassVar[str] = "changes_expired"

    def __str__(self) -> str:
        return "What changed since this mark is no longer known: start again without since"


class Kind(StrEnum):
    """What a user's entries are."""

    RATING = "rating"
    WATCHLIST = "watchlist"
    VIEWING = "viewing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """An entry that was deleted."""

    kind: Kind
    id: str
    movie: MovieId


Entry = Rating | WatchlistItem | Viewing


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of an entry, with the entry as it is now, or its removal."""

    number: int
    entry: Entry | Removal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBatch:
    """Changes in the order of their numbers, all up to `last`. `latest` is the number of the user's last
    change at that time. `epoch` identifies the history of the store, which a restored backup does not
    continue.
    """

    changes: tuple[Change, ...]
    last: int
    latest: int
    epoch: int

    @classmethod
    def of(cls, found: Iterable[Change], limit: int, *, latest: int, epoch: int) -> "ChangeBatch":
        """A batch of the first `limit` of what was found up to `latest`, in any order.

        Of an entry that was removed and stored again, such as by undoing an import, only the last change is
        kept.
        """
        first = sorted(found, key=lambda change: change.number)[:limit]
        last_of = {change.entry.id: change for change in first}
        return cls(
            changes=tuple(change for change in first if last_of[change.entry.id] is change),
            last=first[-1].number if len(first) == limit else latest,
            latest=latest,
            epoch=epoch,
        )

    @property
    def more(self) -> bool:
        """Whether changes follow."""
        return self.last < self.latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A position in the changes of a user: the client knows all up to `number`.

    `at` is the time from which removals must have been kept. A client that began without a mark when the
    last change was `began` need not know of earlier removals.
    """

    epoch: int
    number: int
    at: datetime
    began: int = 0

    def expired(self, now: datetime) -> bool:
        """Whether removals after the mark may have been deleted."""
        return now - self.at >= RETENTION

    def precedes(self, batch: ChangeBatch) -> bool:
        """Whether the mark is a position in the history that a batch was read from."""
        return self.epoch == batch.epoch and self.number <= batch.latest


def next_mark(since: Mark | None, batch: ChangeBatch, now: datetime) -> Mark:
    """The mark after a batch that was read from `since`; None is the beginning."""
    began = since.began if since else batch.latest
    if batch.more:  # removals must still be kept from the time of the mark that this reading began with
        at = since.at if since else now
        return Mark(epoch=batch.epoch, number=batch.last, at=at, began=began)
    if since and since.number == batch.latest and now - since.at < RENEWAL:
        return since
    return Mark(epoch=batch.epoch, number=batch.latest, at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The number of a user's last change, and when each kind of entry last changed; None if it never did."""

    latest: int
    ratings: datetime | None = None
    watchlist: datetime | None = None
    viewings: datetime | None = None
