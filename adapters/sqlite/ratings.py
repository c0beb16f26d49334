"""The ratings of the embedded store.

A rating and its movie's tally change in one transaction. The tally changes by the difference of two scores,
so the cost does not depend on the number of the movie's ratings.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.changes import next_change, record_removal
from adapters.sqlite.database import MAX_VALUES, Database, placeholders
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import Cell, insert, rating_of, rating_row, tally_of, tally_row, update
from domain.changes import Kind, Removal
from domain.ids import MovieId, RatingId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
from domain.ports import Clock
from domain.ratings import (
    HIGHEST,
    LOWEST,
    AlreadyRated,
    Drift,
    NotYourRating,
    Rating,
    RatingNotFound,
    RatingOrder,
    Score,
    Tally,
    between,
)

REPAIR_BATCH_SIZE = 50
"""The movies that are recounted in one transaction; other writers wait meanwhile."""

COLUMNS = {
    RatingOrder.CREATED_AT: "created_at",
    RatingOrder.UPDATED_AT: "updated_at",
    RatingOrder.RATING: "half_points",
}
"""The column by which each order sorts."""

OF_MOVIE = Keyset(
    table="ratings", index="ratings_by_movie", column="created_at", condition="movie = ?", descending=True
)

RECORD_CHANGE = "INSERT OR REPLACE INTO rating_changes (user, movie)"

_COUNTS = ", ".join(f"sum(half_points = {half}) AS score_{half}" for half in range(LOWEST, HIGHEST + 1))


@dataclass(frozen=True, slots=True)
class SqliteRatingRepository:
    """RatingRepository over SQLite."""

    database: Database
    clock: Clock

    def add(self, rating: Rating) -> Tally:
        with self.database.writing(shared=True) as connection:
            if _of(connection, rating.user, rating.movie):
                raise AlreadyRated
            return _insert(connection, rating)

    def put(self, rating: Rating) -> tuple[Rating, Tally, bool]:
        with self.database.writing(shared=True) as connection:
            before = _of(connection, rating.user, rating.movie)
            if before is None:
                return rating, _insert(connection, rating), True
            after = before.replaced_by(rating)
            return after, _replace(connection, before, after), False

    def change(
        self, rating: RatingId, user: UserId, change: Callable[[Rating], Rating]
    ) -> tuple[Rating, Tally]:
        with self.database.writing(shared=True) as connection:
            before = _owned(connection, rating, user)
            after = change(before)
            return after, _replace(connection, before, after)

    def remove(self, rating: RatingId, user: UserId) -> Tally:
        with self.database.writing(shared=True) as connection:
            return _delete(connection, _owned(connection, rating, user), self.clock())

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        with self.database.writing(shared=True) as connection:
            rating = _of(connection, user, movie)
            if rating:
                _delete(connection, rating, self.clock())

    def get(self, rating: RatingId) -> Rating:
        with self.database.reading() as connection:
            return _get(connection, rating)

    def of(self, user: UserId, movie: MovieId) -> Rating | None:
        with self.database.reading() as connection:
            return _of(connection, user, movie)

    def among(self, user: UserId, movies: Collection[MovieId]) -> dict[MovieId, Rating]:
        with self.database.reading() as connection:
            found = [rating_of(row) for row in of_movies(connection, "ratings", user, movies)]
        return {rating.movie: rating for rating in found}

    def of_user(
        self,
        user: UserId,
        by: RatingOrder,
        *,
        descending: bool,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Rating]:
        keyset = Keyset(
            table="ratings",
            index=f"ratings_by_{by}_{'desc' if descending else 'asc'}",
            column=COLUMNS[by],
            condition="user = ?",
            descending=descending,
            scale=2 if by is RatingOrder.RATING else 1,  # cursors have points, the column half points
        )
        with self.database.reading() as connection:
            rows = keyset.rows(connection, (user,), limit=limit, skip=skip, after=after)
        return [rating_of(row) for row in rows]

    def of_movie(
        self, movie: MovieId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Rating]:
        with self.database.reading() as connection:
            rows = OF_MOVIE.rows(connection, (movie,), limit=limit, skip=skip, after=after)
        return [rating_of(row) for row in rows]

    def count(self, user: UserId) -> int:
        with self.database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM ratings WHERE user = ?", (user,)).fetchone()
        return int(count)

    def drifts(self, *, repair: bool = False) -> list[Drift]:
        with self.database.reading() as connection:
            found = list(_drifts(connection))
        if not repair:
            return found
        movies = [drift.movie for drift in found]
        parts = [movies[at : at + REPAIR_BATCH_SIZE] for at in range(0, len(movies), REPAIR_BATCH_SIZE)]
        return [drift for part in parts for drift in self._repaired(part)]

    def _repaired(self, movies: Sequence[MovieId]) -> list[Drift]:
        """Recount these movies within a write transaction, and correct their tallies."""
        with self.database.writing() as connection:
            drifts = list(_drifts(connection, movies))
            for drift in drifts:
                set_tally(connection, drift.movie, drift.counted)
        return drifts


def set_tally(connection: sqlite3.Connection, movie: MovieId, tally: Tally) -> None:
    """Set a movie's tally, and the columns derived from it, within a transaction."""
    row = {**tally_row(tally), "id": movie}
    connection.execute(update("movies", row), row)


def remove_ratings(connection: sqlite3.Connection, user: UserId) -> None:
    """Delete all ratings of a user, and subtract them from the movies' tallies, within a transaction."""
    scores = connection.execute(
        "SELECT movies.id, movies.tally, ratings.half_points FROM ratings"
        " CROSS JOIN movies ON movies.id = ratings.movie WHERE ratings.user = ?",
        (user,),
    )
    rows = [
        {**tally_row(tally_of(tally) + between(Score(half_points), None)), "id": movie}
        for movie, tally, half_points in scores
    ]
    if rows:
        connection.executemany(update("movies", rows[0]), rows)
    connection.execute(f"{RECORD_CHANGE} SELECT user, movie FROM ratings WHERE user = ?", (user,))
    connection.execute("DELETE FROM ratings WHERE user = ?", (user,))


def of_movies(
    connection: sqlite3.Connection, table: str, user: UserId, movies: Collection[MovieId]
) -> Iterator[sqlite3.Row]:
    """A user's rows of these movies, from a table with the columns `user` and `movie`."""
    wanted = list(movies)
    for start in range(0, len(wanted), MAX_VALUES):
        part = wanted[start : start + MAX_VALUES]
        yield from connection.execute(
            f"SELECT * FROM {table} WHERE user = ? AND movie IN {placeholders(part)}", (user, *part)
        )


def exchange_rating(
    connection: sqlite3.Connection, before: Rating | None, after: Rating | None, at: datetime
) -> None:
    """Replace a user's rating of a movie within a transaction, None for no rating; the tally follows."""
    if after == before:
        return
    if before is None and after:
        _insert(connection, after)
    elif before and after and before.id == after.id:
        _replace(connection, before, after)
    elif before:
        _delete(connection, before, at)
        exchange_rating(connection, None, after, at)


def _insert(connection: sqlite3.Connection, rating: Rating) -> Tally:
    row = _numbered(connection, rating)
    tally = _change_tally(connection, rating.movie, None, rating.score)
    connection.execute(insert("ratings", row), row)
    _record_change(connection, rating)
    return tally


def _replace(connection: sqlite3.Connection, before: Rating, after: Rating) -> Tally:
    row = _numbered(connection, after)
    connection.execute(update("ratings", row), row)
    if after.score != before.score:
        _record_change(connection, after)
    return _change_tally(connection, before.movie, before.score, after.score)


def _delete(connection: sqlite3.Connection, rating: Rating, at: datetime) -> Tally:
    connection.execute("DELETE FROM ratings WHERE id = ?", (rating.id,))
    _record_change(connection, rating)
    removal = Removal(kind=Kind.RATING, id=rating.id, movie=rating.movie)
    record_removal(connection, rating.user, removal, at)
    return _change_tally(connection, rating.movie, rating.score, None)


def _numbered(connection: sqlite3.Connection, rating: Rating) -> dict[str, Cell]:
    """The row of a rating that is written now. Raises UserNotFound."""
    number = next_change(connection, rating.user, Kind.RATING, rating.updated_at)
    return {**rating_row(rating), "change_number": number}


def _record_change(connection: sqlite3.Connection, rating: Rating) -> None:
    """Store that a rating has changed, for the neighbours that depend on it; the mark is a new one."""
    connection.execute(f"{RECORD_CHANGE} VALUES (?, ?)", (rating.user, rating.movie))


def _change_tally(
    connection: sqlite3.Connection, movie: MovieId, old: Score | None, new: Score | None
) -> Tally:
    """Replace a user's score in a movie's tally, None for no score; return the new tally."""
    row = connection.execute("SELECT tally FROM movies WHERE id = ?", (movie,)).fetchone()
    if row is None:
        raise MovieNotFound(movie)
    before = tally_of(row["tally"])
    after = before + between(old, new)
    if after != before:
        set_tally(connection, movie, after)
    return after


def _get(connection: sqlite3.Connection, rating: RatingId) -> Rating:
    row = connection.execute("SELECT * FROM ratings WHERE id = ?", (rating,)).fetchone()
    if row is None:
        raise RatingNotFound
    return rating_of(row)


def _owned(connection: sqlite3.Connection, rating: RatingId, user: UserId) -> Rating:
    found = _get(connection, rating)
    if found.user != user:
        raise NotYourRating
    return found


def _of(connection: sqlite3.Connection, user: UserId, movie: MovieId) -> Rating | None:
    row = connection.execute("SELECT * FROM ratings WHERE user = ? AND movie = ?", (user, movie)).fetchone()
    return rating_of(row) if row else None


def _drifts(connection: sqlite3.Connection, movies: Sequence[MovieId] | None = None) -> Iterator[Drift]:
    """Recount all movies, or these, in one statement, which reads one state of the store; sorted by id."""
    rated, with_tally, values = "", "", list[Cell]()
    if movies is not None:
        rated = f"WHERE movie IN {placeholders(movies)} "
        with_tally = f"AND id IN {placeholders(movies)} "
        values = [*movies, *movies]
    rows = connection.execute(
        f"SELECT movies.id AS movie, tally, counted.* FROM"
        f" (SELECT movie AS rated, {_COUNTS} FROM ratings INDEXED BY ratings_by_movie {rated}GROUP BY movie)"
        " counted CROSS JOIN movies ON movies.id = counted.rated"
        f" UNION ALL SELECT id, tally, id, {', '.join('0' * (HIGHEST - LOWEST + 1))} FROM movies"
        f" WHERE tally IS NOT NULL {with_tally}AND NOT EXISTS (SELECT 1 FROM ratings WHERE movie = movies.id)"
        " ORDER BY 1",
        values,
    )
    for movie, tally, _, *counts in rows:
        stored, counted = tally_of(tally), Tally(tuple(counts))
        if stored != counted:
            yield Drift(MovieId(movie), stored, counted)
