"""The parts of a movie that can be appended to its details, and that also have their own paths.

`/movie/7?append_to_response=credits,videos` has the keys `credits` and `videos`; the same values, with the
number of the movie, are at `/movie/7/credits` and `/movie/7/videos`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .responses import Record

Rows = Sequence[Record]  # the recommended movies, as in lists


def part(name: str, movie: Record, params: Mapping[str, str], rows: Rows) -> Record:
    """A part of a movie, without the number of the movie."""
    return PARTS[name](movie, params, rows)


def _credits(movie: Record, _: Mapping[str, str], __: Rows) -> Record:
    """`_cast` has names, pairs of name and character, or whole entries; `_crew` has them with jobs."""
    cast = [_person(entry, "character", index) | {"order": index}
            for index, entry in enumerate(movie.get("_cast", ()))]  # fmt: skip
    crew = [_person(entry, "job", index) for index, entry in enumerate(movie.get("_crew", ()))]
    return {"cast": cast, "crew": [{"department": "Directing"} | member for member in crew]}


def _person(entry: Any, role: str, index: int) -> Record:
    if isinstance(entry, dict):
        return entry
    name, value = (entry, "") if isinstance(entry, str) else entry
    defaults = {"adult": False, "gender": 0, "id": 1000 + index, "original_name": name, "popularity": 0.5}
    return defaults | {"profile_path": None, "name": name, role: value}


def _videos(movie: Record, params: Mapping[str, str], _: Rows) -> Record:
    """`_videos` has entries; those in another language than that of the request are omitted."""
    language = (params.get("language") or "en").partition("-")[0]
    defaults = {"iso_639_1": "en", "iso_3166_1": "US", "site": "YouTube", "type": "Trailer", "official": True}
    videos = [defaults | video for video in movie.get("_videos", ())]
    return {"results": [video for video in videos if video["iso_639_1"] == language]}


def _recommendations(_: Record, __: Mapping[str, str], rows: Rows) -> Record:
    """`_recommended` has numbers; movies that are not in the catalogue are omitted."""
    results = [{"media_type": "movie"} | row for row in rows[:20]]
    return {
        "page": 1,
        "results": results,
        "total_pages": max(1, -(-len(rows) // 20)),
        "total_results": len(rows),
    }


def _translations(movie: Record, _: Mapping[str, str], __: Rows) -> Record:
    """`_translations` has the fields that differ, by language (`de`) or language and country (`de-AT`).
    As at TMDB, missing fields are empty.
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
