"""Simkl: a table or a JSON document with films, series and anime."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from adapters.imports.documents import MalformedDocument, entries, part, sample
from adapters.imports.services import PLANNED, SEEN
from adapters.imports.tables import Record, Table, TableRow, order_of, unreadable
from adapters.imports.trakt import ids_of, malformed, written
from adapters.imports.values import (
    DateOrder,
    read_date,
    read_imdb_id,
    read_text,
    read_title,
    read_tmdb_id,
    read_year,
)
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile

KEYS = {"movies", "shows", "anime"}


@dataclass(frozen=True, slots=True)
class SimklExport:
    """ImportSource of Simkl's backups, and of tables after its import template."""

    format: ClassVar[SourceFormat] = SourceFormat.SIMKL
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        found = sample(file)
        if found:
            about = [each.value for each in found if each.of in KEYS and each.number]
            return any(part(each, kind, "ids", "simkl") for each in about for kind in ("movie", "show"))
        return Table(file).names >= {"simkl_id", "title", "type", "watchlist"}

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        if sample(file):
            yield from _document(file)
            return
        table = Table(file)
        order = order_of(table, ("watcheddate",), columns)
        for row in table.rows():
            yield (
                unreadable(file.path, row, RowKind.ENTRY)
                if isinstance(row, Record)
                else _from_table(file.path, row, order)
            )


def _document(file: ImportFile) -> Iterator[ImportedRow]:
    number = 0
    try:
        with file.open() as stream:
            for entry in entries(stream):
                if entry.of in KEYS and entry.number:
                    number += 1
                    yield (
                        _from_document(file.path, number, entry.of, entry.value)
                        if isinstance(entry.value, dict)
                        else malformed(file.path, number)
                    )
    except MalformedDocument:
        yield malformed(file.path, number + 1)


def _from_document(path: str, number: int, of: str, value: dict[str, Any]) -> ImportedRow:
    film = of == "movies" or (of == "anime" and value.get("anime_type") == "movie")
    watched, rated = read_date(value.get("last_watched_at")), read_date(value.get("user_rated_at"))
    added = read_date(value.get("added_to_watchlist_at"))
    note, cut = read_text(part(value, "memo", "text"))
    status = str(value.get("status") or "").lower()
    rating = written(value.get("user_rating"))
    planned, seen = status in PLANNED, status in SEEN
    again = True if value.get("is_rewatch") else None
    made = ImportedRow(
        file=path,
        line=number,
        kind=RowKind.WATCHLIST if planned else RowKind.ENTRY,
        rating=rating,
        rated_at=(rated.when or watched.when) if rating else None,
        viewings=(SeenOn(on=watched.day, rewatch=again, note=note),) if seen else (),
        listed=planned,
        note=note if planned else None,
        added_at=added.when if planned else None,
        remarks=watched.remarks + rated.remarks + cut,
        **ids_of(value.get("movie") or value.get("show")),
    )
    return made if film else made.refuse(RowClass.NOT_A_FILM, Reason.SERIES)


def _from_table(path: str, row: TableRow, order: DateOrder) -> ImportedRow:
    watched = read_date(row.get("watcheddate"), order)
    note, cut = read_text(row.get("memo"))
    status = row.get("watchlist").lower()
    rating = row.get("rating") or None
    planned, seen = status in PLANNED, status in SEEN
    made = ImportedRow(
        file=path,
        line=row.line,
        kind=RowKind.WATCHLIST if planned else RowKind.ENTRY,
        title=read_title(row.get("title")),
        year=read_year(row.get("year")),
        tmdb_id=read_tmdb_id(row.get("tmdb")),
        imdb_id=read_imdb_id(row.get("imdb", "imdb_id")),
        rating=rating,
        rated_at=watched.when if rating else None,
        viewings=(SeenOn(on=watched.day, note=note),) if seen else (),
        listed=planned,
        note=note if planned else None,
        added_at=watched.when if planned else None,
        remarks=watched.remarks + cut,
    )
    return (
        made
        if row.get("type").lower() in {"movie", "movies"}
        else made.refuse(RowClass.NOT_A_FILM, Reason.SERIES)
    )
