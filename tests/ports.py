"""Ports for servers that tests start."""

import os
import socket

CANDIDATES = iter(range(10_000 + os.getpid() % 200 * 100, 32_768))
"""Each process begins elsewhere. Connections of clients get none of these: theirs begin at 32,768."""


def free_port() -> int:
    """A TCP port that nobody listens on, and that this process has not given away before."""
    for port in CANDIDATES:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
