"""A full data disk: reads continue, writes get a 503, nothing is lost, and the service recovers."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.small_disk import fill, small_disk
from tests.e2e.background import eventually
from tests.e2e.commands import MATINEE, matinee, serving, unmeasured
from tests.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts file systems as Linux does")

ACCOUNT = {"username": "ada", "email": "ada@example.org", "password": "follow the white rabbit"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "24m") as disk:
        yield disk


def test_a_full_disk_stops_only_writes_and_only_while_it_is_full(tmp_path: Path, disk: Path) -> None:
    data = disk / "data"
    generous = {"RATE_LIMIT": "100000/minute", "AUTH_RATE_LIMIT": "1000/minute"}
    log = {"LOG_FILE": str(disk / "matinee.log")}
    with serving(tmp_path, DATA_DIR=str(data), PUBLIC_CATALOGUE="true", **generous, **log) as server:
        joined = server.client.post("/auth/register", json=ACCOUNT).json()
        server.client.headers["Authorization"] = f"Bearer {joined['access_token']}"
        movies = [movie["id"] for movie in server.client.get("/movies?limit=100").json()["data"]]
        given = {movies[0]: 8.5}
        assert server.client.put(f"/movies/{movies[0]}/rating", json={"rating": 8.5}).status_code == 201
        processes = running(server.process.pid)

        filler = fill(disk)
        refused = []
        for movie in movies[1:60]:
            answer = server.client.put(f"/movies/{movie}/rating", json={"rating": 3})
            if answer.status_code == 201:  # the WAL had a free page
                given[movie] = 3
            else:
                refused.append(answer)
            fill(disk)
        assert refused
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert server.client.post("/auth/login", json=ACCOUNT | {"username": None}).status_code in {400, 503}
        for path in [
            *(f"/movies/{movie}" for movie in movies),
            *(f"/movies?page={page}&limit=3&sort_by=title" for page in range(1, 40)),
            "/movies/search?q=godfather",
            "/ratings",
            "/auth/me",
            "/genres",
            "/health/live",
            "/metrics",
        ]:
            assert server.client.get(path).status_code == 200, path
        assert {rating["movie_id"] for rating in all_ratings(server.client)} == set(given)

        filler.unlink()
        assert eventually(lambda: rated(server.client, movies[70]))
        given[movies[70]] = 5
        assert {rating["movie_id"]: rating["rating"] for rating in all_ratings(server.client)} == given
        assert eventually(lambda: server.client.get("/health").json()["status"] == "ok")
        assert running(server.process.pid) >= processes  # worker and scheduler start a little later
        assert server.stop() == 0
    with closing(sqlite3.connect(data / "matinee.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "SIGBUS" not in (tmp_path / "serve.log").read_text()


def rated(client: Any, movie: str) -> bool:
    return bool(client.put(f"/movies/{movie}/rating", json={"rating": 5}).status_code in {200, 201})


def all_ratings(client: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/ratings?limit=100").json()["data"]
    return found


def running(supervisor: int) -> set[str]:
    """The child processes of `serve` by name."""
    return set(Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split())


def read_only(disk: Path) -> Path:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    return disk / "data"


def full(disk: Path) -> Path:
    fill(disk)
    return disk / "data"


def full_with_a_directory(disk: Path) -> Path:
    (disk / "data").mkdir(mode=0o700)
    fill(disk)
    return disk / "data"


def a_file(disk: Path) -> Path:
    (disk / "data").touch()
    return disk / "data"


def through_a_file(disk: Path) -> Path:
    (disk / "file").touch()
    return disk / "file" / "data"


def dangling(disk: Path) -> Path:
    (disk / "data").symlink_to(disk / "nowhere")
    return disk / "data"


def a_loop(disk: Path) -> Path:
    (disk / "data").symlink_to(disk / "data")
    return disk / "data"


def too_long(disk: Path) -> Path:
    return disk / ("x" * 300)


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "read-only": (read_only, "is on a read-only file system"),
    "full": (full, "the disk is full"),
    "full, with a directory": (full_with_a_directory, "the disk is full"),
    "a file": (a_file, "is not a directory"),
    "through a file": (through_a_file, "is not a directory"),
    "a dangling link": (dangling, "is a link that leads nowhere"),
    "a loop of links": (a_loop, "is a link that leads to itself"),
    "too long a name": (too_long, "has too long a name"),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("command", [["serve"], ["sync", "genres"]])
def test_an_unusable_data_directory_is_reported_in_one_line(
    tmp_path: Path, disk: Path, command: list[str], broken: str
) -> None:
    make, message = BROKEN[broken]
    directory = make(disk)
    ran = matinee(*command, cwd=tmp_path, DATA_DIR=str(directory), PORT=str(free_port()))
    assert ran.returncode == 2
    assert ran.stderr.startswith("matinee: DATA_DIR ")
    assert message in ran.stderr
    assert "--data-dir" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    checked = matinee("check", cwd=tmp_path, DATA_DIR=str(directory))
    assert checked.returncode == 1
    assert "failed   data directory" in checked.stdout or "failed   disk" in checked.stdout
    assert "Traceback" not in checked.stderr + checked.stdout


@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid() != 0, reason="needs another user than root")
@pytest.mark.parametrize("command", [["serve"], ["sync", "genres"], ["users", "list"]])
@pytest.mark.parametrize("closed", ["directory", "above"])
def test_a_data_directory_of_another_user_is_reported_in_one_line(
    tmp_path: Path, command: list[str], closed: str
) -> None:
    outer = tmp_path / "outer"
    inner = outer / "data"
    inner.mkdir(parents=True)
    for each in (*reversed(tmp_path.parents), tmp_path, outer):
        if stat.S_IMODE(each.stat().st_mode) & 0o005 != 0o005 and each.is_relative_to("/tmp"):  # noqa: S108
            each.chmod(0o755)
    (outer if closed == "above" else inner).chmod(0o000)
    try:
        ran = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *MATINEE, *command],
            cwd="/",
            env=unmeasured(PYTHONPATH=str(Path.cwd()), DATA_DIR=str(inner), PYTHONDONTWRITEBYTECODE="1"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if any(each in ran.stderr for each in ("can't open file", "No module named", "failed to execute")):
            pytest.skip("another user may not run this Python")
    finally:
        outer.chmod(0o755)
        inner.chmod(0o755)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith(f"matinee: DATA_DIR {inner} ")
    assert "may not be" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
