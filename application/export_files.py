"""Exports as tables: in the format that Letterboxd imports, and one table of everything."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, cast

from application.export import ExportedHidden, ExportedItems, ExportedPart, ExportedRatings, ExportedViewings
from domain.movies import Movie
from domain.ratings import Score

MAX_LETTERBOXD_BYTES = 1_000_000
"""Bytes of a file that Letterboxd imports: 1 MB."""

CHUNK_BYTES = 65_536
"""Bytes of a zip that are sent at a time."""

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula in a spreadsheet."""

LETTERBOXD_FILMS = (*("tmdbID", "imdbID", "Title", "Year", "Rating10", "WatchedDate", "Rewatch", "Review"),)
LETTERBOXD_WATCHLIST = ("tmdbID", "imdbID", "Title", "Year")

COLUMNS = (
    *("kind", "tmdb_id", "imdb_id", "title", "year", "rating", "review", "watched_on", "rewatch"),
    *("favorite", "note", "created_at", "updated_at"),
)
"""The columns of the one table."""


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_SIGNS) else text


def csv_line(cells: Iterable[object]) -> bytes:
    """A line of a table, in UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerow(list(cells))
    return text.getvalue().encode()


def safe_line(cells: Iterable[object]) -> bytes:
    """A line of a table that people open in a spreadsheet."""
    return csv_line(map(safe_cell, cells))


def table_chunks(parts: Iterable[ExportedPart]) -> Iterator[bytes]:
    """One table of all that a user has, a chunk for each part. The first has the headers."""
    prefix = csv_line(COLUMNS)
    for part in _tabular(parts):
        yield prefix + b"".join(safe_line(row) for row in _rows(part))
        prefix = b""
    if prefix:
        yield prefix


def _tabular(
    parts: Iterable[ExportedPart],
) -> Iterator[ExportedRatings | ExportedItems | ExportedViewings]:
    """The parts that tables have: all but movies that are hidden from recommendations."""
    return (part for part in parts if not isinstance(part, ExportedHidden))


def _rows(part: ExportedRatings | ExportedItems | ExportedViewings) -> Iterator[tuple[object, ...]]:
    movies = part.movies
    if isinstance(part, ExportedRatings):
        for rating in part.ratings:
            if rating.movie in movies:
                score = f"{rating.score.points:g}"
                yield (
                    *("rating", *_film(movies[rating.movie]), score, rating.review, None, None, None, None),
                    *_times(rating.created_at, rating.updated_at),
                )
    elif isinstance(part, ExportedItems):
        for item in part.items:
            if item.movie in movies:
                mark = str(item.is_favorite).lower()
                yield (
                    *("watchlist", *_film(movies[item.movie]), None, None, None, None, mark, item.note),
                    *_times(item.added_at, item.updated_at),
                )
    else:
        for viewing in part.viewings:
            if viewing.movie in movies:
                again = str(viewing.rewatch).lower()
                film = _film(movies[viewing.movie])
                yield (
                    *("viewing", *film, None, None, viewing.watched_on, again, None, viewing.note),
                    *_times(viewing.created_at, viewing.updated_at),
                )


def _film(movie: Movie) -> tuple[object, ...]:
    facts = movie.facts
    year = facts.release_date.year if facts.release_date else None
    return facts.tmdb_id, facts.imdb_id, facts.title, year


def _whole(score: Score) -> int:
    """A score in whole points, half up: Letterboxd takes no others of ten."""
    return (score.half_points + 1) // 2


def _times(*moments: object) -> tuple[str, ...]:
    return tuple(str(moment) for moment in moments)


@dataclass(slots=True)
class SplitTable:
    """A table in files that each have the headers and at most `MAX_LETTERBOXD_BYTES`."""

    name: str
    headers: tuple[str, ...]
    number: int = field(default=0, init=False)
    size: int = field(init=False)

    def add(self, cells: tuple[object, ...]) -> Iterator[tuple[str, bytes]]:
        """The pieces to write, each with the name of its file."""
        line = csv_line(cells)
        if not self.number or self.size + len(line) > MAX_LETTERBOXD_BYTES:
            self.number += 1
            head = csv_line(self.headers)
            self.size = len(head)
            yield self.file, head
        self.size += len(line)
        yield self.file, line

    @property
    def file(self) -> str:
        """The name of the present file."""
        return f"{self.name}.csv" if self.number == 1 else f"{self.name}-{self.number}.csv"


def letterboxd_pieces(parts: Iterable[ExportedPart]) -> Iterator[tuple[str, bytes]]:
    """The files that Letterboxd imports, in pieces with the names of their files; a file ends where another
    begins. Ratings come with their reviews, the watchlist alone, and viewings with their days.
    """
    ratings = SplitTable("ratings", LETTERBOXD_FILMS)
    watchlist = SplitTable("watchlist", LETTERBOXD_WATCHLIST)
    diary = SplitTable("diary", LETTERBOXD_FILMS)
    for part in _tabular(parts):
        movies = part.movies
        if isinstance(part, ExportedRatings):
            for rating in part.ratings:
                if rating.movie in movies:
                    film = _film(movies[rating.movie])
                    score = _whole(rating.score)
                    yield from ratings.add((*film, score, None, None, rating.review))
        elif isinstance(part, ExportedItems):
            for item in part.items:
                if item.movie in movies:
                    yield from watchlist.add(_film(movies[item.movie]))
        else:
            for viewing in part.viewings:
                if viewing.movie in movies:
                    again = str(viewing.rewatch).lower()
                    film = _film(movies[viewing.movie])
                    yield from diary.add((*film, None, viewing.watched_on, again, None))


class _Sink:
    """Collects what is written until it is taken."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Collect data."""
        self.data += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = bytes(self.data)
        self.data.clear()
        return taken


def zip_chunks(pieces: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A zip of files, written as they come: pieces with the names of their files, one file after another."""
    sink = _Sink()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_DEFLATED) as archive:
        for file, group in groupby(pieces, key=lambda piece: piece[0]):
            # All zips of the same data are equal, so that an answer keeps its ETag.
            info = zipfile.ZipInfo(file)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as member:
                for _, data in group:
                    member.write(data)
                    if len(sink.data) > CHUNK_BYTES:
                        yield sink.take()
    yield sink.take()
