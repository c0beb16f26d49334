"""The response cache: cache keys, and the lookup before a response is built."""

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from hashlib import blake2b
from typing import Protocol
from urllib.parse import urlencode

import msgspec
from litestar.concurrency import sync_to_thread

from domain.ids import UserId
from domain.languages import Language
from entrypoints.http.endpoints import Endpoint
from entrypoints.http.languages import LanguageNegotiation, in_language
from entrypoints.http.local_copies import LocalCopies, LocalResponse, response_key, target_of
from entrypoints.http.requests import HttpRequest, owner_of
from entrypoints.http.responses import Response
from entrypoints.http.schemas import Query

MAX_KEY_PART_LENGTH = 160
"""Characters of filters, a search text or a variant in a key; longer ones are replaced by a hash."""

VariantKey = tuple[str, str]
"""A key, which is invalidated as a whole, and a variant: `("movies:detail:66…", "fields=id&%2Fid=603")`."""

Run = Callable[[Callable[[], Response]], Awaitable[Response]]

GENERATION = "cache:generation"
"""The tag that all responses have."""


class ResponseCache(Protocol):
    """Stores responses for all processes."""

    async def __call__(
        self,
        key: str,
        variant: str,
        build: Callable[[], Awaitable[Response]],
        local_copy: Callable[[], Response | None],
    ) -> tuple[Response, bool | None, float]:
        """Return a response, built if it is not stored; whether it was stored; and the seconds for which a
        copy of it may be kept.

        The second value is None if the cache is unavailable, and the third is 0 if another call in this
        process got the response. Such a call uses `local_copy` if it can.
        """
        ...


class Caching:
    """Returns stored responses, builds those that are not stored in a thread, and keeps copies of both."""

    def __init__(
        self,
        cache: ResponseCache | None,
        negotiate: LanguageNegotiation,
        copies: LocalCopies | None = None,
    ) -> None:
        self._cache = cache
        self._negotiate = negotiate
        self._copies = copies.responses if copies else None

    async def __call__(
        self,
        query: Query,
        build: Callable[[], Response],
        request: HttpRequest,
        language: Language | None = None,
        *,
        run: Run = sync_to_thread,
    ) -> Response:
        """Return the response to a request, and set `X-Cache`. Without a key it is always built.

        `language` is that of the response if it was negotiated. `run` calls a function in a thread, by
        default in one of those for the store.
        """

        async def built() -> Response:
            return in_language(await run(build), language)

        endpoint: Endpoint = request.scope["route_handler"].opt["endpoint"]
        owner = owner_of(request)
        key = variant_key(endpoint, query, request.path_params, owner, language)
        if self._cache is None or key is None:
            return await built()
        target = response_key(target_of(request.scope), owner, self._negotiate.of_header(request.scope))
        tags = key[0], GENERATION
        fill = self._copies.begin(*tags) if self._copies else None
        try:
            response, hit, seconds = await self._cache(*key, built, lambda: self._copy(target))
            if hit is not None:
                request.scope["state"]["x_cache"] = "HIT" if hit else "MISS"
                if self._copies and seconds:
                    copy = LocalResponse(
                        response=response,
                        cache_control=response.cache_control(request.scope),
                        route=request.scope["path_template"],
                        negotiated=language is not None,
                    )
                    self._copies.put(fill, target, copy, tags, seconds)
            return response
        finally:
            if self._copies:
                self._copies.discard(fill)

    def _copy(self, target: Hashable) -> Response | None:
        copy: LocalResponse | None = self._copies.get(target) if self._copies else None
        return copy.response if copy else None


def variant_key(
    endpoint: Endpoint,
    query: Query,
    path: Mapping[str, str],
    owner: UserId | None,
    language: Language | None = None,
) -> VariantKey | None:
    """The key of a response; None if it is not cached.

    The variant contains everything that the response may depend on: all parameters of the query and the path,
    the owner, and the language that was negotiated. So the key function of an endpoint cannot mix up two
    responses.
    """
    key = endpoint.cached(query, path, owner) if endpoint.cached else None
    return (key, shorten(variant(query, path, owner, language))) if key else None


def variant(
    query: Query,
    path: Mapping[str, str],
    owner: UserId | None,
    language: Language | None = None,
    *,
    without: Collection[str] = (),
) -> str:
    """The parameters that differ from their defaults as a query string, without those named in `without`.

    Path parameters have a slash before their names; `@` is the owner, `~` the language.
    """
    parameters = {name: value for name, value in sorted(query.given.items()) if name not in without}
    parameters |= {f"/{name}": value for name, value in sorted(path.items())}
    parameters |= {"@": owner} if owner else {}
    parameters |= {"~": language} if language else {}
    return urlencode(msgspec.to_builtins(parameters))


def shorten(text: str) -> str:
    """A part of a key, hashed if it is long. The `#` before the hash cannot occur in quoted text."""
    if len(text) <= MAX_KEY_PART_LENGTH:
        return text
    return f"#{blake2b(text.encode(), digest_size=16).hexdigest()}"
