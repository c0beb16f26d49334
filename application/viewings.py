"""Use cases of viewings: recording, changing, removing and listing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from application.watchlist import by_id
from domain.errors import Fault, check_all
from domain.idempotency import RETENTION
from domain.ids import GenreId, MovieId, MovieRef, NewId, ViewingId
from domain.movies import Genre, Movie
from domain.pagination import Page, Window, page_of
from domain.ports import (
    CacheInvalidation,
    Clock,
    GenreRepository,
    MovieRepository,
    ViewingRepository,
)
from domain.statistics import Month
from domain.texts import UNCHANGED, Unchanged, clean_text
from domain.users import User
from domain.viewings import DayOutOfRange, DayRange, NotYourViewing, Viewing, validate_day

MAX_MOVIE_VIEWINGS = 5
"""The viewings of a movie that are shown beside it."""

MAX_MONTH_VIEWINGS = 200
"""The viewings of a month that a calendar shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiaryEntry:
    """A viewing with its movie, and all genres by id."""

    viewing: Viewing
    movie: Movie
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiaryPage:
    """A page of a diary with its movies by id, and all genres by id."""

    page: Page[Viewing]
    movies: Mapping[MovieId, Movie]
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddViewing:
    """Record that one has seen a movie."""

    viewings: ViewingRepository
    movies: MovieRepository
    genres: GenreRepository
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def faults(self, fields: Mapping[str, Any]) -> list[Fault]:
        """The errors of a request's fields that depend on the time: a day that has not begun."""
        return day_faults(fields, self.clock())

    def __call__(
        self,
        *,
        user: User,
        movie: MovieRef,
        watched_on: date | None,
        rewatch: bool = False,
        note: str | None = None,
        remove_from_watchlist: bool = False,
        repeatable_as: ViewingId | None = None,
    ) -> DiaryEntry:
        """`watched_on` of None is an unknown day. With `remove_from_watchlist` the movie is removed from the
        user's watchlist in the same step. `repeatable_as` is the id of the viewing if the request may be a
        repeated one: then a viewing that has it is the result.

        Raises MovieNotFound, AlreadyViewed, DiaryFull, InvalidFields.
        """
        now = self.clock()
        text = _validated(watched_on, note, now)
        seen = self.movies.get(movie)
        viewing = Viewing(
            id=repeatable_as or ViewingId(self.new_id()),
            user=user.id,
            movie=seen.id,
            watched_on=watched_on,
            rewatch=rewatch,
            note=text,
            created_at=now,
            updated_at=now,
        )
        stored = self._add(viewing, remove_from_watchlist, repeatable=repeatable_as is not None)
        if now - stored.created_at >= RETENTION:  # of an earlier request under the same key
            viewing = replace(viewing, id=ViewingId(self.new_id()))
            stored = self._add(viewing, remove_from_watchlist, repeatable=False)
        return DiaryEntry(viewing=stored, movie=seen, genres=by_id(self.genres))

    def _add(self, viewing: Viewing, unlist: bool, *, repeatable: bool) -> Viewing:  # noqa: FBT001
        if not unlist:
            return self.viewings.add(viewing, repeatable=repeatable)
        with self.invalidation.watchlist(viewing.user):
            return self.viewings.add(viewing, remove_from_watchlist=True, repeatable=repeatable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeViewing:
    """Change the day, the mark or the note of one's own viewing."""

    viewings: ViewingRepository
    movies: MovieRepository
    genres: GenreRepository
    clock: Clock

    def faults(self, fields: Mapping[str, Any]) -> list[Fault]:
        """The errors of a request's fields that depend on the time: a day that has not begun."""
        return day_faults(fields, self.clock())

    def __call__(
        self,
        *,
        user: User,
        viewing: ViewingId,
        watched_on: date | Unchanged | None = UNCHANGED,
        rewatch: bool | None = None,
        note: str | Unchanged | None = UNCHANGED,
    ) -> DiaryEntry:
        """A day of None becomes unknown, a note of None is removed.

        Raises ViewingNotFound, NotYourViewing, AlreadyViewed, InvalidFields.
        """
        now = self.clock()
        day = None if isinstance(watched_on, Unchanged) else watched_on
        text = _validated(day, None if isinstance(note, Unchanged) else note, now)
        changed = self.viewings.change(
            viewing,
            user.id,
            lambda before: before.changed(
                now,
                watched_on=watched_on,
                rewatch=rewatch,
                note=note if isinstance(note, Unchanged) else text,
            ),
        )
        return DiaryEntry(viewing=changed, movie=self.movies.get(changed.movie), genres=by_id(self.genres))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveViewing:
    """Delete one's own viewing."""

    viewings: ViewingRepository

    def __call__(self, *, user: User, viewing: ViewingId) -> None:
        """Raises ViewingNotFound, NotYourViewing."""
        self.viewings.remove(viewing, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetViewing:
    """Show one of one's own viewings."""

    viewings: ViewingRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, user: User, viewing: ViewingId) -> DiaryEntry:
        """Raises ViewingNotFound, NotYourViewing."""
        found = self.viewings.get(viewing)
        if found.user != user.id:
            raise NotYourViewing
        return DiaryEntry(viewing=found, movie=self.movies.get(found.movie), genres=by_id(self.genres))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListViewings:
    """Show one's own diary, the latest day first and unknown days last."""

    viewings: ViewingRepository
    movies: MovieRepository
    genres: GenreRepository

    def __call__(
        self, *, user: User, movie: MovieRef | None = None, days: DayRange | None = None, window: Window
    ) -> DiaryPage:
        """One page of viewings; `movie` and `days` select those of a movie, and those on these days.

        Raises MovieNotFound.
        """
        wanted = self.movies.get(movie).id if movie else None
        found = self.viewings.of_user(
            user.id,
            movie=wanted,
            days=days,
            limit=window.fetch_size,
            skip=window.skip,
            after=window.cursor,
        )
        shown = page_of(found, window, self.viewings.count(user.id, movie=wanted, days=days))
        movies = self.movies.by_ids(list({viewing.movie for viewing in shown.rows}))
        return DiaryPage(page=shown, movies={each.id: each for each in movies}, genres=by_id(self.genres))


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieViewings:
    """A user's latest viewings of a movie, and the present day in UTC."""

    rows: Sequence[Viewing]
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMovieViewings:
    """Show one's own latest viewings of a movie, beside what else one has of it."""

    viewings: ViewingRepository
    clock: Clock

    def __call__(self, *, user: User, movie: MovieId) -> MovieViewings:
        """Up to MAX_MOVIE_VIEWINGS of them."""
        rows = self.viewings.of_user(user.id, movie=movie, limit=MAX_MOVIE_VIEWINGS)
        return MovieViewings(rows=rows, today=self.clock().date())


@dataclass(frozen=True, slots=True, kw_only=True)
class DiaryMonth:
    """The viewings of a month, the latest first. If there are more than MAX_MONTH_VIEWINGS, `diary` is a part
    of them. `today` is the present day in UTC.
    """

    month: Month
    diary: DiaryPage
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDiaryMonth:
    """Show a month of one's own diary."""

    list_viewings: ListViewings
    clock: Clock

    def __call__(self, *, user: User, month: Month | None) -> DiaryMonth:
        """The present month in UTC if none is given."""
        today = self.clock().date()
        month = month or (today.year, today.month)
        days, window = DayRange.of_month(*month), Window(limit=MAX_MONTH_VIEWINGS)
        return DiaryMonth(
            month=month, diary=self.list_viewings(user=user, days=days, window=window), today=today
        )


def day_faults(fields: Mapping[str, Any], now: datetime) -> list[Fault]:
    """The errors of the field `watched_on` of a request at a time."""
    day = fields.get("watched_on")
    try:
        if day:
            validate_day(day, now)
    except DayOutOfRange as error:
        return list(error.faults)
    return []


def _validated(day: date | None, note: str | None, now: datetime) -> str | None:
    """Validate the day and the note of a viewing; return the clean note. Raises InvalidFields."""
    check_all(
        lambda: validate_day(day, now) if day else None,
        lambda: clean_text("note", note),
    )
    return clean_text("note", note)
