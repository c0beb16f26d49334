"""Floods of connections to a running `matinee serve`: other clients are served as before."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.commands import RunningServer, starting
from tests.integration.loopback import eventually, is_closed

HALF = b'POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"em'
PLENTY = {"RATE_LIMIT": "100000/minute", "AUTH_RATE_LIMIT": "100000/minute", "PUBLIC_CATALOGUE": "true"}


@contextmanager
def running(folder: Path, *, descriptors: int | None = None) -> Iterator[RunningServer]:
    with starting(folder, PLENTY, descriptors=descriptors) as server:
        server.wait_until_ready()
        yield server


def flood(
    server: RunningServer, stack: ExitStack, count: int, sent: bytes, addresses: int = 1
) -> list[socket.socket]:
    """Connections from a number of addresses of this machine, each of which has sent this data."""
    clients = []
    for number in range(count):
        client = stack.enter_context(socket.socket())
        client.settimeout(10)
        client.bind((f"127.0.0.{1 + number % addresses}", 0))
        client.connect(("127.0.0.1", server.client.base_url.port))
        client.sendall(sent)
        clients.append(client)
    return clients


def assert_well(server: RunningServer, *, name: str) -> None:
    """Assert that reads, writes and health checks of a client succeed."""
    client = server.client
    account = {"username": name, "email": f"{name}@example.org", "password": "follow the white rabbit"}
    joined = client.post("/auth/register", json=account)
    assert joined.status_code == 201, joined.text
    headers = {"Authorization": f"Bearer {joined.json()['access_token']}"}
    movie = client.get("/movies", params={"limit": "1"}).json()["data"][0]["id"]
    for path in ("/health", "/health/live", "/health/ready", "/movies", f"/movies/{movie}", "/genres") * 3:
        assert client.get(path).status_code == 200
    for score in (7, 8.5):
        rated = client.put(f"/movies/{movie}/rating", json={"rating": score}, headers=headers)
        assert rated.status_code in {200, 201}, rated.text


def test_1030_incomplete_requests_do_not_block_others(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        for addresses, name in ((100, "neo"), (1, "trinity")):
            with ExitStack() as stack:
                clients = flood(server, stack, 1030, HALF, addresses)

                assert_well(server, name=name)
                assert not is_closed(clients[-1])
                metrics = server.client.get("/metrics").text
                evicted = re.search(
                    r'connections_closed_total\{reason="too_many_connections"\} (\d+)', metrics
                )
                assert bool(evicted) is (addresses == 1)
                if evicted:
                    assert server.stop() == 0  # although incomplete requests are still open

    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_400_idle_connections_do_not_block_others_with_few_descriptors(tmp_path: Path) -> None:
    with running(tmp_path, descriptors=256) as server, ExitStack() as stack:
        clients = flood(server, stack, 400, b"")
        # Our own connection may be evicted too, and must not be in use then.
        eventually(lambda: sum(not is_closed(client) for client in clients) <= 128)

        assert_well(server, name="neo")
        for client in flood(server, stack, 200, b"GET /api/v1/health/live HTTP/1.1\r\nHost: a\r\n\r\n"):
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert_well(server, name="trinity")
        assert server.stop() == 0

    assert "Too many open files" not in (tmp_path / "serve.log").read_text()
