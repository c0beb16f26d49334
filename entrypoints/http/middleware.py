"""The outermost layer: what holds of every answer, whoever made it.

It names the request, refuses what the service cannot take, lets HEAD pass as GET, adds the headers that no
answer goes without, and tells its witnesses what came of it.
"""

import re
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any
from uuid import uuid4

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send
from structlog.contextvars import bind_contextvars

from entrypoints.http.access_log import GONE, PRESENCE, Exchange, Presence, Witness
from entrypoints.http.errors import BodyTooLarge, ClientLeft, ServerFull, error_answer
from entrypoints.http.responses import Header

MOST_IN_WORK = 1024
"""Requests taken on at a time; the next one is refused at once rather than left waiting. Most wait for a kept
answer, or for a thread, and that for no longer than `threads.PATIENCE`.
"""

REFUSED = "refused"
"""The key of the scope's state under which the server puts the error that is to be answered instead of the
request.
"""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""An answer may bring its own word on any of these."""

BEHIND_TLS: Header = (b"strict-transport-security", b"max-age=31536000")


class Edge:
    """Wraps an application; paths that begin with `unlimited` are answered even when the service is full."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        unlimited: str,
        most_body_bytes: int,
        cors: bool,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self.app = app
        self.witnesses = witnesses
        self.unlimited = unlimited
        self.most_body_bytes = most_body_bytes
        self.vary: Header = (b"vary", b"Accept-Encoding, Origin" if cors else b"Accept-Encoding")
        self.in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == ScopeType.HTTP:
            await self._answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        asked = dict(scope["headers"])
        request_id = _request_id(asked.get(b"x-request-id", b""))
        state = scope["state"]
        state |= {"request_id": request_id, "path": _printable(scope["path"])}
        presence: Presence | None = state.get(PRESENCE)
        if presence is None:  # it is not our own server that calls
            presence = state[PRESENCE] = Presence()
            receive = _noticing(receive, presence)
        bind_contextvars(request_id=request_id)  # for every line that is logged on the way
        bodiless = scope["state"]["bodiless"] = scope["method"] == "HEAD"
        finishing = _Finishing(send, scope["state"], self._headers(scope, request_id), bodiless=bodiless)
        # The server must go on seeing HEAD.
        inner = HTTPScope(**{**scope, "method": "GET"}) if bodiless else scope
        try:
            await self._pass(inner, receive, finishing, asked)
        finally:
            scope["path_template"] = inner.get("path_template", "")
            status = GONE if presence.left else finishing.status
            self._tell(scope, status or GONE, perf_counter() - began)

    def _tell(self, scope: HTTPScope, status: int, seconds: float) -> None:
        seen = Exchange(scope, status, seconds)
        for witness in self.witnesses:
            witness(seen)

    async def _pass(
        self, scope: HTTPScope, receive: Receive, finishing: "_Finishing", asked: dict[bytes, bytes]
    ) -> None:
        refused: Exception | None = scope["state"].get(REFUSED)
        if refused is not None:
            if not isinstance(refused, ClientLeft):
                await error_answer(refused, scope)(scope, receive, finishing)
        elif _length(asked) > self.most_body_bytes:
            await error_answer(BodyTooLarge(), scope)(scope, receive, finishing)
        elif scope["path"].startswith(self.unlimited):
            await self.app(scope, receive, finishing)
        else:
            await self._limited(scope, receive, finishing)

    async def _limited(self, scope: HTTPScope, receive: Receive, finishing: "_Finishing") -> None:
        """A request counts until its answer begins: a client that reads slowly keeps nobody else out."""
        if self.in_work >= MOST_IN_WORK:
            await error_answer(ServerFull(), scope)(scope, receive, finishing)
            return
        self.in_work += 1
        finishing.begun = self._done
        try:
            await self.app(scope, receive, finishing)
        finally:
            finishing.begin()

    def _done(self) -> None:
        self.in_work -= 1

    def _headers(self, scope: HTTPScope, request_id: str) -> list[Header]:
        headers = [(b"x-request-id", request_id.encode()), self.vary, *ALWAYS]
        return [*headers, BEHIND_TLS] if scope["scheme"] == "https" else headers


class _Finishing:
    """A `send` that completes an answer on its way out; `begun` is called once, when that starts.

    It remembers the status.
    """

    def __init__(self, send: Send, state: dict[str, Any], headers: list[Header], *, bodiless: bool) -> None:
        self.send = send
        self.state = state
        self.headers = headers
        self.bodiless = bodiless
        self.begun: Callable[[], None] | None = None
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.begin()
            own = [header for header in message["headers"] if header[0] != b"vary"]  # ours names all there is
            self.status = message["status"]
            given = {name for name, _ in own}
            added = [*self._learnt(), *(header for header in self.headers if header[0] not in given)]
            message["headers"] = [*own, *added]
        elif message["type"] == "http.response.body" and self.bodiless:
            message["body"] = b""
        await self.send(message)

    def _learnt(self) -> list[Header]:
        """What was learnt of this request on its way: where its client stands, what the cache did."""
        cached = self.state.get("x_cache")
        return [*self.state.get("limit_headers", ()), *([(b"x-cache", cached.encode())] if cached else [])]

    def begin(self) -> None:
        """Note that the answer begins, if that is not noted yet."""
        begun, self.begun = self.begun, None
        if begun:
            begun()


def _noticing(receive: Receive, presence: Presence) -> Receive:
    """The same `receive`, which notes that the client has left when it says so."""

    async def noticing() -> ReceiveMessage:
        message = await receive()
        if message["type"] == "http.disconnect":
            presence.left = True
        return message

    return noticing


def _request_id(given: bytes) -> str:
    return given.decode() if REQUEST_ID.fullmatch(given) else uuid4().hex


def _length(asked: dict[bytes, bytes]) -> int:
    """The length that a request claims for its body."""
    claimed = asked.get(b"content-length", b"")
    return int(claimed) if claimed.isdigit() and len(claimed) < 20 else 0


def _printable(path: str) -> str:
    """A path as an answer can repeat it."""
    return path.encode(errors="replace").decode()
