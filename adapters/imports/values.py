"""Values of files: ids, years, texts, and dates in the forms that services and spreadsheets write."""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from domain.ids import IMDB_ID, tmdb_number
from domain.imports.rows import Reason, When
from domain.texts import MAX_TEXT_LENGTH

MAX_TITLE_LENGTH = 300

FIRST_YEAR, LAST_YEAR = 1870, 2100

EARLIEST = date(1900, 1, 1)
"""Days before this one, and the first of Unix time, stand for "unknown" where they occur."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_ACCENTS = str.maketrans("áàâãäéèêëíìîïóòôõöúùûüçñłśżźćńęą", "aaaaaeeeeiiiiooooouuuucnlszzcnea")
_TAG = re.compile(r"</?(?:i|b|em|strong|blockquote|a|p|br)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br\s*/?|/p|/blockquote)>", re.IGNORECASE)
_TITLE_AND_YEAR = re.compile(r"(.*\S)\s*\(\s*(\d{4})(?:\s*[-–]\s*\d{0,4})?\s*\)\s*", re.DOTALL)
_NUMERIC = re.compile(r"(\d{1,4})([-./ ])(\d{1,2})\2(\d{1,4})(?:[ T,].*)?")
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
_NAMED = (
    "%a %b %d %H:%M:%S %Y",
    "%b %d %Y, %H:%M",
    "%b %d %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%B %d, %Y",
    "%b %d, %Y",
)
_NAMED_HINT = re.compile(r"[A-Za-z]{3}")


class DateOrder(StrEnum):
    """The order of day and month in the dates of a file that has neither names nor ISO dates."""

    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class ReadDate:
    """A date, or why it was left out."""

    when: When | None = None
    remark: Reason | None = None

    @property
    def day(self) -> date | None:
        """The day. That of a moment is its day in UTC."""
        return self.when.date() if isinstance(self.when, datetime) else self.when

    @property
    def remarks(self) -> tuple[Reason, ...]:
        return (self.remark,) if self.remark else ()


def read_date(text: object, order: DateOrder = DateOrder.UNCLEAR) -> ReadDate:
    """Parse a date. A moment at midnight or at 23:59:59 is only a day."""
    shown = text.strip() if isinstance(text, str) else ""
    if not shown:
        return ReadDate()
    try:
        when = _iso(shown) or _named(shown) or _numeric(shown, order)
    except ValueError:
        when = None
    if isinstance(when, Reason):
        return ReadDate(remark=when)
    if when is None:
        return ReadDate(remark=Reason.UNREADABLE_DATE)
    day = when.date() if isinstance(when, datetime) else when
    if day < EARLIEST or day == date(1970, 1, 1):
        return ReadDate()
    if isinstance(when, datetime) and (when.hour, when.minute, when.second) in {(0, 0, 0), (23, 59, 59)}:
        return ReadDate(day)
    return ReadDate(when)


def date_order(texts: Iterable[str]) -> DateOrder:
    """The order of day and month in numeric dates, settled from all of them together."""
    first_is_day = second_is_day = dotted = False
    for text in texts:
        match = _NUMERIC.fullmatch(text.strip())
        if match and len(match[1]) <= 2:
            first_is_day |= int(match[1]) > 12
            second_is_day |= int(match[3]) > 12
            dotted |= match[2] == "."
    if first_is_day != second_is_day:
        return DateOrder.DAY_FIRST if first_is_day else DateOrder.MONTH_FIRST
    return DateOrder.DAY_FIRST if dotted and not first_is_day else DateOrder.UNCLEAR


def _iso(text: str) -> When | None:
    match = _ISO.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None:
        return date(int(year), int(month), int(day))
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    written = datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros // 1000 * 1000, UTC
    )
    if zone in {None, "Z", "UTC"}:
        return written
    # With an offset, the day is the one that the clock on the wall showed; it must not move to UTC's.
    return datetime.fromisoformat(f"{written.replace(tzinfo=None).isoformat()}{zone}").replace(tzinfo=UTC)


def _named(text: str) -> When | None:
    if not _NAMED_HINT.search(text) or len(text) > 40:
        return None
    for form in _NAMED:
        try:
            when = datetime.strptime(" ".join(text.split()), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return when if "%H" in form else when.date()
    return None


def _numeric(text: str, order: DateOrder) -> date | Reason | None:
    match = _NUMERIC.fullmatch(text)
    if not match:
        return None
    first, second, last = int(match[1]), int(match[3]), int(match[4])
    if len(match[1]) == 4:
        return date(first, second, last)
    if len(match[4]) not in {2, 4} or len(match[1]) > 2:
        return None
    year = last if len(match[4]) == 4 else 2000 + last
    if first == second or order is DateOrder.DAY_FIRST:
        return date(year, second, first)
    if order is DateOrder.MONTH_FIRST:
        return date(year, first, second)
    return Reason.UNCLEAR_DATE


def fold(text: str) -> str:
    """A header or a word of a file without accents, case, spaces and signs."""
    return "".join(each for each in text.lower().translate(_ACCENTS) if each.isalnum())


def read_year(text: object) -> int | None:
    """The year in a text or number, such as "1999", "1999–2003" or 1999; None if there is none."""
    match = re.match(r"\s*(\d{4})(?!\d)", str(text)) if isinstance(text, str | int) else None
    year = int(match[1]) if match else 0
    return year if FIRST_YEAR <= year <= LAST_YEAR else None


def read_imdb_id(text: object) -> str | None:
    """An IMDb id, also in an address, or its digits alone; None if there is none."""
    shown = str(text).strip().lower() if isinstance(text, str | int) and text else ""
    if shown.isascii() and shown.isdigit() and len(shown) <= 10:
        shown = f"tt{shown:0>7}"
    match = re.search(r"tt[0-9]{7,10}(?![0-9])", shown[:200])
    return match[0] if match and IMDB_ID.fullmatch(match[0]) else None


def read_tmdb_id(text: object) -> int | None:
    """A TMDB number; None for anything else."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        return None
    return tmdb_number(str(text).strip().removesuffix(".0"))


def read_title(text: object) -> str | None:
    """A title without control characters; None if it is empty."""
    shown = _CONTROL.sub("", text[: MAX_TITLE_LENGTH * 4]) if isinstance(text, str) else ""
    return " ".join(unicodedata.normalize("NFC", shown).split())[:MAX_TITLE_LENGTH] or None


def title_and_year(text: str) -> tuple[str | None, int | None]:
    """The parts of "Title (Year)"."""
    match = _TITLE_AND_YEAR.fullmatch(text[:1000])
    year = read_year(match[2]) if match else None
    return (read_title(match[1]), year) if match and year else (read_title(text), None)


def read_text(text: object) -> tuple[str | None, tuple[Reason, ...]]:
    """A review or note as plain text, and a remark if its end had to be cut."""
    if not isinstance(text, str):
        return None, ()
    # An escape becomes a sign after the tags are gone, or `&lt;b&gt;` would be taken for one.
    plain = html.unescape(_TAG.sub("", _BREAK.sub("\n", text))) if "<" in text or "&" in text else text
    clean = unicodedata.normalize("NFC", _CONTROL.sub("", plain)).strip()
    if len(clean) > MAX_TEXT_LENGTH:
        return clean[: MAX_TEXT_LENGTH - 1].rstrip() + "…", (Reason.TEXT_CUT,)
    return clean or None, ()
