"""The calls that read movies."""

from litestar import get

from application.catalogue import BrowseMovies, GetMovie, SearchMovies
from entrypoints.http.caching import Caching, detail_key, list_key, search_key
from entrypoints.http.endpoints import MOVIE_REF, Access, Call, Given, described
from entrypoints.http.pagination import item_answer, movie_page, next_movies
from entrypoints.http.queries import BrowseQuery, MovieQuery, SearchQuery
from entrypoints.http.requests import HttpRequest, asked, listing_of
from entrypoints.http.responses import Answer
from entrypoints.http.schemas import MovieDetailOut, MovieOut, PageOut, movie_detail_out

LISTING = Call(
    operation_id="listMovies",
    summary="List movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=BrowseQuery,
    access=Access.READERS,
    linked=True,
    cached=list_key,
)
SEARCHING = Call(
    operation_id="searchMovies",
    summary="Search movies",
    tag="Movies",
    answer=PageOut[MovieOut],
    query=SearchQuery,
    access=Access.READERS,
    linked=True,
    cached=search_key,
)
SHOWING = Call(
    operation_id="getMovie",
    summary="Get a movie",
    tag="Movies",
    answer=MovieDetailOut,
    query=MovieQuery,
    path={"id": MOVIE_REF},
    access=Access.READERS,
    refusals=(404,),
    cached=detail_key,
)


@get("/movies", opt=described(LISTING))
async def get_movies(
    request: HttpRequest, browse_movies: Given[BrowseMovies], caching: Given[Caching]
) -> Answer:
    """List the movies of the catalogue, one page at a time, filtered and sorted.

    All filters must match. A movie that lacks the filtered value never matches: one without a release date is
    in no year. Movies with equal sort values are ordered by id, so pages neither overlap nor skip. `page`
    reaches the first 10,000 movies; `cursor` reaches all of them.
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
    """Search for movies by title or original title, best match first.

    Exact titles come first, then titles that begin with the text, then titles that contain all its words,
    then titles that differ by a typing error or two. Equal matches are ordered by popularity.
    A search finds the few hundred most popular movies of each kind of match.
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
    """Get one movie, with the distribution of its ratings."""
    query, ref = asked(MovieQuery, request), request.path_params["id"]

    def build() -> Answer:
        shown = get_movie(ref=ref)
        return item_answer(movie_detail_out(shown.movies[0], shown.genres), query)

    return await caching(query, build, request)
