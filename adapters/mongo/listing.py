"""Filtered and sorted lists as MongoDB queries, one for each span.

A page is read either by scanning the order's index or by sorting the movies that meet the rarest condition.
`adapters.list_planner` chooses, and the queries differ only in their index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

from adapters.list_planner import ALWAYS_KNOWN, MAX_SORTED, Frequencies, worth_sorting
from adapters.mongo.database import counter
from adapters.mongo.documents import LISTED_MOVIE, midnight, own_id, sort_value
from adapters.mongo.schema import SORT_FIELDS, Document, Documents
from domain.browsing import RATING_ORDERS, Mine, MovieFilter, OwnFilter, SortBy, Sorting, Span, spans
from domain.ids import UserId
from domain.pagination import Window
from domain.search import TermQuery

EARLIEST = {
    SortBy.TITLE: "",
    SortBy.RELEASE_DATE: "0001-01-01",
    SortBy.CREATED_AT: "0001-01-01T00:00:00+00:00",
}
"""The least value of each order; -inf for all others. MongoDB compares values of one type only, so null does
not match.
"""


BY_POPULARITY = (("popularity", -1), ("tmdbId", 1))
"""The order of search. MongoDB sorts null below all numbers, so unknown popularity comes last."""

BY_TERM = "visible_by_term"

OWN_MOVIES: Mapping[Mine, tuple[str, Document, str]] = {
    Mine.RATED: ("ratings", {}, "one_per_movie"),
    Mine.LISTED: ("watchlists", {}, "one_per_movie"),
    Mine.FAVORITE: ("watchlists", {"isFavorite": True}, "one_per_movie"),
    Mine.SEEN: ("viewings", {}, "by_movie"),
}
"""The collection that has the movies that are a user's own in each way, the query for them, and its index."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter: the query operators for a field, and an index that finds the matches.

    A condition that no index serves has none. `own` is how many movies a condition about a user names.
    """

    field: str
    operators: tuple[tuple[str, object], ...]
    index: str = ""
    own: int | None = None

    @property
    def test(self) -> Document:
        """The condition as a query."""
        return {self.field: dict(self.operators)}

    def count(self, database: Documents) -> int:
        """The number of visible movies that meet the condition."""
        return Statement((self.test,), self.index).count(database)

    def frequency(self, database: Documents, frequencies: "Frequencies[Condition]", total: int) -> int:
        """The approximate number of the `total` visible movies that meet the condition."""
        if self.own is not None:
            return self.own
        return frequencies(self, total, partial(self.count, database))


@dataclass(frozen=True, slots=True)
class Statement:
    """A query for visible movies that meet all conditions, by an index."""

    tests: tuple[Document, ...]
    index: str
    order: tuple[tuple[str, int], ...] = ()

    @property
    def filter(self) -> Document:
        """All conditions as one query. They are joined by $and, since several may be for one field."""
        return {"visible": True, "$and": list(self.tests)}

    def movies(self, database: Documents, limit: int, skip: int) -> list[Document]:
        """Up to `limit` movies after the first `skip`."""
        found = database.movies.find(self.filter, LISTED_MOVIE, sort=self.order, hint=self.index)
        return list(found.skip(skip).limit(limit))

    def count(self, database: Documents) -> int:
        """The number of matches."""
        return database.movies.count_documents(self.filter, hint=self.index)


def page_statements(
    database: Documents,
    frequencies: Frequencies[Condition],
    wanted: MovieFilter,
    sorting: Sorting,
    window: Window,
) -> list[Statement]:
    """The queries whose movies, in this order, are the list after the window's cursor."""
    conditions = conditions_of(database, wanted)
    total = count_visible(database)
    frequency = {each: each.frequency(database, frequencies, total) for each in conditions if each.index}
    skewed = any(each.own is not None for each in frequency)
    rarest = worth_sorting(frequency, total, window.limit, skewed=skewed)
    index = f"visible_by_{sorting.by}_{sorting.order}"
    # A condition for the order's own field limits the scan to the movies that meet it.
    if rarest and rarest.field != SORT_FIELDS[sorting.by]:
        index = rarest.index
    tests = [each.test for each in conditions]
    if sorting.by in RATING_ORDERS and any(each.field == "averageRating" for each in conditions):
        tests.append({SORT_FIELDS[sorting.by]: {"$gt": 0}})  # so that movies without ratings are not scanned
    return [
        Statement((*_range(span, sorting), *tests), index, _order(sorting))
        for span in spans(window.cursor)
        if span.known or not _always_known(sorting, conditions)
    ]


def count(database: Documents, frequencies: Frequencies[Condition], wanted: MovieFilter) -> int:
    """The exact number of visible movies that a filter admits."""
    if wanted.excluded:
        included = count(database, frequencies, wanted.of_everyone)
        return included - count(database, frequencies, wanted.excluded)
    conditions = conditions_of(database, wanted)
    total = count_visible(database)
    if not conditions:
        return total
    served = [each for each in conditions if each.index]
    rarest = min(served, key=lambda each: each.frequency(database, frequencies, total))
    return Statement(tuple(each.test for each in conditions), rarest.index).count(database)


def term_statement(
    database: Documents, frequencies: Frequencies[Condition], query: TermQuery, wanted: MovieFilter
) -> Statement:
    """The query for the movies that have a term of each clause and that the filter admits."""
    clauses: list[Document] = [{"terms": {"$in": sorted(clause)}} for clause in query]
    conditions = conditions_of(database, wanted)
    total = count_visible(database) if conditions else 0
    frequency = {each: each.frequency(database, frequencies, total) for each in conditions if each.index}
    # The index is scanned for the terms of one clause, each in order of popularity. MongoDB merges these
    # scans, tests their movies for the rest, and chooses the clause by trial.
    index = BY_TERM
    if frequency:
        rarest = min(frequency, key=lambda each: frequency[each])
        if frequency[rarest] < MAX_SORTED and _has_more(database, clauses[0], frequency[rarest]):
            index = rarest.index
    return Statement((*clauses, *(each.test for each in conditions)), index, BY_POPULARITY)


def count_with_term(database: Documents, term: str, limit: int) -> int:
    """The number of visible movies that have a term, which are counted up to a limit."""
    return _count_up_to(database, {"terms": term}, limit)


def _has_more(database: Documents, clause: Document, frequency: int) -> bool:
    """Whether more movies have a term of the clause. They are not counted further."""
    return _count_up_to(database, clause, frequency + 1) > frequency


def _count_up_to(database: Documents, clause: Document, limit: int) -> int:
    wanted = Statement((clause,), BY_TERM).filter
    return database.movies.count_documents(wanted, hint=BY_TERM, limit=limit)


def count_visible(database: Documents) -> int:
    """The number of visible movies, from a counter that writers update."""
    return counter(database, "visible_movies")


def conditions_of(database: Documents, wanted: MovieFilter) -> list[Condition]:
    """The conditions of a filter. For those about a user, their movies are read."""
    found = [
        Condition("genres", (("$eq", own_id(genre)),), "visible_by_genre")
        for genre in sorted(wanted.all_genres)
    ]
    if wanted.any_genres:
        chosen = tuple(own_id(genre) for genre in sorted(wanted.any_genres))
        found.append(Condition("genres", (("$in", chosen),), "visible_by_genre"))
    first, last = wanted.released
    bounds = [(operator, midnight(day)) for operator, day in (("$gte", first), ("$lte", last)) if day]
    if bounds:
        found.append(Condition("releaseDate", tuple(bounds), "visible_by_release_date_desc"))
    for field, index, low, high in (
        ("averageRating", "average_rating", wanted.min_rating, wanted.max_rating),
        ("voteCount", "vote_count", wanted.min_votes, None),
        ("runtime", "runtime", wanted.min_runtime, wanted.max_runtime),
    ):
        operators = tuple(pair for pair in (("$gte", low), ("$lte", high)) if pair[1] is not None)
        if operators:
            found.append(Condition(field, operators, f"visible_by_{index}_desc"))
    if wanted.language is not None:
        found.append(Condition("originalLanguage", (("$eq", wanted.language),), "visible_by_language"))
    if wanted.own:
        found.append(_of_user(database, wanted.own))
    return found


def _of_user(database: Documents, own: OwnFilter) -> Condition:
    """The condition about a user: the ids of the movies that are selected or excluded."""
    excluded = _own_movies(database, own.user, own.not_mine)
    if own.mine:
        chosen = _own_movies(database, own.user, own.mine) - excluded
        return Condition("_id", (("$in", tuple(sorted(chosen))),), "_id_", len(chosen))
    return Condition("_id", (("$nin", tuple(sorted(excluded))),))


def _own_movies(database: Documents, user: UserId, kinds: frozenset[Mine]) -> set[Any]:
    """The ids of the movies that are a user's own in one of these ways."""
    return {
        document["movieId"]
        for collection, wanted, index in map(OWN_MOVIES.__getitem__, sorted(kinds))
        for document in database[collection]
        .find({"userId": own_id(user), **wanted}, {"_id": False, "movieId": True})
        .hint(index)
    }


def _always_known(sorting: Sorting, conditions: Sequence[Condition]) -> bool:
    """Whether every movie of the list has a sort value; an unknown value meets no condition."""
    field = SORT_FIELDS[sorting.by]
    return sorting.by in ALWAYS_KNOWN or any(condition.field == field for condition in conditions)


def _range(span: Span, sorting: Sorting) -> list[Document]:
    """The conditions of a span, for the order's field and for the id."""
    field = SORT_FIELDS[sorting.by]
    later_ids = [{"_id": {"$gt": own_id(span.after)}}] if span.after else []
    if not span.known:
        return [{field: None}, *later_ids]
    if span.at is not None:
        return [{field: sort_value(sorting.by, span.at)}, *later_ids]
    if span.beyond is not None:
        return [{field: {"$lt" if sorting.descending else "$gt": sort_value(sorting.by, span.beyond)}}]
    return [{field: {"$gte": sort_value(sorting.by, EARLIEST.get(sorting.by, -inf))}}]


def _order(sorting: Sorting) -> tuple[tuple[str, int], ...]:
    return (SORT_FIELDS[sorting.by], -1 if sorting.descending else 1), ("_id", 1)
