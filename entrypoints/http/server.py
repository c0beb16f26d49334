"""The HTTP server: uvicorn's, with bounds on connections.

uvicorn lets the event loop accept whatever comes. Here a connection is accepted only while there is room for
it, so that the process never runs out of descriptors, which the store and Redis need as well.
"""

import asyncio
import logging
import resource
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from entrypoints.http.addresses import TrustedProxies
from entrypoints.http.connections import Connections, Limits
from entrypoints.http.protocol import RequestProtocol

BACKLOG = 2048
"""Connections that wait in the kernel to be accepted."""

ACCEPTED_AT_ONCE = 16
"""Connections accepted before the event loop does other work."""

MOST_DESCRIPTORS = 65_536
"""More are not asked for, even where the system has no limit."""

RESERVED_DESCRIPTORS = 192
"""Kept for the store, Redis and files; half of all where there are few."""

ACCEPT_RETRY = 0.2
"""Seconds until accepting is tried again after it failed."""

log = logging.getLogger(__name__)


def connections_within_descriptors() -> int:
    """How many connections this process may hold open; raises its limit of descriptors as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    most = MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return most - min(RESERVED_DESCRIPTORS, most // 2)


class Server(uvicorn.Server):
    """Serves an application within limits.

    `closed` is told why a connection is closed because of a limit; `ready` is called when the port answers.
    """

    connections: Connections

    def __init__(
        self,
        config: uvicorn.Config,
        limits: Limits,
        *,
        proxies: Sequence[str] = (),
        closed: Callable[[str], None] = lambda _: None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._limits = limits
        self._proxies = TrustedProxies(proxies)
        self._closed = closed
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.connections = Connections(self._limits, self._closed)
        self.connections.start()
        protocol = partial(
            RequestProtocol,
            self.connections,
            self._proxies,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        acceptors = [Acceptor(each, self.connections, protocol) for each in sockets or []]
        self.servers = acceptors  # type: ignore[assignment]  # what uvicorn calls of servers, they have
        for acceptor in acceptors:
            acceptor.start()
        self.started = True
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let running requests finish, close everything else."""
        self.connections.stopping = True
        await super().shutdown(sockets)
        self.connections.stop()


class Acceptor:
    """Accepts connections on a socket for as long as there is room."""

    def __init__(
        self, listener: socket.socket, connections: Connections, protocol: Callable[[], RequestProtocol]
    ) -> None:
        self._listener = listener
        self._connections = connections
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(self) -> None:
        """Begin to accept."""
        self._listener.settimeout(0)
        self._listener.listen(BACKLOG)
        self._resume()

    def close(self) -> None:
        """Accept no more."""
        self._closed = True
        self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Wait for connections that were accepted a moment ago."""
        await asyncio.gather(*self._arriving)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        if self._connections.is_full():  # and there is one to accept
            self._loop.remove_reader(self._listener.fileno())
            self._connections.make_room(self._resume)
            return
        for _ in range(ACCEPTED_AT_ONCE):
            if self._connections.is_full():
                return
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted: %s", error)
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(ACCEPT_RETRY, self._resume)
                return
            self._connections.opened()
            task = self._loop.create_task(self._connect(accepted))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:  # it is closed already
            accepted.close()
            self._connections.gone(None)
