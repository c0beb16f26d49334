"""What the core asks of the outside. The docstring of a method is its contract; every sentence is tested on
every adapter.

All methods are synchronous and may be called from any thread. Storage that is away, silent for two seconds or
refuses to work raises StorageUnavailable from every method of a repository, and nothing is half-written.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from domain.browsing import MovieFilter, MoviePage, Sorting, Window
from domain.ids import GenreId, MovieId, MovieRef, RunId
from domain.movies import Genre, GenreFacts, Movie
from domain.search import Candidate, Probe
from domain.sync import ChangedPage, Detail, Entity, Harvest, ListedPage, SyncRun

Clock = Callable[[], datetime]
"""Tells the time: aware, UTC, whole milliseconds (all that every store keeps)."""


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

    def held(self, tmdb_ids: Collection[int]) -> dict[int, Movie]:
        """Those of the movies with these TMDB numbers that we hold, by number."""
        ...

    def page(self, wanted: MovieFilter, sorting: Sorting, window: Window) -> MoviePage:
        """A part of the listed movies that the filter admits, in the total order of `domain.browsing`.

        Its cost does not grow with the depth of a cursor, and no call reads the whole of the store.
        """
        ...

    def count(self, wanted: MovieFilter) -> int:
        """How many listed movies the filter admits."""
        ...

    def find(self, probe: Probe, limit: int) -> list[Candidate]:
        """The listed movies that carry at least one term of each clause of the probe, most popular first.

        At most `limit` of them; unknown popularity last, ties by TMDB number. A candidate's titles are the
        title and the original title.
        """
        ...

    def store(self, harvest: Harvest, run: SyncRun) -> SyncRun:
        """Store what a page of a sync brought and the run's new counts, all or nothing; return the run as
        stored.

        Each movie is inserted, or told (`Movie.told`) if we hold it; users' tallies are never touched. A gone
        movie is marked removed (`Movie.removed`) while a user has rated it, and deleted otherwise; it counts
        as updated. A gone movie that we do not hold counts for nothing. Raises RunClosed, storing nothing, if
        the run is no longer in progress in the store.
        """
        ...

    def stale(self, before: datetime, limit: int) -> list[int]:
        """TMDB numbers of movies that no source has spoken of since `before`, longest silent first."""
        ...

    def generation(self) -> int:
        """A number that grows with every sync page that changed what lists show."""
        ...


class GenreRepository(Protocol):
    """The genres that we hold."""

    def all(self) -> list[Genre]:
        """Every genre, by name, then id."""
        ...

    def get(self, genre: GenreId) -> Genre:
        """The genre of that id. Raises GenreNotFound."""
        ...

    def store(self, harvest: Harvest, run: SyncRun) -> SyncRun:
        """Store a source's genres and the run's new counts, all or nothing; return the run as stored.

        What changes is what `domain.movies.genres_told` says; none is ever deleted, two may exchange names.
        Raises RunClosed, storing nothing, if the run is no longer in progress in the store.
        """
        ...


class SyncRunRepository(Protocol):
    """The records of sync runs."""

    def add(self, run: SyncRun) -> None:
        """Record a run that has begun. Raises SyncRunning if one of its kind is in progress in the store."""
        ...

    def save(self, run: SyncRun) -> None:
        """Replace the record of a run that is in progress in the store, as its last word if it is closed now.

        Raises RunClosed if the stored run is closed already or unknown.
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

    def recent(self, limit: int, skip: int = 0) -> list[SyncRun]:
        """Runs of all kinds, the one that began last first."""
        ...


class Locks(Protocol):
    """Mutual exclusion over all processes that share a store. A lock whose holder falls silent ends by
    itself.
    """

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        """Take the lock for `ttl`: None if it is ours now, else the moment at which its present holder's time
        ends.

        Of several that try at once, one gets it. The holder itself may acquire again, which renews.
        """
        ...

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        """Hold on for another `ttl` from now; False if it is no longer ours."""
        ...

    def release(self, name: str, holder: str) -> None:
        """Give the lock back, if it is ours; otherwise do nothing."""
        ...


class Store(Protocol):
    """What an operator asks of a store as a whole."""

    def prepare(self) -> None:
        """Create what is missing, bring older schemas forward; safe when several processes do so at once."""
        ...

    def ping(self) -> None:
        """Come back if the store answers. Raises StorageUnavailable."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class MovieSource(Protocol):
    """Where movies come from: TMDB, or the bundled demo catalogue.

    Every method raises SourceRefused if the credential is not accepted. `genres`, `popular` and `changes`
    raise SourceUnavailable if no usable answer came after all retries.
    """

    def genres(self) -> tuple[GenreFacts, ...]:
        """All genres of movies. Rows that make no sense are left out."""
        ...

    def popular(self, page: int) -> ListedPage:
        """A page of the popular movies, pages counted from 1."""
        ...

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        """What the source says of each of these movies, in any order; one answer for each number."""
        ...

    def changes(self, first: date, last: date, page: int) -> ChangedPage:
        """A page of the numbers of movies that changed from the first to the last of these days, pages from
        1.
        """
        ...

    def requests(self) -> int:
        """How many requests have been sent since this source was made, retries included."""
        ...

    def close(self) -> None:
        """Let go of connections, and of whoever waits for them."""
        ...
