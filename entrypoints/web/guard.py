"""Who looks at a page: the guard of all pages, which reads the cookies and refuses forms of other sites."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard, HTTPScope, Scope

from application.accounts import Refresh, require_admin
from domain.errors import Forbidden, Unauthenticated
from domain.users import Caller, TokenExpired, TokenRejected
from entrypoints.http.auth import CallerCache, TokenMissing
from entrypoints.http.endpoints import Access
from entrypoints.http.rate_limits import RateLimits
from entrypoints.web.cookies import SessionCookies
from entrypoints.web.paths import HOME, requested_path, without_empty
from entrypoints.web.rendering import VIEWER

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

SAME_SITE = frozenset({"same-origin", "none"})
"""The values of `Sec-Fetch-Site` for requests of our own pages, and of the user, such as a bookmark."""

Connection = ASGIConnection[Any, Any, Any, Any]


class CrossSiteRequest(HTTPException):
    """A page of another site has sent the form."""

    status_code = 403


class SignInRequired(HTTPException):
    """The page is for people who are signed in. `path` is the page to go to afterwards."""

    status_code = 401

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Who may see a page, and whether a request for it counts against the rate limit."""

    access: Access = Access.EVERYONE
    limited: bool = True


def page_opt(access: Access = Access.EVERYONE, *, limited: bool = True) -> dict[str, Any]:
    """The options of a route handler."""
    return {"page": Page(access=access, limited=limited)}


class Viewers:
    """Finds who looks at a page, by the cookies, and continues sessions whose access token has expired."""

    def __init__(self, find_caller: CallerCache, refresh: Refresh, cookies: SessionCookies) -> None:
        self._find_caller = find_caller
        self._refresh = refresh
        self._cookies = cookies

    async def __call__(self, connection: Connection) -> Caller | None:
        """The caller; None if the cookies name no session. Those that name none are deleted."""
        access, refresh_token = self._cookies.read(connection.cookies, connection.scope)
        if access is None and refresh_token is None:
            return None
        try:
            return await self._find(connection.scope, access, refresh_token)
        except Unauthenticated:
            self._cookies.delete(connection.scope)
            return None

    async def still_allowed(self, connection: Connection) -> bool:
        """Whether whom the access token of the cookies names may still see the page, while it is sent.

        A session is not continued here: there is no way to send cookies once a response has begun.
        """
        access, _ = self._cookies.read(connection.cookies, connection.scope)
        scope = cast("HTTPScope", connection.scope)
        page: Page = scope["route_handler"].opt["page"]
        try:
            _authorize(await self._signed_in(access), page.access, scope)
        except (Unauthenticated, Forbidden):
            return False
        return True

    async def _find(self, scope: Scope, access: str | None, refresh_token: str | None) -> Caller:
        try:
            return await self._signed_in(access)
        except (TokenMissing, TokenExpired):
            if refresh_token is None:
                raise
        signed_in = await sync_to_thread(self._refresh, refresh_token=refresh_token)
        self._cookies.keep(signed_in, scope)
        return await self._find_caller([f"Bearer {signed_in.access_token}"])

    async def _signed_in(self, access: str | None) -> Caller:
        """The caller of a session, by its access token. Raises TokenMissing, TokenExpired, and TokenRejected
        also for an API token that somebody uses as a cookie.
        """
        caller = await self._find_caller([f"Bearer {access}"] if access else [])
        if caller.session is None:
            raise TokenRejected
        return caller


def make_page_guard(find_viewer: Viewers, rate_limits: RateLimits, *, public: bool) -> Guard:
    """Make the guard. If `public`, readers need not be signed in.

    It raises CrossSiteRequest, SignInRequired, AdminsOnly, TooManyRequests.
    """

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        page: Page | None = handler.opt.get("page")
        if page is None:
            return
        scope = cast("HTTPScope", connection.scope)
        if scope["method"] not in SAFE_METHODS and not is_same_origin(connection):
            raise CrossSiteRequest
        scope["query_string"] = without_empty(scope["query_string"])
        caller = await find_viewer(connection)
        scope["state"][VIEWER] = caller
        if page.limited:
            await rate_limits.count_request(connection, caller.user if caller else None)
        if page.access is not Access.EVERYONE and not (page.access is Access.READERS and public):
            _authorize(caller, page.access, scope)

    return guard


def require_viewer(scope: HTTPScope) -> None:
    """Check that somebody is signed in, for a page that everyone may see otherwise. Raises SignInRequired."""
    _authorize(scope["state"].get(VIEWER), Access.USERS, scope)


def _authorize(caller: Caller | None, access: Access, scope: HTTPScope) -> None:
    if caller is None:
        is_get = scope["method"] == "GET"
        raise SignInRequired(requested_path(scope["path"], scope["query_string"]) if is_get else HOME)
    if access is Access.ADMINS:
        require_admin(caller)


def is_same_origin(connection: Connection) -> bool:
    """Whether one of our own pages has sent a request.

    Browsers tell it by `Sec-Fetch-Site`, those without TLS by `Origin`. A request with neither is not from a
    browser, so it has no cookies but those that its sender knows.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site in SAME_SITE
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == connection.headers.get("host")
