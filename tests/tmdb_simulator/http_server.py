"""An HTTP server on sockets, which can send slowly, stop in the middle and reset connections."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from .responses import Response

HOST = "127.0.0.1"
MAX_LINE = 65_536
PIECES = 10  # of a body that is sent slowly
# Seconds in which the client can read what was sent: a reset discards what its kernel has buffered.
RESET_DELAY = 0.03


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """The path and the sorted parameters, without the API key, which faults match by `path`."""
        params = "&".join(
            f"{name}={value}" for name, value in sorted(self.params.items()) if name != "api_key"
        )
        return f"{self.path}?{params}" if params else self.path


class HttpServer:
    """Accepts connections on loopback in one thread, and serves each in a thread of its own.

    Raises OSError if the port is taken.
    """

    def __init__(self, respond: Callable[[Request], Response], port: int) -> None:
        self._respond = respond
        self._stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._socket = socket.create_server((HOST, port), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="tmdb-simulator", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close all connections at once, also in the middle of a response."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        # Closing a socket does not wake a thread that waits in accept(); a connection does.
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.port), timeout=1).close()
        self._acceptor.join(timeout=2)
        self._socket.close()
        with self._lock:
            connections = dict(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            thread.join(timeout=2)

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._stopping.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve_connection, args=(connection,), daemon=True)
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _serve_connection(self, connection: socket.socket) -> None:
        # A client may close the connection at any time.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            try:
                while (request := _read_request(stream)) is not None:
                    response = self._respond(request)
                    if request.headers.get("connection", "").lower() == "close" and response.ending == "keep":
                        response = replace(response, ending="close")
                    self._send(connection, response)
                    if response.ending != "keep":
                        return
            finally:
                with self._lock:
                    del self._open[connection]

    def _send(self, connection: socket.socket, response: Response) -> None:
        if response.delay:
            self._pause(response.delay)
        if not response.silent:
            body = response.body[: response.sent_bytes]
            if response.body_duration:
                self._send_slowly(connection, response.head(), body, response.body_duration)
            else:
                connection.sendall(response.head() + body)
        if response.ending == "reset":
            self._pause(0 if response.silent else RESET_DELAY)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _send_slowly(self, connection: socket.socket, head: bytes, body: bytes, seconds: float) -> None:
        connection.sendall(head)
        size = max(1, -(-len(body) // PIECES))
        for start in range(0, len(body), size):
            self._pause(seconds / PIECES)
            connection.sendall(body[start : start + size])

    def _pause(self, seconds: float) -> None:
        """Sleep. Raises ConnectionAbortedError when the server is stopped."""
        if self._stopping.wait(seconds):
            raise ConnectionAbortedError


def _read_request(stream: BinaryIO) -> Request | None:
    """The next request of a connection, or None at its end or if it is malformed."""
    headers: dict[str, str] = {}
    try:
        method, target, _ = stream.readline(MAX_LINE).decode("latin-1").split()
        while (line := stream.readline(MAX_LINE)).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length") or 0))
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return None
    return Request(method, unquote(parts.path), params, headers, body)
