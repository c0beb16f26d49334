"""Runs the HTTP server on loopback with limits of tests, and sends requests on sockets."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Any

import msgspec
import uvicorn
from litestar.types import ASGIApp

from adapters.testkit.samples import random_facts
from entrypoints.http.connections import Limits
from entrypoints.http.server import Server
from tests import waiting
from tests.integration.http_service import application, filled_store

TIMEOUT = 8
"""Seconds to wait for a condition, since the machine may be busy."""

eventually = partial(waiting.eventually, timeout=TIMEOUT, interval=0.005)


@dataclass
class Loopback:
    """A running server. `closed` has the reason for each connection that it has closed."""

    server: Server
    port: int
    closed: list[str] = field(default_factory=list)
    clients: list[socket.socket] = field(default_factory=list)

    def connect(self, *, address: str = "127.0.0.1", receive_buffer: int = 0) -> socket.socket:
        """Connect from an address of this machine. The connection is closed with the server."""
        client = socket.socket()
        self.clients.append(client)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(TIMEOUT)
        client.bind((address, 0))
        client.connect(("127.0.0.1", self.port))
        return client

    def exchange(self, *pieces: bytes) -> list["HttpResponse"]:
        """Send data on one connection, piece by piece; return the responses until the server closes it."""
        with self.connect() as client:
            for piece in pieces:
                send_while_possible(client, piece)
            return receive_responses(client)

    def get(self, path: str = "/api/v1/health/live", **options: Any) -> "HttpResponse":
        """Send a GET request on a new connection."""
        with self.connect(**options) as client:
            client.sendall(request("GET", path, "Connection: close"))
            return receive_responses(client)[0]


@dataclass
class HttpResponse:
    """A received response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


@contextmanager
def serving_on_loopback(
    app: ASGIApp | None = None, *, proxies: tuple[str, ...] = (), **limits: Any
) -> Iterator[Loopback]:
    """Serve an application with these limits; by default, the API over some movies."""
    store = None if app else filled_store(random_facts(40))
    app = app or application(store)  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=3,
    )
    closed: list[str] = []
    server = Server(config, Limits(**limits), proxies=proxies, closed=closed.append)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    loopback = Loopback(server, listener.getsockname()[1], closed)
    try:
        yield loopback
    finally:
        for client in loopback.clients:
            client.close()
        server.should_exit = True
        thread.join(timeout=TIMEOUT)
        if store:
            store.close()
    assert not thread.is_alive()


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def send_while_possible(client: socket.socket, data: bytes) -> int:
    """Send data until the server closes the connection, and return the number of bytes sent."""
    sent = 0
    try:
        while sent < len(data):
            sent += client.send(data[sent : sent + 65_536])
    except (ConnectionError, TimeoutError):
        pass
    return sent


def receive_responses(client: socket.socket) -> list[HttpResponse]:
    """The responses until the server closes the connection."""
    data = bytearray()
    try:
        while piece := client.recv(65_536):
            data += piece
    except ConnectionError:
        pass
    return list(parse_responses(bytes(data)))


def parse_responses(data: bytes) -> Iterator[HttpResponse]:
    """Parse consecutive responses with a Content-Length or without a body."""
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", "0"))
        yield HttpResponse(status, headers, data[:size])
        data = data[size:]


def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed a connection on which no data is expected."""
    client.setblocking(False)
    try:
        return client.recv(65_536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        client.settimeout(TIMEOUT)
