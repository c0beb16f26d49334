"""The commands for accounts and ratings."""

import json
import os
import pty
import sqlite3
import subprocess
import termios
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import MATINEE, environment, matinee, serving

ROOT = Path(__file__).parents[2]

PASSWORD = "follow the white rabbit"


def create(email: str, username: str) -> list[str]:
    return ["users", "create", "--email", email, "--username", username]


CREATE = create("Ada@Example.org", "ada")


def created(cwd: Path, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    return matinee(*(arguments or CREATE), cwd=cwd, stdin=f"{password}\n")


def test_accounts_are_created_promoted_and_listed(tmp_path: Path) -> None:
    ran = created(tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "ada <Ada@Example.org> can sign in (user).\n"), ran.stderr
    ran = created(tmp_path, *create("bob@example.org", "bob"), "--admin")
    assert (ran.returncode, ran.stdout) == (0, "bob <bob@example.org> can sign in (admin).\n")
    ran = matinee("users", "promote", "ADA@example.ORG", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "ada <Ada@Example.org> is an admin.\n")
    lines = [line.split("\t") for line in matinee("users", "list", cwd=tmp_path).stdout.splitlines()]
    assert [line[1:5] for line in lines] == [
        ["ada", "Ada@Example.org", "admin", "enabled"],
        ["bob", "bob@example.org", "admin", "enabled"],
    ]
    assert all(len(line) == 6 and len(line[0]) == 24 and line[5].endswith("Z") for line in lines)


def test_commands_change_and_delete_an_account(tmp_path: Path) -> None:
    created(tmp_path, *create("ada@example.org", "ada"), "--admin")
    created(tmp_path, *create("bob@example.org", "bob"))

    def users(*arguments: str, stdin: str = "") -> str:
        ran = matinee("users", *arguments, cwd=tmp_path, stdin=stdin)
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout

    assert users("promote", "bob@example.org") == "bob <bob@example.org> is an admin.\n"
    assert users("demote", "BOB@example.org") == "bob <bob@example.org> is an ordinary user.\n"
    assert users("disable", "bob@example.org") == (
        "bob <bob@example.org> is disabled and signed out everywhere.\n"
    )
    assert "\tuser\tdisabled\t" in users("list")
    assert users("enable", "bob@example.org") == "bob <bob@example.org> can sign in again.\n"
    assert "\tuser\tenabled\t" in users("list")
    assert users("password", "bob@example.org", stdin="there is no spoon\n") == (
        "bob <bob@example.org> has a new password and is signed out everywhere.\n"
    )
    assert users("delete", "--yes", "bob@example.org") == "bob <bob@example.org> is deleted.\n"
    assert "bob" not in users("list")


def test_a_deletion_asks_for_confirmation(tmp_path: Path) -> None:
    created(tmp_path, *create("ada@example.org", "ada"))
    delete = ["users", "delete", "ada@example.org"]

    ran = matinee(*delete, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (
        2,
        "matinee: nobody can be asked here: add --yes to delete without asking\n",
    )
    code, seen = on_a_terminal(tmp_path, *delete, typed=["n"], hidden=False)
    assert code == 1
    assert (
        "Delete ada <ada@example.org> with all ratings, the watchlist, the diary and imports? [y/N]: n"
        in seen
    )
    assert "nothing was deleted" in seen
    assert "ada" in matinee("users", "list", cwd=tmp_path).stdout
    code, seen = on_a_terminal(tmp_path, *delete, typed=["y"], hidden=False)
    assert (code, "ada <ada@example.org> is deleted." in seen) == (0, True)
    assert matinee("users", "list", cwd=tmp_path).stdout == ""


def test_a_command_creates_an_invitation_that_can_be_used_once(tmp_path: Path) -> None:
    created(tmp_path, *create("ada@example.org", "ada"), "--admin")
    ran = matinee("users", "invite", "--expires-in", "12h", cwd=tmp_path)
    assert ran.returncode == 0
    assert "This code can make one account until 20" in ran.stderr
    assert "warning: REGISTRATION is open, so the code is not needed; set REGISTRATION=invite" in ran.stderr
    code = ran.stdout.strip()
    with serving(tmp_path, REGISTRATION="invite") as server:
        account = {"username": "bob", "email": "bob@example.org", "password": PASSWORD}
        answers = [
            server.client.post("/auth/register", json=account | more)
            for more in ({}, {"invitation": code}, {"invitation": code, "username": "eve"})
        ]
    assert [answer.status_code for answer in answers] == [403, 201, 403]
    quiet = matinee("users", "invite", "--uses", "3", cwd=tmp_path, REGISTRATION="invite")
    assert "This code can make 3 accounts until" in quiet.stderr
    assert "warning" not in quiet.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["invite", "--uses", "0"], "0 is not in the range 1<=x<=1000"),
        (["invite", "--expires-in", "soon"], "'soon' must be 60 to 31536000 seconds, or a duration"),
        (["invite", "--expires-in", "30"], "'30' must be 60 to 31536000 seconds"),
        (["demote", "ada@example.org"], "The last admin can be neither demoted, disabled nor deleted"),
        (["disable", "ada@example.org"], "The last admin can be neither demoted, disabled nor deleted"),
        (["delete", "--yes", "ada@example.org"], "The last admin can be neither demoted, disabled nor"),
        (["password", "ada@example.org"], "password is missing: standard input is empty"),
        *(
            ([command, "nobody@example.org", *more], "There is no such user")
            for command, *more in (
                ["demote"], ["disable"], ["enable"], ["password"], ["delete", "--yes"],
            )
        ),
    ],
)  # fmt: skip
def test_an_impossible_change_of_an_account_is_reported_in_one_line(
    administered: Path, arguments: list[str], message: str
) -> None:
    ran = matinee("users", *arguments, cwd=administered)
    assert ran.returncode in {1, 2}
    assert ran.stdout == ""
    assert message in ran.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def administered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("administered")
    assert created(directory, *create("ada@example.org", "ada"), "--admin").returncode == 0
    return directory


@pytest.mark.parametrize(
    ("arguments", "password", "code", "message"),
    [
        ([*CREATE[:-1], "x"], PASSWORD, 2, "username must be 3 to 30"),
        (create("x", "xyz"), PASSWORD, 2, "email must be an e-mail address"),
        (create("x@example.org", "ADA"), PASSWORD, 1, "username is taken"),
        (create("ada@example.org", "eve"), PASSWORD, 1, "email is taken"),
        ([*CREATE[:-1], "eve"], "short", 2, "password must be 8 to 128 characters"),
        ([*CREATE[:-1], "eve"], "Password1", 2, "password must not be one of the most common passwords"),
        ([*CREATE[:-1], "eve"], "half \udcff character", 2, "password must not hold control characters"),
        ([*CREATE[:-1], "eve"], "", 2, "password is missing: standard input is empty"),
        ([*CREATE, "--password", PASSWORD], "", 2, "No such option"),
        (["users", "create"], "", 2, "Missing option"),
        (["users", "promote", "nobody@example.org"], "", 1, "There is no such user"),
        (["users", "promote"], "", 2, "Missing argument"),
        (["export", "--user", "nobody@example.org"], "", 1, "There is no such user"),
        (["export"], "", 2, "Missing option"),
    ],
)  # fmt: skip
def test_an_impossible_creation_of_an_account_is_reported_in_one_line(
    account: Path, arguments: list[str], password: str, code: int, message: str
) -> None:
    ran = created(account, *arguments, password=password)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert message in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "password", "code", "message"),
    [
        (
            create("nobody", "x"),
            "Password1",
            2,
            [
                "username must be 3 to 30 letters, digits, _ . or -",
                "email must be an e-mail address",
                "password must not be one of the most common passwords",
            ],
        ),
        (
            create("nobody", "eve"),
            "",
            2,
            ["email must be an e-mail address", "password is missing: standard input is empty"],
        ),
        (create("ADA@example.org", "Ada"), PASSWORD, 1, ["email is taken", "username is taken"]),
    ],
)
def test_all_faults_of_a_new_account_are_reported_at_once(
    account: Path, arguments: list[str], password: str, code: int, message: list[str]
) -> None:
    ran = created(account, *arguments, password=password)

    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.splitlines() == [f"matinee: {sentence}" for sentence in message]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("account")
    assert created(directory).returncode == 0
    return directory


@pytest.mark.parametrize(
    "arguments",
    [
        "users",
        *(
            f"users {command}"
            for command in (
                "create",
                "promote",
                "demote",
                "disable",
                "enable",
                "password",
                "delete",
                "invite",
                "list",
            )
        ),
        "ratings",
        "ratings verify",
        "export",
    ],
)
def test_every_command_has_help(tmp_path: Path, arguments: str) -> None:
    ran = matinee(*arguments.split(), "--help", cwd=tmp_path)
    assert (ran.returncode, "Usage" in ran.stdout) == (0, True)
    assert "Examples" in ran.stdout or arguments in {"users", "ratings"}


def on_a_terminal(cwd: Path, *arguments: str, typed: list[str], hidden: bool = True) -> tuple[int, str]:
    """Run a command on a terminal; return its exit code and its output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*MATINEE, *arguments],
        cwd=cwd,
        env=environment(PYTHONPATH=str(ROOT), COLUMNS="200", TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen, answers = "", list(typed)
    with suppress(OSError):  # the error of reading from a closed terminal
        while part := os.read(ours, 4096).decode():
            seen += part
            if seen.endswith(": ") and answers:
                while hidden and termios.tcgetattr(ours)[3] & termios.ECHO:
                    time.sleep(0.01)
                os.write(ours, f"{answers.pop(0)}\n".encode())
    os.close(ours)
    return process.wait(timeout=10), seen


def test_a_terminal_prompts_twice_for_the_password_without_echo(tmp_path: Path) -> None:
    code, seen = on_a_terminal(tmp_path, *CREATE, typed=[PASSWORD, "another one", PASSWORD, PASSWORD])
    assert code == 0, seen
    assert "do not match" in seen
    assert "ada <Ada@Example.org> can sign in (user)." in seen
    assert PASSWORD not in seen
    code, seen = on_a_terminal(tmp_path, "users", "list", typed=[])
    assert (code, "\t" in seen) == (0, False)
    assert "e-mail" in seen
    assert "Ada@Example.org" in seen


def test_a_created_account_signs_in_and_its_export_is_that_of_the_api(tmp_path: Path) -> None:
    assert created(tmp_path).returncode == 0
    with serving(tmp_path) as server:
        assert "/auth/register" in server.output
        assert "PUBLIC_CATALOGUE=true" in server.output
        signed_in = server.client.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        server.client.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        first, second = [movie["id"] for movie in server.client.get("/movies?limit=2").json()["data"]]
        assert server.client.put(f"/movies/{first}/rating", json={"rating": 8.5}).status_code == 201
        assert server.client.put(f"/movies/{second}/watchlist", json={"note": "é"}).status_code == 201
        answered = server.client.get("/me/export").json()
        assert server.stop() == 0
    ran = matinee("export", "--user", "ADA@example.org", cwd=tmp_path)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, answered)
    assert [len(answered[part]) for part in ("ratings", "watchlist")] == [1, 1]
    assert "argon2" not in ran.stdout


def test_sessions_survive_a_restart_and_the_secret_is_private(tmp_path: Path) -> None:
    account = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    with serving(tmp_path) as server:
        token = server.client.post("/auth/register", json=account).json()["access_token"]
        assert server.stop() == 0
    secret = tmp_path / "matinee-data" / "jwt-secret"
    assert oct(secret.stat().st_mode)[-3:] == "600"
    bearer = {"Authorization": f"Bearer {token}"}
    with serving(tmp_path) as server:
        assert server.client.get("/auth/me", headers=bearer).json()["username"] == "ada"
    with serving(tmp_path, JWT_SECRET="another secret of at least 32 bytes") as server:
        assert server.client.get("/auth/me", headers=bearer).status_code == 401


def test_ratings_verify_finds_and_repairs_drift(tmp_path: Path) -> None:
    assert matinee("sync", "movies", cwd=tmp_path).returncode == 0
    clean = matinee("ratings", "verify", cwd=tmp_path)
    assert (clean.returncode, clean.stdout) == (0, "No drift: every tally equals a recount.\n")
    _drift(tmp_path / "matinee-data" / "matinee.db")
    found = matinee("ratings", "verify", cwd=tmp_path)
    assert found.returncode == 4
    assert "stored 1, average 9.0 (9: 1); counted 0" in found.stdout
    assert "1 movie differs from a recount. To correct it: matinee ratings verify --repair" in found.stdout
    repaired = matinee("ratings", "verify", "--repair", cwd=tmp_path)
    assert (repaired.returncode, "corrected" in repaired.stdout) == (0, True)
    assert matinee("ratings", "verify", cwd=tmp_path).returncode == 0


def test_clients_see_a_repair_by_a_command_at_once(tmp_path: Path) -> None:
    account = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    with serving(tmp_path) as server:
        token = server.client.post("/auth/register", json=account).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}

        def movie() -> Any:
            return server.client.get(f"/movies/{drifted}", headers=bearer)

        drifted = _drift(tmp_path / "matinee-data" / "matinee.db")
        assert movie().json()["ratings_count"] == 1
        assert movie().headers["x-cache"] == "HIT"
        assert matinee("ratings", "verify", "--repair", cwd=tmp_path).returncode == 0
        assert movie().json()["ratings_count"] == 0


def _drift(path: Path) -> str:
    """Delete a rating but not its tally; return the movie."""
    counts = [0] * 19
    counts[16] = 1  # a nine
    with closing(sqlite3.connect(path)) as database, database:
        (movie,) = database.execute("SELECT min(id) FROM movies").fetchone()
        database.execute("UPDATE movies SET tally = ? WHERE id = ?", (json.dumps(counts), movie))
    return str(movie)
