"""MongoDB for tests: a SecantusDB process, and a real server if MATINEE_TEST_MONGODB_URI names one.

SecantusDB is GPL, so it runs as a separate process and is never imported.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pymongo import MongoClient

REAL = "MATINEE_TEST_MONGODB_URI"
SERVERS = ("secantus", "real") if os.environ.get(REAL) else ("secantus",)
START_TIMEOUT = 60
"""Seconds until a test fails. The imports of SecantusDB take long on a busy machine."""

GUARD = """
import os, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: (os.read(0, 1), server.kill()), daemon=True).start()
os._exit(server.wait())
"""
"""A program that runs a server until its standard input is closed, also by the death of the tests.

It kills the server, since SecantusDB stops in its signal handler, which can wait for ever for a lock that the
interrupted code holds. There is no data to save, since it is in memory.
"""

TEST_TIMEOUT = "timeoutMS=30000"
"""SecantusDB is written in Python, and shares the machine with all other tests."""


@contextmanager
def running_secantus(folder: Path, *options: str) -> Iterator[str]:
    """Start SecantusDB on a free port; yields its address. Skips the test if it is not installed."""
    scripts = str(Path(sys.executable).parent)
    program = shutil.which("secantusd-py", path=scripts) or shutil.which("secantusd-py")
    if program is None:
        pytest.skip("SecantusDB is not installed: it has no wheel for this machine")
    log = folder / "secantus.log"
    with log.open("wb") as output:  # a file, since a pipe that is not read would block the server
        server = [program, "--host", "127.0.0.1", "--port", "0", "--storage-path", ":memory:", *options]
        command = [sys.executable, "-c", GUARD, *server]
        # Measuring its coverage would make it slow.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        environment["TMPDIR"] = str(folder)  # a killed server does not remove its files
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment
        )
    with process:  # at the end, it closes the standard input of the guard and waits
        yield f"mongodb://{_wait_for_address(process, log)}"


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"SecantusDB did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def secantus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a SecantusDB that is a replica set with one member."""
    with running_secantus(tmp_path_factory.mktemp("secantus")) as address:
        yield address


def address(request: pytest.FixtureRequest) -> str:
    """The address of the server named by a fixture's parameter, one of SERVERS."""
    server: str = os.environ[REAL] if request.param == "real" else request.getfixturevalue("secantus")
    return server


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The address of a new database on a server; it is dropped at the end."""
    parts = urlsplit(server)
    name = f"matinee_test_{uuid4().hex[:12]}"
    options = parts.query
    if "timeoutms=" not in options.lower():
        options = "&".join(filter(None, (options, TEST_TIMEOUT)))
    if "@" in parts.netloc and "authsource=" not in options.lower():
        # Without authSource, users are looked up in the database of the URI.
        options += f"&authSource={parts.path.strip('/') or 'admin'}"
    yield parts._replace(path=f"/{name}", query=options).geturl()
    with MongoClient[dict[str, object]](server) as client:
        client.drop_database(name)


@pytest.fixture(params=SERVERS)
def mongo_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new database."""
    with fresh_database(address(request)) as uri:
        yield uri
