"""What a user has of films in the embedded store, read and changed together within a transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.changes import require_user
from adapters.sqlite.database import Database, placeholders
from adapters.sqlite.ratings import exchange_rating
from adapters.sqlite.rows import item_of, moment, rating_of, viewing_of
from adapters.sqlite.viewings import exchange_viewing
from adapters.sqlite.watchlists import exchange_item
from domain.ids import MovieId, UserId
from domain.imports.holdings import Holding, Holdings
from domain.ports import Clock
from domain.viewings import Viewing


@dataclass(frozen=True, slots=True)
class SqliteHoldingRepository:
    """HoldingRepository over SQLite."""

    database: Database
    clock: Clock

    def change(
        self,
        user: UserId,
        movies: Sequence[MovieId],
        change: Callable[[Holdings], Mapping[MovieId, Holding]],
    ) -> None:
        with self.database.writing() as connection:
            require_user(connection, user)
            present = holdings(connection, user, movies)
            exchange(connection, user, present.films, change(present), self.clock())


def holdings(connection: sqlite3.Connection, user: UserId, movies: Sequence[MovieId]) -> Holdings:
    """What a user has of those of these films that are held."""
    among = placeholders(movies)
    values = (user, *movies)
    held = [row["id"] for row in connection.execute(f"SELECT id FROM movies WHERE id IN {among}", movies)]
    of_user = f"WHERE user = ? AND movie IN {among}"
    ratings = {
        row["movie"]: rating_of(row) for row in connection.execute(f"SELECT * FROM ratings {of_user}", values)
    }
    items = {
        row["movie"]: item_of(row)
        for row in connection.execute(f"SELECT * FROM watchlists {of_user}", values)
    }
    viewings = defaultdict[str, set[Viewing]](set)
    indexed = f"SELECT * FROM viewings INDEXED BY viewings_by_movie {of_user}"
    for row in connection.execute(indexed, values):
        viewings[row["movie"]].add(viewing_of(row))
    statement = f"SELECT movie, hidden_at FROM hidden_movies {of_user}"
    hidden = {
        row["movie"]: datetime.fromisoformat(row["hidden_at"])
        for row in connection.execute(statement, values)
    }
    return Holdings(
        films={
            movie: Holding(
                rating=ratings.get(movie),
                item=items.get(movie),
                viewings=frozenset(viewings[movie]),
                hidden_at=hidden.get(movie),
            )
            for movie in map(MovieId, held)
        },
        listed=_count(connection, "watchlists", user),
        seen=_count(connection, "viewings", user),
        hidden=_count(connection, "hidden_movies", user),
    )


def exchange(
    connection: sqlite3.Connection,
    user: UserId,
    before: Mapping[MovieId, Holding],
    after: Mapping[MovieId, Holding],
    at: datetime,
) -> None:
    """Replace what a user has of films; tallies and the change feed follow."""
    for movie, wanted in after.items():
        present = before[movie]
        exchange_rating(connection, present.rating, wanted.rating, at)
        exchange_item(connection, present.item, wanted.item, at)
        _exchange_viewings(connection, present.viewings, wanted.viewings, at)
        if wanted.hidden_at != present.hidden_at:
            connection.execute("DELETE FROM hidden_movies WHERE user = ? AND movie = ?", (user, movie))
            if wanted.hidden_at:
                hidden = (user, movie, moment(wanted.hidden_at))
                connection.execute("INSERT INTO hidden_movies VALUES (?, ?, ?)", hidden)


def _exchange_viewings(
    connection: sqlite3.Connection, before: Iterable[Viewing], after: Iterable[Viewing], at: datetime
) -> None:
    known, wanted = {each.id: each for each in before}, {each.id: each for each in after}
    for viewing in sorted(known.keys() | wanted.keys()):
        exchange_viewing(connection, known.get(viewing), wanted.get(viewing), at)


def _count(connection: sqlite3.Connection, table: str, user: UserId) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE user = ?", (user,)).fetchone()
    return int(count)
