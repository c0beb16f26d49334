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
from adapters.sqlite.rows import Cell, read_at_once
from adapters.sqlite.schema import RATED, SORT_COLUMNS, UNRATED
from domain.browsing import Mine, MovieFilter, OwnFilter, SortBy, Sorting, Span, spans
from domain.pagination import Cursor, Value, Window

VISIBLE = "visible = 1"

OWN_MOVIES = {
    Mine.RATED: "SELECT movie FROM ratings WHERE user = ?",
    Mine.LISTED: "SELECT movie FROM watchlists WHERE user = ?",
    Mine.FAVORITE: "SELECT movie FROM watchlists WHERE user = ? AND is_favorite = 1",
    Mine.SEEN: "SELECT DISTINCT movie FROM viewings WHERE user = ?",
}
"""The movies that are a user's own in each way, none twice. The tables have indexes by user and movie."""

BY_ID = "movies INDEXED BY sqlite_autoindex_movies_1"
"""The movies, looked up by their ids."""

BY_NUMBER = "movies NOT INDEXED"
"""The movies, looked up by their TMDB numbers: those of genres, whose table has visible movies only."""

ROW_COST = 4
"""The cost of reading a movie, if testing whether an index has one is 1."""

TEXT_ORDERS = frozenset({SortBy.TITLE, SortBy.RELEASE_DATE, SortBy.CREATED_AT})
"""Orders whose columns have texts; those of the others have numbers."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter.

    `test` is an expression that tests one movie. `source` and `where` select the movies that meet the
    condition, through an index; `all` is a whole query for their TMDB numbers. `values` are the parameters of
    each. A range has its column and bounds, too. A condition that no index serves has only a test.

    `own` is a query for the movies that are a user's own, if the condition selects these.
    """

    test: str
    values: tuple[Cell, ...]
    source: str = ""
    where: str = ""
    all: str = ""
    column: str = ""
    low: Value | None = None
    high: Value | None = None
    own: str = ""

    def count(self, connection: sqlite3.Connection) -> int:
        """The number of visible movies that meet the condition."""
        return _count(connection, self.all, self.values)

    def frequency(
        self, connection: sqlite3.Connection, frequencies: "Frequencies[Condition]", total: int
    ) -> int:
        """The approximate number of the `total` visible movies that meet the condition."""
        if self.own:  # it changes with every rating, and is quickly counted
            return _count(connection, self.own, self.values)
        return frequencies(self, total, partial(self.count, connection))


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
        statement = f"{self.sql('tmdb_id')} LIMIT ? OFFSET ?"
        rows = read_at_once(connection, ("tmdb_id",), statement, (*self.values, limit, skip))
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
    conditions = conditions_of(wanted)
    total = count_visible(connection)
    frequency = {each: each.frequency(connection, frequencies, total) for each in conditions if each.source}
    skewed = any(each.own for each in frequency)
    rarest = worth_sorting(frequency, total, window.limit, skewed=skewed)
    if rarest:
        return [_sorted(rarest, conditions, sorting, window.cursor)]
    return [scan for span in spans(window.cursor) for scan in _index_scans(span, conditions, sorting) if scan]


def count(connection: sqlite3.Connection, frequencies: Frequencies[Condition], wanted: MovieFilter) -> int:
    """The exact number of visible movies that a filter admits."""
    if wanted.excluded:
        included = count(connection, frequencies, wanted.of_everyone)
        return included - count(connection, frequencies, wanted.excluded)
    conditions = conditions_of(wanted)
    if not conditions:
        return count_visible(connection)
    if len(conditions) == 1:
        return conditions[0].count(connection)
    total = count_visible(connection)
    cost = {
        each: each.frequency(connection, frequencies, total)
        * (1 if _met_by_indexes(each, conditions) else ROW_COST)
        for each in conditions
        if each.source
    }
    first = min(cost, key=lambda each: cost[each])
    if not _met_by_indexes(first, conditions):
        return statement_from(first, conditions).count(connection)
    others = [each for each in conditions if each is not first]
    values = (*first.values, *(value for each in others for value in each.values))
    tests = " AND ".join(each.test for each in others)
    return _count(connection, f"SELECT 1 FROM ({first.all}) WHERE {tests}", values)


def _met_by_indexes(first: Condition, conditions: Sequence[Condition]) -> bool:
    """Whether indexes alone have the movies that meet all conditions, if they are read by the first."""
    return not first.own and all(each.source == BY_NUMBER for each in conditions if each is not first)


def count_visible(connection: sqlite3.Connection) -> int:
    """The number of visible movies, from a counter that writers update."""
    (value,) = connection.execute("SELECT value FROM counters WHERE name = 'visible_movies'").fetchone()
    return int(value)


def _count(connection: sqlite3.Connection, query: str, values: Sequence[Cell]) -> int:
    """The number of rows of a query."""
    (number,) = connection.execute(f"SELECT count(*) FROM ({query})", values).fetchone()
    return int(number)


def conditions_of(wanted: MovieFilter) -> list[Condition]:
    """The conditions of a filter. Those that no index serves come last."""
    found = [_has_any_genre({genre}) for genre in sorted(wanted.all_genres)]
    if wanted.any_genres:
        found.append(_has_any_genre(wanted.any_genres))
    first, last = wanted.released
    if first or last:
        days = (day.isoformat() if day else None for day in (first, last))
        found.append(_in_range("release_date", *days))
    ranges: tuple[tuple[str, float | None, float | None], ...] = (
        ("average_rating", wanted.min_rating, wanted.max_rating),
        ("vote_count", wanted.min_votes, None),
        ("runtime", wanted.min_runtime, wanted.max_runtime),
    )
    found += [_in_range(*each) for each in ranges if each[1:] != (None, None)]
    if wanted.language is not None:
        found.append(_has_language(wanted.language))
    if wanted.own:
        found += _of_user(wanted.own)
    return found


def _has_any_genre(genres: frozenset[str] | set[str]) -> Condition:
    chosen = tuple(sorted(genres))
    distinct = "" if len(chosen) == 1 else "DISTINCT "
    movies_of = f"SELECT {distinct}movie AS tmdb_id FROM movie_genres WHERE genre IN {placeholders(chosen)}"
    return Condition(
        test=f"EXISTS (SELECT 1 FROM movie_genres WHERE genre IN {placeholders(chosen)} AND movie = tmdb_id)",
        values=chosen,
        source=BY_NUMBER,
        where=f"tmdb_id IN ({movies_of})",
        all=movies_of,
    )


def _of_user(own: OwnFilter) -> list[Condition]:
    """The conditions about a user: that a movie is among `mine`, and that it is not among `not_mine`."""
    found = []
    if own.mine:
        union = " UNION ".join(OWN_MOVIES[each] for each in sorted(own.mine))
        # For a condition with IN, SQLite would first collect the ids in a temporary table.
        source = f"({union}) CROSS JOIN {BY_ID}"
        where = "movies.id = movie"
        found.append(
            Condition(
                test=f"({_is_one_of(own.mine)})",
                values=(own.user,) * len(own.mine),
                source=source,
                where=where,
                all=f"SELECT tmdb_id FROM {source} WHERE {VISIBLE} AND {where}",
                own=union,
            )
        )
    if own.not_mine:
        values = (own.user,) * len(own.not_mine)
        found.append(Condition(f"NOT ({_is_one_of(own.not_mine)})", values))
    return found


def _is_one_of(kinds: frozenset[Mine]) -> str:
    return " OR ".join(f"EXISTS ({OWN_MOVIES[each]} AND movie = movies.id)" for each in sorted(kinds))


def _in_range(column: str, low: Value | None, high: Value | None) -> Condition:
    """The condition for a range with one bound, or both."""
    bounds = [(operator, bound) for operator, bound in ((">=", low), ("<=", high)) if bound is not None]
    test = " AND ".join(f"{column} {operator} ?" for operator, _ in bounds)
    return replace(
        _indexed(test, f"movies_by_{column}_desc", tuple(bound for _, bound in bounds)),
        column=column,
        low=low,
        high=high,
    )


def _has_language(language: str) -> Condition:
    return _indexed("original_language = ?", "movies_by_language", (language,))


def _indexed(test: str, index: str, values: tuple[Cell, ...]) -> Condition:
    source = f"movies INDEXED BY {index}"
    return Condition(test, values, source, test, f"SELECT tmdb_id FROM {source} WHERE {VISIBLE} AND {test}")


def statement_from(first: Condition, conditions: Sequence[Condition]) -> Statement:
    """The query for the movies that meet all conditions, of which an index serves the first."""
    others = [condition for condition in conditions if condition is not first]
    return Statement(
        first.source,
        (VISIBLE, first.where, *(condition.test for condition in others)),
        (*first.values, *(value for condition in others for value in condition.values)),
    )


def _sorted(
    first: Condition, conditions: Sequence[Condition], sorting: Sorting, cursor: Cursor | None
) -> Statement:
    statement = statement_from(first, conditions)
    column = SORT_COLUMNS[sorting.by]
    direction, beyond = (" DESC", "<") if sorting.descending else ("", ">")
    where, values = statement.where, statement.values
    if cursor and cursor.value is None:
        where, values = (*where, f"{column} IS NULL", "id > ?"), (*values, cursor.id)
    elif cursor:
        where = (*where, f"({column} {beyond} ? OR ({column} = ? AND id > ?) OR {column} IS NULL)")
        values = (*values, cursor.value, cursor.value, cursor.id)
    return Statement(statement.source, where, values, f" ORDER BY {column} IS NULL, {column}{direction}, id")


def _index_scans(span: Span, conditions: Sequence[Condition], sorting: Sorting) -> list[Statement | None]:
    """The queries for one span, in its order; None for one that no movie can meet.

    The indexes of the orders by ratings have only movies with ratings.
    """
    if sorting.by not in RATED:
        return [_index_scan(span, conditions, sorting)]
    rated = [_index_scan(span, conditions, sorting)] if span.known else []
    unrated = [_unrated_scan(span.after, conditions)] if _has_unrated(span, sorting) else []
    return rated + unrated if sorting.descending else unrated + rated


def _has_unrated(span: Span, sorting: Sorting) -> bool:
    """Whether a span of an order by ratings has the movies without ratings."""
    if sorting.by is not SortBy.RATINGS_COUNT:
        return not span.known
    if span.at is not None or not span.known:
        return span.at == 0
    beyond = span.beyond
    if not isinstance(beyond, int | float):
        return beyond is None
    return beyond > 0 if sorting.descending else beyond < 0


def _unrated_scan(after: str | None, conditions: Sequence[Condition]) -> Statement | None:
    """A query for the movies without ratings, whose ids are larger than `after`."""
    if any(condition.column == "average_rating" for condition in conditions):
        return None
    where, values = ([UNRATED, "id > ?"], [after]) if after else ([UNRATED], [])
    return Statement(
        "movies INDEXED BY movies_by_id_unrated",
        (VISIBLE, *where, *(condition.test for condition in conditions)),
        (*values, *(value for condition in conditions for value in condition.values)),
        " ORDER BY id",
    )


def _index_scan(span: Span, conditions: Sequence[Condition], sorting: Sorting) -> Statement | None:
    """A query for one span of the order's index; None if no movie in it can meet the filter."""
    column = SORT_COLUMNS[sorting.by]
    bounds = [condition for condition in conditions if condition.column == column]
    if not span.known and (bounds or sorting.by in ALWAYS_KNOWN):
        return None
    rated = [RATED[sorting.by]] if sorting.by is SortBy.RATINGS_COUNT else []
    tests = [condition for condition in conditions if condition.column != column]
    where, values = _range(span, bounds, sorting)
    if span.after:
        where, values = [*where, "id > ?"], [*values, span.after]
    by_value = f"{column}{' DESC' if sorting.descending else ''}, " if span.known and span.at is None else ""
    return Statement(
        f"movies INDEXED BY movies_by_{sorting.by}_{sorting.order}",
        (VISIBLE, *rated, *where, *(condition.test for condition in tests)),
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
    lowest: Value = "" if sorting.by in TEXT_ORDERS else -1e308
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
