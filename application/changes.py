"""The change feed: what of a user's has changed since a mark, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from application.watchlist import by_id
from domain.changes import (
    CLOCK_TOLERANCE,
    RETENTION,
    Activity,
    ChangesExpired,
    Entry,
    Mark,
    Removal,
    next_mark,
)
from domain.ids import GenreId, MovieId
from domain.movies import Genre, Movie
from domain.ports import ChangeRepository, Clock, GenreRepository, MovieRepository
from domain.users import User

EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Entries that have changed, with their movies, all genres by id, and removals.

    `next` is the mark from which to go on; `more` is whether further changes are known already.
    """

    entries: Sequence[Entry]
    removals: Sequence[Removal]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]
    next: Mark
    more: bool

    def of(self, kind: type[EntryT]) -> list[EntryT]:
        """The entries of a kind, in the order of their changes."""
        return [entry for entry in self.entries if isinstance(entry, kind) and entry.movie in self.movies]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetChanges:
    """Show what of one's own has changed since a mark; without one, everything."""

    changes: ChangeRepository
    movies: MovieRepository
    genres: GenreRepository
    clock: Clock

    def __call__(self, *, user: User, since: Mark | None, limit: int) -> ChangePage:
        """Up to `limit` changes, the earliest first. Raises ChangesExpired."""
        now = self.clock()
        if since and since.expired(now):
            raise ChangesExpired
        number, began = (since.number, since.began) if since else (0, 0)
        batch = self.changes.since(user.id, number, limit, removals_since=began)
        if since and not since.precedes(batch):
            raise ChangesExpired
        shown = [change.entry for change in batch.changes]
        entries = [entry for entry in shown if not isinstance(entry, Removal)]
        removals = [entry for entry in shown if isinstance(entry, Removal)]
        movies = self.movies.by_ids(list({entry.movie for entry in entries}))
        return ChangePage(
            entries=entries,
            removals=removals if since else (),
            movies={movie.id: movie for movie in movies},
            genres=by_id(self.genres) if entries else {},
            next=next_mark(since, batch, now),
            more=batch.more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetActivity:
    """Show when one's own entries last changed."""

    changes: ChangeRepository

    def __call__(self, *, user: User) -> Activity:
        """The time for each kind, and a number that grows with every change."""
        return self.changes.activity(user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRemovals:
    """Delete the records of removed entries that no valid mark needs."""

    changes: ChangeRepository
    clock: Clock

    def __call__(self) -> int:
        """Return how many were deleted."""
        return self.changes.remove_before(_retained_since(self.clock()))


def _retained_since(now: datetime) -> datetime:
    return now - RETENTION - CLOCK_TOLERANCE
