"""The socket that the API answers on."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep

from domain.errors import Unavailable
from entrypoints.settings import Settings

PATIENCE = 1.0
"""Seconds in which a server that was killed a moment ago lets its address go."""


@dataclass(eq=False)
class AddressTaken(Unavailable):
    """The address to listen on cannot be had."""

    host: str
    port: int
    reason: str

    def __str__(self) -> str:
        return f"cannot listen on {self.host} port {self.port}: {self.reason}; --port chooses another"


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket that is bound to HOST and PORT; whoever answers on it listens. Raises AddressTaken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            _bind(listener, (settings.host, settings.port))
        except OSError as error:
            raise AddressTaken(settings.host, settings.port, error.strerror or str(error)) from error
        yield listener


def _bind(listener: socket.socket, address: tuple[str, int]) -> None:
    until = monotonic() + PATIENCE
    while True:
        try:
            return listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or monotonic() > until:
                raise
        sleep(0.05)
