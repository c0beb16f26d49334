"""Filtered and sorted lists as MongoDB queries, one for each span.

A page is read either by scanning the order's index or by sorting the movies that meet the rarest condition.
`adapters.list_planner` chooses, and the queries differ only in their index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

from adapters.list_planner import ALWAYS_KNOWN, Frequencies, worth_sorting
from adapters.mongo.database import counter
from adapters.mongo.documents import LISTED_MOVIE, midnight, own_id, sort_value
from adapters.mongo.schema import SORT_FIELDS, Document, Documents
from domain.browsing import MovieFilter, SortBy, Sorting, Span, spans
from domain.pagination import Window

EARLIEST = {SortBy.TITLE: "", SortBy.RELEASE_DATE: "0001-01-01"}
"""The least value of each order; -inf for all others. MongoDB compares values of one type only, so null does
not match.
"""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter: the query operators for a field, and an index that finds the matches."""

    field: str
    operators: tuple[tuple[str, object], ...]
    index: str

    @property
    def test(self) -> Document:
        """The condition as a query."""
        return {self.field: dict(self.operators)}

    def count(self, database: Documents) -> int:
        """The number of visible movies that meet the condition."""
        return Statement((self.test,), self.index).count(database)


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
    conditions = _conditions(wanted)
    total = count_visible(database)
    frequency = {each: frequencies(each, total, partial(each.count, database)) for each in conditions}
    rarest = worth_sorting(frequency, total, window.limit)
    index = f"visible_by_{sorting.by}_{sorting.order}"
    # A condition for the order's own field limits the scan to the movies that meet it.
    if rarest and rarest.field != SORT_FIELDS[sorting.by]:
        index = rarest.index
    return [
        Statement((*_range(span, sorting), *(each.test for each in conditions)), index, _order(sorting))
        for span in spans(window.cursor)
        if span.known or not _always_known(sorting, conditions)
    ]


def count(database: Documents, frequencies: Frequencies[Condition], wanted: MovieFilter) -> int:
    """The exact number of visible movies that a filter admits."""
    conditions = _conditions(wanted)
    total = count_visible(database)
    if not conditions:
        return total
    rarest = min(conditions, key=lambda each: frequencies(each, total, partial(each.count, database)))
    return Statement(tuple(each.test for each in conditions), rarest.index).count(database)


def count_visible(database: Documents) -> int:
    """The number of visible movies, from a counter that writers update."""
    return counter(database, "visible_movies")


def _conditions(wanted: MovieFilter) -> list[Condition]:
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
    if wanted.min_rating is not None:
        found.append(
            Condition("averageRating", (("$gte", wanted.min_rating),), "visible_by_average_rating_desc")
        )
    if wanted.min_votes is not None:
        found.append(Condition("voteCount", (("$gte", wanted.min_votes),), "visible_by_vote_count"))
    if wanted.language is not None:
        found.append(Condition("originalLanguage", (("$eq", wanted.language),), "visible_by_language"))
    return found


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
