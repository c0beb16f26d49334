"""The export of a user's data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from application.watchlist import by_id
from domain.ids import GenreId, MovieId
from domain.movies import Genre, Movie
from domain.pagination import Cursor
from domain.ports import (
    GenreRepository,
    MovieRepository,
    RatingRepository,
    RecommendationRepository,
    ViewingRepository,
    WatchlistRepository,
)
from domain.ratings import Rating, RatingOrder
from domain.recommendations import HiddenMovie
from domain.users import User
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem

EXPORT_BATCH = 50
"""Ratings, items or viewings read in one call: few, so that other requests hardly wait."""


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
class ExportedViewings:
    """Some of a user's viewings, with their movies and all genres."""

    viewings: Sequence[Viewing]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedHidden:
    """Some of the movies that a user hides from recommendations, with the movies and all genres."""

    hidden: Sequence[HiddenMovie]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


ExportedPart = ExportedRatings | ExportedItems | ExportedViewings | ExportedHidden


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportUser:
    """Read all data of a user in batches: the ratings, the watchlist, the viewings, the hidden movies, each
    the newest first.

    No transaction is open between two batches. What exists when the export begins, and is not deleted before
    its batch is read, appears exactly once, because its position in this order never changes. What is added
    meanwhile is newer than the remaining batches of its kind, and does not appear.
    """

    ratings: RatingRepository
    watchlist: WatchlistRepository
    viewings: ViewingRepository
    recommendations: RecommendationRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User) -> Iterator[ExportedPart]:
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
        after = None
        while viewings := self.viewings.by_creation(user.id, limit=limit, after=after):
            genres = by_id(self.genres)
            movies = self._movies({viewing.movie for viewing in viewings})
            yield ExportedViewings(viewings=viewings, movies=movies, genres=genres)
            after = viewings[-1].creation_cursor
        after = None
        while hidden := self.recommendations.hidden(user.id, limit=limit, after=after):
            genres = by_id(self.genres)
            movies = self._movies(each.movie for each in hidden)
            yield ExportedHidden(hidden=hidden, movies=movies, genres=genres)
            after = hidden[-1].cursor

    def _movies(self, ids: Iterable[MovieId]) -> Mapping[MovieId, Movie]:
        return {movie.id: movie for movie in self.movies.by_ids(list(ids))}
