"""Files that were made to harm, or were damaged: refused or read as far as they go, in bounded memory."""

import io
import json
import struct
import tracemalloc
import zipfile
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest

from adapters.imports import tables
from adapters.imports import upload as uploads
from adapters.imports.reader import SOURCES
from domain.imports.rows import Reason, RowClass
from domain.imports.uploads import Refusal, UploadRefused
from tests.unit.import_files import archive, reading, rows

IMDB = "Const,Your Rating,Date Rated,Title,Title Type,Year\n"
HEAT = "tt0113277,9,2020-05-01,Heat,Movie,1995\n"


def refusal(content: bytes | dict[str, str | bytes]) -> Refusal:
    with pytest.raises(UploadRefused) as refused:
        rows(content)
    return refused.value.refusal


def test_an_archive_that_claims_to_unpack_to_more_than_allowed_is_refused_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 1000)
    assert refusal({"ratings.csv": IMDB + HEAT * 50}) is Refusal.TOO_LARGE


def test_an_archive_that_unpacks_to_more_than_it_claims_is_damaged() -> None:
    data = bytearray(archive({"ratings.csv": IMDB + HEAT * 50}).getvalue())
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<L", data, at + 24, len(IMDB))
    assert refusal(bytes(data)) is Refusal.DAMAGED


def test_an_archive_within_an_archive_is_not_opened() -> None:
    inner = archive({"ratings.csv": IMDB + HEAT}).getvalue()
    assert refusal({"inner.zip": inner}) is Refusal.UNKNOWN_FORMAT
    assert len(rows({"inner.zip": inner, "ratings.csv": IMDB + HEAT})) == 1


@pytest.mark.parametrize("cut", [30, -30, -1])
def test_a_damaged_archive_is_refused(cut: int) -> None:
    assert refusal(archive({"ratings.csv": IMDB + HEAT}).getvalue()[:cut]) is Refusal.DAMAGED


def test_an_archive_with_a_large_list_of_files_is_refused_before_the_list_is_read() -> None:
    data = bytearray(archive({"ratings.csv": IMDB + HEAT}).getvalue())
    struct.pack_into("<L", data, data.rindex(b"PK\5\6") + 12, 2**30)
    assert refusal(bytes(data)) is Refusal.TOO_MANY_FILES


def test_an_archive_of_very_many_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    assert refusal({f"{each}.csv": "" for each in range(3)}) is Refusal.TOO_MANY_FILES


def test_an_encrypted_archive_is_refused() -> None:
    data = bytearray(archive({"ratings.csv": IMDB + HEAT}).getvalue())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.rindex(signature) + offset] |= 1
    assert refusal(bytes(data)) is Refusal.ENCRYPTED


def test_compression_that_needs_much_memory_is_refused() -> None:
    upload = io.BytesIO()
    with zipfile.ZipFile(upload, "w", zipfile.ZIP_LZMA) as writer:
        writer.writestr("ratings.csv", IMDB + HEAT)
    assert refusal(upload.getvalue()) is Refusal.DAMAGED


@pytest.mark.parametrize(
    "path", ["../../etc/ratings.csv", "/abs/ratings.csv", "a\\..\\ratings.csv", "a/\x1b[31m.csv"]
)
def test_paths_lead_nowhere_and_are_safe_to_show(path: str) -> None:
    (row,) = rows({path: IMDB + HEAT})
    assert row.title == "Heat"
    assert ".." not in row.file
    assert not row.file.startswith("/")
    assert row.file.isprintable()


def test_a_file_without_rows_that_anybody_knows_is_refused() -> None:
    assert refusal(b"") is Refusal.UNKNOWN_FORMAT
    assert refusal(b"\x7fELF" + bytes(5000)) is Refusal.UNKNOWN_FORMAT
    assert refusal(b"no,table\nof,films\n") is Refusal.UNKNOWN_FORMAT
    assert refusal({}) is Refusal.UNKNOWN_FORMAT


def test_a_million_columns_cost_little_memory_and_stop_nothing() -> None:
    text = f"{IMDB}{',' * 900_000}\n{'x' * 1_200_000}\n{HEAT}"
    tracemalloc.start()
    found = rows(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row.reason for row in found] == [Reason.ROW_TOO_LONG, Reason.ROW_TOO_LONG, None]
    assert found[-1].line == 4
    assert peak < 60 * 2**20


def test_a_header_of_a_million_columns_is_no_table() -> None:
    assert (
        refusal((",".join(f"c{each}" for each in range(100_000)) + "\n").encode()) is Refusal.UNKNOWN_FORMAT
    )


def test_nul_and_control_characters_are_left_out() -> None:
    (row,) = rows(f"{IMDB}tt0113277,9,2020-05-01,H\0e\x07at,Movie,1995\n")
    assert row.title == "Heat"


@pytest.mark.parametrize(
    "rest",
    [HEAT * 3, HEAT * 8000, f'{HEAT * 3}tt0087843,8,2020-05-02,"Ran, or Chaos",Movie,1985\n{HEAT}'],
    ids=["to the end of the file", "for longer than a field may be", "to the quote of another row"],
)
def test_a_quote_without_an_end_costs_its_own_row_only(rest: str) -> None:
    found = rows(f'{IMDB}{HEAT}tt0113277,9,2020-05-01,"Heat,Movie,1995\n{rest}')
    refused = [(row.line, row.reason) for row in found if row.refused]
    assert refused == [(3, Reason.MALFORMED_ROW)]
    assert len(found) == 2 + rest.count("\n")
    assert [row.line for row in found] == list(range(2, len(found) + 2))


def test_lines_and_quotes_within_a_field_are_kept() -> None:
    header = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Review,Tags,Watched Date\n"
    (row,) = rows(f'{header}2024-01-02,Heat,1995,u,5,,"He said ""now"".\n\nAnd left.",,2024-01-01\n')
    assert row.review == 'He said "now".\n\nAnd left.'


def test_quotes_that_a_person_has_set_within_a_line_are_no_fault() -> None:
    (row,) = rows(f'{IMDB}tt0113277,9,2020-05-01,"The "Heat"",Movie,1995\n')
    assert (row.refused, row.imdb_id, row.rating) == (None, "tt0113277", "9")


def test_a_row_of_very_many_lines_costs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 100_000)
    text = IMDB + HEAT + '"\n' + '","ab\n' * 100_000
    tracemalloc.start()
    found = reading(text).rows()
    assert next(found).title == "Heat"
    assert next(found).refused is RowClass.UNREADABLE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_lines_are_not_read_again_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 200)
    monkeypatch.setattr(tables, "MAX_REPEATED", 1000)
    open_ended = 'y",x,"\n'  # begins a row without an end, and goes on with one
    found = rows(IMDB + HEAT + open_ended * 1000)
    assert found[0].title == "Heat"
    assert 4 < len(found) < 50
    assert {row.reason for row in found[1:]} == {Reason.MALFORMED_ROW}


def test_no_more_rows_of_a_table_are_read_than_an_import_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    table = tables.Table(CountedFile((IMDB + HEAT * 10).encode()))
    assert len(list(table.rows())) == 4


@pytest.mark.parametrize(
    "document",
    [
        "[" * 100_000,
        '{"ratings": [' + "[" * 100_000,
        '[{"rated_at": "x", "movie": {"ids": {}}}, {"a": "' + "b" * 3_000_000,
    ],
    ids=["nested", "nested in an object", "a text without an end"],
)
def test_a_document_that_cannot_be_read_ends_at_its_fault(document: str) -> None:
    try:
        found = rows(document, "ratings.json")
    except UploadRefused as refused:
        assert refused.refusal is Refusal.UNKNOWN_FORMAT  # noqa: PT017
    else:
        assert found[-1].refused is RowClass.UNREADABLE


def test_entries_before_the_fault_of_a_document_are_read() -> None:
    entry = {
        "rated_at": "2024-01-02T10:00:00Z",
        "rating": 8,
        "movie": {"title": "Heat", "ids": {"tmdb": 949}},
    }
    found = rows("[" + json.dumps(entry) + ', {"rated_at": ')
    assert [row.refused for row in found] == [None, RowClass.UNREADABLE]


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "text",
        [],
        {"rated_at": [], "rating": {"a": 1}, "movie": {"title": 7, "year": [], "ids": {"tmdb": True}}},
        {"rated_at": "x", "rating": 10**40, "movie": {"ids": "none"}},
        {"listed_at": 1, "movie": {"ids": [1]}},
    ],
)
def test_entries_of_the_wrong_types_stop_nothing(value: object) -> None:
    entry = {
        "rated_at": "2024-01-02T10:00:00Z",
        "rating": 8,
        "movie": {"title": "Heat", "ids": {"tmdb": 949}},
    }
    found = rows(json.dumps([entry, value, entry]))
    assert [row.tmdb_id for row in (found[0], found[-1])] == [949, 949]


CRITICKER = (
    "<recentratings><film><filmname>Heat (1995)</filmname><imdbid>tt0113277</imdbid><rating>90</rating>"
)


@pytest.mark.parametrize(
    "declaration",
    ['<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', '<!DOCTYPE r SYSTEM "file:///etc/passwd">'],
)
def test_a_document_that_declares_entities_is_refused(declaration: str) -> None:
    text = f"<?xml version='1.0'?>{declaration}{CRITICKER}</film></recentratings>"
    assert refusal(text.encode()) is Refusal.DAMAGED


@pytest.mark.parametrize(
    "content",
    [
        "<film>" * 30,
        "".join(f"<n{each}/>" for each in range(300)),
        "".join(f'<film a{each}=""/>' for each in range(300)),
    ],
    ids=["deeply nested", "many names of elements", "many names of attributes"],
)
def test_a_document_that_fills_the_memory_of_the_parser_is_refused(content: str) -> None:
    assert refusal(f"<recentratings>{content}".encode()) is Refusal.DAMAGED


def test_films_before_the_fault_of_an_xml_document_are_read() -> None:
    found = rows(f"{CRITICKER}</film><film><filmname>Ran")
    assert [(row.title, row.refused) for row in found] == [("Heat", None), (None, RowClass.UNREADABLE)]


def test_a_tag_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    assert refusal(f"{CRITICKER}</film><film a='{'x' * 2_500_000}".encode()) is Refusal.DAMAGED


@dataclass(frozen=True)
class CountedFile:
    """A file that counts how often it is opened."""

    content: bytes
    opened: list[None] = field(default_factory=list, compare=False)
    path: str = "many.csv"

    def open(self) -> AbstractContextManager[BinaryIO]:
        self.opened.append(None)
        return io.BufferedReader(io.BytesIO(self.content))


@pytest.mark.parametrize("content", [b"no,table\nof,films\n", b"[1, 2, 3]"])
def test_a_file_of_no_known_format_is_not_read_once_for_each(content: bytes) -> None:
    file = CountedFile(content)
    assert not any(source.recognizes(file) for source in SOURCES)
    assert len(file.opened) <= 3


def test_reading_can_begin_again() -> None:
    upload = reading(IMDB + HEAT)
    assert list(upload.rows()) == list(upload.rows())
