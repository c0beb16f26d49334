"""Tables without a known format: the columns are found by headers in several languages, or chosen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from adapters.imports.tables import Record, Table, TableRow, order_of, unreadable
from adapters.imports.title_types import of_type, title_type
from adapters.imports.values import (
    DateOrder,
    fold,
    read_date,
    read_imdb_id,
    read_text,
    read_title,
    read_tmdb_id,
    read_year,
    title_and_year,
)
from domain.imports.rows import ImportedRow, RowKind, SeenOn, SourceFormat
from domain.ports.imports import Columns, ImportFile

HEADERS: dict[str, tuple[str, ...]] = {
    "tmdb_id": ("tmdbid", "tmdb", "themoviedbid", "tmdbnumber"),
    "imdb_id": ("imdbid", "imdb", "const", "imdbconst", "tconst", "url", "imdburl"),
    "title": (
        *("title", "name", "film", "movie", "movietitle", "filmtitle", "moviename"),
        *("titel", "filmtitel", "filmname", "titre", "nomdufilm", "titulo", "pelicula", "nombre"),
        *(
            "titolo",
            "filme",
            "nome",
            "naam",
            "tytul",
            "nazwa",
            "タイトル",
            "作品名",
            "标题",
            "片名",
            "название",
            "фильм",
        ),
    ),
    "year": (
        *("year", "releaseyear", "yearofrelease", "releasedate", "released", "jahr", "erscheinungsjahr"),
        *(
            "annee",
            "anneedesortie",
            "ano",
            "anno",
            "jaar",
            "rok",
            "rokprodukcji",
            "年",
            "公開年",
            "年份",
            "год",
        ),
    ),
    "rating": (
        *("rating", "myrating", "yourrating", "userrating", "score", "myscore", "stars", "grade", "rating10"),
        *("bewertung", "meinebewertung", "wertung", "note", "manote", "sterne", "etoiles", "puntuacion"),
        *(
            "nota",
            "minota",
            "calificacion",
            "valoracion",
            "voto",
            "valutazione",
            "avaliacao",
            "classificacao",
        ),
        *("beoordeling", "cijfer", "ocena", "評価", "评分", "оценка"),
    ),
    "rated_at": (
        "dateadded",
        "ratedat",
        "daterated",
        "ratedon",
        "bewertetam",
        "datedenotation",
        "fechadevoto",
    ),
    "watched_on": (
        *(
            "watcheddate",
            "watchedat",
            "watchedon",
            "datewatched",
            "dateseen",
            "seenon",
            "watched",
            "checked",
            "lastwatched",
            "lastwatchedat",
            "viewedat",
            "date",
            "seen",
        ),
        *(
            "gesehenam",
            "gesehen",
            "datum",
            "vule",
            "datedevisionnage",
            "vistoel",
            "vista",
            "vistoem",
            "fecha",
        ),
        *(
            "fechavista",
            "datavisione",
            "vistoil",
            "data",
            "bekekenop",
            "gezienop",
            "dataobejrzenia",
            "obejrzano",
        ),
        *("鑑賞日", "観看日期", "日付", "датапросмотра", "дата"),
    ),
    "rewatch": ("rewatch", "rewatched", "wiedergesehen", "revu", "revisto"),
    "review": (
        "review",
        "kritik",
        "rezension",
        "critique",
        "critica",
        "resena",
        "recensione",
        "recenzja",
        "レビュー",
    ),
    "note": (
        "notes",
        "comment",
        "comments",
        "memo",
        "notiz",
        "notizen",
        "kommentar",
        "commentaire",
        "comentario",
    ),
    "listed_at": ("listedat", "listedon", "addedtowatchlist", "watchlist"),
    "type": ("type", "titletype", "mediatype", "typ"),
}
"""The headers of each column, without accents, case, spaces and signs; those that are surer stand first."""


@dataclass(frozen=True, slots=True)
class GenericTable:
    """ImportSource of tables with a title or an id of each film, and a rating or a day."""

    format: ClassVar[SourceFormat] = SourceFormat.CSV
    scale: ClassVar[int | None] = None

    def recognizes(self, file: ImportFile) -> bool:
        found = columns_of(Table(file), {})
        return bool({"title", "imdb_id", "tmdb_id"} & found.keys()) and (
            len(found) > 1 or found.keys() <= {"title"} or "url" not in found.values()
        )

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:
        table = Table(file)
        found = columns_of(table, columns)
        dates = tuple(found[name] for name in ("watched_on", "rated_at", "listed_at") if name in found)
        order = order_of(table, dates, columns)
        # A column of that name may hold something else, such as genres.
        if "type" in found and not any(
            title_type(row.get(found["type"])) for row in table.rows() if isinstance(row, TableRow)
        ):
            del found["type"]
        for row in table.rows():
            if isinstance(row, Record):
                yield unreadable(file.path, row, RowKind.ENTRY)
            else:
                yield _row(file.path, row, found, order)


def columns_of(table: Table, chosen: Columns) -> dict[str, str]:
    """The header of each column of ours that the table has; those chosen instead of those found."""
    folded = {fold(header): header for header in reversed(table.headers)}
    found = {
        name: folded[header]
        for name, headers in HEADERS.items()
        for header in reversed(headers)
        if header in folded
    }
    given = {name: header.strip().lower() for name, header in chosen.items() if name in HEADERS}
    return {name: header for name, header in {**found, **given}.items() if header in table.names and header}


def _row(path: str, row: TableRow, names: Mapping[str, str], order: DateOrder) -> ImportedRow:
    fields = {name: row.get(header) for name, header in names.items()}
    title, year = read_title(fields.get("title")), read_year(fields.get("year"))
    if title and not year:
        title, year = title_and_year(title)
    watched = read_date(fields.get("watched_on"), order)
    rated, listed = read_date(fields.get("rated_at"), order), read_date(fields.get("listed_at"), order)
    review, cut = read_text(fields.get("review"))
    note, cut_note = read_text(fields.get("note"))
    rating = fields.get("rating") or None
    again = fields.get("rewatch", "").lower() in {"yes", "true", "1", "ja", "oui", "si", "sí", "sim", "x"}
    seen = SeenOn(on=watched.day, rewatch=again if "rewatch" in fields else None, note=note)
    # A table of nothing but films is one of films to see.
    alone = not rating and not watched.day and not {"rating", "watched_on"} & fields.keys()
    made = ImportedRow(
        file=path,
        line=row.line,
        kind=RowKind.WATCHLIST if alone or listed.when else RowKind.ENTRY,
        title=title,
        year=year,
        tmdb_id=read_tmdb_id(fields.get("tmdb_id")),
        imdb_id=read_imdb_id(fields.get("imdb_id")),
        rating=rating,
        rated_at=(rated.when or watched.day) if rating else None,
        review=review,
        viewings=(seen,) if watched.day else (),
        listed=alone or listed.when is not None,
        note=note if alone else None,
        added_at=listed.when,
        remarks=tuple(dict.fromkeys(watched.remarks + rated.remarks + listed.remarks + cut + cut_note)),
    )
    return of_type(made, fields.get("type", ""))
