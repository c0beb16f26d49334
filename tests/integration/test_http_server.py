"""The application behind a real server: framing, keep-alive and concurrent clients."""

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from threading import Thread
from time import monotonic, sleep

import pytest
import uvicorn

from adapters.testkit.samples import random_facts
from tests.integration.http_service import application, filled_store


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    store = filled_store(random_facts(40))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application(store), log_config=None, timeout_graceful_shutdown=3, ws="none")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    _wait_for(server)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()
    store.close()


def test_one_connection_carries_many_requests_of_all_kinds(port: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        page, body = _asked(connection, "GET", "/api/v1/movies")
        head, nothing = _asked(connection, "HEAD", "/api/v1/movies")
        held, empty = _asked(connection, "GET", "/api/v1/movies", {"If-None-Match": page.headers["ETag"]})
        small, packed = _asked(connection, "GET", "/api/v1/movies", {"Accept-Encoding": "gzip"})
        wrong, error = _asked(connection, "POST", "/api/v1/genres")

    assert (page.status, len(json.loads(body)["data"])) == (200, 20)
    assert (head.status, nothing, head.headers["Content-Length"]) == (200, b"", str(len(body)))
    assert (held.status, empty) == (304, b"")
    assert (small.status, gzip.decompress(packed)) == (200, body)
    assert (wrong.status, json.loads(error)["code"]) == (405, "method_not_allowed")


def test_concurrent_clients_get_identical_responses(port: int) -> None:
    def read(_: int) -> tuple[int, bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            while True:
                answer, body = _asked(connection, "GET", "/api/v1/movies?limit=100")
                if answer.status != 503:  # requests to a full service are retried
                    return answer.status, body

    with ThreadPoolExecutor(32) as clients:
        answers = set(clients.map(read, range(200)))

    assert len(answers) == 1
    assert {status for status, _ in answers} == {200}


@pytest.mark.parametrize(
    "path", ["/api/v1/movies/%FF%00", "/api/v1/movies?genre=%FF", "/api/v1/movies?genre=" + "a" * 9000]
)
def test_a_query_that_is_not_utf_8_is_refused(port: int, path: str) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        answer, body = _asked(connection, "GET", path)

    assert answer.status in {400, 404}
    assert json.loads(body)["request_id"] == answer.headers["X-Request-ID"]


def _asked(
    connection: HTTPConnection, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def _wait_for(server: uvicorn.Server) -> None:
    until = monotonic() + 10
    while not server.started:
        assert monotonic() < until, "the server did not start"
        sleep(0.01)
