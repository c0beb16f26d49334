"""A process that has imported the commands, and forks a process for each command that a test runs.

Each command is a process with its own arguments, environment, directory, streams and exit code. Its modules
are already imported, which takes longer than most commands.
"""

import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO

TIMEOUT = 60
"""Seconds that a command may take."""

EXIT_CODE_BYTES = 4
"""The size of the message with an exit code."""


class ForkServer:
    """Runs commands one after the other, each in a forked process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start the server with an environment without settings of Matinee."""
        self._connection, server_end = socket.socketpair()
        self._connection.settimeout(TIMEOUT)
        with server_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(server_end.fileno())],
                env=environment,
                pass_fds=[server_end.fileno()],
            )

    def run(
        self,
        arguments: list[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stdin: str,
        stdout: int | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, and wait for its end. `stdout` is a file descriptor to use as standard output.

        Raises TimeoutError.
        """
        with (
            tempfile.TemporaryFile() as standard_input,
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
            tempfile.TemporaryFile() as request,
        ):
            standard_input.write(stdin.encode(errors="surrogateescape"))
            request.write(json.dumps([arguments, str(cwd), dict(environment)]).encode())
            standard_input.seek(0)
            request.seek(0)
            streams = [
                standard_input.fileno(),
                output.fileno() if stdout is None else stdout,
                errors.fileno(),
                request.fileno(),
            ]
            socket.send_fds(self._connection, [b"\0"], streams)
            code = self._connection.recv(EXIT_CODE_BYTES)
            assert code, f"the fork server has ended: {self._process.wait()}"
            return subprocess.CompletedProcess(arguments, int(code), _text(output), _text(errors))

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.wait(TIMEOUT)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


def _fork_for_each_command(connection: socket.socket) -> bool:
    """Fork for each command. Returns True in each forked process, and False in the server when it ends."""
    while streams := socket.recv_fds(connection, 1, 4)[1]:
        child = os.fork()
        if not child:
            connection.close()
            with os.fdopen(streams.pop()) as request:
                arguments, cwd, environment = json.load(request)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv[1:] = arguments
            sys.orig_argv[1:] = [
                "-m",
                "entrypoints",
                *arguments,
            ]  # from which `serve` derives the commands of its children
            return True
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).rjust(EXIT_CODE_BYTES).encode())
    return False


if __name__ == "__main__":
    from entrypoints import cli
    from entrypoints.launch import main

    for path in cli.COMMANDS.values():
        import_module(path.partition(":")[0])
    import_module("entrypoints.container")
    gc.freeze()  # the memory of imported modules is shared until it is written to
    if _fork_for_each_command(socket.socket(fileno=int(sys.argv[1]))):
        main()
