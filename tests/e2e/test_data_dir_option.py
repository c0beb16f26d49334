"""Every command that opens the store has `--data-dir`, and few create a missing store."""

from pathlib import Path

import pytest

from tests.e2e.commands import matinee, serving

PASSWORD = "follow the white rabbit"
CREATE = ["users", "create", "--email", "ada@example.org", "--username", "ada"]

OPENING = [
    "serve", "api", "worker", "scheduler", "check", "export", "backup", "restore", "ratings verify",
    "sync genres", "sync movies", "sync changes", "users create", "users list", "users promote",
]  # fmt: skip

NOT_MAKING = [
    ["users", "list"],
    ["users", "promote", "ada@example.org"],
    ["ratings", "verify"],
    ["ratings", "verify", "--repair"],
    ["export", "--user", "ada@example.org"],
]


@pytest.mark.parametrize("command", OPENING)
def test_the_option_is_in_the_help_of_every_command_that_opens_the_store(
    tmp_path: Path, command: str
) -> None:
    assert "--data-dir" in matinee(*command.split(), "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize("command", NOT_MAKING, ids=" ".join)
@pytest.mark.parametrize("there", [True, False])
def test_a_command_reports_a_missing_store_and_creates_none(
    tmp_path: Path, command: list[str], there: bool
) -> None:
    directory = tmp_path / "films"
    if there:
        directory.mkdir()
    ran = matinee(*command, "--data-dir", str(directory), cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(
        f"matinee: there is no store in {directory}: name its directory with --data-dir"
    )
    assert len(ran.stderr.splitlines()) == 1
    assert directory.exists() == there
    assert not (tmp_path / "matinee-data").exists()
    assert not there or list(directory.iterdir()) == []


def test_an_account_is_created_in_the_given_directory_which_is_printed(tmp_path: Path) -> None:
    films = tmp_path / "films"
    ran = matinee(*CREATE, "--data-dir", "films", cwd=tmp_path, stdin=f"{PASSWORD}\n")
    assert (ran.returncode, ran.stdout) == (0, "ada <ada@example.org> can sign in (user).\n")
    assert f"There is no store in {films} yet: a new one is made." in ran.stderr
    assert f"in the data directory {films}" in ran.stderr
    again = [*CREATE[:3], "bob@example.org", "--username", "bob"]
    ran = matinee(*again, "--data-dir", str(films), cwd=tmp_path, stdin=f"{PASSWORD}\n")
    assert ran.returncode == 0
    assert "new one" not in ran.stderr
    assert f"in the data directory {films}" in ran.stderr
    listed = matinee("users", "list", "--data-dir", "films", cwd=tmp_path).stdout
    assert [line.split("\t")[1] for line in listed.splitlines()] == ["ada", "bob"]
    assert matinee("users", "promote", "ada@example.org", "--data-dir", "films", cwd=tmp_path).returncode == 0
    assert matinee("ratings", "verify", "--data-dir", "films", cwd=tmp_path).returncode == 0
    assert "ada" in matinee("export", "--user", "ada@example.org", "--data-dir", "films", cwd=tmp_path).stdout
    assert "SQLite answers" in matinee("check", "--data-dir", "films", cwd=tmp_path).stdout
    assert not (tmp_path / "matinee-data").exists()


def test_a_sync_creates_a_store_in_the_given_directory(tmp_path: Path) -> None:
    ran = matinee("sync", "genres", "--data-dir", "films", cwd=tmp_path)
    assert ran.returncode == 0
    assert f"There is no store in {tmp_path / 'films'} yet: a new one is made." in ran.stderr
    assert not (tmp_path / "matinee-data").exists()


def test_serve_prints_how_to_create_an_account_in_its_directory(tmp_path: Path) -> None:
    with serving(tmp_path, DATA_DIR="films") as server:
        (hint,) = [line for line in server.output.splitlines() if line.startswith("Admin")]
        assert f"--data-dir {tmp_path / 'films'}" in hint
        arguments = hint.split()[1:]
        assert arguments[:3] == ["matinee", "users", "create"]
        ran = matinee(*arguments[1:], cwd=tmp_path, stdin=f"{PASSWORD}\n")
        assert ran.returncode == 0, ran.stderr
        email = arguments[arguments.index("--email") + 1]
        answer = server.client.post("/auth/login", json={"email": email, "password": PASSWORD})
        assert (answer.status_code, answer.json()["user"]["role"]) == (200, "admin")


def test_with_mongodb_a_warning_says_that_the_option_has_no_effect(tmp_path: Path) -> None:
    away = {"MONGODB_URI": "mongodb://127.0.0.1:1/x", "JWT_SECRET": "a signing secret of thirty-odd bytes"}
    ran = matinee("users", "list", "--data-dir", "films", cwd=tmp_path, **away)
    assert ran.returncode == 1
    assert "--data-dir is not used: MONGODB_URI names the store" in ran.stderr
    assert not (tmp_path / "films").exists()
