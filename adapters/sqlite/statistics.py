"""What statistics read from the embedded store: one statement each for viewings and ratings."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from adapters.sqlite.database import Database
from adapters.sqlite.rows import CONVERSIONS, Cell
from domain.ids import GenreId, MovieId, UserId
from domain.ratings import Score
from domain.statistics import MovieTraits, RatedMovie, ViewedMovie
from domain.viewings import DayRange

TRAITS = "movies.id, runtime, release_date, original_language, genres, directors"
"""The columns of `_traits`, from MOVIES."""

MOVIES = (
    "CROSS JOIN movies ON movies.id = mine.movie"
    " LEFT JOIN movie_details ON movie_details.movie = movies.tmdb_id"
)

_genres: Callable[[Any], tuple[GenreId, ...]] = CONVERSIONS[tuple[GenreId, ...]][1]
_names: Callable[[Any], tuple[str, ...]] = CONVERSIONS[tuple[str, ...]][1]


@dataclass(frozen=True, slots=True)
class SqliteStatisticsRepository:
    """StatisticsRepository over SQLite."""

    database: Database

    def viewed(self, user: UserId, days: DayRange | None = None) -> list[ViewedMovie]:
        condition, values = _condition("position", days.positions if days else None)
        statement = (
            f"SELECT {TRAITS}, watched_on, rewatch, half_points"
            f" FROM viewings AS mine INDEXED BY viewings_by_position {MOVIES}"
            " LEFT JOIN ratings ON ratings.user = mine.user AND ratings.movie = mine.movie"
            f" WHERE mine.user = ?{condition}"
        )
        traits = _Traits()
        with self.database.reading() as connection:
            return [
                ViewedMovie(
                    movie=traits(movie),
                    watched_on=date.fromisoformat(watched_on) if watched_on else None,
                    rewatch=bool(rewatch),
                    score=Score(half_points) if half_points else None,
                )
                for *movie, watched_on, rewatch, half_points in connection.execute(statement, (user, *values))
            ]

    def rated(self, user: UserId, days: DayRange | None = None) -> list[RatedMovie]:
        bounds = (days.first.isoformat(), (days.last + timedelta(days=1)).isoformat()) if days else None
        condition, values = _condition("mine.created_at", bounds)
        statement = (
            f"SELECT {TRAITS}, mine.created_at, half_points"
            f" FROM ratings AS mine INDEXED BY ratings_by_created_at_desc {MOVIES}"
            f" WHERE mine.user = ?{condition}"
        )
        traits = _Traits()
        with self.database.reading() as connection:
            return [
                RatedMovie(
                    movie=traits(movie),
                    rated_on=date.fromisoformat(created_at[:10]),
                    score=Score(half_points),
                )
                for *movie, created_at, half_points in connection.execute(statement, (user, *values))
            ]

    def years(self, user: UserId) -> list[int]:
        with self.database.reading() as connection:
            return _years(connection, user)


@dataclass(frozen=True, slots=True)
class _Traits:
    """Converts the columns of TRAITS, once for each movie. Movies share equal genres and directors."""

    known: dict[MovieId, MovieTraits] = field(default_factory=dict)
    genres: dict[str, tuple[GenreId, ...]] = field(default_factory=dict)
    directors: dict[str | None, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, row: list[Any]) -> MovieTraits:
        identifier, runtime, release_date, language, genres, directors = row
        found = self.known.get(identifier)
        if found is None:
            if genres not in self.genres:
                self.genres[genres] = _genres(genres)
            if directors not in self.directors:
                self.directors[directors] = _names(directors)
            found = self.known[identifier] = MovieTraits(
                id=MovieId(identifier),
                runtime=runtime,
                release_year=int(release_date[:4]) if release_date else None,
                language=language,
                genres=self.genres[genres],
                directors=self.directors[directors],
            )
        return found


def _condition(column: str, bounds: tuple[str, str] | None) -> tuple[str, tuple[Cell, ...]]:
    """The condition that a column is from the first bound on and below the second, and its parameters."""
    return (f" AND {column} >= ? AND {column} < ?", bounds) if bounds else ("", ())


def _years(connection: sqlite3.Connection, user: UserId) -> list[int]:
    rows = connection.execute(
        "SELECT substr(position, 1, 4) FROM viewings INDEXED BY viewings_by_position"
        " WHERE user = ?1 AND position >= '0'"
        " UNION SELECT substr(created_at, 1, 4) FROM ratings INDEXED BY ratings_by_created_at_desc"
        " WHERE user = ?1 ORDER BY 1 DESC",
        (user,),
    )
    return [int(year) for (year,) in rows]
