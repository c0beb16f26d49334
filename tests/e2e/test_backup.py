"""Backup and restore with the commands of docs/deployment.md."""

import os
import re
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.commands import MATINEE, RunningServer, matinee, serving, unmeasured
from tests.integration.deployment_files import text
from tests.ports import free_port

SECRET = "a signing secret of thirty-odd bytes"
PASSWORD = "correct horse battery"


def documented_commands(heading: str) -> list[str]:
    """The commands under a heading of the document, block by block."""
    section = text("docs/deployment.md").partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return re.findall(r"```sh\n(.+?)```", section, re.DOTALL)


BACK_UP, RESTORE, _ = documented_commands("SQLite and the bundled Valkey")

KILLED = """
import os, signal, sys
from pathlib import Path
from entrypoints.launch import main

def dying(*_, **__):
    global calls
    calls -= 1
    if not calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return act(*_, **__)

calls = int(sys.argv.pop(1))
owner, name = {"link": (os, "link"), "replace": (Path, "replace")}[sys.argv.pop(1)]
act = getattr(owner, name)
setattr(owner, name, dying)
main()
"""
"""A program that runs a command and kills it at the n-th call of a function."""


def run(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run commands of the document with the `matinee` of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=folder,
        env=unmeasured(PATH=path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def die(folder: Path, *arguments: str) -> None:
    """Run a command that is killed; see KILLED for the first two arguments."""
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        cwd=folder,
        env=unmeasured(PYTHONPATH=str(Path.cwd())),
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def join(server: RunningServer, name: str) -> dict[str, str]:
    """Register a user; return the headers of its requests."""
    account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    answer = server.client.post("/auth/register", json=account)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def rate(server: RunningServer, caller: dict[str, str], movies: list[str], turn: int) -> None:
    for number, movie in enumerate(movies):
        score = {"rating": 1 + (number + turn) % 10}
        answer = server.client.put(f"/movies/{movie}/rating", json=score, headers=caller)
        assert answer.status_code in {200, 201}, answer.text


def test_a_backup_under_load_restores_everything_acknowledged_before_it(tmp_path: Path) -> None:
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
    assert (tmp_path / "backup.db").stat().st_mode & 0o077 == 0
    for each in (tmp_path / "matinee-data").glob("matinee.db*"):
        each.write_bytes(b"broken")

    restored = run(RESTORE, tmp_path)
    assert restored.returncode == 0, restored.stderr

    assert matinee("ratings", "verify", cwd=tmp_path).returncode == 0
    with serving(tmp_path, **limits) as server:
        assert server.client.get("/auth/me", headers=ada).json()["username"] == "ada"
        assert server.client.get("/movies", headers=ada).json()["meta"]["total"] == page["meta"]["total"]
        assert server.client.get("/ratings", headers=ada).json()["meta"]["total"] == len(movies)
        bob = {"email": "bob@example.org", "password": PASSWORD}
        assert server.client.post("/auth/login", json=bob).status_code == 401


def test_a_restore_refuses_a_directory_in_use_and_keeps_tokens_valid_in_another(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        ada = join(server, "ada")
        assert matinee("backup", "backup.db", cwd=tmp_path).returncode == 0
        in_use = matinee("restore", "backup.db", cwd=tmp_path)
        assert (in_use.returncode, in_use.stdout, len(in_use.stderr.splitlines())) == (1, "", 1)
        assert "another matinee serve" in in_use.stderr
        there = tmp_path / "host" / "of" / "another"
        restored = matinee("restore", "../backup.db", "--data-dir", str(there), cwd=tmp_path / "matinee-data")
        assert (restored.returncode, restored.stderr) == (0, "")
        assert f"matinee serve --data-dir {there}" in restored.stdout
        assert server.client.get("/auth/me", headers=ada).status_code == 200
    with serving(tmp_path, DATA_DIR=str(there)) as server:
        assert server.client.get("/auth/me", headers=ada).json()["username"] == "ada"
    full = matinee("restore", "backup.db", "--data-dir", str(there), cwd=tmp_path)
    assert (full.returncode, full.stderr) == (
        1,
        f"matinee: {there} is not empty; move it away, or choose another directory by --data-dir\n",
    )


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A directory with a store that has an account."""
    account = ["--email", "ada@example.org", "--username", "ada"]
    made = matinee("users", "create", *account, cwd=tmp_path, stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    return tmp_path


def test_a_killed_backup_leaves_no_file_with_its_name(filled: Path) -> None:
    die(filled, "1", "link", "backup", "backup.db")
    assert not (filled / "backup.db").exists()
    assert list(filled.glob(".matinee-backup-*"))
    assert matinee("backup", "backup.db", cwd=filled).returncode == 0
    assert {each.name for each in filled.iterdir()} == {"matinee-data", "backup.db"}

    before = (filled / "backup.db").read_bytes()
    die(filled, "1", "replace", "backup", "--overwrite", "backup.db")
    assert (filled / "backup.db").read_bytes() == before


@pytest.mark.parametrize("step", ["1", "2"])
def test_a_killed_restore_leaves_no_store_and_can_be_repeated(filled: Path, step: str) -> None:
    (filled / "matinee-data" / "jwt-secret").write_text("s" * 48)
    assert matinee("backup", "backup.db", cwd=filled).returncode == 0
    die(filled, step, "replace", "restore", "backup.db", "--data-dir", "there")
    for command in (["users", "list"], ["serve"]):
        refused = matinee(*command, cwd=filled, DATA_DIR="there", PORT=str(free_port()))
        assert refused.returncode == 1
        assert "was not finished; run it again, or delete" in refused.stderr
    assert not (filled / "there" / "matinee.db").exists()
    assert matinee("restore", "backup.db", "--data-dir", "there", cwd=filled).returncode == 0
    assert "ada@example.org" in matinee("users", "list", cwd=filled, DATA_DIR="there").stdout
    assert (filled / "there" / "jwt-secret").read_text() == "s" * 48


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_full_disk_leaves_no_incomplete_backup(filled: Path, command: str, size: int) -> None:
    assert matinee("sync", "movies", cwd=filled).returncode == 0
    assert matinee("backup", "good.db", cwd=filled).returncode == 0
    arguments = ["backup", "new.db"] if command == "backup" else ["restore", "good.db", "--data-dir", "new"]
    limited = subprocess.run(
        [*MATINEE, *arguments],
        cwd=filled,
        env=unmeasured(PYTHONPATH=str(Path.cwd()), LOG_LEVEL="info"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert limited.returncode == 1
    assert limited.stderr.startswith("matinee: the backup cannot be ")
    assert len(limited.stderr.splitlines()) == 1
    assert {each.name for each in filled.iterdir()} <= {"matinee-data", "good.db", "new"}
    if command == "restore":
        assert list((filled / "new").glob("*")) == []


def test_a_backup_of_mongodb_is_refused(tmp_path: Path) -> None:
    for command in ("backup", "restore"):
        ran = matinee(command, "x.db", cwd=tmp_path, MONGODB_URI="mongodb://127.0.0.1:1/x", JWT_SECRET=SECRET)
        assert ran.returncode == 2
        assert "mongodump" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1


def test_without_a_store_no_backup_is_made(tmp_path: Path) -> None:
    for arguments in (["backup", "x.db"], ["restore", "x.db"], ["backup", "x.db", "--data-dir", "none"]):
        ran = matinee(*arguments, cwd=tmp_path)
        assert (ran.returncode > 0, ran.stdout, len(ran.stderr.splitlines())) == (True, "", 1)
    assert list(tmp_path.iterdir()) == []
