"""Authentication and authorization: the guard of all routes, and the caller of a request."""

import re
from dataclasses import dataclass
from typing import Any

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from application.accounts import Authenticate, require_admin
from domain.errors import Unauthenticated
from domain.users import Caller
from entrypoints.http import BASE
from entrypoints.http.endpoints import Access, endpoint_of
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest

BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(eq=False)
class TokenMissing(Unauthenticated):
    """The request needs a token, and has none in the form `Authorization: Bearer <token>`."""

    def __str__(self) -> str:
        return f"A token is needed: send Authorization: Bearer <token>; {BASE}/auth/login gives one"


def make_guard(authenticate: Authenticate, rate_limits: RateLimits, *, public: bool) -> Guard:
    """Make the guard that authenticates, counts and authorizes each request.

    If `public`, the catalogue can be read without a token; an invalid token is still refused. A request
    counts against the rate limit of its user, or of its address if it has no valid token.

    The guard raises TokenMissing, TokenRejected, AdminsOnly, TooManyRequests. It is `async` because Litestar
    would run all of it in a thread otherwise, and only `authenticate` needs one.
    """

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        endpoint = endpoint_of(handler.opt)
        if endpoint is None:
            return
        headers = bearer_headers(connection)
        anonymous = endpoint.access is Access.READERS and public and not headers
        if endpoint.access is Access.EVERYONE or anonymous:
            if endpoint.limited:
                await rate_limits.count_request(connection, None)
            return
        try:
            caller = await sync_to_thread(authenticate, access_token=bearer_token(headers))
        except Unauthenticated:
            await rate_limits.count_request(connection, None)  # or tokens could be guessed without limit
            raise
        await rate_limits.count_request(connection, caller.user)
        if endpoint.access is Access.ADMINS:
            require_admin(caller)
        connection.scope["state"]["caller"] = caller

    return guard


def bearer_headers(connection: Connection) -> list[str]:
    """The `Authorization` headers of the Bearer scheme.

    Others are ignored, such as Basic credentials that a browser sends because a proxy has requested them.
    """
    headers = connection.headers.getall("authorization", [])
    return [header for header in headers if header.split(" ", 1)[0].lower() == "bearer"]


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
