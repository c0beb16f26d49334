"""The real command in a process of its own."""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import msgspec

from entrypoints.settings import SHARED_METRICS, Settings
from tests.e2e.fork_server import ForkServer
from tests.ports import free_port

MATINEE = [sys.executable, "-m", "entrypoints"]
TIMEOUT = 60
"""Seconds until a call of a test fails; on a machine that others use, a started API may take that long."""

OURS = {field.encode_name for field in msgspec.structs.fields(Settings)} | {SHARED_METRICS}
"""The variables that Matinee reads."""


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without any setting of ours but these."""
    return {name: value for name, value in os.environ.items() if name not in OURS} | variables


def unmeasured(**variables: str) -> dict[str, str]:
    """The same for a process that coverage does not measure: measuring makes a start half as long again."""
    measured = environment(**variables)
    return {name: value for name, value in measured.items() if not name.startswith("COVERAGE_")}


def matinee(
    *arguments: str, cwd: Path, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what standard input gives it may hold bytes that are no text."""
    given = environment(**{"PYTHONPATH": str(Path.cwd())} | variables)
    if "PYTHONPATH" in variables:  # a fork would have imported everything already
        return subprocess.run(
            [*MATINEE, *arguments],
            cwd=cwd,
            env=given,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=60,
            check=False,
        )
    return _fork_server().run(list(arguments), cwd=cwd, environment=given, stdin=stdin)


def matinee_into(stdout: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same with standard output to a descriptor."""
    given = environment(PYTHONPATH=str(Path.cwd()))
    return _fork_server().run(list(arguments), cwd=cwd, environment=given, stdin="", stdout=stdout)


def _fork_server() -> ForkServer:
    """A fork server of this process. What it forks is measured as it is itself: there is another for tests
    that coverage ignores, in which tests/conftest.py hides this variable.
    """
    return _started(measured="COVERAGE_PROCESS_CONFIG" in os.environ)


@cache
def _started(*, measured: bool) -> ForkServer:
    server = ForkServer(environment() if measured else unmeasured())
    atexit.register(server.close)
    return server


class Serving:
    """A running `matinee serve`."""

    def __init__(self, process: subprocess.Popen[str], port: str) -> None:
        self.process = process
        self.output = ""
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=TIMEOUT)

    def await_answers(self) -> None:
        """Wait until it has announced itself and answers."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if line.startswith("Stop"):
                break
        assert str(self.client.base_url.copy_with(path="/")) in self.output
        self._await_answers()

    def _await_answers(self) -> None:
        for _ in range(100):
            try:
                self.client.get("/health/live")
            except (
                httpx.TransportError
            ):  # a connection waits while the API is loaded, on a busy machine for long
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it; the exit code."""
        self.client.close()
        self.process.send_signal(how)
        self.process.communicate(timeout=30)
        return self.process.returncode


@contextmanager
def serving(cwd: Path, **variables: str) -> Iterator[Serving]:
    """Run `matinee serve` for a while, on a port of its own unless one is given."""
    with starting(cwd, variables) as server:
        server.await_answers()
        yield server


@contextmanager
def starting(
    cwd: Path,
    variables: Mapping[str, str],
    *,
    command: str = "serve",
    measured: bool = False,
    group: bool = False,
    descriptors: int | None = None,
) -> Iterator[Serving]:
    """`matinee serve`, or another command, which need not answer yet; what it logs is in serve.log.

    Coverage measures its processes only if `measured`: the API is measured in the process of the tests.
    With `group` it leads a group of processes, as on a terminal; each may have so many `descriptors`.
    """
    limited = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
    variables = {
        "PORT": str(free_port()),
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    with (cwd / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*limited, *MATINEE, command],
            cwd=cwd,
            env=environment(**variables) if measured else unmeasured(**variables),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            process_group=0 if group else None,
        )
    server = Serving(process, variables["PORT"])
    try:
        yield server
    finally:
        server.client.close()
        if process.poll() is None:
            process.kill()
        process.communicate()
