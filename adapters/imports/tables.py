"""Tables as text: the encoding, the delimiter, and rows with the lines where they begin."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TextIO

from adapters.imports.values import DateOrder, date_order
from domain.imports.rows import MAX_ROWS, ImportedRow, Reason, RowClass, RowKind
from domain.imports.uploads import Refusal, UploadRefused
from domain.ports.imports import Columns, ImportFile

MAX_LINE = 1_000_000
"""Characters of a line; more are no row of a table."""

MAX_REPEATED = 16_000_000
"""Characters of a table that are read a second time, after quotes without an end."""

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
    """The lines of a text, except those that are too long, of which `skipped` has the numbers.

    The lines of a row can be read again, if it turns out that its first line is not what it seemed to be.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._again = deque[str]()
        self._left = MAX_REPEATED
        self._size = 0
        self.number = 0
        self.skipped: list[int] = []
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > MAX_LINE:
            raise csv.Error("a row of too many lines")
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.of_row.append(line)
        self._size += len(line)
        return line

    def begin_row(self) -> int:
        """The number of the next line, with which a row begins."""
        self.of_row = []
        self._size = 0
        return self.number + 1

    def repeat(self) -> None:
        """Read the lines of the row again, after its first. Not without end: else they are left out."""
        again = self.of_row[1:]
        self._left -= self._size
        if self._left > 0:
            self._again.extendleft(reversed(again))
            self.number -= len(again)

    def _read(self) -> str:
        line = self._text.readline(MAX_LINE)
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            self.skipped.append(self.number + 1)
            while (rest := self._text.readline(MAX_LINE)) and rest[-1] not in "\r\n":
                pass
            line = "\n"
        return line.replace("\0", "")


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
        fields = record.fields if before else unwrapped(record.fields, delimiter)
        if len(fields) > 1 or not before:
            line = record.line
            headers = tuple(name.strip().lower() for name in fields)
        before += 1
        if len(fields) > 1 or before == PREAMBLE_ROWS:
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
        """The rows after the headers, at most one more than an import may have. A Record is one that cannot
        be read. Blank rows are left out.

        Raises UploadRefused for a table of hardly anything else.
        """
        return islice(self._all_rows(), MAX_ROWS + 1)

    def _all_rows(self) -> Iterator[TableRow | Record]:
        names = {name: at for at, name in reversed(list(enumerate(self.headers)))}
        blank = 0
        with self._text() as text:
            for record in _records(text, self._head.delimiter):
                if record.line <= self._head.line:
                    continue
                if record.fields is None:
                    yield record
                elif any(map(str.strip, record.fields)):
                    fields = record.fields
                    if len(names) > 1:
                        fields = unwrapped(fields, self._head.delimiter)
                    yield TableRow(record.line, names, fields)
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


def unwrapped(fields: list[str], delimiter: str) -> list[str]:
    """The fields of a row that is one quoted field: a spreadsheet with another delimiter has saved it so."""
    if len(fields) > 1 or delimiter not in fields[0]:
        return fields
    return _leniently(fields, delimiter) or fields


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
    """The rows of a text, each with the line where it begins.

    A quote without an end would swallow the rows up to the next quote. So where a row of several lines is
    not quoted by the rules, its first line is one that cannot be read, and a row begins with the second.
    """
    lines = LimitedLines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.begin_row()
        try:
            fields = next(reader, None)
        except csv.Error:
            fields = _leniently(lines.of_row, delimiter)
            if fields is None:
                lines.repeat()
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


def _leniently(lines: list[str], delimiter: str) -> list[str] | None:
    """The fields of a row of one line, such as people write by hand; None if it cannot be read."""
    if len(lines) > 1:
        return None
    try:
        return next(csv.reader(lines, delimiter=delimiter), None)
    except csv.Error:
        return None
