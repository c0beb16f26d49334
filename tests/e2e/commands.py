"""The command `matinee` in a separate process."""

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
"""Seconds until a request of a test fails. On a busy machine an API may take that long after its start."""

SETTINGS_VARIABLES = {field.encode_name for field in msgspec.structs.fields(Settings)} | {SHARED_METRICS}
"""The environment variables that Matinee reads."""


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process, with these variables and without other settings of Matinee."""
    return {name: value for name, value in os.environ.items() if name not in SETTINGS_VARIABLES} | variables


def unmeasured(**variables: str) -> dict[str, str]:
    """The same, for a process that coverage does not measure; coverage makes a start half as long again."""
    variables = environment(**variables)
    return {name: value for name, value in variables.items() if not name.startswith("COVERAGE_")}


def matinee(
    *arguments: str, cwd: Path, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command, and wait for its end. Surrogates in `stdin` stand for bytes that are not UTF-8."""
    command_environment = environment(**{"PYTHONPATH": str(Path.cwd())} | variables)
    if "PYTHONPATH" in variables:  # a forked process has already imported everything
        return subprocess.run(
            [*MATINEE, *arguments],
            cwd=cwd,
            env=command_environment,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=60,
            check=False,
        )
    return _fork_server().run(list(arguments), cwd=cwd, environment=command_environment, stdin=stdin)


def matinee_with_stdout(stdout: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same, with a file descriptor as standard output."""
    command_environment = environment(PYTHONPATH=str(Path.cwd()))
    return _fork_server().run(
        list(arguments), cwd=cwd, environment=command_environment, stdin="", stdout=stdout
    )


def _fork_server() -> ForkServer:
    """A fork server. Coverage measures its forks if it measures the server itself, so there is another server
    for tests that coverage ignores. In those, tests/conftest.py hides this variable.
    """
    return _start_fork_server(measured="COVERAGE_PROCESS_CONFIG" in os.environ)


@cache
def _start_fork_server(*, measured: bool) -> ForkServer:
    server = ForkServer(environment() if measured else unmeasured())
    atexit.register(server.close)
    return server


class RunningServer:
    """A running `matinee serve`."""

    def __init__(self, process: subprocess.Popen[str], port: str) -> None:
        self.process = process
        self.output = ""
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=TIMEOUT)

    def wait_until_ready(self) -> None:
        """Wait until it has printed its URL and responds to requests."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if line.startswith("Stop"):
                break
        assert str(self.client.base_url.copy_with(path="/")) in self.output
        self._wait_for_response()

    def _wait_for_response(self) -> None:
        for _ in range(100):
            try:
                self.client.get("/health/live")
            except httpx.TransportError:  # while the API is loaded, which takes long on a busy machine
                time.sleep(0.05)
            else:
                return

    def stop(self, signal_number: signal.Signals = signal.SIGINT) -> int:
        """Stop the process, and return its exit code."""
        self.client.close()
        self.process.send_signal(signal_number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@contextmanager
def serving(cwd: Path, **variables: str) -> Iterator[RunningServer]:
    """Run `matinee serve` while the context is open, by default on a free port."""
    with starting(cwd, variables) as server:
        server.wait_until_ready()
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
) -> Iterator[RunningServer]:
    """Start `matinee serve` or another command, without waiting until it is ready. Its log is in serve.log.

    Coverage measures its processes only if `measured` is true: the API is measured in the process of the
    tests. With `group` it is the leader of a process group, as in a terminal. `descriptors` limits the file
    descriptors of each process.
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
    server = RunningServer(process, variables["PORT"])
    try:
        yield server
    finally:
        server.client.close()
        if process.poll() is None:
            process.kill()
        process.communicate()
