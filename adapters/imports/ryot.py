"""Ryot: one JSON document of all that a user has kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from adapters.imports.documents import MalformedDocument, entries, items, part, sample
from adapters.imports.trakt import malformed, written
from adapters.imports.values import read_date, read_text, read_title, read_tmdb_id
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile

MAX_VIEWINGS = 500
"""Viewings of one film."""


@dataclass(frozen=True, slots=True)
class RyotExport:
    """ImportSource of Ryot's export. Its ratings are out of 100 whatever scale it shows."""

    format: ClassVar[SourceFormat] = SourceFormat.RYOT
    scale: ClassVar[int | None] = 100

    def recognizes(self, file: ImportFile) -> bool:
        return any(
            entry.of == "metadata" and part(entry.value, "lot") and part(entry.value, "identifier")
            for entry in sample(file)
        )

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:  # noqa: ARG002
        number = 0
        try:
            with file.open() as stream:
                for entry in entries(stream):
                    if entry.of == "metadata" and entry.number:
                        number = entry.number
                        yield (
                            _row(file.path, number, entry.value)
                            if isinstance(entry.value, dict)
                            else malformed(file.path, number)
                        )
        except MalformedDocument:
            yield malformed(file.path, number + 1)


def _row(path: str, number: int, value: dict[str, Any]) -> ImportedRow:
    reviews = items(value.get("reviews"))
    rated = next((each for each in reviews if written(each.get("rating"))), None)
    texts = [read_text(part(each, "review", "text")) for each in reviews]
    review, cut = next((each for each in texts if each[0]), (None, ()))
    at = read_date(
        next((part(each, "review", "date") for each in reviews if part(each, "review", "date")), None)
    )
    ended = [
        read_date(each.get("ended_on"))
        for each in items(value.get("seen_history"))
        if written(each.get("progress")) in {None, "100", "100.0", "100.00"}
    ]
    lists = items(value.get("collections"))
    listed = next((each for each in lists if str(each.get("collectionName")).lower() == "watchlist"), None)
    added = read_date(part(listed, "createdOn"))
    made = ImportedRow(
        file=path,
        line=number,
        kind=RowKind.ENTRY,
        title=read_title(value.get("source_id")),
        tmdb_id=read_tmdb_id(value.get("identifier")),
        rating=written(rated.get("rating")) if rated else None,
        rated_at=at.when,
        review=review,
        viewings=tuple(SeenOn(on=each.day) for each in ended[:MAX_VIEWINGS]),
        listed=listed is not None,
        added_at=added.when,
        remarks=tuple(
            dict.fromkeys((*at.remarks, *added.remarks, *cut, *(r for each in ended for r in each.remarks)))
        ),
    )
    if value.get("lot") != "movie":
        return made.refuse(RowClass.NOT_A_FILM, Reason.SERIES)
    return made if value.get("source") == "tmdb" else made.refuse(RowClass.NOT_A_FILM, Reason.ENTERED_BY_HAND)
