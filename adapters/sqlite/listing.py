"""Filtered and sorted lists as SQL.

A page is read either by scanning the order's index or by sorting the movies that meet the rarest condition.
`adapters.list_planner` chooses.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from adapters.list_planner import ALWAYS_KNOWN, Frequencies, worth_sorting
from adapters.sqlite.database import placeholders
from adapters.sqlite.rows import Cell
from adapters.sqlite.schema import SORT_COLUMNS
from domain.browsing import MovieFilter, SortBy, Sorting, Span, spans
from domain.pagination import Cursor, Value, Window

VISIBLE = "visible = 1"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter.

    `test` is an expression that tests one movie. `source` and `where` select the movies that meet the
    condition, through an index; `all` is a whole query for their TMDB numbers. `values` are the parameters of
    each. A range has its column and bounds, too.
    """

    test: str
    values: tuple[Cell, ...]
    source: str
    where: str
    all: str
    column: str = ""
    low: Value | None = None
    high: Value | None = None

    def count(self, connection: sqlite3.Connection) -> int:
        """The number of visible movies that meet the condition."""
        (number,) = connection.execute(f"SELECT count(*) FROM ({self.all})", self.values).fetchone()
        return int(number)


@dataclass(frozen=True, slots=True)
class Statement:
    """A query for TMDB numbers, in parts; the parts of `where` are joined by AND."""

    source: str
    where: tuple[str, ...]
    values: tuple[Cell, ...]
    order: str = ""

    def sql(self, columns: str) -> str:
        """The text of the query, without a limit."""
        return f"SELECT {columns} FROM {self.source} WHERE {' AND '.join(self.where)}{self.order}"

    def numbers(self, connection: sqlite3.Connection, limit: int, skip: int) -> list[int]:
        """Up to `limit` TMDB numbers after the first `skip`."""
        rows = connection.execute(f"{self.sql('tmdb_id')} LIMIT ? OFFSET ?", (*self.values, limit, skip))
        return [number for (number,) in rows]

    def count(self, connection: sqlite3.Connection) -> int:
        """The number of rows without a limit."""
        (count,) = connection.execute(replace(self, order="").sql("count(*)"), self.values).fetchone()
        return int(count)


def page_statements(
    connection: sqlite3.Connection,
    frequencies: Frequencies[Condition],
    wanted: MovieFilter,
    sorting: Sorting,
    window: Window,
) -> list[Statement]:
    """The queries whose rows, in this order, are the list after the window's cursor."""
    conditions = _conditions(wanted)
    total = count_visible(connection)
    frequency = {each: frequencies(each, total, partial(each.count, connection)) for each in conditions}
    rarest = worth_sorting(frequency, total, window.limit)
    if rarest:
        return [_sorted(rarest, conditions, sorting, window.cursor)]
    scans = (_index_scan(span, conditions, sorting) for span in spans(window.cursor))
    return [scan for scan in scans if scan]


def count(connection: sqlite3.Connection, frequencies: Frequencies[Condition], wanted: MovieFilter) -> int:
    """The exact number of visible movies that a filter admits."""
    conditions = _conditions(wanted)
    if not conditions:
        return count_visible(connection)
    if len(conditions) == 1:
        return conditions[0].count(connection)
    total = count_visible(connection)
    rarest = min(conditions, key=lambda each: frequencies(each, total, partial(each.count, connection)))
    return _from(rarest, conditions).count(connection)


def count_visible(connection: sqlite3.Connection) -> int:
    """The number of visible movies, from a counter that writers update."""
    (value,) = connection.execute("SELECT value FROM counters WHERE name = 'visible_movies'").fetchone()
    return int(value)


def _conditions(wanted: MovieFilter) -> list[Condition]:
    found = [_has_any_genre({genre}) for genre in sorted(wanted.all_genres)]
    if wanted.any_genres:
        found.append(_has_any_genre(wanted.any_genres))
    first, last = wanted.released
    if first or last:
        low, high = first.isoformat() if first else "", last.isoformat() if last else "9999-12-31"
        found.append(_in_range("release_date", "movies_by_release_date_desc", low, high))
    if wanted.min_rating is not None:
        found.append(_in_range("average_rating", "movies_by_average_rating_desc", wanted.min_rating))
    if wanted.min_votes is not None:
        found.append(_in_range("vote_count", "movies_by_vote_count", wanted.min_votes))
    if wanted.language is not None:
        found.append(_has_language(wanted.language))
    return found


def _has_any_genre(genres: frozenset[str] | set[str]) -> Condition:
    chosen = tuple(sorted(genres))
    movies_of = f"SELECT DISTINCT movie FROM movie_genres WHERE genre IN {placeholders(chosen)}"
    return Condition(
        test=f"EXISTS (SELECT 1 FROM movie_genres WHERE genre IN {placeholders(chosen)} AND movie = tmdb_id)",
        values=chosen,
        source="movies NOT INDEXED",
        where=f"tmdb_id IN ({movies_of})",
        all=movies_of,
    )


def _in_range(column: str, index: str, low: Value, high: Value | None = None) -> Condition:
    test = f"{column} >= ?" if high is None else f"{column} BETWEEN ? AND ?"
    return replace(
        _indexed(test, index, (low,) if high is None else (low, high)),
        column=column,
        low=low,
        high=high,
    )


def _has_language(language: str) -> Condition:
    return _indexed("original_language = ?", "movies_by_language", (language,))


def _indexed(test: str, index: str, values: tuple[Cell, ...]) -> Condition:
    source = f"movies INDEXED BY {index}"
    return Condition(test, values, source, test, f"SELECT tmdb_id FROM {source} WHERE {VISIBLE} AND {test}")


def _from(first: Condition, conditions: Sequence[Condition]) -> Statement:
    others = [condition for condition in conditions if condition is not first]
    return Statement(
        first.source,
        (VISIBLE, first.where, *(condition.test for condition in others)),
        (*first.values, *(value for condition in others for value in condition.values)),
    )


def _sorted(
    first: Condition, conditions: Sequence[Condition], sorting: Sorting, cursor: Cursor | None
) -> Statement:
    statement = _from(first, conditions)
    column = SORT_COLUMNS[sorting.by]
    direction, beyond = (" DESC", "<") if sorting.descending else ("", ">")
    where, values = statement.where, statement.values
    if cursor and cursor.value is None:
        where, values = (*where, f"{column} IS NULL", "id > ?"), (*values, cursor.id)
    elif cursor:
        where = (*where, f"({column} {beyond} ? OR ({column} = ? AND id > ?) OR {column} IS NULL)")
        values = (*values, cursor.value, cursor.value, cursor.id)
    return Statement(statement.source, where, values, f" ORDER BY {column} IS NULL, {column}{direction}, id")


def _index_scan(span: Span, conditions: Sequence[Condition], sorting: Sorting) -> Statement | None:
    """A query for one span of the order's index; None if no movie in it can meet the filter."""
    column = SORT_COLUMNS[sorting.by]
    bounds = [condition for condition in conditions if condition.column == column]
    if not span.known and (bounds or sorting.by in ALWAYS_KNOWN):
        return None
    tests = [condition for condition in conditions if condition.column != column]
    where, values = _range(span, bounds, sorting)
    if span.after:
        where, values = [*where, "id > ?"], [*values, span.after]
    by_value = f"{column}{' DESC' if sorting.descending else ''}, " if span.known and span.at is None else ""
    return Statement(
        f"movies INDEXED BY movies_by_{sorting.by}_{sorting.order}",
        (VISIBLE, *where, *(condition.test for condition in tests)),
        (*values, *(value for condition in tests for value in condition.values)),
        f" ORDER BY {by_value}id",
    )


def _range(span: Span, bounds: Sequence[Condition], sorting: Sorting) -> tuple[list[str], list[Cell]]:
    """The conditions and parameters for a span of the order's column.

    There is at most one lower and one upper bound, so that SQLite uses both to search the index.
    """
    column = SORT_COLUMNS[sorting.by]
    if not span.known:
        return [f"{column} IS NULL"], []
    if span.at is not None:
        tests = [condition.test for condition in bounds]
        return [f"{column} = ?", *tests], [span.at, *(value for each in bounds for value in each.values)]
    lowest: Value = "" if sorting.by in (SortBy.TITLE, SortBy.RELEASE_DATE) else -1e308
    lows = [(lowest, False), *((each.low, False) for each in bounds if each.low is not None)]
    highs = [(each.high, False) for each in bounds if each.high is not None]
    if span.beyond is not None:
        (highs if sorting.descending else lows).append((span.beyond, True))
    # Of two bounds with equal values, the exclusive one is narrower.
    low, above = max(lows)
    where = [f"{column} {'>' if above else '>='} ?"]
    values: list[Cell] = [low]
    if highs:
        high, below = min(highs, key=lambda end: (end[0], not end[1]))
        where, values = [*where, f"{column} {'<' if below else '<='} ?"], [*values, high]
    return where, values
