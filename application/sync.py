"""Keeping the catalogue in step with a source: one use case for each kind of run.

A page and the counts that tell of it are stored in one step, so a process killed at any moment leaves a
record that is true.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from application.sync_runner import ProgressCallback, RunRecorder, SyncRunner, no_progress
from domain.ids import MAX_TMDB_NUMBER, RunId
from domain.movies import Movie, MovieFacts
from domain.ports import CacheInvalidation, Clock, GenreRepository, MovieRepository, MovieSource
from domain.sync import (
    MAX_PAGES,
    REFRESH_AFTER,
    TEXT_RETENTION,
    Detail,
    Entity,
    FilledFromAnotherSource,
    MovieGone,
    PageResult,
    SourceName,
    SourceUnavailable,
    SyncRun,
    admit,
    changed_days,
    mismatch,
)

REFRESH_BATCH = 100
"""Movies a page when they are refreshed by number."""

RECENT_RUNS = 50
"""Runs of all kinds among which one that failed of late is to be found."""

MIN_GONE_CHECK = 20
"""Of so many movies that are asked for together, or more, a source has not dropped more than half."""

CLEAR_BATCH = 200
"""Movies a step when texts are cleared: other writers get in between."""


@dataclass(slots=True)
class PageBuilder:
    """What has been read for one page of movies, before it is stored."""

    movies: dict[int, MovieFacts]
    held: Collection[int]
    duplicates: int = 0
    skipped: int = 0
    asked: int = 0
    gone: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.problems += [warning for facts in self.movies.values() for warning in facts.warnings]

    def add(self, detail: Detail) -> None:
        """Add what came of asking for one movie; what a list said of it stands where no more could be had."""
        self.asked += 1
        match detail:
            case MovieFacts():
                listed = self.movies.get(detail.tmdb_id)
                self.movies[detail.tmdb_id] = detail.completed_by(listed) if listed else detail
                self.problems += detail.warnings
            case MovieGone(number):
                self.movies.pop(number, None)
                if number in self.held:
                    self.gone.append(number)
                else:
                    self.skip(f"movie {number}: the source no longer knows it")
            case _ if detail.tmdb_id in self.movies:
                self.problems.append(f"movie {detail.tmdb_id}: {detail.reason}")
            case _:
                self.skip(f"movie {detail.tmdb_id}: {detail.reason}")
                self.unread.append(detail.tmdb_id)

    def skip(self, problem: str) -> None:
        """Leave a row aside, naming why."""
        self.skipped += 1
        self.problems.append(problem)

    def build(self, page: int, at: datetime, requests: int) -> PageResult:
        """All of it, ready for the store. Raises SourceUnavailable if the source cannot be believed."""
        if self.asked >= MIN_GONE_CHECK and len(self.gone) * 2 > self.asked:
            reason = (
                f"{len(self.gone)} of {self.asked} movies that we hold are said to be unknown, which is not"
                " believed: check TMDB_BASE_URL"
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
    """See whether syncs read from the source that filled the catalogue."""

    movies: MovieRepository
    source: MovieSource

    def __call__(self) -> FilledFromAnotherSource | None:
        """What every sync would be refused with, if it would be."""
        return mismatch(self.movies.source(), self.source.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncGenres:
    """Bring the genres up to date."""

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
                recorder.store(self.genres, result)
        return recorder.run


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncMovies:
    """Bring the popular movies up to date: list pages, then the own page of each movie that is new or has
    news.
    """

    runner: SyncRunner
    movies: MovieRepository

    def __call__(
        self, *, pages: int, on_progress: ProgressCallback = no_progress, queued: RunId | None = None
    ) -> SyncRun:
        """Read up to so many pages; return the closed run. Raises SyncRunning."""
        with self.runner.run(Entity.MOVIES, on_progress, queued) as recorder:
            recorder.set_last_page(min(pages, recorder.run.last_page or MAX_PAGES, MAX_PAGES))
            seen: set[int] = set()
            for page in recorder.run.pages_left:
                if page in recorder.run.pages_left:  # the list may prove shorter while it is read
                    with recorder.attempt(page):
                        self._read(page, recorder, seen)
        return recorder.run

    def _read(self, page: int, recorder: RunRecorder, seen: set[int]) -> None:
        listed = self.runner.source.popular(page)
        recorder.set_last_page(min(recorder.run.last_page or page, max(listed.total_pages, page)))
        fresh = {facts.tmdb_id: facts for facts in listed.movies if facts.tmdb_id not in seen}
        seen.update(fresh)
        held = self.movies.held(fresh)
        builder = PageBuilder(fresh, held, duplicates=len(listed.movies) - len(fresh))
        builder.problems += listed.warnings
        for row in listed.unreadable:
            builder.skip(f"page {page}: {row}")
        for detail in self.runner.source.details(
            [n for n, facts in fresh.items() if _needs_details(held.get(n), facts)]
        ):
            builder.add(detail)
        result = builder.build(page, self.runner.clock(), recorder.new_requests())
        recorder.store(self.movies, result)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChanges:
    """Read anew those of our movies that changed at the source since the last complete run, those of which it
    has not spoken for months, and those that the last run could not read.

    If that run is longer ago than the source can tell, or never was, all that we hold is read anew.
    """

    runner: SyncRunner
    movies: MovieRepository

    def __call__(
        self, *, on_progress: ProgressCallback = no_progress, queued: RunId | None = None
    ) -> SyncRun:
        """Return the closed run. Raises SyncRunning."""
        runs = self.runner.runs
        last_good = runs.latest(Entity.CHANGES, completed=True) or runs.latest(Entity.MOVIES, completed=True)
        with self.runner.run(Entity.CHANGES, on_progress, queued) as recorder:
            days = changed_days(last_good, recorder.run.started_at)
            if days:
                pages, seen = self._refresh_changed(days, recorder)
                self._refresh_stale(recorder.run.started_at - REFRESH_AFTER, recorder, pages, seen)
            else:
                # What a failed run of late has refreshed is left out, so that being killed again and again
                # still gets on.
                self._refresh_stale(recorder.run.resuming_from(self._previous_run(recorder.run)), recorder)
        return recorder.run

    def _previous_run(self, run: SyncRun) -> SyncRun | None:
        """The run of this kind that began before; it counts only if it is recent."""
        recent = self.runner.runs.recent(RECENT_RUNS)
        return next((each for each in recent if each.entity is run.entity and each.id != run.id), None)

    def _refresh_changed(self, days: tuple[date, date], recorder: RunRecorder) -> tuple[int, set[int]]:
        """Read what changed within some days; return how many pages that took, and which of our movies."""
        asked, seen = [(*days, 1)], set[int]()
        for number, (first, last, page) in enumerate(asked, 1):
            recorder.set_last_page(len(asked))
            with recorder.attempt(number):
                changed = self.runner.source.changes(first, last, page)
                if page == 1:
                    asked += _remaining_queries(first, last, changed.total_pages)
                recorder.set_last_page(len(asked))
                held = self.movies.held(changed.tmdb_ids)
                ours = [movie for movie in changed.tmdb_ids if movie in held]
                fresh = [movie for movie in dict.fromkeys(ours) if movie not in seen]
                builder = PageBuilder({}, fresh, duplicates=len(ours) - len(fresh))
                for row in changed.unreadable:
                    builder.skip(f"page {number}: {row}")
                self._refresh(number, fresh, builder, recorder)
                seen.update(ours)
        return len(asked), seen

    def _refresh_stale(
        self, since: datetime, recorder: RunRecorder, pages: int = 0, seen: Collection[int] = frozenset()
    ) -> None:
        """Read what the source has not spoken of since then, and what the run before could not read, as pages
        behind those that were read; but for movies that were asked for in these.
        """
        owed = sorted(self.movies.held(recorder.run.unread))
        stale = self.movies.stale(since, limit=MAX_TMDB_NUMBER)
        numbers = [number for number in dict.fromkeys([*owed, *stale]) if number not in seen]
        chunks = [numbers[at : at + REFRESH_BATCH] for at in range(0, len(numbers), REFRESH_BATCH)]
        recorder.set_last_page(pages + len(chunks))
        if not recorder.run.done:
            # Nothing that the source has said shows yet that it is there, takes our credential, and is TMDB:
            # a wrong address knows none of our movies.
            self.runner.source.ping()
        for page, chunk in enumerate(chunks, pages + 1):
            with recorder.attempt(page):
                self._refresh(page, chunk, PageBuilder({}, chunk), recorder)

    def _refresh(
        self, page: int, numbers: Sequence[int], builder: PageBuilder, recorder: RunRecorder
    ) -> None:
        for detail in self.runner.source.details(numbers):
            builder.add(detail)
        result = builder.build(page, self.runner.clock(), recorder.new_requests())
        recorder.store(self.movies, result)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """What a sweep came to: the run that refreshed what it could, None if there was no source for it; and how
    many movies lost their texts.
    """

    run: SyncRun | None
    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCatalogue:
    """Keep no text of TMDB's longer than its terms allow: refresh what is old, clear what could not be.

    Texts of the demo catalogue are our own, and are kept.
    """

    sync_changes: SyncChanges
    check_source: CheckSource
    movies: MovieRepository
    invalidation: CacheInvalidation
    clock: Clock

    def __call__(self) -> SweepResult:
        """Raises SyncRunning, and then nothing is cleared: what is being refreshed may be in time."""
        run = None if self.check_source() else self.sync_changes()
        cleared = 0 if self.movies.source() is SourceName.DEMO else self._clear(self.clock())
        return SweepResult(run=run, cleared=cleared)

    def _clear(self, now: datetime) -> int:
        cleared = 0
        with self.invalidation.all():
            while step := self.movies.clear_texts(now - TEXT_RETENTION, now, CLEAR_BATCH):
                cleared += step
        return cleared


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeCatalogue:
    """Hand a catalogue that the demo filled over to another source.

    Movies keep their facts until the new source is read, and users everything.
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
            self.movies.hand_over(self.source.name, self.clock() - REFRESH_AFTER - timedelta(days=1))


def _remaining_queries(first: date, last: date, pages: int) -> list[tuple[date, date, int]]:
    """What is left to ask after the first page of some days' changes; too many are asked for in halves."""
    if pages <= MAX_PAGES or last - first <= timedelta(days=1):
        return [(first, last, page) for page in range(2, min(pages, MAX_PAGES) + 1)]
    middle = first + (last - first) / 2
    return [(first, middle, 1), (middle, last, 1)]


def _needs_details(held: Movie | None, listed: MovieFacts) -> bool:
    """Whether a movie's own page is to be read."""
    return not listed.detailed and (held is None or held.needs_details(listed))
