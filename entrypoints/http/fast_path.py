"""The fast path: responses that this process knows to be valid, sent without the framework.

A `GET` or `HEAD` is answered here if this process may use a copy of the response and of the token's caller,
and has requests left that the rate limit allows. Every other request is passed on. What is sent equals, byte
for byte and header for header, what the rest of the application would send.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from domain.users import Caller
from entrypoints.http.access_log import (
    CLIENT_CLOSED_REQUEST,
    CLIENT_PRESENCE,
    ClientPresence,
    Observer,
    RequestRecord,
)
from entrypoints.http.local_copies import LocalCopies, LocalResponse, response_key
from entrypoints.http.middleware import REFUSED, CommonHeaders, printable, request_id_of
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.responses import Header

METHODS = frozenset({"GET", "HEAD"})

UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"origin"})
"""Headers of requests that are always passed on: they have a body, or are from a page of another origin."""

HIT: Header = (b"x-cache", b"HIT")


class FastPath:
    """Answers what can be answered from local copies; `app` answers everything else."""

    def __init__(
        self,
        app: ASGIApp,
        copies: LocalCopies,
        rate_limits: RateLimits,
        common_headers: CommonHeaders,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.app = app
        self._responses = copies.responses
        self._callers = copies.callers
        self._use = copies.use
        self._rate_limits = rate_limits
        self._common_headers = common_headers
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        if scope["type"] == ScopeType.HTTP and scope["method"] in METHODS:
            began = perf_counter()
            found = self._find(scope)
            if found:
                await self._respond(scope, send, *found, began)
                return
        await self.app(scope, receive, send)

    def _find(
        self, scope: HTTPScope
    ) -> tuple[dict[bytes, bytes], LocalResponse, Caller | None, list[Header]] | None:
        """The headers of a request, the response, the caller, and the headers of the rate limit."""
        self._use()
        all_headers = cast("list[Header]", scope["headers"])
        headers = dict(all_headers)
        if len(headers) != len(all_headers) or not UNUSUAL.isdisjoint(headers):
            return None
        if REFUSED in scope["state"]:
            return None
        caller: Caller | None = None
        authorization = headers.get(b"authorization")
        if authorization is not None:
            caller = self._callers.get(authorization)
            if caller is None:
                return None
        copy: LocalResponse | None = self._responses.get(response_key(scope))
        if copy is None and caller:
            copy = self._responses.get(response_key(scope, caller.user.id))
        if copy is None or not (caller or copy.public):
            return None
        limits = self._rate_limits.take(scope, caller.user if caller else None)
        return None if limits is None else (headers, copy, caller, limits)

    async def _respond(
        self,
        scope: HTTPScope,
        send: Send,
        headers: dict[bytes, bytes],
        copy: LocalResponse,
        caller: Caller | None,
        limits: list[Header],
        began: float,
    ) -> None:
        request_id = request_id_of(headers.get(b"x-request-id", b""))
        status, own, body = copy.represent(
            accept_encoding=headers.get(b"accept-encoding", b""),
            if_none_match=headers.get(b"if-none-match", b""),
        )
        is_head = scope["method"] == "HEAD"
        added = self._common_headers(request_id, https=scope["scheme"] == "https")
        await send({"type": "http.response.start", "status": status, "headers": [*own, *limits, HIT, *added]})
        await send({"type": "http.response.body", "body": b"" if is_head else body, "more_body": False})
        presence: ClientPresence | None = scope["state"].get(CLIENT_PRESENCE)
        record = RequestRecord(
            request_id=request_id,
            method=scope["method"],
            route=copy.route,
            path=printable(scope["path"]),
            status=CLIENT_CLOSED_REQUEST if presence and presence.left else status,
            seconds=perf_counter() - began,
            user=caller.user.id if caller else None,
            cache="HIT",
        )
        for observer in self._observers:
            observer(record)
