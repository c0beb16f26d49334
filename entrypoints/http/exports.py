"""Exports: answers of any length, streamed part by part and few at a time, so that they take little memory
and others hardly notice them.

Parts are read, encoded and compressed in one thread of their own, which rests after each for as long as it
has worked. Between two parts an export holds neither a thread nor a connection nor a transaction of the
store, only its place. A client that accepts nothing for `STALL_TIMEOUT`, or is not done after
`EXPORT_TIMEOUT`, loses it. A transfer that cannot be completed is broken off: the connection is closed before
its end.
"""

import asyncio
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter, sleep
from typing import Protocol, TypeVar

import brotli  # type: ignore[import-untyped]
import msgspec
import zstandard
from litestar.types import HTTPScope, Receive, Send

from application.watchlist import ExportedItems, ExportedRatings
from domain.errors import Unavailable
from domain.ids import UserId
from domain.users import User
from entrypoints.http.errors import ExportRunning, ExportsFull
from entrypoints.http.people import exported_items, exported_ratings, user_out
from entrypoints.http.responses import JSON, PRIVATE, Answer, preferred

EXPORTS_AT_ONCE = 16
"""Exports of one process."""

EXPORTS_OF_ONE_USER = 2
"""Of these: so that a client whose connection was lost can begin again at once."""

STALL_TIMEOUT = 30.0
"""Seconds that a client may take to accept a part."""

EXPORT_TIMEOUT = 900.0
"""Seconds that an export may take in all."""

SHORT_BYTES = 65_536
"""What an export has at most that is answered like anything else: at once, with its length and an `ETag`."""

REST = 2.0
"""How long the thread rests after a part, as a multiple of how long the part took."""

WINDOW_BITS = 18
"""The power of two of bytes that compression looks back over: 256 KiB for each export."""

T = TypeVar("T")

Parts = Iterable[ExportedRatings | ExportedItems]

log = logging.getLogger(__name__)


class _Compressor(Protocol):
    def __call__(self, data: bytes, *, last: bool) -> bytes:
        """What the data adds to the compressed stream, which ends with the last."""
        ...


def json_chunks(user: User, parts: Parts) -> Iterator[bytes]:
    """An `ExportOut`, a chunk for each part; it is whole JSON only once all have been taken."""
    opening = b'{"user":' + msgspec.json.encode(user_out(user)) + b',"ratings":['
    listing = first = False
    for part in parts:
        if isinstance(part, ExportedItems) and not listing:
            opening, listing, first = opening + b'],"watchlist":[', True, False
        rows = exported_items(part) if isinstance(part, ExportedItems) else exported_ratings(user, part)
        encoded = msgspec.json.encode(rows)[1:-1]
        if encoded:
            yield opening + (b"," if first else b"") + encoded
            opening, first = b"", True
    yield opening + (b"]}" if listing else b'],"watchlist":[]}')


class Exports:
    """Admits exports, and runs them."""

    def __init__(
        self,
        *,
        at_once: int = EXPORTS_AT_ONCE,
        of_one_user: int = EXPORTS_OF_ONE_USER,
        stall_timeout: float = STALL_TIMEOUT,
        export_timeout: float = EXPORT_TIMEOUT,
        rest: float = REST,
        short_bytes: int = SHORT_BYTES,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], object] = sleep,
    ) -> None:
        self.stall_timeout = stall_timeout
        self.export_timeout = export_timeout
        self.short_bytes = short_bytes
        self._at_once = at_once
        self._of_one_user = of_one_user
        self._rest = rest
        self._clock = clock
        self._sleep = sleep
        self._running: Counter[UserId] = Counter()
        self._rested_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")

    @property
    def running(self) -> int:
        """How many exports run."""
        return self._running.total()

    @contextmanager
    def admitted(self, user: UserId) -> Iterator[None]:
        """A place for an export of a user. Raises ExportRunning, ExportsFull."""
        if self._running[user] >= self._of_one_user:
            raise ExportRunning
        if self.running >= self._at_once:
            raise ExportsFull
        self._running[user] += 1
        try:
            yield
        finally:
            self._running[user] -= 1
            self._running += Counter()  # forgets users who have none

    async def work(self, work: Callable[[], T]) -> T:
        """What the work returns, done in the thread for exports."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._paced, work)

    def _paced(self, work: Callable[[], T]) -> T:
        self._sleep(max(0.0, self._rested_at - self._clock()))
        began = self._clock()
        try:
            return work()
        finally:
            ended = self._clock()
            self._rested_at = ended + (ended - began) * self._rest


class ExportAnswer:
    """The answer that streams an export, one chunk at a time, unless it is short; it can be sent once."""

    def __init__(self, exports: Exports, user: UserId, chunks: Iterator[bytes]) -> None:
        self._exports = exports
        self._user = user
        self._chunks = chunks

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Send this answer. Raises whatever is raised before it begins; later it is broken off."""
        with self._exports.admitted(self._user):
            body, ended = await self._exports.work(self._beginning)
            if ended:
                await Answer(body, cache=PRIVATE)(scope, receive, send)
            else:
                await self._stream(body, scope, receive, send)

    def _beginning(self) -> tuple[bytes, bool]:
        """What a short export holds, or more; and whether that is all."""
        found = b""
        for chunk in self._chunks:
            found += chunk
            if len(found) > self._exports.short_bytes:
                return found, False
        return found, True

    async def _stream(self, first: bytes, scope: HTTPScope, receive: Receive, send: Send) -> None:
        encoding = preferred(dict(scope["headers"]).get(b"accept-encoding", b""))
        headers = [(b"content-type", JSON), (b"cache-control", PRIVATE)]
        headers += [(b"content-encoding", encoding.encode())] if encoding else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["state"].get("bodiless"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        gone = asyncio.ensure_future(_client_left(receive))
        try:
            async with asyncio.timeout(self._exports.export_timeout):
                await self._send_all(first, _compressor(encoding), gone, send)
        except (Unavailable, TimeoutError) as error:
            # The status has been sent. A body without an end tells the client that it is not whole.
            log.warning("An export was broken off: %s", str(error) or "the client was too slow")
        finally:
            gone.cancel()

    async def _send_all(
        self, first: bytes, compress: _Compressor, gone: "asyncio.Future[None]", send: Send
    ) -> None:
        chunk: bytes | None = first

        def following() -> tuple[bytes, bytes | None]:
            """The chunk at hand, ready to send, and the one after it."""
            after = next(self._chunks, None)
            return compress(chunk or b"", last=after is None), after

        while chunk is not None and not gone.done():
            body, chunk = await self._exports.work(following)
            async with asyncio.timeout(self._exports.stall_timeout):
                await send({"type": "http.response.body", "body": body, "more_body": chunk is not None})


async def _client_left(receive: Receive) -> None:
    """Wait until the client closes the connection; what is left of its request is ignored."""
    ended = False
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if ended:  # a server that has nothing more to tell
            await asyncio.Event().wait()
        ended = not message.get("more_body", False)


def _compressor(encoding: str | None) -> _Compressor:
    """Compresses a stream chunk by chunk, each of which can be read as soon as it arrives."""
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
