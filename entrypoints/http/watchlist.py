"""The calls that keep a watchlist, and the one that shows all that a user has to do with a movie."""

from litestar import delete, get, patch, post, put
from litestar.params import RawBody

from application.watchlist import (
    AddToWatchlist,
    ChangeItem,
    GetItem,
    GetRelation,
    ListWatchlist,
    RemoveItem,
    SetOnWatchlist,
    TakeOffWatchlist,
    ToggleFavorite,
)
from domain.ids import ItemId, is_id
from domain.users import Caller
from domain.watchlist import ItemNotFound
from entrypoints.http.bodies import ItemChangeIn, ItemIn, PlaceIn, movie_named
from entrypoints.http.caching import Caching, watchlist_key
from entrypoints.http.endpoints import MOVIE_REF, REMOVING, Access, Call, Given, described, id_of
from entrypoints.http.pagination import item_answer, meta_of, paged
from entrypoints.http.people import ItemOut, RelationOut, items_out, listed_out, relation_out
from entrypoints.http.queries import RelationQuery, WatchlistItemQuery, WatchlistQuery, known
from entrypoints.http.reading import sent
from entrypoints.http.requests import HttpRequest, Query, asked, listing_of
from entrypoints.http.responses import Answer, done, json_answer
from entrypoints.http.schemas import PageOut

TAG = "Watchlist"
ITEM = {"id": id_of("watchlist item")}
MOVIE = {"id": MOVIE_REF}

ADDING = Call(
    operation_id="addToWatchlist",
    summary="Add a movie to your watchlist",
    tag=TAG,
    answer=ItemOut,
    access=Access.USERS,
    body=ItemIn,
    successes=(201,),
    refusals=(404, 409),
)
SETTING = Call(
    operation_id="setMovieOnWatchlist",
    summary="Set a movie on your watchlist",
    tag=TAG,
    answer=ItemOut,
    access=Access.USERS,
    body=PlaceIn,
    path=MOVIE,
    successes=(200, 201),
    refusals=(404, 409),
)
TAKING_OFF = Call(
    operation_id="removeMovieFromWatchlist",
    summary="Remove a movie from your watchlist",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=MOVIE,
    successes=(204,),
    refusals=(404,),
)
LISTING = Call(
    operation_id="listWatchlist",
    summary="List your watchlist",
    tag=TAG,
    answer=PageOut[ItemOut],
    access=Access.USERS,
    query=WatchlistQuery,
    linked=True,
    cached=watchlist_key,
    own=True,
)
SHOWING = Call(
    operation_id="getWatchlistItem",
    summary="Get a watchlist item",
    tag=TAG,
    answer=ItemOut,
    query=WatchlistItemQuery,
    access=Access.USERS,
    path=ITEM,
    refusals=(403, 404),
)
CHANGING = Call(
    operation_id="updateWatchlistItem",
    summary="Update a watchlist item",
    tag=TAG,
    answer=ItemOut,
    access=Access.USERS,
    body=ItemChangeIn,
    path=ITEM,
    refusals=(403, 404),
)
TOGGLING = Call(
    operation_id="toggleFavorite",
    summary="Toggle the favourite mark",
    tag=TAG,
    answer=ItemOut,
    access=Access.USERS,
    path=ITEM,
    refusals=(403, 404),
)
DELETING = Call(
    operation_id="deleteWatchlistItem",
    summary="Delete a watchlist item",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=ITEM,
    successes=(204,),
    refusals=(403, 404),
)
RELATING = Call(
    operation_id="getMyMovie",
    summary="Get your rating and watchlist item of a movie",
    tag=TAG,
    answer=RelationOut,
    query=RelationQuery,
    access=Access.USERS,
    path=MOVIE,
    refusals=(404,),
)


@post("/watchlist", sync_to_thread=True, opt=described(ADDING))
def post_item(
    request: HttpRequest,
    body: RawBody,
    caller: Given[Caller],
    add_to_watchlist: Given[AddToWatchlist],
) -> Answer:
    """Add a movie that is not on your watchlist yet."""
    given, user = sent(ItemIn, request, body), caller.user
    added = add_to_watchlist(user=user, movie=given.movie, is_favorite=given.is_favorite, note=given.note)
    return json_answer(listed_out(added), status=201)


@put("/movies/{id:str}/watchlist", sync_to_thread=True, opt=described(SETTING))
def put_movie_on_watchlist(
    request: HttpRequest,
    body: RawBody,
    caller: Given[Caller],
    set_on_watchlist: Given[SetOnWatchlist],
) -> Answer:
    """Add a movie to your watchlist, or replace its item there. Fields that are left out are reset.

    The status is 201 for a new item and 200 for a replaced one, so the request is safe to repeat.
    """
    given, movie = sent(PlaceIn, request, body), movie_named(request.path_params["id"])
    listed = set_on_watchlist(user=caller.user, movie=movie, is_favorite=given.is_favorite, note=given.note)
    return json_answer(listed_out(listed), status=201 if listed.created else 200)


@delete("/movies/{id:str}/watchlist", status_code=REMOVING, sync_to_thread=True, opt=described(TAKING_OFF))
def delete_movie_from_watchlist(
    request: HttpRequest, caller: Given[Caller], take_off_watchlist: Given[TakeOffWatchlist]
) -> Answer:
    """Remove a movie from your watchlist. The answer is the same if it is not there: safe to repeat."""
    asked(Query, request)
    take_off_watchlist(user=caller.user, movie=movie_named(request.path_params["id"]))
    return done()


@get("/watchlist", opt=described(LISTING))
async def get_watchlist(
    request: HttpRequest,
    caller: Given[Caller],
    list_watchlist: Given[ListWatchlist],
    caching: Given[Caching],
) -> Answer:
    """List the items of your watchlist, newest first."""
    user = caller.user
    query, listing = asked(WatchlistQuery, request), listing_of(request)
    favorite = known(query.favorite)

    def build() -> Answer:
        listed = list_watchlist(user=user, favorite=favorite, window=query.window(listing))
        meta = meta_of(query, listing, listed.page, lambda item: item.place)
        return paged(PageOut(data=items_out(listed), meta=meta), query, request)

    return await caching(query, build, request)


@get("/watchlist/{id:str}", sync_to_thread=True, opt=described(SHOWING))
def get_item_by_id(request: HttpRequest, caller: Given[Caller], get_item: Given[GetItem]) -> Answer:
    """Get one item of your own watchlist."""
    query = asked(WatchlistItemQuery, request)
    listed = get_item(user=caller.user, item=item_named(request.path_params["id"]))
    return item_answer(listed_out(listed), query)


@patch("/watchlist/{id:str}", sync_to_thread=True, opt=described(CHANGING))
def patch_item(
    request: HttpRequest,
    body: RawBody,
    caller: Given[Caller],
    change_item: Given[ChangeItem],
) -> Answer:
    """Change the favourite mark or the note. Fields that are left out stay as they are."""
    given, item = sent(ItemChangeIn, request, body), item_named(request.path_params["id"])
    listed = change_item(user=caller.user, item=item, is_favorite=given.mark, note=given.new_note)
    return json_answer(listed_out(listed))


@patch("/watchlist/{id:str}/favorite", sync_to_thread=True, opt=described(TOGGLING))
def patch_item_favorite(
    request: HttpRequest,
    caller: Given[Caller],
    toggle_favorite: Given[ToggleFavorite],
) -> Answer:
    """Mark an item as a favourite, or remove the mark if it is one."""
    asked(Query, request)
    listed = toggle_favorite(user=caller.user, item=item_named(request.path_params["id"]))
    return json_answer(listed_out(listed))


@delete("/watchlist/{id:str}", status_code=REMOVING, sync_to_thread=True, opt=described(DELETING))
def delete_item(request: HttpRequest, caller: Given[Caller], remove_item: Given[RemoveItem]) -> Answer:
    """Delete one item of your own watchlist."""
    asked(Query, request)
    remove_item(user=caller.user, item=item_named(request.path_params["id"]))
    return done()


@get("/me/movies/{id:str}", sync_to_thread=True, opt=described(RELATING))
def get_my_movie(
    request: HttpRequest,
    caller: Given[Caller],
    get_relation: Given[GetRelation],
) -> Answer:
    """Get your rating of a movie and its item on your watchlist. Each is null if there is none."""
    query = asked(RelationQuery, request)
    relation = get_relation(user=caller.user, movie=movie_named(request.path_params["id"]))
    return item_answer(relation_out(relation, caller.user), query)


def item_named(text: str) -> ItemId:
    """The item that a path names. Raises ItemNotFound for what is no id."""
    if not is_id(text):
        raise ItemNotFound
    return ItemId(text)
