"""Scrobbling: what media players report, and which of it is that a film was watched to the end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.errors import Fault, FaultCode, Invalid
from domain.ids import ImdbId, MovieRef, TmdbNumber
from domain.viewings import DayOutOfRange, Viewing, validate_day

WATCHED_SHARE = 0.9
"""The part of a film after which it counts as watched: what remains is credits."""

SAME_PLAY = timedelta(hours=6)
"""Reports of a film within this time are about the same play, even if midnight is between them."""


class Player(StrEnum):
    """The programs whose reports are understood."""

    JELLYFIN = "jellyfin"
    PLEX = "plex"
    EMBY = "emby"
    KODI = "kodi"


class Skipped(StrEnum):
    """Why a report is not recorded."""

    OTHER_EVENT = "other_event"
    ANOTHER_USER = "another_user"
    NOT_A_MOVIE = "not_a_movie"
    NOT_FINISHED = "not_finished"
    NO_ID = "no_id"
    ALREADY_RECORDED = "already_recorded"


@dataclass(eq=False)
class UnknownPayload(Invalid):
    """The body of a request is no report of a player that is understood."""

    code: ClassVar[str] = "unknown_payload"
    rule: ClassVar[str] = "must be an event of Jellyfin, Plex, Emby or Kodi"
    faults = (Fault("body", FaultCode.MALFORMED, rule, subject="the body"),)

    def __str__(self) -> str:
        return f"The body {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What a player reports.

    - `ended`: whether the event is of the kind that tells of watching to the end.
    - `own`: whether it is about the person who has set up the player's report.
    - `completed`: whether the player takes the film for watched; None if it does not say.
    - `share`: the part that was played, from 0 to 1; None if it is unknown.
    - `at`: when it happened; without a time zone it is the player's local time. None if it is unknown.
    """

    player: Player
    ended: bool
    is_movie: bool
    own: bool = True
    completed: bool | None = None
    share: float | None = None
    tmdb_number: int | None = None
    imdb_id: str | None = None
    at: datetime | None = None

    @property
    def skipped(self) -> Skipped | None:
        """Why this is not a film that was watched to the end; None if it is one."""
        if not self.ended:
            return Skipped.OTHER_EVENT
        if not self.own:
            return Skipped.ANOTHER_USER
        if not self.is_movie:
            return Skipped.NOT_A_MOVIE
        if not self.finished:
            return Skipped.NOT_FINISHED
        return None if self.refs else Skipped.NO_ID

    @property
    def finished(self) -> bool:
        """Whether the film was watched: as the player says, else by the part that was played."""
        if self.completed is not None:
            return self.completed
        return self.share is not None and self.share >= WATCHED_SHARE

    @property
    def refs(self) -> tuple[MovieRef, ...]:
        """The ids by which the film is looked for, in their order."""
        by_number = (TmdbNumber(self.tmdb_number),) if self.tmdb_number else ()
        return (*by_number, *((ImdbId(self.imdb_id),) if self.imdb_id else ()))

    def day(self, now: datetime) -> date:
        """The day of the viewing: that of the report as the player's clock shows it, or today if there is
        none that can be.
        """
        try:
            return validate_day(self.at.date(), now) if self.at else now.date()
        except DayOutOfRange:
            return now.date()


def same_play(viewings: Iterable[Viewing], day: date, now: datetime) -> Viewing | None:
    """Of a user's viewings of a film the one that a report about a day repeats, if there is one: a viewing
    of that day, or one beside it that was recorded less than SAME_PLAY ago.
    """
    near = (
        each
        for each in viewings
        if each.watched_on == day
        or (
            each.watched_on
            and abs(each.watched_on - day) <= timedelta(days=1)
            and now - each.created_at < SAME_PLAY
        )
    )
    return min(near, key=lambda each: (each.watched_on != day, each.id), default=None)
