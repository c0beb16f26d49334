"""`matinee import` as people run it: several files, a dry run, undoing, and bad usage."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, facts, store_page
from tests.e2e.commands import matinee

HEADER = "Date,Name,Year,Letterboxd URI"

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    store = SqliteStore(path=tmp_path / "matinee-data" / "matinee.db", clock=system.now)
    store.prepare()
    add_user(store, "ada")
    store_page(store, facts(603, title="The Matrix", original_title="The Matrix", imdb_id="tt0133093"))
    store.close()
    (tmp_path / "ratings.csv").write_text(f"{HEADER},Rating\n2024-01-02,The Matrix,1999,u,4.5\n")
    (tmp_path / "watched.csv").write_text(f"{HEADER}\n2024-01-02,Nowhere,1999,u\n")
    (tmp_path / "mine.csv").write_text("imdb_id,rating\ntt0133093,9\n")
    return lambda *arguments: matinee("import", *arguments, cwd=tmp_path)


def ratings(tmp_path: Path) -> int:
    with closing(sqlite3.connect(tmp_path / "matinee-data" / "matinee.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM ratings").fetchone()
    return int(count)


def test_files_are_imported_reported_and_taken_back(run: Run, tmp_path: Path) -> None:
    user = ("--user", "ada@example.com")
    dry = run("mine.csv", *user, "--dry-run")
    assert (dry.returncode, ratings(tmp_path)) == (0, 0), dry.stderr
    assert "dry run" in dry.stdout
    done = run("mine.csv", *user)
    assert (done.returncode, ratings(tmp_path)) == (0, 1), done.stderr
    undo = re.search(r"matinee import (--undo) ([0-9a-f]{24})", done.stdout)
    assert undo
    again = run("ratings.csv", "watched.csv", *user)
    assert again.returncode == 3
    assert re.search(r"watched\.csv:2 Nowhere names a film", again.stdout)
    undone = run(*undo.groups())
    assert (undone.returncode, ratings(tmp_path)) == (0, 0), undone.stderr
    assert "Undone: mine.csv." in undone.stdout
    assert run(*undo.groups()).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the files"),
        (("mine.csv",), "--user"),
        (("gone.csv", "--user", "ada@example.com"), "there is no file gone.csv"),
        (("--undo", "x"), "24 hexadecimal digits"),
        (("mine.csv", "--undo", "0" * 24), "leave the files out"),
        (("matinee-data/matinee.db", "--user", "ada@example.com"), "must be an export of a known service"),
        (("mine.csv", "--user", "ada@example.com", "--source", "netflix"), "netflix"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(run: Run, arguments: tuple[str, ...], message: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
