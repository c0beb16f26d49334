"""Filling the catalogue with all movies that match a filter, although a source shows only the first pages of
a list.

A list that is too long is divided by days of release, until every part can be read whole: into years, and
these into halves. The plan says which pages of which parts there are. It is stored with the record of the
run, so that another run can go on where this one was killed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from domain.browsing import GenreChoiceMixed
from domain.errors import Fault, FaultCode, InvalidFields
from domain.movies import GenreFacts, folded_name

FIRST_YEAR = 1900
"""The first year that has a part of its own. Earlier movies share one."""

EARLIEST = date(1870, 1, 1)
"""Where the time of the earlier movies begins, if it must be divided."""

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverFilter:
    """Which movies to read. Fields that are None admit all.

    `genre` is a choice of numbers or names: `a,b` for all of them or `a|b` for any; `min_votes` counts votes
    at the source. `pages` is how many pages to read at most. `exported_min_popularity` stands alone: it
    admits all movies in the source's file of ids that are at least as popular, whatever lists contain.
    """

    year: int | None = None
    year_from: int | None = None
    year_to: int | None = None
    genre: str | None = None
    language: str | None = None
    min_votes: int | None = None
    pages: int | None = None
    exported_min_popularity: float | None = None

    def __post_init__(self) -> None:
        """Raises InvalidFields with every fault of a combination."""
        faults = []
        if self.year_from and self.year_to and self.year_from > self.year_to:
            faults.append(Fault("year_from", FaultCode.CONFLICTING, "must not be after year_to"))
        if self.exported_min_popularity is not None and len(self.given) > 1:
            message = "must stand alone: the file of ids knows nothing else"
            faults.append(Fault("exported_min_popularity", FaultCode.CONFLICTING, message))
        if faults:
            raise InvalidFields(faults)

    @classmethod
    def parse(cls, text: str) -> "DiscoverFilter":
        """Parse the form of a query string, such as `year_from=1990&min_votes=100`.

        Raises InvalidFields with every fault.
        """
        given: dict[str, Any] = {}
        faults: list[Fault] = []
        for name, value in parse_qsl(text, keep_blank_values=True):
            rule = RULES.get(name)
            if rule is None:
                known = ", ".join(RULES)
                faults.append(Fault(name, FaultCode.UNKNOWN, f"is no filter; there are {known}"))
            elif name in given:
                faults.append(Fault(name, FaultCode.DUPLICATE, "must be given once"))
            else:
                given[name] = rule.parse(value)
                if given[name] is None:
                    faults.append(Fault(name, FaultCode.MALFORMED, rule.sentence))
        if text and not (given or faults):
            faults.append(Fault("", FaultCode.MALFORMED, f"{text!r} has no filter, such as min_votes=100"))
        if faults:
            raise InvalidFields(faults)
        return cls(**given)

    @property
    def given(self) -> dict[str, Any]:
        """The fields that are given."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def period(self) -> "Period":
        """The days of release that the years admit."""
        firsts = [year for year in (self.year, self.year_from) if year]
        lasts = [year for year in (self.year, self.year_to) if year]
        return Period(
            first=date(max(firsts), 1, 1) if firsts else None,
            last=date(min(lasts), 12, 31) if lasts else None,
        )

    def __str__(self) -> str:
        return urlencode(self.given)


@dataclass(frozen=True, slots=True)
class FilterRule:
    """How the value of a filter is parsed, to None if it is invalid, and the sentence that says the rule."""

    parse: Callable[[str], object | None]
    sentence: str


def _whole(lowest: int, highest: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest))):
            return None
        return int(text) if lowest <= int(text) <= highest else None

    return parse


def _popularity(text: str) -> float | None:
    plain = text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= len("1000000.0000")
    return float(text) if plain else None


def _language(text: str) -> str | None:
    valid = text.isascii() and text.isalpha() and len(text) in {2, 3}
    return text.lower() if valid else None


def _genre(text: str) -> str | None:
    return text if len(text) <= 200 and all(part.strip() for part in _parts(text)) else None


_YEAR = FilterRule(_whole(1870, 2100), "must be a year from 1870 to 2100")

RULES: Mapping[str, FilterRule] = {
    "year": _YEAR,
    "year_from": _YEAR,
    "year_to": _YEAR,
    "genre": FilterRule(_genre, "must name one or more genres in at most 200 characters"),
    "language": FilterRule(_language, "must be a language code of two or three letters"),
    "min_votes": FilterRule(_whole(0, 2**31 - 1), "must be a whole number from 0"),
    "pages": FilterRule(_whole(1, 1_000_000), "must be a whole number from 1 to 1000000"),
    "exported_min_popularity": FilterRule(_popularity, "must be a number from 0"),
}
"""The filters by name."""


@dataclass(frozen=True, slots=True)
class GenreNumbers:
    """TMDB numbers of genres; a movie needs one of them with `any_of`, and all of them otherwise."""

    numbers: tuple[int, ...] = ()
    any_of: bool = False


def genre_numbers(choice: str, genres: Callable[[], Sequence[GenreFacts]]) -> GenreNumbers:
    """The numbers of a choice of genres. `genres` is called only if it has a name.

    Raises GenreChoiceMixed, or InvalidFields with a fault for each unknown genre.
    """
    if "," in choice and "|" in choice:
        raise GenreChoiceMixed
    parts = [part.strip() for part in _parts(choice)]
    names = [part for part in parts if not part.isdigit()]
    known = {folded_name(each.name): each.tmdb_id for each in genres()} if names else {}
    faults = [
        Fault("genre", FaultCode.NOT_FOUND, f"must be the TMDB number or name of a genre, not {name!r}")
        for name in names
        if folded_name(name) not in known
    ]
    if faults:
        raise InvalidFields(faults)
    numbers = tuple(int(part) if part.isdigit() else known[folded_name(part)] for part in parts)
    return GenreNumbers(numbers, any_of="|" in choice)


def _parts(choice: str) -> list[str]:
    return choice.split("|" if "|" in choice else ",")


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """A list of movies at a source: those that match all that is given, the most popular first."""

    period: "Period"
    genres: GenreNumbers = GenreNumbers()
    language: str | None = None
    min_votes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of release, both included. Without a first or last day it has no end on that side, and without
    either it includes movies whose day is not known.
    """

    first: date | None = None
    last: date | None = None

    def divided(self, today: date) -> list["Period"]:
        """The parts of the period, later ones first; empty if it cannot be divided."""
        if self.last is not None:
            return _divided(self.first, self.last)
        last = date(today.year + 1, 12, 31)
        if self.first and self.first > last:
            return []
        return [Period(first=last + DAY), *(_divided(self.first, last) or [replace(self, last=last)])]

    def __str__(self) -> str:
        return f"{self.first or ''}/{self.last or ''}"

    @classmethod
    def parse(cls, text: str) -> "Period":
        """The period in the form of `str`."""
        first, _, last = text.partition("/")
        return cls(
            first=date.fromisoformat(first) if first else None,
            last=date.fromisoformat(last) if last else None,
        )


def _divided(first: date | None, last: date) -> list[Period]:
    """The years of a period, or the halves of one within a year or before FIRST_YEAR."""
    if last.year < FIRST_YEAR or (first and first.year == last.year):
        return _halves(first, last)
    begin = first.year if first else FIRST_YEAR
    years = [
        Period(first=max(date(year, 1, 1), first or date.min), last=min(date(year, 12, 31), last))
        for year in range(last.year, begin - 1, -1)
    ]
    return years if first else [*years, Period(last=date(FIRST_YEAR - 1, 12, 31))]


def _halves(first: date | None, last: date) -> list[Period]:
    begin = first or EARLIEST
    if begin >= last:
        return []
    middle = begin + (last - begin) // 2
    return [Period(first=middle + DAY, last=last), Period(first=first, last=middle)]


@dataclass(frozen=True, slots=True)
class ListPart:
    """Some pages of the list of a period."""

    period: Period
    first_page: int
    last_page: int

    @property
    def pages(self) -> int:
        """How many pages these are."""
        return self.last_page - self.first_page + 1


@dataclass(frozen=True, slots=True)
class ListPlan:
    """The pages of a run, numbered through all parts from 1. Parts are only added, so numbers stay.

    `scope` is the filter, in its text form.
    """

    scope: str
    parts: tuple[ListPart, ...] = ()

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return sum(part.pages for part in self.parts)

    def numbered(self) -> Iterator[tuple[int, Period, int]]:
        """The number of each page in the run, its period, and its number in the list of that period."""
        number = 0
        for part in self.parts:
            for page in range(part.first_page, part.last_page + 1):
                number += 1
                yield number, part.period, page

    def known_pages(self, period: Period) -> int:
        """The number of pages of a period in the plan."""
        return max((part.last_page for part in self.parts if part.period == period), default=0)

    def extended(self, *parts: ListPart) -> "ListPlan":
        """This plan with more parts."""
        return replace(self, parts=(*self.parts, *parts))

    def __str__(self) -> str:
        rows = (f"{part.period} {part.first_page} {part.last_page}" for part in self.parts)
        return "\n".join((self.scope, *rows))

    @classmethod
    def parse(cls, text: str) -> "ListPlan":
        """The plan in the form of `str`."""
        scope, *rows = text.split("\n")
        split = (row.split(" ") for row in rows)
        return cls(
            scope,
            tuple(ListPart(Period.parse(period), int(first), int(last)) for period, first, last in split),
        )
