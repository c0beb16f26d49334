"""Synchronization of the catalogue with a source: one use case for each kind of run.

A page is stored in one step with the counts of its run, alone or with the next pages. So the record is
correct whenever the process is killed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from application.sync_runner import ProgressCallback, RunRecorder, SyncRunner, no_progress
from domain.ids import MAX_TMDB_NUMBER, RunId
from domain.movies import Movie, MovieFacts
from domain.ports import CacheInvalidation, Clock, GenreRepository, MovieRepository, MovieSource
from domain.sync import (
    REFRESH_AFTER,
    Detail,
    Entity,
    FilledFromAnotherSource,
    MovieGone,
    PageResult,
    SourceName,
    SourcePage,
    SourceUnavailable,
    SyncRun,
    admit,
    changed_days,
    mismatch,
)

REFRESH_BATCH = 100
"""Movies in a page of a refresh by TMDB number."""

RECENT_RUNS = 50
"""Latest runs of all kinds among which a recent failed run is looked for."""

MIN_GONE_CHECK = 20
"""If at least this many movies are requested and the source reports most of them gone, it is not trusted."""

MAX_COMPLETED = 5000
"""Movies whose details a sweep completes at most, one request each. The others wait for the next night."""

CLEAR_BATCH = 200
"""Movies whose texts are cleared in one transaction. Other writers run in between."""


@dataclass(slots=True)
class PageBuilder:
    """Collects what was read for one page of movies, until the page is stored."""

    movies: dict[int, MovieFacts]
    stored: Collection[int]
    duplicates: int = 0
    skipped: int = 0
    requested: int = 0
    gone: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.problems += [warning for facts in self.movies.values() for warning in facts.warnings]

    def add(self, detail: Detail) -> None:
        """Add the result of requesting one movie. If that failed, the row of the list is used, if there is
        one.
        """
        self.requested += 1
        match detail:
            case MovieFacts():
                listed = self.movies.get(detail.tmdb_id)
                self.movies[detail.tmdb_id] = detail.completed_by(listed) if listed else detail
                self.problems += detail.warnings
            case MovieGone(number):
                self.movies.pop(number, None)
                if number in self.stored:
                    self.gone.append(number)
                else:
                    self.skip(f"movie {number}: the source no longer knows it")
            case _ if detail.tmdb_id in self.movies:
                self.problems.append(f"movie {detail.tmdb_id}: {detail.reason}")
            case _:
                self.skip(f"movie {detail.tmdb_id}: {detail.reason}")
                self.unread.append(detail.tmdb_id)

    def skip(self, problem: str) -> None:
        """Count a skipped row, and record the reason."""
        self.skipped += 1
        self.problems.append(problem)

    def build(self, page: int, at: datetime, requests: int) -> PageResult:
        """The result to store. Raises SourceUnavailable if the source reports most of the movies gone."""
        if self.requested >= MIN_GONE_CHECK and len(self.gone) * 2 > self.requested:
            reason = (
                f"{len(self.gone)} of {self.requested} movies that we hold are said to be unknown, which is"
                " not believed: check TMDB_BASE_URL"
            )
            raise SourceUnavailable(reason)
        return PageResult(
            page=page,
            at=at,
            movies=tuple(self.movies.values()),
            gone=tuple(self.gone),
            unread=tuple(self.unread),
            duplicates=self.duplicates,
            skipped=self.skipped,
            requests=requests,
            problems=tuple(dict.fromkeys(self.problems)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSource:
    """Check that syncs read from the source that filled the catalogue."""

    movies: MovieRepository
    source: MovieSource

    def __call__(self) -> FilledFromAnotherSource | None:
        """The error that every sync would raise; None if the source is right."""
        return mismatch(self.movies.source(), self.source.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncGenres:
    """Update the genres."""

    runner: SyncRunner
    genres: GenreRepository

    def __call__(
        self, *, on_progress: ProgressCallback = no_progress, queued: RunId | None = None
    ) -> SyncRun:
        """Return the closed run. Raises SyncRunning."""
        with self.runner.run(Entity.GENRES, on_progress, queued) as recorder:
            recorder.set_last_page(1)
            with recorder.attempt(1):
                listed = self.runner.source.genres()
                last_named = {facts.tmdb_id: facts for facts in listed.genres}
                result = PageResult(
                    page=1,
                    at=self.runner.clock(),
                    genres=tuple(last_named.values()),
                    duplicates=len(listed.genres) - len(last_named),
                    skipped=len(listed.unreadable),
                    requests=recorder.new_requests(),
                    problems=listed.unreadable,
                )
                recorder.store_genres(self.genres, result)
        return recorder.run


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncMovies:
    """Update the popular movies: read list pages, then the details of each movie that is new or has
    changed.
    """

    runner: SyncRunner
    movies: MovieRepository

    def __call__(
        self, *, pages: int, on_progress: ProgressCallback = no_progress, queued: RunId | None = None
    ) -> SyncRun:
        """Read up to `pages` pages and return the closed run. Raises SyncRunning."""
        with self.runner.run(Entity.MOVIES, on_progress, queued) as recorder:
            max_pages = self.runner.source.max_pages
            recorder.set_last_page(min(pages, recorder.run.last_page or max_pages, max_pages))
            seen: set[int] = set()
            for page in recorder.run.pages_left:
                if page in recorder.run.pages_left:  # the list may become shorter meanwhile
                    with recorder.attempt(page):
                        self._read(page, recorder, seen)
        return recorder.run

    def _read(self, page: int, recorder: RunRecorder, seen: set[int]) -> None:
        listed = self.runner.source.popular(page)
        recorder.set_last_page(min(recorder.run.last_page or page, max(listed.total_pages, page)))
        store_listed(page, listed, recorder, seen, self.movies)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChanges:
    """Refresh the stored movies that changed at the source since the last complete run, those that were not
    synced for REFRESH_AFTER, those that the previous run could not read, and on request some whose details
    are incomplete.

    If the source does not list changes that far back, or no run was complete, all stored movies are
    refreshed.
    """

    runner: SyncRunner
    movies: MovieRepository

    def __call__(
        self,
        *,
        on_progress: ProgressCallback = no_progress,
        queued: RunId | None = None,
        max_completed: int = 0,
    ) -> SyncRun:
        """Return the closed run. `max_completed` is how many movies are read only because their details are
        incomplete (`MovieRepository.incomplete`). Raises SyncRunning.
        """
        runs = self.runner.runs
        last_good = runs.latest(Entity.CHANGES, completed=True) or runs.latest(Entity.MOVIES, completed=True)
        with self.runner.run(Entity.CHANGES, on_progress, queued) as recorder:
            days = changed_days(last_good, recorder.run.started_at, self.runner.source.changes_window)
            if days:
                pages, seen = self._refresh_changed(days, recorder)
                recorder.store_waiting()  # what is read here must not be listed as incomplete
                incomplete = self.movies.incomplete(self.runner.source.details_version, max_completed)
                self._refresh_stale(
                    recorder.run.started_at - REFRESH_AFTER, recorder, pages, seen, incomplete
                )
            else:
                # Movies that a recent failed run has refreshed are left out, so that a run makes progress
                # even if it is killed again and again.
                self._refresh_stale(recorder.run.resuming_from(self._previous_run(recorder.run)), recorder)
        return recorder.run

    def _previous_run(self, run: SyncRun) -> SyncRun | None:
        """The previous run of this kind, if it is among the latest runs."""
        recent = self.runner.runs.recent(RECENT_RUNS)
        return next((each for each in recent if each.entity is run.entity and each.id != run.id), None)

    def _refresh_changed(self, days: tuple[date, date], recorder: RunRecorder) -> tuple[int, set[int]]:
        """Refresh what changed within some days. Return the number of pages, and the movies that changed."""
        source, queries, seen = self.runner.source, [(*days, 1)], set[int]()
        for number, (first, last, page) in enumerate(queries, 1):
            recorder.set_last_page(len(queries))
            with recorder.attempt(number):
                changed = source.changes(first, last, page)
                if page == 1:
                    queries += _remaining_queries(first, last, changed.total_pages, source.max_pages)
                recorder.set_last_page(len(queries))
                held = self.movies.by_tmdb_ids(changed.tmdb_ids)
                ours = [movie for movie in changed.tmdb_ids if movie in held]
                fresh = [movie for movie in dict.fromkeys(ours) if movie not in seen]
                builder = PageBuilder({}, fresh, duplicates=len(ours) - len(fresh))
                for row in changed.unreadable:
                    builder.skip(f"page {number}: {row}")
                read_details(number, fresh, builder, recorder, self.movies)
                seen.update(ours)
        return len(queries), seen

    def _refresh_stale(
        self,
        since: datetime,
        recorder: RunRecorder,
        pages: int = 0,
        seen: Collection[int] = frozenset(),
        incomplete: Sequence[int] = (),
    ) -> None:
        """Refresh movies that were not synced since then, those that the previous run could not read, and
        the `incomplete`, but not those in `seen`. Their pages are numbered from `pages` + 1.
        """
        owed = sorted(self.movies.by_tmdb_ids(recorder.run.unread))
        stale = self.movies.stale(since, limit=MAX_TMDB_NUMBER)
        numbers = [number for number in dict.fromkeys([*owed, *stale, *incomplete]) if number not in seen]
        chunks = [numbers[at : at + REFRESH_BATCH] for at in range(0, len(numbers), REFRESH_BATCH)]
        recorder.set_last_page(pages + len(chunks))
        if not recorder.run.done:
            # Before any page was read: check that the source is available, accepts the credential, and is
            # TMDB. At a wrong address all movies would seem gone.
            self.runner.source.ping()
        for page, chunk in enumerate(chunks, pages + 1):
            with recorder.attempt(page):
                read_details(page, chunk, PageBuilder({}, chunk), recorder, self.movies)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """The result of a sweep: the run that refreshed movies, None if the source did not match; and the number
    of movies whose texts were cleared.
    """

    run: SyncRun | None
    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCatalogue:
    """Refresh old movies, complete up to MAX_COMPLETED that an earlier version has read, and clear texts and
    pictures that were read more than `text_retention` ago.

    Texts of the demo catalogue are our own and are never cleared.
    """

    sync_changes: SyncChanges
    check_source: CheckSource
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock
    text_retention: timedelta

    def __call__(self) -> SweepResult:
        """Raises SyncRunning, clearing nothing, because the running sync may refresh the texts in time."""
        run = None if self.check_source() else self.sync_changes(max_completed=MAX_COMPLETED)
        cleared = 0 if self.movies.source() is SourceName.DEMO else self._clear(self.clock())
        return SweepResult(run=run, cleared=cleared)

    def _clear(self, now: datetime) -> int:
        cleared = 0
        with self.invalidation.all():
            while step := self.movies.clear_texts(now - self.text_retention, now, CLEAR_BATCH):
                cleared += step
        return cleared


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeCatalogue:
    """Hand over a catalogue that the demo filled to another source.

    Movies keep their facts until they are read from the new source; data of users is not changed.
    """

    movies: MovieRepository
    source: MovieSource
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(self) -> None:
        """Raises SourceRefused or SourceUnavailable, changing nothing, if the new source does not answer, and
        FilledFromAnotherSource if it is the demo.
        """
        filled_from = self.movies.source()
        if filled_from in (None, self.source.name):
            return
        if filled_from is not SourceName.DEMO:
            admit(filled_from, self.source.name)
        self.source.ping()
        with self.invalidation.all():
            self.movies.change_source(self.source.name, self.clock() - REFRESH_AFTER - timedelta(days=1))


def store_listed(
    page: int,
    listed: SourcePage,
    recorder: RunRecorder,
    seen: set[int],
    movies: MovieRepository,
    problems: Sequence[str] = (),
) -> None:
    """Store the movies of a page of a list that are not in `seen`, with the details of those that are new or
    have changed; add them to `seen`.
    """
    fresh = {facts.tmdb_id: facts for facts in listed.movies if facts.tmdb_id not in seen}
    seen.update(fresh)
    held = movies.by_tmdb_ids(fresh)
    builder = PageBuilder(fresh, held, duplicates=len(listed.movies) - len(fresh))
    builder.problems += [*problems, *listed.warnings]
    for row in listed.unreadable:
        builder.skip(f"page {page}: {row}")
    incomplete = [number for number, facts in fresh.items() if _needs_details(held.get(number), facts)]
    read_details(page, incomplete, builder, recorder, movies)


def read_details(
    page: int,
    numbers: Sequence[int],
    builder: PageBuilder,
    recorder: RunRecorder,
    movies: MovieRepository,
) -> None:
    """Add the details of these movies to a page, and store it."""
    for detail in recorder.source.details(numbers):
        builder.add(detail)
    recorder.store_page(movies, builder.build(page, recorder.clock(), recorder.new_requests()))


def _remaining_queries(first: date, last: date, pages: int, max_pages: int) -> list[tuple[date, date, int]]:
    """The queries that follow the first page of changes. A period with too many pages is split in halves."""
    if pages <= max_pages or last - first <= timedelta(days=1):
        return [(first, last, page) for page in range(2, min(pages, max_pages) + 1)]
    middle = first + (last - first) / 2
    return [(first, middle, 1), (middle, last, 1)]


def _needs_details(held: Movie | None, listed: MovieFacts) -> bool:
    """Whether the details of a movie must be read."""
    return not listed.detailed and (held is None or held.needs_details(listed))
