"""Services whose exports are plain tables with the ids of TMDB: TMDB itself, Movary, Yamtrack, MovieLens."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from adapters.imports.tables import Record, Table, TableRow, order_of, unreadable
from adapters.imports.values import (
    DateOrder,
    read_date,
    read_imdb_id,
    read_text,
    read_title,
    read_tmdb_id,
    read_year,
    title_and_year,
)
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile


@dataclass(frozen=True, slots=True)
class TmdbExport:
    """ImportSource of TMDB's ratings, watchlists and favourites, which have one header."""

    format: ClassVar[SourceFormat] = SourceFormat.TMDB
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        return Table(file).names >= {"tmdb id", "type", "your rating", "date rated"}

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        name = file.path.rsplit("/", 1)[-1].lower()
        listed = RowKind.FAVORITE if "favo" in name else RowKind.WATCHLIST
        table = Table(file)
        order = order_of(table, ("date rated",), columns)
        for row in table.rows():
            if isinstance(row, Record):
                yield unreadable(file.path, row, RowKind.ENTRY)
                continue
            rating, date = row.get("your rating") or None, read_date(row.get("date rated"), order)
            made = ImportedRow(
                file=file.path,
                line=row.line,
                kind=RowKind.RATING if rating else listed,
                title=read_title(row.get("name")),
                year=read_year(row.get("release date")),
                tmdb_id=read_tmdb_id(row.get("tmdb id")),
                imdb_id=read_imdb_id(row.get("imdb id")),
                rating=rating,
                rated_at=date.when if rating else None,
                listed=not rating,
                favorite=not rating and listed is RowKind.FAVORITE,
                added_at=None if rating else date.when,
                remarks=date.remarks,
            )
            film = row.get("type").lower() == "movie" and not row.get("season number")
            yield made if film else made.refuse(RowClass.NOT_A_FILM, Reason.SERIES)


@dataclass(frozen=True, slots=True)
class MovaryExport:
    """ImportSource of Movary's history, ratings and watchlist."""

    format: ClassVar[SourceFormat] = SourceFormat.MOVARY
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        names = Table(file).names
        return names >= {"title", "tmdbid", "imdbid"} and bool(names & {"watchedat", "userrating", "addedat"})

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        table = Table(file)
        order = order_of(table, ("watchedat", "addedat"), columns)
        kind = RowKind.RATING if "userrating" in table.names else RowKind.WATCHLIST
        kind = RowKind.VIEWING if "watchedat" in table.names else kind
        for row in table.rows():
            if isinstance(row, Record):
                yield unreadable(file.path, row, kind)
                continue
            watched, added = read_date(row.get("watchedat"), order), read_date(row.get("addedat"), order)
            comment, cut = read_text(row.get("comment"))
            seen = SeenOn(on=watched.day, note=comment)
            yield ImportedRow(
                file=file.path,
                line=row.line,
                kind=kind,
                title=read_title(row.get("title")),
                year=read_year(row.get("year")),
                tmdb_id=read_tmdb_id(row.get("tmdbid")),
                imdb_id=read_imdb_id(row.get("imdbid")),
                rating=row.get("userrating") or None,
                viewings=(seen,) if kind is RowKind.VIEWING else (),
                listed=kind is RowKind.WATCHLIST,
                added_at=added.when,
                remarks=watched.remarks + added.remarks + cut,
            )


PLANNED = {"planning", "plan to watch", "plantowatch", "watchlist", "to watch"}
"""States of an entry that mean the watchlist, at Yamtrack and Simkl."""

SEEN = {"completed", "repeating", "rewatching", "watched"}
"""States of an entry that mean that the film was seen to its end."""


@dataclass(frozen=True, slots=True)
class YamtrackExport:
    """ImportSource of Yamtrack's one table of all media, from 2024 on."""

    format: ClassVar[SourceFormat] = SourceFormat.YAMTRACK
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        return Table(file).names >= {"media_id", "source", "media_type", "status"}

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        table = Table(file)
        order = order_of(table, (*YAMTRACK_ENDS, "created_at"), columns)
        for row in table.rows():
            yield (
                unreadable(file.path, row, RowKind.ENTRY)
                if isinstance(row, Record)
                else _yamtrack(file.path, row, order)
            )


YAMTRACK_ENDS = ("end_date", "watch_date", "progressed_at")
"""The columns with the day of a viewing, in the versions of Yamtrack; the first that is filled has it."""


def _yamtrack(path: str, row: TableRow, order: DateOrder) -> ImportedRow:
    status = row.get("status").lower()
    ended = read_date(next(filter(None, (row.get(name) for name in YAMTRACK_ENDS)), ""), order)
    created = read_date(row.get("created_at"), order)
    note, cut = read_text(row.get("notes"))
    planned, seen = status in PLANNED, status in SEEN
    tmdb = row.get("source").lower() == "tmdb"
    repeats = row.get("repeats")
    made = ImportedRow(
        file=path,
        line=row.line,
        kind=RowKind.WATCHLIST if planned else RowKind.ENTRY,
        title=read_title(row.get("title")),
        tmdb_id=read_tmdb_id(row.get("media_id")) if tmdb else None,
        rating=row.get("score") or None,
        rated_at=ended.when or created.when if row.get("score") else None,
        viewings=(SeenOn(on=ended.day, note=note),) if seen else (),
        listed=planned,
        note=note if planned else None,
        added_at=created.when if planned else None,
        remarks=(
            *(ended.remarks if seen else ()),
            *cut,
            *((Reason.DAYS_UNKNOWN,) if repeats not in {"", "0"} else ()),
        ),
    )
    if row.get("media_type").lower() != "movie" or row.get("season_number"):
        series = row.get("media_type").lower() in {"tv", "season", "episode", "anime"}
        return made.refuse(RowClass.NOT_A_FILM, Reason.SERIES if series else Reason.OTHER_TITLE)
    return made if tmdb else made.refuse(RowClass.NOT_A_FILM, Reason.ENTERED_BY_HAND)


@dataclass(frozen=True, slots=True)
class MovieLensExport:
    """ImportSource of the ratings of MovieLens.org."""

    format: ClassVar[SourceFormat] = SourceFormat.MOVIELENS
    scale: ClassVar[int | None] = 5

    def recognizes(self, file: ImportFile) -> bool:
        return Table(file).names >= {"movie_id", "imdb_id", "tmdb_id", "rating", "average_rating"}

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:  # noqa: ARG002
        for row in Table(file).rows():
            if isinstance(row, Record):
                yield unreadable(file.path, row, RowKind.RATING)
                continue
            title, year = title_and_year(row.get("title"))
            made = ImportedRow(
                file=file.path,
                line=row.line,
                kind=RowKind.RATING,
                title=title,
                year=year,
                tmdb_id=read_tmdb_id(row.get("tmdb_id")),
                imdb_id=read_imdb_id(row.get("imdb_id")),
                rating=row.get("rating") or None,
            )
            # The site marks what it does not rate with -1.
            yield replace(made, rating=None) if (made.rating or "").startswith("-") else made
