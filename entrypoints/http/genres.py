"""The calls that read genres."""

from litestar import get

from application.catalogue import BrowseMovies, GetGenre, ListGenres
from entrypoints.http.answers import Answer, json_answer
from entrypoints.http.asking import HttpRequest, Query, asked
from entrypoints.http.caching import GENRES, Caching, list_key
from entrypoints.http.calls import Access, Call, Given, described
from entrypoints.http.paging import movie_page
from entrypoints.http.queries import GenreMoviesQuery
from entrypoints.http.schemas import GenreOut, GenresOut, MovieOut, PageOut, genre_out

PATH = {"id": "Our id, TMDB's number (`878`) or the name in any case."}
LISTING = Call(summary="List genres", tag="Genres", answer=GenresOut, access=Access.READERS, cached=True)
SHOWING = Call(
    summary="Show a genre", tag="Genres", answer=GenreOut, path=PATH, access=Access.READERS, refusals=(404,)
)
BROWSING = Call(
    summary="List the movies of a genre",
    tag="Genres",
    answer=PageOut[MovieOut],
    query=GenreMoviesQuery,
    path=PATH,
    access=Access.READERS,
    refusals=(404,),
    linked=True,
    cached=True,
)


@get("/genres", opt=described(LISTING))
async def get_genres(request: HttpRequest, list_genres: Given[ListGenres], caching: Given[Caching]) -> Answer:
    """All genres, by name."""
    asked(Query, request)

    def build() -> Answer:
        return json_answer(GenresOut(data=[genre_out(genre) for genre in list_genres()]))

    return await caching(GENRES, build, request)


@get("/genres/{id:str}", sync_to_thread=True, opt=described(SHOWING))
def get_genre_by_id(request: HttpRequest, get_genre: Given[GetGenre]) -> Answer:
    """One genre."""
    asked(Query, request)
    return json_answer(genre_out(get_genre(ref=request.path_params["id"])))


@get("/genres/{id:str}/movies", opt=described(BROWSING))
async def get_genre_movies(
    request: HttpRequest,
    get_genre: Given[GetGenre],
    browse_movies: Given[BrowseMovies],
    caching: Given[Caching],
) -> Answer:
    """The movies of one genre, with the filters and orders of the whole list."""
    query, path = asked(GenreMoviesQuery, request), request.scope["path"]

    def build() -> Answer:
        wanted, window = query.wanted(get_genre(ref=request.path_params["id"]).id), query.window(path)
        shown = browse_movies(wanted=wanted, genre=None, sorting=query.sorting, window=window)
        return movie_page(shown, query, request)

    return await caching(list_key(query, request), build, request)
