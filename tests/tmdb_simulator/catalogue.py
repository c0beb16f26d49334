"""The movies that the simulator pretends TMDB holds, and what TMDB would answer about them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from . import queries
from .answers import Answer, Record, found, json_lines, refusal
from .parts import PARTS, part

When: TypeAlias = int | str | date  # days ago, YYYY-MM-DD, a day, or (a datetime is a date) a moment

POPULAR_PER_PAGE, CHANGES_PER_PAGE = 20, 100
LAST_PAGE = 500
TOO_LONG = timedelta(days=15)  # days that lie 14 apart, both of them whole, are still a little less

GENRES = {
    28: "Action", 12: "Adventure", 16: "Animation", 35: "Comedy", 80: "Crime", 99: "Documentary", 18: "Drama",
    10751: "Family", 14: "Fantasy", 36: "History", 27: "Horror", 10402: "Music", 9648: "Mystery",
    10749: "Romance", 878: "Science Fiction", 10770: "TV Movie", 53: "Thriller", 10752: "War", 37: "Western",
}  # fmt: skip
# Names by language are incomplete, and some carry a blank too many: so they are at TMDB.
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
MOST_APPENDED = 20
NOT_IN_LISTS = frozenset(DETAIL_DEFAULTS) | {"genres"}


def utc_now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of /movie/changes, and when it happened."""

    id: int
    adult: bool | None
    at: datetime


class Catalogue:
    """Movies by TMDB number, in list shape and more; it may be read and edited from any thread.

    A record may hold fewer keys than TMDB shows (defaults are shown) and keys of ours, never shown:
    `_changed` (days ago, or YYYY-MM-DD) puts the movie into /movie/changes, `_deleted` leaves nothing but
    that change, and `_translations` maps a language to the fields that differ in it. The parts that may be
    appended to details come from `_cast`, `_crew`, `_videos`, `_recommended` and `_translations` (`parts`).
    `claimed_pages` is what /movie/popular says in `total_pages` instead of the truth. Popular lists adult
    movies too: no filter upstream is to be relied on. `export_days` are those whose file of all ids is
    there, `broken_lines` stand at the head of each.
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
        self._turned = 0
        self._answers: dict[tuple[object, ...], Answer] = {}
        self._settled = True
        for movie in movies:
            self._hold(movie)

    @classmethod
    def load(cls, path: Path) -> Catalogue:
        """Read a .jsonl or .jsonl.gz file, one movie a line."""
        return cls(json_lines(path))

    def add(self, movie: Record, *, when: When = 0) -> None:
        """Put a movie in, or another in place of the one with its number, and say so in the changes."""
        with self._lock:
            self._hold({"_changed": when} | movie)

    def change(self, number: int, /, *, when: When = 0, **fields: Any) -> None:
        """Give a movie other values. Raises LookupError if there is no such movie."""
        with self._lock:
            self.add(self._known(number) | fields | {"_changed": when})

    def delete(self, number: int, /, *, when: When = 0) -> None:
        """Let a movie die: it is a 404 from now on, its change stays. Raises LookupError if there is none."""
        with self._lock:
            self._known(number)
            self._hold({"id": number, "_deleted": True, "_changed": when})

    def add_genre(self, number: int, name: str) -> None:
        """Let a genre arrive in the list of genres."""
        with self._lock:
            self.genres[number] = name
            self._answers.clear()

    def shift(self, by: int) -> None:
        """Move the popular list `by` places forward, in a ring; backward if negative.

        Forward, a reader misses so many at the next border and meets the first ones again at the end.
        Backward, the reader meets the last ones again at the next border and misses the end.
        """
        with self._lock:
            self._turned += by
            self._answers.clear()

    def popular_numbers(self) -> list[int]:
        """The popular list as it stands: by popularity, though not exactly."""
        with self._lock:
            self._settle()
            start = self._turned % len(self._order) if self._order else 0
            return self._order[start:] + self._order[:start]

    def answer(self, path: str, params: Mapping[str, str]) -> Answer:
        """What TMDB answers to a GET of this path (without the /3 in front)."""
        if path == "/movie/changes":
            return self._changes(params)  # never remembered: "the last 24 hours" move on
        key = (path, frozenset(params.items()))
        with self._lock:
            self._settle()
            if key not in self._answers:
                self._answers[key] = self._compose(path, params)
            return self._answers[key]

    def export(self, day: date) -> Answer | None:
        """The file of all ids of that day; None for days other than `export_days`."""
        if day not in self.export_days:
            return None
        with self._lock:
            return queries.export(self.movies.values(), self.broken_lines)

    def _compose(self, path: str, params: Mapping[str, str]) -> Answer:
        language = params.get("language", "")
        match path.strip("/").split("/"):
            case ["genre", "movie", "list"]:
                genres = [
                    {"id": number, "name": self._genre_name(number, language)} for number in self.genres
                ]
                return found({"genres": genres}, max_age=28800)
            case ["movie", "popular"]:
                return self._popular(params.get("page", "1"), language)
            case ["search", "movie"]:
                return self._listed(queries.searched(self._in_order(), params), params, none=0)
            case ["discover", "movie"]:
                return self._listed(queries.discovered(self._in_order(), params), params)
            case ["find", name]:
                movies = queries.found_by_id(self._in_order(), name, params.get("external_source", ""))
                rows = [_list_item(movie, language) | {"media_type": "movie"} for movie in movies]
                return found({"movie_results": rows} | {key: [] for key in queries.NO_RESULTS})
            case ["movie", name] if (movie := self._named(name)) is not None:
                return self._details(movie, params)
            case ["movie", name, *words] if (movie := self._named(name)) and "/".join(words) in PARTS:
                return found({"id": movie["id"]} | self._part("/".join(words), movie, params))
            case _:
                return refusal(34)

    def _popular(self, page: str, language: str) -> Answer:
        numbers = self.popular_numbers()
        items = [
            _list_item(self.movies[number], language) for number in _slice(numbers, page, POPULAR_PER_PAGE)
        ]
        return _page(items, page, len(numbers), POPULAR_PER_PAGE, self.claimed_pages)

    def _in_order(self) -> list[Record]:
        return [self.movies[number] for number in self.popular_numbers()]

    def _listed(self, movies: list[Record], params: Mapping[str, str], *, none: int = 1) -> Answer:
        """A page of a list, whose total_pages is `none` if it is empty."""
        page, language = params.get("page", "1"), params.get("language", "")
        items = [_list_item(movie, language) for movie in _slice(movies, page, POPULAR_PER_PAGE)]
        return _page(items, page, len(movies), POPULAR_PER_PAGE, None if movies else none)

    def _details(self, movie: Record, params: Mapping[str, str]) -> Answer:
        language, appended = params.get("language", ""), params.get("append_to_response", "").split(",")
        if len(appended) > MOST_APPENDED:
            return refusal(27)
        shown = (
            LIST_DEFAULTS | DETAIL_DEFAULTS | {"original_title": movie.get("title")} | _shown(movie, language)
        )
        numbers = shown.pop("genre_ids") or ()
        shown["genres"] = [{"id": number, "name": self._genre_name(number, language)} for number in numbers]
        # Parts that TMDB does not know are ignored.
        shown |= {name: self._part(name, movie, params) for name in appended if name in PARTS}
        return found(shown, max_age=28800)

    def _part(self, name: str, movie: Record, params: Mapping[str, str]) -> Record:
        """One of the parts of a movie that have a path of their own, and can be appended to its details."""
        language = params.get("language", "")
        rows = [_list_item(self.movies[number], language)
                for number in movie.get("_recommended", ()) if number in self.movies]  # fmt: skip
        return part(name, movie, params, rows)

    def _changes(self, params: Mapping[str, str]) -> Answer:
        page = params.get("page", "1")
        try:
            first, last = self._range(params.get("start_date"), params.get("end_date"))
        except ValueError:
            return refusal(23)
        if last - first >= TOO_LONG:
            return refusal(20)
        with self._lock:
            self._settle()
            # The last change of a movie stands for all of them, newest first.
            latest = {change.id: change for change in self.changes if first <= change.at <= last}
        newest = sorted(latest.values(), key=lambda change: (change.at, change.id), reverse=True)
        items = [
            {"id": change.id, "adult": change.adult} for change in _slice(newest, page, CHANGES_PER_PAGE)
        ]
        return _page(items, page, len(newest), CHANGES_PER_PAGE)

    def _range(self, start_date: str | None, end_date: str | None) -> tuple[datetime, datetime]:
        """Both days belong to the range whole; it ends now and is a day long where nothing else is said."""
        last = _moment(_day(end_date)) + timedelta(days=1, microseconds=-1) if end_date else self._now()
        return (_moment(_day(start_date)) if start_date else last - timedelta(days=1)), last

    def _hold(self, movie: Record) -> None:
        self._settled = False
        number = movie["id"]
        deleted = movie.get("_deleted", False)
        if deleted:
            self.movies.pop(number, None)
        else:
            self.movies[number] = {
                name: value for name, value in movie.items() if name not in ("_changed", "_deleted")
            }
        if (when := movie.get("_changed")) is not None:
            # Null where the movie is dead, and now and then where it is not.
            adult = None if deleted or number % 10 == 7 else bool(movie.get("adult"))
            self.changes.append(Change(number, adult, self._at(when)))

    def _at(self, when: When) -> datetime:
        if isinstance(when, int):
            return self._now() - timedelta(days=when)
        return _moment(_day(when) if isinstance(when, str) else when)

    def _settle(self) -> None:
        """Put everything in order after edits, once and only when somebody asks: many edits come together."""
        if self._settled:
            return
        self._order = sorted(self.movies, key=lambda number: (-_standing(self.movies[number]), number))
        self.changes.sort(key=lambda change: change.at)
        self._answers.clear()
        self._settled = True

    def _known(self, number: int) -> Record:
        if number not in self.movies:
            raise LookupError(f"there is no movie {number} in the catalogue")
        return self.movies[number]

    def _named(self, name: str) -> Record | None:
        return self.movies.get(int(name)) if re.fullmatch(r"[0-9]{1,18}", name) else None

    def _genre_name(self, number: int, language: str) -> str:
        own = GENRE_NAMES.get(language.partition("-")[0], {})
        return own.get(number) or self.genres.get(number) or f"Genre {number}"


def _standing(movie: Record) -> float:
    """Popularity, one eighth off at most either way: lists are not sorted by the number that they show."""
    popularity = movie.get("popularity")
    spread = (int(movie["id"]) * 2_654_435_761 % 2**32) / 2**32
    known = float(popularity) if isinstance(popularity, int | float) else 0.0
    return known * (0.875 + spread / 4)


def _shown(movie: Record, language: str) -> Record:
    """Without our own keys, and in another language what differs there."""
    languages = movie.get("_translations") or {}
    own = languages.get(language) or languages.get(language.partition("-")[0]) or {}
    return {
        name: value
        for name, value in movie.items()
        if not name.startswith("_") and not name.endswith("_names")
    } | own


def _list_item(movie: Record, language: str) -> Record:
    shown = {name: value for name, value in _shown(movie, language).items() if name not in NOT_IN_LISTS}
    return LIST_DEFAULTS | {"original_title": movie.get("title")} | shown


def _page_number(page: str) -> int | None:
    return int(page) if re.fullmatch(r"[0-9]{1,9}", page) and 1 <= int(page) <= LAST_PAGE else None


def _slice(rows: list[Any], page: str, size: int) -> list[Any]:
    number = _page_number(page)
    return [] if number is None else rows[(number - 1) * size : number * size]


def _page(items: list[Record], page: str, total: int, size: int, claimed_pages: int | None = None) -> Answer:
    number = _page_number(page)
    if number is None:
        return refusal(22)
    # As at TMDB, the number of pages is not held to the 500 that can be read.
    pages = max(1, -(-total // size)) if claimed_pages is None else claimed_pages
    # Every page of a list has an age of its own, for each was cached at another moment.
    max_age = 600 + number * 7919 % 20000
    return found(
        {"page": number, "results": items, "total_pages": pages, "total_results": total}, max_age=max_age
    )


def _day(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"a date is written YYYY-MM-DD, not {text!r}")
    return date.fromisoformat(text)


def _moment(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time(), UTC)
