"""Ports for servers that tests start."""

import os
import socket

CANDIDATES = iter(range(10_000 + os.getpid() % 200 * 100, 32_768))
"""Each process starts at another port. They are below the range of ports of client connections."""


def free_port() -> int:
    """A TCP port that is not in use, and that this function has not returned before."""
    for port in CANDIDATES:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
