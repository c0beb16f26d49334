"""Statistics of what a user has seen and rated, by month, decade, genre, language, score and director.

Viewings and ratings are counted separately: a viewing on its day, a rating on the day on which it was given.
All figures are sums of integers, so they are exact and do not depend on an order.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, TypeVar

from domain.ids import GenreId, MovieId
from domain.ratings import HIGHEST, LOWEST, Score, mean_points

MAX_DIRECTORS = 10
"""The directors that statistics name."""

KeyT = TypeVar("KeyT")
KeyT_co = TypeVar("KeyT_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieTraits:
    """The facts of a movie by which it is counted. `runtime` is in minutes; None and () are unknown."""

    id: MovieId
    runtime: int | None = None
    release_year: int | None = None
    language: str | None = None
    genres: tuple[GenreId, ...] = ()
    directors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewedMovie:
    """A viewing of a movie, and the user's present score of the movie."""

    movie: MovieTraits
    watched_on: date | None
    rewatch: bool
    score: Score | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedMovie:
    """A rating of a movie. `rated_on` is the day in UTC on which the movie was first rated."""

    movie: MovieTraits
    rated_on: date
    score: Score


@dataclass(slots=True)
class Figures:
    """What was seen and rated. `movies` are the different movies of the viewings; `minutes` is the sum of the
    runtimes of the viewings as far as they are known; `half_points` that of the ratings.
    """

    viewings: int = 0
    movies: int = 0
    minutes: int = 0
    ratings: int = 0
    half_points: int = 0

    @property
    def hours(self) -> float:
        """The minutes in hours, rounded half up to one decimal."""
        return (self.minutes + 3) // 6 / 10

    @property
    def average_rating(self) -> float | None:
        """The mean score in points, rounded half up to one decimal; None if there are no ratings."""
        return mean_points(self.half_points, self.ratings)


@dataclass(frozen=True, slots=True)
class Group(Generic[KeyT_co]):
    """The figures of the movies, viewings or ratings that have something in common."""

    key: KeyT_co
    figures: Figures


Month = tuple[int, int]
"""A year, and a month from 1 to 12."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What a user has seen and rated, in a year or ever.

    `undated` are the viewings of unknown days, which belong to no year. Months are in order: all twelve of a
    year, otherwise those with viewings or ratings. Decades are ascending and named by their first year;
    decades, languages and genres have at least one viewing or rating. Languages and genres are sorted by
    viewings, then by ratings, the most first. An unknown decade or language is None, and comes last. Scores
    are all that exist, ascending; their viewings are those of the movies that the user rates so now.
    `directors` are those with the most viewings, at most MAX_DIRECTORS. A movie with several genres or
    directors counts for each.
    """

    total: Figures
    rewatches: int
    undated: int
    months: Sequence[Group[Month]]
    decades: Sequence[Group[int | None]]
    genres: Sequence[Group[GenreId]]
    languages: Sequence[Group[str | None]]
    scores: Sequence[Group[Score]]
    directors: Sequence[Group[str]]


def statistics(
    viewed: Iterable[ViewedMovie], rated: Iterable[RatedMovie], year: int | None = None
) -> Statistics:
    """Compute the statistics of a user's viewings and ratings, which are those of `year` if it is given."""
    counts = _Counts()
    for viewing in viewed:
        counts.add_viewing(viewing)
    for rating in rated:
        counts.add_rating(rating)
    months = [(year, month) for month in range(1, 13)] if year else sorted(counts.months)
    scores = [Score(half_points) for half_points in range(LOWEST, HIGHEST + 1)]
    languages = _by_viewings(counts.languages, key=str)
    directors = _by_viewings(counts.directors, key=str)
    return Statistics(
        total=counts.total,
        rewatches=counts.rewatches,
        undated=counts.undated,
        months=[Group(month, counts.months[month]) for month in months],
        decades=[
            Group(decade, counts.decades[decade])
            for decade in sorted(counts.decades, key=lambda decade: (decade is None, decade or 0))
        ],
        genres=_by_viewings(counts.genres, key=str),
        languages=sorted(languages, key=lambda group: group.key is None),
        scores=[Group(score, counts.scores[score]) for score in scores],
        directors=[each for each in directors if each.figures.viewings][:MAX_DIRECTORS],
    )


def _counters() -> "defaultdict[KeyT, Figures]":
    return defaultdict(Figures)


@dataclass(slots=True)
class _Counts:
    """Counts viewings and ratings in all groups that they belong to."""

    total: Figures = field(default_factory=Figures)
    rewatches: int = 0
    undated: int = 0
    months: defaultdict[Month, Figures] = field(default_factory=_counters)
    decades: defaultdict[int | None, Figures] = field(default_factory=_counters)
    genres: defaultdict[GenreId, Figures] = field(default_factory=_counters)
    languages: defaultdict[str | None, Figures] = field(default_factory=_counters)
    scores: defaultdict[Score, Figures] = field(default_factory=_counters)
    directors: defaultdict[str, Figures] = field(default_factory=_counters)
    of_movies: dict[MovieId, list[Figures]] = field(default_factory=dict)
    seen: set[tuple[MovieId, Month | None]] = field(default_factory=set)

    def add_viewing(self, viewing: ViewedMovie) -> None:
        movie, day = viewing.movie, viewing.watched_on
        self.rewatches += viewing.rewatch
        self.undated += day is None
        counted = self._of_movie(movie)
        if viewing.score:
            counted = [*counted, self.scores[viewing.score]]
        self._count(counted, movie, None)
        if day:
            month = day.year, day.month
            self._count([self.months[month]], movie, month)

    def add_rating(self, rating: RatedMovie) -> None:
        month = rating.rated_on.year, rating.rated_on.month
        counted = self._of_movie(rating.movie)
        for figures in (*counted, self.scores[rating.score], self.months[month]):
            figures.ratings += 1
            figures.half_points += rating.score.half_points

    def _count(self, counted: Iterable[Figures], movie: MovieTraits, month: Month | None) -> None:
        """Count a viewing of a movie in groups, which are those of a month or of any time."""
        first = (movie.id, month) not in self.seen
        self.seen.add((movie.id, month))
        for figures in counted:
            figures.viewings += 1
            figures.movies += first
            figures.minutes += movie.runtime or 0

    def _of_movie(self, movie: MovieTraits) -> list[Figures]:
        """The figures of all groups that a movie belongs to, whenever it is seen."""
        if movie.id not in self.of_movies:
            decade = movie.release_year // 10 * 10 if movie.release_year else None
            self.of_movies[movie.id] = [
                self.total,
                self.decades[decade],
                self.languages[movie.language],
                *(self.genres[genre] for genre in movie.genres),
                *(self.directors[name] for name in movie.directors),
            ]
        return self.of_movies[movie.id]


def _by_viewings(groups: Mapping[KeyT, Figures], key: Callable[[KeyT], str]) -> list[Group[KeyT]]:
    """The groups with the most viewings first, then the most ratings, then by `key`."""

    def rank(group: Group[KeyT]) -> tuple[int, int, str]:
        return -group.figures.viewings, -group.figures.ratings, key(group.key)

    return sorted((Group(each, figures) for each, figures in groups.items()), key=rank)
