"""Pagination by cursor. Every list has a total order: by sort value, then by id. A cursor is a value and an
id, so a page costs the same at any depth, and pages neither overlap nor skip rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Generic, TypeVar

RowT = TypeVar("RowT")

Value = float | int | str
"""A sort value that all stores compare alike: numbers by size, texts by code point. Dates are texts
(YYYY-MM-DD), and so are times (`time_value`).
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a sorted list: after the row with this sort value and this id."""

    value: Value | None
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a list to show: up to `limit` rows after `cursor`, or after the first `skip` rows."""

    limit: int = 20
    skip: int = 0
    cursor: Cursor | None = None

    @property
    def fetch_size(self) -> int:
        """The number of rows to read: one more than shown, to know whether any follow."""
        return self.limit + 1


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """A part of a list. `more` is whether rows follow it, `total` the number of rows in the list."""

    rows: tuple[RowT, ...]
    more: bool
    total: int


def page_of(found: Sequence[RowT], window: Window, total: int) -> Page[RowT]:
    """The page of a window, made of up to `fetch_size` rows that were read from its position on."""
    return Page(tuple(found[: window.limit]), more=len(found) > window.limit, total=total)


def sorted_after(
    rows: Collection[tuple[Value | None, str]], cursor: Cursor | None, *, descending: bool
) -> list[str]:
    """The ids of the rows (sort value, id) that follow a cursor, all of them without one, in order: by value,
    unknown ones last in either direction, then by id, ascending.
    """
    known = sorted((row for row in rows if row[0] is not None), key=itemgetter(1))
    known.sort(key=itemgetter(0), reverse=descending)
    unknown = sorted((row for row in rows if row[0] is None), key=itemgetter(1))
    return [row[1] for row in known + unknown if cursor is None or _follows(row, cursor, descending)]


def _follows(row: tuple[Value | None, str], cursor: Cursor, descending: bool) -> bool:  # noqa: FBT001
    value, identifier = row
    if value is None or cursor.value is None or value == cursor.value:
        return (value is None, identifier) > (cursor.value is None, cursor.id)
    return (value < cursor.value) is descending  # type: ignore[operator]  # values of one order are comparable


def time_value(at: datetime) -> str:
    """A time as a sort value: RFC 3339 in UTC with milliseconds, so that texts sort like times."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
