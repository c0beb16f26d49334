"""Adding a film to the catalogue when somebody wants it."""

from dataclasses import dataclass
from typing import Annotated

from litestar import post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody

from application.additions import AddedMovie, AddMovie, FindHeld
from domain.errors import FaultCode, InvalidText
from domain.ids import film_ref
from domain.users import Caller, User
from entrypoints.http.endpoints import Access, Endpoint, Injected, endpoint_opt
from entrypoints.http.rate_limits import RateLimits
from entrypoints.http.requests import HttpRequest, parse_body
from entrypoints.http.resources.movies import MovieDetailOut, movie_detail_out
from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Body
from entrypoints.http.thread_pools import SourceThreads
from entrypoints.validation import rule

REF_RULE = "must be a TMDB number, an IMDb id, or the address of a film at either site"

FilmName = Annotated[
    str | int,
    rule(
        REF_RULE,
        description='The TMDB number (`"603"` or `603`), the IMDb id (`"tt0133093"`), or an address such as '
        "`https://www.themoviedb.org/movie/603-the-matrix` or `https://www.imdb.com/title/tt0133093/`.",
        examples=["tt0133093"],
    ),
]


class AddMovieIn(Body, frozen=True, kw_only=True):
    """A film to add."""

    ref: FilmName


ADD_MOVIE = Endpoint(
    operation_id="addMovie",
    summary="Add a movie from TMDB",
    tag="Movies",
    answer=MovieDetailOut,
    access=Access.USERS,
    body=AddMovieIn,
    successes=(200, 201),
    errors=(404, 409, 501, 502),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmAdder:
    """Adds films for users, within the limit of each. Who wants the same film at once shares a thread."""

    find_held: FindHeld
    add_movie: AddMovie
    source_threads: SourceThreads
    rate_limits: RateLimits

    async def __call__(self, name: str | int, request: HttpRequest, user: User) -> AddedMovie:
        """Raises InvalidText for what names no film, TooManyRequests, and the errors of AddMovie."""
        ref = film_ref(str(name))
        if ref is None:
            raise InvalidText("ref", REF_RULE, FaultCode.MALFORMED)
        held = await sync_to_thread(self.find_held, ref=ref)
        if held:
            return held
        await self.rate_limits.count_addition(request, user)
        return await self.source_threads.shared(ref, self.add_movie, ref=ref)


@post("/movies", opt=endpoint_opt(ADD_MOVIE))
async def post_movie(
    request: HttpRequest, body: RawBody, caller: Injected[Caller], add_film: Injected[FilmAdder]
) -> Response:
    """Add a film that the catalogue lacks: it is read from TMDB, and stored like the films of a sync.

    The status is 201 for a new movie and 200 for one that was there, so the request is safe to repeat. A user
    can add at most 200 films a day.
    """
    added = await add_film(parse_body(AddMovieIn, request, body).ref, request, caller.user)
    shown = movie_detail_out(added.movie, added.genres)
    return json_response(shown, status=201 if added.created else 200)


ROUTES = (post_movie,)
