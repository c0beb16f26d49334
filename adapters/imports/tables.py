"""Tables as text: the encoding, the delimiter, and rows with the lines where they begin."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO

from adapters.imports.values import DateOrder, date_order
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind
from domain.imports.uploads import Refusal, UploadRefused
from domain.ports.imports import Columns, ImportFile

MAX_LINE = 1_000_000
"""Characters of a line; more are no row of a table."""

MAX_COLUMNS = 1000
"""Columns of a table."""

PREAMBLE_ROWS = 8
"""Rows in which a table's headers are looked for."""

MAX_BLANK_ROWS = 1_000_000
"""Blank rows of a table; a spreadsheet adds some hundreds."""

DELIMITERS = ",;\t|"

SAMPLE_BYTES = 65_536

UNMARKED_BYTES = 32
"""Bytes that tell UTF-16 without a mark: headers begin with letters whose other byte is 0."""


class LimitedLines:
    """The lines of a text, except those that are too long, of which `skipped` has the numbers."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.number = 0
        self.skipped: list[int] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MAX_LINE):
            self.number += 1
            if len(line) == MAX_LINE and line[-1] not in "\r\n":
                self.skipped.append(self.number)
                while (rest := self._text.readline(MAX_LINE)) and rest[-1] not in "\r\n":
                    pass
                line = "\n"
            yield line.replace("\0", "")


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a row, and the line where it begins; without fields it cannot be read."""

    line: int
    fields: list[str] | None
    reason: Reason = Reason.MALFORMED_ROW


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row whose fields have the names of its table's headers, in lower case."""

    line: int
    names: Mapping[str, int]
    fields: list[str]

    def get(self, *names: str) -> str:
        """The field of the first of these columns that the table has, stripped; "" if it has none."""
        for name in names:
            at = self.names.get(name)
            if at is not None:
                return self.fields[at].strip() if at < len(self.fields) else ""
        return ""


@dataclass(frozen=True, slots=True)
class TableHead:
    """The headers of a table in lower case, the line where they are, 0 without any, and the delimiter."""

    headers: tuple[str, ...]
    line: int
    delimiter: str


@lru_cache(maxsize=1)
def head_of(file: ImportFile) -> TableHead:
    """The head of a table. The headers are the first row with several fields, or the first row.

    One format after another asks for that of the same file.
    """
    with file.open() as stream:
        sample = stream.read(SAMPLE_BYTES)
    delimiter = delimiter_of(sample)
    headers: tuple[str, ...] = ()
    line = before = 0
    if b"\0" in sample[:64] and not utf_16(sample):
        return TableHead(headers, line, delimiter)  # no text at all
    text = sample.decode(_quick_encoding(sample), errors="replace")
    for record in _records(io.StringIO(text, newline=""), delimiter):
        if record.fields is None or not any(record.fields) or record.fields[0].lower() == "sep=":
            continue
        if len(record.fields) > 1 or not before:
            line = record.line
            headers = tuple(name.strip().lower() for name in record.fields)
        before += 1
        if len(record.fields) > 1 or before == PREAMBLE_ROWS:
            break
    return TableHead(headers, line, delimiter)


class Table:
    """A table in a file, with headers."""

    def __init__(self, file: ImportFile) -> None:
        self.file = file
        self.encoding = ""
        self._head = head_of(file)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers in lower case, in their order."""
        return self._head.headers

    @property
    def names(self) -> frozenset[str]:
        """The headers in lower case."""
        return frozenset(self.headers) if len(self.headers) <= MAX_COLUMNS else frozenset()

    def rows(self) -> Iterator[TableRow | Record]:
        """The rows after the headers. A Record is one that cannot be read. Blank rows are left out.

        Raises UploadRefused for a table of hardly anything else.
        """
        names = {name: at for at, name in reversed(list(enumerate(self.headers)))}
        blank = 0
        with self._text() as text:
            for record in _records(text, self._head.delimiter):
                if record.line <= self._head.line:
                    continue
                if record.fields is None:
                    yield record
                elif any(map(str.strip, record.fields)):
                    yield TableRow(record.line, names, record.fields)
                else:
                    blank += 1
                    if blank > MAX_BLANK_ROWS:
                        raise UploadRefused(Refusal.TOO_LARGE)

    @contextmanager
    def _text(self) -> Iterator[TextIO]:
        if not self.encoding:
            self.encoding = encoding_of(self.file)
        with self.file.open() as stream:
            yield io.TextIOWrapper(stream, encoding=self.encoding, errors="replace", newline="")


def order_of(table: Table, names: tuple[str, ...], columns: Columns) -> DateOrder:
    """The order of day and month: the one chosen, or that of all dates of a table."""
    if chosen := columns.get("date_order"):
        return DateOrder(chosen)
    return date_order(row.get(name) for row in table.rows() if isinstance(row, TableRow) for name in names)


def unreadable(file: str, record: Record, kind: RowKind) -> ImportedRow:
    """A row for a record that cannot be read."""
    return ImportedRow(
        file=file, line=record.line, kind=kind, refused=RowClass.UNREADABLE, reason=record.reason
    )


def encoding_of(file: ImportFile) -> str:
    """UTF-16 if the file begins so, UTF-8 if all of it is, else cp1252."""
    with file.open() as stream:
        first = stream.read(SAMPLE_BYTES)
        if wide := utf_16(first):
            return wide
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while first:
                decoder.decode(first)
                first = stream.read(SAMPLE_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def delimiter_of(sample: bytes) -> str:
    """The delimiter that stands most often in the first line with any, outside of quotes."""
    text = sample.decode(_quick_encoding(sample), errors="replace").lstrip("\ufeff")
    for line in text.splitlines()[:PREAMBLE_ROWS]:
        if line.lower().startswith("sep=") and len(line) == 5:
            return line[4] if line[4] in DELIMITERS else ","
        unquoted = "".join(line.split('"')[::2])
        counts = {each: unquoted.count(each) for each in DELIMITERS}
        best = max(counts, key=lambda each: counts[each])
        if counts[best]:
            return best
    return ","


def utf_16(sample: bytes) -> str:
    """The name of the UTF-16 that a file begins with, with a mark or with NULs in every other place; "" for
    none.
    """
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = sample[0:UNMARKED_BYTES:2], sample[1:UNMARKED_BYTES:2]
    if len(odd) > 2 and all(even) and not any(odd):
        return "utf-16-le"
    return "utf-16-be" if len(odd) > 2 and all(odd) and not any(even) else ""


def _quick_encoding(sample: bytes) -> str:
    if wide := utf_16(sample):
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _records(text: TextIO, delimiter: str) -> Iterator[Record]:
    """The rows of a text, each with the line where it begins."""
    lines = LimitedLines(text)
    reader = csv.reader(iter(lines), delimiter=delimiter)
    while True:
        line = lines.number + 1
        try:
            fields: list[str] | None = next(reader, None)
        except csv.Error:
            yield Record(line, None)
            continue
        if lines.skipped:
            for skipped in lines.skipped:
                yield Record(skipped, None, Reason.ROW_TOO_LONG)
            lines.skipped.clear()
            if fields is not None and not any(fields):
                continue
        if fields is None:
            return
        if len(fields) > MAX_COLUMNS:
            yield Record(line, None, Reason.ROW_TOO_LONG)
        else:
            yield Record(line, fields)
