"""Films for the viewer, with the reason for each, and films that the viewer hides from there."""

from collections.abc import Callable
from urllib.parse import quote

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application import catalogue, recommendations
from domain.pagination import Window
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.movie_refs import parse_movie_ref
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest
from entrypoints.http.resources.recommendations import RecommendationsQuery
from entrypoints.http.responses import Response
from entrypoints.web.forms import read_form
from entrypoints.web.guard import page_opt
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer
from entrypoints.web.responses import see_other

PATH = "/recommendations"

MAX_HIDDEN_SHOWN = 50
"""The hidden films on the page: the last ones. The API lists all."""


@get(PATH, sync_to_thread=True, opt=page_opt(Access.USERS))
def get_recommendations(
    request: HttpRequest,
    caller: Injected[Caller],
    list_my_recommendations: Injected[recommendations.ListMyRecommendations],
    list_hidden_movies: Injected[recommendations.ListHiddenMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    render: Injected[Renderer],
) -> Response:
    """What to see next, best first."""
    page = parse_page(RecommendationsQuery, request)
    listed = list_my_recommendations(user=caller.user, window=page.window)
    hidden = list_hidden_movies(user=caller.user, window=Window(limit=MAX_HIDDEN_SHOWN))
    movies = {**listed.movies, **hidden.movies}
    translated = translate_movies(list(movies.values()), render.movie_language(request.scope))
    rows = listed.page.rows
    last = rows[-1].cursor if rows and listed.page.more else None
    return render(
        request.scope,
        "recommendations.html",
        rows=rows,
        hidden=hidden.page.rows,
        movies={movie.id: movie for movie in translated},
        genres=listed.genres,
        next_link=next_link(page, last, listed.page.total),
    )


@post("/movies/{id:str}/hide", opt=page_opt(Access.USERS))
async def post_hide(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    hide_movie: Injected[recommendations.HideMovie],
) -> Response:
    """Never recommend the film to the viewer."""
    return await _change(request, body, lambda ref: hide_movie(user=caller.user, movie=parse_movie_ref(ref)))


@post("/movies/{id:str}/unhide", opt=page_opt(Access.USERS))
async def post_unhide(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    unhide_movie: Injected[recommendations.UnhideMovie],
) -> Response:
    """Let the film be recommended to the viewer again."""
    return await _change(
        request, body, lambda ref: unhide_movie(user=caller.user, movie=parse_movie_ref(ref))
    )


async def _change(request: HttpRequest, body: bytes, change: Callable[[str], None]) -> Response:
    form, ref = read_form(request, body), request.path_params["id"]
    await sync_to_thread(change, ref)
    return see_other(form.next or f"/movies/{quote(ref)}")


ROUTES = (get_recommendations, post_hide, post_unhide)
