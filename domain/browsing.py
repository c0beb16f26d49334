"""Lists of movies: filters, sort orders, and the parts of a list that follow a cursor.

Every order is total: by sort value, unknown values last in both directions, then by id, ascending.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import partial

from domain.errors import Fault, FaultCode, Invalid, InvalidText, check_all
from domain.ids import GenreId, UserId
from domain.movies import Genre, Movie
from domain.pagination import Cursor, Value, time_value
from domain.titles import sort_title


@dataclass(eq=False)
class GenreChoiceMixed(Invalid):
    """A choice of genres contains both separators: commas (all) and bars (any)."""

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
    VOTE_COUNT = "vote_count"
    RUNTIME = "runtime"
    CREATED_AT = "created_at"
    AVERAGE_RATING = "average_rating"
    WEIGHTED_RATING = "weighted_rating"
    RATINGS_COUNT = "ratings_count"


RATING_ORDERS = (SortBy.AVERAGE_RATING, SortBy.WEIGHTED_RATING, SortBy.RATINGS_COUNT)
"""The orders by what our users have rated."""


class SortOrder(StrEnum):
    """Which end comes first. Unknown values come last in both."""

    DESC = "desc"
    ASC = "asc"


@dataclass(frozen=True, slots=True)
class Sorting:
    """The sort key and direction of a list of movies."""

    by: SortBy = SortBy.POPULARITY
    order: SortOrder = SortOrder.DESC

    @property
    def descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.order is SortOrder.DESC

    def value(self, movie: Movie) -> Value | None:
        """The sort value of a movie in this order; None if it is unknown."""
        return sort_values(movie)[self.by]

    def cursor(self, movie: Movie) -> Cursor:
        """The position of a movie in this order."""
        return Cursor(self.value(movie), movie.id)


def sort_values(movie: Movie) -> dict[SortBy, Value | None]:
    """The sort values of a movie for all sort keys, as stores keep and compare them."""
    facts, tally = movie.facts, movie.tally
    return {
        SortBy.POPULARITY: facts.popularity,
        SortBy.RELEASE_DATE: facts.release_date.isoformat() if facts.release_date else None,
        SortBy.TITLE: sort_title(facts.title, facts.original_title, facts.original_language),
        SortBy.VOTE_AVERAGE: facts.vote_average,
        SortBy.VOTE_COUNT: facts.vote_count,
        SortBy.RUNTIME: facts.runtime,
        SortBy.CREATED_AT: time_value(movie.created_at),
        SortBy.AVERAGE_RATING: tally.average,
        SortBy.WEIGHTED_RATING: tally.weighted,
        SortBy.RATINGS_COUNT: tally.count,
    }


class Mine(StrEnum):
    """What makes a movie one of a user's own."""

    RATED = "rated"
    LISTED = "listed"
    FAVORITE = "favorite"
    SEEN = "seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFilter:
    """Conditions for what a movie is to a user: any of `mine` if there are any, and none of `not_mine`."""

    user: UserId
    mine: frozenset[Mine] = frozenset()
    not_mine: frozenset[Mine] = frozenset()

    @property
    def excluded(self) -> "OwnFilter":
        """The filter for the movies that `not_mine` excludes."""
        return OwnFilter(user=self.user, mine=self.not_mine)

    def admits(self, relations: Collection[Mine]) -> bool:
        """Whether a movie with these relations to the user meets the conditions."""
        return (not self.mine or not self.mine.isdisjoint(relations)) and self.not_mine.isdisjoint(relations)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFilter:
    """Conditions for the movies of a list, all of which must be met. Only visible movies are listed.

    A movie must have all of `all_genres`, and at least one of `any_genres` if there are any. All bounds are
    included. The years are those of the release date, the ratings our users' average, the votes TMDB's vote
    count, runtimes are in minutes. An unknown value meets no condition. `own` is about one user.
    """

    all_genres: frozenset[GenreId] = frozenset()
    any_genres: frozenset[GenreId] = frozenset()
    year_from: int | None = None
    year_to: int | None = None
    min_rating: float | None = None
    max_rating: float | None = None
    min_votes: int | None = None
    min_runtime: int | None = None
    max_runtime: int | None = None
    language: str | None = None
    own: OwnFilter | None = None

    @property
    def depends_on_ratings(self) -> bool:
        """Whether a rating may change which movies are listed."""
        return self.min_rating is not None or self.max_rating is not None

    @property
    def of_everyone(self) -> "MovieFilter":
        """This filter without conditions about a user."""
        return replace(self, own=None)

    @property
    def excluded(self) -> "MovieFilter | None":
        """The filter for what `not_mine` alone removes from the list; None if there is another condition
        about the user, or none.
        """
        if self.own is None or self.own.mine or not self.own.not_mine:
            return None
        return replace(self, own=self.own.excluded)

    @property
    def released(self) -> tuple[date | None, date | None]:
        """The first and the last release date that meet the conditions; None is no limit."""
        first = date(self.year_from, 1, 1) if self.year_from is not None else None
        last = date(self.year_to, 12, 31) if self.year_to is not None else None
        return first, last

    def admits(self, movie: Movie, relations: Collection[Mine] = ()) -> bool:
        """Whether a movie with these relations to the user of `own` meets the conditions. Stores must select
        the same movies.
        """
        facts = movie.facts
        return (
            movie.visible
            and self.all_genres <= set(facts.genres)
            and (not self.any_genres or not self.any_genres.isdisjoint(facts.genres))
            and self._admits_date(facts.release_date)
            and _within(movie.tally.average, self.min_rating, self.max_rating)
            and _within(facts.vote_count, self.min_votes, None)
            and _within(facts.runtime, self.min_runtime, self.max_runtime)
            and self.language in (None, facts.original_language)
            and (self.own is None or self.own.admits(relations))
        )

    def _admits_date(self, released: date | None) -> bool:
        first, last = self.released
        if first is None and last is None:
            return True
        return released is not None and (first or released) <= released <= (last or released)


EVERYTHING = MovieFilter()
"""The filter without conditions."""


def parse_genre_choice(text: str, genres: Sequence[Genre]) -> tuple[frozenset[GenreId], frozenset[GenreId]]:
    """Parse a choice of genres, `a,b` for all of them or `a|b` for any, into a pair: (all, any).

    Raises GenreChoiceMixed, or InvalidFields with a fault for each unknown genre.
    """
    if "," in text and "|" in text:
        raise GenreChoiceMixed
    separator = "|" if "|" in text else ","
    parts = [part.strip() for part in text.split(separator)]
    check_all(*(partial(_genre_id, part, genres) for part in parts))
    chosen = frozenset(_genre_id(part, genres) for part in parts)
    return (frozenset(), chosen) if separator == "|" else (chosen, frozenset())


def _genre_id(ref: str, genres: Sequence[Genre]) -> GenreId:
    for genre in genres:
        if genre.matches(ref):
            return genre.id
    rule = f"must be the id, TMDB number or name of a genre, not {ref!r}"
    raise InvalidText("genre", rule, FaultCode.NOT_FOUND)


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


@dataclass(frozen=True, slots=True)
class Span:
    """A contiguous part of a sorted list, which is one range of an index. It is sorted by value, then by id.

    `known` is whether its movies have a sort value. If so, that value is equal to `at`, or follows `beyond`
    in the direction of the list, or is arbitrary if both are None. Ids are larger than `after`, if that is
    given.
    """

    known: bool
    at: Value | None = None
    beyond: Value | None = None
    after: str | None = None


def spans(cursor: Cursor | None) -> tuple[Span, ...]:
    """The spans that follow a cursor, in order; those of the whole list if there is no cursor."""
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
    """A part of a sorted list of movies. `more` is whether any movie follows it."""

    movies: tuple[Movie, ...] = field(default=())
    more: bool = False
