"""The HTTP application: the routes, the border around them, and what surrounds every request."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, cast

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ExceptionHandlersMap

from application.accounts import (
    Authenticate,
    ChangePassword,
    ChangeProfile,
    ChangeUser,
    DeleteAccount,
    DeleteUser,
    ListUsers,
    LogIn,
    LogOut,
    Refresh,
    Register,
)
from application.catalogue import BrowseMovies, GetGenre, GetMovie, PageGenres, SearchMovies
from application.invitations import CreateInvitation, ListInvitations, RevokeInvitation
from application.operations import CheckHealth, FlushCache
from application.ratings import (
    ChangeRating,
    GetRating,
    ListMovieRatings,
    ListMyRatings,
    RateMovie,
    RemoveReview,
    SetRating,
    UnrateMovie,
    VerifyRatings,
    WithdrawRating,
)
from application.sync_runs import CancelSync, GetRun, ListRuns, StartSync
from application.watching import LastReadings
from application.watchlist import (
    AddToWatchlist,
    ChangeItem,
    ExportUser,
    GetItem,
    GetRelation,
    ListWatchlist,
    RemoveItem,
    SetOnWatchlist,
    TakeOffWatchlist,
    ToggleFavorite,
)
from entrypoints.http import accounts, invitations, ratings, syncs, users, watchlist
from entrypoints.http.about import get_about
from entrypoints.http.access_log import witnesses
from entrypoints.http.auth import calling, guarding
from entrypoints.http.caching import AnswerCache, Caching
from entrypoints.http.docs import get_asset, get_docs, get_openapi, get_root
from entrypoints.http.endpoints import API
from entrypoints.http.errors import error_answer
from entrypoints.http.exports import Exports
from entrypoints.http.genres import get_genre_by_id, get_genre_movies, get_genres
from entrypoints.http.hashing import account_threads, deletion_threads
from entrypoints.http.health import (
    HEALTH,
    HealthChecks,
    get_health,
    get_health_database,
    get_health_live,
    get_health_ready,
    get_health_redis,
)
from entrypoints.http.middleware import Edge
from entrypoints.http.movies import get_movie_by_id, get_movies, get_movies_search
from entrypoints.http.openapi import document
from entrypoints.http.operations import (
    Metrics,
    get_metrics,
    get_metrics_at_root,
    post_flush_cache,
    post_verify_ratings,
)
from entrypoints.http.options import answering_options
from entrypoints.http.rate_limits import Counter, Limiting
from entrypoints.http.responses import PRIVATE, PUBLIC, Answer, json_answer
from entrypoints.http.thread_pools import PatientThreads
from entrypoints.settings import Settings

CATALOGUE = (get_movies, get_movies_search, get_movie_by_id, get_genres, get_genre_by_id, get_genre_movies)
ACCOUNTS = (
    accounts.post_register,
    accounts.post_login,
    accounts.post_refresh,
    accounts.post_logout,
    accounts.get_me,
    accounts.patch_me,
    accounts.post_password,
    accounts.delete_me,
    accounts.get_export,
    users.get_users,
    users.patch_user,
    users.delete_user,
    invitations.post_invitation,
    invitations.get_invitations,
    invitations.delete_invitation,
)
RATINGS = (
    ratings.post_rating,
    ratings.put_movie_rating,
    ratings.delete_movie_rating,
    ratings.get_ratings,
    ratings.get_ratings_of_movie,
    ratings.get_rating_by_id,
    ratings.patch_rating,
    ratings.delete_rating,
    ratings.delete_review,
)
WATCHLIST = (
    watchlist.post_item,
    watchlist.put_movie_on_watchlist,
    watchlist.delete_movie_from_watchlist,
    watchlist.get_watchlist,
    watchlist.get_item_by_id,
    watchlist.patch_item,
    watchlist.patch_item_favorite,
    watchlist.delete_item,
    watchlist.get_my_movie,
)
SYNCS = (
    syncs.post_sync_genres,
    syncs.post_sync_movies,
    syncs.post_sync_changes,
    syncs.get_sync_runs,
    syncs.get_sync_run,
    syncs.post_sync_run_cancel,
)
OPERATIONS = (
    get_health,
    get_health_live,
    get_health_ready,
    get_health_database,
    get_health_redis,
    get_metrics,
    get_about,
    post_verify_ratings,
    post_flush_cache,
)
DOCUMENTATION = (get_docs, get_openapi, get_asset)


Presence = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What the routes call upon, each by its name."""

    browse_movies: BrowseMovies
    search_movies: SearchMovies
    get_movie: GetMovie
    page_genres: PageGenres
    get_genre: GetGenre

    register: Register
    log_in: LogIn
    refresh: Refresh
    authenticate: Authenticate
    log_out: LogOut
    change_profile: ChangeProfile
    change_password: ChangePassword
    delete_account: DeleteAccount
    list_users: ListUsers
    change_user: ChangeUser
    delete_user: DeleteUser
    create_invitation: CreateInvitation
    list_invitations: ListInvitations
    revoke_invitation: RevokeInvitation
    export_user: ExportUser

    rate_movie: RateMovie
    set_rating: SetRating
    change_rating: ChangeRating
    remove_review: RemoveReview
    withdraw_rating: WithdrawRating
    unrate_movie: UnrateMovie
    get_rating: GetRating
    list_my_ratings: ListMyRatings
    list_movie_ratings: ListMovieRatings
    verify_ratings: VerifyRatings

    add_to_watchlist: AddToWatchlist
    set_on_watchlist: SetOnWatchlist
    change_item: ChangeItem
    toggle_favorite: ToggleFavorite
    remove_item: RemoveItem
    take_off_watchlist: TakeOffWatchlist
    get_item: GetItem
    list_watchlist: ListWatchlist
    get_relation: GetRelation

    start_sync: StartSync
    list_runs: ListRuns
    get_run: GetRun
    cancel_sync: CancelSync
    last_readings: LastReadings
    flush_cache: FlushCache


def create_app(
    *,
    use_cases: UseCases,
    health: CheckHealth,
    metrics: Metrics,
    cache: AnswerCache | None,
    counter: Counter,
    settings: Settings,
    version: str,
    presence: Presence = nullcontext,
) -> Litestar:
    """The application, ready for an ASGI server; `presence` is what its event loop is at work within."""
    public = settings.catalogue_is_public
    limiting = Limiting(counter, rate=settings.rate_limit, auth_rate=settings.auth_rate_limit)
    more = {
        "caching": Caching(cache),
        "limiting": limiting,
        "hashing": account_threads(),
        "deleting": deletion_threads(),
        "exports": Exports(),
        "version": version,
    }
    catalogue = Router(API, route_handlers=CATALOGUE, opt={"cache_control": PUBLIC if public else PRIVATE})
    others = Router(
        API, route_handlers=[*ACCOUNTS, *RATINGS, *WATCHLIST, *SYNCS, *OPERATIONS, *DOCUMENTATION]
    )
    app = Litestar(
        [catalogue, others, get_root, get_metrics_at_root],
        guards=[guarding(use_cases.authenticate, limiting, public=public)],
        dependencies=_provided(use_cases, health_checks=HealthChecks(health), metrics=metrics, **more),
        exception_handlers=_border(development=settings.development),
        cors_config=_cors(settings.allowed_origins),
        on_startup=[_bound_threads],
        lifespan=[lambda _: presence()],
        request_max_body_size=settings.max_body_bytes,
        state=State(),
        openapi_config=None,  # ours is drawn below
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.state.openapi = json_answer(document(app.routes, version=version, public=public), cache=PUBLIC)
    app.asgi_handler = Edge(
        answering_options(app, app.asgi_handler),
        unlimited=HEALTH,
        most_body_bytes=settings.max_body_bytes,
        cors=bool(settings.allowed_origins),
        witnesses=witnesses(metrics),
    )
    return app


def openapi(app: Litestar) -> bytes:
    """The OpenAPI document of an application, as JSON."""
    answer: Answer = app.state.openapi
    return answer.body


def _provided(use_cases: UseCases, **more: object) -> dict[str, Provide]:
    """What handlers may ask for by name."""
    things = {each.name: getattr(use_cases, each.name) for each in fields(use_cases)} | more
    given = {name: Provide(_giving(thing), sync_to_thread=False) for name, thing in things.items()}
    return {**given, "caller": Provide(calling, sync_to_thread=False)}


def _giving(thing: object) -> Callable[[], Any]:
    """A provider of one thing; untyped, since the handler that asks knows its type."""
    return lambda: thing


def _border(*, development: bool) -> ExceptionHandlersMap:
    def refuse(request: Request[Any, Any, Any], error: Exception) -> Answer:
        return error_answer(error, request.scope, development=development)

    return cast("ExceptionHandlersMap", {Exception: refuse})


def _cors(origins: list[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-ID"],
        expose_headers=[
            "Link",
            "ETag",
            "X-Request-ID",
            "X-Cache",
            "Retry-After",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
        ],
    )


async def _bound_threads() -> None:
    """Handlers that reach storage run in a few threads of this loop, and no more."""
    asyncio.get_running_loop().set_default_executor(PatientThreads())
