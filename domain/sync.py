"""A sync run: what one pass over a source did, page by page, and the states that it may be in.

    in-progress ──> success     every page and every movie was read
                ──> partial     something could not be read; `problems` names it
                ──> failed      nothing could be read, the run was refused, its process died, or no worker
                                took it up
                ──> cancelled   someone stopped it, or it could not be queued

A closed run never changes again. Its counts are its own: a run that goes on where a failed one stopped counts
only the pages that were left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict, NotFound, Unavailable
from domain.ids import RunId
from domain.movies import GenreFacts, MovieFacts, Outcome
from domain.pagination import Cursor, time_value

MAX_PAGES = 500
"""TMDB answers no page beyond this one, whatever its `total_pages` says."""

MAX_CHANGES_PERIOD = timedelta(days=14)
"""TMDB lists changes this far back, no farther."""

RESUME_WINDOW = timedelta(hours=12)
"""A failed run older than this is not taken up: the lists will have moved on, and all pages are read anew."""

REFRESH_AFTER = timedelta(days=150)
"""What a source has not spoken of for so long is read anew, even if it says that nothing has changed."""

TEXT_RETENTION = timedelta(days=180)
"""Texts and pictures of TMDB's may be kept for six months (its terms of use) after it last spoke of them."""

MAX_PROBLEMS_SHOWN = 20
"""So many problems are spelt out in a run's `error`; of the others it gives the number."""

MAX_UNREAD = 1000
"""So many movies that could not be read may be left to the next run, whose record is written with every page.
"""

MAX_PROBLEMS = 1000
"""So many are kept in a run's record, which is written with every page; the others are only counted."""


class Entity(StrEnum):
    """What a run brings up to date."""

    GENRES = "genres"
    MOVIES = "movies"
    CHANGES = "changes"


class SourceName(StrEnum):
    """Where a catalogue comes from. A store is filled from one source and remembers which."""

    TMDB = "tmdb"
    DEMO = "demo"


class Status(StrEnum):
    """Where a run stands."""

    IN_PROGRESS = "in-progress"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class RunNotFound(NotFound):
    """No sync run has that id."""

    code: ClassVar[str] = "run_not_found"
    id: str

    def __str__(self) -> str:
        return "There is no such sync run"


@dataclass(eq=False)
class SyncRunning(Conflict):
    """A sync of that kind is in progress already."""

    code: ClassVar[str] = "sync_running"
    entity: Entity

    def __str__(self) -> str:
        return f"A sync of {self.entity} is running already"


@dataclass(eq=False)
class RunClosed(Conflict):
    """The sync run has ended already.

    It was closed, cancelled or taken over; what was to be written under its name is refused.
    """

    code: ClassVar[str] = "run_closed"
    id: RunId

    def __str__(self) -> str:
        return "The sync run is closed"


@dataclass(eq=False)
class FilledFromAnotherSource(Conflict):
    """A sync from a source other than the one that filled the catalogue is refused."""

    code: ClassVar[str] = "source_mismatch"
    refused: SourceName

    def __str__(self) -> str:
        if self.refused is SourceName.DEMO:
            return (
                "The catalogue was filled from TMDB, so the demo catalogue is refused: set TMDB_ACCESS_TOKEN"
                " or TMDB_API_KEY, or use the demo with another, empty DATA_DIR"
            )
        return (
            "The catalogue was filled from the demo, so TMDB is refused: run `matinee sync upgrade` to hand"
            " it over to TMDB, which keeps accounts, ratings and watchlists"
        )


@dataclass(eq=False)
class SourceUnavailable(Unavailable):
    """TMDB could not be reached, or gave no usable answer.

    Or whatever else the movie source is. It is raised after all retries.
    """

    code: ClassVar[str] = "source_unavailable"
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class SourceRefused(Unavailable):
    """TMDB refuses the credential of the service.

    Trying again is no use. `reason` names the setting to correct.
    """

    code: ClassVar[str] = "source_refused"
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class MovieGone:
    """A source's answer: it does not know the movie, or no longer."""

    tmdb_id: int


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A source's answer on one movie that could not be had or understood."""

    tmdb_id: int
    reason: str


Detail = MovieFacts | MovieGone | FetchFailed
"""What came of asking a source for one movie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenreList:
    """A source's genres; `unreadable` tells, a sentence each, which rows made no sense."""

    genres: tuple[GenreFacts, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage:
    """A page of a source's list of movies; `unreadable` tells, a sentence each, which rows made no sense, and
    `warnings` what else could not be read of the page itself.
    """

    total_pages: int
    movies: tuple[MovieFacts, ...]
    unreadable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedIdsPage:
    """A page of the numbers of movies that changed at a source; `unreadable` as in a list."""

    total_pages: int
    tmdb_ids: tuple[int, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult:
    """What one page of a run brought in, to be stored in one step with the run's counts.

    Each of `movies` and `genres`, no two of one number, will be inserted, updated or unchanged; `gone` are
    movies that we hold and the source no longer knows, `unread` movies that we hold and could not read;
    `duplicates` and `skipped` are rows that were read and left aside.
    """

    page: int
    at: datetime
    movies: tuple[MovieFacts, ...] = ()
    genres: tuple[GenreFacts, ...] = ()
    gone: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()
    duplicates: int = 0
    skipped: int = 0
    requests: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """The record of one run. Counts are of rows, pages and requests of this run alone.

    `done` are the pages that it finished; `inherited` those that the failed run which it follows had
    finished, so they were not read again. `last_page` is where the source's list ends, once that is known.
    `unread` are movies that this run or the one before it should have refreshed and could not: the next one
    does.
    `source` is where it reads from. `problems_dropped` is how many problems were named beyond those kept.
    That the source `refused` our credential is known to whoever did the run; no store keeps it.
    """

    id: RunId
    entity: Entity
    started_at: datetime
    status: Status = Status.IN_PROGRESS
    finished_at: datetime | None = None
    last_page: int | None = None
    done: frozenset[int] = frozenset()
    inherited: frozenset[int] = frozenset()
    unread: frozenset[int] = frozenset()
    pages_failed: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    duplicates: int = 0
    requests: int = 0
    problems: tuple[str, ...] = ()
    problems_dropped: int = 0
    source: SourceName = SourceName.TMDB
    refused: bool = field(default=False, compare=False)

    @property
    def running(self) -> bool:
        """Whether it may still change."""
        return self.status is Status.IN_PROGRESS

    @property
    def place(self) -> Cursor:
        """Where this run stands among all, by the time at which they began."""
        return Cursor(time_value(self.started_at), self.id)

    @property
    def wanted(self) -> bool:
        """Whether whoever finds it in a queue has anything to do: it has neither ended well nor been
        cancelled.
        """
        return self.status in (Status.IN_PROGRESS, Status.FAILED)

    @property
    def complete(self) -> bool:
        """Whether it read every page: what it did not name as a problem is up to date as of its start."""
        return self.status in (Status.SUCCESS, Status.PARTIAL) and not self.pages_failed

    @property
    def fetched(self) -> int:
        """Rows read: the sum of all that became of them."""
        return self.inserted + self.updated + self.unchanged + self.skipped + self.duplicates

    @property
    def pages_total(self) -> int:
        """How many pages this run has to read; 0 until that is known."""
        return len(self.pages_left) + len(self.done)

    @property
    def pages_done(self) -> int:
        """How many of them it has stored."""
        return len(self.done)

    @property
    def pages_left(self) -> tuple[int, ...]:
        """The pages still to be read, in order."""
        finished = self.done | self.inherited
        return tuple(page for page in range(1, (self.last_page or 0) + 1) if page not in finished)

    @property
    def error(self) -> str | None:
        """The problems in one text."""
        if not self.problems:
            return None
        named = "; ".join(self.problems[:MAX_PROBLEMS_SHOWN])
        more = len(self.problems) - MAX_PROBLEMS_SHOWN + self.problems_dropped
        return f"{named}; and {more} more" if more > 0 else named

    @property
    def failure(self) -> SourceRefused | SourceUnavailable:
        """What a failed run comes to, for whoever would try again."""
        reason = f"The sync of {self.entity} failed: {self.error}"
        return SourceRefused(reason) if self.refused else SourceUnavailable(reason)

    def following(self, before: "SyncRun | None") -> "SyncRun":
        """This run, just begun, taking up what the one before it left.

        Of a failed one that is recent enough these are its pages. Changes have none to take up, since their
        pages are numbered anew by every run; they take up movies, however that run ended.
        """
        if before is None or before.entity is not self.entity or before.source is not self.source:
            return self
        if self.entity is Entity.CHANGES:
            return replace(self, unread=before.unread)
        if before.status is not Status.FAILED or not before.done | before.inherited:
            return self
        if self.started_at - before.started_at > RESUME_WINDOW:
            return self
        inherited = before.done | before.inherited
        return replace(self, inherited=inherited, last_page=before.last_page)

    def resuming_from(self, before: "SyncRun | None") -> datetime:
        """Since when a movie counts as refreshed for this run: its start, or that of a recent failed run
        before it.
        """
        if before is None or before.complete or self.source is not before.source:
            return self.started_at
        if self.started_at - before.started_at > RESUME_WINDOW:
            return self.started_at
        return before.started_at

    def bounded(self, last_page: int) -> "SyncRun":
        """This run, knowing where the list ends."""
        return replace(self, last_page=last_page)

    def stored(self, result: PageResult, outcomes: Iterable[Outcome]) -> "SyncRun":
        """This run after a page was stored, with what that did to each movie of it.

        Raises SourceUnavailable if more movies are unread than are left to the next run.
        """
        happened = list(outcomes)
        return replace(
            self,
            done=self.done | {result.page},
            unread=self._unread_after(result),
            inserted=self.inserted + happened.count(Outcome.INSERTED),
            updated=self.updated + happened.count(Outcome.UPDATED),
            unchanged=self.unchanged + happened.count(Outcome.UNCHANGED),
            skipped=self.skipped + result.skipped,
            duplicates=self.duplicates + result.duplicates,
            requests=self.requests + result.requests,
        ).with_problems(*self.problems, *result.problems)

    def missed(self, page: int, reason: str, requests: int) -> "SyncRun":
        """This run after a page could not be read."""
        return replace(
            self,
            pages_failed=self.pages_failed + 1,
            requests=self.requests + requests,
        ).with_problems(*self.problems, f"page {page}: {reason}")

    def finished(self, at: datetime) -> "SyncRun":
        """This run at its end: success, partial where something was not read, failed where nothing was."""
        if self.pages_failed and not self.done | self.inherited:
            return self._closed(Status.FAILED, at)
        return self._closed(Status.PARTIAL if self.problems else Status.SUCCESS, at)

    def failed(self, at: datetime, reason: str, *, requests: int = 0, refused: bool = False) -> "SyncRun":
        """This run, stopped by something that it cannot go on from, after so many requests more."""
        closed = replace(self._closed(Status.FAILED, at), requests=self.requests + requests, refused=refused)
        return closed.with_problems(reason, *self.problems)

    def cancelled(self, at: datetime, reason: str | None = None) -> "SyncRun":
        """This run, which nobody wants any more; `reason` tells why, if that is not plain."""
        closed = self._closed(Status.CANCELLED, at)
        return closed.with_problems(reason, *self.problems) if reason else closed

    def with_problems(self, *problems: str) -> "SyncRun":
        """This run with these problems: the first are kept, the others counted."""
        dropped = self.problems_dropped + max(0, len(problems) - MAX_PROBLEMS)
        return replace(self, problems=problems[:MAX_PROBLEMS], problems_dropped=dropped)

    def _unread_after(self, result: PageResult) -> frozenset[int]:
        read = {facts.tmdb_id for facts in result.movies}.union(result.gone)
        unread = (self.unread - read).union(result.unread)
        if len(unread) > MAX_UNREAD:
            reason = f"More than {MAX_UNREAD:,} movies could not be read"
            raise SourceUnavailable(reason)
        return unread

    def _closed(self, status: Status, at: datetime) -> "SyncRun":
        if not self.running:
            raise RunClosed(self.id)
        return replace(self, status=status, finished_at=at)


def mismatch(filled_from: SourceName | None, source: SourceName) -> FilledFromAnotherSource | None:
    """Why a source must not write to a catalogue; None if it has filled it, or if nobody has."""
    return FilledFromAnotherSource(refused=source) if filled_from not in (None, source) else None


def admit(filled_from: SourceName | None, source: SourceName) -> None:
    """Raises FilledFromAnotherSource if a source must not write to a catalogue."""
    if error := mismatch(filled_from, source):
        raise error


def changed_days(last_good: SyncRun | None, now: datetime) -> tuple[date, date] | None:
    """The first and last day to ask a source for changes since a good run; None if it does not tell so far
    back.

    They begin a little before that run did, because what a failed run refreshed in its stead counts as fresh.
    """
    if last_good is None:
        return None
    first = last_good.started_at - RESUME_WINDOW
    return (first.date(), now.date()) if now.date() - first.date() <= MAX_CHANGES_PERIOD else None
