"""Pagination by cursor. Every list has a total order: by sort value, then by id. A cursor is a value and an
id, so a page costs the same at any depth, and pages neither overlap nor skip rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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


def time_value(at: datetime) -> str:
    """A time as a sort value: RFC 3339 in UTC with milliseconds, so that texts sort like times."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
