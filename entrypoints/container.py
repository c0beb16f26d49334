"""The composition root: the only place that knows which adapter stands behind which port."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Provider

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.sqlite.store import SqliteStore
from adapters.tmdb.budget import Pace
from adapters.tmdb.source import TmdbMovieSource
from application.catalogue import BrowseMovies, GetGenre, GetMovie, ListGenres, SearchMovies, Totals
from application.operations import CheckHealth
from application.sync import SyncChanges, SyncFrame, SyncGenres, SyncMovies
from domain.ids import NewId
from domain.ports import Clock, GenreRepository, Locks, MovieRepository, MovieSource, Store, SyncRunRepository
from entrypoints.settings import Settings


class Stores(Store, Protocol):
    """A store with all its repositories."""

    @property
    def movies(self) -> MovieRepository: ...
    @property
    def genres(self) -> GenreRepository: ...
    @property
    def runs(self) -> SyncRunRepository: ...
    @property
    def locks(self) -> Locks: ...


def open_store(settings: Settings, clock: Clock) -> Stores:
    """The MongoDB store where MONGODB_URI is set, else the embedded one in the data directory."""
    if settings.mongodb_uri:
        from adapters.mongo.store import MongoStore  # noqa: PLC0415  pymongo is an extra of its own

        return MongoStore(uri=settings.mongodb_uri, clock=clock)
    return SqliteStore(path=settings.data_path / "matinee.db", clock=clock)


def open_source(settings: Settings) -> MovieSource:
    """TMDB where a credential is set, else the demo catalogue."""
    if not settings.has_tmdb_credential:
        return DemoMovieSource()
    return TmdbMovieSource(
        base_url=settings.tmdb_base_url,
        access_token=settings.tmdb_access_token,
        api_key=settings.tmdb_api_key,
        language=settings.tmdb_language,
        budget=Pace(settings.tmdb_requests_per_second),
    )


class Container(DeclarativeContainer):
    """Adapters are made once and use cases whenever asked for; nothing opens before it is used."""

    settings: Provider[Settings] = providers.Dependency(instance_of=Settings)
    clock: Provider[Clock] = providers.Object(system.now)
    new_id: Provider[NewId] = providers.Object(system.fresh_id)

    store: Provider[Stores] = providers.Singleton(open_store, settings, clock)
    source: Provider[MovieSource] = providers.Singleton(open_source, settings)
    movies: Provider[MovieRepository] = store.provided.movies
    genres: Provider[GenreRepository] = store.provided.genres
    runs: Provider[SyncRunRepository] = store.provided.runs
    locks: Provider[Locks] = store.provided.locks

    frame: Provider[SyncFrame] = providers.Factory(
        SyncFrame, source=source, runs=runs, locks=locks, clock=clock, new_id=new_id
    )
    sync_genres: Provider[SyncGenres] = providers.Factory(SyncGenres, frame=frame, genres=genres)
    sync_movies: Provider[SyncMovies] = providers.Factory(SyncMovies, frame=frame, movies=movies)
    sync_changes: Provider[SyncChanges] = providers.Factory(SyncChanges, frame=frame, movies=movies)

    totals: Provider[Totals] = providers.Singleton(Totals, movies=movies, clock=clock)
    browse_movies: Provider[BrowseMovies] = providers.Factory(
        BrowseMovies, movies=movies, genres=genres, totals=totals
    )
    search_movies: Provider[SearchMovies] = providers.Factory(SearchMovies, movies=movies, genres=genres)
    get_movie: Provider[GetMovie] = providers.Factory(GetMovie, movies=movies, genres=genres)
    list_genres: Provider[ListGenres] = providers.Factory(ListGenres, genres=genres)
    get_genre: Provider[GetGenre] = providers.Factory(GetGenre, genres=genres)
    check_health: Provider[CheckHealth] = providers.Factory(
        CheckHealth,
        database=store.provided.ping,
        runs=runs,
        clock=clock,
        tmdb_configured=settings.provided.has_tmdb_credential,
    )


@contextmanager
def running(settings: Settings) -> Iterator[Container]:
    """A container whose store is open and up to date; all is closed at the end, the last opened first."""
    container = Container(settings=providers.Object(settings))
    store = container.store()
    try:
        store.prepare()
        yield container
    finally:
        container.source().close()
        store.close()
