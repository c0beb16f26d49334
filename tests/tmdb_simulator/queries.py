"""Queries of the catalogue: /search/movie, /discover/movie, /find, and the daily file of all ids."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from .responses import Record, Response, encoded

EMPTY_RESULTS = ("person_results", "tv_results", "tv_episode_results", "tv_season_results")
"""The lists other than movies in a response of /find."""

EXPORT = re.compile(r"/p/exports/movie_ids_(\d\d)_(\d\d)_(\d{4})\.json\.gz")
GZIP = ("content-type", "application/gzip")


def search(movies: Iterable[Record], params: Mapping[str, str]) -> list[Record]:
    """The movies with all words of `query` in one of their titles."""
    words = _normalized(params.get("query", "")).split()
    year = params.get("primary_release_year") or params.get("year", "")
    adults = params.get("include_adult") == "true"
    return [
        movie
        for movie in movies
        if words
        and any(all(word in title for word in words) for title in _titles(movie))
        and _release_date(movie).startswith(year)
        and (adults or not movie.get("adult"))
    ]


def discover(movies: Iterable[Record], params: Mapping[str, str]) -> list[Record]:
    """The movies that match all filters. A movie without a date is in no period."""
    conditions: list[Callable[[Record], bool]] = [
        FILTERS[name](value) for name, value in params.items() if name in FILTERS
    ]
    if params.get("include_adult") != "true":
        conditions.append(lambda movie: not movie.get("adult"))
    if params.get("include_video") != "true":
        conditions.append(lambda movie: not movie.get("video"))
    return [movie for movie in movies if all(condition(movie) for condition in conditions)]


def find_by_external_id(movies: Iterable[Record], external_id: str, source: str) -> list[Record]:
    """The movies with this id at IMDb; other sources have no movies."""
    return [movie for movie in movies if source == "imdb_id" and movie.get("imdb_id") == external_id]


def export_day(path: str) -> date | None:
    """The date of the file of all ids that a path names, or None."""
    match = EXPORT.fullmatch(path)
    return date(int(match[3]), int(match[1]), int(match[2])) if match else None


def export(movies: Iterable[Record], broken: Iterable[bytes] = ()) -> Response:
    """The compressed file of all ids, one JSON object per line; the `broken` lines come first."""
    lines = [
        encoded(
            {
                "adult": bool(movie.get("adult")),
                "id": movie["id"],
                "original_title": movie.get("original_title") or movie.get("title"),
                "popularity": movie.get("popularity") or 0.0,
                "video": bool(movie.get("video")),
            }
        )
        for movie in movies
    ]
    return Response(
        200, gzip.compress(b"".join(line + b"\n" for line in [*broken, *lines]), mtime=0), (GZIP,)
    )


def _genres(wanted: str) -> Callable[[Record], bool]:
    numbers = {int(number) for number in re.split("[,|]", wanted)}
    if "|" in wanted:
        return lambda movie: not numbers.isdisjoint(movie.get("genre_ids") or ())
    return lambda movie: numbers.issubset(movie.get("genre_ids") or ())


FILTERS: Mapping[str, Callable[[str], Callable[[Record], bool]]] = {
    "primary_release_date.gte": lambda day: lambda movie: _release_date(movie) >= day,
    "primary_release_date.lte": lambda day: lambda movie: "" < _release_date(movie) <= day,
    "primary_release_year": lambda year: lambda movie: _release_date(movie).startswith(year),
    "vote_count.gte": lambda votes: lambda movie: (movie.get("vote_count") or 0) >= int(votes),
    "with_genres": _genres,
    "with_original_language": lambda code: lambda movie: movie.get("original_language") == code,
}


def _release_date(movie: Record) -> str:
    return str(movie.get("release_date") or "")


def _titles(movie: Record) -> list[str]:
    return [_normalized(str(movie[name])) for name in ("title", "original_title") if movie.get(name)]


def _normalized(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
