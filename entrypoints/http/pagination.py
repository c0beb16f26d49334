"""Pages of lists: the part shown, where it stands in the whole, and the links around it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, UnsetType

from application.catalogue import Shown
from domain.pagination import Page
from entrypoints.http.cursors import Place
from entrypoints.http.queries import REACH, GenreMoviesQuery, ItemQuery, MoviesQuery, PageQuery
from entrypoints.http.requests import HttpRequest
from entrypoints.http.responses import Answer, json_answer
from entrypoints.http.schemas import MetaOut, PageOut, movie_out

RowT = TypeVar("RowT")


def movie_page(shown: Shown, query: MoviesQuery, token: str | None, request: HttpRequest) -> Answer:
    """The answer that shows a page of movies; `token` goes on from there."""
    data = [movie_out(movie, shown.genres) for movie in shown.movies]
    meta = meta_out(query, total=shown.total, more=shown.more, token=token)
    return paged(PageOut(data=data, meta=meta), query, request)


def next_movies(shown: Shown, query: GenreMoviesQuery, listing: str) -> str | None:
    """The cursor that goes on behind these movies, if anything follows."""
    return (
        query.token(query.sorting.place(shown.movies[-1]), listing) if shown.more and shown.movies else None
    )


def paged(page: PageOut[Any], query: PageQuery, request: HttpRequest) -> Answer:
    """The answer that shows a page, with the fields asked for of its items, and links to those around it."""
    kept = {name: value for name, value in query.given.items() if name not in {"page", "cursor"}}
    found = links(page.meta, request.scope["path"], kept)
    header = ", ".join(f'<{url}>; rel="{name}"' for name, url in found)
    if query.fields is not UNSET:
        page = msgspec.structs.replace(page, data=[narrowed(each, query.fields) for each in page.data])
    return json_answer(page, headers=((b"link", header.encode()),))


def meta_of(query: PageQuery, listing: str, page: Page[RowT], place: Callable[[RowT], Place]) -> MetaOut:
    """Where a page stands in its list (`listing_of`); `place` is where a row stands."""
    token = query.token(place(page.rows[-1]), listing) if page.more and page.rows else None
    return meta_out(query, total=page.total, more=page.more, token=token)


def meta_out(query: PageQuery, *, total: int, more: bool, token: str | None) -> MetaOut:
    """Where a page stands in a list of so many rows; `more` tells whether it goes on."""
    return MetaOut(
        total=total,
        page=None if query.resumed else query.number,
        limit=query.limit,
        total_pages=-(-total // query.limit),
        has_next_page=more,
        has_prev_page=query.resumed or (query.number > 1 and total > 0),
        next_cursor=token,
    )


def item_answer(out: msgspec.Struct, query: ItemQuery) -> Answer:
    """The answer that shows one thing, narrowed to the fields asked for."""
    return json_answer(narrowed(out, query.fields))


def narrowed(out: msgspec.Struct, fields: str | UnsetType) -> msgspec.Struct | dict[str, object]:
    """Only these fields of a thing, in its own order; all of it if none are named."""
    if isinstance(fields, UnsetType):
        return out
    names = {name.strip() for name in fields.split(",")}
    return {name: getattr(out, name) for name in out.__struct_fields__ if name in names}


def links(meta: MetaOut, path: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The pages around one that exist and can be reached, as paths: clients know best how they got here.

    `parameters` are those that hold for all pages of the list.
    """
    kept = msgspec.to_builtins(parameters)
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in kept.items()}

    def to(**place: str | int) -> str:
        return f"{quote(path)}?{urlencode({**texts, **place})}"

    def reachable(page: int) -> bool:
        return (page - 1) * meta.limit < REACH

    yield "first", to(page=1)
    if meta.page and meta.page > 1 and meta.total_pages:
        yield "prev", to(page=min(meta.page - 1, meta.total_pages))
    if meta.has_next_page and meta.page and reachable(meta.page + 1):
        yield "next", to(page=meta.page + 1)
    elif meta.next_cursor:
        yield "next", to(cursor=meta.next_cursor)
    if meta.total_pages and reachable(meta.total_pages):
        yield "last", to(page=meta.total_pages)
