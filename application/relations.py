"""A user's relation to movies: the rating, the watchlist item and the viewings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from application.watchlist import by_id
from domain.ids import GenreId, ImdbId, MovieId, MovieRef, TmdbNumber, movie_id
from domain.movies import Genre, Movie
from domain.ports import (
    GenreRepository,
    MovieRepository,
    RatingRepository,
    ViewingRepository,
    WatchlistRepository,
)
from domain.ratings import Rating
from domain.users import User
from domain.viewings import ViewingSummary
from domain.watchlist import WatchlistItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A movie with a user's rating, watchlist item and viewings of it, and all genres by id."""

    movie: Movie
    rating: Rating | None
    item: WatchlistItem | None
    viewings: ViewingSummary
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRelations:
    """Show one's own relation to movies."""

    ratings: RatingRepository
    watchlist: WatchlistRepository
    viewings: ViewingRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, movies: Sequence[MovieRef]) -> list[Relation]:
        """One relation for each movie, in the order in which the movies are first mentioned. Movies that are
        not stored are left out.
        """
        found = self._movies(movies)
        ids = [movie.id for movie in found]
        ratings, items = self.ratings.among(user.id, ids), self.watchlist.among(user.id, ids)
        viewings, genres = self.viewings.summaries(user.id, ids), by_id(self.genres)
        return [
            Relation(
                movie=movie,
                rating=ratings.get(movie.id),
                item=items.get(movie.id),
                viewings=viewings.get(movie.id, ViewingSummary()),
                genres=genres,
            )
            for movie in found
        ]

    def _movies(self, refs: Iterable[MovieRef]) -> list[Movie]:
        imdb_ids = [ref.value for ref in refs if isinstance(ref, ImdbId)]
        by_imdb_id = self.movies.by_imdb_ids(imdb_ids) if imdb_ids else {}
        ids: dict[MovieId, None] = {}
        for ref in refs:
            if isinstance(ref, TmdbNumber):
                ids[movie_id(ref.value)] = None
            elif not isinstance(ref, ImdbId):
                ids[ref] = None
            elif ref.value in by_imdb_id:
                ids[by_imdb_id[ref.value].id] = None
        return self.movies.by_ids(list(ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRelation:
    """Show one's own relation to a movie."""

    ratings: RatingRepository
    watchlist: WatchlistRepository
    viewings: ViewingRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, movie: MovieRef) -> Relation:
        """Raises MovieNotFound."""
        found = self.movies.get(movie)
        return Relation(
            movie=found,
            rating=self.ratings.of(user.id, found.id),
            item=self.watchlist.of(user.id, found.id),
            viewings=self.viewings.summaries(user.id, [found.id]).get(found.id, ViewingSummary()),
            genres=by_id(self.genres),
        )
