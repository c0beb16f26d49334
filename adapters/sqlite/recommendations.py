"""The neighbours of movies in the embedded store, and the movies that users hide."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.changes import require_user
from adapters.sqlite.database import MAX_VALUES, Database, placeholders
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import moment, tally_of
from domain import recommendations
from domain.ids import MovieId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
from domain.ratings import Tally
from domain.recommendations import LIKED, MAX_RATERS, HiddenListFull, HiddenMovie, Neighbour, RatingChange

LAST_HIDDEN_FIRST = Keyset(
    table="hidden_movies",
    index="hidden_movies_by_hidden_at",
    column="hidden_at",
    condition="user = ?",
    descending=True,
    id_column="movie",
)

LIKERS = """
    SELECT user FROM (
        SELECT user, half_points FROM ratings INDEXED BY ratings_by_movie
        WHERE movie = ? ORDER BY created_at DESC, id LIMIT ?
    ) WHERE half_points >= ?
"""

LIKES = """
    SELECT movie FROM (
        SELECT movie, half_points FROM ratings INDEXED BY ratings_by_created_at_desc
        WHERE user = ? ORDER BY created_at DESC, id LIMIT ?
    ) WHERE half_points >= ?
"""

MOVIES_AFTER = """
    SELECT * FROM (
        SELECT id FROM movies INDEXED BY movies_by_tally
        WHERE tally IS NOT NULL AND id > :after ORDER BY id LIMIT :limit
    ) UNION SELECT * FROM (
        SELECT movie FROM neighbours WHERE movie > :after ORDER BY movie LIMIT :limit
    ) ORDER BY 1 LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class SqliteRecommendationRepository:
    """RecommendationRepository over SQLite."""

    database: Database

    def changes(self, limit: int) -> list[RatingChange]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT user, movie, mark FROM rating_changes ORDER BY mark LIMIT ?", (limit,)
            ).fetchall()
        return [RatingChange(UserId(user), MovieId(movie), str(mark)) for user, movie, mark in rows]

    def settle(self, changes: Sequence[RatingChange]) -> None:
        with self.database.writing() as connection:
            connection.executemany(
                "DELETE FROM rating_changes WHERE mark = ?", [(int(each.mark),) for each in changes]
            )

    def likers(self, movie: MovieId) -> list[UserId]:
        with self.database.reading() as connection:
            rows = connection.execute(LIKERS, (movie, MAX_RATERS, LIKED.half_points)).fetchall()
        return [UserId(user) for (user,) in rows]

    def likes(self, users: Collection[UserId], *, newest: int) -> dict[UserId, list[MovieId]]:
        found = dict[UserId, list[MovieId]]()
        with self.database.reading() as connection:
            for user in users:
                rows = connection.execute(LIKES, (user, newest, LIKED.half_points)).fetchall()
                if rows:
                    found[user] = [MovieId(movie) for (movie,) in rows]
        return found

    def tallies(self, movies: Collection[MovieId]) -> dict[MovieId, Tally]:
        statement = "SELECT id, tally FROM movies WHERE tally IS NOT NULL AND id IN "
        with self.database.reading() as connection:
            return {
                MovieId(movie): tally_of(tally)
                for part in _parts(movies)
                for movie, tally in connection.execute(statement + placeholders(part), part)
            }

    def movies_after(self, movie: MovieId | None, limit: int) -> list[MovieId]:
        with self.database.reading() as connection:
            rows = connection.execute(MOVIES_AFTER, {"after": movie or "", "limit": limit}).fetchall()
        return [MovieId(found) for (found,) in rows]

    def store(self, neighbours: Mapping[MovieId, Sequence[Neighbour]]) -> None:
        rows = [(movie, _cell(found)) for movie, found in neighbours.items() if found]
        with self.database.writing() as connection:
            connection.executemany(
                "DELETE FROM neighbours WHERE movie = ?",
                [(movie,) for movie, found in neighbours.items() if not found],
            )
            connection.executemany("INSERT OR REPLACE INTO neighbours VALUES (?, ?)", rows)

    def neighbours(self, movies: Collection[MovieId]) -> dict[MovieId, tuple[Neighbour, ...]]:
        statement = "SELECT movie, others FROM neighbours WHERE movie IN "
        with self.database.reading() as connection:
            return {
                MovieId(movie): tuple(Neighbour(*each) for each in json.loads(others))
                for part in _parts(movies)
                for movie, others in connection.execute(statement + placeholders(part), part)
            }

    def rule(self) -> int:
        with self.database.reading() as connection:
            (rule,) = connection.execute(
                "SELECT value FROM counters WHERE name = 'neighbours_rule'"
            ).fetchone()
        return int(rule)

    def set_rule(self, rule: int) -> None:
        with self.database.writing() as connection:
            connection.execute("UPDATE counters SET value = ? WHERE name = 'neighbours_rule'", (rule,))

    def known(self, user: UserId, movies: Collection[MovieId]) -> set[MovieId]:
        found = set[MovieId]()
        with self.database.reading() as connection:
            for part in _parts(movies):
                for table in ("ratings", "viewings", "hidden_movies"):
                    statement = f"SELECT movie FROM {table} WHERE user = ? AND movie IN {placeholders(part)}"
                    found |= {MovieId(movie) for (movie,) in connection.execute(statement, (user, *part))}
        return found

    def hide(self, user: UserId, movie: MovieId, at: datetime) -> None:
        with self.database.writing() as connection:
            require_user(connection, user)
            if not connection.execute("SELECT 1 FROM movies WHERE id = ?", (movie,)).fetchone():
                raise MovieNotFound(movie)
            if _is_hidden(connection, user, movie):
                return
            if LAST_HIDDEN_FIRST.count(connection, (user,)) >= recommendations.MAX_HIDDEN:
                raise HiddenListFull
            connection.execute("INSERT INTO hidden_movies VALUES (?, ?, ?)", (user, movie, moment(at)))

    def unhide(self, user: UserId, movie: MovieId) -> None:
        with self.database.writing() as connection:
            connection.execute("DELETE FROM hidden_movies WHERE user = ? AND movie = ?", (user, movie))

    def hidden(
        self, user: UserId, *, limit: int, skip: int = 0, after: Cursor | None = None
    ) -> list[HiddenMovie]:
        with self.database.reading() as connection:
            rows = LAST_HIDDEN_FIRST.rows(connection, (user,), limit=limit, skip=skip, after=after)
        return [HiddenMovie(MovieId(row["movie"]), datetime.fromisoformat(row["hidden_at"])) for row in rows]

    def count_hidden(self, user: UserId) -> int:
        with self.database.reading() as connection:
            return LAST_HIDDEN_FIRST.count(connection, (user,))

    def is_hidden(self, user: UserId, movie: MovieId) -> bool:
        with self.database.reading() as connection:
            return _is_hidden(connection, user, movie)


def _is_hidden(connection: sqlite3.Connection, user: UserId, movie: MovieId) -> bool:
    statement = "SELECT 1 FROM hidden_movies WHERE user = ? AND movie = ?"
    return connection.execute(statement, (user, movie)).fetchone() is not None


def _parts(movies: Collection[MovieId]) -> Iterator[list[MovieId]]:
    """The movies in parts that one statement can take, besides a user."""
    wanted = list(movies)
    for start in range(0, len(wanted), MAX_VALUES):
        yield wanted[start : start + MAX_VALUES]


def _cell(neighbours: Sequence[Neighbour]) -> str:
    """The column `others`: a list of [movie, agreeing, strength]."""
    return json.dumps(
        [(each.movie, each.agreeing, each.strength) for each in neighbours], separators=(",", ":")
    )
