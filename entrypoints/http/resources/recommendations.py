"""Recommendations beside a movie and for the caller, and the movies that the caller hides from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from litestar import delete, get, put
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from application import catalogue, recommendations
from domain.ids import GenreId, MovieId, UserId
from domain.movies import Genre, Movie
from domain.recommendations import MAX_REASONS, HiddenMovie
from domain.users import Caller
from entrypoints.http.caching import Caching
from entrypoints.http.cursors import SortKey
from entrypoints.http.endpoints import DELETE_STATUS, Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.field_selection import fields_rule
from entrypoints.http.languages import LanguageNegotiation, TextLanguage, in_language
from entrypoints.http.movie_refs import MOVIE_REF, derived_id, parse_movie_ref
from entrypoints.http.pagination import PageQuery, PageRequest, parse_page
from entrypoints.http.requests import HttpRequest, parse_query, unset_to_none
from entrypoints.http.resources.movies import MovieOut, movie_out
from entrypoints.http.responses import Response, no_content
from entrypoints.http.schemas import Moment, PageOut, Query, rfc3339

TAG = "Recommendations"
MOVIE_PATH = {"id": MOVIE_REF}

# Responses


class RecommendationOut(MovieOut, frozen=True, kw_only=True):
    """A recommended movie, and why it is recommended."""

    because: Annotated[
        list[MovieOut],
        Meta(
            description=f"The movies from which it follows, at most {MAX_REASONS}, the most important first. "
            "For you they are movies that you have rated with 7 or more."
        ),
    ]
    agreeing_users: Annotated[
        int,
        Meta(
            description="How many users here like it and the movie in `because`; the largest number of "
            "several. 0 if it is recommended by TMDB alone.",
            ge=0,
            examples=[12],
        ),
    ]


class HiddenMovieOut(MovieOut, frozen=True, kw_only=True):
    """A movie that is never recommended to you."""

    hidden_at: Annotated[Moment, Meta(description="When you hid it.")]


# Parameters

RecommendationFields = Annotated[str, fields_rule(RecommendationOut, "each movie")]
HiddenFields = Annotated[str, fields_rule(HiddenMovieOut, "each movie")]


class RecommendationsQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of a list of recommendations."""

    fields: RecommendationFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET

    @property
    def sort_key(self) -> SortKey:
        """Recommendations are sorted by weight."""
        return SortKey.NUMBER


class HiddenQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of hidden movies."""

    fields: HiddenFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


# Endpoints


def recommendations_key(query: Query, path: Mapping[str, str], owner: UserId | None) -> str | None:  # noqa: ARG001
    """`movies:recommendations:{id}`; None if the id cannot be derived from the reference."""
    movie = derived_id(path["id"])
    return f"movies:recommendations:{movie}" if movie else None


LIST_MOVIE_RECOMMENDATIONS = Endpoint(
    operation_id="listMovieRecommendations",
    summary="List what to see beside a movie",
    tag=TAG,
    answer=PageOut[RecommendationOut],
    access=Access.READERS,
    query=RecommendationsQuery,
    path=MOVIE_PATH,
    errors=(404,),
    linked=True,
    cached=recommendations_key,
)
LIST_MY_RECOMMENDATIONS = Endpoint(
    operation_id="listMyRecommendations",
    summary="List what to see next",
    tag=TAG,
    answer=PageOut[RecommendationOut],
    access=Access.USERS,
    query=RecommendationsQuery,
    linked=True,
    own=True,
)
LIST_HIDDEN_MOVIES = Endpoint(
    operation_id="listHiddenMovies",
    summary="List the movies that you hide",
    tag=TAG,
    answer=PageOut[HiddenMovieOut],
    access=Access.USERS,
    query=HiddenQuery,
    linked=True,
    own=True,
)
HIDE_MOVIE = Endpoint(
    operation_id="hideMovie",
    summary="Hide a movie from your recommendations",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=MOVIE_PATH,
    successes=(204,),
    errors=(404, 409),
)
UNHIDE_MOVIE = Endpoint(
    operation_id="unhideMovie",
    summary="Show a movie among your recommendations again",
    tag=TAG,
    answer=None,
    access=Access.USERS,
    path=MOVIE_PATH,
    successes=(204,),
    errors=(404,),
)


@get("/movies/{id:str}/recommendations", opt=endpoint_opt(LIST_MOVIE_RECOMMENDATIONS))
async def get_movie_recommendations(
    request: HttpRequest,
    list_movie_recommendations: Injected[recommendations.ListMovieRecommendations],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """List the movies that users who liked this one also liked, and those that TMDB recommends beside it.

    First come movies on which at least five users agree, then TMDB's in its order, then those on which two to
    four users agree. A user likes a movie with a rating of 7 or more. New ratings are taken into account in
    the background.
    """
    page, ref = parse_page(RecommendationsQuery, request), request.path_params["id"]
    language = negotiate(request.scope, unset_to_none(page.query.language))

    def build() -> Response:
        shown = list_movie_recommendations(movie=parse_movie_ref(ref), window=page.window)
        return _response(page, replace(shown, movies=translate_movies.by_id(shown.movies, language)))

    return await caching(page.query, build, request, language)


@get("/me/recommendations", sync_to_thread=True, opt=endpoint_opt(LIST_MY_RECOMMENDATIONS))
def get_my_recommendations(
    request: HttpRequest,
    caller: Injected[Caller],
    list_my_recommendations: Injected[recommendations.ListMyRecommendations],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """List movies that follow from what you have rated with 7 or more, the best first; at most 200.

    A movie that you have rated, have seen or hide is not among them, from the very next request on.
    """
    page = parse_page(RecommendationsQuery, request)
    language = negotiate(request.scope, unset_to_none(page.query.language))
    shown = list_my_recommendations(user=caller.user, window=page.window)
    shown = replace(shown, movies=translate_movies.by_id(shown.movies, language))
    return in_language(_response(page, shown), language)


@get("/me/recommendations/hidden", sync_to_thread=True, opt=endpoint_opt(LIST_HIDDEN_MOVIES))
def get_hidden_movies(
    request: HttpRequest,
    caller: Injected[Caller],
    list_hidden_movies: Injected[recommendations.ListHiddenMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """List the movies that you hide, the last hidden first."""
    page = parse_page(HiddenQuery, request)
    language = negotiate(request.scope, unset_to_none(page.query.language))
    shown = list_hidden_movies(user=caller.user, window=page.window)
    data = hidden_out(shown.page.rows, translate_movies.by_id(shown.movies, language), shown.genres)
    meta = page.meta(shown.page, lambda each: each.cursor)
    return in_language(page.response(PageOut(data=data, meta=meta)), language)


@put("/me/recommendations/hidden/{id:str}", sync_to_thread=True, opt=endpoint_opt(HIDE_MOVIE))
def put_hidden_movie(
    request: HttpRequest, caller: Injected[Caller], hide_movie: Injected[recommendations.HideMovie]
) -> Response:
    """Never recommend a movie to you. The answer is the same if it is hidden already: safe to repeat."""
    parse_query(Query, request)
    hide_movie(user=caller.user, movie=parse_movie_ref(request.path_params["id"]))
    return no_content()


@delete(
    "/me/recommendations/hidden/{id:str}",
    status_code=DELETE_STATUS,
    sync_to_thread=True,
    opt=endpoint_opt(UNHIDE_MOVIE),
)
def delete_hidden_movie(
    request: HttpRequest, caller: Injected[Caller], unhide_movie: Injected[recommendations.UnhideMovie]
) -> Response:
    """Let a movie be recommended to you again. The answer is the same if it is not hidden: safe to repeat."""
    parse_query(Query, request)
    unhide_movie(user=caller.user, movie=parse_movie_ref(request.path_params["id"]))
    return no_content()


# Conversion


def hidden_out(
    hidden: Sequence[HiddenMovie], movies: Mapping[MovieId, Movie], genres: Mapping[GenreId, Genre]
) -> list[HiddenMovieOut]:
    """Convert hidden movies, without those that the catalogue no longer has."""
    return [
        HiddenMovieOut(**asdict(movie_out(movies[each.movie], genres)), hidden_at=rfc3339(each.hidden_at))
        for each in hidden
        if each.movie in movies
    ]


def _response(page: PageRequest[RecommendationsQuery], shown: recommendations.RecommendationPage) -> Response:
    """The response for a page of recommendations."""
    converted = {movie.id: movie_out(movie, shown.genres) for movie in shown.movies.values()}
    data = [
        RecommendationOut(
            **asdict(converted[each.movie]),
            because=[converted[reason] for reason in each.because if reason in converted],
            agreeing_users=each.agreeing,
        )
        for each in shown.page.rows
    ]
    return page.response(PageOut(data=data, meta=page.meta(shown.page, lambda each: each.cursor)))


CATALOGUE_ROUTES = (get_movie_recommendations,)
"""The routes that anyone may call if the catalogue is public."""

ROUTES = (get_my_recommendations, get_hidden_movies, put_hidden_movie, delete_hidden_movie)
