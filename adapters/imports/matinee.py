"""Matinee's own export, which comes back without loss."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from adapters.imports.documents import MalformedDocument, entries, part, sample
from adapters.imports.trakt import malformed, written
from adapters.imports.values import (
    FIRST_YEAR,
    LAST_YEAR,
    ReadDate,
    read_date,
    read_imdb_id,
    read_text,
    read_title,
    read_tmdb_id,
    read_year,
)
from domain.errors import InvalidText
from domain.imports.rows import ImportedRow, Reason, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile
from domain.texts import clean_text

KINDS = {
    "ratings": RowKind.RATING,
    "watchlist": RowKind.WATCHLIST,
    "viewings": RowKind.VIEWING,
    "hidden": RowKind.HIDDEN,
}


@dataclass(frozen=True, slots=True)
class MatineeExport:
    """ImportSource of `GET /me/export`."""

    format: ClassVar[SourceFormat] = SourceFormat.MATINEE
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        found = sample(file)
        if any(entry.of in KINDS and part(_movie(entry.value), "tmdb_id") for entry in found):
            return True
        return any(entry.of == "user" and part(entry.value, "username") for entry in found)

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:  # noqa: ARG002
        number = 0
        try:
            with file.open() as stream:
                for entry in entries(stream):
                    if entry.of in KINDS and entry.number:
                        number += 1
                        yield (
                            _row(file.path, number, KINDS[entry.of], entry.value)
                            if isinstance(entry.value, dict)
                            else malformed(file.path, number)
                        )
        except MalformedDocument:
            yield malformed(file.path, number + 1)


def _row(path: str, number: int, kind: RowKind, value: dict[str, Any]) -> ImportedRow:
    movie = _movie(value)
    review, cut = _text(value.get("review"))
    note, cut_note = _text(value.get("note"))
    created, updated = _moment(value.get("created_at")), _moment(value.get("updated_at"))
    listed = kind is RowKind.WATCHLIST
    watched = _day(value.get("watched_on"))
    seen = SeenOn(
        on=watched.day,
        rewatch=bool(value.get("rewatch")),
        note=note,
        created_at=created,
        updated_at=updated,
    )
    return ImportedRow(
        file=path,
        line=number,
        kind=kind,
        title=read_title(part(movie, "title")),
        year=read_year(part(movie, "release_date")),
        tmdb_id=read_tmdb_id(part(movie, "tmdb_id")),
        imdb_id=read_imdb_id(part(movie, "imdb_id")),
        rating=written(value.get("rating")) if kind is RowKind.RATING else None,
        rated_at=created if kind is RowKind.RATING else None,
        updated_at=updated if kind is RowKind.RATING else None,
        review=review,
        viewings=(seen,) if kind is RowKind.VIEWING else (),
        listed=listed,
        favorite=listed and value.get("is_favorite") is True,
        note=note if listed else None,
        added_at=_moment(value.get("added_at")) if listed else None,
        listed_updated_at=updated if listed else None,
        hidden_at=_moment(value.get("hidden_at")) if kind is RowKind.HIDDEN else None,
        remarks=cut + cut_note + watched.remarks,
    )


def _movie(value: object) -> object:
    """The movie of an entry. A hidden movie is an entry itself."""
    return value if part(value, "hidden_at") else part(value, "movie")


def _text(text: object) -> tuple[str | None, tuple[Reason, ...]]:
    """A review or note as it is: other services write theirs in HTML, ours are plain."""
    try:
        return clean_text("text", text if isinstance(text, str) else None), ()
    except InvalidText:
        return read_text(text)


def _day(text: object) -> ReadDate:
    """A day as it is: none stands for an unknown one, unlike in the files of other services."""
    try:
        return ReadDate(date.fromisoformat(text)) if isinstance(text, str) else ReadDate()
    except ValueError:
        return read_date(text)


def _moment(text: object) -> datetime | None:
    """A moment in UTC and in milliseconds; midnight is one here, too."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if at is None or at.tzinfo is None or not FIRST_YEAR < at.year < LAST_YEAR:
        return None
    utc = at.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
