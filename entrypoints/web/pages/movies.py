"""The page of a film with its forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application import catalogue, ratings, recommendations, relations, viewings, watchlist
from domain.ids import MovieId, MovieRef
from domain.pagination import Window
from domain.ratings import RatingOrder
from domain.users import Caller
from entrypoints.http.endpoints import Access, Injected
from entrypoints.http.movie_refs import parse_movie_ref
from entrypoints.http.pagination import parse_page
from entrypoints.http.requests import HttpRequest
from entrypoints.http.resources.ratings import MovieRatingsQuery, ScoreIn
from entrypoints.http.resources.viewings import SeenIn
from entrypoints.http.resources.watchlist import WatchlistEntryIn
from entrypoints.http.responses import Response
from entrypoints.web.forms import Form, FormErrors, read_form, submit
from entrypoints.web.guard import page_opt
from entrypoints.web.paging import next_link
from entrypoints.web.rendering import Renderer, viewer_of
from entrypoints.web.responses import see_other

MAX_BESIDE = 6
"""The films that are recommended beside a film. The API lists all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieView:
    """Shows the page of a film, also after a form on it was refused."""

    get_movie: catalogue.GetMovie
    translate_movies: catalogue.TranslateMovies
    get_relation: relations.GetRelation
    list_movie_ratings: ratings.ListMovieRatings
    list_movie_viewings: viewings.ListMovieViewings
    list_movie_recommendations: recommendations.ListMovieRecommendations
    render: Renderer

    def __call__(
        self,
        request: HttpRequest,
        *,
        refused: str = "",
        form: Form | None = None,
        errors: FormErrors | None = None,
    ) -> Response:
        """The page; `refused` names the form that is shown with errors. Raises MovieNotFound."""
        ref, errors = request.path_params["id"], errors or FormErrors()
        shown = self.get_movie(ref=ref)
        (movie,) = self.translate_movies(shown.movies, self.render.movie_language(request.scope))
        return self.render(
            request.scope,
            "movie.html",
            status=errors.status,
            movie=movie,
            genres=shown.genres,
            refused=refused,
            form=form or Form(),
            errors=errors,
            **self._beside(request, movie.id),
            **self._for_viewer(request, ref),
        )

    def _beside(self, request: HttpRequest, movie: MovieId) -> dict[str, Any]:
        """The first recommendations beside the film, and their films."""
        beside = self.list_movie_recommendations(movie=movie, window=Window(limit=MAX_BESIDE))
        shown = [beside.movies[each.movie] for each in beside.page.rows]
        translated = self.translate_movies(shown, self.render.movie_language(request.scope))
        return {"beside": beside, "beside_movies": {each.id: each for each in translated}}

    def _for_viewer(self, request: HttpRequest, ref: str) -> dict[str, Any]:
        """The viewer's relation to the film, and everybody's ratings, which the signed-in may read."""
        viewer = viewer_of(request.scope)
        if viewer is None:
            return {"mine": None, "seen": None, "rated": None, "next_link": None}
        page = parse_page(MovieRatingsQuery, request)
        movie = parse_movie_ref(ref)
        rated = self.list_movie_ratings(movie=movie, window=page.window)
        rows = rated.page.rows
        last = rows[-1].cursor(RatingOrder.CREATED_AT) if rows and rated.page.more else None
        mine = self.get_relation(user=viewer, movie=movie)
        return {
            "mine": mine,
            "seen": self.list_movie_viewings(user=viewer, movie=mine.movie.id),
            "rated": rated,
            "next_link": next_link(page, last, rated.page.total),
        }


@get("/movies/{id:str}", sync_to_thread=True, opt=page_opt(Access.READERS))
def get_movie(request: HttpRequest, movie_view: Injected[MovieView]) -> Response:
    """A film: facts, ratings, and what the viewer can do with it."""
    return movie_view(request)


@post("/movies/{id:str}/rating", opt=page_opt(Access.USERS))
async def post_rating(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    set_rating: Injected[ratings.SetRating],
    movie_view: Injected[MovieView],
) -> Response:
    """Rate the film, or replace the rating with its review."""

    def change(form: Form, movie: MovieRef) -> None:
        given = form.parse(ScoreIn)
        set_rating(user=caller.user, movie=movie, score=given.score, review=given.review)

    return await _change(request, body, movie_view, "rating", change)


@post("/movies/{id:str}/rating/delete", opt=page_opt(Access.USERS))
async def post_rating_delete(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    remove_movie_rating: Injected[ratings.RemoveMovieRating],
    movie_view: Injected[MovieView],
) -> Response:
    """Remove the rating with its review."""
    return await _change(
        request,
        body,
        movie_view,
        "rating",
        lambda _, movie: remove_movie_rating(user=caller.user, movie=movie),
    )


@post("/movies/{id:str}/watchlist", opt=page_opt(Access.USERS))
async def post_watchlist(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    set_on_watchlist: Injected[watchlist.SetOnWatchlist],
    movie_view: Injected[MovieView],
) -> Response:
    """Put the film on the watchlist, or replace its mark and note there."""

    def change(form: Form, movie: MovieRef) -> None:
        given = form.parse(WatchlistEntryIn)
        set_on_watchlist(user=caller.user, movie=movie, is_favorite=given.is_favorite, note=given.note)

    return await _change(request, body, movie_view, "watchlist", change)


@post("/movies/{id:str}/watchlist/delete", opt=page_opt(Access.USERS))
async def post_watchlist_delete(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    remove_from_watchlist: Injected[watchlist.RemoveFromWatchlist],
    movie_view: Injected[MovieView],
) -> Response:
    """Take the film off the watchlist."""
    return await _change(
        request,
        body,
        movie_view,
        "watchlist",
        lambda _, movie: remove_from_watchlist(user=caller.user, movie=movie),
    )


@post("/movies/{id:str}/viewings", opt=page_opt(Access.USERS))
async def post_viewings(
    request: HttpRequest,
    body: RawBody,
    caller: Injected[Caller],
    add_viewing: Injected[viewings.AddViewing],
    movie_view: Injected[MovieView],
) -> Response:
    """Record that the viewer has seen the film, on a day or on an unknown one."""

    def change(form: Form, movie: MovieRef) -> None:
        given = form.parse(SeenIn, extra_rules=add_viewing.faults)
        add_viewing(
            user=caller.user,
            movie=movie,
            watched_on=given.watched_on,
            rewatch=given.rewatch,
            note=given.note,
            remove_from_watchlist=given.remove_from_watchlist,
        )

    return await _change(request, body, movie_view, "viewing", change)


async def _change(
    request: HttpRequest,
    body: bytes,
    movie_view: MovieView,
    name: str,
    change: Callable[[Form, MovieRef], object],
) -> Response:
    """Handle the form `name`, and go back to the page where it was sent, by default that of the film.

    Raises MovieNotFound.
    """
    form = read_form(request, body)
    ref = request.path_params["id"]
    movie = parse_movie_ref(ref)

    async def act() -> Response:
        await sync_to_thread(change, form, movie)
        return see_other(form.next or f"/movies/{quote(ref)}")

    async def show_again(errors: FormErrors) -> Response:
        return await sync_to_thread(movie_view, request, refused=name, form=form, errors=errors)

    return await submit(act, show_again, request.scope)


ROUTES = (
    get_movie,
    post_rating,
    post_rating_delete,
    post_watchlist,
    post_watchlist_delete,
    post_viewings,
)
