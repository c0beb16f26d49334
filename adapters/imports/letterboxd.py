"""Letterboxd: a zip of tables, or single ones of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from adapters.imports.tables import Record, Table, TableRow, order_of, unreadable
from adapters.imports.values import DateOrder, read_date, read_text, read_title, read_year
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile

REMOVED = {"deleted", "orphaned"}
"""Folders with what the user has removed, under the names of what they kept."""

FILM = frozenset({"date", "name", "year", "letterboxd uri"})
LIST = frozenset({"date", "name", "tags", "url", "description"})
OTHERS = (frozenset({"date", "content"}), frozenset({"date joined", "username", "email address"}))
"""Tables of comments, of likes of others' reviews and lists, and of personal data, which is not read."""


@dataclass(frozen=True, slots=True)
class LetterboxdExport:
    """ImportSource of Letterboxd's exports, from 2017 on."""

    format: ClassVar[SourceFormat] = SourceFormat.LETTERBOXD
    scale: ClassVar[int | None] = 5

    def recognizes(self, file: ImportFile) -> bool:
        names = Table(file).names
        return names >= FILM or names >= LIST or any(names >= other for other in OTHERS)

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        folders = file.path.lower().split("/")[:-1]
        if REMOVED.intersection(folders):
            return
        table = Table(file)
        if table.names >= FILM:
            kind = kind_of(table.names, file.path)
            order = order_of(table, ("date", "watched date"), columns)
            for row in table.rows():
                yield (
                    film_row(file.path, kind, row, order)
                    if isinstance(row, TableRow)
                    else unreadable(file.path, row, kind or RowKind.LIST)
                )
        elif table.names >= LIST:
            yield from list_rows(file.path, table)


def kind_of(names: frozenset[str], path: str) -> RowKind | None:
    """What a table's rows are. Only names tell what has been seen, is on the watchlist, or is liked."""
    *folders, name = path.lower().split("/")
    if "review" in names:
        return RowKind.REVIEW
    if "watched date" in names:
        return RowKind.VIEWING
    if "rating" in names:
        return RowKind.RATING
    if "likes" in folders or "like" in name:
        return RowKind.FAVORITE
    if "watchlist" in name:
        return RowKind.WATCHLIST
    return RowKind.WATCHED if "watched" in name else None


def film_row(path: str, kind: RowKind | None, row: TableRow, order: DateOrder) -> ImportedRow:
    """A row about a film."""
    entered, watched = read_date(row.get("date"), order), read_date(row.get("watched date"), order)
    review, cut = read_text(row.get("review"))
    rewatch = row.get("rewatch").lower() in {"yes", "true"} if "rewatch" in row.names else None
    seen = SeenOn(on=watched.day, rewatch=rewatch)
    rating = row.get("rating")
    viewings: tuple[SeenOn, ...] = ()
    if kind is RowKind.VIEWING or (kind is RowKind.REVIEW and watched.day):
        viewings = (seen,)
    elif kind is RowKind.WATCHED:
        viewings = (SeenOn(),)
    made = ImportedRow(
        file=path,
        line=row.line,
        kind=kind or RowKind.LIST,
        title=read_title(row.get("name")),
        year=read_year(row.get("year")),
        rating=rating or None,
        of_viewing=kind is not RowKind.RATING,
        rated_at=entered.when if rating else None,
        review=review,
        viewings=viewings,
        listed=kind in {RowKind.WATCHLIST, RowKind.FAVORITE},
        favorite=kind is RowKind.FAVORITE,
        added_at=entered.when if kind in {RowKind.WATCHLIST, RowKind.FAVORITE} else None,
        remarks=entered.remarks + watched.remarks + cut,
    )
    return made if kind else made.refuse(RowClass.NO_PLACE, Reason.UNCLEAR_LIST)


def list_rows(path: str, table: Table) -> Iterator[ImportedRow]:
    """The films of a personal list. Its own table has headers of its own, after those of the list."""
    names: dict[str, int] | None = None
    for row in table.rows():
        if isinstance(row, Record):
            yield unreadable(path, row, RowKind.LIST)
        elif names is None:
            fields = [name.strip().lower() for name in row.fields]
            if fields[0] == "position":
                names = {name: at for at, name in enumerate(fields)}
        else:
            item = TableRow(row.line, names, row.fields)
            yield ImportedRow(
                file=path,
                line=row.line,
                kind=RowKind.LIST,
                title=read_title(item.get("name")),
                year=read_year(item.get("year")),
                refused=RowClass.NO_PLACE,
                reason=Reason.PERSONAL_LIST,
            )
