"""The watchlist."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from litestar import delete, get, patch, post, put
from litestar.params import RawBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application import catalogue, watchlist
from domain.browsing import SortOrder
from domain.ids import GenreId, ItemId, UserId
from domain.movies import Genre, Movie
from domain.texts import Unchanged
from domain.users import Caller
from domain.watchlist import ItemNotFound, WatchlistItem, WatchlistOrder
from entrypoints.http.caching import Caching
from entrypoints.http.cursors import SortKey
from entrypoints.http.endpoints import (
    DELETE_STATUS,
    Access,
    Endpoint,
    Injected,
    endpoint_opt,
    id_parameter,
)
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.languages import LanguageNegotiation, TextLanguage, in_language
from entrypoints.http.movie_refs import MOVIE_REF, MovieName, parse_movie_ref
from entrypoints.http.pagination import Direction, PageQuery, parse_page
from entrypoints.http.requests import (
    HttpRequest,
    Note,
    parse_body,
    parse_query,
    path_id,
    unset_to_none,
    unset_to_unchanged,
)
from entrypoints.http.resources.movies import MovieOut, movie_out
from entrypoints.http.responses import Response, json_response, no_content
from entrypoints.http.schemas import Body, Id, Moment, PageOut, PatchBody, Query, rfc3339
from entrypoints.validation import rule

TAG = "Watchlist"
PATH = {"id": id_parameter("watchlist item")}
MOVIE_PATH = {"id": MOVIE_REF}

# Request bodies

Favorite = Annotated[
    bool, rule("must be true or false", description="Whether to mark it as a favourite.", examples=[True])
]


class WatchlistEntryIn(Body, frozen=True, kw_only=True):
    """The item of the movie. It replaces an earlier one, with its note."""

    is_favorite: Favorite = False
    note: Note | None = None


class ItemIn(WatchlistEntryIn, frozen=True, kw_only=True):
    """A movie to add to your watchlist."""

    movie_id: MovieName


class ItemChangeIn(PatchBody, frozen=True, kw_only=True):
    """The fields of a watchlist item to change; at least one. A note of null is removed."""

    is_favorite: Favorite | UnsetType = UNSET
    note: Note | UnsetType | None = UNSET

    @property
    def mark(self) -> bool | None:
        """The new favourite mark, if there is one."""
        return unset_to_none(self.is_favorite)

    @property
    def new_note(self) -> str | Unchanged | None:
        """The new note, None to remove it, or UNCHANGED."""
        return unset_to_unchanged(self.note)


# Responses


class WatchlistItemOut(Struct, frozen=True, kw_only=True):
    """A movie on a user's watchlist."""

    id: Id
    movie: MovieOut
    is_favorite: Annotated[bool, Meta(description="Whether it is marked as a favourite.", examples=[True])]
    note: (
        Annotated[str, Meta(description="Plain text. Null without one.", examples=["With the children"])]
        | None
    )
    added_at: Annotated[Moment, Meta(description="When it was added.")]
    created_at: Annotated[Moment, Meta(description="The same as `added_at`.")]
    updated_at: Annotated[Moment, Meta(description="When mark or note last changed.")]


# Parameters

FavoriteFilter = Annotated[
    bool, rule("must be true or false", description="Only favourites (`true`), or only the others (`false`).")
]
ItemFields = Annotated[str, fields_rule(WatchlistItemOut, "each item")]


class WatchlistItemQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one watchlist item."""

    fields: ItemFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


WatchlistSortField = Annotated[
    WatchlistOrder,
    rule(
        f"must be one of {', '.join(WatchlistOrder)}",
        description="What to sort by. Items whose movie lacks the value come last.",
    ),
]


class WatchlistQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the watchlist."""

    favorite: FavoriteFilter | UnsetType = UNSET
    sort_by: WatchlistSortField = WatchlistOrder.ADDED_AT
    sort_order: Direction = SortOrder.DESC
    fields: ItemFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET

    @property
    def sort_key(self) -> SortKey:
        """Items are sorted by times, titles, days or numbers."""
        keys = {
            WatchlistOrder.ADDED_AT: SortKey.TIME,
            WatchlistOrder.TITLE: SortKey.TEXT,
            WatchlistOrder.RELEASE_DATE: SortKey.DAY,
        }
        return keys.get(self.sort_by, SortKey.NUMBER)


# Endpoints


def watchlist_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str:  # noqa: ARG001
    """`watchlist:user:{id}`."""
    return f"watchlist:user:{owner}"


ADD_TO_WATCHLIST = Endpoint(
    operation_id="addToWatchlist",
    summary="Add a movie to your watchlist",
    tag=TAG,
    answer=WatchlistItemOut,
    access=Access.USERS,
    body=ItemIn,
    successes=(201,),
    errors=(404, 409),
)
SET_MOVIE_ON_WATCHLIST = Endpoint(
    operation_id="setMovieOnWatchlist",
    summary="Set a movie on your watchlist",
    tag=TAG,
    answer=WatchlistItemOut,
    access=Access.USERS,
    body=WatchlistEntryIn,
    path=MOVIE_PATH,
    successes=(200, 201),
    errors=(404, 409),
)
REMOVE_MOVIE_FROM_WATCHLIST = Endpoint(
    operation_id="removeMovieFromWatchlist",
    summary="Remove a movie from your watchlist",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=MOVIE_PATH,
    successes=(204,),
    errors=(404,),
)
LIST_WATCHLIST = Endpoint(
    operation_id="listWatchlist",
    summary="List your watchlist",
    tag=TAG,
    answer=PageOut[WatchlistItemOut],
    access=Access.USERS,
    query=WatchlistQuery,
    linked=True,
    cached=watchlist_key,
    own=True,
)
GET_WATCHLIST_ITEM = Endpoint(
    operation_id="getWatchlistItem",
    summary="Get a watchlist item",
    tag=TAG,
    answer=WatchlistItemOut,
    query=WatchlistItemQuery,
    access=Access.USERS,
    path=PATH,
    errors=(403, 404),
)
UPDATE_WATCHLIST_ITEM = Endpoint(
    operation_id="updateWatchlistItem",
    summary="Update a watchlist item",
    tag=TAG,
    answer=WatchlistItemOut,
    access=Access.USERS,
    body=ItemChangeIn,
    path=PATH,
    errors=(403, 404),
)
TOGGLE_FAVORITE = Endpoint(
    operation_id="toggleFavorite",
    summary="Toggle the favourite mark",
    tag=TAG,
    answer=WatchlistItemOut,
    access=Access.USERS,
    path=PATH,
    errors=(403, 404),
)
DELETE_WATCHLIST_ITEM = Endpoint(
    operation_id="deleteWatchlistItem",
    summary="Delete a watchlist item",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=PATH,
    successes=(204,),
    errors=(403, 404),
)


@post("/watchlist", sync_to_thread=True, opt=endpoint_opt(ADD_TO_WATCHLIST))
def post_item(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    add_to_watchlist: Injected[watchlist.AddToWatchlist],
) -> Response:
    """Add a movie that is not on your watchlist yet."""
    given = parse_body(ItemIn, request, body)
    movie = parse_movie_ref(given.movie_id)
    added = add_to_watchlist(user=caller.user, movie=movie, is_favorite=given.is_favorite, note=given.note)
    return json_response(entry_out(added), status=201)


@put("/movies/{id:str}/watchlist", sync_to_thread=True, opt=endpoint_opt(SET_MOVIE_ON_WATCHLIST))
def put_movie_on_watchlist(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    set_on_watchlist: Injected[watchlist.SetOnWatchlist],
) -> Response:
    """Add a movie to your watchlist, or replace its item there. Fields that are left out are reset.

    The status is 201 for a new item and 200 for a replaced one, so the request is safe to repeat.
    """
    given, movie = parse_body(WatchlistEntryIn, request, body), parse_movie_ref(request.path_params["id"])
    entry = set_on_watchlist(user=caller.user, movie=movie, is_favorite=given.is_favorite, note=given.note)
    return json_response(entry_out(entry), status=201 if entry.created else 200)


@delete(
    "/movies/{id:str}/watchlist",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(REMOVE_MOVIE_FROM_WATCHLIST),
)
def delete_movie_from_watchlist(
    request: HttpRequest,
    caller: Injected[Caller],
    remove_from_watchlist: Injected[watchlist.RemoveFromWatchlist],
) -> Response:
    """Remove a movie from your watchlist. The answer is the same if it is not there: safe to repeat."""
    parse_query(Query, request)
    remove_from_watchlist(user=caller.user, movie=parse_movie_ref(request.path_params["id"]))
    return no_content()


@get("/watchlist", opt=endpoint_opt(LIST_WATCHLIST))
async def get_watchlist(
    request: HttpRequest,
    caller: Injected[Caller],
    list_watchlist: Injected[watchlist.ListWatchlist],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """List the items of your watchlist, newest first unless another order is chosen."""
    page = parse_page(WatchlistQuery, request)
    favorite = unset_to_none(page.query.favorite)
    language = negotiate(request.scope, unset_to_none(page.query.language))

    def build() -> Response:
        listed = list_watchlist(
            user=caller.user,
            favorite=favorite,
            window=page.window,
            by=page.query.sort_by,
            descending=page.query.sort_order is SortOrder.DESC,
        )
        meta = page.meta(listed.page, listed.cursor)
        listed = replace(listed, movies=translate_movies.by_id(listed.movies, language))
        return page.response(PageOut(data=items_out(listed), meta=meta))

    return await caching(page.query, build, request, language)


@get("/watchlist/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_WATCHLIST_ITEM))
def get_item_by_id(
    request: HttpRequest,
    caller: Injected[Caller],
    get_item: Injected[watchlist.GetItem],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """Get one item of your own watchlist."""
    query = parse_query(WatchlistItemQuery, request)
    language = negotiate(request.scope, unset_to_none(query.language))
    entry = get_item(user=caller.user, item=item_id(request))
    entry = replace(entry, movie=translate_movies.one(entry.movie, language))
    return in_language(item_response(entry_out(entry), query), language)


@patch("/watchlist/{id:str}", sync_to_thread=True, opt=endpoint_opt(UPDATE_WATCHLIST_ITEM))
def patch_item(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    change_item: Injected[watchlist.ChangeItem],
) -> Response:
    """Change the favourite mark or the note. Fields that are left out stay as they are."""
    given, item = parse_body(ItemChangeIn, request, body), item_id(request)
    changed = change_item(user=caller.user, item=item, is_favorite=given.mark, note=given.new_note)
    return json_response(entry_out(changed))


@patch("/watchlist/{id:str}/favorite", sync_to_thread=True, opt=endpoint_opt(TOGGLE_FAVORITE))
def patch_item_favorite(
    request: HttpRequest, caller: Injected[Caller], toggle_favorite: Injected[watchlist.ToggleFavorite]
) -> Response:
    """Mark an item as a favourite, or remove the mark if it is one."""
    parse_query(Query, request)
    return json_response(entry_out(toggle_favorite(user=caller.user, item=item_id(request))))


@delete(
    "/watchlist/{id:str}",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(DELETE_WATCHLIST_ITEM),
)
def delete_item(
    request: HttpRequest, caller: Injected[Caller], remove_item: Injected[watchlist.RemoveItem]
) -> Response:
    """Delete one item of your own watchlist."""
    parse_query(Query, request)
    remove_item(user=caller.user, item=item_id(request))
    return no_content()


def item_id(request: HttpRequest) -> ItemId:
    """The watchlist item in the path. Raises ItemNotFound if it is not an id."""
    return path_id(request, ItemId, ItemNotFound)


# Conversion


def item_out(item: WatchlistItem, movie: Movie, genres: Mapping[GenreId, Genre]) -> WatchlistItemOut:
    """Convert a watchlist item with its movie."""
    return WatchlistItemOut(
        id=item.id,
        movie=movie_out(movie, genres),
        is_favorite=item.is_favorite,
        note=item.note,
        added_at=rfc3339(item.added_at),
        created_at=rfc3339(item.added_at),
        updated_at=rfc3339(item.updated_at),
    )


def entry_out(entry: watchlist.WatchlistEntry) -> WatchlistItemOut:
    """Convert an item as use cases return it."""
    return item_out(entry.item, entry.movie, entry.genres)


def items_out(page: watchlist.WatchlistPage) -> list[WatchlistItemOut]:
    """Convert a page of items, without those whose movie has been deleted meanwhile."""
    return [
        item_out(item, page.movies[item.movie], page.genres)
        for item in page.page.rows
        if item.movie in page.movies
    ]


ROUTES = (
    post_item,
    put_movie_on_watchlist,
    delete_movie_from_watchlist,
    get_watchlist,
    get_item_by_id,
    patch_item,
    patch_item_favorite,
    delete_item,
)
