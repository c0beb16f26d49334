"""References to movies: our id, the number at TMDB or the id at IMDb."""

from typing import Annotated

from domain.ids import ImdbId, MovieId, MovieRef, TmdbNumber, movie_id, movie_ref
from domain.movies import MovieNotFound
from entrypoints.http.endpoints import PathParameter
from entrypoints.validation import rule

MOVIE_REF = PathParameter(
    description="Our id, the TMDB number (`603`) or the IMDb id (`tt0133093`) of the movie.", example="603"
)
MovieName = Annotated[
    str | int,
    rule(
        "must be text: our id, TMDB's number or the IMDb id of a movie",
        description='Our id, the TMDB number (`"603"` or `603`) or the IMDb id (`"tt0133093"`).',
        examples=["603"],
    ),
]


def parse_movie_ref(name: str | int) -> MovieRef:
    """Parse a reference to a movie. Raises MovieNotFound if it has none of the forms of one."""
    ref = movie_ref(str(name))
    if ref is None:
        raise MovieNotFound(name)
    return ref


def derived_id(ref: str) -> MovieId | None:
    """Our id for a reference; None for an IMDb id, which only the store can resolve."""
    parsed = movie_ref(ref)
    if isinstance(parsed, TmdbNumber):
        return movie_id(parsed.value)
    return None if isinstance(parsed, ImdbId) else parsed
