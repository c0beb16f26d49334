"""The commands as a user runs them."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import venv
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import matinee, serving
from tests.tmdb_simulator import Catalogue, Fault, TmdbSimulator, make_movies

ROOT = Path(__file__).parents[2]
SECRET = "a secret of more than thirty-two bytes for tests"


def test_a_first_start_shows_the_demo_catalogue_and_a_second_the_same_data(tmp_path: Path) -> None:
    pages = []
    for start in ("first", "second"):
        with serving(tmp_path, PUBLIC_CATALOGUE="true") as server:
            assert ("demo catalogue" in server.output) == (start == "first")
            assert str(tmp_path / "matinee-data") in server.output
            pages.append(server.client.get("/movies?limit=100").json())
            found = server.client.get("/movies/search?q=godfahter").json()["data"]
            assert found[0]["title"] == "The Godfather"
            assert server.client.get("/health").json()["status"] == "ok"
            assert server.stop() == 0
    assert pages[0] == pages[1]
    assert pages[0]["meta"]["total"] > 250


def test_without_a_public_catalogue_the_banner_names_the_setting(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert "PUBLIC_CATALOGUE=true" in server.output
        refused = server.client.get("/movies")
        assert (refused.status_code, refused.json()["code"]) == (401, "token_rejected")
        assert server.stop(signal.SIGTERM) == 0


def test_with_a_credential_the_first_start_fills_from_tmdb(tmp_path: Path) -> None:
    with TmdbSimulator(Catalogue(make_movies(40))) as tmdb:
        tmdb_settings = {
            "TMDB_ACCESS_TOKEN": "t",
            "TMDB_BASE_URL": tmdb.url,
            "TMDB_REQUESTS_PER_SECOND": "1000",
        }
        with serving(tmp_path, PUBLIC_CATALOGUE="true", **tmdb_settings) as server:
            assert "from TMDB" in server.output
            assert 0 < server.client.get("/movies").json()["meta"]["total"] <= 40


def test_syncs_end_with_a_table_and_an_exit_code(tmp_path: Path) -> None:
    with TmdbSimulator(Catalogue(make_movies(60)), token="right") as tmdb:
        settings = {
            "TMDB_BASE_URL": tmdb.url,
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_ACCESS_TOKEN": "right",
        }
        good = matinee("sync", "movies", "--pages", "2", cwd=tmp_path, **settings)
        assert (good.returncode, "success" in good.stdout) == (0, True), good.stderr
        assert "2 of 2 pages" in good.stderr
        tmdb.set_faults(Fault("item_null", "page=3", item=1))
        partial = matinee("sync", "movies", cwd=tmp_path, **settings)
        assert (partial.returncode, "page 3: row" in partial.stdout) == (3, True), partial.stdout
        assert matinee("sync", "genres", cwd=tmp_path, **settings).returncode == 0
        assert matinee("sync", "changes", cwd=tmp_path, **settings).returncode == 0
        refused = matinee("sync", "genres", cwd=tmp_path, **settings | {"TMDB_ACCESS_TOKEN": "wrong-secret"})
        assert (refused.returncode, "TMDB_ACCESS_TOKEN" in refused.stdout) == (1, True)
        assert "wrong-secret" not in refused.stdout + refused.stderr


def rows(directory: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(directory / "matinee-data" / "matinee.db")) as store:
        return store.execute(query).fetchall()


def test_a_catalogue_from_tmdb_is_not_synced_with_the_demo(tmp_path: Path) -> None:
    with TmdbSimulator(Catalogue(make_movies(60))) as tmdb:
        credential = {
            "TMDB_BASE_URL": tmdb.url,
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_ACCESS_TOKEN": "right",
        }
        for kind in ("genres", "movies"):
            assert matinee("sync", kind, cwd=tmp_path, **credential).returncode == 0
        before = rows(tmp_path, "SELECT * FROM movies ORDER BY tmdb_id")

        for arguments, variables in (
            (["movies"], {}),
            (["genres"], {}),
            (["changes"], {}),
            (["movies", "--demo"], {}),
            (["movies", "--demo"], credential),
        ):
            refused = matinee("sync", *arguments, cwd=tmp_path, **variables)
            assert refused.returncode == 1
            assert refused.stdout == ""
            (line,) = refused.stderr.splitlines()
            assert line.startswith("matinee: The catalogue was filled from TMDB")
            assert "set TMDB_ACCESS_TOKEN or TMDB_API_KEY" in line
        unset = matinee("sync", "upgrade", cwd=tmp_path)
        assert (unset.returncode, "TMDB_ACCESS_TOKEN" in unset.stderr) == (2, True)

        with serving(tmp_path, PUBLIC_CATALOGUE="true") as server:
            health = server.client.get("/health").json()
            assert health["status"] == "degraded"
            assert health["checks"]["sync"]["status"] == "degraded"
            assert health["checks"]["sync"]["error"] == "source_mismatch"
            assert server.client.get("/movies").json()["meta"]["total"] > 0
            log = tmp_path / "serve.log"
            end = time.monotonic() + 30
            while "no syncs are scheduled" not in log.read_text() and time.monotonic() < end:
                time.sleep(0.1)
            assert server.stop() == 0
        assert "No syncs will run: The catalogue was filled from TMDB" in server.output
        assert "no syncs are scheduled" in log.read_text()
        assert "no syncs will run: The catalogue was filled from TMDB" in log.read_text()
        assert "demo catalogue is loaded" not in server.output
        assert rows(tmp_path, "SELECT * FROM movies ORDER BY tmdb_id") == before
        again = matinee("sync", "movies", cwd=tmp_path, **credential)
        assert again.returncode == 0, again.stderr


def test_a_command_changes_the_source_of_a_demo_catalogue_to_tmdb(tmp_path: Path) -> None:
    for kind in ("genres", "movies"):
        filled = matinee("sync", kind, *(["--demo"] if kind == "movies" else []), cwd=tmp_path)
        assert filled.returncode == 0, filled.stderr
        assert ("No TMDB_ACCESS_TOKEN is set" in filled.stderr) == (kind == "genres")
    with TmdbSimulator(Catalogue(make_movies(60)), token="right") as tmdb:
        credential = {
            "TMDB_BASE_URL": tmdb.url,
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_ACCESS_TOKEN": "right",
        }
        refused = matinee("sync", "movies", cwd=tmp_path, **credential)
        assert (refused.returncode, tmdb.requests) == (1, 0)
        assert "run `matinee sync upgrade`" in refused.stderr
        wrong = matinee("sync", "upgrade", cwd=tmp_path, **credential | {"TMDB_ACCESS_TOKEN": "wrong"})
        assert (wrong.returncode, rows(tmp_path, "SELECT source FROM catalogue")) == (1, [("demo",)])
        assert "check TMDB_ACCESS_TOKEN" in wrong.stderr

        upgraded = matinee("sync", "upgrade", cwd=tmp_path, **credential)
        assert upgraded.returncode in (0, 3), upgraded.stderr
        assert rows(tmp_path, "SELECT source FROM catalogue") == [("tmdb",)]
        assert rows(tmp_path, "SELECT DISTINCT source FROM synclogs") == [("demo",), ("tmdb",)]
        assert matinee("sync", "movies", cwd=tmp_path, **credential).returncode == 0
    assert matinee("sync", "movies", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "message"),
    [
        (["sync", "movies", "--pages", "0"], {}, 2, "--pages"),
        (["dance"], {}, 2, "dance"),
        (["serve"], {"PORT": "70000"}, 2, "matinee: PORT must be a port number from 1 to 65535\n"),
        (["sync", "genres"], {"DATA_DIR": "/dev/null/x"}, 2, "DATA_DIR /dev/null/x is not a directory"),
        (
            ["sync", "genres"],
            {"DATA_DIR": "~nobody-at-all/x"},
            2,
            "matinee: DATA_DIR names the home directory",
        ),
        (
            ["sync", "genres"],
            {"MONGODB_URI": "mongodb://127.0.0.1:1/x"},
            2,
            "matinee: JWT_SECRET is required",
        ),
        (
            ["sync", "genres"],
            {"MONGODB_URI": "mongodb://127.0.0.1:1/x", "JWT_SECRET": SECRET},
            1,
            "storage is not available",
        ),
        (["openapi"], {"JWT_SECRET": "short"}, 2, "matinee: JWT_SECRET must be at least 32 bytes long\n"),
    ],
)
def test_bad_usage_is_one_clear_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], code: int, message: str
) -> None:
    ran = matinee(*arguments, cwd=tmp_path, **variables)
    assert (ran.returncode, message in ran.stderr, "Traceback" in ran.stderr) == (code, True, False), (
        ran.stderr
    )


def test_all_faulty_settings_are_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PUBLIC_CATALOGUE=maybe\nPORT=1234\n")
    ran = matinee("serve", cwd=tmp_path, TMDB_BASE_URL="ftp://x", TMDB_SYNC_PAGES="501")
    assert ran.returncode == 2
    assert sorted(line.split()[1] for line in ran.stderr.splitlines()) == [
        "PUBLIC_CATALOGUE", "TMDB_BASE_URL", "TMDB_SYNC_PAGES",
    ]  # fmt: skip


def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = matinee("serve", "--port", port, cwd=tmp_path)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (
        1,
        f"matinee: cannot listen on 127.0.0.1 port {port}: Address already in use; --port chooses another",
    )


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused_with_the_option_to_change(
    host: str, tmp_path: Path
) -> None:
    ran = matinee("serve", "--port", "8080", "--host", host, cwd=tmp_path)
    last = ran.stderr.splitlines()[-1]
    assert (ran.returncode, last.split(": ")[1]) == (1, f"cannot listen on {host} port 8080")
    assert last.endswith("; --host chooses another")


@pytest.mark.parametrize(
    "arguments", [[], ["serve"], ["sync"], ["sync", "movies"], ["sync", "genres"], ["openapi"]]
)
def test_every_command_has_help(tmp_path: Path, arguments: list[str]) -> None:
    ran = matinee(*arguments, "--help", cwd=tmp_path)
    assert ran.returncode == 0
    assert "Usage" in ran.stdout
    assert "Examples" in ran.stdout or arguments == ["sync"]


def test_the_openapi_document_can_be_printed(tmp_path: Path) -> None:
    document = json.loads(matinee("openapi", cwd=tmp_path).stdout)
    assert document["info"]["title"] == "Matinee"
    assert not (tmp_path / "matinee-data").exists()


def test_the_version_can_be_printed(tmp_path: Path) -> None:
    assert matinee("--version", cwd=tmp_path).stdout.startswith("matinee, version 0.")


def test_an_unavailable_source_is_reported_without_a_traceback(tmp_path: Path) -> None:
    away = {"TMDB_ACCESS_TOKEN": "token-of-mine", "TMDB_BASE_URL": "http://127.0.0.1:1"}
    ran = matinee("sync", "genres", cwd=tmp_path, **away)
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert "page 1: TMDB could not be reached" in ran.stdout


def test_the_wheel_alone_has_the_library_and_its_command_names_the_extra(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    venv.create(tmp_path / "empty", with_pip=True)
    python = str(tmp_path / "empty" / "bin" / "python")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    install = [python, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, cwd=tmp_path)
    program = (
        "import domain.ports, json, sys; "
        "files = [getattr(module, '__file__', '') or '' for module in sys.modules.values()]; "
        "print(json.dumps([file for file in files if 'site-packages' in file]))"
    )
    alone = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    folders = {Path(file).parent for file in json.loads(alone.stdout)}
    packages = {folder.parts[folder.parts.index("site-packages") + 1] for folder in folders}
    assert packages - {"_distutils_hack"} == {"domain"}
    ran = subprocess.run(
        [tmp_path / "empty" / "bin" / "matinee"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "pip install 'matinee[server]'" in ran.stderr
    assert list((tmp_path / "empty" / "lib").glob("**/films.jsonl"))
