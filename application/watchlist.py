"""Use cases of watchlists."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from domain.browsing import sort_values
from domain.ids import GenreId, ItemId, MovieId, MovieRef, NewId
from domain.movies import Genre, Movie
from domain.pagination import Cursor, Page, Window, page_of
from domain.ports import (
    CacheInvalidation,
    Clock,
    GenreRepository,
    MovieRepository,
    WatchlistRepository,
)
from domain.texts import UNCHANGED, Unchanged, clean_text
from domain.users import User
from domain.watchlist import NotYourItem, WatchlistItem, WatchlistOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistEntry:
    """A watchlist item with its movie, and all genres by id. `created` is set if a write added the item."""

    item: WatchlistItem
    movie: Movie
    genres: Mapping[GenreId, Genre]
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistPage:
    """A page of a watchlist with its movies by id, its order, and all genres by id."""

    page: Page[WatchlistItem]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]
    by: WatchlistOrder = WatchlistOrder.ADDED_AT

    def cursor(self, item: WatchlistItem) -> Cursor:
        """The position of an item in the order of the list."""
        if self.by.of_movies is None:
            return item.cursor
        movie = self.movies.get(item.movie)
        return Cursor(sort_values(movie)[self.by.of_movies] if movie else None, item.id)


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
        item = _new_item(self.new_id, self.clock, user, listed, text, is_favorite=is_favorite)
        with self.invalidation.watchlist(user.id):
            self.watchlist.add(item)
        return WatchlistEntry(item=item, movie=listed, genres=by_id(self.genres), created=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOnWatchlist:
    """Add a movie to one's watchlist, or replace the mark and note of its item. Idempotent."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, user: User, movie: MovieRef, is_favorite: bool, note: str | None) -> WatchlistEntry:
        """Raises MovieNotFound, WatchlistFull, InvalidText."""
        text, listed = clean_text("note", note), self.movies.get(movie)
        wanted = _new_item(self.new_id, self.clock, user, listed, text, is_favorite=is_favorite)
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
class RemoveFromWatchlist:
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
    """Show one's own watchlist."""

    watchlist: WatchlistRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(
        self,
        *,
        user: User,
        favorite: bool | None,
        window: Window,
        by: WatchlistOrder,
        descending: bool,
    ) -> WatchlistPage:
        """One page of items; `favorite` selects those with or without the mark."""
        if by is WatchlistOrder.ADDED_AT and descending:
            show = self.watchlist.of_user
        else:
            show = partial(self.watchlist.sorted_of_user, by=by, descending=descending)
        found = show(
            user.id, favorite=favorite, limit=window.fetch_size, skip=window.skip, after=window.cursor
        )
        shown = page_of(found, window, self.watchlist.count(user.id, favorite=favorite))
        movies = self.movies.by_ids([item.movie for item in shown.rows])
        return WatchlistPage(
            page=shown, movies={movie.id: movie for movie in movies}, genres=by_id(self.genres), by=by
        )


def _new_item(
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
    """All genres, by id."""
    return {genre.id: genre for genre in genres.all()}
