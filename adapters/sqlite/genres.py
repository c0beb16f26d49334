"""The genres of the embedded store."""

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from adapters.sqlite.database import Database
from adapters.sqlite.rows import GENRE, GENRE_COLUMNS, genre_of, genre_row, insert, read_at_once
from adapters.sqlite.runs import advance
from adapters.sqlite.source import claim
from domain.ids import GenreId
from domain.movies import Genre, GenreNotFound, merged_genres, outcome
from domain.sync import PageResult, SyncRun


@dataclass(frozen=True, slots=True)
class SqliteGenreRepository:
    """GenreRepository over SQLite."""

    database: Database

    def all(self) -> list[Genre]:
        with self.database.reading() as connection:
            return _all(connection)

    def get(self, genre: GenreId) -> Genre:
        with self.database.reading() as connection:
            row = connection.execute(f"SELECT {GENRE} FROM genres WHERE id = ?", (genre,)).fetchone()
        if row is None:
            raise GenreNotFound(genre)
        return genre_of(row)

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        with self.database.writing() as connection:
            claim(connection, run.source, content=bool(result.genres))
            before = {genre.id: genre for genre in _all(connection)}
            after = merged_genres(before.values(), result.genres, result.at)
            received = {facts.tmdb_id for facts in result.genres}
            advanced = run.stored(
                result, [outcome(before.get(each.id), each) for each in after if each.tmdb_id in received]
            )
            # Names are unique, and two genres may exchange theirs: all are deleted before any is inserted.
            connection.execute("DELETE FROM genres")
            rows = [genre_row(genre) for genre in after]
            for row in rows:
                connection.execute(insert("genres", row), row)
            advance(connection, advanced)
        return advanced


def _all(connection: sqlite3.Connection) -> list[Genre]:
    statement = f"SELECT {GENRE} FROM genres ORDER BY name, id"
    rows = read_at_once(connection, GENRE_COLUMNS, statement, ())
    return list(_genres(tuple(map(tuple, rows))))


@lru_cache(maxsize=4)
def _genres(rows: tuple[tuple[Any, ...], ...]) -> tuple[Genre, ...]:
    """The genres in these rows. They are read with every list and seldom change."""
    return tuple(map(genre_of, rows))
