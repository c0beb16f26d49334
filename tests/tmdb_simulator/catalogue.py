"""The movies of the simulator, and the responses of TMDB's API for them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from . import queries
from .movie_parts import PARTS, part
from .responses import Record, Response, error_response, json_lines, json_response

When: TypeAlias = int | str | date  # days ago, YYYY-MM-DD, a date or a datetime (which is a date)

POPULAR_PER_PAGE, CHANGES_PER_PAGE = 20, 100
LAST_PAGE = 500
MAX_RANGE = timedelta(days=15)  # exclusive: the whole days from one date to that 14 days later are shorter

GENRES = {
    28: "Action", 12: "Adventure", 16: "Animation", 35: "Comedy", 80: "Crime", 99: "Documentary", 18: "Drama",
    10751: "Family", 14: "Fantasy", 36: "History", 27: "Horror", 10402: "Music", 9648: "Mystery",
    10749: "Romance", 878: "Science Fiction", 10770: "TV Movie", 53: "Thriller", 10752: "War", 37: "Western",
}  # fmt: skip
# As at TMDB, the names in other languages are incomplete, and some have a trailing space.
GENRE_NAMES = {"da": {12: "Eventyr", 35: "Komedie", 36: "Historie "}, "de": {12: "Abenteuer", 35: "Komödie"}}

LIST_DEFAULTS: Record = {
    "adult": False, "backdrop_path": None, "genre_ids": [], "id": 0, "original_language": "xx",
    "original_title": "", "overview": "", "popularity": 0.0, "poster_path": None, "release_date": "",
    "title": "", "video": False, "vote_average": 0, "vote_count": 0,
}  # fmt: skip
DETAIL_DEFAULTS: Record = {
    "belongs_to_collection": None, "budget": 0, "homepage": "", "imdb_id": None, "origin_country": [],
    "production_companies": [], "production_countries": [], "revenue": 0, "runtime": 0,
    "spoken_languages": [], "status": "Released", "tagline": "",
}  # fmt: skip
MAX_APPENDED = 20
NOT_IN_LISTS = frozenset(DETAIL_DEFAULTS) | {"genres"}


def utc_now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of /movie/changes, and the time of the change."""

    id: int
    adult: bool | None
    at: datetime


class Catalogue:
    """Movies by TMDB number. Any thread may read and change it.

    A record has the fields of an entry of a list, and others of the details. Missing fields have default
    values. Fields that begin with an underscore are not part of responses: `_changed` (days ago, or
    YYYY-MM-DD) adds an entry to /movie/changes, `_deleted` removes the movie itself, and `_translations` maps
    a language to the fields that differ in it. The parts that can be appended to details are made from
    `_cast`, `_crew`, `_videos`, `_recommended` and `_translations` (see `movie_parts`). `claimed_pages`
    replaces `total_pages` of /movie/popular. As at TMDB, /movie/popular may contain adult movies.
    `export_days` are the dates for which there is a file of all ids, and `broken_lines` the first lines of
    each.
    """

    def __init__(
        self,
        movies: Iterable[Record] = (),
        *,
        genres: Mapping[int, str] | None = None,
        claimed_pages: int | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.movies: dict[int, Record] = {}
        self.changes: list[Change] = []
        self.genres = dict(GENRES if genres is None else genres)
        self.claimed_pages = claimed_pages
        self.export_days = {now().date()}
        self.broken_lines: list[bytes] = []
        self._now = now
        self._lock = threading.RLock()
        self._order: list[int] = []
        self._shifted = 0
        self._responses: dict[tuple[object, ...], Response] = {}
        self._sorted = True
        for movie in movies:
            self._store(movie)

    @classmethod
    def load(cls, path: Path) -> Catalogue:
        """Read a .jsonl or .jsonl.gz file, with one movie per line."""
        return cls(json_lines(path))

    def add(self, movie: Record, *, when: When = 0) -> None:
        """Add or replace a movie, and add the change to the changes."""
        with self._lock:
            self._store({"_changed": when} | movie)

    def change(self, number: int, /, *, when: When = 0, **fields: Any) -> None:
        """Change fields of a movie. Raises LookupError if there is no such movie."""
        with self._lock:
            self.add(self._existing(number) | fields | {"_changed": when})

    def delete(self, number: int, /, *, when: When = 0) -> None:
        """Delete a movie; its changes remain. Raises LookupError if there is no such movie."""
        with self._lock:
            self._existing(number)
            self._store({"id": number, "_deleted": True, "_changed": when})

    def add_genre(self, number: int, name: str) -> None:
        """Add a genre to the list of genres."""
        with self._lock:
            self.genres[number] = name
            self._responses.clear()

    def shift(self, by: int) -> None:
        """Rotate the popular list by `by` movies, backward if negative.

        Forward, a client that reads page by page misses `by` movies at the next page, and reads the first
        ones again at the end. Backward, it reads the last ones again at the next page, and misses the end.
        """
        with self._lock:
            self._shifted += by
            self._responses.clear()

    def popular_numbers(self) -> list[int]:
        """The current popular list, sorted approximately by popularity."""
        with self._lock:
            self._sort()
            start = self._shifted % len(self._order) if self._order else 0
            return self._order[start:] + self._order[:start]

    def respond(self, path: str, params: Mapping[str, str]) -> Response:
        """The response of TMDB to a GET request for a path, which is without the prefix /3."""
        if path == "/movie/changes":
            return self._changes_response(params)  # not cached, since "the last 24 hours" depend on the time
        key = (path, frozenset(params.items()))
        with self._lock:
            self._sort()
            if key not in self._responses:
                self._responses[key] = self._build_response(path, params)
            return self._responses[key]

    def export(self, day: date) -> Response | None:
        """The file of all ids of a day, or None if the day is not one of `export_days`."""
        if day not in self.export_days:
            return None
        with self._lock:
            return queries.export(self.movies.values(), self.broken_lines)

    def _build_response(self, path: str, params: Mapping[str, str]) -> Response:
        language = params.get("language", "")
        match path.strip("/").split("/"):
            case ["genre", "movie", "list"]:
                genres = [
                    {"id": number, "name": self._genre_name(number, language)} for number in self.genres
                ]
                return json_response({"genres": genres}, max_age=28800)
            case ["movie", "popular"]:
                return self._popular_response(params.get("page", "1"), language)
            case ["search", "movie"]:
                return self._list_response(queries.search(self._in_order(), params), params, pages_if_empty=0)
            case ["discover", "movie"]:
                return self._list_response(queries.discover(self._in_order(), params), params)
            case ["find", external_id]:
                movies = queries.find_by_external_id(
                    self._in_order(), external_id, params.get("external_source", "")
                )
                rows = [_list_item(movie, language) | {"media_type": "movie"} for movie in movies]
                return json_response({"movie_results": rows} | {key: [] for key in queries.EMPTY_RESULTS})
            case ["movie", name] if (movie := self._movie_or_none(name)) is not None:
                return self._details_response(movie, params)
            case ["movie", name, *words] if (movie := self._movie_or_none(name)) and "/".join(words) in PARTS:
                return json_response({"id": movie["id"]} | self._part("/".join(words), movie, params))
            case _:
                return error_response(34)

    def _popular_response(self, page: str, language: str) -> Response:
        numbers = self.popular_numbers()
        items = [
            _list_item(self.movies[number], language) for number in _slice(numbers, page, POPULAR_PER_PAGE)
        ]
        return _page_response(items, page, len(numbers), POPULAR_PER_PAGE, self.claimed_pages)

    def _in_order(self) -> list[Record]:
        return [self.movies[number] for number in self.popular_numbers()]

    def _list_response(
        self, movies: list[Record], params: Mapping[str, str], *, pages_if_empty: int = 1
    ) -> Response:
        """A page of a list. Its total_pages is `pages_if_empty` if the list is empty."""
        page, language = params.get("page", "1"), params.get("language", "")
        items = [_list_item(movie, language) for movie in _slice(movies, page, POPULAR_PER_PAGE)]
        return _page_response(items, page, len(movies), POPULAR_PER_PAGE, None if movies else pages_if_empty)

    def _details_response(self, movie: Record, params: Mapping[str, str]) -> Response:
        language, appended = params.get("language", ""), params.get("append_to_response", "").split(",")
        if len(appended) > MAX_APPENDED:
            return error_response(27)
        details = (
            LIST_DEFAULTS
            | DETAIL_DEFAULTS
            | {"original_title": movie.get("title")}
            | _localized(movie, language)
        )
        numbers = details.pop("genre_ids") or ()
        details["genres"] = [{"id": number, "name": self._genre_name(number, language)} for number in numbers]
        # Parts that TMDB does not know are ignored.
        details |= {name: self._part(name, movie, params) for name in appended if name in PARTS}
        return json_response(details, max_age=28800)

    def _part(self, name: str, movie: Record, params: Mapping[str, str]) -> Record:
        """A part of a movie that has its own path, and can be appended to the details."""
        language = params.get("language", "")
        rows = [_list_item(self.movies[number], language)
                for number in movie.get("_recommended", ()) if number in self.movies]  # fmt: skip
        return part(name, movie, params, rows)

    def _changes_response(self, params: Mapping[str, str]) -> Response:
        page = params.get("page", "1")
        try:
            first, last = self._time_range(params.get("start_date"), params.get("end_date"))
        except ValueError:
            return error_response(23)
        if last - first >= MAX_RANGE:
            return error_response(20)
        with self._lock:
            self._sort()
            # Only the last change of each movie is listed, the newest first.
            latest = {change.id: change for change in self.changes if first <= change.at <= last}
        newest = sorted(latest.values(), key=lambda change: (change.at, change.id), reverse=True)
        items = [
            {"id": change.id, "adult": change.adult} for change in _slice(newest, page, CHANGES_PER_PAGE)
        ]
        return _page_response(items, page, len(newest), CHANGES_PER_PAGE)

    def _time_range(self, start_date: str | None, end_date: str | None) -> tuple[datetime, datetime]:
        """The time from the beginning of one day to the end of another; by default the last 24 hours."""
        last = _as_datetime(_day(end_date)) + timedelta(days=1, microseconds=-1) if end_date else self._now()
        return (_as_datetime(_day(start_date)) if start_date else last - timedelta(days=1)), last

    def _store(self, movie: Record) -> None:
        self._sorted = False
        number = movie["id"]
        deleted = movie.get("_deleted", False)
        if deleted:
            self.movies.pop(number, None)
        else:
            self.movies[number] = {
                name: value for name, value in movie.items() if name not in ("_changed", "_deleted")
            }
        if (when := movie.get("_changed")) is not None:
            # As at TMDB, null if the movie was deleted, and for some movies that were not.
            adult = None if deleted or number % 10 == 7 else bool(movie.get("adult"))
            self.changes.append(Change(number, adult, self._time(when)))

    def _time(self, when: When) -> datetime:
        if isinstance(when, int):
            return self._now() - timedelta(days=when)
        return _as_datetime(_day(when) if isinstance(when, str) else when)

    def _sort(self) -> None:
        """Sort movies and changes, and clear cached responses, if there were edits since the last time."""
        if self._sorted:
            return
        self._order = sorted(self.movies, key=lambda number: (-_sort_popularity(self.movies[number]), number))
        self.changes.sort(key=lambda change: change.at)
        self._responses.clear()
        self._sorted = True

    def _existing(self, number: int) -> Record:
        if number not in self.movies:
            raise LookupError(f"there is no movie {number} in the catalogue")
        return self.movies[number]

    def _movie_or_none(self, name: str) -> Record | None:
        return self.movies.get(int(name)) if re.fullmatch(r"[0-9]{1,18}", name) else None

    def _genre_name(self, number: int, language: str) -> str:
        own = GENRE_NAMES.get(language.partition("-")[0], {})
        return own.get(number) or self.genres.get(number) or f"Genre {number}"


def _sort_popularity(movie: Record) -> float:
    """The popularity with a deviation of at most an eighth: as at TMDB, lists are not sorted exactly."""
    popularity = movie.get("popularity")
    spread = (int(movie["id"]) * 2_654_435_761 % 2**32) / 2**32
    value = float(popularity) if isinstance(popularity, int | float) else 0.0
    return value * (0.875 + spread / 4)


def _localized(movie: Record, language: str) -> Record:
    """A movie without the fields that are not part of responses, and with those that differ in a language."""
    languages = movie.get("_translations") or {}
    own = languages.get(language) or languages.get(language.partition("-")[0]) or {}
    return {
        name: value
        for name, value in movie.items()
        if not name.startswith("_") and not name.endswith("_names")
    } | own


def _list_item(movie: Record, language: str) -> Record:
    fields = {name: value for name, value in _localized(movie, language).items() if name not in NOT_IN_LISTS}
    return LIST_DEFAULTS | {"original_title": movie.get("title")} | fields


def _page_number(page: str) -> int | None:
    return int(page) if re.fullmatch(r"[0-9]{1,9}", page) and 1 <= int(page) <= LAST_PAGE else None


def _slice(rows: list[Any], page: str, size: int) -> list[Any]:
    number = _page_number(page)
    return [] if number is None else rows[(number - 1) * size : number * size]


def _page_response(
    items: list[Record], page: str, total: int, size: int, claimed_pages: int | None = None
) -> Response:
    number = _page_number(page)
    if number is None:
        return error_response(22)
    # As at TMDB, the number of pages is not limited to the 500 that can be read.
    pages = max(1, -(-total // size)) if claimed_pages is None else claimed_pages
    # As at TMDB, each page has a different maximum age.
    max_age = 600 + number * 7919 % 20000
    return json_response(
        {"page": number, "results": items, "total_pages": pages, "total_results": total}, max_age=max_age
    )


def _day(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"a date is written YYYY-MM-DD, not {text!r}")
    return date.fromisoformat(text)


def _as_datetime(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time(), UTC)
