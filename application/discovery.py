"""Fills the catalogue with all movies of a source that match a filter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from application.sync import REFRESH_BATCH, PageBuilder, read_details, store_listed
from application.sync_runner import ProgressCallback, RunRecorder, SyncRunner, no_progress
from domain.discovery import (
    DiscoverFilter,
    Discovery,
    GenreNumbers,
    ListPart,
    ListPlan,
    Period,
    genre_numbers,
)
from domain.ids import RunId
from domain.ports import MovieRepository
from domain.sync import Entity, PageResult, SyncRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncDiscover:
    """Read all lists that a filter needs, and the details of each movie that is new or has changed; or, with
    a least popularity, the movies in the source's file of ids that the catalogue lacks.
    """

    runner: SyncRunner
    movies: MovieRepository

    def __call__(
        self,
        *,
        wanted: DiscoverFilter,
        on_progress: ProgressCallback = no_progress,
        queued: RunId | None = None,
    ) -> SyncRun:
        """Return the closed run. A recent failed run with the same filter is resumed.

        Raises SyncRunning, and before the run begins InvalidFields for unknown genres.
        """
        source = self.runner.source
        genres = GenreNumbers()
        if wanted.genre:
            genres = genre_numbers(wanted.genre, lambda: source.genres().genres)
        with self.runner.run(Entity.DISCOVER, on_progress, queued) as recorder:
            if wanted.exported_min_popularity is not None:
                recorder.begin_plan(str(ListPlan(str(wanted))))
                self._read_exported(wanted.exported_min_popularity, recorder)
            else:
                self._read_lists(wanted, genres, recorder)
        return recorder.run

    def _read_lists(self, wanted: DiscoverFilter, genres: GenreNumbers, recorder: RunRecorder) -> None:
        plan = ListPlan.parse(recorder.run.plan)
        if plan.scope != str(wanted) or not plan.parts:
            plan = ListPlan(str(wanted), (ListPart(wanted.period, 1, 1),))
            recorder.begin_plan(str(plan))
        reading = _ListReading(wanted, genres, plan, recorder, self.movies)
        reading.read()

    def _read_exported(self, min_popularity: float, recorder: RunRecorder) -> None:
        """Read the file as page 1, and the movies that are missing in the pages after it."""
        recorder.set_last_page(1)
        exported = recorder.source.exported(min_popularity, recorder.run.started_at.date())
        missing = list(self._missing(exported.tmdb_ids))
        chunks = [missing[at : at + REFRESH_BATCH] for at in range(0, len(missing), REFRESH_BATCH)]
        recorder.set_last_page(1 + len(chunks))
        recorder.store_page(
            self.movies,
            PageResult(
                page=1,
                at=recorder.clock(),
                skipped=exported.skipped,
                requests=recorder.new_requests(),
                problems=exported.problems,
            ),
        )
        for page, chunk in enumerate(chunks, 2):
            with recorder.attempt(page):
                read_details(page, chunk, PageBuilder({}, ()), recorder, self.movies)

    def _missing(self, numbers: Sequence[int]) -> Iterator[int]:
        """The movies that the catalogue lacks, each once."""
        ordered = iter(dict.fromkeys(numbers))
        while batch := list(islice(ordered, REFRESH_BATCH)):
            held = self.movies.by_tmdb_ids(batch)
            yield from (number for number in batch if number not in held)


@dataclass(slots=True)
class _ListReading:
    """Reads the pages of a plan, and extends it by what their lists turn out to contain."""

    wanted: DiscoverFilter
    genres: GenreNumbers
    plan: ListPlan
    recorder: RunRecorder
    movies: MovieRepository

    def read(self) -> None:
        """Read all pages that are left."""
        finished = self.recorder.run.done | self.recorder.run.inherited
        seen: set[int] = set()
        self._bound()
        for number, period, page in self._pages():
            if number not in finished:
                with self.recorder.attempt(number):
                    self._read(number, period, page, seen)

    def _pages(self) -> Iterator[tuple[int, Period, int]]:
        """The pages of the plan, also those that are added meanwhile."""
        read = 0
        while read < self._last_page:
            for number, period, page in islice(self.plan.numbered(), read, self._last_page):
                yield number, period, page
                read = number

    def _read(self, number: int, period: Period, page: int, seen: set[int]) -> None:
        source = self.recorder.source
        listed = source.discover(
            Discovery(
                period=period,
                genres=self.genres,
                language=self.wanted.language,
                min_votes=self.wanted.min_votes,
            ),
            page,
        )
        problems = self._extend(period, listed.total_pages, source.max_pages)
        store_listed(number, listed, self.recorder, seen, self.movies, problems)

    def _extend(self, period: Period, pages: int, max_pages: int) -> list[str]:
        """Add what is left of a list to the plan, or the parts of its period if it is too long to be read."""
        known = self.plan.known_pages(period)
        if pages > max_pages and known == 1 and (self.wanted.pages or pages) > max_pages:
            parts = period.divided(self.recorder.run.started_at.date())
            if parts:
                self._set_plan(self.plan.extended(*(ListPart(part, 1, 1) for part in parts)))
                return []
        readable = min(pages, max_pages)
        if readable > known:
            self._set_plan(self.plan.extended(ListPart(period, known + 1, readable)))
        if pages > max_pages and known == 1 and not self.wanted.pages:
            return [
                f"{period}: of {pages} pages only {max_pages} can be read, and the period is not divisible"
            ]
        return []

    def _set_plan(self, plan: ListPlan) -> None:
        self.plan = plan
        self.recorder.set_plan(str(plan))
        self._bound()

    def _bound(self) -> None:
        self.recorder.set_last_page(self._last_page)

    @property
    def _last_page(self) -> int:
        return min(self.plan.pages, self.wanted.pages or self.plan.pages)
