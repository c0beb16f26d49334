"""The names in the documents: modules, classes, constants and functions that are mentioned exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.integration.test_docs import DOCUMENTS, ROOT, name

SOURCES = ("domain", "application", "adapters", "entrypoints", "tests", "deploy", ".github")
SUFFIXES = frozenset({".py", ".html", ".js", ".css", ".lua", ".yml", ".toml", ".service", ".mjs", ".ts"})
IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__"})

CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w./-]+\.(?:py|toml|js|html|css|service|yml|mjs)")
IDENTIFIER = re.compile(
    r"(?:\w+\.)*(?:"
    r"[A-Z][a-z]+[a-z\d]*[A-Z]\w*"  # MovieFacts
    r"|[A-Z][A-Z\d]*_[A-Z\d_]+"  # MAX_WORDS
    r"|[a-z]+_[a-z_]+"  # from_facts
    r")|[a-z_]+(?:\.[a-z_]+)+|[A-Z]\w+\.\w+"  # domain.search, Movie.title
)

METRIC = "matinee_"
"""How the names of metrics begin, which `test_docs_tables` compares with those of a process."""

OTHERS = frozenset(
    {
        *("CountMyRatings", "CountMyReviews", "RatingRepository.count_reviews"),  # examples of changes
        *("test_memory_locks.py", "snake_case"),
        "VideoLibrary.GetMovieDetails",  # of Kodi
        "http.CrossOriginProtection",  # of Go
    }
)
"""Names in the documents that are no names of ours."""


@cache
def files() -> frozenset[str]:
    """The paths of all sources and files at the top, relative to ROOT."""
    found = {name(path) for path in ROOT.iterdir() if path.is_file()}
    for source in SOURCES:
        for path in (ROOT / source).rglob("*"):
            if not IGNORED_FOLDERS & set(path.parts) and path.suffix in SUFFIXES:
                found.add(name(path))
    return frozenset(found)


@cache
def words() -> frozenset[str]:
    """All words of the sources but this one, and of the names of files."""
    found: set[str] = set()
    for path in files():
        found.update(re.findall(r"\w+", path))
        if Path(path).suffix in SUFFIXES and path != name(Path(__file__)):
            found.update(re.findall(r"\w+", (ROOT / path).read_text(encoding="utf-8")))
    return frozenset(found)


def unknown(document: str) -> Iterator[str]:
    """The names in a document that do not exist."""
    for quoted in QUOTED.findall(CODE_BLOCK.sub("", document)):
        if quoted in OTHERS or quoted.startswith(METRIC):
            continue
        if FILE.fullmatch(quoted):
            if not any(f"/{path}".endswith(f"/{quoted}") for path in files()):
                yield quoted
        elif IDENTIFIER.fullmatch(quoted) and quoted.rpartition(".")[2] not in words():
            yield quoted


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_name_in_a_document_exists(path: Path) -> None:
    assert list(unknown(path.read_text(encoding="utf-8"))) == []


def test_a_name_that_does_not_exist_is_found() -> None:
    document = "`MovieFacts` is in `domain/movies.py`, `NoSuchThing` in `no_such_file.py` has `MAX_NONE`."
    assert list(unknown(document)) == ["NoSuchThing", "no_such_file.py", "MAX_NONE"]
