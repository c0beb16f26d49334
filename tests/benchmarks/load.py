"""What a request costs the API under load, next to a bare ASGI function, in one run."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import cast

from rich.table import Table

from tests.benchmarks.service import children
from tests.e2e.commands import Serving, serving
from tests.ports import free_port
from tests.waiting import eventually

CONNECTIONS = 32
SECONDS = 4.0
TICKS = os.sysconf("SC_CLK_TCK")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ACCOUNT = {"username": "bench", "email": "bench@example.org", "password": "a measured benchmark"}

RAW = """
import sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

BODY = b"x" * int(sys.argv[2])
quiet = {"log_level": "critical", "access_log": False, "lifespan": "off"}
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", **quiet)
"""


@dataclass
class Load:
    """What 32 connections saw that send one request after the other."""

    requests: Iterator[bytes]
    until: float
    seconds: list[float] = field(default_factory=list)
    statuses: set[bytes] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """Sends the next request when the response to the one before is complete."""

    def __init__(self, load: Load, done: asyncio.Future[None]) -> None:
        self.load, self.done = load, done
        self.received, self.missing = b"", -1
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(next(self.load.requests))

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            self.received += data
            head, end, body = self.received.partition(b"\r\n\r\n")
            if not end:
                return
            length = LENGTH.search(head)
            self.load.statuses.add(head[9:12])
            self.missing = int(length[1]) if length else 0
            data, self.received = body, b""
        self.missing -= len(data)
        if self.missing > 0:
            return
        self.missing = -1
        now = time.perf_counter()
        self.load.seconds.append(now - self.began)
        if now < self.load.until:
            self._send()
        elif not self.done.done():
            self.transport.close()
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server has closed a connection"))


def under_load(port: int, requests: Iterator[bytes]) -> Load:
    """Send requests over all connections, for some seconds."""

    async def run() -> Load:
        load = Load(requests, time.perf_counter() + SECONDS)
        loop = asyncio.get_running_loop()
        waiting = [loop.create_future() for _ in range(CONNECTIONS)]
        for done in waiting:
            await loop.create_connection(lambda done=done: Connection(load, done), "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.gather(*waiting)
        return load

    return asyncio.run(run())


def processor_seconds(process: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass
class Row:
    """The processor time of a request in microseconds, and how fast responses came."""

    cost: float
    rate: float
    median: float
    late: float


def measured(process: int, port: int, requests: Iterator[bytes], *, allowed: Sequence[bytes]) -> Row:
    """Load a process, after it was warmed up. Raises RuntimeError for any other status."""
    began, spent = time.perf_counter(), processor_seconds(process)
    load = under_load(port, requests)
    spent, took = processor_seconds(process) - spent, time.perf_counter() - began
    if not load.statuses <= set(allowed):
        raise RuntimeError(f"statuses {load.statuses}")
    seconds = sorted(load.seconds)
    number = len(seconds)
    return Row(
        cost=spent / number * 1e6,
        rate=number / took,
        median=seconds[number // 2] * 1000,
        late=seconds[number * 99 // 100] * 1000,
    )


def accepts(port: int) -> bool:
    """Whether a server accepts connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def raw_server(size: int) -> Iterator[tuple[int, int]]:
    """A bare ASGI function that sends so many bytes; its process and its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", RAW, str(port), str(size)])
    try:
        eventually(lambda: accepts(port), timeout=10, interval=0.05)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def api_of(server: Serving) -> int:
    """The API process of a running service."""
    for process in children(server.process.pid):
        if b"api" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0"):
            return process
    raise RuntimeError("there is no API process")


def load() -> Table:
    """The cost table: every kind of request, and the bare function."""
    variables = {"RATE_LIMIT": "100000000/minute", "LOG_LEVEL": "info"}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), **variables) as server:
        token = server.client.post("/auth/register", json=ACCOUNT).json()["access_token"]
        etag = server.client.get("/movies", headers={"Authorization": f"Bearer {token}"}).headers["etag"]
        size = len(server.client.get("/movies", headers={"Authorization": f"Bearer {token}"}).content)
        port, api = server.client.base_url.port or 80, api_of(server)

        def get(path: str, **headers: str) -> bytes:
            named = {"authorization": f"Bearer {token}", **headers}
            lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
            return f"GET /api/v1{path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode()

        numbers = iter(range(10**9))
        rows = {
            "cached list": cycle([get("/movies")]),
            "the same with gzip": cycle([get("/movies", accept_encoding="gzip")]),
            "the same, not modified": cycle([get("/movies", if_none_match=etag)]),
            "cached movie": cycle([get("/movies/603")]),
            "cached search": cycle([get("/movies/search?q=matrix")]),
            "cached genres": cycle([get("/genres")]),
            "health/live": cycle([get("/health/live")]),
            "list, each time another filter": (
                get(f"/movies?min_votes=0&year_from={1900 + number % 90}&limit={1 + number // 90 % 100}")
                for number in numbers
            ),
            "search, each time another text": (
                get(f"/movies/search?q=the%20{number:x}&limit=20") for number in numbers
            ),
        }
        table = Table("request", "us", "to raw", "per s", "median ms", "p99 ms", title="under load")
        with raw_server(size) as (raw, raw_port):
            bare = measured(raw, raw_port, cycle([get("/")]), allowed=[b"200"])
            table.add_row(f"bare ASGI, {size} bytes", *described(bare, bare))
            for name, requests in rows.items():
                table.add_row(name, *described(measured(api, port, requests, allowed=[b"200", b"304"]), bare))
        server.stop()
    return table


def described(row: Row, bare: Row) -> list[str]:
    return [
        f"{row.cost:.0f}",
        f"{row.cost / bare.cost:.2f}",
        f"{row.rate:.0f}",
        f"{row.median:.2f}",
        f"{row.late:.2f}",
    ]
