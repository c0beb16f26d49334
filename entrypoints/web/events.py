"""Server-sent events: the progress of a sync or an import, read from the store, which all processes and hosts
share.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from litestar.concurrency import sync_to_thread
from litestar.types import HTTPScope, Receive, Send

from domain.errors import Unavailable
from entrypoints.http.access_log import CLIENT_PRESENCE, STOPPING, ClientPresence
from entrypoints.http.responses import NO_STORE

READ_INTERVAL = 1.0
"""Seconds between two readings of the record."""

STREAM_TIMEOUT = 60.0
"""Seconds after which a stream ends; browsers then open another one."""

RETRY = b"retry: 1000\n\n"
"""Tells browsers to connect again a second after the stream has ended."""

SILENT_READINGS = 10
"""Readings without progress after which a comment is sent, so that no proxy takes the connection for idle."""

COMMENT = b":\n\n"


class Watched(Protocol):
    """What the stream reads: a sync run, or an import."""

    @property
    def status(self) -> str: ...
    @property
    def pages_done(self) -> int: ...
    @property
    def pages_failed(self) -> int: ...
    @property
    def pages_total(self) -> int: ...
    @property
    def fetched(self) -> int: ...
    @property
    def running(self) -> bool: ...


class RunProgress(msgspec.Struct, frozen=True):
    """How far a run is."""

    status: str
    done: int
    failed: int
    total: int
    fetched: int

    @classmethod
    def of(cls, run: Watched) -> "RunProgress":
        """The progress of a run."""
        return cls(run.status, run.pages_done, run.pages_failed, run.pages_total, run.fetched)


class RunEvents:
    """Sends an event whenever a run has progressed, and one named `end` when it is over.

    The stream ends early if the client leaves, if `still_allowed` says that it may see no more, if the store
    is unavailable, if the server stops, and after STREAM_TIMEOUT seconds.
    """

    def __init__(
        self,
        read: Callable[[], Watched],
        first: Watched,
        still_allowed: Callable[[], Awaitable[bool]],
        *,
        interval: float = READ_INTERVAL,
    ) -> None:
        self._read = read
        self._first = first
        self._still_allowed = still_allowed
        self._interval = interval

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the events."""
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", NO_STORE)]
        headers.append((b"x-accel-buffering", b"no"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if not scope["state"].get("is_head"):
            await self._send_events(scope, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, scope: HTTPScope, send: Send) -> None:
        presence: ClientPresence = scope["state"][CLIENT_PRESENCE]
        stopping: asyncio.Event = scope["state"].get(STOPPING) or asyncio.Event()
        run, shown, silent = self._first, None, 0
        chunk = RETRY
        for _ in range(round(STREAM_TIMEOUT / self._interval)):
            progress = RunProgress.of(run)
            if progress != shown:
                name = b"" if run.running else b"event: end\n"
                chunk += name + b"data: " + msgspec.json.encode(progress) + b"\n\n"
                shown = progress
            silent = 0 if chunk else silent + 1
            if silent == SILENT_READINGS:
                chunk, silent = COMMENT, 0
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = b""
            if not run.running or presence.left or await _waited(stopping, self._interval):
                return
            try:
                if not await self._still_allowed():
                    return
                run = await sync_to_thread(self._read)
            except Unavailable:  # the status has been sent; browsers connect again, and get the error then
                return


async def _waited(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event; return whether it happened in time."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
