"""The demo catalogue as a MovieSource: some 260 movies with overviews written for Matinee.

Directors, the main cast, and the names of some series are facts about the films. `popularity` is an estimate
of the authors, not TMDB's figure. There are no votes, pictures, trailers and recommendations. A later
sync from TMDB completes the same records, since both use TMDB's ids.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import cached_property
from importlib.resources import files
from typing import Any

from domain.discovery import Discovery
from domain.ids import ImdbId, genre_id
from domain.movies import CastMember, GenreFacts, MovieFacts
from domain.search import key
from domain.sync import ChangedIdsPage, Detail, ExportedIds, FetchFailed, GenreList, SourceName, SourcePage

PAGE_SIZE = 20

NOT_IN_CATALOGUE = "it is not in the demo catalogue; set TMDB_ACCESS_TOKEN to read it from TMDB"

GENRES = {
    28: "Action", 12: "Adventure", 16: "Animation", 35: "Comedy", 80: "Crime", 99: "Documentary",
    18: "Drama", 10751: "Family", 14: "Fantasy", 36: "History", 27: "Horror", 10402: "Music", 9648: "Mystery",
    10749: "Romance", 878: "Science Fiction", 10770: "TV Movie", 53: "Thriller", 10752: "War", 37: "Western",
}  # fmt: skip
"""TMDB's ids and English names of movie genres."""


class DemoMovieSource:
    """MovieSource over the bundled file; it never fails and sends no requests."""

    name = SourceName.DEMO
    max_pages = sys.maxsize
    details_version = "2"
    """It changes with every field that is added to the file."""

    changes_window = timedelta(days=14)
    """After a longer pause all films are read again, so changes in a new version are found."""

    def genres(self) -> GenreList:
        return GenreList(
            genres=tuple(GenreFacts(tmdb_id=number, name=name) for number, name in GENRES.items())
        )

    def popular(self, page: int) -> SourcePage:
        return _page(self._films, page)

    def search(self, text: str, *, year: int | None = None, page: int = 1) -> SourcePage:
        """Films with all words of the text in one of their titles; those who want more search the store."""
        words = key(text).split()
        return _page(
            [
                film
                for film in self._films
                if any(
                    all(word in key(title) for word in words) for title in (film.title, film.original_title)
                )
                and (year is None or (film.release_date is not None and film.release_date.year == year))
            ],
            page,
        )

    def find(self, imdb_id: ImdbId) -> MovieFacts | None:
        return next((film for film in self._films if film.imdb_id == imdb_id.value), None)

    def discover(self, wanted: Discovery, page: int) -> SourcePage:
        return _page([film for film in self._films if _matches(film, wanted)], page)

    def exported(self, min_popularity: float, day: date) -> ExportedIds:  # noqa: ARG002  the same every day
        popular = (film.tmdb_id for film in self._films if (film.popularity or 0) >= min_popularity)
        return ExportedIds(tmdb_ids=tuple(popular))

    def details(self, tmdb_ids: Iterable[int]) -> Iterator[Detail]:
        # A movie that is missing here may exist at TMDB, so it is not reported as removed.
        known = {film.tmdb_id: film for film in self._films}
        return (known.get(number, FetchFailed(number, NOT_IN_CATALOGUE)) for number in tmdb_ids)

    def changes(self, first: date, last: date, page: int) -> ChangedIdsPage:  # noqa: ARG002  nothing ever changes
        return ChangedIdsPage(total_pages=1, tmdb_ids=())

    def ping(self) -> None:
        pass

    def requests(self) -> int:
        return 0

    def close(self) -> None:
        pass

    @cached_property
    def _films(self) -> tuple[MovieFacts, ...]:
        """All movies, sorted by popularity, descending."""
        lines = files(__package__).joinpath("films.jsonl").read_text(encoding="utf-8").splitlines()
        films = (_film(json.loads(line)) for line in lines)
        return tuple(sorted(films, key=lambda film: -(film.popularity or 0)))


def _matches(film: MovieFacts, wanted: Discovery) -> bool:
    released, period, genres = film.release_date, wanted.period, wanted.genres
    chosen = set(map(genre_id, genres.numbers))
    return (
        (period.first is None or (released is not None and released >= period.first))
        and (period.last is None or (released is not None and released <= period.last))
        and (not chosen.isdisjoint(film.genres) if genres.any_of else chosen.issubset(film.genres))
        and wanted.language in (None, film.original_language)
        and (film.vote_count or 0) >= (wanted.min_votes or 0)
    )


def _page(films: Sequence[MovieFacts], page: int) -> SourcePage:
    start = (page - 1) * PAGE_SIZE
    return SourcePage(
        total_pages=-(-len(films) // PAGE_SIZE),
        movies=tuple(films[start : start + PAGE_SIZE]),
        total=len(films),
    )


def _film(row: dict[str, Any]) -> MovieFacts:
    return MovieFacts(
        **{
            **row,
            "release_date": date.fromisoformat(row["release_date"]),
            "genres": tuple(map(genre_id, row["genres"])),
            "directors": tuple(row["directors"]),
            "cast": tuple(CastMember(*member) for member in row["cast"]),
            "detailed": True,
            "details_version": DemoMovieSource.details_version,
        }
    )
