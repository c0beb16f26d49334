"""Movies that the catalogue lacks: found at the source, and added one by one, when people ask for them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from domain.errors import StorageUnavailable
from domain.ids import GenreId, ImdbId, MovieId, MovieRef, NewId, TmdbNumber, movie_id
from domain.movies import Genre, Movie, MovieFacts, MovieNotFound
from domain.ports import CacheInvalidation, Clock, GenreRepository, Locks, MovieRepository, MovieSource
from domain.search import Query
from domain.sync import MovieGone, NoSource, SourcePage, SourceUnavailable, admit, mismatch

FETCH_LOCK_TTL = timedelta(seconds=15)
"""A process that fetches a movie for longer than this is taken for dead, and another fetches it."""

POLL_INTERVAL = timedelta(seconds=0.1)
"""How often a process looks whether another has fetched the movie that it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult:
    """A movie that the source has found; `held` is its record in the catalogue."""

    facts: MovieFacts
    held: Movie | None

    @property
    def id(self) -> MovieId | None:
        """Our id, if the catalogue has the movie."""
        return self.held.id if self.held else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResults:
    """A page of the movies that the source has found, the number of all, and all genres by id."""

    rows: tuple[SourceResult, ...]
    total: int
    more: bool
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSource:
    """Search the source, in its own order, and say which movies the catalogue has."""

    movies: MovieRepository
    genres: GenreRepository
    source: MovieSource | None

    def can_add(self) -> bool:
        """Whether movies of the source can be added: there is one, and the catalogue accepts it."""
        return self.source is not None and mismatch(self.movies.source(), self.source.name) is None

    def __call__(self, *, text: str, page: int) -> SourceResults:
        """A page of the movies that match a text, whose last word may be a year, or that it names by an IMDb
        id or an address. Adult movies are left out.

        Raises NoSource, SourceRefused and SourceUnavailable.
        """
        if self.source is None:
            raise NoSource
        found = _found(self.source, Query(text), page)
        rows = {facts.tmdb_id: facts for facts in found.movies if not facts.adult}
        held = self.movies.by_tmdb_ids(rows)
        pages = min(found.total_pages, self.source.max_pages)
        return SourceResults(
            rows=tuple(SourceResult(facts=facts, held=held.get(number)) for number, facts in rows.items()),
            total=found.total or len(rows),
            more=page < pages,
            genres={each.id: each for each in self.genres.all()},
        )


def _found(source: MovieSource, query: Query, page: int) -> SourcePage:
    match query.address:
        case ImdbId() as imdb_id:
            facts = source.find(imdb_id)
        case TmdbNumber(number):
            facts = next((each for each in source.details([number]) if isinstance(each, MovieFacts)), None)
        case _:
            return _matching(source, query, page)
    return SourcePage(total_pages=1, movies=(facts,) if facts else ())


def _matching(source: MovieSource, query: Query, page: int) -> SourcePage:
    """The movies of the year that ends the text, or if there are none, those that the whole text finds."""
    if query.with_year:
        shorter, year = query.with_year
        dated = source.search(shorter.text, year=year, page=page)
        if dated.movies:
            return dated
    return source.search(query.text, page=page)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedMovie:
    """A movie of the catalogue, all genres by id, and whether this call has added it."""

    movie: Movie
    created: bool
    genres: Mapping[GenreId, Genre]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindHeld:
    """Look for a movie in the catalogue only."""

    movies: MovieRepository
    genres: GenreRepository

    def __call__(self, *, ref: MovieRef) -> AddedMovie | None:
        """None if the catalogue has no such movie."""
        try:
            movie = self.movies.get(ref)
        except MovieNotFound:
            return None
        return AddedMovie(movie=movie, created=False, genres=self.all_genres())

    def all_genres(self) -> dict[GenreId, Genre]:
        """All genres by id."""
        return {each.id: each for each in self.genres.all()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMovie:
    """Add a movie to the catalogue, unless it is there.

    Of all callers that add the same movie at once, in any process, one requests it from the source, and the
    others wait until it is stored.
    """

    movies: MovieRepository
    source: MovieSource | None
    find_held: FindHeld
    locks: Locks
    invalidation: CacheInvalidation
    clock: Clock
    new_id: NewId

    def __call__(self, *, ref: MovieRef) -> AddedMovie:
        """Raises MovieNotFound if neither the catalogue nor the source has the movie, NoSource,
        SourceRefused, SourceUnavailable, and FilledFromAnotherSource.
        """
        if held := self.find_held(ref=ref):
            return held
        if self.source is None:
            raise NoSource
        admit(self.movies.source(), self.source.name)
        match ref:
            case TmdbNumber():
                return self._added(ref, self.source)
            case ImdbId():
                return self._found(ref, self.source)
            case _:  # our id does not tell the source's
                raise MovieNotFound(ref)

    def _found(self, ref: ImdbId, source: MovieSource) -> AddedMovie:
        with self._alone(ref) as held:
            if held:
                return held
            found = source.find(ref)
            if found is None:
                raise MovieNotFound(ref)
            return self._added(TmdbNumber(found.tmdb_id), source)

    def _added(self, ref: TmdbNumber, source: MovieSource) -> AddedMovie:
        with self._alone(ref) as held:
            if held:
                return held
            facts, at = self._fetched(ref.value, source), self.clock()
            with self.invalidation.all():
                self.movies.add([facts], source.name, at)
        return AddedMovie(movie=Movie.from_facts(facts, at), created=True, genres=self.find_held.all_genres())

    @staticmethod
    def _fetched(number: int, source: MovieSource) -> MovieFacts:
        (detail,) = source.details([number])
        match detail:
            case MovieFacts():
                return detail
            case MovieGone():
                raise MovieNotFound(movie_id(number))
        raise SourceUnavailable(detail.reason)

    @contextmanager
    def _alone(self, ref: TmdbNumber | ImdbId) -> Iterator[AddedMovie | None]:
        """A context that no other caller of that movie is in, with the movie if it has been added."""
        name, holder = f"movie:{ref.value}", self.new_id()
        while self.locks.acquire(name, holder, FETCH_LOCK_TTL) is not None:
            Event().wait(POLL_INTERVAL.total_seconds())
        try:
            yield self.find_held(ref=ref)
        finally:
            with suppress(StorageUnavailable):  # the lock expires
                self.locks.release(name, holder)
