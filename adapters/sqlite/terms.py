"""The rows of the embedded store's search index."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import date

from domain.people import name_keys, name_terms
from domain.search import key, terms

LEAST_POPULAR = 1e308
"""The negative popularity of a movie whose popularity is unknown: it sorts after all others."""

BATCH_SIZE = 1000
"""The movies that a migration rewrites with one statement."""

Entry = tuple[str, float, int]
"""A row of movie_terms: term, negative popularity, TMDB number.

The primary key starts with the first two, so the movies of a term are read the most popular first.
"""


def term_entries(
    tmdb_id: int,
    titles: Iterable[str],
    *,
    released: date | None,
    imdb_id: str | None,
    popularity: float | None,
    people: Iterable[str] = (),
) -> set[Entry]:
    """The rows of a visible movie. Titles, year and ids become terms by `domain.search.terms`, the names of
    people by `domain.people.name_terms`.
    """
    negative_popularity = -popularity if popularity is not None else LEAST_POPULAR
    year = released.year if released else None
    return {
        (term, negative_popularity, tmdb_id)
        for term in terms(titles, year=year, tmdb_id=tmdb_id, imdb_id=imdb_id) | name_terms(people)
    }


def rewrite_terms(connection: sqlite3.Connection) -> None:
    """A migration: compute the title keys of all movies and the terms of visible ones again.

    It can be applied before the migrations that rename `listed` and add `other_titles` and people, and after
    them.
    """
    connection.execute("DELETE FROM movie_terms")
    columns = _columns(connection, "movies")
    visible = "visible" if "visible" in columns else "listed"
    others = "other_titles" if "other_titles" in columns else "NULL"
    movies = connection.execute(
        "SELECT tmdb_id, title, original_title, release_date, imdb_id, popularity,"
        f" {visible} AS visible, {others} AS other_titles FROM movies ORDER BY tmdb_id"
    ).fetchall()
    for start in range(0, len(movies), BATCH_SIZE):
        page = movies[start : start + BATCH_SIZE]
        connection.executemany(
            "UPDATE movies SET title_key = ?, original_key = ? WHERE tmdb_id = ?",
            [(key(movie["title"]), key(movie["original_title"]), movie["tmdb_id"]) for movie in page],
        )
        entries = [row for movie in page if movie["visible"] for row in _entries(movie)]
        connection.executemany("INSERT INTO movie_terms VALUES (?, ?, ?)", sorted(entries))
    if "people" in _columns(connection, "movie_details"):
        add_people(connection)


def add_people(connection: sqlite3.Connection) -> None:
    """A migration: index visible movies under the names of their directors and cast."""
    if "people" not in _columns(connection, "movie_details"):
        connection.execute("ALTER TABLE movie_details ADD COLUMN people TEXT")
    movies = connection.execute(
        'SELECT tmdb_id, popularity, visible, directors, "cast" FROM movies JOIN movie_details'
        ' ON movie = tmdb_id WHERE directors IS NOT NULL OR "cast" IS NOT NULL'
    ).fetchall()
    for tmdb_id, popularity, visible, directors, cast in movies:
        names = [*json.loads(directors or "[]"), *(name for name, _ in json.loads(cast or "[]"))]
        connection.execute(
            "UPDATE movie_details SET people = ? WHERE movie = ?", ("\n".join(name_keys(names)), tmdb_id)
        )
        if visible:
            negative_popularity = -popularity if popularity is not None else LEAST_POPULAR
            connection.executemany(
                "INSERT OR IGNORE INTO movie_terms VALUES (?, ?, ?)",
                [(term, negative_popularity, tmdb_id) for term in sorted(name_terms(names))],
            )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _entries(movie: sqlite3.Row) -> set[Entry]:
    others = [title for title, _ in json.loads(movie["other_titles"] or "[]")]
    return term_entries(
        movie["tmdb_id"],
        (movie["title"], movie["original_title"], *others),
        released=date.fromisoformat(movie["release_date"]) if movie["release_date"] else None,
        imdb_id=movie["imdb_id"],
        popularity=movie["popularity"],
    )
