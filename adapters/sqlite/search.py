"""Term queries as SQL, over the index of terms.

The index has the movies of each term in order of popularity. A query of several clauses scans the terms of
the clause with the fewest movies, and tests each movie for the other clauses and for the conditions of the
filter. If fewer movies meet one of these conditions, they are read instead, and tested for terms. Without a
filter, clauses of similar size are merged.
"""

import sqlite3
from collections.abc import Sequence

from adapters.list_planner import Frequencies, scanned_movies
from adapters.sqlite.database import placeholders
from adapters.sqlite.listing import VISIBLE, Condition, conditions_of, count_visible, statement_from
from adapters.sqlite.rows import (
    CANDIDATE,
    CANDIDATE_COLUMNS,
    PEOPLE_CANDIDATE,
    PEOPLE_COLUMNS,
    Cell,
    candidate_of,
    people_candidate_of,
    read_at_once,
)
from adapters.sqlite.terms import LEAST_POPULAR
from domain.browsing import MovieFilter
from domain.search import Candidate, TermQuery

MAX_COUNTED = 8192
"""The most movies of a term that are counted. Terms with more are scanned only until enough are found."""

LOOKUP_COST = 2
"""The cost of looking up a term of one movie, relative to that of collecting a movie in a set."""

MERGED_LOOKUP_COST = 4
"""The same relative to that of reading a movie of a term where terms are merged."""

COUNT = "SELECT count(*) FROM (SELECT 1 FROM movie_terms WHERE term = ? LIMIT ?)"

ENTRIES = "SELECT negative_popularity, movie FROM movie_terms anchor WHERE term"
BEST = "ORDER BY negative_popularity, movie LIMIT ?"

Clause = dict[str, int]
"""The terms of a clause that any movie has, and the number of their movies, up to MAX_COUNTED."""

Sql = tuple[str, list[Cell]]
"""A part of a statement, and its parameters."""


def find(
    connection: sqlite3.Connection,
    frequencies: Frequencies[Condition],
    query: TermQuery,
    limit: int,
    wanted: MovieFilter,
    *,
    people: bool = False,
) -> list[Candidate]:
    """The most popular movies that have a term of each clause and that the filter admits, at most `limit`,
    the most popular first; with the keys of their people on request.
    """
    conditions = conditions_of(wanted)
    if len(query) == 1 and not conditions:
        text, values = _any_of(sorted(query[0]), ("", []), limit)
    else:
        clauses = sorted((_counted(connection, clause) for clause in query), key=_size)
        if not all(clauses):
            return []
        rarest = _rarer_than_terms(connection, frequencies, clauses, conditions, limit)
        if rarest:
            text, values = _filtered(rarest, conditions, clauses, limit)
        else:
            text, values = _intersection(clauses, _meets(conditions), limit)
    if people:
        text = text.replace(CANDIDATE, PEOPLE_CANDIDATE)
        return list(map(people_candidate_of, read_at_once(connection, PEOPLE_COLUMNS, text, values)))
    return list(map(candidate_of, read_at_once(connection, CANDIDATE_COLUMNS, text, values)))


def _rarer_than_terms(
    connection: sqlite3.Connection,
    frequencies: Frequencies[Condition],
    clauses: Sequence[Clause],
    conditions: Sequence[Condition],
    limit: int,
) -> Condition | None:
    """The rarest condition, if testing its movies for terms costs less than testing the movies of the first
    clause for the conditions until `limit` have passed; None otherwise.
    """
    total = count_visible(connection)
    frequency = {each: each.frequency(connection, frequencies, total) for each in conditions if each.source}
    if not frequency:
        return None
    rarest = min(frequency, key=lambda each: frequency[each])
    lookups = frequency[rarest] * sum(map(len, clauses))
    scanned = min(_size(clauses[0]), scanned_movies(frequency.values(), total, limit))
    return rarest if LOOKUP_COST * lookups <= scanned else None


def _filtered(
    first: Condition, conditions: Sequence[Condition], clauses: Sequence[Clause], limit: int
) -> Sql:
    """The statement that reads the movies of a condition, and tests them for the others and for terms."""
    statement = statement_from(first, conditions)
    popularity = f"coalesce(-popularity, {LEAST_POPULAR!r})"
    terms = "".join(
        f" AND EXISTS (SELECT 1 FROM movie_terms WHERE term IN {placeholders(clause)}"
        f" AND negative_popularity = {popularity} AND movie = tmdb_id)"
        for clause in clauses
    )
    text = f"{statement.sql(CANDIDATE)}{terms} ORDER BY {popularity}, tmdb_id LIMIT ?"
    return text, [*statement.values, *(term for clause in clauses for term in clause), limit]


def _meets(conditions: Sequence[Condition]) -> Sql:
    """The condition that a scanned movie meets all conditions of a filter."""
    if not conditions:
        return "", []
    tests = " AND ".join((VISIBLE, *(each.test for each in conditions)))
    values = [value for each in conditions for value in each.values]
    return f" AND EXISTS (SELECT 1 FROM movies WHERE tmdb_id = anchor.movie AND {tests})", values


def count_with_term(connection: sqlite3.Connection, term: str, limit: int) -> int:
    """The number of movies of a term, which are counted up to a limit."""
    (count,) = connection.execute(COUNT, (term, limit)).fetchone()
    return int(count)


def _counted(connection: sqlite3.Connection, clause: frozenset[str]) -> Clause:
    counts = {term: count_with_term(connection, term, MAX_COUNTED) for term in sorted(clause)}
    return {term: count for term, count in counts.items() if count}


def _size(clause: Clause) -> int:
    return sum(clause.values())


def _completely_counted(clause: Clause) -> bool:
    return max(clause.values()) < MAX_COUNTED


def _intersection(clauses: Sequence[Clause], filtering: Sql, limit: int) -> Sql:
    """The statement for movies with a term of each clause: the first is scanned, or all are merged."""
    anchor, *others = clauses
    if not filtering[0] and _worth_merging(clauses):
        return _merged(clauses, limit)
    tests, values = _all_of([*(_test(anchor, other) for other in others), filtering])
    if len(anchor) == 1 or not _completely_counted(anchor):
        return _any_of(list(anchor), (tests, values), limit)
    distinct = ENTRIES.replace("SELECT", "SELECT DISTINCT")
    return _candidates(f"{distinct} IN {placeholders(anchor)}{tests} {BEST}"), [*anchor, *values, limit]


def _worth_merging(clauses: Sequence[Clause]) -> bool:
    """Whether to read all clauses costs less than looking up those of the first in the others."""
    anchor, *others = clauses
    if sum(len(clause) > 1 for clause in clauses) > 1 or not all(map(_completely_counted, clauses)):
        return False
    return sum(map(_size, clauses)) < MERGED_LOOKUP_COST * _size(anchor) * sum(map(len, others))


def _merged(clauses: Sequence[Clause], limit: int) -> Sql:
    """The statement for movies with a term of each clause, at most one of which has several terms. The movies
    of each term are in the same order, so SQLite merges them, and stops when it has found enough.
    """
    several_first = sorted(clauses, key=len, reverse=True)
    parts = [" UNION ".join([f"{ENTRIES} = ?"] * len(clause)) for clause in several_first]
    values = [term for clause in several_first for term in clause]
    return _candidates(f"{' INTERSECT '.join(parts)} {BEST}"), [*values, limit]


def _any_of(terms: Sequence[str], tests: Sql, limit: int) -> Sql:
    """The statement for movies with any of these terms that pass the tests. The movies of each term are
    scanned until `limit` have passed.
    """
    text, values = tests
    if len(terms) == 1:  # without a subquery, whose rows would be sorted again
        statement = (
            f"SELECT {CANDIDATE} FROM movie_terms anchor CROSS JOIN movies ON tmdb_id = anchor.movie"
            f" WHERE term = ?{text} {BEST}"
        )
        return statement, [*terms, *values, limit]
    scans = " UNION ALL ".join([f"SELECT * FROM ({ENTRIES} = ?{text} {BEST})"] * len(terms))
    best = f"SELECT DISTINCT negative_popularity, movie FROM ({scans}) {BEST}"
    scan_values = [value for term in terms for value in (term, *values, limit)]
    return _candidates(best), [*scan_values, limit]


def _candidates(entries: str) -> str:
    joined = f"SELECT {CANDIDATE} FROM ({entries}) CROSS JOIN movies ON tmdb_id = movie"
    return f"{joined} ORDER BY negative_popularity, movie"


def _all_of(tests: Sequence[Sql]) -> Sql:
    return "".join(text for text, _ in tests), [value for _, values in tests for value in values]


def _test(anchor: Clause, other: Clause) -> Sql:
    """The condition that a scanned movie has a term of another clause: that a set contains the movie, or that
    the index does, whichever costs less.
    """
    terms, values = placeholders(other), list[Cell](other)
    collected, lookups = _size(anchor) + _size(other), _size(anchor) * len(other)
    if _completely_counted(anchor) and _completely_counted(other) and collected < LOOKUP_COST * lookups:
        return f" AND +anchor.movie IN (SELECT movie FROM movie_terms WHERE term IN {terms})", values
    entry = "other.negative_popularity = anchor.negative_popularity AND other.movie = anchor.movie"
    return f" AND EXISTS (SELECT 1 FROM movie_terms other WHERE other.term IN {terms} AND {entry})", values
