"""Sync runs: the record of reading a source page by page, and the states of a run.

    in-progress ──> success     every page and every movie was read
                ──> partial     something could not be read; `problems` names it
                ──> failed      nothing could be read, the source refused the credential, the process died, or
                                no worker started it
                ──> cancelled   it was cancelled, or could not be queued

A closed run never changes again. A run that resumes a failed one counts only the pages that were left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict, NotFound, Unavailable
from domain.ids import RunId
from domain.movies import GenreFacts, MovieFacts, Outcome
from domain.pagination import Cursor, time_value

RESUME_WINDOW = timedelta(hours=12)
"""A failed run older than this is not resumed: the lists have changed, so all pages are read again."""

REFRESH_AFTER = timedelta(days=150)
"""Movies that were not synced for this long are refreshed, even if the source lists no change of them."""

MAX_PROBLEMS_SHOWN = 20
"""Problems that the `error` of a run lists; the others are only counted there."""

MAX_UNREAD = 1000
"""Unread movies that a run may leave to the next. They are part of the record, which is written with every
page.
"""

MAX_PROBLEMS = 1000
"""Problems stored in the record of a run, which is written with every page; the others are only counted."""


class Entity(StrEnum):
    """What a run brings up to date."""

    GENRES = "genres"
    MOVIES = "movies"
    CHANGES = "changes"
    DISCOVER = "discover"


class SourceName(StrEnum):
    """The source of a catalogue. A store is filled from one source and remembers it."""

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
    """The movie source could not be reached, or gave no usable answer.

    It is raised after all retries.
    """

    code: ClassVar[str] = "source_unavailable"
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class SourceRefused(Unavailable):
    """The movie source refuses the credential of the service.

    Retries are useless. `reason` names the setting to correct.
    """

    code: ClassVar[str] = "source_refused"
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class NoSource(Unavailable):
    """No credential for TMDB is configured, so movies that the catalogue lacks cannot be had."""

    code: ClassVar[str] = "no_source"

    def __str__(self) -> str:
        return "No credential for TMDB is configured: set TMDB_ACCESS_TOKEN or TMDB_API_KEY"


@dataclass(frozen=True, slots=True)
class MovieGone:
    """The source does not have the movie, or no longer has it."""

    tmdb_id: int


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """The details of a movie could not be read. `reason` is a sentence for the record of the run."""

    tmdb_id: int
    reason: str


Detail = MovieFacts | MovieGone | FetchFailed
"""The result of requesting the details of one movie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenreList:
    """The genres of a source. `unreadable` has a sentence for each row that could not be read."""

    genres: tuple[GenreFacts, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage:
    """A page of a source's list of movies.

    `unreadable` has a sentence for each row that could not be read, `warnings` for each other value. `total`
    is the number of movies in the list; None if the source does not tell.
    """

    total_pages: int
    movies: tuple[MovieFacts, ...]
    total: int | None = None
    unreadable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedIds:
    """The TMDB numbers in a source's file of all movies, the most popular first.

    `skipped` is the number of lines that could not be read; `problems` names the first of them.
    """

    tmdb_ids: Sequence[int]
    skipped: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedIdsPage:
    """A page of the TMDB numbers of movies that changed at a source. `unreadable` is as in SourcePage."""

    total_pages: int
    tmdb_ids: tuple[int, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult:
    """The result of one page of a run, which is stored in one step with the counts of the run.

    `movies` and `genres` have no TMDB number twice. `gone` are stored movies that the source no longer has,
    `unread` stored movies that could not be read. `duplicates` and `skipped` count rows that are not stored.
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

    `done` are the pages that it stored; `inherited` those that the failed run which it resumes had stored,
    and which are not read again. `last_page` is the last page of the source's list; None until it is known.
    `unread` are movies that this run or the previous one should have refreshed and could not; the next run
    refreshes them. `plan` tells which pages there are, if their numbers do not. `problems_dropped` counts the
    problems that are not stored. `refused` is set if the source refused the credential; it is not stored.
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
    plan: str = ""
    refused: bool = field(default=False, compare=False)

    @property
    def running(self) -> bool:
        """Whether the run is in progress."""
        return self.status is Status.IN_PROGRESS

    @property
    def cursor(self) -> Cursor:
        """The position of this run in the list of all, which is sorted by `started_at`."""
        return Cursor(time_value(self.started_at), self.id)

    @property
    def wanted(self) -> bool:
        """Whether a worker that takes its job must run it: it is neither completed nor cancelled."""
        return self.status in (Status.IN_PROGRESS, Status.FAILED)

    @property
    def complete(self) -> bool:
        """Whether every page was read, so that all but the problems is up to date as of `started_at`."""
        return self.status in (Status.SUCCESS, Status.PARTIAL) and not self.pages_failed

    @property
    def fetched(self) -> int:
        """The number of rows read, which is the sum of the counts of rows."""
        return self.inserted + self.updated + self.unchanged + self.skipped + self.duplicates

    @property
    def pages_total(self) -> int:
        """The number of pages that this run has to read; 0 until it is known."""
        return len(self.pages_left) + len(self.done)

    @property
    def pages_done(self) -> int:
        """The number of pages that this run has stored."""
        return len(self.done)

    @property
    def pages_left(self) -> tuple[int, ...]:
        """The pages still to be read, in ascending order."""
        finished = self.done | self.inherited
        return tuple(page for page in range(1, (self.last_page or 0) + 1) if page not in finished)

    @property
    def error(self) -> str | None:
        """The problems as one text; None if there are none."""
        if not self.problems:
            return None
        named = "; ".join(self.problems[:MAX_PROBLEMS_SHOWN])
        more = len(self.problems) - MAX_PROBLEMS_SHOWN + self.problems_dropped
        return f"{named}; and {more} more" if more > 0 else named

    @property
    def failure(self) -> SourceRefused | SourceUnavailable:
        """The error that a failed run raises; SourceRefused if retries are useless."""
        reason = f"The sync of {self.entity} failed: {self.error}"
        return SourceRefused(reason) if self.refused else SourceUnavailable(reason)

    def following(self, before: "SyncRun | None") -> "SyncRun":
        """This new run, resuming the previous one.

        It inherits the pages of a recent failed run. Pages of changes are numbered anew in each run, so a run
        of changes inherits only the unread movies, however the previous run ended.
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
        return replace(self, inherited=inherited, last_page=before.last_page, plan=before.plan)

    def resuming_from(self, before: "SyncRun | None") -> datetime:
        """The time since which movies count as refreshed: the start of this run, or of a recent failed run
        before it.
        """
        if before is None or before.complete or self.source is not before.source:
            return self.started_at
        if self.started_at - before.started_at > RESUME_WINDOW:
            return self.started_at
        return before.started_at

    def with_plan(self, plan: str) -> "SyncRun":
        """This run with another plan."""
        return replace(self, plan=plan)

    def restarted(self) -> "SyncRun":
        """This run with all pages left to be read."""
        return replace(self, inherited=frozenset(), last_page=None)

    def bounded(self, last_page: int) -> "SyncRun":
        """This run with the last page of the list."""
        return replace(self, last_page=last_page)

    def stored(self, result: PageResult, outcomes: Iterable[Outcome]) -> "SyncRun":
        """This run after a page was stored. `outcomes` are those of its rows.

        Raises SourceUnavailable if there are more than MAX_UNREAD unread movies.
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
        """This run closed: as success, partial if there are problems, or failed if no page was stored."""
        if self.pages_failed and not self.done | self.inherited:
            return self._closed(Status.FAILED, at)
        return self._closed(Status.PARTIAL if self.problems else Status.SUCCESS, at)

    def failed(self, at: datetime, reason: str, *, requests: int = 0, refused: bool = False) -> "SyncRun":
        """This run closed as failed. `requests` are those sent since the last page."""
        closed = replace(self._closed(Status.FAILED, at), requests=self.requests + requests, refused=refused)
        return closed.with_problems(reason, *self.problems)

    def cancelled(self, at: datetime, reason: str | None = None) -> "SyncRun":
        """This run closed as cancelled."""
        closed = self._closed(Status.CANCELLED, at)
        return closed.with_problems(reason, *self.problems) if reason else closed

    def with_problems(self, *problems: str) -> "SyncRun":
        """This run with these problems. The first MAX_PROBLEMS are stored, the others counted."""
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
    """The error if a source must not write to a catalogue that another source has filled; else None."""
    return FilledFromAnotherSource(refused=source) if filled_from not in (None, source) else None


def admit(filled_from: SourceName | None, source: SourceName) -> None:
    """Raises FilledFromAnotherSource if a source must not write to a catalogue."""
    if error := mismatch(filled_from, source):
        raise error


def changed_days(last_good: SyncRun | None, now: datetime, window: timedelta) -> tuple[date, date] | None:
    """The first and last day of changes to read after a complete run; None if the period is longer than
    `window`, the longest for which the source lists changes.

    The first day is RESUME_WINDOW before the start of that run, because a failed run before it may have
    refreshed some movies in its place.
    """
    if last_good is None:
        return None
    first = last_good.started_at - RESUME_WINDOW
    return (first.date(), now.date()) if now.date() - first.date() <= window else None
