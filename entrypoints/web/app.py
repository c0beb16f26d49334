"""The pages as a part of the application: their routes, their dependencies and their error pages."""

from collections.abc import Sequence
from typing import TypeVar, cast

from litestar import Request, Router
from litestar.datastructures import State
from litestar.types import ExceptionHandlersMap, Scope

from application.accounts import ListUsers, Refresh
from application.additions import SearchSource
from application.api_tokens import ListApiTokens
from application.catalogue import GetMovie, SearchMovies, TranslateMovies
from application.imports import GetImport, ListImportRows, ListImports
from application.invitations import ListInvitations
from application.ratings import ListMovieRatings
from application.recommendations import ListMovieRecommendations
from application.relations import GetRelation
from application.sessions import ListSessions
from application.sync_runs import ListRuns
from application.viewings import GetViewing, ListMovieViewings
from entrypoints.http import BASE
from entrypoints.http.auth import CallerCache
from entrypoints.http.dependencies import OwnedRouter, Resolver, bound
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.resources.about import Version
from entrypoints.http.resources.health import HealthChecks
from entrypoints.http.responses import Response
from entrypoints.http.thread_pools import SourceThreads
from entrypoints.settings import Settings
from entrypoints.web.cookies import SessionCookies
from entrypoints.web.errors import ErrorPages, wants_page
from entrypoints.web.guard import Viewers, make_page_guard
from entrypoints.web.pages import (
    account,
    admin,
    assets,
    diary,
    home,
    images,
    imports,
    lists,
    movies,
    recommendations,
    search,
    sessions,
    statistics,
)
from entrypoints.web.pages.account import AccountView
from entrypoints.web.pages.admin import AdminView, InvitationsView, UsersView
from entrypoints.web.pages.diary import ViewingView
from entrypoints.web.pages.images import PictureThreads
from entrypoints.web.pages.imports import ImportsView, ImportView
from entrypoints.web.pages.movies import MovieView
from entrypoints.web.pages.search import SearchView
from entrypoints.web.rendering import Renderer

ROUTES = (
    assets.ROUTES,
    home.ROUTES,
    search.ROUTES,
    movies.ROUTES,
    lists.ROUTES,
    recommendations.ROUTES,
    diary.ROUTES,
    statistics.ROUTES,
    account.ROUTES,
    imports.ROUTES,
    sessions.ROUTES,
    admin.ROUTES,
)

PROXIED = (images.ROUTES,)
"""The routes that are there only with `IMAGES=proxy`."""

API = BASE.rpartition("/")[0]
"""The prefix of all versions of the API, whose errors are never pages."""

T = TypeVar("T")


class WebPages:
    """The pages for people."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._render = Renderer(settings)
        self._errors = ErrorPages(self._render)

    def routers(self, find: Resolver) -> Sequence[Router]:
        """The routes of all pages, a router for each subject."""
        cookies = SessionCookies(self._settings.refresh_token_ttl)
        viewers = Viewers(find(CallerCache), find(Refresh), cookies)
        guard = make_page_guard(viewers, find(RateLimits), public=self._settings.catalogue_is_public)
        own: dict[object, object] = {
            AccountView: AccountView(
                list_sessions=find(ListSessions),
                list_api_tokens=find(ListApiTokens),
                render=self._render,
            ),
            AdminView: AdminView(
                list_runs=find(ListRuns),
                health_checks=find(HealthChecks),
                version=find(Version),
                render=self._render,
                discovers=bool(self._settings.sync_discover_filters),
            ),
            ImportsView: ImportsView(list_imports=find(ListImports), render=self._render),
            ImportView: ImportView(
                get_import=find(GetImport), list_import_rows=find(ListImportRows), render=self._render
            ),
            InvitationsView: InvitationsView(list_invitations=find(ListInvitations), render=self._render),
            UsersView: UsersView(list_users=find(ListUsers), render=self._render),
            SearchView: SearchView(
                search_movies=find(SearchMovies),
                translate_movies=find(TranslateMovies),
                search_source=find(SearchSource),
                source_threads=find(SourceThreads),
                render=self._render,
            ),
            MovieView: MovieView(
                get_movie=find(GetMovie),
                translate_movies=find(TranslateMovies),
                get_relation=find(GetRelation),
                list_movie_ratings=find(ListMovieRatings),
                list_movie_viewings=find(ListMovieViewings),
                list_movie_recommendations=find(ListMovieRecommendations),
                render=self._render,
            ),
            ViewingView: ViewingView(
                get_viewing=find(GetViewing), translate_movies=find(TranslateMovies), render=self._render
            ),
            PictureThreads: PictureThreads(),
            Renderer: self._render,
            SessionCookies: cookies,
            Viewers: viewers,
        }

        def provide(kind: type[T]) -> T:
            return cast("T", own[kind]) if kind in own else find(kind)

        def respond(request: Request[object, object, State], error: Exception) -> Response:
            return self._errors(error, request.scope)

        handlers = cast("ExceptionHandlersMap", {Exception: respond})
        return [
            OwnedRouter(
                "/",
                route_handlers=bound(routes, provide),
                guards=[guard],
                exception_handlers=handlers,
            )
            for routes in (*ROUTES, *(PROXIED if self._settings.images == "proxy" else ()))
        ]

    def error_page(self, error: Exception, scope: Scope) -> Response | None:
        """The page for an error of no page; None for the API, and for other clients than browsers."""
        is_api = scope["path"].startswith(API)
        return None if is_api or not wants_page(scope) else self._errors(error, scope)
