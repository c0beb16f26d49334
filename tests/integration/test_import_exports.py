"""Exports of real services become the right rows. The files are not part of the project."""

import io
import json
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from adapters.imports.reader import read_upload
from domain.imports.rows import ImportedRow, RowClass
from domain.imports.scales import converted

EXPORTS = Path(__file__).parents[2].parent / "shared" / "imports"
FOLDERS = sorted(folder.name for folder in EXPORTS.iterdir() if folder.is_dir()) if EXPORTS.is_dir() else []
IGNORED = {"deleted", "orphaned"}

pytestmark = pytest.mark.skipif(not FOLDERS, reason="there are no exports at ../shared/imports")


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = json.loads((EXPORTS / "expected.json").read_text())
    return loaded


@pytest.fixture(params=FOLDERS)
def export(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[ImportedRow]], int]:
    """A folder's name, its rows by file, and the scale that they are read on."""
    folder = EXPORTS / request.param
    upload = io.BytesIO()
    with zipfile.ZipFile(upload, "w") as writer:
        for file in folder.rglob("*"):
            if file.is_file():
                writer.write(file, file.relative_to(folder))
    reading = read_upload(upload, "export.zip", None, {})
    found = defaultdict[str, list[ImportedRow]](list)
    for row in reading.rows():
        found[row.file].append(row)
    return folder.name, found, reading.scale or 10


def test_every_row_is_there_and_films_are_told_from_the_rest(
    export: tuple[str, dict[str, list[ImportedRow]], int], expected: dict[str, dict[str, Any]]
) -> None:
    name, rows, _ = export
    for path, counts in expected.items():
        folder, _, file = path.partition("/")
        if folder != name:
            continue
        found = rows[file]
        films = [row for row in found if row.refused is not RowClass.NOT_A_FILM]
        if IGNORED.intersection(file.split("/")):
            assert found == []
        else:
            wanted = (counts["rows"], counts.get("movie_rows", 0) + counts.get("anime_films", 0))
            assert (len(found), len(films)) == wanted, path


def test_ids_and_ratings_are_those_of_the_film(
    export: tuple[str, dict[str, list[ImportedRow]], int], expected: dict[str, dict[str, Any]]
) -> None:
    name, rows, scale = export
    samples = [
        (path, sample)
        for path, counts in expected.items()
        for sample in counts.get("sample", [])
        if path.partition("/")[0] == name and sample.get("movie", True)
    ]
    for path, sample in samples:
        about = [row for row in rows[path.partition("/")[2]] if _same(row, sample)]
        assert about, sample
        if "rating_10" in sample:
            ratings = {_points(row, scale) for row in about}
            wanted = sample["rating_10"]
            # A rating below 1 becomes 1.
            assert (max(1, wanted) if wanted else None) in ratings, sample


def _same(row: ImportedRow, sample: dict[str, Any]) -> bool:
    if row.tmdb_id or row.imdb_id:
        return sample.get("tmdb_id") == row.tmdb_id or sample.get("imdb_id") == row.imdb_id
    return row.title == sample["title"] and row.year in {sample.get("year"), None}


def _points(row: ImportedRow, scale: int) -> float | None:
    conversion = converted(row.rating or "", scale)
    return conversion.score.points if conversion else None
