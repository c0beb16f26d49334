"""The calls that read movies."""

from litestar import get

from application.catalogue import BrowseMovies, GetMovie, SearchMovies
from entrypoints.http.answers import Answer, json_answer
from entrypoints.http.asking import HttpRequest, asked, listing_of
from entrypoints.http.caching import Caching, detail_key, list_key, search_key
from entrypoints.http.calls import Access, Call, Given, described
from entrypoints.http.paging import movie_page, narrowed, next_movies
from entrypoints.http.queries import BrowseQuery, MovieQuery, SearchQuery
from entrypoints.http.schemas import MovieDetailOut, MovieOut, PageOut, movie_detail_out

LISTING = Call(
    summary="List movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=BrowseQuery,
    access=Access.READERS,
    linked=True,
    cached=list_key,
)
SEARCHING = Call(
    summary="Search movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=SearchQuery,
    access=Access.READERS,
    linked=True,
    cached=search_key,
)
SHOWING = Call(
    summary="Show a movie",
    tag="Movies",
    answer=MovieDetailOut,
    query=MovieQuery,
    path={"id": "Our id, TMDB's number (`603`) or the IMDb id (`tt0133093`)."},
    access=Access.READERS,
    refusals=(404,),
    cached=detail_key,
)


@get("/movies", opt=described(LISTING))
async def get_movies(
    request: HttpRequest, browse_movies: Given[BrowseMovies], caching: Given[Caching]
) -> Answer:
    """The catalogue, filtered and sorted, page by page.

    All filters must hold, and what is unknown of a movie meets none. Ties are broken by id, so pages neither
    overlap nor skip. Go on by `page` for the first 10,000 rows, or by `cursor` without end.
    """
    query, listing = asked(BrowseQuery, request), listing_of(request)

    def build() -> Answer:
        wanted, window = query.wanted(), query.window(listing)
        shown = browse_movies(wanted=wanted, genre=query.chosen, sorting=query.sorting, window=window)
        return movie_page(shown, query, next_movies(shown, query, listing), request)

    return await caching(query, build, request)


@get("/movies/search", opt=described(SEARCHING))
async def get_movies_search(
    request: HttpRequest, search_movies: Given[SearchMovies], caching: Given[Caching]
) -> Answer:
    """Movies by title or original title, best match first: exact, beginnings, all words, near misses.

    A search finds the most popular few hundred movies of each kind of match; `page` and `cursor` reach all
    that it finds.
    """
    query, listing = asked(SearchQuery, request), listing_of(request)

    def build() -> Answer:
        found = search_movies(text=query.q, limit=query.limit, skip=query.skip, after=query.after(listing))
        token = query.token(found.last, listing) if found.more and found.last else None
        return movie_page(found, query, token, request)

    return await caching(query, build, request)


@get("/movies/{id:str}", opt=described(SHOWING))
async def get_movie_by_id(
    request: HttpRequest, get_movie: Given[GetMovie], caching: Given[Caching]
) -> Answer:
    """One movie, with how our users rate it."""
    query, ref = asked(MovieQuery, request), request.path_params["id"]

    def build() -> Answer:
        shown = get_movie(ref=ref)
        return json_answer(narrowed(movie_detail_out(shown.movies[0], shown.genres), query.fields))

    return await caching(query, build, request)
