"""The parts of a movie that can be appended to its details, and that have paths of their own.

`/movie/7?append_to_response=credits,videos` has the keys `credits` and `videos`; the same values, with the
number of the movie, are at `/movie/7/credits` and `/movie/7/videos`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .answers import Record

Rows = Sequence[Record]  # the recommended movies as rows of a list


def part(name: str, movie: Record, params: Mapping[str, str], rows: Rows) -> Record:
    """A part of a movie, without the movie's number."""
    return PARTS[name](movie, params, rows)


def _credits(movie: Record, _: Mapping[str, str], __: Rows) -> Record:
    """`_cast` has names, pairs of name and character, or whole entries; `_crew` has them with jobs."""
    cast = [_person(each, "character", place) | {"order": place}
            for place, each in enumerate(movie.get("_cast", ()))]  # fmt: skip
    crew = [_person(each, "job", place) for place, each in enumerate(movie.get("_crew", ()))]
    return {"cast": cast, "crew": [{"department": "Directing"} | each for each in crew]}


def _person(entry: Any, role: str, place: int) -> Record:
    if isinstance(entry, dict):
        return entry
    name, does = (entry, "") if isinstance(entry, str) else entry
    known = {"adult": False, "gender": 0, "id": 1000 + place, "original_name": name, "popularity": 0.5}
    return known | {"profile_path": None, "name": name, role: does}


def _videos(movie: Record, params: Mapping[str, str], _: Rows) -> Record:
    """`_videos` has entries; those in another language than that of the request are left out."""
    language = (params.get("language") or "en").partition("-")[0]
    defaults = {"iso_639_1": "en", "iso_3166_1": "US", "site": "YouTube", "type": "Trailer", "official": True}
    videos = [defaults | each for each in movie.get("_videos", ())]
    return {"results": [each for each in videos if each["iso_639_1"] == language]}


def _recommendations(_: Record, __: Mapping[str, str], rows: Rows) -> Record:
    """`_recommended` has numbers; movies that are not in the catalogue are left out."""
    results = [{"media_type": "movie"} | row for row in rows[:20]]
    return {
        "page": 1,
        "results": results,
        "total_pages": max(1, -(-len(rows) // 20)),
        "total_results": len(rows),
    }


def _translations(movie: Record, _: Mapping[str, str], __: Rows) -> Record:
    """`_translations` has the fields that differ, by language (`de`) or language and country (`de-AT`). What
    is missing is empty, as at TMDB.
    """
    empty = {"homepage": "", "overview": "", "runtime": 0, "tagline": "", "title": ""}
    return {
        "translations": [
            {
                "iso_639_1": language.partition("-")[0],
                "iso_3166_1": language.partition("-")[2] or language.upper(),
                "name": language,
                "english_name": language,
                "data": empty | {name: value for name, value in fields.items() if name in empty},
            }
            for language, fields in (movie.get("_translations") or {}).items()
        ]
    }


PARTS: Mapping[str, Callable[[Record, Mapping[str, str], Rows], Record]] = {
    "credits": _credits,
    "videos": _videos,
    "recommendations": _recommendations,
    "translations": _translations,
}
