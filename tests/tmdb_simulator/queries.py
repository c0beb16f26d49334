"""What the simulator finds: /search/movie, /discover/movie, /find, and the daily file of all ids."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from .answers import Answer, Record, encoded

NO_RESULTS = ("person_results", "tv_results", "tv_episode_results", "tv_season_results")
"""What /find names beside movies."""

EXPORT = re.compile(r"/p/exports/movie_ids_(\d\d)_(\d\d)_(\d{4})\.json\.gz")
GZIP = ("content-type", "application/gzip")


def searched(movies: Iterable[Record], params: Mapping[str, str]) -> list[Record]:
    """The movies with all words of `query` in one of their titles."""
    words = _plain(params.get("query", "")).split()
    year = params.get("primary_release_year") or params.get("year", "")
    adults = params.get("include_adult") == "true"
    return [
        movie
        for movie in movies
        if words
        and any(all(word in title for word in words) for title in _titles(movie))
        and _day(movie).startswith(year)
        and (adults or not movie.get("adult"))
    ]


def discovered(movies: Iterable[Record], params: Mapping[str, str]) -> list[Record]:
    """The movies that all filters admit. A movie without a date is in no period."""
    rules: list[Callable[[Record], bool]] = [
        FILTERS[name](value) for name, value in params.items() if name in FILTERS
    ]
    if params.get("include_adult") != "true":
        rules.append(lambda movie: not movie.get("adult"))
    if params.get("include_video") != "true":
        rules.append(lambda movie: not movie.get("video"))
    return [movie for movie in movies if all(rule(movie) for rule in rules)]


def found_by_id(movies: Iterable[Record], name: str, source: str) -> list[Record]:
    """The movies with that id at IMDb; other sources know none of ours."""
    return [movie for movie in movies if source == "imdb_id" and movie.get("imdb_id") == name]


def export_day(path: str) -> date | None:
    """The day of which a path names the file of all ids; None if it names none."""
    form = EXPORT.fullmatch(path)
    return date(int(form[3]), int(form[1]), int(form[2])) if form else None


def export(movies: Iterable[Record], broken: Iterable[bytes] = ()) -> Answer:
    """The packed file of all ids: a JSON object a line, in no useful order; `broken` lines come first."""
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
    return Answer(200, gzip.compress(b"".join(line + b"\n" for line in [*broken, *lines]), mtime=0), (GZIP,))


def _genres(wanted: str) -> Callable[[Record], bool]:
    numbers = {int(number) for number in re.split("[,|]", wanted)}
    if "|" in wanted:
        return lambda movie: not numbers.isdisjoint(movie.get("genre_ids") or ())
    return lambda movie: numbers.issubset(movie.get("genre_ids") or ())


FILTERS: Mapping[str, Callable[[str], Callable[[Record], bool]]] = {
    "primary_release_date.gte": lambda day: lambda movie: _day(movie) >= day,
    "primary_release_date.lte": lambda day: lambda movie: "" < _day(movie) <= day,
    "primary_release_year": lambda year: lambda movie: _day(movie).startswith(year),
    "vote_count.gte": lambda votes: lambda movie: (movie.get("vote_count") or 0) >= int(votes),
    "with_genres": _genres,
    "with_original_language": lambda code: lambda movie: movie.get("original_language") == code,
}


def _day(movie: Record) -> str:
    return str(movie.get("release_date") or "")


def _titles(movie: Record) -> list[str]:
    return [_plain(str(movie[name])) for name in ("title", "original_title") if movie.get(name)]


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
