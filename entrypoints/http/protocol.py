"""HTTP/1.1 on one connection: uvicorn's protocol with limits on the resources that a client may use.

The application is called when a request is complete. Until then a request occupies no slot, no task, and a
buffer of limited size; the body of an upload is written to a file. Errors before that (a head or a body that
is too large, a request that is malformed or takes too long) are stored under `REFUSED` in the state of the
scope, and the application is called to respond. So these requests are logged and counted like all others.
Then the connection is closed.
"""

import asyncio
import re
from typing import Any, cast
from urllib.parse import unquote

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from domain.errors import MatineeError
from entrypoints.http.access_log import CLIENT_PRESENCE, ClientPresence
from entrypoints.http.addresses import TrustedProxies, address_key
from entrypoints.http.body_limits import max_body_bytes
from entrypoints.http.connections import Connections, Phase
from entrypoints.http.errors import problem_of
from entrypoints.http.exceptions import (
    BodyTooLarge,
    ClientLeft,
    HeadTooLarge,
    MalformedRequest,
    RequestTimeout,
    ServerStopping,
    TooManyConnections,
)
from entrypoints.http.fast_path import PASSED_ON, FastPath, FastResponse, RequestHead
from entrypoints.http.middleware import REFUSED
from entrypoints.http.responses import header_lines
from entrypoints.http.uploads import UPLOAD, Upload, is_upload, upload_of

MAX_BUFFERED_BYTES = 64 * 1024
"""Bytes that are buffered while a request is being processed; then reading pauses."""

NOTHING, HEAD, BODY = range(3)
"""The part of a request that arrives next; NOTHING between two requests."""

CHUNK_OVERHEAD = 8
"""Bytes of framing for each byte of a chunked body, in addition to the limit of a head. It allows chunks of
one byte.
"""

MAX_PATH_BYTES = 1024
"""Bytes of the path that are repeated in the response if the head is not complete."""

PIECE_BYTES = 2048
"""Bytes parsed at a time. Data after a complete request is parsed when that has its response, so only as many
pipelined requests wait as fit into one piece.
"""

VERSIONS = frozenset({"1.0", "1.1"})

HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
"""The characters of a Host header (RFC 9110, 7.2)."""


class RequestProtocol(HttpToolsProtocol):
    """One connection. It depends on internals of the uvicorn versions that pyproject.toml allows."""

    def __init__(
        self,
        connections: Connections,
        proxies: TrustedProxies,
        fast_path: FastPath | None = None,
        **uvicorn: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**uvicorn)
        self.phase: Phase | None = None
        self.address: str | None = None
        self.counted_address: str | None = None
        self._connections = connections
        self._limits = connections.limits
        self._proxies = proxies
        self._fast_path = fast_path
        self._presence = ClientPresence()
        self.app_state = {**self.app_state, CLIENT_PRESENCE: self._presence}
        self._part = NOTHING
        self._head_bytes = 0
        self._body_bytes = 0
        self._active: RequestResponseCycle | None = None
        self._waiting: RequestResponseCycle | None = None
        self._examined: RequestResponseCycle | None = None
        self._buffered = b""
        self._ended = False
        self._discarded = 0
        self._upload: Upload | None = None
        self._unsent = 0
        self._parsing_replacement = False
        self._begun = 0
        """Requests that have begun in the data that is being parsed."""
        self._answered: RequestHead | None = None
        """The latest request, if the fast path has answered it and the connection remains open."""

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self._address()
        self._connections.enter(self, self._connections.silent)
        if self.client and self.client[0] in self._proxies:
            self._fast_path = None  # a middleware of uvicorn finds out the client's address first

    def connection_lost(self, exc: Exception | None) -> None:
        self._presence.left = True
        self._connections.count_closed(self)
        left_early = self._part != NOTHING and not self._ended and not self._connections.stopping
        unfinished = self._unfinished() if left_early else None
        self._ended = True
        if self._active:  # uvicorn notifies the latest request only, which may still wait for this one
            self._active.disconnected = True
            self._active.message_event.set()
        super().connection_lost(exc)
        if unfinished:  # no response can be sent, but the request is logged and counted
            unfinished.disconnected = True
            self._start_refused(unfinished, ClientLeft())

    def data_received(self, data: bytes) -> None:
        if self._ended:
            self._discard(len(data))
        elif self._active:  # a pipelined request waits for the one before it
            self._buffer(data)
        elif self._part != NOTHING or len(data) > PIECE_BYTES:
            self._feed(data)
            self._settle()
        elif not self._respond_again(data):
            self._parse_whole(data)
            self._settle()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        if self.phase is not self._connections.lingering:
            self._connections.enter(self, self._connections.stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.phase is self._connections.stalled:
            self._connections.leave(self)
            if self.transport.is_closing():
                self._await_flush()
            else:
                self._settle()

    # Reading

    def _feed(self, data: bytes) -> None:
        """Parse data in pieces, so that a head cannot exceed its limit unnoticed."""
        while data and not self._ended:
            if self._active:
                self._buffer(data)
                return
            size = PIECE_BYTES
            if self._part == HEAD:
                size = min(size, self._limits.head_bytes - self._head_bytes)
            piece, data = data[:size], data[size:]
            self._parse(piece)

    def _parse_whole(self, data: bytes) -> None:
        """Parse data that begins with a request, and keep what it says if it is this one request and no more.

        To the parser, whatever follows a request begins another, be it malformed.
        """
        self._begun = 0
        self._parse(data)
        if self._fast_path and self._answered and self._begun == 1:
            self._fast_path.keep(data, self._answered)

    def _buffer(self, data: bytes) -> None:
        """Buffer data that follows a request in progress.

        Reading continues up to a limit, because a disconnect is noticed only while reading.
        """
        self._buffered += data
        if len(self._buffered) > MAX_BUFFERED_BYTES:
            self.flow.pause_reading()

    def _parse(self, piece: bytes) -> None:
        part, cycle = self._part, self.cycle
        try:
            self.parser.feed_data(piece)
        except HttpParserUpgrade as upgrade:
            self._ignore_upgrade(piece[upgrade.args[0] :])
            return
        except HttpParserError as error:
            cause = error.__context__
            if isinstance(error, HttpParserCallbackError) and self._part == NOTHING:
                raise  # an error of the response, not of the request
            self._refuse(cause if isinstance(cause, HTTPException | MatineeError) else MalformedRequest())
            return
        if self._part == HEAD:
            self._head_bytes += len(piece)
            if self._head_bytes >= self._limits.head_bytes:
                self._refuse(HeadTooLarge())
        elif self._part == BODY and part == BODY and cycle is self.cycle:
            self._body_bytes += len(piece)
            received = self._upload.size if self._upload else len(self.cycle.body)
            if self._body_bytes - received > self._limits.head_bytes + CHUNK_OVERHEAD * received:
                self._refuse(HeadTooLarge())

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Continue in HTTP/1.1 after a request to upgrade to another protocol.

        The parser assumes that such a request has no body. So a new parser reads the body, after a head with
        the same framing and without the upgrade.
        """
        framing = [
            b"%s: %s\r\n" % (name, value)
            for name, value in self.headers
            if name in {b"content-length", b"transfer-encoding"}
        ]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parsing_replacement = True
        self._parse(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))
        self._parsing_replacement = False
        if rest and not self._ended:
            self._feed(rest)

    def _settle(self) -> None:
        """Enter the phase for what arrives next."""
        if self._ended or self.flow.write_paused:
            return
        if self._active:
            if self.phase is not None:
                self._connections.leave(self)
        elif self._part == NOTHING:
            if self.phase is None:
                self._connections.enter(self, self._connections.idle)
        elif self._connections.stopping:
            self._refuse(ServerStopping())
        elif self._part == BODY and self._examined is not self.cycle:
            self._examined = self.cycle
            self._examine(self.cycle)
        elif self.phase is not self._receiving:
            self._connections.enter(self, self._receiving)

    @property
    def _receiving(self) -> Phase:
        """The phase in which the rest of a request is received."""
        return self._connections.uploading if self._upload else self._connections.receiving

    @property
    def _max_body_bytes(self) -> int:
        if self._upload:
            return self._limits.upload_bytes
        return max_body_bytes(self.cycle.scope, self._limits.body_bytes)

    def _examine(self, cycle: RequestResponseCycle) -> None:
        """Refuse a request that announces too large a body; otherwise wait for the body."""
        headers = cycle.scope["headers"]
        claimed = next((int(value) for name, value in headers if name == b"content-length"), 0)
        if claimed > self._max_body_bytes:
            self._refuse(BodyTooLarge())
            return
        address = self._address(headers)
        if address != self.address:
            self._connections.leave(self)
            self.address = address
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            if cycle.scope["http_version"] == "1.1":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.phase is not self._receiving:
            self._connections.enter(self, self._receiving)

    def _address(self, headers: Any = ()) -> str | None:  # noqa: ANN401  uvicorn's type
        """The key of the client: the address that a trusted proxy forwards, otherwise that of the peer."""
        host = self.client[0] if self.client else ""
        if host not in self._proxies:
            return address_key(host)
        return self._proxies.forwarded(headers)

    # Called by the parser

    def on_message_begin(self) -> None:
        if not self._parsing_replacement:
            self._part = HEAD
            self._head_bytes = 0
            self._begun += 1
            self._answered = None
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._part == HEAD:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part != HEAD:  # a trailer must not be mistaken for a header
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._parsing_replacement:
            return
        if len(self.headers) > self._limits.headers:
            raise HeadTooLarge
        # Connections of other versions are not kept alive.
        if not self.parser.should_keep_alive() and self.parser.get_http_version() not in VERSIONS:
            raise MalformedRequest
        hosts = [value for name, value in self.headers if name == b"host"]
        # RFC 9112, 3.2. A proxy before us could use another Host than we do.
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise MalformedRequest
        if not all(map(HOST.fullmatch, hosts)):
            raise MalformedRequest
        super().on_headers_complete()
        if self.flow.read_paused:  # by uvicorn, because the request waits for another
            self.flow.resume_reading()
        self._part = BODY
        self._body_bytes = 0
        if is_upload(self.cycle.scope):
            self._upload = self.cycle.scope["state"][UPLOAD] = self._connections.new_upload()

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if not cycle.body and any(
            name == b"transfer-encoding" and value.lower() != b"chunked"
            for name, value in cycle.scope["headers"]
        ):
            raise MalformedRequest
        if self._upload:
            self._upload.write(body)
            received = self._upload.size
        else:
            cycle.body += body
            received = len(cycle.body)
        if received > self._max_body_bytes:
            raise BodyTooLarge

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._part = NOTHING
        self._upload = None
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()
        if self._waiting is cycle:
            self._start_asgi_task(cycle, self.app)

    # Responding

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  uvicorn's type
        """Call the application when the request is complete."""
        if cycle.more_body:
            self._waiting = cycle
            return
        self._waiting = None
        if self._respond_at_once(cycle):
            return
        self._active = cycle
        cycle.waiting_for_100_continue = False  # the body is here
        cycle.default_headers = (
            self.server_state.default_headers
        )  # with the current date, not that of the head
        super()._start_asgi_task(cycle, app)

    def _respond_again(self, data: bytes) -> bool:
        """Send the response of the fast path if a request with the same bytes has been parsed before.

        The parser is between two requests, and remains there.
        """
        if self._fast_path is None or self.flow.write_paused:
            return False
        found = self._fast_path.respond_again(data, self.client, https=self.scheme == "https")
        if found is None:
            return False
        self._send(found, b"\r\n")
        self._fast_path.observe(found.record)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._await_flush()
        elif not self.flow.write_paused:
            self._connections.enter(self, self._connections.idle)
        return True

    def _send(self, found: FastResponse, end: bytes) -> None:
        """Send a response of the fast path; `end` ends its head."""
        default = header_lines(self.server_state.default_headers)
        head = b"%b%b%b%b" % (STATUS_LINE[found.status], default, found.lines, end)
        if found.body:
            self.transport.writelines((head, found.body))
        else:
            self.transport.write(head)

    def _respond_at_once(self, cycle: RequestResponseCycle) -> bool:
        """Send the response of the fast path, if there is one and the client reads."""
        if self._fast_path is None or self.flow.write_paused:
            return False
        found = self._fast_path.respond(cast("HTTPScope", cycle.scope))
        if found is None:
            cycle.scope["state"][PASSED_ON] = True
            return False
        if self.phase is not None:
            self._connections.leave(self)
        self._send(found, b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        cycle.response_started = cycle.response_complete = True
        if cycle.keep_alive:
            self._answered = found.request
        else:
            self.transport.close()
        self._fast_path.observe(found.record)
        self.on_response_complete()
        return True

    def on_response_complete(self) -> None:
        self._close_upload(self._active)
        self._active = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._await_flush()
            return
        if self._ended and not self.pipeline:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self._buffered and not self._active:
            buffered, self._buffered = self._buffered, b""
            self._feed(buffered)
        if not self._active:
            self._settle()

    def _refuse(self, error: HTTPException | MatineeError) -> None:
        """Respond to the current request with an error, after those before it; then close."""
        self._connections.closed(problem_of(error).code)
        cycle = self._unfinished()
        self._ended = True
        self._buffered = b""
        if not self.flow.write_paused:
            self._connections.leave(self)
        self._start_refused(cycle, error)

    def _start_refused(self, cycle: RequestResponseCycle, error: Exception) -> None:
        cycle.scope["state"][REFUSED] = error
        self._close_upload(cycle)
        self._upload = None
        cycle.keep_alive = False
        cycle.more_body = False
        cycle.waiting_for_100_continue = False
        cycle.transport = _LastTransport(self)  # type: ignore[assignment]
        if not self._active:
            self._start_asgi_task(cycle, self.app)
        elif all(cycle is not queued for queued, _ in self.pipeline):
            self.pipeline.appendleft((cycle, self.app))

    @staticmethod
    def _close_upload(cycle: RequestResponseCycle | None) -> None:
        """Delete the file of an upload."""
        if cycle and (upload := upload_of(cycle.scope)):
            upload.close()

    def _unfinished(self) -> RequestResponseCycle:
        """The incomplete request. Without a complete head, the scope has what is known of it."""
        if self._part == BODY:
            return self.cycle
        if self._part == NOTHING:
            super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        path = self.url.partition(b"?")[0][:MAX_PATH_BYTES].decode("ascii", errors="replace") or "/"
        scope.update(
            # Before the target has begun, the parser does not know the method.
            method=self.parser.get_method().decode("ascii") if self.url else "-",
            path=unquote(path),
            raw_path=self.url[:MAX_PATH_BYTES],
            query_string=b"",
        )
        return RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )

    # Closing

    def expired(self, phase: Phase) -> None:
        """Close the connection, or respond with 408 if a request has begun."""
        if phase in {self._connections.receiving, self._connections.uploading}:
            self._refuse(RequestTimeout())
        elif phase is self._connections.lingering:
            self.abort()
        elif phase is not self._connections.stalled:
            self._connections.closed(phase.name)
            self._connections.leave(self)
            self.transport.close()
            self._await_flush()
        elif self._unsent - self.transport.get_write_buffer_size() < self._limits.stall_bytes:
            self.abort("stalled")
        else:
            self._unsent = self.transport.get_write_buffer_size()
            self._connections.enter(self, self._connections.stalled)

    def evicted(self) -> None:
        """Make room for another waiting connection."""
        if self.phase is self._receiving and self._connections.answers_eviction():
            self._refuse(TooManyConnections())
        else:
            self.abort(TooManyConnections.code)

    def abort(self, reason: str | None = None) -> None:
        """Close at once, without sending what is buffered."""
        if reason:
            self._connections.closed(reason)
        self._ended = True
        self._connections.leave(self)
        self.transport.abort()

    def shutdown(self) -> None:
        """Stop: complete the request in progress, and refuse an incomplete one."""
        if self.phase is self._connections.lingering:
            self.abort()
        elif self._part and not self._active and not self._ended:
            self._refuse(ServerStopping())
        elif not self._ended:
            super().shutdown()

    def linger(self) -> None:
        """Close after the last response so that the client can still read it.

        If there were unread data, the kernel would reset the connection, and the client would lose a response
        that it has not read yet. So only our side is closed, and data that arrives is discarded for a while.
        """
        if self.transport.is_closing():
            return
        if self._connections.stopping:
            self.transport.close()
            return
        self.transport.write_eof()
        self._connections.enter(self, self._connections.lingering)
        self.flow.resume_reading()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self.phase is not self._connections.lingering:
            self.flow.pause_reading()  # the last response has not been sent yet
        elif self._discarded > self._limits.linger_bytes:
            self.abort()

    def _await_flush(self) -> None:
        """Limit the time that a closing connection waits for its client."""
        self._unsent = self.transport.get_write_buffer_size()
        if self._unsent:
            self._connections.enter(self, self._connections.stalled)


class _LastTransport:
    """The transport of the last response of a connection; closing it starts lingering."""

    def __init__(self, protocol: RequestProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def close(self) -> None:
        self._protocol.linger()

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()
