"""The viewer's own lists: the watchlist and the ratings."""

from dataclasses import replace

from litestar import get

from application import catalogue, ratings, watchlist
from domain.browsing import SortOrder
from domain.ratings import RatingOrder
from domain.users import Caller
from domain.watchlist import WatchlistOrder
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest, unset_to_none
from entrypoints.http.resources.ratings import RatingsQuery
from entrypoints.http.resources.watchlist import WatchlistQuery
from entrypoints.http.responses import Response
from entrypoints.web.guard import page_opt
from entrypoints.web.languages import order_choices
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer, texts_of


@get("/watchlist", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_watchlist(
    request: HttpRequest,
    caller: Injected[Caller],
    list_watchlist: Injected[watchlist.ListWatchlist],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """The watchlist, newest first by default."""
    page = parse_page(WatchlistQuery, request)
    favorite = unset_to_none(page.query.favorite)
    by, order = page.query.sort_by, page.query.sort_order
    listed = list_watchlist(
        user=caller.user,
        favorite=favorite,
        window=page.window,
        by=by,
        descending=order is SortOrder.DESC,
    )
    rows = listed.page.rows
    last = listed.cursor(rows[-1]) if rows and listed.page.more else None
    language = render.movie_language(request.scope)
    listed = replace(listed, movies=translate_movies.by_id(listed.movies, language))
    texts = texts_of(request.scope)
    return render(
        request.scope,
        "watchlist.html",
        listed=listed,
        favorite=favorite,
        by=by,
        order=order,
        choices={
            "sort_by": order_choices(texts, WatchlistOrder),
            "sort_order": order_choices(texts, SortOrder),
        },
        next_link=next_link(page, last, listed.page.total),
    )


@get("/ratings", sync_to_thread=True, opt=page_opt(Access.USERS))
def get_ratings(
    request: HttpRequest,
    caller: Injected[Caller],
    list_my_ratings: Injected[ratings.ListMyRatings],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """The viewer's ratings, newest first by default."""
    page = parse_page(RatingsQuery, request)
    by, order = page.query.sort_by, page.query.sort_order
    descending = order is SortOrder.DESC
    mine = list_my_ratings(user=caller.user, by=by, descending=descending, window=page.window)
    language = render.movie_language(request.scope)
    mine = replace(mine, movies=translate_movies.by_id(mine.movies, language))
    rows = mine.page.rows
    last = rows[-1].cursor(by) if rows and mine.page.more else None
    texts = texts_of(request.scope)
    return render(
        request.scope,
        "ratings.html",
        mine=mine,
        by=by,
        order=order,
        choices={"sort_by": order_choices(texts, RatingOrder), "sort_order": order_choices(texts, SortOrder)},
        next_link=next_link(page, last, mine.page.total),
    )


ROUTES = (get_watchlist, get_ratings)
