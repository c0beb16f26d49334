"""Backup and restore, by the very commands of docs/deployment.md."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.commands import Serving, matinee, serving
from tests.integration.deployment_files import text

PASSWORD = "correct horse battery"


def told(heading: str) -> list[str]:
    """The commands under a heading of the document, block by block."""
    section = text("docs/deployment.md").partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return re.findall(r"```sh\n(.+?)```", section, re.DOTALL)


BACK_UP, CHECK, RESTORE, _ = told("SQLite and the bundled Valkey")


def run(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-e", "-c", commands], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def join(server: Serving, name: str) -> dict[str, str]:
    """Headers of a new user."""
    account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    answer = server.client.post("/auth/register", json=account)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def rate(server: Serving, caller: dict[str, str], movies: list[str], turn: int) -> None:
    for number, movie in enumerate(movies):
        score = {"rating": 1 + (number + turn) % 10}
        answer = server.client.put(f"/movies/{movie}/rating", json=score, headers=caller)
        assert answer.status_code in {200, 201}, answer.text


def test_what_was_backed_up_under_load_is_there_after_all_else_is_lost(tmp_path: Path) -> None:
    limits = {"RATE_LIMIT": "100000/minute", "AUTH_RATE_LIMIT": "1000/minute"}
    with serving(tmp_path, **limits) as server:
        ada = join(server, "ada")
        page = server.client.get("/movies?limit=20", headers=ada).json()
        movies = [each["id"] for each in page["data"]]
        rate(server, ada, movies, turn=0)
        with ThreadPoolExecutor() as pool:
            backing_up = pool.submit(run, BACK_UP, tmp_path)
            for turn in count(1):
                rate(server, ada, movies, turn)
                if backing_up.done():
                    break
        backed_up = backing_up.result()
        join(server, "bob")
        server.stop()
    assert backed_up.returncode == 0, backed_up.stderr
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert run(CHECK, tmp_path).returncode == 0

    shutil.rmtree(tmp_path / "matinee-data")
    restored = run(RESTORE, tmp_path)
    assert restored.returncode == 0, restored.stderr

    assert matinee("ratings", "verify", cwd=tmp_path).returncode == 0
    with serving(tmp_path, **limits) as server:
        assert server.client.get("/auth/me", headers=ada).json()["username"] == "ada"
        assert server.client.get("/movies", headers=ada).json()["meta"]["total"] == page["meta"]["total"]
        assert server.client.get("/ratings", headers=ada).json()["meta"]["total"] == len(movies)
        bob = {"email": "bob@example.org", "password": PASSWORD}
        assert server.client.post("/auth/login", json=bob).status_code == 401


@pytest.mark.parametrize("file", ["matinee.db", "matinee.db-wal", "jwt-secret"])
def test_a_restore_does_not_care_what_it_finds(tmp_path: Path, file: str) -> None:
    with serving(tmp_path) as server:
        ada = join(server, "ada")
        assert run(BACK_UP, tmp_path).returncode == 0
        join(server, "bob")
        server.process.kill()
        server.process.wait()
    (tmp_path / "matinee-data" / file).write_bytes(b"spoilt" * 1000)

    assert run(RESTORE, tmp_path).returncode == 0
    listed = matinee("users", "list", cwd=tmp_path)
    assert "ada@example.org" in listed.stdout
    assert "bob@example.org" not in listed.stdout
    with serving(tmp_path) as server:
        assert server.client.get("/auth/me", headers=ada).status_code == 200


def test_a_copy_that_is_not_whole_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup/matinee.db").write_bytes(b"SQLite format 3\0" + b"\0" * 5000)
    assert run(CHECK, tmp_path).returncode != 0
