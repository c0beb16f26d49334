"""A user's relation to movies: the rating, the watchlist item and the viewings."""

from dataclasses import replace
from datetime import date
from typing import Annotated

from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType

from application import catalogue, relations
from domain.ids import MovieRef, movie_ref
from domain.users import Caller, User
from domain.viewings import ViewingSummary
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response, select_fields
from entrypoints.http.languages import LanguageNegotiation, TextLanguage, in_language
from entrypoints.http.movie_refs import MOVIE_REF, parse_movie_ref
from entrypoints.http.requests import HttpRequest, parse_query, unset_to_none
from entrypoints.http.resources.ratings import RatingOut, rating_out
from entrypoints.http.resources.watchlist import WatchlistItemOut, item_out
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Id
from entrypoints.validation import rule

MAX_MOVIES = 100
"""The movies of one request."""

# Responses


class ViewingSummaryOut(Struct, frozen=True, kw_only=True):
    """Your viewings of a movie in brief."""

    count: Annotated[int, Meta(ge=0, description="How often you have seen it.", examples=[2])]
    last_watched_on: (
        Annotated[date, Meta(description="The latest day. Null if none is known.", examples=["2025-12-31"])]
        | None
    )


class MyMovieOut(Struct, frozen=True, kw_only=True):
    """Your rating of a movie, its item on your watchlist, and how often you have seen it."""

    movie_id: Annotated[Id, Meta(description="The id of the movie.")]
    rating: Annotated[RatingOut | None, Meta(description="Null if you have not rated it.")]
    watchlist: Annotated[WatchlistItemOut | None, Meta(description="Null if it is not on your watchlist.")]
    viewings: ViewingSummaryOut


class MyMoviesOut(Struct, frozen=True, kw_only=True):
    """Your relation to each of several movies."""

    data: list[MyMovieOut]


# Parameters

RelationFields = Annotated[str, fields_rule(MyMovieOut, "the answer")]
EachRelationFields = Annotated[str, fields_rule(MyMovieOut, "each movie")]
MovieRefs = Annotated[
    str,
    rule(
        f"must be 1 to {MAX_MOVIES} references to movies, separated by commas",
        pattern=f"^[^,]+(,[^,]+){{0,{MAX_MOVIES - 1}}}$",
        max_length=4000,
        description=f"Up to {MAX_MOVIES} movies, separated by commas: our ids, TMDB numbers or IMDb ids.",
        examples=["603,tt0133093"],
    ),
]


class MyMovieQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of a user's relation to a movie."""

    fields: RelationFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET


class MyMoviesQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of a user's relation to several movies."""

    ids: MovieRefs
    fields: EachRelationFields | UnsetType = UNSET
    language: TextLanguage | UnsetType = UNSET

    @property
    def movies(self) -> list[MovieRef]:
        """The references that have the form of one."""
        refs = (movie_ref(text.strip()) for text in self.ids.split(","))
        return [ref for ref in refs if ref is not None]


# Endpoints

GET_MY_MOVIE = Endpoint(
    operation_id="getMyMovie",
    summary="Get your relation to a movie",
    tag="Diary",
    answer=MyMovieOut,
    query=MyMovieQuery,
    access=Access.USERS,
    path={"id": MOVIE_REF},
    errors=(404,),
)
GET_MY_MOVIES = Endpoint(
    operation_id="getMyMovies",
    summary="Get your relation to several movies",
    tag="Diary",
    answer=MyMoviesOut,
    query=MyMoviesQuery,
    access=Access.USERS,
)


@get("/me/movies/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_MY_MOVIE))
def get_my_movie(
    request: HttpRequest,
    caller: Injected[Caller],
    get_relation: Injected[relations.GetRelation],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """Get your rating of a movie, its item on your watchlist, and how often you have seen it.

    The rating and the item are null if there is none.
    """
    query = parse_query(MyMovieQuery, request)
    language = negotiate(request.scope, unset_to_none(query.language))
    relation = get_relation(user=caller.user, movie=parse_movie_ref(request.path_params["id"]))
    relation = replace(relation, movie=translate_movies.one(relation.movie, language))
    return in_language(item_response(my_movie_out(relation, caller.user), query), language)


@get("/me/movies", sync_to_thread=True, opt=endpoint_opt(GET_MY_MOVIES))
def get_my_movies(
    request: HttpRequest,
    caller: Injected[Caller],
    get_relations: Injected[relations.GetRelations],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
) -> Response:
    """Get the same for many movies, each once, in the order in which they are named.

    Movies that are not in the catalogue are left out.
    """
    query = parse_query(MyMoviesQuery, request)
    language = negotiate(request.scope, unset_to_none(query.language))
    found = get_relations(user=caller.user, movies=query.movies)
    movies = translate_movies([each.movie for each in found], language)
    shown = [replace(each, movie=movie) for each, movie in zip(found, movies, strict=True)]
    rows = [select_fields(my_movie_out(each, caller.user), query.fields) for each in shown]
    return in_language(json_response({"data": rows}), language)


# Conversion


def my_movie_out(relation: relations.Relation, user: User) -> MyMovieOut:
    """Convert a user's relation to a movie."""
    rating, item, movie = relation.rating, relation.item, relation.movie
    return MyMovieOut(
        movie_id=movie.id,
        rating=rating_out(rating, movie, user) if rating else None,
        watchlist=item_out(item, movie, relation.genres) if item else None,
        viewings=viewing_summary_out(relation.viewings),
    )


def viewing_summary_out(summary: ViewingSummary) -> ViewingSummaryOut:
    """Convert a summary of viewings."""
    return ViewingSummaryOut(count=summary.count, last_watched_on=summary.last_watched_on)


ROUTES = (get_my_movie, get_my_movies)
