"""The real command, killed at all stages: the catalogue is the same in the end."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.commands import unmeasured
from tests.tmdb_simulator import Catalogue, Fault, TmdbSimulator, make_movies

PAGES = 12
COLUMNS = "id, tmdb_id, imdb_id, title, original_title, overview, release_date, runtime, popularity, genres"


@pytest.fixture
def tmdb() -> Iterator[TmdbSimulator]:
    # Slow enough for a process to be killed during a sync.
    with TmdbSimulator(Catalogue(make_movies(PAGES * 20, seed=8))) as simulator:
        simulator.set_faults(Fault("slow_headers", "popular", every=1, seconds=0.05))
        yield simulator


def environment(tmdb: TmdbSimulator, data: Path) -> dict[str, str]:
    return unmeasured(
        DATA_DIR=str(data),
        TMDB_ACCESS_TOKEN="token",
        TMDB_BASE_URL=tmdb.url,
        TMDB_REQUESTS_PER_SECOND="1000",
        TMDB_SYNC_PAGES=str(PAGES),
    )


def begin(tmdb: TmdbSimulator, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "entrypoints", "sync", "movies"]
    return subprocess.Popen(
        command,
        env=environment(tmdb, data),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # What a shell starts in the background ignores the signal of Ctrl-C, and so do its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  it takes no lock
    )


def rows(data: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(data / "matinee.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def stored(data: Path) -> int:
    """The number of stored movies. The table may still be missing."""
    if not (data / "matinee.db").exists():
        return 0
    with suppress(sqlite3.OperationalError):
        ((movies,),) = rows(data, "SELECT count(*) FROM movies")
        return int(str(movies))
    return 0


def await_stored(data: Path, movies: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a number of movies is stored."""
    while stored(data) < movies:
        assert process.poll() is None
        time.sleep(0.005)


def test_a_catalogue_is_the_same_whenever_its_sync_was_killed(tmdb: TmdbSimulator, tmp_path: Path) -> None:
    for pages in (0, 1, 4, 8):
        process = begin(tmdb, tmp_path / "killed")
        await_stored(tmp_path / "killed", pages * 20, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = begin(tmdb, tmp_path / "killed")
    output, errors = last.communicate(timeout=60)
    assert last.returncode == 0, errors.decode()
    assert b"success" in output

    undisturbed = begin(tmdb, tmp_path / "undisturbed")
    undisturbed.communicate(timeout=60)
    assert undisturbed.returncode == 0
    for query in (f"SELECT {COLUMNS} FROM movies ORDER BY id", "SELECT * FROM movie_terms ORDER BY 1, 2, 3"):
        assert rows(tmp_path / "killed", query) == rows(tmp_path / "undisturbed", query)

    runs = rows(tmp_path / "killed", "SELECT status, error, inserted FROM synclogs ORDER BY rowid")
    assert runs[-1][0] == "success"
    assert all(run[:2] == ("failed", "its process died") for run in runs[:-1])
    ((held,),) = rows(tmp_path / "killed", "SELECT count(*) FROM movies")
    assert sum(inserted for _, _, inserted in runs) == held == PAGES * 20  # type: ignore[misc]


def test_ctrl_c_closes_the_record_of_the_run(tmdb: TmdbSimulator, tmp_path: Path) -> None:
    # After some pages the sync waits, so that it cannot end before a busy machine has sent the signal.
    tmdb.set_faults(Fault("slow_headers", r"popular.*[?&]page=([5-9]|1\d)\b", every=1, seconds=4))
    with begin(tmdb, tmp_path) as process:
        try:
            await_stored(tmp_path, 1, process)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, b"Traceback" in errors) == (130, False)
    ((status, error),) = rows(tmp_path, "SELECT status, error FROM synclogs")
    assert (status, error) == ("failed", "interrupted")
