"""Streaming of exports. Few run at a time, so they take little memory and hardly slow down other requests.

Chunks are read, encoded and compressed in one thread, which pauses after each in proportion to the time that
it took. Between two chunks an export occupies neither a thread nor a connection or transaction of the store.
An export ends if the client accepts nothing for `STALL_TIMEOUT` seconds, or after `EXPORT_TIMEOUT` seconds. A
transfer that cannot be completed is aborted: the connection is closed before the end of the body.
"""

import asyncio
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from time import perf_counter, sleep
from typing import Protocol, TypeVar

import brotli  # type: ignore[import-untyped]
import zstandard
from litestar.types import HTTPScope, Receive, Send

from domain.errors import Unavailable
from domain.ids import UserId
from domain.users import User
from entrypoints.http.exceptions import ExportRunning, ExportsFull
from entrypoints.http.responses import JSON, PRIVATE, Header, Response, preferred_encoding

MAX_EXPORTS = 16
"""Exports of one process at a time."""

MAX_EXPORTS_PER_USER = 2
"""Of these, so that a client that has lost its connection can start again at once."""

STALL_TIMEOUT = 30.0
"""Seconds that a client may take to accept a chunk."""

EXPORT_TIMEOUT = 900.0
"""Seconds that an export may take in all."""

MAX_UNSTREAMED_BYTES = 65_536
"""Exports up to this size are sent as ordinary responses, with a length and an `ETag`."""

PAUSE_FACTOR = 2.0
"""How long the thread pauses after a chunk, as a multiple of the time that the chunk took."""

WINDOW_BITS = 18
"""The logarithm of the compression window in bytes: 256 KiB for each export."""

ZIP = b"application/zip"
CSV = b"text/csv; charset=utf-8"


class ExportFormat(StrEnum):
    """How an export is written."""

    JSON = "json"
    LETTERBOXD = "letterboxd"
    CSV = "csv"


FORMATS: dict[ExportFormat, tuple[bytes, str]] = {
    ExportFormat.JSON: (JSON, ""),
    ExportFormat.LETTERBOXD: (ZIP, "letterboxd.zip"),
    ExportFormat.CSV: (CSV, "matinee.csv"),
}
"""The media type of each format, and the name under which browsers save it."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class _Compressor(Protocol):
    def __call__(self, data: bytes, *, last: bool) -> bytes:
        """Compress a chunk of a stream; the stream ends with the last."""
        ...


class Exports:
    """Limits the number of exports, and does their work in one thread."""

    def __init__(
        self,
        *,
        max_exports: int = MAX_EXPORTS,
        max_per_user: int = MAX_EXPORTS_PER_USER,
        stall_timeout: float = STALL_TIMEOUT,
        export_timeout: float = EXPORT_TIMEOUT,
        pause_factor: float = PAUSE_FACTOR,
        max_unstreamed_bytes: int = MAX_UNSTREAMED_BYTES,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], object] = sleep,
    ) -> None:
        self.stall_timeout = stall_timeout
        self.export_timeout = export_timeout
        self.max_unstreamed_bytes = max_unstreamed_bytes
        self._max_exports = max_exports
        self._max_per_user = max_per_user
        self._pause_factor = pause_factor
        self._clock = clock
        self._sleep = sleep
        self._running: Counter[UserId] = Counter()
        self._paused_until = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")

    @property
    def running(self) -> int:
        """The number of running exports."""
        return self._running.total()

    @contextmanager
    def admit(self, user: UserId) -> Iterator[None]:
        """Count an export of a user while it runs. Raises ExportRunning, ExportsFull."""
        if self._running[user] >= self._max_per_user:
            raise ExportRunning
        if self.running >= self._max_exports:
            raise ExportsFull
        self._running[user] += 1
        try:
            yield
        finally:
            self._running[user] -= 1
            self._running += Counter()  # drops users without exports

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function in the thread for exports."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._paced, work)

    def _paced(self, work: Callable[[], T]) -> T:
        self._sleep(max(0.0, self._paused_until - self._clock()))
        began = self._clock()
        try:
            return work()
        finally:
            ended = self._clock()
            self._paused_until = ended + (ended - began) * self._pause_factor


class ExportResponse:
    """Streams an export chunk by chunk, unless it is short. It can be sent once.

    With a `file`, browsers save it under that name.
    """

    def __init__(
        self,
        exports: Exports,
        user: UserId,
        chunks: Iterator[bytes],
        *,
        media_type: bytes = JSON,
        file: str = "",
    ) -> None:
        self._media_type = media_type
        self._headers: tuple[Header, ...] = (
            ((b"content-disposition", f'attachment; filename="{file}"'.encode()),) if file else ()
        )
        self._exports = exports
        self._user = user
        self._chunks = chunks

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Send the response. Errors are raised before it begins; later they abort it."""
        with self._exports.admit(self._user):
            body, complete = await self._exports.run(self._read_unstreamed)
            if complete:
                response = Response(body, media_type=self._media_type, headers=self._headers, cache=PRIVATE)
                await response(scope, receive, send)
            else:
                await self._stream(body, scope, receive, send)

    def _read_unstreamed(self) -> tuple[bytes, bool]:
        """Read chunks until a short export would be complete, and return whether it is."""
        body = b""
        for chunk in self._chunks:
            body += chunk
            if len(body) > self._exports.max_unstreamed_bytes:
                return body, False
        return body, True

    async def _stream(self, first: bytes, scope: HTTPScope, receive: Receive, send: Send) -> None:
        encoding = preferred_encoding(dict(scope["headers"]).get(b"accept-encoding", b""))
        if self._media_type == ZIP:
            encoding = None  # it is compressed
        headers = [(b"content-type", self._media_type), (b"cache-control", PRIVATE), *self._headers]
        headers += [(b"content-encoding", encoding.encode())] if encoding else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["state"].get("is_head"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            async with asyncio.timeout(self._exports.export_timeout):
                await self._send_chunks(first, _compressor(encoding), disconnected, send)
        except (Unavailable, TimeoutError) as error:
            # The status has been sent. Only the missing end of the body shows that the export is incomplete.
            log.warning("An export was aborted: %s", str(error) or "the client was too slow")
        finally:
            disconnected.cancel()

    async def _send_chunks(
        self, first: bytes, compress: _Compressor, disconnected: "asyncio.Future[None]", send: Send
    ) -> None:
        chunk: bytes | None = first

        def compress_and_read() -> tuple[bytes, bytes | None]:
            """Compress the current chunk and read the next; without one, the current is the last."""
            following = next(self._chunks, None)
            return compress(chunk or b"", last=following is None), following

        while chunk is not None and not disconnected.done():
            body, chunk = await self._exports.run(compress_and_read)
            async with asyncio.timeout(self._exports.stall_timeout):
                await send({"type": "http.response.body", "body": body, "more_body": chunk is not None})


class UserExport:
    """Exports all data of a user in a format."""

    def __init__(self, exports: Exports, chunks: Callable[[User, ExportFormat], Iterator[bytes]]) -> None:
        self.exports = exports
        self._chunks = chunks

    def __call__(self, user: User, how: ExportFormat = ExportFormat.JSON) -> ExportResponse:
        """The response, which begins to read when it is sent."""
        media_type, file = FORMATS[how]
        chunks = self._chunks(user, how)
        return ExportResponse(self.exports, user.id, chunks, media_type=media_type, file=file)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client closes the connection; the rest of the request is ignored."""
    complete = False
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if complete:  # the server repeats the end of the request instead of waiting
            await asyncio.Event().wait()
        complete = not message.get("more_body", False)


def _compressor(encoding: str | None) -> _Compressor:
    """A compressor whose output can be decompressed chunk by chunk as it arrives."""
    return {"zstd": _zstd, "br": _brotli, "gzip": _gzip, None: _identity}[encoding]()


def _identity() -> _Compressor:
    return lambda data, *, last: data  # noqa: ARG005


def _zstd() -> _Compressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=WINDOW_BITS)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def compress(data: bytes, *, last: bool) -> bytes:
        finish = zstandard.COMPRESSOBJ_FLUSH_FINISH if last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return stream.compress(data) + stream.flush(finish)

    return compress


def _brotli() -> _Compressor:
    stream = brotli.Compressor(mode=brotli.MODE_TEXT, quality=4, lgwin=WINDOW_BITS)

    def compress(data: bytes, *, last: bool) -> bytes:
        compressed: bytes = stream.process(data) + (stream.finish() if last else stream.flush())
        return compressed

    return compress


def _gzip() -> _Compressor:
    stream = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)

    def compress(data: bytes, *, last: bool) -> bytes:
        return stream.compress(data) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    return compress
