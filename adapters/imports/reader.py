"""Reads an upload: finds the format of each of its files, and yields their rows in one stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from adapters.imports.criticker import CritickerExport
from adapters.imports.generic import GenericTable, columns_of
from adapters.imports.imdb import ImdbExport
from adapters.imports.letterboxd import LetterboxdExport
from adapters.imports.matinee import MatineeExport
from adapters.imports.ryot import RyotExport
from adapters.imports.services import MovaryExport, MovieLensExport, TmdbExport, YamtrackExport
from adapters.imports.simkl import SimklExport
from adapters.imports.tables import Table
from adapters.imports.trakt import TraktExport
from adapters.imports.upload import files_of
from adapters.imports.values import MAX_TITLE_LENGTH
from domain.imports.rows import MAX_ROWS, ImportedRow, Reason, RowClass, SourceFormat
from domain.imports.uploads import Refusal, UploadRefused
from domain.ports.imports import Columns, ImportFile, ImportSource

SOURCES: tuple[ImportSource, ...] = (
    LetterboxdExport(),
    ImdbExport(),
    TmdbExport(),
    MovaryExport(),
    YamtrackExport(),
    SimklExport(),
    MovieLensExport(),
    MatineeExport(),
    RyotExport(),
    TraktExport(),
    CritickerExport(),
    GenericTable(),
)
"""All formats. The first that recognizes a file reads it: tables without a known format come last."""


MAX_HEADERS = 200
"""Headers of a table from which columns can be chosen."""


@dataclass(frozen=True)
class Reading:
    """An upload that is being read: its files, each with the format that it has."""

    files: list[tuple[ImportSource, ImportFile]]
    columns: Columns
    format: SourceFormat
    scale: int | None
    columns_found: Columns
    headers: tuple[str, ...]

    def rows(self) -> Iterator[ImportedRow]:
        rows = (row for source, file in self.files for row in source.rows(file, self.columns))
        yield from islice(rows, MAX_ROWS)
        # One row stands for those that are not taken: there may be millions.
        for row in islice(rows, 1):
            yield row.refuse(RowClass.UNREADABLE, Reason.TOO_MANY_ROWS)


def read_upload(upload: BinaryIO, name: str, wanted: SourceFormat | None, columns: Columns) -> Reading:
    """Begin to read an upload. Raises UploadRefused."""
    files = files_of(upload, name)
    sources = [source for source in SOURCES if wanted in {None, source.format}]
    # In an archive, tables that only might be about films are not read beside a known format.
    known = [
        each for file in files for each in _recognized(file, [s for s in sources if s is not SOURCES[-1]])
    ]
    found = known or [each for file in files for each in _recognized(file, sources)]
    if not found and wanted is SourceFormat.CSV:
        found = [(SOURCES[-1], file) for file in files if Table(file).names]
    if not found:
        raise UploadRefused(Refusal.OTHER_FORMAT if wanted and len(files) else Refusal.UNKNOWN_FORMAT)
    source, file = found[0]
    table = Table(file) if isinstance(source, GenericTable) else None
    return Reading(
        found,
        columns,
        source.format,
        source.scale,
        columns_of(table, columns) if table else {},
        headers_of(table) if table else (),
    )


def headers_of(table: Table) -> tuple[str, ...]:
    """The headers of a table from which columns can be chosen: each once, in one line, not too long."""
    shown = (name for name in table.headers if name and len(name) <= MAX_TITLE_LENGTH)
    return tuple(dict.fromkeys(name for name in shown if name.splitlines() == [name]))[:MAX_HEADERS]


def _recognized(file: ImportFile, sources: list[ImportSource]) -> Iterator[tuple[ImportSource, ImportFile]]:
    for source in sources:
        if source.recognizes(file):
            yield source, file
            return
