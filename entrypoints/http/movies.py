"""The calls that read movies."""

from litestar import get

from application.catalogue import BrowseMovies, GetMovie, SearchMovies
from entrypoints.http.answers import Answer, json_answer
from entrypoints.http.asking import HttpRequest, asked
from entrypoints.http.caching import Caching, detail_key, list_key, search_key
from entrypoints.http.calls import Access, Call, Given, described
from entrypoints.http.paging import movie_page, narrowed
from entrypoints.http.queries import BrowseQuery, MovieQuery, SearchQuery, known
from entrypoints.http.schemas import MovieDetailOut, MovieOut, PageOut, movie_detail_out

LISTING = Call(
    summary="List movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=BrowseQuery,
    access=Access.READERS,
    linked=True,
    cached=True,
)
SEARCHING = Call(
    summary="Search movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=SearchQuery,
    access=Access.READERS,
    linked=True,
    cached=True,
)
SHOWING = Call(
    summary="Show a movie",
    tag="Movies",
    answer=MovieDetailOut,
    query=MovieQuery,
    path={"id": "Our id, TMDB's number (`603`) or the IMDb id (`tt0133093`)."},
    access=Access.READERS,
    refusals=(404,),
    cached=True,
)


@get("/movies", opt=described(LISTING))
async def get_movies(
    request: HttpRequest, browse_movies: Given[BrowseMovies], caching: Given[Caching]
) -> Answer:
    """The catalogue, filtered and sorted, page by page.

    All filters must hold, and what is unknown of a movie meets none. Ties are broken by id, so pages neither
    overlap nor skip. Go on by `page` for the first 10,000 rows, or by `cursor` without end.
    """
    query, path = asked(BrowseQuery, request), request.scope["path"]

    def build() -> Answer:
        wanted, window = query.wanted(), query.window(path)
        shown = browse_movies(wanted=wanted, genre=query.chosen, sorting=query.sorting, window=window)
        return movie_page(shown, query, request)

    return await caching(list_key(query, request), build, request)


@get("/movies/search", opt=described(SEARCHING))
async def get_movies_search(
    request: HttpRequest, search_movies: Given[SearchMovies], caching: Given[Caching]
) -> Answer:
    """Movies by title or original title, best match first: exact, beginnings, all words, near misses."""
    query = asked(SearchQuery, request)

    def build() -> Answer:
        shown = search_movies(text=query.q, window=query.window(request.scope["path"]))
        return movie_page(shown, query, request)

    return await caching(search_key(query.q, query, request), build, request)


@get("/movies/{id:str}", opt=described(SHOWING))
async def get_movie_by_id(
    request: HttpRequest, get_movie: Given[GetMovie], caching: Given[Caching]
) -> Answer:
    """One movie, with how our users rate it."""
    query, ref = asked(MovieQuery, request), request.path_params["id"]

    def build() -> Answer:
        shown = get_movie(ref=ref)
        return json_answer(narrowed(movie_detail_out(shown.movies[0], shown.genres), query.fields))

    return await caching(detail_key(ref, known(query.fields) or ""), build, request)
