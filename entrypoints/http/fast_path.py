"""The fast path: responses that this process knows to be valid, sent without the framework.

A `GET` or `HEAD` is answered here if this process may use a copy of the response and of the token's caller,
and has requests left that the rate limit allows. Every other request is passed on. What is sent equals, byte
for byte and header for header, what the rest of the application would send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from entrypoints.http.local_copies import LocalCopies, LocalResponse, Target, response_key, target_of
from entrypoints.http.middleware import REFUSED, CommonHeaders, printable, request_id_of
from entrypoints.http.rate_limits import Peer, RateLimits
from entrypoints.http.responses import Header, header_lines

METHODS = frozenset({"GET", "HEAD"})

UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"origin"})
"""Headers of requests that are always passed on: they have a body, or are from a page of another origin."""

HIT = header_lines([(b"x-cache", b"HIT")])

MAX_HEADS = 2048
"""Heads of requests that are kept with what they say."""

PASSED_ON = "passed_on"
"""The key in the state of a scope under which the server notes that there was no response for the request."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What the head of a request without a body says, as far as the fast path uses it.

    It depends on the bytes of the head only, not on the connection or the time.
    """

    method: str
    path: str
    target: Target
    request_id: bytes
    authorization: bytes | None
    accept_encoding: bytes
    accept_language: bytes
    if_none_match: bytes

    @classmethod
    def of(cls, scope: HTTPScope) -> "RequestHead | None":
        """The head of a request; None if it is to be passed on."""
        all_headers = cast("list[Header]", scope["headers"])
        headers = dict(all_headers)
        if (
            scope["method"] not in METHODS
            or len(headers) != len(all_headers)
            or not UNUSUAL.isdisjoint(headers)
        ):
            return None
        return cls(
            method=scope["method"],
            path=printable(scope["path"]),
            target=target_of(scope),
            request_id=headers.get(b"x-request-id", b""),
            authorization=headers.get(b"authorization"),
            accept_encoding=headers.get(b"accept-encoding", b""),
            accept_language=headers.get(ACCEPT_LANGUAGE, b""),
            if_none_match=headers.get(b"if-none-match", b""),
        )


class FastResponse(NamedTuple):
    """A response of the fast path; `lines` are its headers, `record` is that of its request."""

    status: int
    lines: bytes
    body: bytes
    record: RequestRecord
    request: RequestHead

    @property
    def headers(self) -> list[Header]:
        """The headers, as ASGI has them."""
        pairs = [line.partition(b": ") for line in self.lines.split(b"\r\n")[:-1]]
        return [(name, value) for name, _, value in pairs]


class FastPath:
    """Answers what can be answered from local copies; `app` answers everything else.

    As a middleware it works with every server. Ours calls `respond` itself, which saves a task for each
    request; and `respond_again` for a head with the same bytes as an earlier one, which saves parsing it.
    `fixed` are responses by path that never change, are for everybody, and do not count against a limit.
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
        self._fixed = {(path, b""): response for path, response in (fixed or {}).items()}
        self._responses = copies.responses
        self._callers = copies.callers
        self._use = copies.use
        self._rate_limits = rate_limits
        self._common_lines = common_headers.lines
        self._accepted_language = negotiate.accepted if negotiate.has_choice else None
        self._observers = observers
        self._heads: dict[bytes, RequestHead] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        if (
            scope["type"] == ScopeType.HTTP
            and PASSED_ON not in scope["state"]
            and (found := self.respond(scope))
        ):
            await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
            await send({"type": "http.response.body", "body": found.body, "more_body": False})
            presence: ClientPresence | None = scope["state"].get(CLIENT_PRESENCE)
            if presence and presence.left:
                found.record.status = CLIENT_CLOSED_REQUEST
            self.observe(found.record)
        else:
            await self.app(scope, receive, send)

    def respond(self, scope: HTTPScope) -> FastResponse | None:
        """The response to a request, to be sent at once and then observed; None if `app` must respond."""
        if scope["method"] not in METHODS:
            return None
        self._use()
        request = RequestHead.of(scope)
        if request is None or REFUSED in scope["state"]:
            return None
        return self._respond(request, scope["client"], https=scope["scheme"] == "https")

    def respond_again(self, head: bytes, peer: Peer | None, *, https: bool) -> FastResponse | None:
        """The response to a request with these bytes, if they are kept."""
        request = self._heads.get(head)
        if request is None:
            return None
        self._use()
        return self._respond(request, peer, https=https)

    def keep(self, head: bytes, request: RequestHead) -> None:
        """Keep what the bytes of a head say. Clients that name their requests send none of them again."""
        if request.request_id:
            return
        if len(self._heads) >= MAX_HEADS:
            self._heads.clear()
        self._heads[head] = request

    def _respond(self, request: RequestHead, peer: Peer | None, *, https: bool) -> FastResponse | None:
        began = perf_counter()
        caller: Caller | None = None
        copy, counted, cache = self._fixed.get(request.target), b"", None
        if copy is None:
            found = self._find(request, peer)
            if found is None:
                return None
            copy, caller, counted = found
            cache = "HIT"
        status, own, body = copy.represent(request.accept_encoding, request.if_none_match)
        request_id = request_id_of(request.request_id)
        common = self._common_lines(request_id, https=https, negotiated=copy.negotiated)
        record = RequestRecord(
            request_id=request_id,
            method=request.method,
            route=copy.route,
            path=request.path,
            status=status,
            seconds=perf_counter() - began,
            user=caller.user.id if caller else None,
            cache=cache,
        )
        body = b"" if request.method == "HEAD" else body
        return FastResponse(status, b"%b%b%b" % (own, counted, common), body, record, request)

    def _find(
        self, request: RequestHead, peer: Peer | None
    ) -> tuple[LocalResponse, Caller | None, bytes] | None:
        """A copy that may be used, the caller, and the lines of the rate limit and the cache."""
        caller: Caller | None = None
        if request.authorization is not None:
            caller = self._callers.get(request.authorization)
            if caller is None:
                return None
        language: str | None = None
        if self._accepted_language:
            language = self._accepted_language(request.accept_language)
        copy: LocalResponse | None = self._responses.get(response_key(request.target, None, language))
        if copy is None and caller:
            copy = self._responses.get(response_key(request.target, caller.user.id, language))
        if copy is None or not (caller or copy.public):
            return None
        limits = self._rate_limits.take(caller.user if caller else None, peer)
        return None if limits is None else (copy, caller, limits + HIT)

    def observe(self, record: RequestRecord) -> None:
        """Record a request whose response was sent."""
        for observer in self._observers:
            observer(record)
