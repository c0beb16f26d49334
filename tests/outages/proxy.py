"""A TCP proxy between a service and its database, whose connections can be broken and paused."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any


class TcpProxy:
    """Forwards TCP connections from a port of its own to another port of this machine."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._forwarding = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.resume()

    def disconnect(self) -> None:
        """Abort all connections and accept no others, as a stopped server does."""
        self._run(self._disconnect())

    def pause(self) -> None:
        """Keep connections and accept others, but forward no data, as a frozen server does."""
        self._run(self._pause())

    def resume(self) -> None:
        """Accept connections and forward all data."""
        self._run(self._resume())

    def close(self) -> None:
        """Abort all connections and stop the event loop."""
        self.disconnect()
        self._run(self._cancel_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _resume(self) -> None:
        self._forwarding.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _pause(self) -> None:
        self._forwarding.clear()

    async def _disconnect(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        self._forwarding.set()
        await asyncio.sleep(0)

    async def _cancel_tasks(self) -> None:
        """Cancel all other tasks, and wait until they have ended."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # aborted transports close their sockets in the next iterations

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._forwarding.wait()
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            self._writers.discard(writer)
            return
        self._writers.add(server_writer)
        for source, target in ((reader, server_writer), (server_reader, writer)):
            task = self._loop.create_task(self._forward(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._forwarding.wait()
                target.write(data)
                await target.drain()
        target.close()
        self._writers.discard(target)


@contextmanager
def running_proxy(to_port: int) -> Iterator[TcpProxy]:
    """A proxy that is closed at the end of the context."""
    proxy = TcpProxy(to_port)
    try:
        yield proxy
    finally:
        proxy.close()
