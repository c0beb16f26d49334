"""Files of exports: tables that are split where a service takes no more, and zips written as they come."""

import io
import zipfile
from random import Random

import pytest

from application import export_files
from application.export_files import CHUNK_BYTES, SplitTable, csv_line, zip_chunks


def test_a_file_is_split_before_the_row_with_which_it_would_be_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, line = csv_line(("name",)), csv_line(("Heat",))
    monkeypatch.setattr(export_files, "MAX_LETTERBOXD_BYTES", len(head) + 2 * len(line))
    table = SplitTable("films", ("name",))
    written = [piece for _ in range(3) for piece in table.add(("Heat",))]
    first, second = "films.csv", "films-2.csv"
    assert written == [(first, head), (first, line), (first, line), (second, head), (second, line)]


@pytest.mark.parametrize(("more", "files"), [(0, {"films.csv"}), (1, {"films.csv", "films-2.csv"})])
def test_a_file_for_letterboxd_has_a_megabyte_at_most(more: int, files: set[str]) -> None:
    table = SplitTable("films", ("name",))
    size, end = 500_000, len(b"\r\n")
    lines = ["a" * (size - len(b"name\r\n") - end), "b" * (size - end + more)]
    assert {file for line in lines for file, _ in table.add((line,))} == files


def test_a_zip_comes_in_chunks_and_is_whole() -> None:
    data = Random(1).randbytes(5 * CHUNK_BYTES)
    size = 4096
    pieces = [("data", data[start : start + size]) for start in range(0, len(data), size)]
    chunks = list(zip_chunks([*pieces, ("more", b"end")]))
    assert len(chunks) > 3
    assert all(CHUNK_BYTES < len(chunk) < 2 * CHUNK_BYTES for chunk in chunks[:-1])
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"data": data, "more": b"end"}


def test_a_zip_is_compressed() -> None:
    assert len(b"".join(zip_chunks([("a", b"a" * 100_000)]))) < 1000
