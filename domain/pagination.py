"""Places in lists. Every list has a total order: a sort value, then the id. A place in it is a value and an
id, so a page costs the same at any depth, and pages neither overlap nor skip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

RowT = TypeVar("RowT")

Value = float | int | str
"""A sort value that every store compares alike: numbers by size, texts by code point, dates as YYYY-MM-DD,
times as `time_value` writes them.
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an ordered list: behind the row that has this sort value and this id."""

    value: Value | None
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a list to show: up to `limit` rows behind `cursor`, or after the first `skip`."""

    limit: int = 20
    skip: int = 0
    cursor: Cursor | None = None

    @property
    def fetch_size(self) -> int:
        """How many rows to read: one more than are shown tells whether any follow."""
        return self.limit + 1


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """A part of a list; `more` tells whether anything follows it, `total` how many rows the list has."""

    rows: tuple[RowT, ...]
    more: bool
    total: int


def page_of(found: Sequence[RowT], window: Window, total: int) -> Page[RowT]:
    """The page that a window shows of what was found from its place on: up to `fetch_size` rows."""
    return Page(tuple(found[: window.limit]), more=len(found) > window.limit, total=total)


def time_value(at: datetime) -> str:
    """A time as a sort value: UTC, milliseconds, RFC 3339, so that texts sort as times do."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
