"""Responses as ready bytes. The body is hashed once and compressed once for each encoding, however often the
response is sent.
"""

import gzip
import re
from collections.abc import Callable, Iterable
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
"""Any cache may store the response, and must revalidate it before each use."""
PRIVATE = b"private, no-cache"
"""The same, for the cache of the client only."""
NO_STORE = b"no-store"

MIN_COMPRESSED_SIZE = 1024
"""Bytes; shorter bodies, and bodies of this size, are sent as they are."""

Header = tuple[bytes, bytes]

ADDED_HEADERS = "added_headers"
"""The key in the state of a scope under which a guard or a handler stores headers that are added to the
response, whatever that is.
"""

CONTENT_LANGUAGE = b"content-language"
"""The header of responses whose language was negotiated."""

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "br": lambda body: brotli.compress(body, mode=brotli.MODE_TEXT, quality=4),
    "gzip": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
}
"""The supported encodings in order of preference: zstd takes a quarter of the time of the others."""

_ENTITY_TAG = re.compile(rb'(?:W/)?("[^"]*")')


@dataclass(slots=True)
class Response:
    """A complete response. It is an ASGI application, and can be sent any number of times.

    A 200 to a GET has an `ETag`, and becomes a 304 if the client has the same bytes. If `cache` is None, the
    `cache_control` option of the route is sent as `Cache-Control`.
    """

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    cache: bytes | None = None
    _etag: bytes = b""
    _encoded: dict[str, bytes] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response."""
        if scope["type"] == ScopeType.HTTP:
            status, headers, body = self.negotiate(scope)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    def to_asgi_response(self, *_: object, **__: object) -> Self:
        """Return itself; Litestar calls this on what an exception handler returns."""
        return self

    def negotiate(self, scope: HTTPScope) -> tuple[int, list[Header], bytes]:
        """The status, headers and body for a request, by its `If-None-Match` and `Accept-Encoding`."""
        request_headers = dict(scope["headers"])
        return self.represent(
            accept_encoding=request_headers.get(b"accept-encoding", b""),
            if_none_match=request_headers.get(b"if-none-match", b""),
            cache_control=self.cache_control(scope),
            is_get=scope["method"] == "GET",
        )

    def cache_control(self, scope: HTTPScope) -> bytes:
        """The `Cache-Control` of this response to a request: its own, or the option of the route."""
        return self.cache or scope["route_handler"].opt.get("cache_control", PUBLIC)

    def represent(
        self, *, accept_encoding: bytes, if_none_match: bytes, cache_control: bytes, is_get: bool = True
    ) -> tuple[int, list[Header], bytes]:
        """The status, headers and body for these headers of a request."""
        headers = [*self.headers, (b"cache-control", cache_control)]
        if self.status == 200 and is_get:
            headers.append((b"etag", self.etag))
            if if_none_match and _matches(if_none_match, self.etag):
                return 304, headers, b""
        if self.status == 204:
            return 204, headers, b""
        body, encoding = self.body, None
        if len(body) > MIN_COMPRESSED_SIZE:
            encoding = preferred_encoding(accept_encoding)
        if encoding:
            body = self.encoded(encoding)
            headers.append((b"content-encoding", encoding.encode()))
        headers += (b"content-type", self.media_type), (b"content-length", b"%d" % len(body))
        return self.status, headers, body

    @property
    def etag(self) -> bytes:
        """A hash of the body, and of its language if that was negotiated. It is weak because all encodings
        share it.
        """
        if not self._etag:
            digest = blake2b(self.body, digest_size=12, key=self.language)
            self._etag = b'W/"%s"' % digest.hexdigest().encode()
        return self._etag

    @property
    def language(self) -> bytes:
        """The language of the response; empty if it was not negotiated."""
        return next((value for name, value in self.headers if name == CONTENT_LANGUAGE), b"")

    def encoded(self, encoding: str) -> bytes:
        """The compressed body."""
        if encoding not in self._encoded:
            self._encoded[encoding] = COMPRESSORS[encoding](self.body)
        return self._encoded[encoding]


def json_response(
    value: object, *, status: int = 200, headers: tuple[Header, ...] = (), cache: bytes | None = None
) -> Response:
    """A response whose body is the value as JSON."""
    return Response(msgspec.json.encode(value), status=status, headers=headers, cache=cache)


def header_lines(headers: Iterable[Header]) -> bytes:
    """Headers as HTTP/1.1 sends them, each with the end of its line."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def pack(response: Response) -> bytes:
    """Serialize a 200 for the shared cache."""
    return msgspec.msgpack.encode((response.body, response.headers))


def unpack(packed: bytes) -> Response | None:
    """Deserialize a response; None if the format is unknown, such as that of another version."""
    try:
        body, headers = msgspec.msgpack.decode(packed, type=tuple[bytes, tuple[Header, ...]])
    except msgspec.DecodeError:
        return None
    return Response(body, headers=headers)


def no_content() -> Response:
    """A 204."""
    return Response(b"", status=204)


def redirect(location: bytes) -> Response:
    """A temporary redirect."""
    return Response(
        b"", status=307, headers=((b"location", location),), media_type=b"text/plain", cache=PUBLIC
    )


@lru_cache(maxsize=256)
def preferred_encoding(accept_encoding: bytes) -> str | None:
    """The supported encoding with the highest weight in an `Accept-Encoding` header, or None."""
    weights: dict[str, float] = {}
    for choice in accept_encoding.decode("latin-1").lower().split(","):
        name, _, parameters = choice.partition(";")
        weights[name.strip()] = _weight(parameters)
    default = weights.get("*", 0.0)
    supported = {name: weights.get(name, default) for name in COMPRESSORS}
    best = max(supported, key=lambda name: supported[name])  # the first of equals
    return best if supported[best] > 0 else None


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether an `If-None-Match` header names an entity tag; the comparison is weak, as RFC 9110 requires."""
    opaque = etag.removeprefix(b"W/")
    return if_none_match.strip() == b"*" or opaque in _ENTITY_TAG.findall(if_none_match)
