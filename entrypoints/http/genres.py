"""The calls that read genres."""

from litestar import get

from application.catalogue import BrowseMovies, GetGenre, PageGenres
from entrypoints.http.caching import Caching, genres_key, list_key
from entrypoints.http.endpoints import GENRE_REF, Access, Call, Given, described
from entrypoints.http.pagination import item_answer, meta_of, movie_page, next_movies, paged
from entrypoints.http.queries import GenreMoviesQuery, GenreQuery, GenresQuery
from entrypoints.http.requests import HttpRequest, asked, listing_of
from entrypoints.http.responses import Answer
from entrypoints.http.schemas import GenreOut, MovieOut, PageOut, genre_out

PATH = {"id": GENRE_REF}
LISTING = Call(
    operation_id="listGenres",
    summary="List genres",
    tag="Genres",
    answer=PageOut[GenreOut],
    query=GenresQuery,
    access=Access.READERS,
    linked=True,
    cached=genres_key,
)
SHOWING = Call(
    operation_id="getGenre",
    summary="Get a genre",
    tag="Genres",
    answer=GenreOut,
    query=GenreQuery,
    path=PATH,
    access=Access.READERS,
    refusals=(404,),
)
BROWSING = Call(
    operation_id="listGenreMovies",
    summary="List the movies of a genre",
    tag="Genres",
    answer=PageOut[MovieOut],
    query=GenreMoviesQuery,
    path=PATH,
    access=Access.READERS,
    refusals=(404,),
    linked=True,
    cached=list_key,
)


@get("/genres", opt=described(LISTING))
async def get_genres(request: HttpRequest, page_genres: Given[PageGenres], caching: Given[Caching]) -> Answer:
    """List all genres by name."""
    query, listing = asked(GenresQuery, request), listing_of(request)

    def build() -> Answer:
        page = page_genres(window=query.window(listing))
        meta = meta_of(query, listing, page, lambda genre: genre.place)
        return paged(PageOut(data=[genre_out(genre) for genre in page.rows], meta=meta), query, request)

    return await caching(query, build, request)


@get("/genres/{id:str}", sync_to_thread=True, opt=described(SHOWING))
def get_genre_by_id(request: HttpRequest, get_genre: Given[GetGenre]) -> Answer:
    """Get one genre."""
    query = asked(GenreQuery, request)
    return item_answer(genre_out(get_genre(ref=request.path_params["id"])), query)


@get("/genres/{id:str}/movies", opt=described(BROWSING))
async def get_genre_movies(
    request: HttpRequest,
    get_genre: Given[GetGenre],
    browse_movies: Given[BrowseMovies],
    caching: Given[Caching],
) -> Answer:
    """List the movies of one genre, with the filters and sort orders of the list of all movies."""
    query, listing = asked(GenreMoviesQuery, request), listing_of(request)

    def build() -> Answer:
        wanted, window = query.wanted(get_genre(ref=request.path_params["id"]).id), query.window(listing)
        shown = browse_movies(wanted=wanted, genre=None, sorting=query.sorting, window=window)
        return movie_page(shown, query, next_movies(shown, query, listing), request)

    return await caching(query, build, request)
