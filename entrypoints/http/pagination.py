"""Pages of lists: the parameters, the window that a use case gets, `meta` and the links to other pages."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, UnsetType

from domain.browsing import SortOrder
from domain.errors import Fault, FaultCode, InvalidFields
from domain.pagination import Cursor, Page, Window
from entrypoints.http.cursors import Position, SortKey, decode_cursor, encode_cursor
from entrypoints.http.field_selection import select_fields
from entrypoints.http.requests import HttpRequest, owner_of, read_query, unset_to_none
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import MetaOut, PageOut, Query
from entrypoints.validation import rule

MAX_NUMBERED_ROWS = 10_000
"""Rows that can be reached by page numbers; a cursor reaches all rows."""

WINDOW_PARAMETERS = frozenset({"page", "limit", "cursor", "fields"})
"""The parameters that select rows or fields of a list, and do not change the list itself."""

RowT = TypeVar("RowT")

PageNumber = Annotated[
    int,
    rule(
        "must be a whole number from 1",
        ge=1,
        description=f"The number of the page; it reaches the first {MAX_NUMBERED_ROWS:,} items.",
        extra_json_schema={"default": 1},
    ),
]
Limit = Annotated[
    int,
    rule("must be a whole number from 1 to 100", ge=1, le=100, description="How many items a page has."),
]
CursorToken = Annotated[
    str,
    rule(
        "must be the next_cursor of another page",
        min_length=1,
        max_length=8192,
        description="The `next_cursor` of the previous page. Use it instead of `page` to go further.",
    ),
]
Direction = Annotated[
    SortOrder, rule("must be desc or asc", description="Largest first (`desc`) or smallest first (`asc`).")
]


class PageQuery(Query, frozen=True, kw_only=True):
    """The parameters of a list: a page by number or by cursor, and the fields of its items.

    Subclasses declare the names of the fields.
    """

    page: PageNumber | UnsetType = UNSET
    limit: Limit = 20
    cursor: CursorToken | UnsetType = UNSET
    fields: str | UnsetType = UNSET

    def conflicts(self, position: Position | None) -> list[Fault]:
        """The errors that involve several parameters; `position` is that of a valid cursor."""
        faults = []
        if self.skip >= MAX_NUMBERED_ROWS:
            message = f"must stay within the first {MAX_NUMBERED_ROWS:,} rows; use cursor to go on from there"
            faults.append(Fault("page", FaultCode.OUT_OF_RANGE, message))
        if self.has_cursor and self.page is not UNSET:
            faults.append(Fault("cursor", FaultCode.CONFLICTING, "must stand without page"))
        if self.has_cursor and not position:
            message = "must be the next_cursor of another page of the same list"
            faults.append(Fault("cursor", FaultCode.MALFORMED, message))
        return faults

    @property
    def number(self) -> int:
        """The number of the page, from 1."""
        return unset_to_none(self.page) or 1

    @property
    def skip(self) -> int:
        """The number of rows before the page."""
        return (self.number - 1) * self.limit

    @property
    def has_cursor(self) -> bool:
        """Whether the page is selected by a cursor."""
        return self.cursor is not UNSET

    @property
    def sort_key(self) -> SortKey:
        """The type of the value by which the list is sorted."""
        return SortKey.TIME


QueryT_co = TypeVar("QueryT_co", bound=PageQuery, covariant=True)


@dataclass(frozen=True, slots=True)
class PageRequest(Generic[QueryT_co]):
    """A request for a page.

    `identity` distinguishes the list from all others: its path, its owner, its order and its filters.
    `position` is that of the cursor.
    """

    query: QueryT_co
    path: str
    identity: bytes
    position: Position | None

    @property
    def window(self) -> Window:
        """The rows to read."""
        if isinstance(self.position, Cursor):
            return Window(limit=self.query.limit, cursor=self.position)
        return Window(limit=self.query.limit, skip=self.query.skip)

    def meta(self, page: Page[RowT], position: Callable[[RowT], Position]) -> MetaOut:
        """The `meta` of a page; `position` returns that of a row."""
        last = position(page.rows[-1]) if page.more and page.rows else None
        return self.meta_after(last, total=page.total, more=page.more)

    def meta_after(self, last: Position | None, *, total: int, more: bool) -> MetaOut:
        """The `meta` of a page; `last` is the position of its last row if `more` rows follow."""
        query = self.query
        return MetaOut(
            total=total,
            page=None if query.has_cursor else query.number,
            limit=query.limit,
            total_pages=-(-total // query.limit),
            has_next_page=more,
            has_prev_page=query.has_cursor or (query.number > 1 and total > 0),
            next_cursor=encode_cursor(last, self.identity) if last else None,
        )

    def response(self, page: PageOut[Any], *, cache: bytes | None = None) -> Response:
        """The response with the requested fields of the page's items, and links to other pages. `cache` is
        its `Cache-Control`, if that is not the route's.
        """
        given = self.query.given
        shared = {name: value for name, value in given.items() if name not in {"page", "cursor"}}
        header = ", ".join(f'<{url}>; rel="{name}"' for name, url in links(page.meta, self.path, shared))
        fields = self.query.fields
        if fields is not UNSET:
            page = msgspec.structs.replace(page, data=[select_fields(item, fields) for item in page.data])
        return json_response(page, headers=((b"link", header.encode()),), cache=cache)


def parse_page(kind: type[QueryT_co], request: HttpRequest) -> PageRequest[QueryT_co]:
    """Parse the query string of a list. Raises InvalidFields with all errors."""
    query, faults = read_query(kind, request)
    path, owner = request.scope["path"], owner_of(request)
    identity = list_identity(query, f"{path} {owner}" if owner else path)
    token = unset_to_none(query.cursor)
    position = decode_cursor(token, identity, query.sort_key) if token else None
    faults += query.conflicts(position)
    if faults:
        raise InvalidFields(faults)
    return PageRequest(query, path, identity, position)


def list_identity(query: PageQuery, owned_path: str) -> bytes:
    """What distinguishes a list from all others: its path, its owner, and the parameters that change it."""
    filters = {name: value for name, value in query.given.items() if name not in WINDOW_PARAMETERS}
    return msgspec.json.encode((owned_path, filters))


def links(meta: MetaOut, path: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The relation and the URL of each other page that can be reached.

    `parameters` are those that all pages share. URLs have no host, since only clients know the public one.
    """
    values = msgspec.to_builtins(parameters)
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}

    def url(**window: str | int) -> str:
        return f"{quote(path)}?{urlencode({**texts, **window})}"

    def has_number(page: int) -> bool:
        return (page - 1) * meta.limit < MAX_NUMBERED_ROWS

    yield "first", url(page=1)
    if meta.page and meta.page > 1 and meta.total_pages:
        yield "prev", url(page=min(meta.page - 1, meta.total_pages))
    if meta.has_next_page and meta.page and has_number(meta.page + 1):
        yield "next", url(page=meta.page + 1)
    elif meta.next_cursor:
        yield "next", url(cursor=meta.next_cursor)
    if meta.total_pages and has_number(meta.total_pages):
        yield "last", url(page=meta.total_pages)
