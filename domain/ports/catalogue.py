"""Ports for the catalogue: stored movies and genres, the source of movies, and the records of syncs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from domain.browsing import MovieFilter, MoviePage, Sorting
    from domain.discovery import Discovery
    from domain.ids import GenreId, ImdbId, MovieId, MovieRef, RunId
    from domain.languages import Language, Translation
    from domain.movies import Genre, Movie, MovieFacts, Outcome
    from domain.pagination import Cursor, Window
    from domain.pictures import Picture
    from domain.search import Candidate, TermQuery
    from domain.sync import (
        ChangedIdsPage,
        Detail,
        Entity,
        ExportedIds,
        GenreList,
        PageResult,
        SourceName,
        SourcePage,
        SyncRun,
    )


class MovieRepository(Protocol):
    """The stored movies."""

    def get(self, ref: MovieRef) -> Movie:
        """The movie with that id, TMDB number or IMDb id, visible or not, with all its facts.

        All other methods leave out the large facts (`domain.movies.LARGE_FACTS`).

        If several movies have the same IMDb id, the one with the lowest TMDB number. Raises MovieNotFound.
        """
        ...

    def by_ids(self, ids: Sequence[MovieId]) -> list[Movie]:
        """The movies with these ids, in the order of the ids. Unknown ids are left out."""
        ...

    def by_imdb_ids(self, imdb_ids: Collection[str]) -> dict[str, Movie]:
        """The stored movies with these IMDb ids; of several with the same one, that with the lowest TMDB
        number.
        """
        ...

    def by_tmdb_ids(self, tmdb_ids: Collection[int]) -> dict[int, Movie]:
        """The stored movies with these TMDB numbers, by number; numbers without a movie are left out."""
        ...

    def translations(self, movies: Collection[MovieId], language: Language) -> dict[MovieId, Translation]:
        """The titles and overviews of these movies in a language, by movie, where the source had any.

        Its cost does not grow with the number of languages in which texts are stored.
        """
        ...

    def page(self, wanted: MovieFilter, sorting: Sorting, window: Window) -> MoviePage:
        """A part of the visible movies that the filter admits, in the total order of `domain.browsing`.

        Its cost does not grow with the depth of a cursor, and no call reads all movies.
        """
        ...

    def count(self, wanted: MovieFilter) -> int:
        """The number of visible movies that the filter admits."""
        ...

    def find(self, query: TermQuery, limit: int, wanted: MovieFilter = ...) -> list[Candidate]:
        """The visible movies that the filter admits and that have at least one term of each clause of the
        query, most popular first.

        At most `limit` movies; those of unknown popularity last, ties by TMDB number. The titles of a
        candidate are the title and the original title.
        """
        ...

    def find_people(self, query: TermQuery, limit: int, wanted: MovieFilter = ...) -> list[Candidate]:
        """Like `find`; the candidates have `people`, the keys of the names of their directors and cast
        (`domain.people.name_keys`).
        """
        ...

    def count_with_term(self, term: str, limit: int) -> int:
        """The number of visible movies that have a term. At most `limit` are counted."""
        ...

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        """Store the movies of a page of a sync and the run's new counts, all or nothing; return the run as
        stored.

        A movie that is not stored is inserted, any other is updated (`Movie.updated_from`); users' tallies
        never change. A movie that the source has removed is marked (`Movie.marked_removed`) if a user has
        rated it or has it on a watchlist, and deleted otherwise. It counts as updated if it is stored.
        The first page with any movie makes the run's source that of the catalogue.

        Raises, storing nothing, RunClosed if the run is no longer in progress in the store, and
        FilledFromAnotherSource if its source is not that of the catalogue.
        """
        ...

    def store_together(self, results: Sequence[PageResult], run: SyncRun) -> SyncRun:
        """Store several pages of a sync in their order as by `store`, all of them or nothing."""
        ...

    def add(self, movies: Sequence[MovieFacts], source: SourceName, at: datetime) -> list[Outcome]:
        """Store movies outside of any run, all or nothing; return what became of each, in order.

        They are inserted or updated as by `store`. No two have the same TMDB number. `source` becomes that of
        an empty catalogue. Raises FilledFromAnotherSource, storing nothing, if it is not that of the
        catalogue.
        """
        ...

    def source(self) -> SourceName | None:
        """The source that has filled the catalogue; None if it is empty."""
        ...

    def change_source(self, to: SourceName, at: datetime) -> None:
        """Make another source that of the catalogue, all or nothing. The movies count as synced at `at` or
        earlier, so that all are refreshed; facts and users' data stay. Afterwards pages from the earlier
        source are refused.
        """
        ...

    def stale(self, before: datetime, limit: int) -> list[int]:
        """TMDB numbers of movies that were not synced since `before`, the longest ago first."""
        ...

    def incomplete(self, version: str, limit: int) -> list[int]:
        """TMDB numbers of movies whose details were not read, or consisted of something other than `version`
        says (`MovieSource.details_version`), the most popular first; ties by TMDB number.
        """
        ...

    def recommended(self, limit: int, after: int = 0) -> list[tuple[int, tuple[int, ...]]]:
        """The TMDB numbers of movies that have recommendations of the source, and those recommendations
        (`MovieFacts.recommended`).

        They are up to `limit` movies with a TMDB number above `after`, in ascending order, visible or not.
        """
        ...

    def clear_texts(self, before: datetime, at: datetime, limit: int) -> int:
        """Remove the texts and pictures (`Movie.without_texts`) of up to `limit` movies that were not synced
        since `before` and have any, all or nothing. Return how many movies that were.
        """
        ...

    def generation(self) -> int:
        """A number that grows with every page of a sync, and every removal of texts, that changes lists."""
        ...


class GenreRepository(Protocol):
    """The stored genres."""

    def all(self) -> list[Genre]:
        """All genres, sorted by name, then by id."""
        ...

    def get(self, genre: GenreId) -> Genre:
        """The genre with that id. Raises GenreNotFound."""
        ...

    def store(self, result: PageResult, run: SyncRun) -> SyncRun:
        """Store a source's genres and the run's new counts, all or nothing; return the run as stored.

        The genres are those that `domain.movies.merged_genres` returns: none is ever deleted, and two may
        exchange their names. For the source of the catalogue and for errors, see `MovieRepository.store`.
        """
        ...


class PictureSource(Protocol):
    """Where the pictures of movies come from."""

    def get(self, size: str, name: str) -> Picture | None:
        """The picture of that name in that size. Both are segments of a path.

        None if there is no such picture, if it cannot be fetched, and for what is not a picture.
        """
        ...


class SyncRunRepository(Protocol):
    """The records of sync runs."""

    def add(self, run: SyncRun) -> None:
        """Store the record of a new run. Raises SyncRunning if a run of its kind is in progress in the store,
        and FilledFromAnotherSource if its source is not that of the catalogue.
        """
        ...

    def save(self, run: SyncRun) -> None:
        """Replace the record of a run that is in progress in the store. If the new record is closed, it never
        changes again.

        Raises RunClosed if the stored run is closed already or unknown, and FilledFromAnotherSource if the
        new record is in progress and its source is not that of the catalogue.
        """
        ...

    def cancel(self, run: RunId, at: datetime) -> SyncRun:
        """Close a run as cancelled, with the counts that are stored; return it.

        Raises RunNotFound, and RunClosed if it is closed already.
        """
        ...

    def get(self, run: RunId) -> SyncRun:
        """The run with that id. Raises RunNotFound."""
        ...

    def latest(self, entity: Entity, *, completed: bool = False) -> SyncRun | None:
        """The run of a kind that began last; with `completed`, the last one that is complete
        (`SyncRun.complete`).
        """
        ...

    def recent(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[SyncRun]:
        """Up to `limit` runs of all kinds, the one that began last first; ties by id, the largest first.

        They are the runs after the cursor `after` (`SyncRun.cursor`) if it is given, else those after the
        first `skip`. The cost does not grow with the depth of a cursor.
        """
        ...

    def count(self) -> int:
        """The number of runs of all kinds."""
        ...


class MovieSource(Protocol):
    """A source of movies: TMDB, or the bundled demo catalogue.

    Every method raises SourceRefused if the credential is not accepted. All that return a response of the
    source, but `details`, raise SourceUnavailable if there is no usable one after all retries.
    """

    @property
    def name(self) -> SourceName:
        """The name by which stores remember the source."""
        ...

    @property
    def max_pages(self) -> int:
        """The number of pages of a list that can be read, however many `total_pages` says there are."""
        ...

    @property
    def details_version(self) -> str:
        """What the details of a movie consist of, as a short text. It changes when more is read, so that
        movies from before can be found and completed. All details have it as their `details_version`.
        """
        ...

    @property
    def changes_window(self) -> timedelta:
        """The longest period for which `changes` lists movies."""
        ...

    def genres(self) -> GenreList:
        """All genres of movies, at least one."""
        ...

    def popular(self, page: int) -> SourcePage:
        """A page of the popular movies. Pages are counted from 1, and the first is never empty."""
        ...

    def search(self, text: str, *, year: int | None = None, page: int = 1) -> SourcePage:
        """A page of the movies whose titles match a text, best match first, of `year` only if it is given.

        Pages are counted from 1. If nothing matches, the first is empty and there are no pages.
        """
        ...

    def find(self, imdb_id: ImdbId) -> MovieFacts | None:
        """The movie with that IMDb id, as a list gives it; None if the source knows no such movie."""
        ...

    def discover(self, wanted: Discovery, page: int) -> SourcePage:
        """A page of a list of movies. Pages are counted from 1.

        `total_pages` may exceed `max_pages`. If nothing matches, the first page is empty and there are none.
        """
        ...

    def exported(self, min_popularity: float, day: date) -> ExportedIds:
        """The movies of at least that popularity in the source's file of all movies, which is made daily:
        that of `day`, or of the day before if there is none yet. Adult movies and videos are left out.
        """
        ...

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        """The details of each of these movies, or why they could not be read: one result for each number, in
        any order.
        """
        ...

    def changes(self, first: date, last: date, page: int) -> ChangedIdsPage:
        """A page of the TMDB numbers of movies that changed from the first to the last of these days. Pages
        are counted from 1.
        """
        ...

    def ping(self) -> datetime | None:
        """Return if the source responds and accepts the credential, with the time of its clock, if it sends
        it.

        This sends at most one request, without retries, and waits two seconds at most. Raises
        SourceUnavailable.
        """
        ...

    def requests(self) -> int:
        """The number of requests sent since this object was created, retries included."""
        ...

    def close(self) -> None:
        """Close all connections, and stop callers that wait for them."""
        ...
