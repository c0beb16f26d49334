"""The socket on which the API listens."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep

from domain.errors import Unavailable
from entrypoints.settings import Settings

BIND_TIMEOUT = 1.0
"""Seconds to wait while the address is in use: a server that was just killed releases it in that time."""

BIND_INTERVAL = 0.05


@dataclass(eq=False)
class CannotListen(Unavailable):
    """The address to listen on is in use, or not one of this machine."""

    host: str
    port: int
    reason: str
    option: str = "--port"
    """Which of the two is to be changed: `--port`, or `--host` if the machine has no such address."""

    def __str__(self) -> str:
        return f"cannot listen on {self.host} port {self.port}: {self.reason}; {self.option} chooses another"


@contextmanager
def bound_socket(settings: Settings) -> Iterator[socket.socket]:
    """A socket that is bound to HOST and PORT, and does not listen yet. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            _bind(listener, (settings.host, settings.port))
        except OSError as error:
            is_foreign = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            reason, option = error.strerror or str(error), "--host" if is_foreign else "--port"
            raise CannotListen(settings.host, settings.port, reason, option) from error
        yield listener


def _bind(listener: socket.socket, address: tuple[str, int]) -> None:
    deadline = monotonic() + BIND_TIMEOUT
    while True:
        try:
            return listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or monotonic() > deadline:
                raise
        sleep(BIND_INTERVAL)
