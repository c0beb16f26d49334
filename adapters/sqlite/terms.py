"""The search index of the embedded store: what a movie is filed under, and filing all movies anew."""

import sqlite3
from collections.abc import Iterable

from domain.search import terms

LEAST_POPULAR = 1e308
"""Stands for unknown popularity in the search index, whose order begins with the most popular."""

MOVIES_AT_ONCE = 1000

Entry = tuple[str, float, int]
"""A row of movie_terms: term, unpopularity, TMDB number."""


def term_entries(tmdb_id: int, titles: Iterable[str], popularity: float | None) -> set[Entry]:
    """The rows of a movie that is listed."""
    unpopularity = -popularity if popularity is not None else LEAST_POPULAR
    return {(term, unpopularity, tmdb_id) for term in terms(titles)}


def rewrite_terms(connection: sqlite3.Connection) -> None:
    """File all listed movies under the terms of this version: a migration for changed terms."""
    connection.execute("DELETE FROM movie_terms")
    movies = connection.execute(
        "SELECT tmdb_id, title, original_title, popularity FROM movies WHERE listed = 1 ORDER BY tmdb_id"
    )
    while page := movies.fetchmany(MOVIES_AT_ONCE):
        rows = [
            row for number, *titles, popularity in page for row in term_entries(number, titles, popularity)
        ]
        connection.executemany("INSERT INTO movie_terms VALUES (?, ?, ?)", sorted(rows))
