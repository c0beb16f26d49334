"""The ratings of the embedded store. A rating and its movie's tally change in one transaction, by what the
domain says a score makes of a tally; what it costs does not depend on how many have rated the movie.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from adapters.sqlite.database import Database, marks
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import Cell, insert, rating_of, rating_row, tally_of, tally_row, update
from domain.ids import MovieId, RatingId, UserId
from domain.movies import MovieNotFound
from domain.pagination import Cursor
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
from domain.users import UserNotFound

REPAIRED_AT_ONCE = 50
"""So many movies are recounted in one transaction; other writers wait meanwhile."""

COLUMNS = {
    RatingOrder.CREATED_AT: "created_at",
    RatingOrder.UPDATED_AT: "updated_at",
    RatingOrder.RATING: "half_points",
}
"""The column that each order compares."""

OF_MOVIE = Keyset(
    table="ratings", index="ratings_by_movie", column="created_at", test="movie = ?", descending=True
)

_COUNTS = ", ".join(f"sum(half_points = {half}) AS score_{half}" for half in range(LOWEST, HIGHEST + 1))


@dataclass(frozen=True, slots=True)
class SqliteRatingRepository:
    """RatingRepository over SQLite."""

    database: Database

    def add(self, rating: Rating) -> Tally:
        with self.database.writing() as connection:
            if _of(connection, rating.user, rating.movie):
                raise AlreadyRated
            return _insert(connection, rating)

    def put(self, rating: Rating) -> tuple[Rating, Tally, bool]:
        with self.database.writing() as connection:
            before = _of(connection, rating.user, rating.movie)
            if before is None:
                return rating, _insert(connection, rating), True
            after = before.replaced_by(rating)
            return after, _replace(connection, before, after), False

    def change(
        self, rating: RatingId, user: UserId, change: Callable[[Rating], Rating]
    ) -> tuple[Rating, Tally]:
        with self.database.writing() as connection:
            before = _owned(connection, rating, user)
            after = change(before)
            return after, _replace(connection, before, after)

    def remove(self, rating: RatingId, user: UserId) -> Tally:
        with self.database.writing() as connection:
            return _delete(connection, _owned(connection, rating, user))

    def remove_from(self, movie: MovieId, user: UserId) -> None:
        with self.database.writing() as connection:
            rating = _of(connection, user, movie)
            if rating:
                _delete(connection, rating)

    def get(self, rating: RatingId) -> Rating:
        with self.database.reading() as connection:
            return _get(connection, rating)

    def of(self, user: UserId, movie: MovieId) -> Rating | None:
        with self.database.reading() as connection:
            return _of(connection, user, movie)

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
        listed = Keyset(
            table="ratings",
            index=f"ratings_by_{by}_{'desc' if descending else 'asc'}",
            column=COLUMNS[by],
            test="user = ?",
            descending=descending,
        )
        with self.database.reading() as connection:
            rows = listed.rows(connection, (user,), limit=limit, skip=skip, after=_place(by, after))
        return [rating_of(row) for row in rows]

    def of_movie(
        self, movie: MovieId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Rating]:
        place = _place(RatingOrder.CREATED_AT, after)
        with self.database.reading() as connection:
            rows = OF_MOVIE.rows(connection, (movie,), limit=limit, skip=skip, after=place)
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
        parts = [movies[at : at + REPAIRED_AT_ONCE] for at in range(0, len(movies), REPAIRED_AT_ONCE)]
        return [drift for part in parts for drift in self._repaired(part)]

    def _repaired(self, movies: Sequence[MovieId]) -> list[Drift]:
        """Recount these movies again, now that nobody else writes, and set their tallies right."""
        with self.database.writing() as connection:
            drifts = list(_drifts(connection, movies))
            for drift in drifts:
                set_tally(connection, drift.movie, drift.counted)
        return drifts


def set_tally(connection: sqlite3.Connection, movie: MovieId, tally: Tally) -> None:
    """Replace a movie's tally and all that derives from it, within a transaction."""
    row = {**tally_row(tally), "id": movie}
    connection.execute(update("movies", row), row)


def withdraw_all(connection: sqlite3.Connection, user: UserId) -> None:
    """Delete all ratings of a user within a transaction; each movie's tally loses its score."""
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
    connection.execute("DELETE FROM ratings WHERE user = ?", (user,))


def require_user(connection: sqlite3.Connection, user: UserId) -> None:
    """See to it that the account is there until the transaction is committed. Raises UserNotFound."""
    if connection.execute("SELECT 1 FROM users WHERE id = ?", (user,)).fetchone() is None:
        raise UserNotFound


def _place(by: RatingOrder, after: Cursor | None) -> tuple[Cell, str] | None:
    """A place as rows have it: they keep half points."""
    if after is None:
        return None
    if by is RatingOrder.RATING and isinstance(after.value, int | float):
        return 2 * after.value, after.id
    return after.value, after.id


def _insert(connection: sqlite3.Connection, rating: Rating) -> Tally:
    require_user(connection, rating.user)
    tally = _move(connection, rating.movie, None, rating.score)
    row = rating_row(rating)
    connection.execute(insert("ratings", row), row)
    return tally


def _replace(connection: sqlite3.Connection, before: Rating, after: Rating) -> Tally:
    row = rating_row(after)
    connection.execute(update("ratings", row), row)
    return _move(connection, before.movie, before.score, after.score)


def _delete(connection: sqlite3.Connection, rating: Rating) -> Tally:
    connection.execute("DELETE FROM ratings WHERE id = ?", (rating.id,))
    return _move(connection, rating.movie, rating.score, None)


def _move(connection: sqlite3.Connection, movie: MovieId, old: Score | None, new: Score | None) -> Tally:
    """Bring a movie's tally from one score of a user to the next; return it as it is then."""
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
    """Recount all movies, or these, in one statement, which reads one state of the store."""
    rated, with_tally, values = "", "", list[Cell]()
    if movies is not None:
        rated = f"WHERE movie IN {marks(movies)} "
        with_tally = f"AND id IN {marks(movies)} "
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
