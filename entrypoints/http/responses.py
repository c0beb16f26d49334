"""Answers as ready bytes: hashed once, compressed once for each encoding, however often they are sent."""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Self

import brotli  # type: ignore[import-untyped]
import msgspec
import zstandard
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Receive, Scope, Send

JSON = b"application/json"
PUBLIC = b"public, no-cache"
"""Caches may keep the answer and must ask whether it still holds."""
PRIVATE = b"private, no-cache"
"""The same for the caller's own cache only."""
UNKEPT = b"no-store"

WORTH_COMPRESSING = 1024
"""Bytes above which an answer is compressed."""

Header = tuple[bytes, bytes]

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "br": lambda body: brotli.compress(body, mode=brotli.MODE_TEXT, quality=4),
    "gzip": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
}
"""The encodings that we speak, the one that we like best first: zstd costs a quarter of the others' time."""

_ENTITY_TAG = re.compile(rb'(?:W/)?("[^"]*")')


@dataclass(slots=True)
class Answer:
    """A whole answer, which sends itself; it may be sent many times.

    A 200 to a GET carries its `ETag`, and turns into a 304 for a client that holds the same bytes. Without
    `cache`, the route's `cache_control` option tells who may keep it.
    """

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    cache: bytes | None = None
    _etag: bytes = b""
    _encoded: dict[str, bytes] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send this answer."""
        if scope["type"] == ScopeType.HTTP:
            status, headers, body = self.fitted(scope)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    def to_asgi_response(self, *_: object, **__: object) -> Self:
        """Stand in for a Litestar response where an exception handler must return one."""
        return self

    def fitted(self, scope: HTTPScope) -> tuple[int, list[Header], bytes]:
        """The status, headers and body that suit a request."""
        asked = dict(scope["headers"])
        headers = [*self.headers, (b"cache-control", self.cache or _cache_of_route(scope))]
        if self.status == 200 and scope["method"] == "GET":
            headers.append((b"etag", self.etag))
            if _held(asked.get(b"if-none-match", b""), self.etag):
                return 304, headers, b""
        if self.status == 204:
            return 204, headers, b""
        body, encoding = self.body, None
        if len(body) > WORTH_COMPRESSING:
            encoding = preferred(asked.get(b"accept-encoding", b""))
        if encoding:
            body = self.encoded(encoding)
            headers.append((b"content-encoding", encoding.encode()))
        headers += (b"content-type", self.media_type), (b"content-length", b"%d" % len(body))
        return self.status, headers, body

    @property
    def etag(self) -> bytes:
        """The hash of the body; weak, because it is one for all encodings."""
        if not self._etag:
            self._etag = b'W/"%s"' % blake2b(self.body, digest_size=12).hexdigest().encode()
        return self._etag

    def encoded(self, encoding: str) -> bytes:
        """The body, compressed."""
        if encoding not in self._encoded:
            self._encoded[encoding] = COMPRESSED[encoding](self.body)
        return self._encoded[encoding]


def json_answer(
    value: object, *, status: int = 200, headers: tuple[Header, ...] = (), cache: bytes | None = None
) -> Answer:
    """The answer that shows a value as JSON."""
    return Answer(msgspec.json.encode(value), status=status, headers=headers, cache=cache)


def packed(answer: Answer) -> bytes:
    """A 200 of this process as bytes that any other can unpack."""
    return msgspec.msgpack.encode((answer.body, answer.headers))


def unpacked(packed: bytes) -> Answer | None:
    """The answer that was packed; None for what was packed otherwise, as by another version beside us."""
    try:
        body, headers = msgspec.msgpack.decode(packed, type=tuple[bytes, tuple[Header, ...]])
    except msgspec.DecodeError:
        return None
    return Answer(body, headers=headers)


def done() -> Answer:
    """The answer that says that it is done, and no more."""
    return Answer(b"", status=204)


def redirect(location: bytes) -> Answer:
    """The answer that sends a client elsewhere."""
    return Answer(b"", status=307, headers=((b"location", location),), media_type=b"text/plain", cache=PUBLIC)


@lru_cache(maxsize=256)
def preferred(accepted: bytes) -> str | None:
    """The encoding that suits an `Accept-Encoding` header best; None if none does."""
    weights: dict[str, float] = {}
    for choice in accepted.decode("latin-1").lower().split(","):
        name, _, parameters = choice.partition(";")
        weights[name.strip()] = _weight(parameters)
    anything = weights.get("*", 0.0)
    weighed = {name: weights.get(name, anything) for name in COMPRESSED}
    best = max(weighed, key=lambda name: weighed[name])  # of equals, the first
    return best if weighed[best] > 0 else None


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _held(if_none_match: bytes, etag: bytes) -> bool:
    """Whether a client that sent this `If-None-Match` holds the bytes of this tag already."""
    if not if_none_match:
        return False
    opaque = etag.removeprefix(b"W/")
    return if_none_match.strip() == b"*" or opaque in _ENTITY_TAG.findall(if_none_match)


def _cache_of_route(scope: HTTPScope) -> bytes:
    cache: bytes = scope["route_handler"].opt.get("cache_control", PUBLIC)
    return cache
