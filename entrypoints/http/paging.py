"""Pages of lists: the part shown, where it stands in the whole, and the links around it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import UnsetType

from application.catalogue import Shown
from entrypoints.http.answers import Answer, json_answer
from entrypoints.http.asking import HttpRequest, parameters
from entrypoints.http.queries import REACH, MoviesQuery, PageQuery
from entrypoints.http.schemas import MetaOut, MovieOut, PageOut, movie_out


def movie_page(shown: Shown, query: MoviesQuery, request: HttpRequest) -> Answer:
    """The answer that shows a page of movies."""
    path = request.scope["path"]
    data = [narrowed(movie_out(movie, shown.genres), query.fields) for movie in shown.movies]
    token = query.token(shown.movies[-1], path) if shown.more and shown.movies else None
    meta = meta_out(query, total=shown.total, more=shown.more, token=token)
    return paged(PageOut(data=data, meta=meta), request)


def paged(page: PageOut[Any], request: HttpRequest) -> Answer:
    """The answer that shows a page, with links to those around it."""
    links = ", ".join(f'<{url}>; rel="{name}"' for name, url in _links(page.meta, request))
    return json_answer(page, headers=((b"link", links.encode()),))


def meta_out(query: PageQuery, *, total: int, more: bool | None = None, token: str | None = None) -> MetaOut:
    """Where the page asked for stands in a list of so many; `more` tells whether it goes on, if not the
    total does.
    """
    return MetaOut(
        total=total,
        page=None if query.resumed else query.number,
        limit=query.limit,
        total_pages=-(-total // query.limit),
        has_next_page=query.skip + query.limit < total if more is None else more,
        has_prev_page=query.resumed or query.number > 1,
        next_cursor=token,
    )


def narrowed(movie: MovieOut, fields: str | UnsetType) -> MovieOut | dict[str, object]:
    """Only these fields of a movie, in its own order; all of it if none are named."""
    if isinstance(fields, UnsetType):
        return movie
    names = {name.strip() for name in fields.split(",")}
    return {name: getattr(movie, name) for name in movie.__struct_fields__ if name in names}


def _links(meta: MetaOut, request: HttpRequest) -> Iterator[tuple[str, str]]:
    """The pages around this one that can be reached; as paths, since clients know best how they got here."""
    raw, _ = parameters(request.scope["query_string"])
    kept = {name: value for name, value in raw.items() if name not in {"page", "cursor"}}
    path = quote(request.scope["path"])

    def to(**place: str | int) -> str:
        return f"{path}?{urlencode({**kept, **place})}"

    def reachable(page: int) -> bool:
        return (page - 1) * meta.limit < REACH

    yield "first", to(page=1)
    if meta.page and meta.page > 1:
        yield "prev", to(page=meta.page - 1)
    if meta.has_next_page and meta.page and reachable(meta.page + 1):
        yield "next", to(page=meta.page + 1)
    elif meta.next_cursor:
        yield "next", to(cursor=meta.next_cursor)
    if meta.total_pages and reachable(meta.total_pages):
        yield "last", to(page=meta.total_pages)
