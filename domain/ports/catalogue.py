"""Ports for the catalogue: stored movies and genres, the source of movies, and the records of syncs."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from domain.browsing import MovieFilter, MoviePage, Sorting
from domain.ids import GenreId, MovieId, MovieRef, RunId
from domain.movies import Genre, Movie
from domain.pagination import Cursor, Window
from domain.search import Candidate, TermQuery
from domain.sync import ChangedIdsPage, Detail, Entity, GenreList, PageResult, SourceName, SourcePage, SyncRun


class MovieRepository(Protocol):
    """The movies that we hold."""

    def get(self, ref: MovieRef) -> Movie:
        """The movie of that id, TMDB number or IMDb id, listed or not.

        If several movies claim one IMDb id, the one with the lowest TMDB number. Raises MovieNotFound.
        """
        ...

    def by_ids(self, ids: Sequence[MovieId]) -> list[Movie]:
        """The movies of these ids, in the order of the ids; ids that we do not hold are left out."""
        ...

    def by_tmdb_ids(self, tmdb_ids: Collection[int]) -> dict[int, Movie]:
        """The stored movies with these TMDB numbers, by number; numbers without a movie are left out."""
        ...

    def page(self, wanted: MovieFilter, sorting: Sorting, window: Window) -> MoviePage:
        """A part of the listed movies that the filter admits, in the total order of `domain.browsing`.

        Its cost does not grow with the depth of a cursor, and no call reads the whole of the store.
        """
        ...

    def count(self, wanted: MovieFilter) -> int:
        """How many listed movies the filter admits."""
        ...

    def find(self, query: TermQuery, limit: int) -> list[Candidate]:
        """The listed movies that carry at least one term of each clause of the probe, most popular first.

        At most `limit` of them; unknown popularity last, ties by TMDB number. A candidate's titles are the
        title and the original title.
        """
        ...

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        """Store what a page of a sync brought and the run's new counts, all or nothing; return the run as
        stored.

        A movie that is not stored is inserted, any other is updated (`Movie.updated_from`); users' tallies
        never change. A movie that the source has removed is marked (`Movie.marked_removed`) while a user has
        rated or listed it, and deleted otherwise; it counts as updated, or for nothing if it is not stored.
        The first page with any movie makes the run's source that of the catalogue.

        Raises, storing nothing, RunClosed if the run is no longer in progress in the store, and
        FilledFromAnotherSource if its source is not that of the catalogue.
        """
        ...

    def source(self) -> SourceName | None:
        """The source that has filled the catalogue; None if it is empty."""
        ...

    def change_source(self, to: SourceName, at: datetime) -> None:
        """Make another source that of the catalogue, all or nothing. No movie counts as synced since `at`, so
        that all are read anew; facts and users' data stay. Pages of the earlier source are refused from then
        on.
        """
        ...

    def stale(self, before: datetime, limit: int) -> list[int]:
        """TMDB numbers of movies that no source has spoken of since `before`, longest silent first."""
        ...

    def clear_texts(self, before: datetime, at: datetime, limit: int) -> int:
        """Remove the texts and pictures (`Movie.without_texts`) of up to `limit` movies that were not synced
        since `before` and have any, all or nothing. Return how many movies that were.
        """
        ...

    def generation(self) -> int:
        """A number that grows with every sync page, or clearing, that changed what lists show."""
        ...


class GenreRepository(Protocol):
    """The genres that we hold."""

    def all(self) -> list[Genre]:
        """Every genre, by name, then id."""
        ...

    def get(self, genre: GenreId) -> Genre:
        """The genre of that id. Raises GenreNotFound."""
        ...

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        """Store a source's genres and the run's new counts, all or nothing; return the run as stored.

        What changes is what `domain.movies.merged_genres` says; none is ever deleted, two may exchange names.
        The source of the catalogue is decided, and errors are raised, as by `MovieRepository.store`.
        """
        ...


class SyncRunRepository(Protocol):
    """The records of sync runs."""

    def add(self, run: SyncRun) -> None:
        """Record a run that has begun. Raises SyncRunning if one of its kind is in progress in the store, and
        FilledFromAnotherSource if its source is not that of the catalogue.
        """
        ...

    def save(self, run: SyncRun) -> None:
        """Replace the record of a run that is in progress in the store, as its last word if it is closed now.

        Raises RunClosed if the stored run is closed already or unknown, and FilledFromAnotherSource if it is
        to go on and its source is not that of the catalogue.
        """
        ...

    def cancel(self, run: RunId, at: datetime) -> SyncRun:
        """Close a run as cancelled, with what it has done up to this very moment; return it.

        Raises RunNotFound, and RunClosed if it is closed already.
        """
        ...

    def get(self, run: RunId) -> SyncRun:
        """The run of that id. Raises RunNotFound."""
        ...

    def latest(self, entity: Entity, *, completed: bool = False) -> SyncRun | None:
        """The run of a kind that began last; with `completed`, the last that is complete
        (`SyncRun.complete`).
        """
        ...

    def recent(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[SyncRun]:
        """Runs of all kinds, the one that began last first; ties by id, the largest first.

        They follow `after` (`SyncRun.cursor`) if it is given, else the first `skip`. The cost does not grow
        with the depth of a cursor.
        """
        ...

    def count(self) -> int:
        """How many runs of all kinds there are."""
        ...


class MovieSource(Protocol):
    """Where movies come from: TMDB, or the bundled demo catalogue.

    Every method raises SourceRefused if the credential is not accepted. `genres`, `popular` and `changes`
    raise SourceUnavailable if no usable answer came after all retries.
    """

    @property
    def name(self) -> SourceName:
        """What a store remembers it by."""
        ...

    @property
    def max_pages(self) -> int:
        """The number of pages of a list that can be read, however many `total_pages` says there are."""
        ...

    @property
    def changes_window(self) -> timedelta:
        """The longest period for which `changes` lists movies."""
        ...

    def genres(self) -> GenreList:
        """All genres of movies, one at least."""
        ...

    def popular(self, page: int) -> SourcePage:
        """A page of the popular movies, pages counted from 1. The first one is never empty."""
        ...

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        """What the source says of each of these movies, in any order; one answer for each number."""
        ...

    def changes(self, first: date, last: date, page: int) -> ChangedIdsPage:
        """A page of the numbers of movies that changed from the first to the last of these days, pages from
        1.
        """
        ...

    def ping(self) -> datetime | None:
        """Come back if the source answers and accepts us, with the time that it tells, if it tells one.

        At most one cheap request, never sent twice, and no word for two seconds is a no. Raises
        SourceUnavailable.
        """
        ...

    def requests(self) -> int:
        """How many requests have been sent since this source was made, retries included."""
        ...

    def close(self) -> None:
        """Close all connections, and stop callers that wait for them."""
        ...
