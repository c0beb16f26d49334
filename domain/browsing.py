"""Walking a catalogue: what to show, in which order, and where to go on.

Every order is total: the sort value, known values first in either direction, then the id, ascending.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import partial

from domain.errors import Fault, FaultCode, Invalid, InvalidText, check_all
from domain.ids import GenreId
from domain.movies import Genre, Movie
from domain.pagination import Cursor, Value
from domain.search import sortable


@dataclass(eq=False)
class GenreChoiceMixed(Invalid):
    """A choice asks for all and for any at once."""

    faults = (
        Fault(
            "genre",
            FaultCode.CONFLICTING,
            "must be separated by commas (all of them) or by bars (any of them), not both",
        ),
    )

    def __str__(self) -> str:
        return str(self.faults[0])


class SortBy(StrEnum):
    """What a list of movies may be sorted by."""

    POPULARITY = "popularity"
    RELEASE_DATE = "release_date"
    TITLE = "title"
    VOTE_AVERAGE = "vote_average"
    AVERAGE_RATING = "average_rating"
    WEIGHTED_RATING = "weighted_rating"
    RATINGS_COUNT = "ratings_count"


class SortOrder(StrEnum):
    """Which end comes first. Unknown values come last in both."""

    DESC = "desc"
    ASC = "asc"


@dataclass(frozen=True, slots=True)
class Sorting:
    """The order of a list."""

    by: SortBy = SortBy.POPULARITY
    order: SortOrder = SortOrder.DESC

    @property
    def descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.order is SortOrder.DESC

    def value(self, movie: Movie) -> Value | None:
        """What this order compares of a movie; None if that is not known."""
        return sort_values(movie)[self.by]

    def cursor(self, movie: Movie) -> Cursor:
        """The position of a movie in this order."""
        return Cursor(self.value(movie), movie.id)


def sort_values(movie: Movie) -> dict[SortBy, Value | None]:
    """A movie's value in every order, as a store keeps and compares it."""
    facts, tally = movie.facts, movie.tally
    return {
        SortBy.POPULARITY: facts.popularity,
        SortBy.RELEASE_DATE: facts.release_date.isoformat() if facts.release_date else None,
        SortBy.TITLE: sortable(facts.title),
        SortBy.VOTE_AVERAGE: facts.vote_average,
        SortBy.AVERAGE_RATING: tally.average,
        SortBy.WEIGHTED_RATING: tally.weighted,
        SortBy.RATINGS_COUNT: tally.count,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFilter:
    """Which movies to show; all conditions must hold. Adult and removed movies never show.

    `all_genres` must all be on the movie, and at least one of `any_genres`, if there are any. Years are of
    the release date, both ends included; `min_rating` is our own average, `min_votes` is TMDB's vote count.
    What is unknown meets no condition.
    """

    all_genres: frozenset[GenreId] = frozenset()
    any_genres: frozenset[GenreId] = frozenset()
    year_from: int | None = None
    year_to: int | None = None
    min_rating: float | None = None
    min_votes: int | None = None
    language: str | None = None

    @property
    def released(self) -> tuple[date | None, date | None]:
        """The first and the last day that a release date may have; None is no bound."""
        first = date(self.year_from, 1, 1) if self.year_from is not None else None
        last = date(self.year_to, 12, 31) if self.year_to is not None else None
        return first, last

    def admits(self, movie: Movie) -> bool:
        """The rule itself; stores answer the same with indexes."""
        facts = movie.facts
        return (
            movie.visible
            and self.all_genres <= set(facts.genres)
            and (not self.any_genres or not self.any_genres.isdisjoint(facts.genres))
            and self._admits_date(facts.release_date)
            and _at_least(movie.tally.average, self.min_rating)
            and _at_least(facts.vote_count, self.min_votes)
            and self.language in (None, facts.original_language)
        )

    def _admits_date(self, released: date | None) -> bool:
        first, last = self.released
        if first is None and last is None:
            return True
        return released is not None and (first or released) <= released <= (last or released)


def genre_choice(text: str, genres: Sequence[Genre]) -> tuple[frozenset[GenreId], frozenset[GenreId]]:
    """Read a choice of genres: `a,b` is all of them, `a|b` is any. Return (all, any).

    Raises GenreChoiceMixed, or InvalidFields with a fault for each genre that is unknown.
    """
    if "," in text and "|" in text:
        raise GenreChoiceMixed
    sign = "|" if "|" in text else ","
    parts = [part.strip() for part in text.split(sign)]
    check_all(*(partial(_named, part, genres) for part in parts))
    chosen = frozenset(_named(part, genres) for part in parts)
    return (frozenset(), chosen) if sign == "|" else (chosen, frozenset())


def _named(ref: str, genres: Sequence[Genre]) -> GenreId:
    for genre in genres:
        if genre.matches(ref):
            return genre.id
    rule = f"must be the id, TMDB number or name of a genre, not {ref!r}"
    raise InvalidText("genre", rule, FaultCode.NOT_FOUND)


def _at_least(value: float | None, bound: float | None) -> bool:
    return bound is None or (value is not None and value >= bound)


@dataclass(frozen=True, slots=True)
class Span:
    """One unbroken stretch of an ordered list, which is one range of an index.

    `known` tells whether its movies have a sort value. If they have, it is exactly `at` or lies behind
    `beyond` in the list's direction, or is any where both are None. Ids come after `after`. Within a span: by
    value, then by id.
    """

    known: bool
    at: Value | None = None
    beyond: Value | None = None
    after: str | None = None


def spans(cursor: Cursor | None) -> tuple[Span, ...]:
    """The stretches that follow a cursor, in order; the whole list without one."""
    if cursor is None:
        return Span(known=True), Span(known=False)
    if cursor.value is None:
        return (Span(known=False, after=cursor.id),)
    return (
        Span(known=True, at=cursor.value, after=cursor.id),
        Span(known=True, beyond=cursor.value),
        Span(known=False),
    )


@dataclass(frozen=True, slots=True)
class MoviePage:
    """A part of an ordered list; `more` tells whether anything follows it."""

    movies: tuple[Movie, ...] = field(default=())
    more: bool = False
