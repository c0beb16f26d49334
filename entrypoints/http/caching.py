"""Answers that are made once for everybody who asks the same, and what they are kept under."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from hashlib import blake2b
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec
from litestar.concurrency import sync_to_thread

from domain.ids import ImdbId, MovieId, TmdbNumber, UserId, movie_id, movie_ref
from entrypoints.http.endpoints import Call
from entrypoints.http.queries import PageQuery, SearchQuery
from entrypoints.http.requests import HttpRequest, Query, owner_of
from entrypoints.http.responses import Answer

LONGEST_NAME = 160
"""Characters of filters, of a search text or of a variant in a key; what is longer is hashed."""

Key = tuple[str, str]
"""What is forgotten as one, and which variant of it: `("movies:detail:66…", "fields=title&%2Fid=603")`."""


class AnswerCache(Protocol):
    """Keeps answers for all processes."""

    async def __call__(
        self, key: str, variant: str, build: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool | None]:
        """The answer under a key, built if it is not there, and whether it was; None without a cache."""
        ...


class Caching:
    """What handlers call with a query and the work that makes its answer, which is done in a thread."""

    def __init__(self, cache: AnswerCache | None) -> None:
        self._cache = cache

    async def __call__(self, query: Query, build: Callable[[], Answer], request: HttpRequest) -> Answer:
        """The answer, kept or built; `X-Cache` will tell. What has no key is always built."""

        async def built() -> Answer:
            return await sync_to_thread(build)

        call: Call = request.scope["route_handler"].opt["call"]
        key = key_of(call, query, request.path_params, owner_of(request))
        if self._cache is None or key is None:
            return await built()
        answer, kept = await self._cache(*key, built)
        if kept is not None:
            request.scope["state"]["x_cache"] = "HIT" if kept else "MISS"
        return answer


def key_of(call: Call, query: Query, path: Mapping[str, str], owner: UserId | None) -> Key | None:
    """What the answer to a call is kept under; None if it cannot be kept.

    The variant holds everything that an answer may depend on: each parameter of the query and of the path,
    and whose it is. So none can be forgotten, whatever the name of the key leaves out.
    """
    name = call.cached(query, path, owner) if call.cached else None
    return (name, _short(variant(query, path, owner))) if name else None


def variant(query: Query, path: Mapping[str, str], owner: UserId | None, *, but: Collection[str] = ()) -> str:
    """All that tells an answer from others of its call, but these parameters of the query; "" if nothing
    does. Parameters are named as they are, those of the path after a slash; `@` is whose it is.
    """
    told = {name: value for name, value in sorted(query.given.items()) if name not in but}
    told |= {f"/{name}": value for name, value in sorted(path.items())}
    told |= {"@": owner} if owner else {}
    return urlencode(msgspec.to_builtins(told))


def list_key(query: PageQuery, path: Mapping[str, str], owner: UserId | None) -> str:
    """`movies:list:{page}:{limit}:{filters}`; a cursor and the genre of the path are filters too."""
    filters = variant(query, path, owner, but={"page", "limit"})
    return f"movies:list:{query.number}:{query.limit}:{_short(filters)}"


def search_key(query: SearchQuery, path: Mapping[str, str], owner: UserId | None) -> str:  # noqa: ARG001
    """`movies:search:{query}:{page}`."""
    return f"movies:search:{_short(quote(query.q, safe=' '))}:{query.number}"


def detail_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str | None:  # noqa: ARG001
    """`movies:detail:{id}`; None for an IMDb id, which does not tell whose it is."""
    movie = _movie(path["id"])
    return f"movies:detail:{movie}" if movie else None


def rating_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str | None:  # noqa: ARG001
    """`movies:rating:{id}`."""
    movie = _movie(path["movie_id"])
    return f"movies:rating:{movie}" if movie else None


def watchlist_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str:  # noqa: ARG001
    """`watchlist:user:{id}`."""
    return f"watchlist:user:{owner}"


def genres_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str:  # noqa: ARG001
    """`genres:all`."""
    return "genres:all"


def _movie(ref: str) -> MovieId | None:
    """The id that a reference names by itself."""
    known = movie_ref(ref)
    if isinstance(known, TmdbNumber):
        return movie_id(known.value)
    return None if isinstance(known, ImdbId) else known


def _short(text: str) -> str:
    """A part of a key: as it is, or its hash where it is long, after a sign that no quoted text has."""
    return text if len(text) <= LONGEST_NAME else f"#{blake2b(text.encode(), digest_size=16).hexdigest()}"
