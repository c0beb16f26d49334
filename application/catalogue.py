"""Use cases that read the catalogue: lists, search, movies and genres."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from domain.browsing import EVERYTHING, MovieFilter, Sorting, parse_genre_choice
from domain.ids import GenreId, MovieId, movie_ref
from domain.languages import Language, Languages
from domain.movies import Genre, GenreNotFound, Movie, MovieNotFound
from domain.pagination import Cursor, Page, Window, page_of
from domain.people import search_with_people
from domain.pictures import Picture
from domain.ports import Clock, GenreRepository, MovieRepository, PictureSource
from domain.search import Match, Query

MAX_TOTALS = 1000
TOTALS_TTL = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieResults:
    """Movies in the requested order, the total number of results, and all genres by id.

    `more` is whether results follow these.
    """

    movies: tuple[Movie, ...]
    total: int
    more: bool
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResults(MovieResults):
    """Movies found by a search. `last` is the match of the last movie; None if there is none."""

    last: Match | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTotal:
    """The number of movies that a filter admits, and when it was counted."""

    movies: int
    counted_at: datetime


@dataclass(slots=True)
class CachedTotals:
    """Caches the number of movies that each filter admits until the catalogue changes, and if it depends on
    ratings, which do not change the generation of the catalogue, for TOTALS_TTL at most. What a user has
    rated or listed is counted each time.
    """

    movies: MovieRepository
    clock: Clock
    _generation: int | None = None
    _known: dict[MovieFilter, CachedTotal] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, wanted: MovieFilter) -> int:
        """The number of movies that the filter admits."""
        own = wanted.own
        if own and own.mine:
            return self.movies.count(wanted)  # never cached: users see their own changes at once
        if wanted.excluded:
            return max(0, self(wanted.of_everyone) - self.movies.count(wanted.excluded))
        now, generation = self.clock(), self.movies.generation()
        with self._lock:
            if generation != self._generation or len(self._known) >= MAX_TOTALS:
                self._generation, self._known = generation, {}
            known = self._known.get(wanted)
        if known and not (wanted.depends_on_ratings and now - known.counted_at > TOTALS_TTL):
            return known.movies
        total = CachedTotal(movies=self.movies.count(wanted), counted_at=now)
        with self._lock:
            if generation == self._generation:  # a count of an older generation is not cached
                self._known[wanted] = total
        return total.movies


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseMovies:
    """List movies, filtered and sorted."""

    movies: MovieRepository
    genres: GenreRepository
    totals: CachedTotals

    def __call__(
        self, *, wanted: MovieFilter, genre: str | None, sorting: Sorting, window: Window
    ) -> MovieResults:
        """`genre` is a choice: `878`, `Drama,War` (both) or `Drama|War` (either).

        Raises GenreChoiceMixed, or InvalidFields for genres that are unknown.
        """
        genres = self.genres.all()
        wanted = _of_genres(wanted, genre, genres)
        page = self.movies.page(wanted, sorting, window)
        return MovieResults(
            movies=page.movies,
            total=self.totals(wanted),
            more=page.more,
            genres={each.id: each for each in genres},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchMovies:
    """Search movies by title or original title, best match first, then by directors and cast."""

    movies: MovieRepository
    genres: GenreRepository

    def __call__(
        self,
        *,
        text: str,
        limit: int,
        skip: int = 0,
        after: Match | None = None,
        wanted: MovieFilter = EVERYTHING,
        genre: str | None = None,
    ) -> SearchResults:
        """Up to `limit` matches that the filter admits: those that rank behind `after` if that is given, else
        those after the first `skip`. Each term query finds up to `domain.search.MAX_CANDIDATES` movies. For
        `genre` and its errors see BrowseMovies.
        """
        genres = self.genres.all()
        admitted = _of_genres(wanted, genre, genres)
        matches = search_with_people(
            Query(text),
            partial(self.movies.find, wanted=admitted),
            partial(self.movies.find_people, wanted=admitted),
            self.movies.count_with_term,
        )
        begin = skip if after is None else bisect_right(matches, after)
        shown = matches[begin : begin + limit]
        return SearchResults(
            movies=tuple(self.movies.by_ids([match.id for match in shown])),
            total=len(matches),
            more=len(matches) > begin + limit,
            genres={each.id: each for each in genres},
            last=shown[-1] if shown else None,
        )


def _of_genres(wanted: MovieFilter, choice: str | None, genres: Sequence[Genre]) -> MovieFilter:
    """The filter, restricted to a choice of genres if there is one."""
    if choice is None:
        return wanted
    every, any_of = parse_genre_choice(choice, genres)
    return replace(wanted, all_genres=wanted.all_genres | every, any_genres=any_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMovie:
    """Show one movie."""

    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, ref: str) -> MovieResults:
        """`ref` is our id, a TMDB number or an IMDb id. Raises MovieNotFound."""
        known = movie_ref(ref)
        if known is None:
            raise MovieNotFound(ref)
        movie = self.movies.get(known)
        return MovieResults(
            movies=(movie,), total=1, more=False, genres={each.id: each for each in self.genres.all()}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslateMovies:
    """Show movies with titles and overviews in one of the languages that are kept."""

    movies: MovieRepository
    languages: Languages

    def __call__(self, shown: Sequence[Movie], language: Language | None) -> tuple[Movie, ...]:
        """The movies in the same order. Without a language they are in that of the catalogue."""
        if language is None or language == self.languages.main:
            return tuple(shown)
        texts = self.movies.translations([movie.id for movie in shown], language)
        return tuple(movie.in_language(language, texts.get(movie.id)) for movie in shown)

    def by_id(self, shown: Mapping[MovieId, Movie], language: Language | None) -> Mapping[MovieId, Movie]:
        """The same for movies by id."""
        return {movie.id: movie for movie in self(tuple(shown.values()), language)}

    def one(self, shown: Movie, language: Language | None) -> Movie:
        """The same for one movie."""
        (movie,) = self((shown,), language)
        return movie


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPicture:
    """Show a picture of a movie."""

    pictures: PictureSource

    def __call__(self, *, size: str, name: str) -> Picture | None:
        """None if there is no such picture, or it cannot be fetched at the moment."""
        return self.pictures.get(size, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedGenre:
    """A genre, and the number of movies that lists show of it."""

    genre: Genre
    movies: int

    @property
    def cursor(self) -> Cursor:
        """The genre's position in the list of all."""
        return self.genre.cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGenres:
    """List the genres by name, with the number of movies of each."""

    genres: GenreRepository
    totals: CachedTotals

    def __call__(self, *, window: Window) -> Page[CountedGenre]:
        """One page of genres. All are read, because there are few."""
        genres = self.genres.all()
        after = window.cursor
        begin = window.skip
        if after:
            begin = bisect_right(genres, (str(after.value), after.id), key=lambda each: (each.name, each.id))
        shown = page_of(genres[begin : begin + window.fetch_size], window, len(genres))
        return Page(tuple(_counted(each, self.totals) for each in shown.rows), shown.more, shown.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetGenre:
    """Show one genre, with the number of its movies."""

    genres: GenreRepository
    totals: CachedTotals

    def __call__(self, *, ref: str) -> CountedGenre:
        """`ref` is our id, a TMDB number or a name in any case. Raises GenreNotFound."""
        for genre in self.genres.all():
            if genre.matches(ref):
                return _counted(genre, self.totals)
        raise GenreNotFound(ref)


def _counted(genre: Genre, totals: CachedTotals) -> CountedGenre:
    return CountedGenre(genre=genre, movies=totals(MovieFilter(all_genres=frozenset({genre.id}))))
