"""`matinee movies add`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters import system
from adapters.sqlite.store import SqliteStore
from domain.sync import SourceName
from entrypoints.cli import matinee
from tests.tmdb_simulator import TmdbSimulator

FILMS = [
    {"id": 603, "title": "The Matrix", "release_date": "1999-03-31", "imdb_id": "tt0133093"},
    {"id": 604, "title": "The Matrix Reloaded"},
]


@pytest.fixture(scope="module")
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(FILMS) as tmdb:
        yield tmdb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    store.close()
    return tmp_path


def add(folder: Path, tmdb: TmdbSimulator | None, *refs: str) -> Result:
    credential = (
        {"TMDB_ACCESS_TOKEN": "t", "TMDB_BASE_URL": tmdb.url} if tmdb else {"TMDB_ACCESS_TOKEN": None}
    )
    return CliRunner().invoke(matinee, ["movies", "add", *refs], env={"DATA_DIR": str(folder), **credential})


def test_films_are_added_once_and_named(folder: Path, tmdb: TmdbSimulator) -> None:
    first, again = add(folder, tmdb, "tt0133093", "604"), add(folder, tmdb, "603")

    assert first.stdout == (
        "Added: The Matrix (1999), TMDB number 603\nAdded: The Matrix Reloaded, TMDB number 604\n"
    )
    assert again.stdout == "There already: The Matrix (1999), TMDB number 603\n"
    assert (first.exit_code, again.exit_code) == (0, 0)


def test_films_that_cannot_be_had_are_named_and_do_not_prevent_others(
    folder: Path, tmdb: TmdbSimulator
) -> None:
    some, none = add(folder, tmdb, "9999", "603"), add(folder, tmdb, "9999", "tt9999999")

    assert some.stderr == "matinee: 9999: TMDB knows no such film\n"
    assert "Added: The Matrix" in some.stdout
    assert (some.exit_code, none.exit_code) == (3, 1)


def test_what_names_no_film_is_bad_usage(folder: Path, tmdb: TmdbSimulator) -> None:
    before = tmdb.requests
    answer = add(folder, tmdb, "603", "matrix", "tt1")

    assert answer.exit_code == 2
    assert "'matrix', 'tt1': no TMDB number, IMDb id or address of a film at either" in answer.stderr
    assert tmdb.requests == before


def test_without_a_credential_or_in_a_demo_catalogue_nothing_is_added(
    folder: Path, tmdb: TmdbSimulator
) -> None:
    assert add(folder, None, "603").stderr.startswith("matinee: No credential for TMDB is configured")
    store = SqliteStore(path=folder / "matinee.db", clock=system.now)
    store.movies.change_source(SourceName.DEMO, system.now())
    store.close()
    refused = add(folder, tmdb, "603")

    assert refused.exit_code == 1
    assert "matinee sync upgrade" in refused.stderr
