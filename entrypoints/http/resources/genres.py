"""Genres, and the movies of each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from litestar import get
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from application import catalogue
from domain.ids import UserId
from entrypoints.http.caching import Caching
from entrypoints.http.cursors import SortKey
from entrypoints.http.endpoints import Access, Endpoint, Injected, PathParameter, endpoint_opt
from entrypoints.http.field_selection import FieldsQuery, fields_rule, item_response
from entrypoints.http.languages import LanguageNegotiation
from entrypoints.http.pagination import PageQuery, parse_page
from entrypoints.http.requests import HttpRequest, caller_of, parse_query
from entrypoints.http.resources.movies import (
    GenreMoviesQuery,
    GenreOut,
    MovieOut,
    genre_out,
    list_key,
    sorted_page,
)
from entrypoints.http.responses import Response
from entrypoints.http.schemas import PageOut


class CountedGenreOut(GenreOut, frozen=True, kw_only=True):
    """A genre with the number of its movies."""

    movies_count: Annotated[
        int, Meta(description="How many movies of it there are in lists.", ge=0, examples=[42])
    ]


GENRE_REF = PathParameter(
    description="Our id, the TMDB number (`878`) or the name, in any case, of the genre.", example="878"
)
GenreFields = Annotated[str, fields_rule(CountedGenreOut, "each genre")]


class GenreQuery(FieldsQuery, frozen=True, kw_only=True):
    """The parameters of one genre."""

    fields: GenreFields | UnsetType = UNSET


class GenresQuery(PageQuery, frozen=True, kw_only=True):
    """The parameters of the list of genres."""

    fields: GenreFields | UnsetType = UNSET

    @property
    def sort_key(self) -> SortKey:
        """Genres are sorted by name."""
        return SortKey.TEXT


def genres_key(query: GenresQuery, path: Mapping[str, str], owner: UserId | None) -> str:  # noqa: ARG001
    """`genres:all`."""
    return "genres:all"


LIST_GENRES = Endpoint(
    operation_id="listGenres",
    summary="List genres",
    tag="Genres",
    answer=PageOut[CountedGenreOut],
    query=GenresQuery,
    access=Access.READERS,
    linked=True,
    cached=genres_key,
)
GET_GENRE = Endpoint(
    operation_id="getGenre",
    summary="Get a genre",
    tag="Genres",
    answer=CountedGenreOut,
    query=GenreQuery,
    path={"id": GENRE_REF},
    access=Access.READERS,
    errors=(404,),
)
LIST_GENRE_MOVIES = Endpoint(
    operation_id="listGenreMovies",
    summary="List the movies of a genre",
    tag="Genres",
    answer=PageOut[MovieOut],
    query=GenreMoviesQuery,
    path={"id": GENRE_REF},
    access=Access.READERS,
    errors=(404,),
    linked=True,
    cached=list_key,
)


@get("/genres", opt=endpoint_opt(LIST_GENRES))
async def get_genres(
    request: HttpRequest, list_genres: Injected[catalogue.ListGenres], caching: Injected[Caching]
) -> Response:
    """List all genres by name."""
    page = parse_page(GenresQuery, request)

    def build() -> Response:
        genres = list_genres(window=page.window)
        meta = page.meta(genres, lambda genre: genre.cursor)
        return page.response(PageOut(data=list(map(counted_genre_out, genres.rows)), meta=meta))

    return await caching(page.query, build, request)


@get("/genres/{id:str}", sync_to_thread=True, opt=endpoint_opt(GET_GENRE))
def get_genre_by_id(request: HttpRequest, get_genre: Injected[catalogue.GetGenre]) -> Response:
    """Get one genre."""
    query = parse_query(GenreQuery, request)
    return item_response(counted_genre_out(get_genre(ref=request.path_params["id"])), query)


@get("/genres/{id:str}/movies", opt=endpoint_opt(LIST_GENRE_MOVIES))
async def get_genre_movies(
    request: HttpRequest,
    get_genre: Injected[catalogue.GetGenre],
    browse_movies: Injected[catalogue.BrowseMovies],
    translate_movies: Injected[catalogue.TranslateMovies],
    negotiate: Injected[LanguageNegotiation],
    caching: Injected[Caching],
) -> Response:
    """List the movies of one genre, with the filters and sort orders of the list of all movies."""
    page = parse_page(GenreMoviesQuery, request)
    query, wanted = page.query, page.query.movie_filter(caller_of(request))
    language = negotiate(request.scope, query.text_language)

    def build() -> Response:
        genre = get_genre(ref=request.path_params["id"])
        shown = browse_movies(
            wanted=replace(wanted, all_genres=frozenset({genre.genre.id})),
            genre=None,
            sorting=query.sorting,
            window=page.window,
        )
        return sorted_page(shown, page, translate_movies(shown.movies, language))

    return await caching(query, build, request, language)


def counted_genre_out(counted: catalogue.CountedGenre) -> CountedGenreOut:
    """Convert a genre with its count."""
    return CountedGenreOut(**asdict(genre_out(counted.genre)), movies_count=counted.movies)


ROUTES = (get_genres, get_genre_by_id, get_genre_movies)
