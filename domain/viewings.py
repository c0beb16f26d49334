"""Viewings: the days on which a user has seen a movie, which together are the user's diary."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from domain.errors import Conflict, Fault, FaultCode, Forbidden, Invalid, NotFound
from domain.ids import MovieId, UserId, ViewingId
from domain.pagination import Cursor, time_value
from domain.texts import UNCHANGED, Unchanged

EARLIEST_DAY = date(1888, 1, 1)
"""The first day of a viewing: the oldest film that survives was shot in 1888."""

LATEST_OFFSET = timedelta(hours=14)
"""The offset from UTC of the time zone in which each day begins first."""

MAX_VIEWINGS = 50_000
"""The largest number of viewings of a user."""


@dataclass(eq=False)
class DayOutOfRange(Invalid):
    """The day of a viewing is before the first film, or has not begun anywhere yet."""

    field: ClassVar[str] = "watched_on"
    rule: ClassVar[str] = f"must be a day from {EARLIEST_DAY} until today"
    faults = (Fault(field, FaultCode.OUT_OF_RANGE, rule),)

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


@dataclass(eq=False)
class AlreadyViewed(Conflict):
    """The user has a viewing of the movie on that day, and does not say that it was seen again."""

    code: ClassVar[str] = "already_viewed"
    faults = (
        Fault(
            "watched_on",
            FaultCode.ALREADY_EXISTS,
            "is a day on which you have seen this movie already; rewatch must be true for a second viewing",
        ),
    )

    def __str__(self) -> str:
        return "You have a viewing of this movie on that day already"


@dataclass(eq=False)
class DiaryFull(Conflict):
    """The user has the maximum number of viewings."""

    code: ClassVar[str] = "diary_full"

    def __str__(self) -> str:
        return f"A diary holds at most {MAX_VIEWINGS:,} viewings"


@dataclass(eq=False)
class ViewingNotFound(NotFound):
    """No viewing has that id."""

    code: ClassVar[str] = "viewing_not_found"

    def __str__(self) -> str:
        return "There is no such viewing"


@dataclass(eq=False)
class NotYourViewing(Forbidden):
    """The viewing is another user's."""

    code: ClassVar[str] = "not_your_viewing"

    def __str__(self) -> str:
        return "The viewing is another user's"


def validate_day(day: date, now: datetime) -> date:
    """Return the day of a viewing. Raises DayOutOfRange before EARLIEST_DAY, and for a day that has not begun
    in any time zone at the time `now`.
    """
    if not EARLIEST_DAY <= day <= (now.astimezone(UTC) + LATEST_OFFSET).date():
        raise DayOutOfRange
    return day


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """A user has seen a movie: on a day of the user's own calendar, or on an unknown one (None).

    Of a user's viewings of a movie on the same day, or on an unknown day, at most one is not a `rewatch`.
    """

    id: ViewingId
    user: UserId
    movie: MovieId
    watched_on: date | None
    rewatch: bool = False
    note: str | None = None
    created_at: datetime
    updated_at: datetime

    def changed(
        self,
        at: datetime,
        *,
        watched_on: date | Unchanged | None = UNCHANGED,
        rewatch: bool | None = None,
        note: str | Unchanged | None = UNCHANGED,
    ) -> "Viewing":
        """This viewing with the given fields changed."""
        return replace(
            self,
            watched_on=self.watched_on if isinstance(watched_on, Unchanged) else watched_on,
            rewatch=self.rewatch if rewatch is None else rewatch,
            note=self.note if isinstance(note, Unchanged) else note,
            updated_at=at,
        )

    def requires_free_day(self, before: "Viewing | None" = None) -> bool:
        """Whether the user may have no other viewing of the movie on this day when this one is stored.

        `before` is the stored viewing that this one replaces: it may keep its day.
        """
        return not self.rewatch and (before is None or before.rewatch or before.watched_on != self.watched_on)

    @property
    def position(self) -> str:
        """The sort value of the diary, whose order is descending: by day, unknown days last; viewings of one
        day by `created_at`.
        """
        return f"{day_text(self.watched_on)} {time_value(self.created_at)}"

    @property
    def cursor(self) -> Cursor:
        """The position of this viewing in the diary."""
        return Cursor(self.position, self.id)

    @property
    def creation_cursor(self) -> Cursor:
        """The position of this viewing in a list that is sorted by `created_at`."""
        return Cursor(time_value(self.created_at), self.id)


def day_text(day: date | None) -> str:
    """The beginning of the position of viewings on a day; it is empty for an unknown day."""
    return day.isoformat() if day else ""


def day_of(position: str) -> date | None:
    """The day of the viewings with a position; None if it is unknown."""
    day, _, _ = position.partition(" ")
    return date.fromisoformat(day) if day else None


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def of_year(cls, year: int) -> "DayRange":
        """All days of a year from 1 to 9999."""
        return cls(date(year, 1, 1), date(year, 12, 31))

    @classmethod
    def of_month(cls, year: int, month: int) -> "DayRange":
        """All days of a month."""
        following = date(year, month, 28) + timedelta(days=4)
        return cls(date(year, month, 1), following - timedelta(days=following.day))

    @property
    def positions(self) -> tuple[str, str]:
        """The range of the positions of viewings on these days: from the first value, below the second."""
        return position_range(self.first, self.last)


def position_range(first: date | None, last: date | None) -> tuple[str, str]:
    """The range of the positions of viewings between two days, or of those on unknown days (None, None): from
    the first value, below the second.
    """
    return f"{day_text(first)} ", f"{day_text(last)}!"


@dataclass(frozen=True, slots=True)
class ViewingSummary:
    """How often a user has seen a movie, and the latest known day; None if no day is known."""

    count: int = 0
    last_watched_on: date | None = None
