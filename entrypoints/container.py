"""The composition root: chooses the adapter for each port, and wires the use cases."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Provider

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.imports.reader import read_upload
from adapters.metering import Meter
from adapters.metrics.prometheus import PrometheusMeter
from adapters.redis import embedded
from adapters.redis.addresses import clustered
from adapters.redis.breaker import RedisBreaker
from adapters.redis.budget import RedisReservations
from adapters.redis.cache import RedisResponseCache
from adapters.redis.epoch import FILE as EPOCH_FILE
from adapters.redis.epoch import SharedEpoch
from adapters.redis.invalidation import RedisCacheInvalidation, invalidate_all
from adapters.redis.limits import RedisRateLimiter
from adapters.redis.listener import InvalidationListener
from adapters.redis.local_cache import Lease
from adapters.redis.probe import probe
from adapters.redis.queue import RqJobQueue
from adapters.scrobbles.players import read_playback
from adapters.security.passwords import ThreadedPasswordHasher, is_common
from adapters.security.secrets import FILE as SECRET_FILE
from adapters.security.secrets import STORED_SECRET_LENGTH, new_secret, stored_secret
from adapters.security.tokens import HmacFingerprint, JwtAccessTokens, SignedApiTokens, SignedRefreshTokens
from adapters.sqlite.backup import SqliteBackups
from adapters.sqlite.store import SqliteStore
from adapters.store import Store
from adapters.tmdb.budget import Budget, RequestPacer, no_reservation
from adapters.tmdb.client import USER_POLICY, RetryPolicy
from adapters.tmdb.pictures import TmdbPictures
from adapters.tmdb.source import RETRY_POLICY, TEXT_RETENTION, TmdbMovieSource
from application.accounts import (
    Authenticate,
    ChangePassword,
    ChangeProfile,
    ChangeUser,
    ConfirmPassword,
    CreateUser,
    DeleteAccount,
    DeleteUser,
    FindUser,
    IsCommon,
    ListUsers,
    LogIn,
    LogOut,
    NewSecret,
    Refresh,
    Register,
    SessionIssuer,
)
from application.additions import AddMovie, FindHeld, SearchSource
from application.api_tokens import CreateApiToken, EndApiToken, ListApiTokens
from application.bulk import SetRatings, SetViewings, SetWatchlistItems
from application.catalogue import (
    BrowseMovies,
    CachedTotals,
    GetGenre,
    GetMovie,
    GetPicture,
    ListGenres,
    SearchMovies,
    TranslateMovies,
)
from application.changes import ForgetRemovals, GetActivity, GetChanges
from application.discovery import SyncDiscover
from application.export import ExportUser
from application.idempotency import Fingerprint, KeepResponses
from application.import_runner import RunImport
from application.imports import (
    ApplyImport,
    ChangeImport,
    GetImport,
    ImportViews,
    ListImportRows,
    ListImports,
    RemoveImport,
    StartImport,
    StoreImport,
    UndoImport,
)
from application.invitations import CreateInvitation, ListInvitations, RemoveInvitation
from application.neighbours import RecountNeighbours, RequestUpdate, UpdateNeighbours
from application.operations import CheckHealth, FlushCache
from application.probes import CachedGauges, CachedProbe, CollectGauges, Ping
from application.ratings import (
    ChangeRating,
    GetRating,
    ListMovieRatings,
    ListMyRatings,
    RateMovie,
    RemoveMovieRating,
    RemoveRating,
    RemoveReview,
    SetRating,
    VerifyRatings,
)
from application.recommendations import (
    HideMovie,
    ListHiddenMovies,
    ListMovieRecommendations,
    ListMyRecommendations,
    UnhideMovie,
)
from application.relations import GetRelation, GetRelations
from application.scrobbles import FindPlayed, RecordPlay
from application.sessions import EndOtherSessions, EndSession, ListSessions
from application.statistics import GetStatistics
from application.sync import (
    CheckSource,
    SweepCatalogue,
    SyncChanges,
    SyncGenres,
    SyncMovies,
    UpgradeCatalogue,
)
from application.sync_runner import STORE_DELAY, SyncRunner
from application.sync_runs import CancelSync, GetRun, ListRuns, RunSync, StartSync
from application.viewings import (
    AddViewing,
    ChangeViewing,
    GetDiaryMonth,
    GetViewing,
    ListMovieViewings,
    ListViewings,
    RemoveViewing,
)
from application.watchlist import (
    AddToWatchlist,
    ChangeItem,
    GetItem,
    ListWatchlist,
    RemoveFromWatchlist,
    RemoveItem,
    SetOnWatchlist,
    ToggleFavorite,
)
from domain.errors import Invalid, Unavailable
from domain.ids import NewId
from domain.ports import (
    AccessTokens,
    ApiTokenRepository,
    ApiTokenTexts,
    CacheInvalidation,
    ChangeRepository,
    Clock,
    GenreRepository,
    HoldingRepository,
    IdempotencyRepository,
    ImportRepository,
    InvitationRepository,
    JobQueue,
    Locks,
    MovieRepository,
    MovieSource,
    PasswordHasher,
    PictureSource,
    PlaybackReader,
    RatingRepository,
    RecommendationRepository,
    RefreshTokens,
    SessionRepository,
    StatisticsRepository,
    SyncRunRepository,
    UploadReader,
    UserRepository,
    ViewingRepository,
    WatchlistRepository,
)
from entrypoints.memory import memory_of
from entrypoints.settings import SHARED_METRICS, Settings

log = logging.getLogger("matinee.container")

DATABASE = "matinee.db"
"""The file of the embedded store in the data directory."""

PICTURES = "images"
"""The directory of copies of pictures in the data directory."""

T = TypeVar("T")


class CleanupStack:
    """Closes resources in the reverse order of opening.

    An error is logged and does not prevent the others from being closed.
    """

    def __init__(self) -> None:
        self._opened: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, close: Callable[[], object]) -> None:
        """Add a resource; `what` names it in the log."""
        self._opened.append((what, close))

    def close(self) -> None:
        """Close all resources that were added."""
        with ExitStack() as stack:
            for what, close in self._opened:
                stack.callback(self._close, what, close)
            self._opened = []

    @staticmethod
    def _close(what: str, close: Callable[[], object]) -> None:
        try:
            close()
        except Exception:
            log.warning("%s cannot be closed", what, exc_info=True)


class MongoMissing(Unavailable):
    """MONGODB_URI is set, and the driver is not installed."""

    def __str__(self) -> str:
        return "MONGODB_URI is set, and the MongoDB driver is not installed: pip install 'matinee[mongo]'"


def open_meter(cleanup: CleanupStack) -> PrometheusMeter:
    """The metrics of this process, or of all processes that share a directory."""
    shared = os.environ.get(SHARED_METRICS)
    meter = PrometheusMeter(Path(shared) if shared else None, memory=memory_of)
    cleanup.add("the metrics", meter.publish)
    return meter


def open_store(settings: Settings, clock: Clock, meter: Meter, cleanup: CleanupStack) -> Store:
    """The MongoDB store if MONGODB_URI is set, else the embedded one in the data directory."""
    store = _choose_store(settings, clock, meter)
    cleanup.add("the store", store.close)
    return store


def _choose_store(settings: Settings, clock: Clock, meter: Meter) -> Store:
    if settings.mongodb_uri:
        if find_spec("pymongo") is None:
            raise MongoMissing
        from adapters.mongo.store import MongoStore  # noqa: PLC0415  pymongo is an extra of its own

        return MongoStore(uri=settings.mongodb_uri, clock=clock, meter=meter)
    path = settings.data_path / DATABASE
    return SqliteStore(path=path, clock=clock, meter=meter, traces=((SECRET_FILE, STORED_SECRET_LENGTH),))


class BackedUpElsewhere(Invalid):
    """MONGODB_URI is set, so `matinee backup` does not apply."""

    def __str__(self) -> str:
        return (
            "MONGODB_URI is set, so the data is in MongoDB: back it up with mongodump and restore it with "
            "mongorestore; docs/deployment.md has the commands"
        )


def open_backups(settings: Settings, version: str) -> SqliteBackups:
    """The backups of the embedded store. Raises BackedUpElsewhere if MONGODB_URI is set."""
    if settings.mongodb_uri:
        raise BackedUpElsewhere
    return SqliteBackups(
        path=settings.data_path / DATABASE,
        secret=settings.data_path / SECRET_FILE,
        clock=system.now,
        version=version,
    )


def redis_url(settings: Settings) -> str | None:
    """The URL of Redis: REDIS_URL, else that of the Valkey that a running `serve` has started, if any."""
    return settings.redis_url or embedded.address(settings.data_path)


def open_epoch(settings: Settings, url: str | None) -> SharedEpoch:
    """The epoch that processes with the same data directory share, if there is a Redis."""
    return SharedEpoch(settings.data_path / EPOCH_FILE if url else None)


def open_breaker(
    url: str | None, epoch: SharedEpoch, meter: Meter, cleanup: CleanupStack
) -> RedisBreaker | None:
    """The circuit breaker around Redis; None without a URL. It connects when it is first used."""
    if not url:
        return None
    breaker = RedisBreaker(url, flush=invalidate_all, meter=meter, epoch=epoch)
    cleanup.add("the connections to Redis", breaker.close)
    return breaker


def redis_ping(breaker: RedisBreaker | None) -> Ping | None:
    """The check whether Redis answers; None if there is no Redis."""
    return breaker.ping if breaker else None


def open_listener(url: str | None, breaker: RedisBreaker | None, lease: Lease) -> InvalidationListener | None:
    """The listener to invalidations; None without Redis, and with a Cluster, which cannot tell how many
    processes have received a message.
    """
    return InvalidationListener(url, lease, breaker) if url and breaker and not clustered(url) else None


def cache_invalidation(
    breaker: RedisBreaker | None, listener: InvalidationListener | None
) -> CacheInvalidation:
    """The invalidation of cached responses; without Redis, none are cached."""
    if not breaker:
        return system.NoCache()
    return RedisCacheInvalidation(breaker, listener, publish=listener is not None)


@asynccontextmanager
async def connected(
    breaker: RedisBreaker | None,
    listener: InvalidationListener | None,
    limiter: RedisRateLimiter,
    cache: RedisResponseCache[Any],
) -> AsyncIterator[None]:
    """A context in which an event loop is connected to Redis, and receives invalidations. At its end, the
    cache stores what was built, and the limiter returns what it has leased.
    """
    async with AsyncExitStack() as stack:
        if breaker:
            await stack.enter_async_context(breaker.connected())
        stack.push_async_callback(limiter.close)
        if listener:
            await stack.enter_async_context(listener.listening())
        stack.push_async_callback(cache.finish)
        yield


def response_cache(
    breaker: RedisBreaker | None,
    settings: Settings,
    *,
    dump: Callable[[T], bytes],
    load: Callable[[bytes], T | None],
) -> RedisResponseCache[T]:
    """The cache of responses, which `dump` and `load` convert to bytes and back."""
    return RedisResponseCache(breaker, seconds=settings.redis_ttl, dump=dump, load=load)


def sync_store_delay(settings: Settings) -> timedelta:
    """How long syncs store pages together. MongoDB has no file of which they would change the same pages, and
    a large transaction there is more likely to conflict with others, and to take longer than it may.
    """
    return timedelta(0) if settings.mongodb_uri else STORE_DELAY


def request_pacer(settings: Settings, breaker: RedisBreaker | None) -> RequestPacer:
    """The budget of requests to TMDB. With Redis, all processes share it."""
    return RequestPacer(
        settings.tmdb_requests_per_second,
        reserve=RedisReservations(breaker) if breaker else no_reservation,
    )


def open_source(settings: Settings, pacer: RequestPacer, meter: Meter, cleanup: CleanupStack) -> MovieSource:
    """The source of syncs: TMDB if a credential is set, else the demo catalogue."""
    source: MovieSource = (
        _tmdb(settings, pacer, RETRY_POLICY, meter) if settings.has_tmdb_credential else DemoMovieSource()
    )
    cleanup.add("the source of movies", source.close)
    return source


def open_user_source(
    settings: Settings, pacer: RequestPacer, meter: Meter, cleanup: CleanupStack
) -> MovieSource | None:
    """The source for people who wait: TMDB with few retries, before syncs in the budget; None without a
    credential.
    """
    if not settings.has_tmdb_credential:
        return None
    source = _tmdb(settings, pacer.urgent, USER_POLICY, meter)
    cleanup.add("the source of movies for users", source.close)
    return source


def _tmdb(settings: Settings, budget: Budget, policy: RetryPolicy, meter: Meter) -> TmdbMovieSource:
    return TmdbMovieSource(
        base_url=settings.tmdb_base_url,
        exports_url=settings.tmdb_exports_url,
        access_token=settings.tmdb_access_token,
        api_key=settings.tmdb_api_key,
        languages=settings.languages,
        budget=budget,
        policy=policy,
        meter=meter,
    )


def open_pictures(settings: Settings, clock: Clock, cleanup: CleanupStack) -> PictureSource:
    """TMDB's pictures, with copies in the data directory."""
    pictures = TmdbPictures(
        directory=settings.data_path / PICTURES, max_bytes=settings.images_mb * 2**20, clock=clock
    )
    cleanup.add("the source of pictures", pictures.close)
    return pictures


def tmdb_probe(settings: Settings, source: MovieSource) -> CachedProbe | None:
    """The cached health of TMDB; None without a credential."""
    return CachedProbe(source.ping) if settings.has_tmdb_credential else None


class ClosableJobs(JobQueue, Protocol):
    """A job queue that can be closed."""

    def close(self) -> None: ...


def open_queue(settings: Settings, redis_url: str | None, cleanup: CleanupStack) -> ClosableJobs:
    """The job queue; without a URL, every call raises QueueUnavailable."""
    queue = RqJobQueue(settings.queue_url or redis_url)
    cleanup.add("the job queue", queue.close)
    return queue


def signing_secret(settings: Settings) -> bytes:
    """JWT_SECRET if it is set, else the secret in the data directory, which is created if there is none."""
    if settings.jwt_secret:
        return os.fsencode(settings.jwt_secret)
    return stored_secret(settings.data_path)


def make_decoy_hash(hasher: PasswordHasher, new_secret: NewSecret) -> str:
    """A hash of a random password: verifying it takes as long as for a real account."""
    return hasher.hash(new_secret())


class Container(DeclarativeContainer):
    """Adapters are created once, use cases at each call. Nothing is opened before it is used."""

    settings: Provider[Settings] = providers.Dependency(instance_of=Settings)
    clock: Provider[Clock] = providers.Object(system.now)
    new_id: Provider[NewId] = providers.Object(system.new_id)
    new_secret: Provider[NewSecret] = providers.Object(new_secret)
    is_common: Provider[IsCommon] = providers.Object(is_common)

    cleanup = providers.Singleton(CleanupStack)
    meter = providers.Singleton(open_meter, cleanup)
    store: Provider[Store] = providers.Singleton(open_store, settings, clock, meter, cleanup)
    redis_url: Provider[str | None] = providers.Singleton(redis_url, settings)
    epoch: Provider[SharedEpoch] = providers.Singleton(open_epoch, settings, redis_url)
    breaker: Provider[RedisBreaker | None] = providers.Singleton(
        open_breaker, redis_url, epoch, meter, cleanup
    )
    redis_probe = providers.Object(probe)
    lease: Provider[Lease] = providers.Singleton(Lease, epoch=epoch)
    listener: Provider[InvalidationListener | None] = providers.Singleton(
        open_listener, redis_url, breaker, lease
    )
    invalidation: Provider[CacheInvalidation] = providers.Singleton(cache_invalidation, breaker, listener)
    counter = providers.Singleton(RedisRateLimiter, breaker)
    pacer: Provider[RequestPacer] = providers.Singleton(request_pacer, settings, breaker)
    source: Provider[MovieSource] = providers.Singleton(open_source, settings, pacer, meter, cleanup)
    user_source: Provider[MovieSource | None] = providers.Singleton(
        open_user_source, settings, pacer, meter, cleanup
    )
    pictures: Provider[PictureSource] = providers.Singleton(open_pictures, settings, clock, cleanup)
    jobs: Provider[ClosableJobs] = providers.Singleton(open_queue, settings, redis_url, cleanup)
    movies: Provider[MovieRepository] = store.provided.movies
    genres: Provider[GenreRepository] = store.provided.genres
    runs: Provider[SyncRunRepository] = store.provided.runs
    locks: Provider[Locks] = store.provided.locks
    users: Provider[UserRepository] = store.provided.users
    sessions: Provider[SessionRepository] = store.provided.sessions
    holdings: Provider[HoldingRepository] = store.provided.holdings
    idempotency: Provider[IdempotencyRepository] = store.provided.idempotency
    changes: Provider[ChangeRepository] = store.provided.changes
    api_tokens: Provider[ApiTokenRepository] = store.provided.api_tokens
    invitations: Provider[InvitationRepository] = store.provided.invitations
    ratings: Provider[RatingRepository] = store.provided.ratings
    watchlists: Provider[WatchlistRepository] = store.provided.watchlists
    viewings: Provider[ViewingRepository] = store.provided.viewings
    history: Provider[StatisticsRepository] = store.provided.statistics
    imports: Provider[ImportRepository] = store.provided.imports
    recommendations: Provider[RecommendationRepository] = store.provided.recommendations

    hasher: Provider[PasswordHasher] = providers.Singleton(ThreadedPasswordHasher)
    decoy_hash: Provider[str] = providers.Singleton(make_decoy_hash, hasher, new_secret)
    secret: Provider[bytes] = providers.Singleton(signing_secret, settings)
    tokens: Provider[AccessTokens] = providers.Singleton(
        JwtAccessTokens, secret=secret, lifetime=settings.provided.access_token_ttl, clock=clock
    )
    refresh_tokens: Provider[RefreshTokens] = providers.Singleton(SignedRefreshTokens, secret)
    api_token_texts: Provider[ApiTokenTexts] = providers.Singleton(SignedApiTokens, secret)

    sync_runner = providers.Factory(
        SyncRunner,
        source=source,
        runs=runs,
        locks=locks,
        jobs=jobs,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
        store_delay=providers.Callable(sync_store_delay, settings),
    )
    sync_genres = providers.Factory(SyncGenres, runner=sync_runner, genres=genres)
    sync_movies = providers.Factory(SyncMovies, runner=sync_runner, movies=movies)
    sync_changes = providers.Factory(SyncChanges, runner=sync_runner, movies=movies)
    sync_discover = providers.Factory(SyncDiscover, runner=sync_runner, movies=movies)
    check_source = providers.Factory(CheckSource, movies=movies, source=source)
    sweep_catalogue = providers.Factory(
        SweepCatalogue,
        sync_changes=sync_changes,
        check_source=check_source,
        movies=movies,
        invalidation=invalidation,
        clock=clock,
        text_retention=TEXT_RETENTION,
    )
    search_source = providers.Factory(SearchSource, movies=movies, genres=genres, source=user_source)
    find_held = providers.Factory(FindHeld, movies=movies, genres=genres)
    add_movie = providers.Factory(
        AddMovie,
        movies=movies,
        source=user_source,
        find_held=find_held,
        locks=locks,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
    )
    upgrade_catalogue = providers.Factory(
        UpgradeCatalogue, movies=movies, source=source, invalidation=invalidation, clock=clock
    )
    start_sync = providers.Factory(StartSync, runner=sync_runner, jobs=jobs)
    run_sync = providers.Factory(
        RunSync,
        runs=runs,
        sync_genres=sync_genres,
        sync_movies=sync_movies,
        sync_changes=sync_changes,
        sync_discover=sync_discover,
        pages=settings.provided.tmdb_sync_pages,
        discover_filter=settings.provided.discover_filter,
    )
    cancel_sync = providers.Factory(CancelSync, runner=sync_runner, clock=clock)
    list_runs = providers.Factory(ListRuns, runs=runs)
    get_run = providers.Factory(GetRun, runs=runs)

    totals = providers.Singleton(CachedTotals, movies=movies, clock=clock)
    browse_movies = providers.Factory(BrowseMovies, movies=movies, genres=genres, totals=totals)
    search_movies = providers.Factory(SearchMovies, movies=movies, genres=genres)
    get_movie = providers.Factory(GetMovie, movies=movies, genres=genres)
    translate_movies = providers.Factory(
        TranslateMovies, movies=movies, languages=settings.provided.languages
    )
    get_picture = providers.Factory(GetPicture, pictures=pictures)
    list_genres = providers.Factory(ListGenres, genres=genres, totals=totals)
    get_genre = providers.Factory(GetGenre, genres=genres, totals=totals)
    tmdb: Provider[CachedProbe | None] = providers.Singleton(tmdb_probe, settings, source)
    check_health = providers.Factory(
        CheckHealth,
        database=store.provided.ping,
        redis=providers.Callable(redis_ping, breaker),
        runs=runs,
        clock=clock,
        tmdb=tmdb,
        check_source=check_source,
    )
    flush_cache = providers.Factory(FlushCache, invalidation=invalidation)
    collect_gauges = providers.Factory(
        CollectGauges, runs=runs, sessions=sessions, clock=clock, waiting=jobs.provided.waiting
    )
    cached_gauges = providers.Singleton(CachedGauges, collect_gauges)

    session_issuer = providers.Factory(
        SessionIssuer,
        sessions=sessions,
        tokens=tokens,
        refresh_tokens=refresh_tokens,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
        refresh_ttl=settings.provided.refresh_token_ttl,
        refresh_grace=settings.provided.reuse_grace,
    )
    create_user = providers.Factory(
        CreateUser, users=users, hasher=hasher, is_common=is_common, clock=clock, new_id=new_id
    )
    register = providers.Factory(
        Register,
        create_user=create_user,
        session_issuer=session_issuer,
        registration=settings.provided.who_may_register,
    )
    log_in = providers.Factory(
        LogIn, users=users, hasher=hasher, session_issuer=session_issuer, decoy_hash=decoy_hash
    )
    refresh = providers.Factory(Refresh, session_issuer=session_issuer)
    authenticate = providers.Factory(
        Authenticate,
        tokens=tokens,
        sessions=sessions,
        api_tokens=api_tokens,
        api_token_texts=api_token_texts,
        clock=clock,
    )
    log_out = providers.Factory(LogOut, sessions=sessions, invalidation=invalidation)
    list_sessions = providers.Factory(ListSessions, sessions=sessions, clock=clock)
    end_session = providers.Factory(EndSession, sessions=sessions, invalidation=invalidation)
    end_other_sessions = providers.Factory(EndOtherSessions, sessions=sessions, invalidation=invalidation)
    confirm_password = providers.Factory(ConfirmPassword, users=users, hasher=hasher)
    change_profile = providers.Factory(
        ChangeProfile,
        users=users,
        confirm_password=confirm_password,
        invalidation=invalidation,
        clock=clock,
    )
    change_password = providers.Factory(
        ChangePassword,
        users=users,
        confirm_password=confirm_password,
        hasher=hasher,
        is_common=is_common,
        invalidation=invalidation,
        clock=clock,
    )
    delete_account = providers.Factory(
        DeleteAccount, users=users, confirm_password=confirm_password, invalidation=invalidation
    )
    list_users = providers.Factory(ListUsers, users=users)
    find_user = providers.Factory(FindUser, users=users)
    change_user = providers.Factory(
        ChangeUser,
        users=users,
        hasher=hasher,
        is_common=is_common,
        invalidation=invalidation,
        clock=clock,
    )
    delete_user = providers.Factory(DeleteUser, users=users, invalidation=invalidation)
    create_api_token = providers.Factory(
        CreateApiToken, api_tokens=api_tokens, texts=api_token_texts, clock=clock, new_id=new_id
    )
    list_api_tokens = providers.Factory(ListApiTokens, api_tokens=api_tokens)
    end_api_token = providers.Factory(EndApiToken, api_tokens=api_tokens, invalidation=invalidation)
    create_invitation = providers.Factory(
        CreateInvitation, invitations=invitations, clock=clock, new_id=new_id, new_secret=new_secret
    )
    list_invitations = providers.Factory(ListInvitations, invitations=invitations)
    remove_invitation = providers.Factory(RemoveInvitation, invitations=invitations)

    rate_movie = providers.Factory(
        RateMovie, ratings=ratings, movies=movies, invalidation=invalidation, clock=clock, new_id=new_id
    )
    set_rating = providers.Factory(
        SetRating, ratings=ratings, movies=movies, invalidation=invalidation, clock=clock, new_id=new_id
    )
    change_rating = providers.Factory(
        ChangeRating, ratings=ratings, movies=movies, invalidation=invalidation, clock=clock
    )
    remove_review = providers.Factory(RemoveReview, ratings=ratings, invalidation=invalidation, clock=clock)
    remove_rating = providers.Factory(RemoveRating, ratings=ratings, invalidation=invalidation)
    remove_movie_rating = providers.Factory(
        RemoveMovieRating, ratings=ratings, movies=movies, invalidation=invalidation
    )
    get_rating = providers.Factory(GetRating, ratings=ratings, movies=movies)
    list_my_ratings = providers.Factory(ListMyRatings, ratings=ratings, movies=movies)
    list_movie_ratings = providers.Factory(ListMovieRatings, ratings=ratings, movies=movies, users=users)
    verify_ratings = providers.Factory(VerifyRatings, ratings=ratings, invalidation=invalidation)

    list_movie_recommendations = providers.Factory(
        ListMovieRecommendations, recommendations=recommendations, movies=movies, genres=genres
    )
    list_my_recommendations = providers.Factory(
        ListMyRecommendations, recommendations=recommendations, movies=movies, genres=genres
    )
    hide_movie = providers.Factory(HideMovie, recommendations=recommendations, movies=movies, clock=clock)
    unhide_movie = providers.Factory(UnhideMovie, recommendations=recommendations, movies=movies)
    list_hidden_movies = providers.Factory(
        ListHiddenMovies, recommendations=recommendations, movies=movies, genres=genres
    )
    update_neighbours = providers.Factory(
        UpdateNeighbours,
        recommendations=recommendations,
        locks=locks,
        invalidation=invalidation,
        new_id=new_id,
    )
    recount_neighbours = providers.Factory(
        RecountNeighbours,
        recommendations=recommendations,
        locks=locks,
        invalidation=invalidation,
        new_id=new_id,
    )
    request_update = providers.Factory(RequestUpdate, recommendations=recommendations, jobs=jobs)

    add_to_watchlist = providers.Factory(
        AddToWatchlist,
        watchlist=watchlists,
        movies=movies,
        genres=genres,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
    )
    set_on_watchlist = providers.Factory(
        SetOnWatchlist,
        watchlist=watchlists,
        movies=movies,
        genres=genres,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
    )
    change_item = providers.Factory(
        ChangeItem, watchlist=watchlists, movies=movies, genres=genres, invalidation=invalidation, clock=clock
    )
    toggle_favorite = providers.Factory(
        ToggleFavorite,
        watchlist=watchlists,
        movies=movies,
        genres=genres,
        invalidation=invalidation,
        clock=clock,
    )
    remove_item = providers.Factory(RemoveItem, watchlist=watchlists, invalidation=invalidation)
    remove_from_watchlist = providers.Factory(
        RemoveFromWatchlist, watchlist=watchlists, movies=movies, invalidation=invalidation
    )
    get_item = providers.Factory(GetItem, watchlist=watchlists, movies=movies, genres=genres)
    list_watchlist = providers.Factory(ListWatchlist, watchlist=watchlists, movies=movies, genres=genres)
    add_viewing = providers.Factory(
        AddViewing,
        viewings=viewings,
        movies=movies,
        genres=genres,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
    )
    change_viewing = providers.Factory(
        ChangeViewing, viewings=viewings, movies=movies, genres=genres, clock=clock
    )
    remove_viewing = providers.Factory(RemoveViewing, viewings=viewings)
    get_viewing = providers.Factory(GetViewing, viewings=viewings, movies=movies, genres=genres)
    list_viewings = providers.Factory(ListViewings, viewings=viewings, movies=movies, genres=genres)
    list_movie_viewings = providers.Factory(ListMovieViewings, viewings=viewings, clock=clock)
    get_diary_month = providers.Factory(GetDiaryMonth, list_viewings=list_viewings, clock=clock)
    get_relation = providers.Factory(
        GetRelation, ratings=ratings, watchlist=watchlists, viewings=viewings, movies=movies, genres=genres
    )
    get_relations = providers.Factory(
        GetRelations, ratings=ratings, watchlist=watchlists, viewings=viewings, movies=movies, genres=genres
    )
    get_statistics = providers.Factory(GetStatistics, history=history, genres=genres)
    upload_reader: Provider[UploadReader] = providers.Object(read_upload)
    import_views = providers.Factory(ImportViews, imports=imports, movies=movies)
    store_import = providers.Factory(StoreImport, imports=imports, clock=clock, new_id=new_id)
    run_import = providers.Factory(
        RunImport,
        imports=imports,
        movies=movies,
        source=source,
        reader=upload_reader,
        invalidation=invalidation,
        clock=clock,
    )
    start_import = providers.Factory(StartImport, store=store_import, jobs=jobs)
    list_imports = providers.Factory(ListImports, imports=imports, views=import_views)
    get_import = providers.Factory(GetImport, imports=imports, views=import_views)
    list_import_rows = providers.Factory(ListImportRows, imports=imports, movies=movies)
    change_import = providers.Factory(
        ChangeImport,
        imports=imports,
        movies=movies,
        jobs=jobs,
        run=run_import,
        views=import_views,
        clock=clock,
    )
    apply_import = providers.Factory(ApplyImport, imports=imports, jobs=jobs, views=import_views, clock=clock)
    undo_import = providers.Factory(UndoImport, imports=imports, jobs=jobs, views=import_views, clock=clock)
    remove_import = providers.Factory(RemoveImport, imports=imports)
    set_ratings = providers.Factory(
        SetRatings, holdings=holdings, movies=movies, invalidation=invalidation, clock=clock, new_id=new_id
    )
    set_watchlist_items = providers.Factory(
        SetWatchlistItems,
        holdings=holdings,
        movies=movies,
        invalidation=invalidation,
        clock=clock,
        new_id=new_id,
    )
    set_viewings = providers.Factory(
        SetViewings, holdings=holdings, movies=movies, clock=clock, new_id=new_id
    )
    playback_reader: Provider[PlaybackReader] = providers.Object(read_playback)
    find_played = providers.Factory(FindPlayed, read_playback=playback_reader, find_held=find_held)
    record_play = providers.Factory(RecordPlay, holdings=holdings, clock=clock, new_id=new_id)
    request_fingerprint: Provider[Fingerprint] = providers.Singleton(HmacFingerprint, secret)
    keep_responses = providers.Factory(
        KeepResponses, keys=idempotency, fingerprint=request_fingerprint, clock=clock, new_id=new_id
    )
    get_changes = providers.Factory(GetChanges, changes=changes, movies=movies, genres=genres, clock=clock)
    get_activity = providers.Factory(GetActivity, changes=changes)
    forget_removals = providers.Factory(ForgetRemovals, changes=changes, clock=clock)
    export_user = providers.Factory(
        ExportUser,
        ratings=ratings,
        watchlist=watchlists,
        viewings=viewings,
        recommendations=recommendations,
        movies=movies,
        genres=genres,
    )


class Resolver:
    """Finds an instance by its class: what the container's `Factory` or `Singleton` for the class makes."""

    def __init__(self, container: Container) -> None:
        self._providers: dict[object, Provider[Any]] = {
            provider.provides: provider
            for provider in container.providers.values()
            if isinstance(provider, providers.Factory | providers.Singleton)
        }

    def __call__(self, kind: type[T]) -> T:
        """Raises LookupError if the container has no provider for the class."""
        instance: T = self._providers[kind]()
        return instance


@contextmanager
def running(settings: Settings, if_missing: Callable[[], object] | None = None) -> Iterator[Container]:
    """A container whose store is open and migrated. All resources are closed at the end.

    Calls `if_missing` before a missing store is created; an error that it raises prevents that.
    """
    container = Container(settings=providers.Object(settings))
    try:
        if if_missing and not container.store().exists():
            if_missing()
        container.store().prepare()
        yield container
    finally:
        container.cleanup().close()
