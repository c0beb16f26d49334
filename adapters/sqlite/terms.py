"""The search index of the embedded store: what a movie is filed under, and filing all movies anew."""

import sqlite3
from collections.abc import Iterable
from datetime import date

from domain.search import key, terms

LEAST_POPULAR = 1e308
"""Stands for unknown popularity in the search index, whose order begins with the most popular."""

MOVIES_AT_ONCE = 1000

Entry = tuple[str, float, int]
"""A row of movie_terms: term, unpopularity, TMDB number."""


def term_entries(
    tmdb_id: int,
    titles: Iterable[str],
    *,
    released: date | None,
    imdb_id: str | None,
    popularity: float | None,
) -> set[Entry]:
    """The rows of a movie that is listed."""
    unpopularity = -popularity if popularity is not None else LEAST_POPULAR
    year = released.year if released else None
    return {
        (term, unpopularity, tmdb_id) for term in terms(titles, year=year, tmdb_id=tmdb_id, imdb_id=imdb_id)
    }


def rewrite_terms(connection: sqlite3.Connection) -> None:
    """Store the keys of all movies, and the terms of those that are listed, as this version makes them: a
    migration for changed keys or terms.
    """
    connection.execute("DELETE FROM movie_terms")
    movies = connection.execute(
        "SELECT tmdb_id, title, original_title, release_date, imdb_id, popularity, listed"
        " FROM movies ORDER BY tmdb_id"
    ).fetchall()
    for start in range(0, len(movies), MOVIES_AT_ONCE):
        page = movies[start : start + MOVIES_AT_ONCE]
        connection.executemany(
            "UPDATE movies SET title_key = ?, original_key = ? WHERE tmdb_id = ?",
            [(key(movie["title"]), key(movie["original_title"]), movie["tmdb_id"]) for movie in page],
        )
        entries = [row for movie in page if movie["listed"] for row in _entries(movie)]
        connection.executemany("INSERT INTO movie_terms VALUES (?, ?, ?)", sorted(entries))


def _entries(movie: sqlite3.Row) -> set[Entry]:
    return term_entries(
        movie["tmdb_id"],
        (movie["title"], movie["original_title"]),
        released=date.fromisoformat(movie["release_date"]) if movie["release_date"] else None,
        imdb_id=movie["imdb_id"],
        popularity=movie["popularity"],
    )
