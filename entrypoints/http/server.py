"""The HTTP server: uvicorn's with a limit on the number of connections.

uvicorn accepts all connections. Here a connection is accepted only if the limit allows it, so that the
process does not run out of file descriptors, which the store and Redis need as well.
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

from entrypoints.http.access_log import STOPPING
from entrypoints.http.addresses import TrustedProxies
from entrypoints.http.connections import Connections, Limits
from entrypoints.http.fast_path import FastPath
from entrypoints.http.protocol import RequestProtocol

BACKLOG = 2048
"""Connections that the kernel queues until they are accepted."""

MAX_ACCEPTED_IN_A_ROW = 16
"""Connections accepted in a row before other work of the event loop."""

MAX_DESCRIPTORS = 65_536
"""The limit of descriptors that is requested at most, even if the system allows more."""

RESERVED_DESCRIPTORS = 192
"""Reserved for the store, Redis and files; half of all if there are few."""

ACCEPT_RETRY_DELAY = 0.2
"""Seconds between a failed attempt to accept and the next."""

log = logging.getLogger(__name__)


def connections_within_descriptors() -> int:
    """Raise the limit of descriptors of this process, and return how many connections it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        soft = target
    most = MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return most - min(RESERVED_DESCRIPTORS, most // 2)


class Server(uvicorn.Server):
    """Serves an application within limits.

    `closed` is called with the reason when a connection is closed because of a limit, `ready` when the server
    accepts connections.
    """

    connections: Connections
    _stopping: asyncio.Event

    def __init__(
        self,
        config: uvicorn.Config,
        limits: Limits,
        *,
        proxies: Sequence[str] = (),
        fast_path: FastPath | None = None,
        closed: Callable[[str], None] = lambda _: None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._limits = limits
        self._proxies = TrustedProxies(proxies)
        self._fast_path = fast_path
        self._closed = closed
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.lifespan.state[STOPPING] = self._stopping = asyncio.Event()
        self.connections = Connections(self._limits, self._closed)
        self.connections.start()
        protocol = partial(
            RequestProtocol,
            self.connections,
            self._proxies,
            self._fast_path,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        acceptors = [Acceptor(each, self.connections, protocol) for each in sockets or []]
        self.servers = acceptors  # type: ignore[assignment]  # they have the methods that uvicorn calls
        for acceptor in acceptors:
            acceptor.start()
        self.started = True
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, complete requests in progress, and close all other connections."""
        self.connections.stopping = True
        self._stopping.set()
        await super().shutdown(sockets)
        self.connections.stop()


class Acceptor:
    """Accepts connections on a socket while the limit allows it."""

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
        """Start accepting."""
        self._listener.settimeout(0)
        self._listener.listen(BACKLOG)
        self._resume()

    def close(self) -> None:
        """Stop accepting."""
        self._closed = True
        self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Wait for accepted connections whose protocols are being created."""
        await asyncio.gather(*self._arriving)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        if self._connections.is_full():  # and another one waits
            self._loop.remove_reader(self._listener.fileno())
            self._connections.make_room(self._resume)
            return
        for _ in range(MAX_ACCEPTED_IN_A_ROW):
            if self._connections.is_full():
                return
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted: %s", error)
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(ACCEPT_RETRY_DELAY, self._resume)
                return
            self._connections.count_opened()
            task = self._loop.create_task(self._connect(accepted))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:  # it has been closed already
            accepted.close()
            self._connections.count_closed(None)
