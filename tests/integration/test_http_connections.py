"""Limits on connections: requests that are slow, partial, endless, malformed or missing."""

import asyncio
import logging
import re
import select
import socket
from asyncio import Event as AsyncEvent
from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace

import pytest
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from adapters.sqlite.genres import SqliteGenreRepository
from adapters.testkit.samples import random_facts
from domain.movies import Genre
from entrypoints.http import middleware
from entrypoints.http.access_log import RequestRecord
from entrypoints.http.connections import Connections, Limits
from entrypoints.http.middleware import CommonHeaders, OuterMiddleware
from tests.integration.http_service import application, filled_store
from tests.integration.loopback import (
    TIMEOUT,
    HttpResponse,
    Loopback,
    eventually,
    is_closed,
    parse_responses,
    receive_responses,
    request,
    send_while_possible,
    serving_on_loopback,
)

LIVE = "/api/v1/health/live"
LOGIN = "/api/v1/auth/login"
JSON = "Content-Type: application/json"
HALF_BODY = request("POST", LOGIN, "Content-Length: 50", JSON, body=b'{"em')
HALVES = {
    "a letter": b"G",
    "a method": b"POST ",
    "half a target": b"GET /api/v1/mov",
    "a request line": b"GET /api/v1/movies HTTP/1.1\r\n",
    "half a name": b"GET /api/v1/movies HTTP/1.1\r\nHost: a\r\nX-Requ",
    "half a value": b"GET /api/v1/movies HTTP/1.1\r\nHost: a\r\nX-Other: b",
    "all but the last byte": request("GET", LIVE)[:-1],
    "no body": request("POST", LOGIN, "Content-Length: 50", JSON),
    "half a body": HALF_BODY,
    "all but a byte of the body": request("POST", LOGIN, "Content-Length: 3", body=b"{}"),
    "no chunk": request("POST", LOGIN, "Transfer-Encoding: chunked"),
    "half a chunk": request("POST", LOGIN, "Transfer-Encoding: chunked", body=b"20\r\n{}"),
    "no last chunk": request("POST", LOGIN, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"),
    "half a trailer": request("POST", LOGIN, "Transfer-Encoding: chunked", body=b"0\r\nX: y"),
    "HTTP/0.9": b"GET /\r\n",
}


@pytest.fixture(scope="module")
def quick() -> Iterator[Loopback]:
    """A server with short time limits."""
    with serving_on_loopback(
        silent_seconds=0.2, request_seconds=0.3, idle_seconds=0.4, linger_seconds=0.3, linger_bytes=1 << 20
    ) as server:
        yield server


@pytest.fixture(scope="module")
def patient() -> Iterator[Loopback]:
    """A server whose time limits exceed the duration of a test."""
    with serving_on_loopback(request_seconds=60, silent_seconds=60, linger_bytes=1 << 20) as server:
        yield server


def assert_refused(answer: HttpResponse, status: int, code: str) -> None:
    error = answer.json()
    assert (answer.status, error["statusCode"], error["code"]) == (status, status, code)
    assert error["errors"] == []
    assert error["request_id"]
    assert answer.headers["x-request-id"] == error["request_id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["connection"] == "close"


# Time


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_an_incomplete_request_gets_a_408_after_the_time_limit(quick: Loopback, half: bytes) -> None:
    [answer] = quick.exchange(half)

    assert_refused(answer, 408, "request_timeout")
    assert quick.closed[-1] == "request_timeout"


def test_the_408_has_the_clients_request_id_and_path(quick: Loopback) -> None:
    [answer] = quick.exchange(request("POST", f"{LOGIN}?a=b", "X-Request-ID: mine", "Content-Length: 5"))

    assert (answer.headers["x-request-id"], answer.json()["path"]) == ("mine", LOGIN)


@pytest.mark.parametrize("begin", [request("POST", LOGIN, "Content-Length: 9000"), b"GET /"])
def test_single_bytes_do_not_extend_the_time_limit(quick: Loopback, begin: bytes) -> None:
    with quick.connect() as client:
        client.sendall(begin)
        while not select.select([client], [], [], 0.02)[0]:
            client.sendall(b"a")
        [answer] = receive_responses(client)

    assert_refused(answer, 408, "request_timeout")


def test_a_second_request_has_its_own_time_limit(quick: Loopback) -> None:
    answers = quick.exchange(request("GET", LIVE) + HALF_BODY)

    assert [answer.status for answer in answers] == [200, 408]


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_connection_without_a_request_is_closed_without_a_response(quick: Loopback, sent: bytes) -> None:
    with quick.connect() as client:
        client.sendall(sent)
        assert client.recv(100) == b""

    assert quick.closed[-1] == "silent"


def test_empty_lines_do_not_extend_the_time_limit(quick: Loopback) -> None:
    with quick.connect() as client:
        while not select.select([client], [], [], 0.02)[0]:
            client.sendall(b"\r\n")
        assert client.recv(100) == b""


def test_an_idle_keep_alive_connection_is_closed(quick: Loopback) -> None:
    [answer] = quick.exchange(request("GET", LIVE))

    assert answer.status == 200
    assert quick.closed[-1] == "idle"


def test_each_request_restarts_the_time_limit_of_a_keep_alive_connection(quick: Loopback) -> None:
    with quick.connect() as client:
        for _ in range(8):  # in all, longer than the time limit of an idle connection
            client.sendall(request("OPTIONS", LIVE))  # its response has no body that could arrive later
            assert client.recv(65_536).startswith(b"HTTP/1.1 204")
            select.select([client], [], [], 0.1)


# Size

HEAD = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a target": (b"GET /", b"a"),
    "a method": (b"GET", b" "),
    "a query": (b"GET /?", b"a=b&"),
    "a name": (HEAD, b"a"),
    "a value": (HEAD + b"X: ", b"a"),
    "spaces": (HEAD + b"X:", b" "),
    "headers": (HEAD, b"a: b\r\n"),
    "headers without values": (HEAD, b"a:\r\n"),
    "chunk extensions": (CHUNKED + b"1;", b"a"),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n"),
    "a trailer": (CHUNKED + b"0\r\nX: ", b"a"),
    "extensions of small chunks": (CHUNKED, b"1;" + b"a" * 5000 + b"\r\na\r\n"),
}


@pytest.mark.parametrize(("begin", "more"), ENDLESS.values(), ids=ENDLESS)
def test_an_endless_head_gets_a_431_and_is_not_read_on(patient: Loopback, begin: bytes, more: bytes) -> None:
    with patient.connect() as client:
        client.sendall(begin)
        taken = send_while_possible(client, more * (40_000_000 // len(more)))
        answers = receive_responses(client)

    for answer in answers:  # there is no response if the connection was reset before it could be read
        assert_refused(answer, 431, "head_too_large")
    assert taken < 30_000_000, "more than what the kernel holds"
    assert patient.closed[-1] == "head_too_large"


def padded(size: int) -> bytes:
    """A request with a head of this size in bytes."""
    short = request("GET", LIVE, "X: ")
    return request("GET", LIVE, "X: " + "a" * (size - len(short)))


@pytest.mark.parametrize("pieces", [1, 7, 30_000])
def test_a_head_may_have_64_kib(patient: Loopback, pieces: int) -> None:
    for size, status in ((65_536, 200), (65_537, 431)):
        head = padded(size)
        assert len(head) == size
        with patient.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for begin in range(0, size, size // pieces):
                client.sendall(head[begin : begin + size // pieces])
            if status == 200:
                client.sendall(request("GET", LIVE, "Connection: close"))
            answers = receive_responses(client)

        assert [answer.status for answer in answers] == ([200, 200] if status == 200 else [431])


def test_a_head_has_at_most_256_headers(patient: Loopback) -> None:
    many = [f"X-{number}: y" for number in range(255)]

    assert patient.exchange(request("GET", LIVE, *many[:-1], "Connection: close"))[0].status == 200
    assert_refused(patient.exchange(request("GET", LIVE, *many, "a: b"))[0], 431, "head_too_large")


@pytest.mark.parametrize("chunk", [1, 1000, 65_536, 20_000_000])
def test_a_chunked_body_is_read_up_to_the_limit_only(patient: Loopback, chunk: int) -> None:
    piece = b"%x\r\n%s\r\n" % (chunk, b" " * chunk)
    with patient.connect() as client:
        client.sendall(CHUNKED)
        taken = send_while_possible(client, piece * (40_000_000 // len(piece)))
        answers = receive_responses(client)

    for answer in answers:  # there is no response if the connection was reset before it could be read
        assert_refused(answer, 413, "payload_too_large")
    assert taken < 30_000_000, "more than what the kernel holds and what is discarded"
    assert patient.closed[-1] == "payload_too_large"


@pytest.mark.parametrize("length", [65_537, 10**6, 10**12])
def test_a_body_with_too_large_a_content_length_is_refused_at_once(patient: Loopback, length: int) -> None:
    [answer] = patient.exchange(request("POST", LOGIN, f"Content-Length: {length}"))

    assert_refused(answer, 413, "payload_too_large")


@pytest.mark.parametrize("head", ["Content-Length: 500000", "Transfer-Encoding: chunked"])
def test_a_client_that_sends_the_whole_body_first_receives_the_413(patient: Loopback, head: str) -> None:
    body = b" " * 500_000 if "Length" in head else b"7a120\r\n" + b" " * 500_000 + b"\r\n0\r\n\r\n"
    with patient.connect() as client:
        client.sendall(request("POST", LOGIN, head))
        client.sendall(body[:400_000])
        assert select.select([client], [], [], TIMEOUT)[0]  # it is refused already
        for begin in range(400_000, len(body), 10_000):
            client.sendall(body[begin : begin + 10_000])
            select.select([], [], [], 0.001)
        answer = b""
        while piece := client.recv(65_536):  # raises if the connection is reset
            answer += piece

    assert_refused(next(parse_responses(answer)), 413, "payload_too_large")


def test_a_body_may_have_64_kib_in_chunks_of_any_size(patient: Loopback) -> None:
    body = b'{"email": "a", "password": "b"}'.ljust(65_536)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    whole = request("POST", LOGIN, JSON, f"Content-Length: {len(body)}", "Connection: close", body=body)
    cut = request("POST", LOGIN, JSON, "Transfer-Encoding: chunked", "Connection: close", body=chunks)

    assert [patient.exchange(each)[0].status for each in (whole, cut)] == [401, 401]


# What is not HTTP/1.1

MALFORMED = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "a word": b"hello\r\n\r\n",
    "another method": b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "a bare line feed": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost a\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    "a return in a value": b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "the same length twice": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": HEAD + b"Content-Length: -3\r\n\r\nabc",
    "a length in hexadecimal": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "no length at all": HEAD + b"Content-Length: \r\n\r\nabc",
    "a length beyond all bounds": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "no chunk size": CHUNKED + b"zz\r\n",
    "a negative chunk size": CHUNKED + b"-1\r\n",
    "a chunk size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk size beyond all bounds": CHUNKED + b"f" * 20 + b"\r\n",
    "chunks with bare line feeds": CHUNKED + b"3\nabc\n0\n\n",
    "a chunk that is too long": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunks after something else": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunks of something else": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunks twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "almost chunks": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "no transfer encoding": HEAD + b"Transfer-Encoding: identity\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHost: b\r\n\r\n",
    "the same Host twice": b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "a Host with a space": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a Host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "bytes in the Host": b"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n",
    "a hidden transfer encoding": HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_malformed_http_gets_a_400_and_is_not_read_on(
    patient: Loopback, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    [answer] = patient.exchange(sent + request("GET", LIVE))

    assert_refused(answer, 400, "malformed_request")
    assert patient.closed[-1] == "malformed_request"
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_the_400_of_a_malformed_request_follows_earlier_responses(patient: Loopback) -> None:
    answers = patient.exchange(request("GET", "/api/v1/movies") + request("GET", LIVE) + b"nonsense\r\n")

    assert [answer.status for answer in answers] == [200, 200, 400]
    assert answers[1].json() == {"status": "ok"}


def test_a_trailer_is_not_taken_for_a_header(patient: Loopback) -> None:
    trailer = b"0\r\nAuthorization: Bearer a.b.c\r\n\r\n"
    sent = request(
        "POST", "/api/v1/auth/logout", "Transfer-Encoding: chunked", "Connection: close", body=trailer
    )

    [answer] = patient.exchange(sent)

    assert answer.status == 401
    assert "error=" not in answer.headers["www-authenticate"], "as if a token had been sent"


# Connections


def test_pipelined_requests_are_answered(patient: Loopback) -> None:
    sent = request("GET", LIVE) * 1000 + request("POST", LOGIN, "Content-Length: 2", JSON, body=b"{}") * 1000

    answers = patient.exchange(sent + request("GET", LIVE, "Connection: close"))

    assert [answer.status for answer in answers] == [200] * 1000 + [400] * 1000 + [200]


@pytest.mark.parametrize("host", ["", "a", "a:80", "[::1]:8080", "127.0.0.1", "a_b.example", "xn--e-4ga"])
def test_any_host_header_is_accepted(patient: Loopback, host: str) -> None:
    [answer] = patient.exchange(f"GET {LIVE} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())

    assert answer.status == 200


def test_a_late_response_has_the_date_at_which_it_is_sent() -> None:
    with serving_on_loopback(request_seconds=1.5) as server, server.connect() as client:
        client.sendall(HALF_BODY)
        eventually(lambda: server.server.connections.receiving.due)
        began = dict(server.server.server_state.default_headers)[b"date"]
        [answer] = receive_responses(client)

    assert_refused(answer, 408, "request_timeout")
    assert answer.headers["date"].encode() != began


def test_an_http_1_0_request_is_answered_and_its_connection_closed(patient: Loopback) -> None:
    [answer] = patient.exchange(f"GET {LIVE} HTTP/1.0\r\n\r\n".encode())

    assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_a_client_that_expects_100_continue_receives_it(patient: Loopback) -> None:
    head = request("POST", LOGIN, "Expect: 100-continue", "Content-Length: 2", JSON, "Connection: close")
    with patient.connect() as client:
        client.sendall(head)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        [answer] = receive_responses(client)

    assert answer.status == 400


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_client_that_does_not_expect_100_continue_does_not_receive_it(
    patient: Loopback, body: bytes
) -> None:
    head = [f"Content-Length: {len(body)}"] if body else []
    sent = request("POST", LOGIN, "Expect: 100-continue", JSON, *head, "Connection: close", body=body)

    assert [answer.status for answer in patient.exchange(sent)] == [400]


def test_a_client_that_expects_100_with_too_large_a_body_is_refused_at_once(patient: Loopback) -> None:
    [answer] = patient.exchange(request("POST", LOGIN, "Expect: 100-continue", "Content-Length: 99999999"))

    assert_refused(answer, 413, "payload_too_large")


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a")
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")


@pytest.mark.parametrize("upgrade", [UPGRADE, H2C])
def test_an_upgrade_header_is_ignored(
    patient: Loopback, upgrade: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"email": "a"}'
    chunks = b"e\r\n" + body + b"\r\n0\r\n\r\n"
    sent = [
        request("GET", LIVE, *upgrade),
        request("POST", LOGIN, *upgrade, JSON, f"Content-Length: {len(body)}", body=body),
        request("POST", LOGIN, *upgrade, JSON, "Transfer-Encoding: chunked", body=chunks),
        request("GET", "/api/v1/nothing", *upgrade),
        request("GET", LIVE, "Connection: close"),
    ]

    for pieces in ([b"".join(sent)], [bytes([byte]) for byte in b"".join(sent)]):
        answers = patient.exchange(*pieces)

        assert [answer.status for answer in answers] == [200, 400, 400, 404, 200]
        assert answers[1].json()["errors"] == answers[2].json()["errors"] == ["password is required"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


# Disconnecting clients


def seen_499(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "status", None) == 499]


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("abruptly", [True, False])
def test_a_disconnect_before_the_request_is_complete_is_logged_as_499(
    patient: Loopback, half: bytes, abruptly: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with patient.connect() as client:
        client.sendall(request("GET", LIVE))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(half)
        eventually(lambda: patient.server.connections.receiving.due)  # a reset discards unread data
        leave(client, abruptly=abruptly)

    eventually(lambda: seen_499(caplog))
    [record] = seen_499(caplog)
    assert record.levelno == logging.INFO
    assert not [each for each in caplog.records if each.levelno > logging.INFO or each.exc_info]
    page = patient.get("/metrics").body.decode()
    assert re.search(r'matinee_request_duration_seconds_count\{.*status_code="499".*\} [1-9]', page)


def leave(client: socket.socket, *, abruptly: bool) -> None:
    """Close a connection; `abruptly` resets it."""
    if abruptly:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()


@pytest.mark.parametrize("waiting_requests", [0, 2])
def test_a_disconnect_while_the_response_is_built_is_logged_as_499(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waiting_requests: int
) -> None:
    caplog.set_level(logging.INFO)
    release, waiting, store = Event(), Event(), filled_store(random_facts(3))
    everything = SqliteGenreRepository.all

    def slowly(genres: SqliteGenreRepository) -> list[Genre]:
        waiting.set()
        assert release.wait(TIMEOUT)
        return everything(genres)

    monkeypatch.setattr(SqliteGenreRepository, "all", slowly)
    with serving_on_loopback(application(store)) as server:
        with server.connect() as client:
            client.sendall(request("GET", "/api/v1/genres") + request("GET", LIVE) * waiting_requests)
            assert waiting.wait(TIMEOUT)
        eventually(lambda: not server.server.server_state.connections)
        release.set()
        eventually(lambda: seen_499(caplog))

    [record] = seen_499(caplog)
    assert record.levelno == logging.INFO
    assert record.path == "/api/v1/genres"  # type: ignore[attr-defined]
    assert not [each for each in caplog.records if each.levelno > logging.INFO or each.exc_info]
    store.close()


class Flood:
    """An application with an endless response, behind the middleware. `seen` has the records of requests."""

    def __init__(self) -> None:
        self.begun = 0
        self.seen: list[RequestRecord] = []
        self.app = OuterMiddleware(
            self,
            unlimited="/health",
            max_body_bytes=100,
            common_headers=CommonHeaders(cors=False),
            observers=[self.seen.append],
        )
        self.chunk = b"a" * 65_536

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        self.begun += 1
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(4000):
            if scope["state"]["presence"].left:
                return
            await send({"type": "http.response.body", "body": self.chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def test_a_disconnect_while_the_response_is_sent_is_logged_as_499() -> None:
    flood = Flood()
    with serving_on_loopback(flood.app) as server:
        with server.connect() as client:
            client.sendall(request("GET", "/"))
            assert client.recv(1000)
        eventually(lambda: flood.seen)

    assert [exchange.status for exchange in flood.seen] == [499]


def test_a_client_that_does_not_read_its_response_is_disconnected() -> None:
    flood = Flood()
    with (
        serving_on_loopback(flood.app, stall_seconds=0.3) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.sendall(request("GET", "/"))
        eventually(lambda: flood.seen)
        assert server.closed == ["stalled"]
        assert not server.server.connections.stalled.due

    assert flood.seen[0].status == 499


def test_a_client_that_reads_its_response_slowly_is_not_disconnected() -> None:
    flood = Flood()
    with serving_on_loopback(flood.app, stall_seconds=0.5, stall_bytes=1) as server:
        with server.connect() as client:
            client.sendall(request("GET", "/"))
            for _ in range(10):  # in all, longer than the time limit of a stalled response
                eventually(lambda: server.server.connections.stalled.due)
                client.recv(20_000_000, socket.MSG_WAITALL)
            assert not server.closed
        eventually(lambda: flood.seen)


def test_a_closing_connection_does_not_wait_for_a_client_that_does_not_read() -> None:
    body = b"a" * 30_000_000

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            headers = [(b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    with (
        serving_on_loopback(large, stall_seconds=0.3) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.sendall(request("GET", "/", "Connection: close"))
        eventually(lambda: server.closed == ["stalled"])
        eventually(lambda: not server.server.server_state.connections)


# Number of connections


def test_incomplete_requests_do_not_count_as_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_REQUESTS_IN_PROGRESS", 3)
    with serving_on_loopback() as server:
        halves = [server.connect() for _ in range(20)]
        for number, client in enumerate(halves):
            client.sendall(list(HALVES.values())[number % len(HALVES)])
        eventually(lambda: len(server.server.connections.receiving.due) == 20)

        assert [server.get(path).status for path in (LIVE, "/api/v1/health", "/api/v1/movies")] == [200] * 3
        halves[8].sendall(b'ail": "a"}'.ljust(46))
        assert halves[8].recv(65_536).startswith(b"HTTP/1.1 400")


def test_waiting_connections_of_one_address_are_bounded_and_the_oldest_is_closed() -> None:
    with serving_on_loopback(waiting_per_address=5) as server:
        clients: list[socket.socket] = []
        for _ in range(12):
            clients.append(server.connect())
            clients[-1].sendall(HALF_BODY)
            eventually(
                lambda: len(server.closed) + len(server.server.connections.receiving.due) == len(clients)
            )
        evicted = [receive_responses(client)[0] for client in clients[:7]]
        elsewhere = [server.connect(address="127.0.0.2") for _ in range(5)]
        eventually(lambda: len(server.server.connections.silent.due) == 5)

        for answer in evicted:
            assert_refused(answer, 503, "too_many_connections")
            assert answer.headers["retry-after"] == "1"
        assert not any(is_closed(client) for client in [*clients[7:], *elsewhere])
        assert server.get("/api/v1/movies").status == 200
        assert set(server.closed) == {"too_many_connections"}


def test_waiting_connections_of_all_addresses_are_bounded() -> None:
    with serving_on_loopback(waiting=10, evictions_answered=3) as server:
        for number in range(2, 22):
            server.connect(address=f"127.0.0.{number}").sendall(HALF_BODY)
        eventually(lambda: server.closed.count("too_many_connections") == 10)

        assert server.get("/api/v1/movies").status == 200


def test_the_responses_to_evicted_connections_are_rate_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answered() -> list[bool]:
        connections = Connections(Limits(evictions_answered=2), lambda _: None)
        now = iter((10, 10.5, 10.9, 11))
        monkeypatch.setattr(connections, "_loop", SimpleNamespace(time=lambda: next(now)))
        return [connections.answers_eviction() for _ in range(4)]

    assert asyncio.run(answered()) == [True, True, False, True]


def test_a_trusted_proxy_is_not_bounded_but_its_clients_are() -> None:
    with serving_on_loopback(proxies=("127.0.0.1",), waiting_per_address=5) as server:
        unnamed = [server.connect() for _ in range(10)]
        for client in unnamed:
            client.sendall(b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\n")
        other = server.connect()
        other.sendall(request("POST", LOGIN, "Content-Length: 50", "X-Forwarded-For: 192.0.2.2"))
        receiving = server.server.connections.receiving
        eventually(lambda: len(receiving.due) == 11)

        named: list[socket.socket] = []
        for _ in range(8):
            named.append(server.connect())
            named[-1].sendall(
                request("POST", LOGIN, "Content-Length: 50", "X-Forwarded-For: 10.0.0.1, 192.0.2.1")
            )
            eventually(lambda: len(receiving.due) + len(server.closed) == 11 + len(named))
        assert [receive_responses(client)[0].status for client in named[:3]] == [503] * 3
        assert not any(is_closed(client) for client in [*unnamed, other, *named[3:]])
        assert server.get(LIVE).status == 200


def test_without_room_the_connection_that_waited_longest_is_closed() -> None:
    with serving_on_loopback(open=20) as server:
        idle = [server.connect() for _ in range(10)]
        for client in idle:
            client.sendall(request("OPTIONS", LIVE))  # its response has no body that could arrive later
            assert client.recv(65_536).startswith(b"HTTP/1.1 204")
        silent = [server.connect() for _ in range(60)]

        for _ in range(5):
            assert server.get(LIVE).status == 200
        eventually(lambda: all(is_closed(client) for client in idle))
        assert set(server.closed) == {"descriptors"}
        assert not is_closed(silent[-1])


def test_while_all_connections_are_being_answered_the_next_one_waits() -> None:
    begun: list[AsyncEvent] = []

    async def holding(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            release = AsyncEvent()
            begun.append(release)
            await release.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    with serving_on_loopback(holding, open=2) as server:
        clients: list[socket.socket] = []
        for _ in range(3):
            clients.append(server.connect())
            clients[-1].sendall(request("GET", "/"))
            eventually(lambda: len(begun) == min(len(clients), 2))
        loop = server.server.connections._loop
        loop.call_soon_threadsafe(begun[0].set)
        assert clients[0].recv(65_536).startswith(b"HTTP/1.1 204")
        eventually(lambda: len(begun) == 3)
        loop.call_soon_threadsafe(begun[1].set)
        loop.call_soon_threadsafe(begun[2].set)
        assert clients[2].recv(65_536).startswith(b"HTTP/1.1 204")


# Shutdown


def test_a_server_that_stops_does_not_wait_for_incomplete_requests() -> None:
    with serving_on_loopback() as server:
        halves = [server.connect() for _ in range(3)]
        halves[0].sendall(HALF_BODY)
        halves[1].sendall(b"GET /")
        halves[2].sendall(request("OPTIONS", LIVE))  # its response has no body that could arrive later
        assert halves[2].recv(65_536).startswith(b"HTTP/1.1 204")
        silent = server.connect()
        eventually(lambda: len(server.server.connections.receiving.due) == 2)
        server.server.should_exit = True

        for client in halves[:2]:
            [answer] = receive_responses(client)
            assert_refused(answer, 503, "server_stopping")
            assert answer.headers["retry-after"] == "1"
        assert [receive_responses(halves[2]), receive_responses(silent)] == [[], []]


def test_consecutive_responses_are_parsed() -> None:
    assert [
        each.status
        for each in parse_responses(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 204 \r\n\r\n")
    ] == [
        200,
        204,
    ]
