"""Answers that are made once for everybody who asks the same, and what they are kept under."""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Protocol
from urllib.parse import quote, urlencode

from litestar.concurrency import sync_to_thread

from domain.ids import ImdbId, MovieId, TmdbNumber, UserId, movie_id, movie_ref
from entrypoints.http.answers import Answer
from entrypoints.http.asking import HttpRequest, parameters
from entrypoints.http.queries import PageQuery

LONGEST_NAME = 160
"""Characters of filters or of a search text in a key; what is longer is hashed."""

Key = tuple[str, str]
"""What is forgotten as one, and which variant of it: `("movies:detail:66…", "id,title")`."""


class AnswerCache(Protocol):
    """Keeps answers for all processes."""

    async def __call__(
        self, key: str, variant: str, build: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool | None]:
        """The answer under a key, built if it is not there, and whether it was; None without a cache."""
        ...


class Caching:
    """What handlers call with a key and the work that makes the answer, which is done in a thread."""

    def __init__(self, cache: AnswerCache | None) -> None:
        self._cache = cache

    async def __call__(self, key: Key | None, build: Callable[[], Answer], request: HttpRequest) -> Answer:
        """The answer, kept or built; `X-Cache` will tell. Without a key it is always built."""

        async def built() -> Answer:
            return await sync_to_thread(build)

        if self._cache is None or key is None:
            return await built()
        answer, kept = await self._cache(*key, built)
        if kept is not None:
            request.scope["state"]["x_cache"] = "HIT" if kept else "MISS"
        return answer


def list_key(query: PageQuery, request: HttpRequest) -> Key:
    """`movies:list:{page}:{limit}:{filters}`; a cursor and the genre of the path are filters too."""
    raw, _ = parameters(request.scope["query_string"])
    filters = {name: value for name, value in sorted(raw.items()) if name not in {"page", "limit"}}
    within = {f"path_{name}": value for name, value in request.path_params.items()}
    return f"movies:list:{query.number}:{query.limit}:{_short(urlencode({**filters, **within}))}", ""


def search_key(text: str, query: PageQuery, request: HttpRequest) -> Key:
    """`movies:search:{query}:{page}`."""
    raw, _ = parameters(request.scope["query_string"])
    variant = urlencode({name: value for name, value in sorted(raw.items()) if name not in {"q", "page"}})
    return f"movies:search:{_short(quote(text, safe=' '))}:{query.number}", variant


def detail_key(ref: str, fields: str) -> Key | None:
    """`movies:detail:{id}`; None for an IMDb id, which does not tell whose it is."""
    movie = _movie(ref)
    return (f"movies:detail:{movie}", fields) if movie else None


def rating_key(ref: str, query: PageQuery) -> Key | None:
    """`movies:rating:{id}`, a variant for each page."""
    movie = _movie(ref)
    return (f"movies:rating:{movie}", f"{query.number}:{query.limit}") if movie else None


def watchlist_key(user: UserId, query: PageQuery, *, favorite: bool | None) -> Key:
    """`watchlist:user:{id}`, a variant for each page."""
    return f"watchlist:user:{user}", f"{favorite}:{query.number}:{query.limit}"


GENRES: Key = ("genres:all", "")


def _movie(ref: str) -> MovieId | None:
    """The id that a reference names by itself."""
    known = movie_ref(ref)
    if isinstance(known, TmdbNumber):
        return movie_id(known.value)
    return None if isinstance(known, ImdbId) else known


def _short(text: str) -> str:
    """A part of a key: as it is, or its hash where it is long, after a sign that no quoted text has."""
    return text if len(text) <= LONGEST_NAME else f"#{blake2b(text.encode(), digest_size=16).hexdigest()}"
