"""HTTP over bare sockets: only they can break off, trickle and reset as a bad network does."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from .answers import Answer

HOST = "127.0.0.1"
LONGEST_LINE = 65_536
PIECES = 10  # in which a trickling body leaves
# Long enough for the client's kernel to hand over what was sent: a reset throws away what it still holds.
BEFORE_RESET = 0.03


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was read."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """The path and the parameters in order, without the key: what a fault's `path` is searched in."""
        shown = "&".join(
            f"{name}={value}" for name, value in sorted(self.params.items()) if name != "api_key"
        )
        return f"{self.path}?{shown}" if shown else self.path


class Listener:
    """Accepts on loopback in one thread, and answers each connection in one more.

    Raises OSError if the port is taken.
    """

    def __init__(self, respond: Callable[[Request], Answer], port: int) -> None:
        self._respond = respond
        self._stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._socket = socket.create_server((HOST, port), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="tmdb-simulator", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close every connection at once, answers under way included."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        # Closing a socket does not wake a thread that waits in accept on it: a connection does.
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
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        # A client that leaves in the middle is no event here.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            try:
                while (request := _read_request(stream)) is not None:
                    answer = self._respond(request)
                    if request.headers.get("connection", "").lower() == "close" and answer.ending == "keep":
                        answer = replace(answer, ending="close")
                    self._deliver(connection, answer)
                    if answer.ending != "keep":
                        return
            finally:
                with self._lock:
                    del self._open[connection]

    def _deliver(self, connection: socket.socket, answer: Answer) -> None:
        if answer.wait:
            self._pause(answer.wait)
        if not answer.silent:
            body = answer.body[: answer.sent]
            if answer.trickle:
                self._trickle(connection, answer.head(), body, answer.trickle)
            else:
                connection.sendall(answer.head() + body)
        if answer.ending == "reset":
            self._pause(0 if answer.silent else BEFORE_RESET)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _trickle(self, connection: socket.socket, head: bytes, body: bytes, seconds: float) -> None:
        connection.sendall(head)
        size = max(1, -(-len(body) // PIECES))
        for start in range(0, len(body), size):
            self._pause(seconds / PIECES)
            connection.sendall(body[start : start + size])

    def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond the end: a stop cuts slow answers off."""
        if self._stopping.wait(seconds):
            raise ConnectionAbortedError


def _read_request(stream: BinaryIO) -> Request | None:
    """The next request of a connection, or None at its end or where it is no HTTP."""
    headers: dict[str, str] = {}
    try:
        method, target, _ = stream.readline(LONGEST_LINE).decode("latin-1").split()
        while (line := stream.readline(LONGEST_LINE)).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length") or 0))
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return None
    return Request(method, unquote(parts.path), params, headers, body)
