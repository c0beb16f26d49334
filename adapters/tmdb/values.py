"""Parsers of single values of TMDB's JSON. TMDB's own documentation is wrong about nulls and numbers.

A reader takes a value and returns what it means, None where TMDB has no value: for `""`, null and, where it
cannot be a value, 0. Any other invalid value raises Unreadable. Nothing is guessed: "1,234" is ambiguous.
"""

import math
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from domain.ids import IMDB_ID, MAX_TMDB_NUMBER, GenreId, genre_id
from domain.movies import CONTROL, picture_url

T = TypeVar("T")

Reader = Callable[[object], T]
"""Reads one value. Raises Unreadable."""

MAX_TITLE_LENGTH = 1_000
MAX_OVERVIEW_LENGTH = 20_000
MAX_NAME_LENGTH = 200
MAX_PATH_LENGTH = 255
"""Characters. TMDB's own titles have up to a few hundred."""

MAX_VOTE = 10.0
MAX_POPULARITY = 1e9
MAX_RUNTIME = 100_000
"""Minutes; the longest film ever shown has 51,420."""

MIN_YEAR, MAX_YEAR = 1800, 2200
"""The range of valid release years; it excludes placeholders such as 0001-01-01 and 9999-12-31."""

DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([Tt ][0-9].*|[Zz]|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII)
"""A date, or a timestamp that begins with one."""

DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?")
"""A number written as a text. `float` reads more than numbers: "1_000", "infinity", digits of any script."""

DIGITS = re.compile(r"[0-9]{1,10}")

LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
"""ISO 639, and codes of TMDB's own: `cn`, `sh`, `xx`."""

PLAIN_PATH = re.compile(r"/[A-Za-z0-9_-]{1,200}\.[a-z]{3,4}")
"""The form of almost all paths of pictures. They are valid without a closer look."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates, which no store accepts."""

WHITE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u180e\u200b\u2060\ufeff"
"""White space, including NBSP and zero-width spaces."""

INVISIBLE = WHITE + "\u00ad\u200c\u200d\u200e\u200f"
"""Adds joiners and direction marks, which are removed only if nothing visible is left: words may need one."""


@dataclass(eq=False)
class Unreadable(Exception):  # noqa: N818  the sentence it states
    """An invalid value or row; the same request would bring it again.

    `instead` is used where there is no earlier value; with `certain` it replaces an earlier value too.
    """

    reason: str = ""
    instead: object = None
    certain: bool = False

    def __str__(self) -> str:
        return self.reason


def shown(value: object) -> str:
    """A short, printable form of a value for messages."""
    return reprlib.repr(value)


def is_unknown(value: object) -> bool:
    """Whether a value means that TMDB has none: `""`, null or 0."""
    zero = not isinstance(value, bool) and isinstance(value, int | float) and value == 0
    return value is None or zero or value == ""


def text(longest: int) -> Reader[str | None]:
    """A reader of texts of up to `longest` characters, which strips white space around them.

    A text without visible characters is unreadable: only `""` means that TMDB has no value.
    """

    def read(value: object) -> str | None:
        if not isinstance(value, str):
            if is_unknown(value):
                return None
            raise Unreadable
        if not value:
            return None
        if len(value) > longest:
            raise Unreadable
        cleaned = clean(value)
        if cleaned is None:
            raise Unreadable
        return cleaned

    return read


def clean(value: str) -> str | None:
    """The text without white space around it; None if it has no visible character."""
    if value.isascii() and value.isprintable() and value and value[0] != " " != value[-1]:
        return value
    stripped = UNSTORABLE.sub("", value).strip(WHITE)
    return stripped if stripped.strip(INVISIBLE) else None


def matching(pattern: re.Pattern[str], *, lower: bool = False) -> Reader[str | None]:
    """A reader of short texts that match a pattern."""
    read_text = text(MAX_NAME_LENGTH)

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
    """The path of a picture: it begins with a slash, and has no control characters and no `..`."""
    if isinstance(value, str) and PLAIN_PATH.fullmatch(value):
        return value
    if isinstance(value, str) and (UNSTORABLE.search(value) or CONTROL.search(value)):
        raise Unreadable
    found = text(MAX_PATH_LENGTH)(value)
    if found and picture_url("", found) is None:
        raise Unreadable
    return found


def day(value: object) -> date | None:
    """A date, also one at the beginning of a timestamp."""
    found = name(value)
    if found is None:
        return None
    form = DAY.fullmatch(found)
    if not form:
        raise Unreadable
    try:
        released = date.fromisoformat(form[1])
    except ValueError:
        raise Unreadable from None
    if not MIN_YEAR <= released.year <= MAX_YEAR:
        raise Unreadable
    return released


def number(largest: float) -> Reader[float | None]:
    """A reader of numbers from 0 to `largest`; they may be written as texts."""

    def read(value: object) -> float | None:
        if value is None or value == "":
            return None
        found = _float(value)
        if not 0 <= found <= largest:
            raise Unreadable
        return found

    return read


def count(largest: int = MAX_TMDB_NUMBER) -> Reader[int | None]:
    """A reader of whole numbers from 0 to `largest`."""
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
    """A runtime in minutes; 0 means that it is not known."""
    return _minutes(value) or None


def adult(value: object) -> bool:
    """Whether a movie is for adults. Any value but `false` counts as true and keeps it out of lists."""
    if isinstance(value, bool):
        return value
    raise Unreadable(instead=True, certain=True)


def genres(value: object) -> tuple[GenreId, ...]:
    """Genres in TMDB's order without duplicates, from numbers or from objects with a number.

    A list with an invalid entry is unreadable: an incomplete list would replace the stored one.
    """
    if not isinstance(value, list):
        raise Unreadable(instead=())
    found = [_genre_number(entry) for entry in value]
    read = tuple(map(genre_id, dict.fromkeys(filter(None, found))))
    if None in found:
        raise Unreadable(instead=read)
    return read


def identity(value: object) -> int | None:
    """An id of TMDB, a positive whole number; None for anything else, texts included."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= MAX_TMDB_NUMBER else None


def identities(rows: Iterable[object]) -> list[int | None]:
    """The id of each row; None for a row without one."""
    return [identity(row.get("id")) if isinstance(row, dict) else None for row in rows]


title = text(MAX_TITLE_LENGTH)
overview = text(MAX_OVERVIEW_LENGTH)
tagline = text(MAX_TITLE_LENGTH)
name = text(MAX_NAME_LENGTH)
language = matching(LANGUAGE, lower=True)
imdb_id = matching(IMDB_ID)
popularity = number(MAX_POPULARITY)
vote = number(MAX_VOTE)
votes = count()
_minutes = count(MAX_RUNTIME)


def _genre_number(entry: object) -> int | None:
    if isinstance(entry, dict):
        return identity(entry.get("id"))
    return identity(int(entry) if isinstance(entry, str) and DIGITS.fullmatch(entry) else entry)


def _float(value: object) -> float:
    """A finite number from an int, a float or a text. Raises Unreadable."""
    if type(value) is float and math.isfinite(value):
        return value
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
