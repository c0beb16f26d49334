"""Authentication and authorization: the guard of all routes, and the caller of a request."""

import re
from dataclasses import dataclass
from typing import Any

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from application.accounts import Authenticate, Authenticated, require_admin
from domain.api_tokens import PREFIX
from domain.errors import Unauthenticated
from domain.users import Caller, TokenRejected
from entrypoints.http import BASE
from entrypoints.http.endpoints import Access, endpoint_of
from entrypoints.http.local_copies import LocalCopies
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest

BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)

ACCOUNTS = "accounts"
"""The tag of changes of any account or session."""

CALLER_SECONDS = 30.0
"""Seconds for which a copy of a caller is kept at most."""

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(eq=False)
class TokenMissing(Unauthenticated):
    """The request needs a token, and has none in the form `Authorization: Bearer <token>`."""

    def __str__(self) -> str:
        return f"A token is needed: send Authorization: Bearer <token>; {BASE}/auth/login gives one"


def make_guard(find_caller: "CallerCache", rate_limits: RateLimits, *, public: bool) -> Guard:
    """Make the guard that authenticates, counts and authorizes each request.

    If `public`, the catalogue can be read without a token; an invalid token is still refused. A request
    counts against the rate limit of its user, or of its address if it has no valid token.

    The guard raises TokenMissing, TokenRejected, ReadOnlyToken, SessionRequired, AdminsOnly, TooManyRequests.
    It is `async` because Litestar
    would run all of it in a thread otherwise, and only `find_caller` needs one.
    """

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        endpoint = endpoint_of(handler.opt)
        if endpoint is None:
            return
        headers = [] if endpoint.hook else bearer_headers(connection)
        anonymous = endpoint.access is Access.READERS and public and not headers
        if endpoint.access is Access.EVERYONE or anonymous:
            if endpoint.limited:
                await rate_limits.count_request(connection, None)
            return
        try:
            caller = await find_caller(hook_headers(connection) if endpoint.hook else headers)
        except Unauthenticated:
            await rate_limits.count_request(connection, None)  # or tokens could be guessed without limit
            raise
        await rate_limits.count_request(connection, caller.user)
        caller.require_scope(writes=connection.scope.get("method") != "GET")  # HEAD has become GET
        if endpoint.sessions_only:
            caller.required_session()
        if endpoint.access is Access.ADMINS:
            require_admin(caller)
        connection.scope["state"]["caller"] = caller

    return guard


class CallerCache:
    """Finds the caller of a token, and keeps a copy of it if the process may keep one."""

    def __init__(self, authenticate: Authenticate, copies: LocalCopies | None) -> None:
        self._authenticate = authenticate
        self._local = copies

    async def __call__(self, headers: list[str]) -> Caller:
        """The caller, by the `Authorization` headers. Raises TokenMissing, TokenRejected."""
        token = bearer_token(headers)
        if self._local is None:
            return (await self._find(token)).caller
        self._local.use()
        copies, key = self._local.callers, headers[0].encode("latin-1")
        copy: Caller | None = copies.get(key)
        if copy:
            return copy
        fill = copies.begin(ACCOUNTS)
        try:
            found = await self._find(token)
        except BaseException:
            copies.discard(fill)
            raise
        tags = _tags(found.caller)
        copies.put(fill, key, found.caller, tags, min(found.valid_for.total_seconds(), CALLER_SECONDS))
        return found.caller

    async def _find(self, token: str) -> Authenticated:
        return await sync_to_thread(self._authenticate, access_token=token)


def _tags(caller: Caller) -> tuple[str, ...]:
    """What invalidates a copy of a caller: changes of the user, and the end of the session or API token."""
    ends = caller.api_token.id if caller.api_token else caller.session
    return f"user:{caller.user.id}", f"session:{ends}"


def bearer_headers(connection: Connection) -> list[str]:
    """The `Authorization` headers of the Bearer scheme.

    Others are ignored, such as Basic credentials that a browser sends because a proxy has requested them.
    """
    # Litestar would parse all headers to find these.
    found = (
        value.decode("latin-1") for name, value in connection.scope["headers"] if name == b"authorization"
    )
    return [header for header in found if header.split(" ", 1)[0].lower() == "bearer"]


def hook_headers(connection: Connection) -> list[str]:
    """The API token in the path, in the form of a header. Raises TokenRejected for any other text."""
    text = connection.path_params["token"]
    header = f"Bearer {text}"
    if not text.startswith(PREFIX) or not BEARER.fullmatch(header):
        raise TokenRejected
    return [header]


def bearer_token(headers: list[str]) -> str:
    """The token in the `Authorization` headers. Raises TokenMissing unless there is exactly one."""
    match = BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise TokenMissing
    return match[1]


def current_caller(request: HttpRequest) -> Caller:
    """The caller of a request that has passed the guard."""
    caller: Caller = request.scope["state"]["caller"]
    return caller
