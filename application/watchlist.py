"""Watchlists, a user's relation to a movie, and the export of a user's data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.ids import GenreId, ItemId, MovieId, MovieRef, NewId
from domain.movies import Genre, Movie
from domain.pagination import Cursor, Page, Window, page_of
from domain.ports import (
    CacheInvalidation,
    Clock,
    GenreRepository,
    MovieRepository,
    RatingRepository,
    WatchlistRepository,
)
from domain.ratings import Rating, RatingOrder
from domain.texts import UNCHANGED, Unchanged, clean_text
from domain.users import User
from domain.watchlist import NotYourItem, WatchlistItem

EXPORT_BATCH = 50
"""Ratings or items read at once: few, so that other requests hardly wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistEntry:
    """A watchlist item with its movie and all genres. `created` is set by a write that added the item."""

    item: WatchlistItem
    movie: Movie
    genres: Mapping[GenreId, Genre]
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistPage:
    """One page of a watchlist with its movies and all genres."""

    page: Page[WatchlistItem]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddToWatchlist:
    """Add a movie to one's watchlist."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, movie: MovieRef, is_favorite: bool, note: str | None) -> WatchlistEntry:
        """Raises MovieNotFound, AlreadyListed, WatchlistFull, InvalidText."""
        text, listed = clean_text("note", note), self.movies.get(movie)
        item = _fresh(self.new_id, self.clock, user, listed, text, is_favorite=is_favorite)
        with self.invalidation.watchlist(user.id):
            self.watchlist.add(item)
        return WatchlistEntry(item=item, movie=listed, genres=by_id(self.genres), created=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOnWatchlist:
    """Add a movie to one's watchlist, or replace its mark and note. Idempotent."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, movie: MovieRef, is_favorite: bool, note: str | None) -> WatchlistEntry:
        """Raises MovieNotFound, WatchlistFull, InvalidText."""
        text, listed = clean_text("note", note), self.movies.get(movie)
        wanted = _fresh(self.new_id, self.clock, user, listed, text, is_favorite=is_favorite)
        with self.invalidation.watchlist(user.id):
            item, created = self.watchlist.put(wanted)
        return WatchlistEntry(item=item, movie=listed, genres=by_id(self.genres), created=created)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeItem:
    """Change the favourite mark or the note of one's own item."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(
        self,
        *,
        user: User,
        item: ItemId,
        is_favorite: bool | None = None,
        note: str | Unchanged | None = UNCHANGED,
    ) -> WatchlistEntry:
        """A note of None is removed. Raises ItemNotFound, NotYourItem, InvalidText."""
        text = note if isinstance(note, Unchanged) else clean_text("note", note)
        now = self.clock()
        with self.invalidation.watchlist(user.id):
            changed = self.watchlist.change(
                item, user.id, lambda before: before.changed(now, is_favorite=is_favorite, note=text)
            )
        return WatchlistEntry(item=changed, movie=self.movies.get(changed.movie), genres=by_id(self.genres))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToggleFavorite:
    """Toggle the favourite mark of one's own item."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(self, *, user: User, item: ItemId) -> WatchlistEntry:
        """Raises ItemNotFound, NotYourItem."""
        now = self.clock()
        with self.invalidation.watchlist(user.id):
            changed = self.watchlist.change(item, user.id, lambda before: before.toggled(now))
        return WatchlistEntry(item=changed, movie=self.movies.get(changed.movie), genres=by_id(self.genres))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveItem:
    """Delete one's own item."""

    watchlist: WatchlistRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: User, item: ItemId) -> None:
        """Raises ItemNotFound, NotYourItem."""
        with self.invalidation.watchlist(user.id):
            self.watchlist.remove(item, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOffWatchlist:
    """Remove a movie from one's watchlist, if it is there."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    invalidation: CacheInvalidation

    def __call__(self, *, user: User, movie: MovieRef) -> None:
        """Raises MovieNotFound."""
        listed = self.movies.get(movie).id
        with self.invalidation.watchlist(user.id):
            self.watchlist.remove_from(listed, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetItem:
    """Show one of one's own items."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, item: ItemId) -> WatchlistEntry:
        """Raises ItemNotFound, NotYourItem."""
        found = self.watchlist.get(item)
        if found.user != user.id:
            raise NotYourItem
        return WatchlistEntry(item=found, movie=self.movies.get(found.movie), genres=by_id(self.genres))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWatchlist:
    """Show one's own watchlist, the newest first."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, favorite: bool | None, window: Window) -> WatchlistPage:
        """One page of items; `favorite` selects those with or without the mark."""
        found = self.watchlist.of_user(
            user.id,
            favorite=favorite,
            limit=window.fetch_size,
            skip=window.skip,
            after=window.cursor,
        )
        shown = page_of(found, window, self.watchlist.count(user.id, favorite=favorite))
        movies = self.movies.by_ids([item.movie for item in shown.rows])
        return WatchlistPage(
            page=shown, movies={movie.id: movie for movie in movies}, genres=by_id(self.genres)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A movie with a user's rating and watchlist item of it, and all genres."""

    movie: Movie
    rating: Rating | None
    item: WatchlistItem | None
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRelation:
    """Show one's own rating and watchlist item of a movie."""

    ratings: RatingRepository
    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, movie: MovieRef) -> Relation:
        """Raises MovieNotFound."""
        found = self.movies.get(movie)
        return Relation(
            movie=found,
            rating=self.ratings.of(user.id, found.id),
            item=self.watchlist.of(user.id, found.id),
            genres=by_id(self.genres),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedRatings:
    """Some of a user's ratings, with their movies."""

    ratings: Sequence[Rating]
    movies: Mapping[MovieId, Movie]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedItems:
    """Some items of a user's watchlist, with their movies and all genres."""

    items: Sequence[WatchlistItem]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportUser:
    """Read all data of a user in batches: the ratings, then the watchlist, each the newest first.

    No transaction is open between two batches. A rating or item that exists when the export begins, and is
    not deleted before its batch is read, appears exactly once, because its position in this order never
    changes. One that is added meanwhile is newer than the remaining batches, and does not appear.
    """

    ratings: RatingRepository
    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User) -> Iterator[ExportedRatings | ExportedItems]:
        """Iterate over batches of all data of the user except the account. Each batch is read when needed."""
        after: Cursor | None = None
        by, limit = RatingOrder.CREATED_AT, EXPORT_BATCH
        while ratings := self.ratings.of_user(user.id, by, descending=True, limit=limit, after=after):
            movies = self._movies(rating.movie for rating in ratings)
            yield ExportedRatings(ratings=ratings, movies=movies)
            after = ratings[-1].cursor(by)
        after = None
        while items := self.watchlist.of_user(user.id, favorite=None, limit=limit, after=after):
            genres = by_id(self.genres)
            movies = self._movies(item.movie for item in items)
            yield ExportedItems(items=items, movies=movies, genres=genres)
            after = items[-1].cursor

    def _movies(self, ids: Iterable[MovieId]) -> Mapping[MovieId, Movie]:
        return {movie.id: movie for movie in self.movies.by_ids(list(ids))}


def _fresh(
    new_id: NewId, clock: Clock, user: User, movie: Movie, note: str | None, *, is_favorite: bool
) -> WatchlistItem:
    now = clock()
    return WatchlistItem(
        id=ItemId(new_id()),
        user=user.id,
        movie=movie.id,
        is_favorite=is_favorite,
        note=note,
        added_at=now,
        updated_at=now,
    )


def by_id(genres: GenreRepository) -> Mapping[GenreId, Genre]:
    """All genres by id."""
    return {genre.id: genre for genre in genres.all()}
