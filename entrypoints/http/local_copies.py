"""Copies of responses and callers that a process keeps, and may use for a while without asking."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from litestar.types import HTTPScope

from entrypoints.http.responses import PUBLIC, Response, header_lines

MAX_REPRESENTATIONS = 16
"""Representations of one response that are kept: for different `Accept-Encoding` headers, and for clients
that have the response.
"""


class LocalCache(Protocol):
    """Values that this process may use without asking, until they are invalidated."""

    def get(self, key: Hashable) -> Any:  # noqa: ANN401
        """The value; None if there is none that may be used."""
        ...

    def begin(self, *tags: str) -> Any:  # noqa: ANN401
        """Begin to read a value. If one of the tags is invalidated from now on, it is not kept."""
        ...

    def put(self, fill: Any, key: Hashable, value: Any, tags: Sequence[str], seconds: float) -> None:  # noqa: ANN401
        """Keep the value that was begun, for so many seconds, until one of its tags is invalidated."""
        ...

    def discard(self, fill: Any) -> None:  # noqa: ANN401
        """Keep no value."""
        ...


class LocalCopies(Protocol):
    """The copies that this process keeps: of responses, and of the callers of access tokens."""

    @property
    def responses(self) -> LocalCache: ...

    @property
    def callers(self) -> LocalCache: ...

    def use(self) -> None:
        """Note that the copies are in use."""
        ...


class Representation(NamedTuple):
    """A response as it is sent to some clients; `lines` are its headers."""

    status: int
    lines: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """A copy of a response, with what the route adds to it."""

    response: Response
    cache_control: bytes
    route: str
    negotiated: bool = False
    """Whether the language was negotiated."""
    _kept: dict[tuple[bytes, bytes], Representation] = field(default_factory=dict)

    def represent(self, accept_encoding: bytes, if_none_match: bytes) -> Representation:
        """The representation for these headers of a request."""
        key = accept_encoding, if_none_match
        found = self._kept.get(key)
        if found is None:
            status, headers, body = self.response.represent(
                accept_encoding=accept_encoding,
                if_none_match=if_none_match,
                cache_control=self.cache_control,
            )
            found = Representation(status, header_lines(headers), body)
            # Clients may send any other `If-None-Match`, and each once.
            if if_none_match in {b"", self.response.etag} and len(self._kept) < MAX_REPRESENTATIONS:
                self._kept[key] = found
        return found

    @property
    def public(self) -> bool:
        """Whether callers without a token may have it."""
        return self.cache_control == PUBLIC


Target = tuple[bytes, bytes]
"""The path and the query string of a request."""


def target_of(scope: HTTPScope) -> Target:
    """The target of a request."""
    return scope["raw_path"], scope["query_string"]


def response_key(target: Target, owner: str | None = None, language: str | None = None) -> Hashable:
    """The key of a copy: the target of the request, the owner if the response is for one user only, and the
    language that the header of the request asks for if there are several.
    """
    if language:
        return (*target, owner, language)
    return (*target, owner) if owner else target
