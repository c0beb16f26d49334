"""Reading single values of TMDB's JSON. TMDB's own document is wrong about nulls and numbers.

A reader takes a value and returns what it means, None where TMDB does not know it: for `""`, null and, where
that cannot be a value, 0. Any other value that makes no sense raises Unreadable. Nothing is guessed: "1,234"
may be a thousand or one and a bit.
"""

import math
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from domain.ids import IMDB_ID, LARGEST_TMDB_NUMBER, GenreId, genre_id
from domain.movies import CONTROL, picture_url

T = TypeVar("T")

Reader = Callable[[object], T]
"""Reads one value. Raises Unreadable."""

LONGEST_TITLE = 1_000
LONGEST_OVERVIEW = 20_000
LONGEST_NAME = 200
LONGEST_PATH = 255
"""Characters. What is longer is no text of TMDB's, whose titles have up to a few hundred."""

BEST_VOTE = 10.0
LARGEST_POPULARITY = 1e9
LONGEST_RUNTIME = 100_000
"""Minutes; the longest film ever shown has 51,420."""

FIRST_YEAR, LAST_YEAR = 1800, 2200
"""The years of a release that can be one. Placeholders such as 0001-01-01 and 9999-12-31 are outside."""

DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([Tt ][0-9].*|[Zz]|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII)
"""A date, alone or at the head of a timestamp."""

DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?")
"""A number written as a text. `float` reads more than numbers: "1_000", "infinity", digits of any script."""

DIGITS = re.compile(r"[0-9]{1,10}")

LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
"""ISO 639, or what TMDB takes for it: `cn`, `sh`, `xx`."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: no store keeps them."""

WHITE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u180e\u200b\u2060\ufeff"
"""White space, with NBSP, and what is white space without width."""

INVISIBLE = WHITE + "\u00ad\u200c\u200d\u200e\u200f"
"""With marks that shape or turn the letters beside them: the end of a Malayalam word may need one."""


@dataclass(eq=False)
class Unreadable(Exception):  # noqa: N818  the sentence it states
    """A value or a row that makes no sense; asking again would bring the same.

    `instead` is what counts where there is no earlier value; with `certain` it counts in any case.
    """

    reason: str = ""
    instead: object = None
    certain: bool = False

    def __str__(self) -> str:
        return self.reason


def shown(value: object) -> str:
    """A value as an error message shows it: short, and printable."""
    return reprlib.repr(value)


def text(longest: int) -> Reader[str | None]:
    """A reader of texts of up to so many characters, without outer white space. One of which nothing can be
    seen is not read: only `""` says that TMDB does not know.
    """

    def read(value: object) -> str | None:
        if _is_unknown(value):
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise Unreadable
        cleaned = clean(value)
        if cleaned is None:
            raise Unreadable
        return cleaned

    return read


def clean(value: str) -> str | None:
    """A text without outer white space, otherwise as it is; None if nothing of it can be seen."""
    stripped = UNSTORABLE.sub("", value).strip(WHITE)
    return stripped if stripped.strip(INVISIBLE) else None


def matching(pattern: re.Pattern[str], *, lower: bool = False) -> Reader[str | None]:
    """A reader of short texts of a given form."""
    read_text = text(LONGEST_NAME)

    def read(value: object) -> str | None:
        found = read_text(value)
        if found is None:
            return None
        found = found.lower() if lower else found
        if not pattern.fullmatch(found):
            raise Unreadable
        return found

    return read


def path(value: object) -> str | None:
    """The path of a picture: one that begins with a slash, holds no control characters and leads nowhere
    else.
    """
    if isinstance(value, str) and (UNSTORABLE.search(value) or CONTROL.search(value)):
        raise Unreadable
    found = text(LONGEST_PATH)(value)
    if found and picture_url("", found) is None:
        raise Unreadable
    return found


def day(value: object) -> date | None:
    """A date, or the one at the head of a timestamp."""
    found = text(LONGEST_NAME)(value)
    if found is None:
        return None
    form = DAY.fullmatch(found)
    if not form:
        raise Unreadable
    try:
        released = date.fromisoformat(form[1])
    except ValueError:
        raise Unreadable from None
    if not FIRST_YEAR <= released.year <= LAST_YEAR:
        raise Unreadable
    return released


def number(largest: float) -> Reader[float | None]:
    """A reader of numbers from 0, which is one, to the largest; also of those written as texts."""

    def read(value: object) -> float | None:
        if value is None or value == "":
            return None
        found = _float(value)
        if not 0 <= found <= largest:
            raise Unreadable
        return found

    return read


def count(largest: int = LARGEST_TMDB_NUMBER) -> Reader[int | None]:
    """A reader of whole numbers from 0, which is one, to the largest."""
    read_number = number(largest)

    def read(value: object) -> int | None:
        found = read_number(value)
        if found is None:
            return None
        if not found.is_integer():
            raise Unreadable
        return int(found)

    return read


def runtime(value: object) -> int | None:
    """Minutes. 0 is a runtime that nobody has entered."""
    return count(LONGEST_RUNTIME)(value) or None


def adult(value: object) -> bool:
    """Whether a movie is for adults. Anything but a plain false counts as true, so that none is listed."""
    if isinstance(value, bool):
        return value
    raise Unreadable(instead=True, certain=True)


def genres(value: object) -> tuple[GenreId, ...]:
    """Genres in TMDB's order, each once, by bare numbers or by objects with a number.

    A list with an entry that makes no sense is not read: a part of the genres would replace all of them.
    """
    if not isinstance(value, list):
        raise Unreadable(instead=())
    found = [_genre_number(entry) for entry in value]
    read = tuple(map(genre_id, dict.fromkeys(filter(None, found))))
    if None in found:
        raise Unreadable(instead=read)
    return read


def identity(value: object) -> int | None:
    """One of TMDB's numbers, which are positive. A text is none: who knows what else is wrong there."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= LARGEST_TMDB_NUMBER else None


def identities(rows: Iterable[object]) -> list[int | None]:
    """The number of each row; None for a row that has none."""
    return [identity(row.get("id")) if isinstance(row, dict) else None for row in rows]


title = text(LONGEST_TITLE)
overview = text(LONGEST_OVERVIEW)
name = text(LONGEST_NAME)
language = matching(LANGUAGE, lower=True)
imdb_id = matching(IMDB_ID)
popularity = number(LARGEST_POPULARITY)
vote = number(BEST_VOTE)
votes = count()


def _genre_number(entry: object) -> int | None:
    if isinstance(entry, dict):
        return identity(entry.get("id"))
    return identity(int(entry) if isinstance(entry, str) and DIGITS.fullmatch(entry) else entry)


def _float(value: object) -> float:
    """A finite number, read from an int, a float or a text. Raises Unreadable."""
    if isinstance(value, str):
        written = value.strip(WHITE)
        value = float(written) if DECIMAL.fullmatch(written) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable
    try:
        found = float(value)
    except OverflowError:
        raise Unreadable from None
    if not math.isfinite(found):
        raise Unreadable
    return found


def _is_unknown(value: object) -> bool:
    """Whether a value says that TMDB does not know: `""`, null or 0."""
    zero = not isinstance(value, bool) and isinstance(value, int | float) and value == 0
    return value is None or zero or value == ""
