"""Who may call what: the guard before each call that wants a token, and who calls."""

import re
from dataclasses import dataclass
from typing import Any

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from application.accounts import Authenticate, admin
from domain.errors import Unauthenticated
from domain.users import Caller
from entrypoints.http.endpoints import API, Access, call_of
from entrypoints.http.rate_limits import Limiting
from entrypoints.http.requests import HttpRequest

BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(eq=False)
class TokenMissing(Unauthenticated):
    """A token is wanted, and none was sent as it should be."""

    def __str__(self) -> str:
        return f"A token is needed: send Authorization: Bearer <token>; {API}/auth/login gives one"


def guarding(authenticate: Authenticate, limiting: Limiting, *, public: bool) -> Guard:
    """The guard of all calls. `public` says that the catalogue needs no token; a bad one is refused anyway.

    A request counts against the limit of its user, or of its address if it proves to be nobody's. Raises
    TokenMissing, TokenRejected, AdminsOnly, TooManyRequests. It is `async` because Litestar would send all of
    it to a thread otherwise, though most of it waits for nothing.
    """

    async def may_call(connection: Connection, handler: BaseRouteHandler) -> None:
        call = call_of(handler.opt)
        if call is None:
            return
        sent = credentials(connection)
        if call.access is Access.EVERYONE or (call.access is Access.READERS and public and not sent):
            if call.limited:
                await limiting.request(connection, None)
            return
        try:
            caller = await sync_to_thread(authenticate, access_token=bearer(sent))
        except Unauthenticated:
            await limiting.request(connection, None)  # or tokens could be tried without end
            raise
        await limiting.request(connection, caller.user)
        if call.access is Access.ADMINS:
            admin(caller)
        connection.scope["state"]["caller"] = caller

    return may_call


def credentials(connection: Connection) -> list[str]:
    """The `Authorization` headers that are meant for us.

    Others, such as the Basic credentials that a browser goes on sending after a proxy has asked for them, are
    ignored.
    """
    sent = connection.headers.getall("authorization", [])
    return [each for each in sent if each.split(" ", 1)[0].lower() == "bearer"]


def bearer(sent: list[str]) -> str:
    """The token in the `Authorization` headers. Raises TokenMissing."""
    found = BEARER.fullmatch(sent[0]) if len(sent) == 1 else None
    if found is None:
        raise TokenMissing
    return found[1]


def calling(request: HttpRequest) -> Caller:
    """Who sent this request, which has passed the guard."""
    caller: Caller = request.scope["state"]["caller"]
    return caller
