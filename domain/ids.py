"""Ids: our own, which are 24 lower-case hex digits, and those of movies at TMDB and IMDb.

Our id of a movie or a genre is derived from its TMDB number, so it is the same in every store, and a movie
can refer to a genre that is not stored yet.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NewType

MovieId = NewType("MovieId", str)
GenreId = NewType("GenreId", str)
RunId = NewType("RunId", str)
UserId = NewType("UserId", str)
SessionId = NewType("SessionId", str)
ApiTokenId = NewType("ApiTokenId", str)
InvitationId = NewType("InvitationId", str)
RatingId = NewType("RatingId", str)
ItemId = NewType("ItemId", str)
ViewingId = NewType("ViewingId", str)
ImportId = NewType("ImportId", str)

OWN_ID = re.compile(r"[0-9a-f]{24}")
IMDB_ID = re.compile(r"tt[0-9]{7,10}")
MAX_TMDB_NUMBER = 2**31 - 1

_ADDRESS = re.compile(
    r"""
    (?: (?: https?:// )? (?: [a-z0-9-]+\. )? (?: imdb\.com (?: / [a-z]{2} (?: -[a-z]{2} )? )? /title/ ) )?
        (?P<imdb> tt[0-9]{7,10} ) (?: [/?#] .* )?
  | (?: https?:// )? (?: www\. )? themoviedb\.org /movie/ (?P<tmdb> [0-9]{1,10} ) (?: [-/?#] .* )?
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)

NewId = Callable[[], str]
"""Returns a new id: 24 lower-case hex digits, unique over all hosts."""


@dataclass(frozen=True, slots=True)
class TmdbNumber:
    """TMDB's number of a movie, as in https://www.themoviedb.org/movie/603."""

    value: int


@dataclass(frozen=True, slots=True)
class ImdbId:
    """IMDb's id of a movie, as in https://www.imdb.com/title/tt0133093."""

    value: str


MovieRef = MovieId | TmdbNumber | ImdbId
"""A reference to a movie, in one of the three forms that clients may use."""


def is_id(text: str) -> bool:
    """Whether a text has the form of one of our ids."""
    return OWN_ID.fullmatch(text) is not None


def movie_id(tmdb_number: int) -> MovieId:
    """Our id of the movie with a TMDB number."""
    return MovieId(_derived("movie", tmdb_number))


@lru_cache(maxsize=100)
def genre_id(tmdb_number: int) -> GenreId:
    """Our id of the genre with a TMDB number. TMDB has nineteen, of which every movie names some."""
    return GenreId(_derived("genre", tmdb_number))


def movie_ref(text: str) -> MovieRef | None:
    """Parse a reference to a movie: our id, a TMDB number (`603`) or an IMDb id (`tt0133093`).

    None if the text has none of the three forms.
    """
    if is_id(text):
        return MovieId(text)
    if IMDB_ID.fullmatch(text):
        return ImdbId(text)
    number = tmdb_number(text)
    return TmdbNumber(number) if number else None


def film_ref(text: str) -> MovieRef | None:
    """Parse a reference to a movie in any of the forms that people have at hand: those of `movie_ref` and of
    `movie_address`. None for any other text.
    """
    return movie_ref(text.strip()) or movie_address(text)


def movie_address(text: str) -> TmdbNumber | ImdbId | None:
    """Parse an IMDb id, or a movie's address at IMDb or TMDB as copied from a browser. None for any other
    text, also for a number alone.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        return None
    if match["imdb"]:
        return ImdbId(match["imdb"].lower())
    number = tmdb_number(match["tmdb"])
    return TmdbNumber(number) if number else None


def tmdb_number(text: str) -> int | None:
    """Parse a TMDB number, which is positive and has at most 31 bits; None if the text is not one."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_TMDB_NUMBER)):
        return None
    number = int(text)
    return number if 0 < number <= MAX_TMDB_NUMBER else None


def _derived(kind: str, number: int) -> str:
    return sha256(f"{kind}:{number}".encode()).hexdigest()[:24]
