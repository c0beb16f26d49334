"""Common behaviour of all commands: bad usage, closed pipes, a broken `.env`, unexpected errors."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.commands import MATINEE, environment, matinee, matinee_with_stdout, unmeasured
from tests.tmdb_simulator import Catalogue, TmdbSimulator, make_movies

CUT_OFF = 141

PLANTED = """
import sys
from entrypoints.cli import users
users._print_accounts = lambda users: {}["planted"]
from entrypoints.launch import main
main()
"""


def run_into(stdout: int, *arguments: str, cwd: Path, stderr: int = subprocess.PIPE) -> tuple[int, str]:
    """Run a new interpreter with output to a descriptor; return its exit code and its standard error."""
    ran = subprocess.run(
        [*MATINEE, *arguments],
        cwd=cwd,
        env=unmeasured(PYTHONPATH=str(Path.cwd())),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stderr or ""


def unread_pipe() -> int:
    """The write end of a pipe whose read end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a store that has an account."""
    create = ["users", "create", "--email", "ada@example.org", "--username", "ada"]
    made = matinee(*create, cwd=tmp_path, stdin="correct horse battery\n")
    assert made.returncode == 0, made.stderr
    return tmp_path


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        ("sevre", "There is no command 'sevre'. Did you mean 'serve'? (see matinee --help)"),
        ("Serve", "There is no command 'Serve'. Did you mean 'serve'? (see matinee --help)"),
        ("genres", "There is no command 'genres'. Did you mean 'sync genres'? (see matinee --help)"),
        ("promot a@b.c", "There is no command 'promot'. Did you mean 'users promote'? (see matinee --help)"),
        ("zzz", "There is no command 'zzz'. (see matinee --help)"),
        ("users lst", "There is no command 'lst'. Did you mean 'list'? (see matinee users --help)"),
        ("sync movie", "There is no command 'movie'. Did you mean 'movies'? (see matinee sync --help)"),
        ("--verison", "No such option '--verison'. Did you mean '--version'? (see matinee --help)"),
        ("serve --prt 1", "No such option '--prt'. Did you mean '--port'? (see matinee serve --help)"),
        ("export", "Missing option '--user'. (see matinee export --help)"),
        ("ratings verify now", "Got unexpected extra argument (now) (see matinee ratings verify --help)"),
        ("worker --page 0", "No such option '--page'. (see matinee worker --help)"),
    ],
)
def test_bad_usage_prints_one_line_with_the_nearest_command(tmp_path: Path, usage: str, line: str) -> None:
    arguments = usage.split()
    ran = matinee(*arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"matinee: {line}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["users", "--help"],
        ["users", "list"],
        ["export", "--user", "ada@example.org"],
        ["ratings", "verify"],
        ["check"],
        ["openapi"],
    ],
)
def test_output_to_a_closed_pipe_ends_silently(directory: Path, arguments: list[str]) -> None:
    writing = unread_pipe()
    try:
        ran = matinee_with_stdout(writing, *arguments, cwd=directory)
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (CUT_OFF, "")


def test_errors_to_a_closed_pipe_end_silently(tmp_path: Path) -> None:
    writing = unread_pipe()
    try:
        code, _ = run_into(subprocess.PIPE, "sevre", cwd=tmp_path, stderr=writing)
    finally:
        os.close(writing)
    assert code == CUT_OFF


def test_a_sync_completes_although_the_pipe_of_its_progress_is_closed(directory: Path) -> None:
    writing = unread_pipe()
    try:
        code, _ = run_into(writing, "sync", "movies", cwd=directory, stderr=writing)
        assert code == CUT_OFF
        code, stderr = run_into(writing, "sync", "genres", cwd=directory)
        assert code == CUT_OFF
        assert "Error" not in stderr
    finally:
        os.close(writing)
    again = matinee("sync", "movies", cwd=directory)
    assert re.search(r"inserted\W+0\b", again.stdout), again.stdout  # all genres were stored


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="wants /dev/full")
def test_output_that_cannot_be_written_is_reported_in_one_line(directory: Path) -> None:
    for arguments in (["users", "list"], ["openapi"], ["--help"]):
        with Path("/dev/full").open("w") as full:
            code, stderr = run_into(full.fileno(), *arguments, cwd=directory)
        assert (code, stderr) == (1, "matinee: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("level", "form", "shown"), [("debug", "json", True), ("debug", "console", True), ("info", "json", False)]
)
def test_an_unexpected_error_prints_one_line_and_logs_a_traceback_at_debug(
    directory: Path, level: str, form: str, *, shown: bool
) -> None:
    log = directory / "matinee.log"
    variables = {"LOG_LEVEL": level, "LOG_FORMAT": form, "LOG_FILE": str(log)}
    ran = subprocess.run(
        [sys.executable, "-c", PLANTED, "users", "list"],
        cwd=directory,
        env=environment(PYTHONPATH=str(Path.cwd()), **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    last = ran.stderr.splitlines()[-1]
    assert ran.returncode == 1
    assert last.startswith("matinee: unexpected KeyError: 'planted'")
    assert ("LOG_LEVEL=debug" in last) is not shown
    assert ("Traceback" in log.read_text()) is shown
    assert ("Traceback" in ran.stderr) is shown


def test_at_debug_an_expected_failure_is_logged_with_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "matinee-data").mkdir()
    (tmp_path / "matinee-data" / "matinee.db").write_bytes(b"no database " * 1000)
    quiet = matinee("users", "list", cwd=tmp_path)
    assert (quiet.returncode, len(quiet.stderr.splitlines())) == (1, 1)
    full = matinee("users", "list", cwd=tmp_path, LOG_LEVEL="debug", LOG_FORMAT="json")
    (line,) = [json.loads(line) for line in full.stderr.splitlines() if "Traceback" in line]
    assert "Traceback" in line["exception"]
    assert full.stderr.splitlines()[-1] == quiet.stderr.strip()


def test_at_debug_a_sync_that_fails_is_logged_with_a_traceback_without_the_credential(tmp_path: Path) -> None:
    settings = {"TMDB_BASE_URL": "http://127.0.0.1:9/3", "TMDB_API_KEY": "a-key-of-nobody"}
    ran = matinee("sync", "genres", cwd=tmp_path, LOG_LEVEL="debug", LOG_FORMAT="json", **settings)
    assert ran.returncode == 1
    assert any("SourceUnavailable" in line and "Traceback" in line for line in ran.stderr.splitlines())
    assert settings["TMDB_API_KEY"] not in ran.stderr + ran.stdout


@pytest.mark.parametrize("content", ["PORT=80\nX=é\n".encode("latin-1"), "PORT=80".encode("utf-16"), b"A=\0"])
def test_every_command_reports_a_broken_env_file_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    for arguments in (["serve"], ["worker"], ["sync", "genres"], ["users", "list"], ["openapi"]):
        ran = matinee(*arguments, cwd=tmp_path)
        assert ran.returncode == 2
        assert len(ran.stderr.splitlines()) == 1
        assert ran.stderr.startswith("matinee: .env cannot be read: ")
    failed = matinee("check", cwd=tmp_path)
    assert (failed.returncode, failed.stdout.count(".env cannot be read")) == (1, 1)


def test_a_mistyped_name_in_the_env_file_is_reported_once(directory: Path) -> None:
    (directory / ".env").write_text("PROT=80\nMATINEE_COLOUR=red\nSMTP_HOST=x\n")
    ran = matinee("users", "list", cwd=directory)
    assert (ran.returncode, ran.stderr.splitlines()) == (
        0,
        [
            "matinee: warning: .env: PROT is not a setting of Matinee and is ignored; did you mean PORT?",
            (
                "matinee: warning: .env: MATINEE_COLOUR is not a setting of Matinee and is ignored; "
                "docs/operating.md lists all settings"
            ),
        ],
    )


@pytest.mark.parametrize("arguments", [["sync", "changes"], ["sync", "movies"], ["sync", "genres"]])
def test_a_refused_credential_fails_every_sync_of_an_empty_store(
    tmp_path: Path, arguments: Sequence[str]
) -> None:
    with TmdbSimulator(Catalogue(make_movies(20)), token="right") as tmdb:
        ran = matinee(*arguments, cwd=tmp_path, TMDB_ACCESS_TOKEN="wrong", TMDB_BASE_URL=tmdb.url)
        assert ran.returncode == 1
        assert "TMDB refuses the credential, check TMDB_ACCESS_TOKEN" in ran.stdout
        good = matinee(
            "sync", "changes", cwd=tmp_path, TMDB_ACCESS_TOKEN="Bearer right", TMDB_BASE_URL=tmdb.url
        )
        assert good.returncode == 0, good.stderr


def test_the_directory_of_the_log_file_is_created_or_the_reason_reported(directory: Path) -> None:
    made = matinee("users", "list", cwd=directory, LOG_FILE="logs/of/matinee.log")
    assert (made.returncode, made.stderr) == (0, "")
    assert (directory / "logs" / "of" / "matinee.log").exists()
    failed = matinee("users", "list", cwd=directory, LOG_FILE="logs")
    assert (failed.returncode, failed.stderr) == (
        2,
        (
            "matinee: LOG_FILE cannot be written: logs: it is a directory; "
            "name a file in it, such as logs/matinee.log\n"
        ),
    )
