"""Criticker: an XML document of ratings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar
from xml.parsers import expat

from adapters.imports.tables import SAMPLE_BYTES
from adapters.imports.trakt import malformed
from adapters.imports.values import read_date, read_imdb_id, read_text, title_and_year
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SourceFormat
from domain.imports.uploads import Refusal, UploadRefused
from domain.ports.imports import Columns, ImportFile

MAX_TEXT = 100_000
"""Characters of an element."""

MAX_TOKEN_BYTES = 1_000_000
"""Bytes that the parser may keep because a tag or text has no end yet."""

MAX_DEPTH = 20
"""Elements within each other: the parser keeps those that are open."""

MAX_NAMES = 200
"""Names of elements and attributes: the parser keeps each that it has met."""

TEXTS = {"filmname", "filmlink", "imdbid", "rating", "quote", "reviewdate"}
"""The elements of a film that are read."""

ROOT = b"<recentratings"


@dataclass(frozen=True, slots=True)
class CritickerExport:
    """ImportSource of Criticker's ratings."""

    format: ClassVar[SourceFormat] = SourceFormat.CRITICKER
    scale: ClassVar[int | None] = 100

    def recognizes(self, file: ImportFile) -> bool:
        with file.open() as stream:
            return ROOT in stream.read(SAMPLE_BYTES).replace(b"\0", b"")

    def rows(self, file: ImportFile, columns: Columns) -> Iterator[ImportedRow]:  # noqa: ARG002
        with file.open() as stream:
            line = 0
            try:
                for film in films(stream):
                    line = film.line
                    yield _row(file.path, film)
            except expat.ExpatError as error:
                yield malformed(file.path, max(line, error.lineno))


@dataclass(slots=True)
class Film:
    """An element of a film: the line where it begins, and the texts of the elements in it."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)


class _Films:
    """Collects films from what the parser reports.

    Documents that declare anything are refused, and those with which the memory of the parser would grow.
    """

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.complete: list[Film] = []
        self._film: Film | None = None
        self._element = ""
        self._depth = 0
        self._names: set[str] = set()

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._names.update((name, *attributes))
        if self._depth > MAX_DEPTH or len(self._names) > MAX_NAMES:
            self._refuse()
        if name == "film":
            self._film = Film(self.parser.CurrentLineNumber)
        self._element = name

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "film" and self._film:
            self.complete.append(self._film)
            self._film = None
        self._element = ""

    def _text(self, text: str) -> None:
        if self._film and self._element in TEXTS:
            before = self._film.texts.get(self._element, "")
            self._film.texts[self._element] = (before + text)[:MAX_TEXT]

    def _refuse(self, *_: object) -> None:
        # Entities can grow without bound, or name other files. An export has none.
        raise UploadRefused(Refusal.DAMAGED)


def films(stream: BinaryIO) -> Iterator[Film]:
    """The films of a document. Raises ExpatError, and UploadRefused for one with declarations."""
    found = _Films()
    fed = 0
    while data := stream.read(SAMPLE_BYTES):
        found.parser.Parse(data, False)  # noqa: FBT003
        fed += len(data)
        if fed - found.parser.CurrentByteIndex > MAX_TOKEN_BYTES:
            raise UploadRefused(Refusal.DAMAGED)
        yield from found.complete
        found.complete.clear()
    found.parser.Parse(b"", True)  # noqa: FBT003
    yield from found.complete


def _row(path: str, film: Film) -> ImportedRow:
    title, year = title_and_year(film.texts.get("filmname", ""))
    rated = read_date(film.texts.get("reviewdate"))
    review, cut = read_text(film.texts.get("quote"))
    made = ImportedRow(
        file=path,
        line=film.line,
        kind=RowKind.RATING,
        title=title,
        year=year,
        imdb_id=read_imdb_id(film.texts.get("imdbid")),
        rating=film.texts.get("rating", "").strip() or None,
        rated_at=rated.when,
        review=review,
        remarks=rated.remarks + cut,
    )
    series = "/tv/" in film.texts.get("filmlink", "")
    return made.refuse(RowClass.NOT_A_FILM, Reason.SERIES) if series else made
