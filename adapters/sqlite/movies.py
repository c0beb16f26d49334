"""The movies of the embedded store: lookups, lists, search, and what a sync writes."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.list_planner import Frequencies
from adapters.sqlite.database import MAX_VALUES, Database, placeholders
from adapters.sqlite.listing import Condition, Statement, count, page_statements
from adapters.sqlite.rows import (
    CONVERSIONS,
    LARGE_COLUMNS,
    MOVIE,
    WHOLE_MOVIE,
    WHOLE_MOVIES,
    Cell,
    details_row,
    insert,
    moment,
    movie_row,
    movies_at_once,
    quoted,
    tally_row,
    whole_movie_of,
)
from adapters.sqlite.runs import advance
from adapters.sqlite.search import count_with_term, find
from adapters.sqlite.source import claim, set_source, source_of
from adapters.sqlite.terms import term_entries
from domain.browsing import EVERYTHING, MovieFilter, MoviePage, Sorting
from domain.ids import ImdbId, MovieId, MovieRef, TmdbNumber
from domain.languages import Language, Translation
from domain.movies import TEXT_FACTS, Movie, MovieFacts, MovieNotFound, Outcome, merged_movies, outcome
from domain.pagination import Window
from domain.ratings import Tally
from domain.search import Candidate, TermQuery
from domain.sync import PageResult, SourceName, SyncRun

INSERT_ONLY_COLUMNS = frozenset({"tmdb_id", "id", "created_at", *tally_row(Tally())})
"""Columns that a sync writes only when it inserts a movie: identity, and what depends on users' ratings."""

ENTRY_COLUMNS = {"movie_genres": ("genre", "movie"), "movie_terms": ("term", "negative_popularity", "movie")}
"""The columns of the tables by which lists and searches find movies."""

HAS_TEXTS = f"({' OR '.join(f'{quoted(name)} IS NOT NULL' for name in TEXT_FACTS)})"
"""The condition that a movie has a text or a picture."""


@dataclass(frozen=True, slots=True)
class SqliteMovieRepository:
    """MovieRepository over SQLite."""

    database: Database
    frequencies: Frequencies[Condition] = field(default_factory=Frequencies)

    def get(self, ref: MovieRef) -> Movie:
        where, value = _lookup(ref)
        with self.database.reading() as connection:
            row = connection.execute(
                f"SELECT {WHOLE_MOVIE} FROM {WHOLE_MOVIES} WHERE {where}", (value,)
            ).fetchone()
        if row is None:
            raise MovieNotFound(ref)
        return whole_movie_of(row)

    def by_ids(self, ids: Sequence[MovieId]) -> list[Movie]:
        with self.database.reading() as connection:
            movies = {movie.id: movie for movie in _select(connection, "id", ids)}
        return [movies[each] for each in ids if each in movies]

    def by_imdb_ids(self, imdb_ids: Collection[str]) -> dict[str, Movie]:
        with self.database.reading() as connection:
            return _by_imdb_id(_select(connection, "imdb_id", imdb_ids))

    def by_tmdb_ids(self, tmdb_ids: Collection[int]) -> dict[int, Movie]:
        with self.database.reading() as connection:
            return _by_tmdb_ids(connection, tmdb_ids)

    def translations(self, movies: Collection[MovieId], language: Language) -> dict[MovieId, Translation]:
        text = "json_extract(translations, ?)"
        selected = f"id, {text}, {text} FROM movies JOIN movie_details ON movie = tmdb_id"
        paths = [f'$."{language}"[{place}]' for place in (0, 1)]
        with self.database.reading() as connection:
            rows = list(_rows(connection, selected, "id", movies, paths))
        return {
            MovieId(movie): Translation(language=language, title=title, overview=overview)
            for movie, title, overview in rows
            if title or overview
        }

    def page(self, wanted: MovieFilter, sorting: Sorting, window: Window) -> MoviePage:
        with self.database.reading() as connection:
            numbers = _numbers(
                connection, page_statements(connection, self.frequencies, wanted, sorting, window), window
            )
            movies = _by_tmdb_ids(connection, numbers[: window.limit])
        shown = tuple(movies[number] for number in numbers[: window.limit] if number in movies)
        return MoviePage(shown, more=len(numbers) > window.limit)

    def count(self, wanted: MovieFilter) -> int:
        with self.database.reading() as connection:
            return count(connection, self.frequencies, wanted)

    def find(self, query: TermQuery, limit: int, wanted: MovieFilter = EVERYTHING) -> list[Candidate]:
        with self.database.reading() as connection:
            return find(connection, self.frequencies, query, limit, wanted)

    def find_people(self, query: TermQuery, limit: int, wanted: MovieFilter = EVERYTHING) -> list[Candidate]:
        with self.database.reading() as connection:
            return find(connection, self.frequencies, query, limit, wanted, people=True)

    def count_with_term(self, term: str, limit: int) -> int:
        with self.database.reading() as connection:
            return count_with_term(connection, term, limit)

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        return self.store_together((result,), run)

    def store_together(self, results: Sequence[PageResult], run: SyncRun) -> SyncRun:
        with self.database.writing() as connection:
            for result in results:
                run = run.stored(result, _store_page(connection, result, run.source))
            advance(connection, run)
        return run

    def add(self, movies: Sequence[MovieFacts], source: SourceName, at: datetime) -> list[Outcome]:
        with self.database.writing() as connection:
            claim(connection, source, content=bool(movies))
            stored = _whole_by_tmdb_ids(connection, [facts.tmdb_id for facts in movies])
            pairs = merged_movies(stored, movies, at)
            _write(connection, pairs)
            outcomes = [outcome(before, after) for before, after in pairs]
            if any(each is not Outcome.UNCHANGED for each in outcomes):
                _increment_generation(connection)
        return outcomes

    def stale(self, before: datetime, limit: int) -> list[int]:
        statement = "SELECT tmdb_id FROM movies WHERE synced_at < ? ORDER BY synced_at, tmdb_id LIMIT ?"
        with self.database.reading() as connection:
            return [number for (number,) in connection.execute(statement, (moment(before), limit))]

    def incomplete(self, version: str, limit: int) -> list[int]:
        # One search of the index for each range: SQLite would scan it for a condition with OR.
        others = " UNION ALL ".join(
            "SELECT tmdb_id, popularity FROM movies INDEXED BY movies_by_details_version"
            f" WHERE visible = 1 AND details_version {other}"
            for other in ("IS NULL", "< ?1", "> ?1")
        )
        statement = f"SELECT tmdb_id FROM ({others}) ORDER BY popularity DESC, tmdb_id LIMIT ?2"
        with self.database.reading() as connection:
            return [number for (number,) in connection.execute(statement, (version, limit))]

    def recommended(self, limit: int, after: int = 0) -> list[tuple[int, tuple[int, ...]]]:
        statement = (
            "SELECT movie, recommended FROM movie_details WHERE movie > ? AND recommended IS NOT NULL"
            " ORDER BY movie LIMIT ?"
        )
        _, numbers_of = CONVERSIONS[LARGE_COLUMNS["recommended"]]
        with self.database.reading() as connection:
            return [
                (movie, numbers_of(cell)) for movie, cell in connection.execute(statement, (after, limit))
            ]

    def clear_texts(self, before: datetime, at: datetime, limit: int) -> int:
        statement = (
            f"SELECT {WHOLE_MOVIE} FROM {WHOLE_MOVIES} WHERE synced_at < ? AND {HAS_TEXTS}"
            " ORDER BY synced_at LIMIT ?"
        )
        with self.database.writing() as connection:
            stale = [whole_movie_of(row) for row in connection.execute(statement, (moment(before), limit))]
            _write(connection, [(movie, movie.without_texts(at)) for movie in stale])
            if stale:
                _increment_generation(connection)
        return len(stale)

    def source(self) -> SourceName | None:
        with self.database.reading() as connection:
            return source_of(connection)

    def change_source(self, to: SourceName, at: datetime) -> None:
        with self.database.writing() as connection:
            set_source(connection, to)
            connection.execute("UPDATE movies SET synced_at = ?1 WHERE synced_at > ?1", (moment(at),))
            _increment_generation(connection)

    def generation(self) -> int:
        with self.database.reading() as connection:
            (value,) = connection.execute("SELECT value FROM counters WHERE name = 'generation'").fetchone()
        return int(value)


def _numbers(connection: sqlite3.Connection, statements: Sequence[Statement], window: Window) -> list[int]:
    """The TMDB numbers of the window's movies, and one more if any follow."""
    numbers: list[int] = []
    skip = window.skip
    for statement in statements:
        found = statement.numbers(connection, window.limit + 1 - len(numbers), skip)
        numbers += found
        if len(numbers) > window.limit:
            break
        skip = 0 if numbers or not skip else max(0, skip - statement.count(connection))
    return numbers


def _store_page(connection: sqlite3.Connection, result: PageResult, source: SourceName) -> list[Outcome]:
    """Store the movies of a page of a sync; return the outcomes of its rows."""
    claim(connection, source, content=bool(result.movies))
    stored = _whole_by_tmdb_ids(connection, [facts.tmdb_id for facts in result.movies])
    pairs = merged_movies(stored, result.movies, result.at)
    removed = list(_whole_by_tmdb_ids(connection, result.gone).values())
    _write(connection, pairs)
    _remove(connection, removed, result.at)
    outcomes = [outcome(before, after) for before, after in pairs] + [Outcome.UPDATED] * len(removed)
    if any(each is not Outcome.UNCHANGED for each in outcomes):
        _increment_generation(connection)
    return outcomes


def _increment_generation(connection: sqlite3.Connection) -> None:
    """Record that the contents of lists have changed."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'generation'")


def _write(connection: sqlite3.Connection, pairs: Iterable[tuple[Movie | None, Movie]]) -> None:
    """Write the changed movies of these pairs (before, after), with their large facts, genres and terms."""
    changed = [(before, after) for before, after in pairs if outcome(before, after) is not Outcome.UNCHANGED]
    rows = [movie_row(after) for _, after in changed]
    if rows:
        connection.executemany(_upsert(rows[0]), rows)
    _write_details(connection, [after for _, after in changed])
    unchanged = [after for before, after in pairs if outcome(before, after) is Outcome.UNCHANGED]
    connection.executemany(
        "UPDATE movies SET synced_at = ? WHERE tmdb_id = ?",
        [(moment(movie.synced_at), movie.facts.tmdb_id) for movie in unchanged],
    )
    _update_entries(connection, changed)


def _write_details(connection: sqlite3.Connection, movies: Sequence[Movie]) -> None:
    """Write the large facts of these movies. A movie without any has no row."""
    _delete_details(connection, movies)
    rows = [row for row in map(details_row, movies) if any(row[name] is not None for name in LARGE_COLUMNS)]
    if rows:
        connection.executemany(insert("movie_details", rows[0]), rows)


def _delete_details(connection: sqlite3.Connection, movies: Sequence[Movie]) -> None:
    numbers = [(movie.facts.tmdb_id,) for movie in movies]
    connection.executemany("DELETE FROM movie_details WHERE movie = ?", numbers)


def _upsert(row: Mapping[str, Cell]) -> str:
    synced_columns = (name for name in row if name not in INSERT_ONLY_COLUMNS)
    return f"{insert('movies', row)} ON CONFLICT (tmdb_id) DO UPDATE SET " + ", ".join(
        f"{name} = excluded.{name}" for name in synced_columns
    )


def _remove(connection: sqlite3.Connection, movies: Sequence[Movie], at: datetime) -> None:
    """Mark movies as removed if users have rated, listed or seen them, and delete the others."""
    used = _used(connection, [movie.id for movie in movies])
    _write(connection, [(movie, movie.marked_removed(at)) for movie in movies if movie.id in used])
    unused = [movie for movie in movies if movie.id not in used]
    _update_entries(connection, [(movie, None) for movie in unused])
    _delete_details(connection, unused)
    connection.executemany(
        "DELETE FROM movies WHERE tmdb_id = ?", [(movie.facts.tmdb_id,) for movie in unused]
    )


def _used(connection: sqlite3.Connection, movies: Sequence[MovieId]) -> set[MovieId]:
    """The movies that have a rating or a viewing or are on a watchlist."""
    statement = (
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM ratings WHERE movie = :id)"
        " OR EXISTS (SELECT 1 FROM watchlists WHERE movie = :id)"
        " OR EXISTS (SELECT 1 FROM viewings WHERE movie = :id)"
    )
    return {movie for movie in movies if connection.execute(statement, {"id": movie}).fetchone()}


def _update_entries(
    connection: sqlite3.Connection, pairs: Iterable[tuple[Movie | None, Movie | None]]
) -> None:
    """Update the genres and terms of these movies (before, after), and the number of visible movies.

    Only visible movies have entries.
    """
    for table, entries in (("movie_genres", _genre_entries), ("movie_terms", _term_entries)):
        deleted, inserted = list[tuple[Cell, ...]](), list[tuple[Cell, ...]]()
        for before, after in pairs:
            old_entries, new_entries = entries(before), entries(after)
            deleted += old_entries - new_entries
            inserted += new_entries - old_entries
        columns = ENTRY_COLUMNS[table]
        condition = " = ? AND ".join(columns)
        connection.executemany(f"DELETE FROM {table} WHERE {condition} = ?", sorted(deleted))
        connection.executemany(f"INSERT INTO {table} VALUES {placeholders(columns)}", sorted(inserted))
    change = sum(bool(after and after.visible) - bool(before and before.visible) for before, after in pairs)
    connection.execute("UPDATE counters SET value = value + ? WHERE name = 'visible_movies'", (change,))


def _genre_entries(movie: Movie | None) -> AbstractSet[tuple[Cell, ...]]:
    return (
        {(genre, movie.facts.tmdb_id) for genre in movie.facts.genres} if movie and movie.visible else set()
    )


def _term_entries(movie: Movie | None) -> AbstractSet[tuple[Cell, ...]]:
    if not (movie and movie.visible):
        return set()
    facts = movie.facts
    return term_entries(
        facts.tmdb_id,
        (facts.title, facts.original_title, *facts.other_titles),
        released=facts.release_date,
        imdb_id=facts.imdb_id,
        popularity=facts.popularity,
        people=facts.people,
    )


def _lookup(ref: MovieRef) -> tuple[str, Cell]:
    match ref:
        case TmdbNumber(number):
            return "tmdb_id = ?", number
        case ImdbId(imdb_id):
            return "imdb_id = ? ORDER BY tmdb_id LIMIT 1", imdb_id
        case _:
            return "id = ?", ref


def _by_tmdb_ids(connection: sqlite3.Connection, tmdb_ids: Collection[int]) -> dict[int, Movie]:
    return {movie.facts.tmdb_id: movie for movie in _select(connection, "tmdb_id", tmdb_ids)}


def _whole_by_tmdb_ids(connection: sqlite3.Connection, tmdb_ids: Collection[int]) -> dict[int, Movie]:
    """The movies with all their facts, as they must be known before they are written."""
    rows = _rows(connection, f"{WHOLE_MOVIE} FROM {WHOLE_MOVIES}", "tmdb_id", tmdb_ids)
    return {movie.facts.tmdb_id: movie for movie in map(whole_movie_of, rows)}


def _by_imdb_id(movies: Iterable[Movie]) -> dict[str, Movie]:
    found = sorted(movies, key=lambda movie: movie.facts.tmdb_id, reverse=True)
    return {movie.facts.imdb_id: movie for movie in found if movie.facts.imdb_id}


def _select(connection: sqlite3.Connection, column: str, values: Collection[Cell]) -> Iterable[Movie]:
    wanted = list(values)
    for start in range(0, len(wanted), MAX_VALUES):
        part = wanted[start : start + MAX_VALUES]
        statement = f"SELECT {MOVIE} FROM movies WHERE {column} IN {placeholders(part)}"
        yield from movies_at_once(connection, statement, part)


def _rows(
    connection: sqlite3.Connection,
    selected: str,
    column: str,
    values: Collection[Cell],
    parameters: Sequence[Cell] = (),
) -> Iterable[Sequence[Any]]:
    """The rows with one of these values in a column. `parameters` are those of the selected expressions."""
    wanted = list(values)
    for start in range(0, len(wanted), MAX_VALUES):
        part = wanted[start : start + MAX_VALUES]
        statement = f"SELECT {selected} WHERE {column} IN {placeholders(part)}"
        yield from connection.execute(statement, [*parameters, *part])
