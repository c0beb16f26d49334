"""IMDb: one table for each list, with the headers of four eras."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from adapters.imports.tables import Record, Table, TableRow, order_of, unreadable
from adapters.imports.title_types import of_type
from adapters.imports.values import (
    DateOrder,
    read_date,
    read_imdb_id,
    read_text,
    read_title,
    read_year,
)
from domain.imports.rows import ImportedRow, RowKind, SourceFormat
from domain.ports.imports import Columns, ImportFile

DATES = ("created", "modified", "date rated", "date added", "release date")
"""The columns whose dates settle the order of day and month. A spreadsheet writes all of them alike."""


@dataclass(frozen=True, slots=True)
class ImdbExport:
    """ImportSource of IMDb's ratings, watchlists and lists, from 2015 on."""

    format: ClassVar[SourceFormat] = SourceFormat.IMDB
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        names = Table(file).names
        return "const" in names and bool(names & {"title type", "title"})

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        table = Table(file)
        order = order_of(table, DATES, columns)
        # The oldest ratings and watchlists have one header. In ratings nothing was ever modified, and films
        # are rated.
        old = "you rated" in table.names
        is_list = "position" in table.names and not (
            old and not _any(table, "modified") and _any(table, "you rated")
        )
        for row in table.rows():
            if isinstance(row, Record):
                yield unreadable(file.path, row, RowKind.WATCHLIST if is_list else RowKind.RATING)
            else:
                yield _row(file.path, row, order, is_list=is_list)


def _any(table: Table, column: str) -> bool:
    """Whether any row of a table has something in a column."""
    return any(isinstance(row, TableRow) and row.get(column) for row in table.rows())


def _row(path: str, row: TableRow, order: DateOrder, *, is_list: bool) -> ImportedRow:
    rating = row.get("your rating", "you rated") or None
    created = read_date(row.get("created"), order)
    rated = read_date(row.get("date rated", "date added") or ("" if is_list else row.get("created")), order)
    note, cut = read_text(row.get("description"))
    made = ImportedRow(
        file=path,
        line=row.line,
        kind=RowKind.WATCHLIST if is_list else RowKind.RATING,
        title=read_title(row.get("title")),
        original_title=read_title(row.get("original title")),
        year=read_year(row.get("year")),
        imdb_id=read_imdb_id(row.get("const")),
        rating=rating,
        rated_at=rated.when if rating else None,
        listed=is_list,
        note=note if is_list else None,
        added_at=created.when if is_list else None,
        remarks=tuple(dict.fromkeys((*(created.remarks if is_list else ()), *rated.remarks, *cut))),
    )
    return of_type(made, row.get("title type"))
