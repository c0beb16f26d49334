"""Use cases of recommendations: showing them, and hiding movies from them."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from application.watchlist import by_id
from domain.ids import GenreId, MovieId, MovieRef, movie_id
from domain.movies import Genre, Movie
from domain.pagination import Page, Window, page_of
from domain.ports import Clock, GenreRepository, MovieRepository, RecommendationRepository
from domain.recommendations import (
    MAX_LIKES,
    MAX_RATINGS,
    MAX_RECOMMENDATIONS,
    MAX_SOURCE_LIKES,
    HiddenMovie,
    Neighbour,
    Recommendation,
    beside_movie,
    candidates,
    completed_by_source,
)
from domain.users import User

BATCH_SIZE = 250
"""The candidates that are looked up with one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationPage:
    """A page of recommendations; the movies recommended and named as reasons, and all genres, by id."""

    page: Page[Recommendation]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenPage:
    """A page of hidden movies, with the movies and all genres by id."""

    page: Page[HiddenMovie]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMovieRecommendations:
    """Show what to see beside a movie: what users who liked it also liked, and what its source recommends."""

    recommendations: RecommendationRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, movie: MovieRef, window: Window) -> RecommendationPage:
        """One page of visible movies. Raises MovieNotFound."""
        shown = self.movies.get(movie)
        stored = self.recommendations.neighbours([shown.id]).get(shown.id, ())
        found = beside_movie(shown.id, stored, _recommended(shown))
        movies = {each.id: each for each in self.movies.by_ids([each.movie for each in found])}
        visible = [each for each in found if each.movie in movies and movies[each.movie].visible]
        return RecommendationPage(
            page=_part(visible, window), movies={**movies, shown.id: shown}, genres=by_id(self.genres)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMyRecommendations:
    """Show what follows from one's own ratings, without what one has rated, has seen or hides.

    It is computed at each call, from at most MAX_LIKES likes with their stored neighbours, and from what the
    source recommends beside MAX_SOURCE_LIKES of them.
    """

    recommendations: RecommendationRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, window: Window) -> RecommendationPage:
        """One page of visible movies, of at most MAX_RECOMMENDATIONS."""
        likes = self.recommendations.likes([user.id], newest=MAX_RATINGS).get(user.id, [])[:MAX_LIKES]
        found = candidates(likes, self._beside(likes))
        movies = dict[MovieId, Movie]()
        listed = list(islice(self._recommendable(user, found, movies), MAX_RECOMMENDATIONS))
        shown = _part(listed, window)
        named = {reason for each in shown.rows for reason in each.because}
        reasons = self.movies.by_ids(sorted(named))
        return RecommendationPage(
            page=shown, movies=movies | {each.id: each for each in reasons}, genres=by_id(self.genres)
        )

    def _beside(self, likes: Sequence[MovieId]) -> Mapping[MovieId, Sequence[Neighbour]]:
        """The neighbours of each like, and what the source recommends beside the newest of them."""
        beside: dict[MovieId, Sequence[Neighbour]] = {**self.recommendations.neighbours(likes)}
        for movie in likes[:MAX_SOURCE_LIKES]:
            recommended = _recommended(self.movies.get(movie))
            beside[movie] = completed_by_source(beside.get(movie, ()), recommended)
        return beside

    def _recommendable(
        self, user: User, found: Iterator[Recommendation], movies: dict[MovieId, Movie]
    ) -> Iterator[Recommendation]:
        """The candidates that the user does not know, and that lists may show. Adds them to `movies`."""
        while batch := list(islice(found, BATCH_SIZE)):
            known = self.recommendations.known(user.id, [each.movie for each in batch])
            unknown = [each.movie for each in batch if each.movie not in known]
            movies |= {each.id: each for each in self.movies.by_ids(unknown) if each.visible}
            yield from (each for each in batch if each.movie in movies)


@dataclass(frozen=True, slots=True, kw_only=True)
class HideMovie:
    """Hide a movie from one's own recommendations. Idempotent."""

    recommendations: RecommendationRepository
    movies: MovieRepository
    clock: Clock

    def __call__(self, *, user: User, movie: MovieRef) -> None:
        """Raises MovieNotFound, HiddenListFull."""
        self.recommendations.hide(user.id, self.movies.get(movie).id, self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhideMovie:
    """Let a movie appear among one's own recommendations again. Idempotent."""

    recommendations: RecommendationRepository
    movies: MovieRepository

    def __call__(self, *, user: User, movie: MovieRef) -> None:
        """Raises MovieNotFound."""
        self.recommendations.unhide(user.id, self.movies.get(movie).id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListHiddenMovies:
    """Show the movies that one hides, the last hidden first."""

    recommendations: RecommendationRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, window: Window) -> HiddenPage:
        """One page of hidden movies. One that the catalogue no longer has is not in `movies`."""
        found = self.recommendations.hidden(
            user.id, limit=window.fetch_size, skip=window.skip, after=window.cursor
        )
        shown = page_of(found, window, self.recommendations.count_hidden(user.id))
        movies = self.movies.by_ids([each.movie for each in shown.rows])
        return HiddenPage(page=shown, movies={each.id: each for each in movies}, genres=by_id(self.genres))


def _recommended(movie: Movie) -> list[MovieId]:
    """The movies that the source recommends beside a movie; the catalogue may lack some."""
    return list(map(movie_id, movie.facts.recommended))


def _part(found: list[Recommendation], window: Window) -> Page[Recommendation]:
    """The part of a list that a window shows."""
    begin = window.skip
    if window.cursor:
        begin = bisect_right(found, _order(window.cursor.value, window.cursor.id), key=_place)
    return page_of(found[begin : begin + window.fetch_size], window, len(found))


def _place(recommendation: Recommendation) -> tuple[float, str]:
    return _order(recommendation.weight, recommendation.movie)


def _order(weight: object, movie: str) -> tuple[float, str]:
    return -weight if isinstance(weight, int | float) else 0, movie
