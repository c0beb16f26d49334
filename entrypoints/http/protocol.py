"""HTTP/1.1 on one connection: uvicorn's protocol, with bounds on what a client may cost.

The application is called when a request has arrived whole, so one that is still on its way holds no slot, no
task and no more than a bounded buffer. What goes wrong before that (a head or a body that is too large, a
request that takes too long or is malformed) is handed to the application as an error in the scope's state,
under `REFUSED`: so it is answered, logged and counted like everything else. Then the connection is closed.
"""

import asyncio
import re
from typing import Any, cast
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from litestar.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from domain.errors import MatineeError
from entrypoints.http.access_log import CLIENT_PRESENCE, ClientPresence
from entrypoints.http.addresses import TrustedProxies, address_key
from entrypoints.http.connections import Connections, Phase
from entrypoints.http.errors import (
    BodyTooLarge,
    ClientLeft,
    HeadTooLarge,
    MalformedRequest,
    RequestTimeout,
    ServerStopping,
    TooManyConnections,
    problem_of,
)
from entrypoints.http.middleware import REFUSED

MOST_HELD = 64 * 1024
"""Bytes kept of what follows a request that is being answered; then reading pauses."""

NOTHING, HEAD, BODY = range(3)
"""What part of a request is expected to arrive next; NOTHING between two requests."""

CHUNK_OVERHEAD = 8
"""Bytes of framing allowed for each byte of a chunked body, beyond what a head may have: enough for chunks of
one byte.
"""

LONGEST_PATH = 1024
"""Bytes of a path that are repeated in the answer to a request whose head is not complete."""

PIECE = 2048
"""Bytes parsed at a time. What follows a complete request is parsed when that is answered; so of a client's
requests no more wait than fit into a piece.
"""

VERSIONS = frozenset({"1.0", "1.1"})

HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
"""What a Host header is made of (RFC 9110, 7.2)."""


class RequestProtocol(HttpToolsProtocol):
    """One connection. Keeps to uvicorn's internals as they are in the versions that pyproject.toml allows."""

    def __init__(self, connections: Connections, proxies: TrustedProxies, **uvicorn: Any) -> None:  # noqa: ANN401
        super().__init__(**uvicorn)
        self.phase: Phase | None = None
        self.address: str | None = None
        self.counted_address: str | None = None
        self._connections = connections
        self._limits = connections.limits
        self._proxies = proxies
        self._presence = ClientPresence()
        self.app_state = {**self.app_state, CLIENT_PRESENCE: self._presence}
        self._part = NOTHING
        self._head_bytes = 0
        self._body_bytes = 0
        self._working: RequestResponseCycle | None = None
        self._waiting: RequestResponseCycle | None = None
        self._examined: RequestResponseCycle | None = None
        self._held = b""
        self._ended = False
        self._discarded = 0
        self._unsent = 0
        self._replaying = False

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self._address()
        self._connections.enter(self, self._connections.silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._presence.left = True
        self._connections.gone(self)
        left_early = self._part != NOTHING and not self._ended and not self._connections.stopping
        unfinished = self._unfinished() if left_early else None
        self._ended = True
        if self._working:  # uvicorn thinks of the latest request only, which may still wait for this one
            self._working.disconnected = True
            self._working.message_event.set()
        super().connection_lost(exc)
        if unfinished:  # nobody is there to be answered, but the request is logged and counted
            unfinished.disconnected = True
            self._start_refused(unfinished, ClientLeft())

    def data_received(self, data: bytes) -> None:
        if self._ended:
            self._discard(len(data))
        elif self._working:  # a pipelined request waits for the one before it
            self._hold(data)
        else:
            if len(data) <= PIECE and self._part == NOTHING:
                self._parse(data)
            else:
                self._feed(data)
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
        """Parse what has arrived, in pieces that cannot exceed the limit of a head unnoticed."""
        while data and not self._ended:
            if self._working:
                self._hold(data)
                return
            size = PIECE
            if self._part == HEAD:
                size = min(size, self._limits.head_bytes - self._head_bytes)
            piece, data = data[:size], data[size:]
            self._parse(piece)

    def _hold(self, data: bytes) -> None:
        """Keep what follows a request that is being answered.

        Reading goes on for a while, since only who reads notices that the client has left.
        """
        self._held += data
        if len(self._held) > MOST_HELD:
            self.flow.pause_reading()

    def _parse(self, piece: bytes) -> None:
        part, cycle = self._part, self.cycle
        try:
            self.parser.feed_data(piece)
        except HttpParserUpgrade as upgrade:
            self._ignore_upgrade(piece[upgrade.args[0] :])
            return
        except HttpParserError as error:
            refused = error.__context__
            self._refuse(refused if isinstance(refused, HTTPException) else MalformedRequest())
            return
        if self._part == HEAD:
            self._head_bytes += len(piece)
            if self._head_bytes >= self._limits.head_bytes:
                self._refuse(HeadTooLarge())
        elif self._part == BODY and part == BODY and cycle is self.cycle:
            self._body_bytes += len(piece)
            received = len(self.cycle.body)
            if self._body_bytes - received > self._limits.head_bytes + CHUNK_OVERHEAD * received:
                self._refuse(HeadTooLarge())

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 after a request that asks for another protocol.

        The parser takes such a request to have no body. So a fresh parser reads it, from a head that differs
        from the one received only in that it asks for nothing.
        """
        framing = [
            b"%s: %s\r\n" % (name, value)
            for name, value in self.headers
            if name in {b"content-length", b"transfer-encoding"}
        ]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._replaying = True
        self._parse(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))
        self._replaying = False
        if rest and not self._ended:
            self._feed(rest)

    def _settle(self) -> None:
        """Enter the phase that suits what is expected now."""
        if self._ended or self.flow.write_paused:
            return
        if self._working:
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
        elif self.phase is not self._connections.receiving:
            self._connections.enter(self, self._connections.receiving)

    def _examine(self, cycle: RequestResponseCycle) -> None:
        """Refuse a request whose head announces too much; else wait for its body."""
        headers = cycle.scope["headers"]
        claimed = next((int(value) for name, value in headers if name == b"content-length"), 0)
        if claimed > self._limits.body_bytes:
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
        if self.phase is not self._connections.receiving:
            self._connections.enter(self, self._connections.receiving)

    def _address(self, headers: Any = ()) -> str | None:  # noqa: ANN401  uvicorn's type
        """The address that this connection counts for: what a trusted proxy forwards, else the peer's."""
        host = self.client[0] if self.client else ""
        if host not in self._proxies:
            return address_key(host)
        return self._proxies.forwarded(headers)

    # The parser's calls

    def on_message_begin(self) -> None:
        if not self._replaying:
            self._part = HEAD
            self._head_bytes = 0
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._part == HEAD:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part != HEAD:  # it is a trailer, which must not pass for a header
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._replaying:
            return
        if len(self.headers) > self._limits.headers:
            raise HeadTooLarge
        # Connections of other versions are not kept alive.
        if not self.parser.should_keep_alive() and self.parser.get_http_version() not in VERSIONS:
            raise MalformedRequest
        hosts = [value for name, value in self.headers if name == b"host"]
        # RFC 9112, 3.2. Whoever stands before us may go by another Host than we would.
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise MalformedRequest
        if not all(map(HOST.fullmatch, hosts)):
            raise MalformedRequest
        super().on_headers_complete()
        if self.flow.read_paused:  # by uvicorn, since the request waits for another
            self.flow.resume_reading()
        self._part = BODY
        self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if not cycle.body and any(
            name == b"transfer-encoding" and value.lower() != b"chunked"
            for name, value in cycle.scope["headers"]
        ):
            raise MalformedRequest
        cycle.body += body
        if len(cycle.body) > self._limits.body_bytes:
            raise BodyTooLarge

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._part = NOTHING
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()
        if self._waiting is cycle:
            self._start_asgi_task(cycle, self.app)

    # Answering

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  uvicorn's type
        """Call the application, or do so as soon as the request is complete."""
        if cycle.more_body:
            self._waiting = cycle
            return
        self._waiting = None
        self._working = cycle
        cycle.waiting_for_100_continue = False  # whatever was to be continued is here
        cycle.default_headers = self.server_state.default_headers  # with the date of now, not of the head
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._working = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._await_flush()
            return
        if self._ended and not self.pipeline:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self._held and not self._working:
            held, self._held = self._held, b""
            self._feed(held)
        if not self._working:
            self._settle()

    def _refuse(self, error: HTTPException | MatineeError) -> None:
        """Answer the request at hand with an error when those before it are answered, then close."""
        self._connections.closed(problem_of(error).code)
        cycle = self._unfinished()
        self._ended = True
        self._held = b""
        if not self.flow.write_paused:
            self._connections.leave(self)
        self._start_refused(cycle, error)

    def _start_refused(self, cycle: RequestResponseCycle, error: Exception) -> None:
        cycle.scope["state"][REFUSED] = error
        cycle.keep_alive = False
        cycle.more_body = False
        cycle.waiting_for_100_continue = False
        cycle.transport = _LastTransport(self)  # type: ignore[assignment]
        if not self._working:
            self._start_asgi_task(cycle, self.app)
        elif all(cycle is not queued for queued, _ in self.pipeline):
            self.pipeline.appendleft((cycle, self.app))

    def _unfinished(self) -> RequestResponseCycle:
        """The request that is not complete; of one without a complete head, as much as is known."""
        if self._part == BODY:
            return self.cycle
        if self._part == NOTHING:
            super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        path = self.url.partition(b"?")[0][:LONGEST_PATH].decode("ascii", errors="replace") or "/"
        scope.update(
            # Before the target has begun, the parser does not know the method.
            method=self.parser.get_method().decode("ascii") if self.url else "-",
            path=unquote(path),
            raw_path=self.url[:LONGEST_PATH],
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
        """Close, or answer 408 if a request has begun."""
        if phase is self._connections.receiving:
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
        """Make room for another connection that waits."""
        if self.phase is self._connections.receiving and self._connections.answers_eviction():
            self._refuse(TooManyConnections())
        else:
            self.abort(TooManyConnections.code)

    def abort(self, reason: str | None = None) -> None:
        """Close at once; what is unsent is lost."""
        if reason:
            self._connections.closed(reason)
        self._ended = True
        self._connections.leave(self)
        self.transport.abort()

    def shutdown(self) -> None:
        """The server stops: finish what is being answered, and close everything else."""
        if self.phase is self._connections.lingering:
            self.abort()
        elif self._part and not self._working and not self._ended:
            self._refuse(ServerStopping())
        elif not self._ended:
            super().shutdown()

    def linger(self) -> None:
        """Close after the last response without losing it.

        The kernel would answer data that nobody has read with a reset, which makes the client drop a response
        that it has not read yet. So only our side is closed, and what arrives is discarded for a while.
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
            self.flow.pause_reading()  # the last response is still being made
        elif self._discarded > self._limits.linger_bytes:
            self.abort()

    def _await_flush(self) -> None:
        """See that a connection which closes does not wait for its client without end."""
        self._unsent = self.transport.get_write_buffer_size()
        if self._unsent:
            self._connections.enter(self, self._connections.stalled)


class _LastTransport:
    """The transport of a connection's last response, after which the connection lingers."""

    def __init__(self, protocol: RequestProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def close(self) -> None:
        self._protocol.linger()

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()
