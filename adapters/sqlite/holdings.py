"""What a user has of films in the embedded store, read and changed together within a transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from adapters.sqlite.database import placeholders
from adapters.sqlite.ratings import exchange_rating
from adapters.sqlite.rows import insert, item_of, item_row, rating_of, update, viewing_of, viewing_row
from domain.ids import MovieId, UserId
from domain.imports.holdings import Holding, Holdings
from domain.viewings import Viewing


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
    return Holdings(
        films={
            movie: Holding(
                rating=ratings.get(movie), item=items.get(movie), viewings=frozenset(viewings[movie])
            )
            for movie in map(MovieId, held)
        },
        listed=_count(connection, "watchlists", user),
        seen=_count(connection, "viewings", user),
    )


def exchange(
    connection: sqlite3.Connection, before: Mapping[MovieId, Holding], after: Mapping[MovieId, Holding]
) -> None:
    """Replace what a user has of films; tallies follow."""
    for movie, wanted in after.items():
        present = before[movie]
        exchange_rating(connection, present.rating, wanted.rating)
        if wanted.item != present.item:
            known = present.item.id if present.item else None
            _write(connection, "watchlists", known, item_row(wanted.item) if wanted.item else None)
        _exchange_viewings(connection, present.viewings, wanted.viewings)


def _exchange_viewings(
    connection: sqlite3.Connection, before: Iterable[Viewing], after: Iterable[Viewing]
) -> None:
    known, wanted = {each.id: each for each in before}, {each.id: each for each in after}
    for viewing in known.keys() | wanted.keys():
        if known.get(viewing) != wanted.get(viewing):
            row = viewing_row(wanted[viewing]) if viewing in wanted else None
            _write(connection, "viewings", viewing if viewing in known else None, row)


def _write(
    connection: sqlite3.Connection, table: str, known: str | None, row: Mapping[str, object] | None
) -> None:
    """Insert a row, or update or delete the one with the id `known`."""
    if row is None:
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (known,))
    elif known == row["id"]:
        connection.execute(update(table, row), row)  # type: ignore[arg-type]
    else:
        connection.execute(insert(table, row), row)  # type: ignore[arg-type]


def _count(connection: sqlite3.Connection, table: str, user: UserId) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE user = ?", (user,)).fetchone()
    return int(count)
