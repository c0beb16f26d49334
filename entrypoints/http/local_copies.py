"""Copies of responses and callers that a process keeps, and may use for a while without asking."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from litestar.types import HTTPScope

from entrypoints.http.responses import PUBLIC, Header, Response

MAX_REPRESENTED = 8
"""Different `Accept-Encoding` headers for which the headers of a response are kept."""

Represented = tuple[int, list[Header], bytes]
"""Status, headers and body."""


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


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """A copy of a response, with what the route adds to it."""

    response: Response
    cache_control: bytes
    route: str
    negotiated: bool = False
    """Whether the language was negotiated."""
    _represented: dict[bytes, Represented] = field(default_factory=dict)

    def represent(self, *, accept_encoding: bytes, if_none_match: bytes) -> Represented:
        """The status, headers and body for these headers of a request. The result must not be changed."""
        found = None if if_none_match else self._represented.get(accept_encoding)
        if found is None:
            found = self.response.represent(
                accept_encoding=accept_encoding,
                if_none_match=if_none_match,
                cache_control=self.cache_control,
            )
            if not if_none_match and len(self._represented) < MAX_REPRESENTED:
                self._represented[accept_encoding] = found
        return found

    @property
    def public(self) -> bool:
        """Whether callers without a token may have it."""
        return self.cache_control == PUBLIC


def response_key(scope: HTTPScope, owner: str | None = None, language: str | None = None) -> Hashable:
    """The key of a copy: the target of the request, the owner if the response is for one user only, and the
    language that the header of the request asks for if there are several.
    """
    target = scope["raw_path"], scope["query_string"]
    if language:
        return (*target, owner, language)
    return (*target, owner) if owner else target
