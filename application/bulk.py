"""Changes of many ratings, watchlist items or viewings at once. Each entry is stored or refused by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, auto
from typing import Protocol, TypeVar

from domain import viewings, watchlist
from domain.errors import MatineeError
from domain.ids import ImdbId, ItemId, MovieId, MovieRef, NewId, RatingId, TmdbNumber, ViewingId, movie_id
from domain.imports.holdings import Holding, Holdings
from domain.movies import MovieNotFound
from domain.ports import CacheInvalidation, Clock, HoldingRepository, MovieRepository
from domain.ratings import Rating, Score
from domain.texts import clean_text
from domain.users import User
from domain.viewings import AlreadyViewed, DiaryFull, Viewing, validate_day
from domain.watchlist import WatchlistFull, WatchlistItem

MAX_ENTRIES = 500
"""The largest number of entries of a call."""

BATCH_SIZE = 100
"""The entries that are changed in one transaction; other writers wait meanwhile."""


class Outcome(Enum):
    """What became of an entry."""

    CREATED = auto()
    CHANGED = auto()
    UNCHANGED = auto()


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that is stored now, with its id."""

    outcome: Outcome
    id: str
    movie: MovieId


Result = Written | MatineeError
"""What became of an entry, or why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingEntry:
    """A score for a movie, and a review or None."""

    movie: MovieRef
    score: Score
    review: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEntry:
    """A movie for the watchlist."""

    movie: MovieRef
    is_favorite: bool
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewingEntry:
    """A day on which a movie was seen; None if it is unknown."""

    movie: MovieRef
    watched_on: date | None = None
    rewatch: bool
    note: str | None = None


class AnyEntry(Protocol):
    """An entry of any kind."""

    @property
    def movie(self) -> MovieRef: ...


EntryT = TypeVar("EntryT", bound=AnyEntry)


@dataclass(slots=True)
class Present:
    """What a user has of some films while entries are applied to it, one after the other."""

    films: dict[MovieId, Holding]
    listed: int
    seen: int


Step = Callable[[User, MovieId, EntryT, Present], Written]
"""Applies one entry to what a user has. Raises MatineeError, changing nothing."""


def apply_entries(
    user: User,
    entries: Sequence[EntryT],
    step: Step[EntryT],
    *,
    holdings: HoldingRepository,
    movies: MovieRepository,
) -> list[Result]:
    """Apply entries in their order, in batches of one transaction each. Return one result for each."""
    results: list[Result] = []
    for start in range(0, len(entries), BATCH_SIZE):
        batch = entries[start : start + BATCH_SIZE]
        ids = _ids(movies, [entry.movie for entry in batch])
        results += _apply_batch(user, batch, ids, step, holdings)
    return results


def _apply_batch(
    user: User,
    entries: Sequence[EntryT],
    ids: Sequence[MovieId | None],
    step: Step[EntryT],
    holdings: HoldingRepository,
) -> list[Result]:
    wanted, results = list(dict.fromkeys(each for each in ids if each)), list[Result]()

    def change(stored: Holdings) -> Mapping[MovieId, Holding]:
        results.clear()
        present = Present(dict(stored.films), stored.listed, stored.seen)
        for entry, movie in zip(entries, ids, strict=True):
            try:
                if movie not in present.films:
                    raise MovieNotFound(entry.movie)
                results.append(step(user, movie, entry, present))
            except MatineeError as error:
                results.append(error)
        return {
            movie: present.films[movie]
            for movie in wanted
            if movie in present.films and present.films[movie] != stored.films[movie]
        }

    holdings.change(user.id, wanted, change)
    return results


def _ids(movies: MovieRepository, refs: Sequence[MovieRef]) -> list[MovieId | None]:
    """The ids of movies; None for an IMDb id that is unknown."""
    imdb_ids = [ref.value for ref in refs if isinstance(ref, ImdbId)]
    found = movies.by_imdb_ids(imdb_ids) if imdb_ids else {}

    def id_of(ref: MovieRef) -> MovieId | None:
        match ref:
            case TmdbNumber(number):
                return movie_id(number)
            case ImdbId(imdb_id):
                return found[imdb_id].id if imdb_id in found else None
            case _:
                return ref

    return list(map(id_of, refs))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRatings:
    """Add or replace many of one's own ratings. Idempotent."""

    holdings: HoldingRepository
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, entries: Sequence[RatingEntry]) -> list[Result]:
        """One result for each entry: MovieNotFound, InvalidText."""
        changed: list[MovieId] = []

        def step(user: User, movie: MovieId, entry: RatingEntry, present: Present) -> Written:
            now, held = self.clock(), present.films[movie]
            wanted = Rating(
                id=RatingId(self.new_id()),
                user=user.id,
                movie=movie,
                score=entry.score,
                review=clean_text("review", entry.review),
                created_at=now,
                updated_at=now,
            )
            before = held.rating
            if before and (before.score, before.review) == (wanted.score, wanted.review):
                return Written(Outcome.UNCHANGED, before.id, movie)
            rating = before.replaced_by(wanted) if before else wanted
            present.films[movie] = replace(held, rating=rating)
            changed.append(movie)
            return Written(Outcome.CHANGED if before else Outcome.CREATED, rating.id, movie)

        with self.invalidation.movies(changed):
            return apply_entries(user, entries, step, holdings=self.holdings, movies=self.movies)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWatchlistItems:
    """Add or replace many items of one's own watchlist. Idempotent."""

    holdings: HoldingRepository
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, entries: Sequence[ItemEntry]) -> list[Result]:
        """One result for each entry: MovieNotFound, WatchlistFull, InvalidText."""
        with self.invalidation.watchlist(user.id):
            return apply_entries(user, entries, self._step, holdings=self.holdings, movies=self.movies)

    def _step(self, user: User, movie: MovieId, entry: ItemEntry, present: Present) -> Written:
        now, held = self.clock(), present.films[movie]
        wanted = WatchlistItem(
            id=ItemId(self.new_id()),
            user=user.id,
            movie=movie,
            is_favorite=entry.is_favorite,
            note=clean_text("note", entry.note),
            added_at=now,
            updated_at=now,
        )
        before = held.item
        if before and (before.is_favorite, before.note) == (wanted.is_favorite, wanted.note):
            return Written(Outcome.UNCHANGED, before.id, movie)
        if before is None:
            if present.listed >= watchlist.MAX_ITEMS:
                raise WatchlistFull
            present.listed += 1
        item = before.replaced_by(wanted) if before else wanted
        present.films[movie] = replace(held, item=item)
        return Written(Outcome.CHANGED if before else Outcome.CREATED, item.id, movie)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetViewings:
    """Record many viewings. Idempotent: one that is recorded already stays as it is."""

    holdings: HoldingRepository
    movies: MovieRepository
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, entries: Sequence[ViewingEntry]) -> list[Result]:
        """One result for each entry: MovieNotFound, AlreadyViewed, DiaryFull, DayOutOfRange, InvalidText.

        A viewing of the same movie on the same day that is a rewatch, or is not, like the entry, is the same:
        it gets the note of the entry. Only a rewatch is added beside another viewing of that day.
        """
        return apply_entries(user, entries, self._step, holdings=self.holdings, movies=self.movies)

    def _step(self, user: User, movie: MovieId, entry: ViewingEntry, present: Present) -> Written:
        now, held = self.clock(), present.films[movie]
        if entry.watched_on:
            validate_day(entry.watched_on, now)
        note = clean_text("note", entry.note)
        that_day = [each for each in held.viewings if each.watched_on == entry.watched_on]
        same = min(
            (each for each in that_day if each.rewatch == entry.rewatch),
            key=lambda each: each.id,
            default=None,
        )
        if same and same.note == note:
            return Written(Outcome.UNCHANGED, same.id, movie)
        if same:
            changed = same.changed(now, note=note)
            present.films[movie] = replace(held, viewings=held.viewings - {same} | {changed})
            return Written(Outcome.CHANGED, same.id, movie)
        if that_day and not entry.rewatch:
            raise AlreadyViewed
        if present.seen >= viewings.MAX_VIEWINGS:
            raise DiaryFull
        viewing = Viewing(
            id=ViewingId(self.new_id()),
            user=user.id,
            movie=movie,
            watched_on=entry.watched_on,
            rewatch=entry.rewatch,
            note=note,
            created_at=now,
            updated_at=now,
        )
        present.seen += 1
        present.films[movie] = replace(held, viewings=held.viewings | {viewing})
        return Written(Outcome.CREATED, viewing.id, movie)
