"""Trakt: a zip of JSON files in either layout, single files, and what traktexport and backup tools write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from adapters.imports.documents import Entry, MalformedDocument, entries, part, sample
from adapters.imports.values import read_date, read_imdb_id, read_text, read_title, read_tmdb_id, read_year
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile

SUBJECTS = ("movie", "episode", "season", "show", "person", "list")
"""What an entry may be about. An episode also has its show."""

MARKS = ("rated_at", "watched_at", "last_watched_at", "listed_at", "collected_at", "last_collected_at")
"""Keys of which the entries of one kind each have one."""

TRAKTEXPORT = {"history", "ratings", "watched", "watchlist"}
"""Keys of the one object that traktexport writes."""


@dataclass(frozen=True, slots=True)
class TraktExport:
    """ImportSource of Trakt's exports."""

    format: ClassVar[SourceFormat] = SourceFormat.TRAKT
    scale: ClassVar[int | None] = 10

    def recognizes(self, file: ImportFile) -> bool:
        if file.path.lower().endswith(".csv"):
            return False
        found = sample(file)
        if any(part(entry.value, subject, "ids") for entry in found for subject in SUBJECTS):
            return any(part(entry.value, mark) is not None for entry in found for mark in MARKS)
        return {entry.of for entry in found} >= TRAKTEXPORT

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:  # noqa: ARG002
        number = 0
        try:
            with file.open() as stream:
                for entry in entries(stream):
                    if entry.number:
                        number += 1
                        row = _row(file.path, number, entry)
                        if row:
                            yield row
        except MalformedDocument:
            yield malformed(file.path, number + 1)


def malformed(path: str, number: int) -> ImportedRow:
    """The row for the rest of a document that cannot be read."""
    return ImportedRow(
        file=path,
        line=number,
        kind=RowKind.ENTRY,
        refused=RowClass.UNREADABLE,
        reason=Reason.MALFORMED_ROW,
    )


def list_of(path: str, key: str) -> RowKind | None:
    """What a list is, by the name of its file or, in one object, by its key; None for a personal list."""
    name = (key or path.rsplit("/", 1)[-1]).lower()
    if key and key not in {"watchlist", "favorites", "lists"}:
        name = path.rsplit("/", 1)[-1].lower()
    if re.search(r"lists?-list[-_]", name) or name == "lists":
        return None
    if "favorite" in name or "favourite" in name:
        return RowKind.FAVORITE
    return RowKind.WATCHLIST if "watchlist" in name else None


def ids_of(film: object) -> dict[str, Any]:
    """Title, year and ids of a film as Trakt writes them."""
    return {
        "title": read_title(part(film, "title")),
        "year": read_year(part(film, "year")),
        "tmdb_id": read_tmdb_id(part(film, "ids", "tmdb")),
        "imdb_id": read_imdb_id(part(film, "ids", "imdb")),
    }


def _row(path: str, number: int, entry: Entry) -> ImportedRow | None:
    """The row for an entry; None for what is not about titles, such as followers."""
    value = entry.value
    if not isinstance(value, dict):
        return malformed(path, number)
    subject = next((each for each in SUBJECTS if isinstance(value.get(each), dict)), None)
    if subject in {None, "person", "list"} or not any(mark in value for mark in MARKS):
        return None
    film = value[subject]
    if subject == "episode" and isinstance(value.get("show"), dict):
        film = value["show"]
    made = _contents(
        ImportedRow(file=path, line=number, kind=RowKind.ENTRY, **ids_of(film)), value, path, entry.of
    )
    return made if subject == "movie" else made.refuse(RowClass.NOT_A_FILM, Reason.SERIES)


def _contents(row: ImportedRow, value: dict[str, Any], path: str, key: str) -> ImportedRow:
    if "rated_at" in value:
        rated = read_date(value["rated_at"])
        return replace(
            row,
            kind=RowKind.RATING,
            rating=written(value.get("rating")),
            rated_at=rated.when,
            remarks=rated.remarks,
        )
    if "watched_at" in value:
        watched = read_date(value["watched_at"])
        return replace(row, kind=RowKind.VIEWING, viewings=(SeenOn(on=watched.day),), remarks=watched.remarks)
    if "collected_at" in value or "last_collected_at" in value:
        return replace(row, kind=RowKind.LIST).refuse(RowClass.NO_PLACE, Reason.COLLECTION)
    if "last_watched_at" in value:
        watched = read_date(value["last_watched_at"])
        plays = value.get("plays")
        more = (Reason.DAYS_UNKNOWN,) if isinstance(plays, int) and plays > 1 else ()
        return replace(
            row,
            kind=RowKind.WATCHED,
            viewings=(SeenOn(on=watched.day),),
            remarks=watched.remarks + more,
        )
    kind = list_of(path, key)
    if kind is None:
        return replace(row, kind=RowKind.LIST).refuse(RowClass.NO_PLACE, Reason.PERSONAL_LIST)
    added = read_date(value.get("listed_at"))
    note, cut = read_text(value.get("notes"))
    return replace(
        row,
        kind=kind,
        listed=True,
        favorite=kind is RowKind.FAVORITE,
        note=note,
        added_at=added.when,
        remarks=added.remarks + cut,
    )


def written(rating: object) -> str | None:
    """A rating of a document as text; None if there is none."""
    if isinstance(rating, bool) or not isinstance(rating, int | float | str) or rating == "":
        return None
    return f"{rating:g}" if isinstance(rating, float) else str(rating)
