"""The outermost middleware, through which every request and response passes.

It assigns the request id, refuses requests beyond the limits, treats HEAD as GET, adds the headers that all
responses have, and notifies the observers of each request.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from os import urandom
from time import perf_counter
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send

from domain.api_tokens import PREFIX
from entrypoints import log_context
from entrypoints.http.access_log import (
    CLIENT_CLOSED_REQUEST,
    CLIENT_PRESENCE,
    ClientPresence,
    Observer,
    RequestRecord,
)
from entrypoints.http.body_limits import HOOKS, max_body_bytes
from entrypoints.http.errors import error_response
from entrypoints.http.exceptions import BodyTooLarge, ClientLeft, ServerFull
from entrypoints.http.responses import ADDED_HEADERS, CONTENT_LANGUAGE, Header, Response, header_lines
from entrypoints.http.uploads import upload_of

MAX_REQUESTS_IN_PROGRESS = 1024
"""Requests that have no response yet; further ones are refused at once. Most wait for the cache, or for a
thread, for which they wait `thread_pools.QUEUE_TIMEOUT` seconds at most.
"""

REFUSED = "refused"
"""The key in the state of a scope under which the server stores an error to respond with."""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

TOKEN_IN_PATH = re.compile(rf"(/{HOOKS}/).+|{PREFIX}[^/]+", re.DOTALL)
"""API tokens in paths, and whatever is in the place of one: it may be another secret."""

ID_BYTES = 16
IDS_AT_ONCE = 256

COMMON_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""The headers of every response that does not set them itself."""

HSTS: Header = (b"strict-transport-security", b"max-age=31536000")


class CommonHeaders:
    """The headers that all responses have unless they set them themselves."""

    def __init__(self, *, cors: bool) -> None:
        vary = b"Accept-Encoding, Origin" if cors else b"Accept-Encoding"
        self._fixed: tuple[Header, ...] = ((b"vary", vary), *COMMON_HEADERS)
        self._negotiated: tuple[Header, ...] = ((b"vary", vary + b", Accept-Language"), *COMMON_HEADERS)
        self._lines = {
            (https, negotiated): header_lines(self("", https=https, negotiated=negotiated)[1:])
            for https, negotiated in product((False, True), repeat=2)
        }

    def __call__(self, request_id: str, *, https: bool, negotiated: bool = False) -> list[Header]:
        """The headers of the response to one request; `negotiated` is whether its language was chosen by
        `Accept-Language`.
        """
        fixed = self._negotiated if negotiated else self._fixed
        headers = [(b"x-request-id", request_id.encode()), *fixed]
        return [*headers, HSTS] if https else headers

    def lines(self, request_id: str, *, https: bool, negotiated: bool) -> bytes:
        """The same headers as HTTP/1.1 sends them."""
        return b"x-request-id: %b\r\n%b" % (request_id.encode(), self._lines[https, negotiated])


class OuterMiddleware:
    """Wraps the application. Paths that begin with `unlimited` are served even if too many requests run."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        unlimited: str,
        max_body_bytes: int,
        common_headers: CommonHeaders,
        observers: Sequence[Observer] = (),
        respond_to_error: Callable[[Exception, Scope], Response] = error_response,
    ) -> None:
        self.app = app
        self.observers = observers
        self.respond_to_error = respond_to_error
        self.unlimited = unlimited
        self.max_body_bytes = max_body_bytes
        self.common_headers = common_headers
        self.in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        if scope["type"] == ScopeType.HTTP:
            await self._respond(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _respond(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        request_headers = dict(scope["headers"])
        request_id = request_id_of(request_headers.get(b"x-request-id", b""))
        state = scope["state"]
        state |= {"request_id": request_id, "path": printable(scope["path"])}
        presence: ClientPresence | None = state.get(CLIENT_PRESENCE)
        if presence is None:  # another server than ours, or a test
            presence = state[CLIENT_PRESENCE] = ClientPresence()
            receive = _noting_disconnect(receive, presence)
        log_context.request_id.set(request_id)
        is_head = state["is_head"] = scope["method"] == "HEAD"
        added = partial(self.common_headers, request_id, https=scope["scheme"] == "https")
        wrapper = _SendWrapper(send, state, added, is_head=is_head)
        # A copy, because the server must not see that HEAD was replaced.
        inner = HTTPScope(**{**scope, "method": "GET"}) if is_head else scope
        try:
            await self._dispatch(inner, receive, wrapper, request_headers)
        finally:
            scope["path_template"] = inner.get("path_template", "")
            status = CLIENT_CLOSED_REQUEST if presence.left else wrapper.status
            self._notify(scope, status or CLIENT_CLOSED_REQUEST, perf_counter() - began)

    def _notify(self, scope: HTTPScope, status: int, seconds: float) -> None:
        record = RequestRecord.of(scope, status, seconds)
        for observer in self.observers:
            observer(record)

    async def _dispatch(
        self, scope: HTTPScope, receive: Receive, send: "_SendWrapper", request_headers: dict[bytes, bytes]
    ) -> None:
        refused: Exception | None = scope["state"].get(REFUSED)
        if refused is not None:
            if not isinstance(refused, ClientLeft):
                await self.respond_to_error(refused, scope)(scope, receive, send)
        elif not upload_of(scope) and _content_length(request_headers) > max_body_bytes(
            scope, self.max_body_bytes
        ):
            await self.respond_to_error(BodyTooLarge(), scope)(scope, receive, send)
        elif scope["path"].startswith(self.unlimited):
            await self.app(scope, receive, send)
        else:
            await self._limited(scope, receive, send)

    def _max_body_bytes(self, scope: HTTPScope) -> int:
        return max_body_bytes(scope, self.max_body_bytes)

    async def _limited(self, scope: HTTPScope, receive: Receive, send: "_SendWrapper") -> None:
        """Call the application unless too many requests are in progress.

        A request counts until its response begins, so a client that reads slowly does not block others.
        """
        if self.in_progress >= MAX_REQUESTS_IN_PROGRESS:
            await self.respond_to_error(ServerFull(), scope)(scope, receive, send)
            return
        self.in_progress += 1
        send.on_begin = self._decrement
        try:
            await self.app(scope, receive, send)
        finally:
            send.begin()

    def _decrement(self) -> None:
        self.in_progress -= 1


class _SendWrapper:
    """A `send` that adds headers to the response and remembers its status.

    `on_begin` is called once, when the response begins.
    """

    def __init__(
        self, send: Send, state: dict[str, Any], headers: Callable[..., list[Header]], *, is_head: bool
    ) -> None:
        self.send = send
        self.state = state
        self.headers = headers
        self.is_head = is_head
        self.on_begin: Callable[[], None] | None = None
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"] == "http.response.start":
            self.begin()
            own = [
                header for header in message["headers"] if header[0] != b"vary"
            ]  # the common one is complete
            self.status = message["status"]
            names = {name for name, _ in own}
            common = self.headers(negotiated=CONTENT_LANGUAGE in names)
            added = [*self._state_headers(), *(header for header in common if header[0] not in names)]
            message["headers"] = [*own, *added]
        elif message["type"] == "http.response.body" and self.is_head:
            message["body"] = b""
        await self.send(message)

    def _state_headers(self) -> list[Header]:
        """The headers of the rate limit, of the cache, and those that were added."""
        headers = [*self.state.get("limit_headers", ()), *self.state.get(ADDED_HEADERS, ())]
        if cached := self.state.get("x_cache"):
            headers.append((b"x-cache", cached.encode()))
        return headers

    def begin(self) -> None:
        """Call `on_begin` unless that was done."""
        on_begin, self.on_begin = self.on_begin, None
        if on_begin:
            on_begin()


def _noting_disconnect(receive: Receive, presence: ClientPresence) -> Receive:
    """Wrap `receive` to record when the client disconnects."""

    async def noting() -> ReceiveMessage:
        message = await receive()
        if message["type"] == "http.disconnect":
            presence.left = True
        return message

    return noting


def request_id_of(header: bytes) -> str:
    """The id in an `X-Request-ID` header if that is valid, otherwise a new one."""
    return header.decode() if REQUEST_ID.fullmatch(header) else _new_id()


_unused_ids: deque[str] = deque()


def _new_id() -> str:
    """A random id; the system generates bytes for many at a time. Thread-safe."""
    try:
        return _unused_ids.pop()
    except IndexError:
        digits, length = urandom(ID_BYTES * IDS_AT_ONCE).hex(), 2 * ID_BYTES
        first, *others = (digits[begin : begin + length] for begin in range(0, len(digits), length))
        _unused_ids.extend(others)
        return first


def _content_length(request_headers: dict[bytes, bytes]) -> int:
    value = request_headers.get(b"content-length", b"")
    return int(value) if value.isdigit() and len(value) < 20 else 0


def printable(path: str) -> str:
    """A path that can be encoded in UTF-8, without the token that the path of a hook contains."""
    if f"/{HOOKS}/" in path or PREFIX in path:
        path = TOKEN_IN_PATH.sub(r"\1***", path)
    return path.encode(errors="replace").decode()
