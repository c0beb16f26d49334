"""MongoDB for tests: a SecantusDB process that is started here, and any real server that is named.

SecantusDB is GPL, so it is a process of its own and nothing of it is ever imported.
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
STARTS_WITHIN = 60
"""Seconds; importing its geometry takes a while on a busy machine."""

GUARD = """
import os, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: (os.read(0, 1), server.terminate()), daemon=True).start()
os._exit(server.wait())
"""
"""Runs a server until our end of a pipe is closed, which it also is when the tests are killed."""

PATIENT = "timeoutMS=30000"
"""SecantusDB is written in Python, and shares the machine with all other tests."""


@contextmanager
def running_secantus(folder: Path, *options: str) -> Iterator[str]:
    """The address of a new SecantusDB on a port of its own choice. Skips the test if there is none."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("secantusd-py", path=beside) or shutil.which("secantusd-py")
    if program is None:
        pytest.skip("SecantusDB is not installed: it has no wheel for this machine")
    log = folder / "secantus.log"
    with log.open("wb") as told:  # a file, since nobody would go on reading a pipe
        server = [program, "--host", "127.0.0.1", "--port", "0", "--storage-path", ":memory:", *options]
        command = [sys.executable, "-c", GUARD, *server]
        # Nobody wants to know which lines of it are covered, and finding out makes it slow.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, stderr=told, env=environment)
    try:
        yield f"mongodb://{_told_by(process, log)}"
    finally:
        process.communicate(timeout=30)


def _told_by(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"SecantusDB did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def secantus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a SecantusDB that speaks MongoDB's wire protocol, as a replica set of one."""
    with running_secantus(tmp_path_factory.mktemp("secantus")) as address:
        yield address


def address(request: pytest.FixtureRequest) -> str:
    """The address of the server that a fixture's parameter, one of SERVERS, names."""
    server: str = os.environ[REAL] if request.param == "real" else request.getfixturevalue("secantus")
    return server


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The address of a database of its own on that server, which is dropped afterwards."""
    parts = urlsplit(server)
    name = f"matinee_test_{uuid4().hex[:12]}"
    options = parts.query
    if "timeoutms=" not in options.lower():
        options = "&".join(filter(None, (options, PATIENT)))
    if "@" in parts.netloc and "authsource=" not in options.lower():
        # The database in a URI is also where its user is known, unless it says otherwise.
        options += f"&authSource={parts.path.strip('/') or 'admin'}"
    yield parts._replace(path=f"/{name}", query=options).geturl()
    with MongoClient[dict[str, object]](server) as client:
        client.drop_database(name)


@pytest.fixture(params=SERVERS)
def mongo_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh database."""
    with fresh_database(address(request)) as uri:
        yield uri
