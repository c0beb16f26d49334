"""Identities: opaque 24 lower-case hex digits, and the two numbering systems that the world uses for movies.

The id of a movie or a genre is derived from its TMDB number, so every store, every host and every restart
gives the same movie the same id, and a movie may refer to a genre before that genre has arrived.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import NewType

MovieId = NewType("MovieId", str)
GenreId = NewType("GenreId", str)
RunId = NewType("RunId", str)
UserId = NewType("UserId", str)
SessionId = NewType("SessionId", str)
InvitationId = NewType("InvitationId", str)
RatingId = NewType("RatingId", str)
ItemId = NewType("ItemId", str)

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
"""Makes a fresh id: 24 lower-case hex digits, never the same twice on any host."""


@dataclass(frozen=True, slots=True)
class TmdbNumber:
    """TMDB's number of a movie, as in https://www.themoviedb.org/movie/603."""

    value: int


@dataclass(frozen=True, slots=True)
class ImdbId:
    """IMDb's id of a movie, as in https://www.imdb.com/title/tt0133093."""

    value: str


MovieRef = MovieId | TmdbNumber | ImdbId
"""Any of the three ways in which a client may name a movie."""


def is_id(text: str) -> bool:
    """Whether a text has the form of one of our ids."""
    return OWN_ID.fullmatch(text) is not None


def movie_id(tmdb_number: int) -> MovieId:
    """Our id of the movie that TMDB numbers so."""
    return MovieId(_derived("movie", tmdb_number))


def genre_id(tmdb_number: int) -> GenreId:
    """Our id of the genre that TMDB numbers so."""
    return GenreId(_derived("genre", tmdb_number))


def movie_ref(text: str) -> MovieRef | None:
    """Read a movie's name from a path: our id, a TMDB number (`603`) or an IMDb id (`tt0133093`).

    None if it has none of the three forms, so no movie can have that name.
    """
    if is_id(text):
        return MovieId(text)
    if IMDB_ID.fullmatch(text):
        return ImdbId(text)
    number = tmdb_number(text)
    return TmdbNumber(number) if number else None


def movie_address(text: str) -> TmdbNumber | ImdbId | None:
    """Read an IMDb id or a film's address at IMDb or TMDB, as people copy it from a browser; None for any
    other text, a bare number included.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        return None
    if match["imdb"]:
        return ImdbId(match["imdb"].lower())
    number = tmdb_number(match["tmdb"])
    return TmdbNumber(number) if number else None


def tmdb_number(text: str) -> int | None:
    """Read one of TMDB's numbers, which are positive and fit 31 bits; None if the text is none."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_TMDB_NUMBER)):
        return None
    number = int(text)
    return number if 0 < number <= MAX_TMDB_NUMBER else None


def _derived(kind: str, number: int) -> str:
    return sha256(f"{kind}:{number}".encode()).hexdigest()[:24]
