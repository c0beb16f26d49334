"""The server sends responses of the fast path itself, as it would send those of the application."""

import asyncio
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from entrypoints.http.addresses import TrustedProxies
from entrypoints.http.app import fast_path
from entrypoints.http.connections import Connections, Limits
from entrypoints.http.fast_path import FastPath
from entrypoints.http.protocol import RequestProtocol
from tests.integration.test_http_fast_path import Place, place

DATE = (b"date", b"Mon, 30 Nov 2026 16:00:00 GMT")
TIMESTAMP = re.compile(rb'"timestamp":"[^"]+",')
REQUEST_IDS = re.compile(rb"(?<=x-request-id: )[0-9a-f]{32}|(?<=\"request_id\":\")[0-9a-f]{32}")
PEER = ("192.0.2.7", 4711)


@pytest.fixture(scope="module", name="place")
def fixture_place() -> Iterator[Place]:
    with place() as made:
        yield made


class Wire(asyncio.Transport):
    """A transport in memory; its client reads nothing while `full`."""

    def __init__(self, protocol: RequestProtocol) -> None:
        super().__init__({"peername": PEER, "sockname": ("192.0.2.1", 80)})
        self.protocol = protocol
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Counted:
    """A fast path, and how many responses it gave, in all and to heads that it had kept."""

    def __init__(self, path: FastPath) -> None:
        self.path = path
        self.responses = 0
        self.repeated = 0
        self.observe = path.observe
        self.keep = path.keep

    def respond(self, scope: Any) -> Any:
        found = self.path.respond(scope)
        self.responses += found is not None
        return found

    def respond_again(self, head: bytes, peer: Any, *, https: bool) -> Any:
        found = self.path.respond_again(head, peer, https=https)
        self.responses += found is not None
        self.repeated += found is not None
        return found


class Line:
    """A connection to a place, with its server's fast path or without."""

    def __init__(
        self,
        place: Place,
        *,
        fast: bool,
        proxies: tuple[str, ...] = (),
        connections: Connections | None = None,
    ) -> None:
        self._app = place.fast if fast else place.slow
        found = fast_path(place.fast)
        assert found
        self.counted = Counted(found)
        config = uvicorn.Config(self._app, http="httptools", log_config=None, server_header=False)
        config.proxy_headers = False
        config.load()
        state = ServerState()
        state.default_headers = [DATE]
        self.protocol = RequestProtocol(
            connections or Connections(Limits(), lambda _: None),
            TrustedProxies(proxies),
            self.counted if fast else None,  # type: ignore[arg-type]
            config=config,
            server_state=state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        self.wire = Wire(self.protocol)
        self.protocol.connection_made(self.wire)

    async def exchange(self, data: bytes, responses: int = 1) -> bytes:
        """What is sent back until so many responses have begun and their tasks have ended."""
        self.protocol.data_received(data)
        # The end of a task comes after the bytes, and nothing signals both.
        while self.wire.sent.count(b"HTTP/1.1 ") < responses or self.protocol.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return without_ids(self.wire.sent)


def without_ids(sent: bytes) -> bytes:
    """What was sent, without the times and the ids of requests that are not ours."""
    return REQUEST_IDS.sub(b"", TIMESTAMP.sub(b"", sent))


def get(
    place: Place,
    path: str,
    *headers: str,
    method: str = "GET",
    version: str = "1.1",
    request_id: str | None = "mine",
) -> bytes:
    lines = [
        f"{method} /api/v1{path} HTTP/{version}",
        "Host: localhost",
        *([f"X-Request-ID: {request_id}"] if request_id else []),
        f"Authorization: {place.user.headers['Authorization']}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def unnamed(place: Place, path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without an id, of which the head may be kept."""
    return get(place, path, *headers, method=method, version=version, request_id=None)


async def both(place: Place, data: bytes, responses: int = 1) -> tuple[Line, Line]:
    """Two connections that have sent the same: one with the fast path, the other without."""
    fast, slow = Line(place, fast=True), Line(place, fast=False)
    assert await fast.exchange(data, responses) == await slow.exchange(data, responses)
    assert fast.wire.closed == slow.wire.closed
    return fast, slow


def warmed(place: Place, check: Callable[[], Any]) -> None:
    """Run a check when both applications have the responses in their caches."""

    async def run() -> None:
        for fast, path in product((True, False), ("/movies", "/genres", "/movies/603", "/watchlist")):
            await Line(place, fast=fast).exchange(get(place, path))
        await check()

    asyncio.run(run())


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    "headers", [(), ("Connection: close",), ("Connection: keep-alive",), ("Accept-Encoding: gzip",)]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_bytes_on_the_wire_are_the_same(
    place: Place, version: str, headers: tuple[str, ...], method: str
) -> None:
    async def check() -> None:
        for path in ("/movies", "/genres", "/movies/603", "/watchlist", "/health/live"):
            fast, _ = await both(place, get(place, path, *headers, method=method, version=version))
            assert fast.counted.responses == 1, path

    warmed(place, check)


def test_a_copy_that_the_client_has_is_not_sent_again(place: Place) -> None:
    async def check() -> None:
        first = await Line(place, fast=True).exchange(get(place, "/movies"))
        etag = re.search(rb"etag: (\S+)", first)
        assert etag
        fast, _ = await both(place, get(place, "/movies", f"If-None-Match: {etag[1].decode()}"))
        assert fast.wire.sent.startswith(b"HTTP/1.1 304 ")
        assert fast.counted.responses == 1

    warmed(place, check)


def test_pipelined_requests_are_answered_in_their_order(place: Place) -> None:
    async def check() -> None:
        paths = ("/movies", "/movies/999999", "/genres", "/movies?limit=0", "/movies/603", "/health/live") * 9
        fast, _ = await both(place, b"".join(get(place, path) for path in paths), len(paths))
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", fast.wire.sent)
        assert statuses == [b"200", b"404", b"200", b"400", b"200", b"200"] * 9
        assert fast.counted.responses == 4 * 9

    warmed(place, check)


def test_a_client_that_does_not_read_gets_no_further_response(place: Place) -> None:
    async def check() -> None:
        line = Line(place, fast=True)
        line.protocol.pause_writing()
        line.protocol.data_received(get(place, "/movies"))
        for _ in range(9):
            await asyncio.sleep(0)
        assert line.wire.sent == b""
        line.protocol.resume_writing()
        assert (await line.exchange(b"")).startswith(b"HTTP/1.1 200 ")

    warmed(place, check)


def test_a_response_that_is_not_there_is_looked_up_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups: list[str] = []
    respond = FastPath.respond

    def counted(path: FastPath, scope: Any) -> Any:
        lookups.append(scope["path"])
        return respond(path, scope)

    async def check() -> None:
        lookups.clear()
        await Line(place, fast=True).exchange(get(place, "/movies/999999"))
        assert lookups == ["/api/v1/movies/999999"]

    monkeypatch.setattr(FastPath, "respond", counted)
    warmed(place, check)


def test_behind_a_trusted_proxy_the_application_responds(place: Place) -> None:
    async def check() -> None:
        line = Line(place, fast=True, proxies=(PEER[0],))
        assert (await line.exchange(get(place, "/movies"))).startswith(b"HTTP/1.1 200 ")
        assert line.counted.responses == 0

    warmed(place, check)


def test_an_idle_connection_waits_anew_after_each_response(place: Place) -> None:
    async def check() -> None:
        connections = Connections(Limits(), lambda _: None)
        first, second = (Line(place, fast=True, connections=connections) for _ in range(2))
        for each in (first, second, first):
            await each.exchange(get(place, "/movies"), each.counted.responses + 1)
        assert list(connections.idle.due) == [second.protocol, first.protocol]

    warmed(place, check)


def test_an_error_of_the_fast_path_is_no_error_of_the_client(place: Place) -> None:
    class BrokenError(Exception):
        pass

    def respond(_: Any) -> Any:
        raise BrokenError

    async def check() -> None:
        line = Line(place, fast=True)
        line.counted.respond = respond  # type: ignore[assignment,method-assign]
        with pytest.raises(Exception, match="callback") as raised:
            line.protocol.data_received(get(place, "/movies"))
        assert isinstance(raised.value.__context__, BrokenError)
        assert line.wire.sent == b""

    warmed(place, check)
