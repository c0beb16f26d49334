"""The fast path: responses that this process knows to be valid, sent without the framework.

A `GET` or `HEAD` is answered here if this process may use a copy of the response and of the token's caller,
and has requests left that the rate limit allows. Every other request is passed on. What is sent equals, byte
for byte and header for header, what the rest of the application would send.
"""

from collections.abc import Hashable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple, cast

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
from entrypoints.http.languages import ACCEPT_LANGUAGE, LanguageNegotiation
from entrypoints.http.local_copies import LocalCopies, LocalResponse, response_key
from entrypoints.http.middleware import REFUSED, CommonHeaders, printable, request_id_of
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.responses import Header

METHODS = frozenset({"GET", "HEAD"})

UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"origin"})
"""Headers of requests that are always passed on: they have a body, or are from a page of another origin."""

HIT: Header = (b"x-cache", b"HIT")

PASSED_ON = "passed_on"
"""The key in the state of a scope under which the server notes that there was no response for the request."""


class FastResponse(NamedTuple):
    """A response of the fast path, and the record of its request."""

    status: int
    headers: list[Header]
    body: bytes
    record: RequestRecord


class FastPath:
    """Answers what can be answered from local copies; `app` answers everything else.

    As a middleware it works with every server. Ours calls `respond` itself, which saves a task for each
    request. `fixed` are responses by path that never change, are for everybody, and do not count against a
    limit.
    """

    def __init__(
        self,
        app: ASGIApp,
        copies: LocalCopies,
        rate_limits: RateLimits,
        common_headers: CommonHeaders,
        negotiate: LanguageNegotiation,
        observers: Sequence[Observer] = (),
        fixed: Mapping[bytes, LocalResponse] | None = None,
    ) -> None:
        self.app = app
        self._fixed: dict[Hashable, LocalResponse] = {
            (path, b""): response for path, response in (fixed or {}).items()
        }
        self._responses = copies.responses
        self._callers = copies.callers
        self._use = copies.use
        self._rate_limits = rate_limits
        self._common_headers = common_headers
        self._accepted_language = negotiate.accepted if negotiate.has_choice else None
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        if (
            scope["type"] == ScopeType.HTTP
            and PASSED_ON not in scope["state"]
            and (found := self.respond(scope))
        ):
            status, headers, body, record = found
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            presence: ClientPresence | None = scope["state"].get(CLIENT_PRESENCE)
            if presence and presence.left:
                record.status = CLIENT_CLOSED_REQUEST
            self.observe(record)
        else:
            await self.app(scope, receive, send)

    def respond(self, scope: HTTPScope) -> FastResponse | None:
        """The response to a request, to be sent at once and then observed; None if `app` must respond."""
        began = perf_counter()
        method = scope["method"]
        if method not in METHODS:
            return None
        self._use()
        all_headers = cast("list[Header]", scope["headers"])
        headers = dict(all_headers)
        if len(headers) != len(all_headers) or not UNUSUAL.isdisjoint(headers) or REFUSED in scope["state"]:
            return None
        key = response_key(scope)
        fixed = self._fixed.get(key)
        found = (fixed, None, ()) if fixed else self._find(scope, key, headers)
        if found is None:
            return None
        copy, caller, hit = found
        request_id = request_id_of(headers.get(b"x-request-id", b""))
        status, own, body = copy.represent(
            accept_encoding=headers.get(b"accept-encoding", b""),
            if_none_match=headers.get(b"if-none-match", b""),
        )
        https = scope["scheme"] == "https"
        added = self._common_headers(request_id, https=https, negotiated=copy.negotiated)
        record = RequestRecord(
            request_id=request_id,
            method=method,
            route=copy.route,
            path=printable(scope["path"]),
            status=status,
            seconds=perf_counter() - began,
            user=caller.user.id if caller else None,
            cache="HIT" if hit else None,
        )
        return FastResponse(status, [*own, *hit, *added], b"" if method == "HEAD" else body, record)

    def _find(
        self, scope: HTTPScope, key: Hashable, headers: Mapping[bytes, bytes]
    ) -> tuple[LocalResponse, Caller | None, Sequence[Header]] | None:
        """A copy that may be used, the caller, and the headers of the rate limit and the cache."""
        caller: Caller | None = None
        authorization = headers.get(b"authorization")
        if authorization is not None:
            caller = self._callers.get(authorization)
            if caller is None:
                return None
        language: str | None = None
        if self._accepted_language:
            language = self._accepted_language(headers.get(ACCEPT_LANGUAGE, b""))
            key = response_key(scope, None, language)
        copy: LocalResponse | None = self._responses.get(key)
        if copy is None and caller:
            copy = self._responses.get(response_key(scope, caller.user.id, language))
        if copy is None or not (caller or copy.public):
            return None
        limits = self._rate_limits.take(scope, caller.user if caller else None)
        return None if limits is None else (copy, caller, [*limits, HIT])

    def observe(self, record: RequestRecord) -> None:
        """Record a request whose response was sent."""
        for observer in self._observers:
            observer(record)
