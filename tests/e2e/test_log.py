"""The log of the real command: all requests until the end, and no secret at level debug."""

import json
import signal
from pathlib import Path
from typing import Any

from tests.e2e.commands import matinee, serving
from tests.tmdb_simulator import TmdbSimulator, make_catalogue

ACCOUNT = {"username": "neo", "email": "neo@example.com", "password": "follow the SECRET rabbit"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_no_request_before_sigterm_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "matinee.log"
    with serving(tmp_path, LOG_FILE=str(file)) as server:
        for number in range(50):
            server.client.get("/about", headers={"X-Request-ID": f"mine-{number}"})
        assert server.stop(signal.SIGTERM) == 0

    written = [line.get("request_id") for line in lines(file)]
    assert [each for each in written if str(each).startswith("mine")] == [
        f"mine-{number}" for number in range(50)
    ]


def test_the_log_at_debug_has_no_tokens_passwords_or_credentials(tmp_path: Path) -> None:
    file = tmp_path / "matinee.log"
    with (
        TmdbSimulator(make_catalogue(40), token="SECRET-of-tmdb") as tmdb,
        serving(
            tmp_path,
            LOG_FILE=str(file),
            LOG_LEVEL="debug",
            JWT_SECRET="SECRET-that-signs-tokens-of-this-test",
            TMDB_ACCESS_TOKEN="SECRET-of-tmdb",
            TMDB_BASE_URL=tmdb.url,
            TMDB_REQUESTS_PER_SECOND="500",
            TMDB_SYNC_PAGES="1",
        ) as server,
    ):
        made = server.client.post("/auth/register", json=ACCOUNT).json()
        bearer = {"Authorization": f"Bearer {made['access_token']}"}
        renewed = server.client.post("/auth/refresh", json={"refresh_token": made["refresh_token"]}).json()
        server.client.get("/auth/me?token=SECRET", headers=bearer)
        server.client.get("/auth/me", headers={"Authorization": "Bearer SECRET.SECRET.SECRET"})
        server.client.post("/auth/login", json={**ACCOUNT, "password": "wrong SECRET"})
        server.client.get("/health")
        assert server.stop() == 0

    written = file.read_text() + (tmp_path / "serve.log").read_text() + server.output
    assert len([line for line in lines(file) if line["event"] == "request"]) >= 6
    for secret in ("SECRET", made["access_token"], made["refresh_token"], renewed["access_token"]):
        assert secret not in written


def test_a_log_file_that_cannot_be_written_ends_the_start_with_one_line(tmp_path: Path) -> None:
    result = matinee("serve", cwd=tmp_path, LOG_FILE=str(tmp_path))

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("matinee: LOG_FILE cannot be written: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "matinee-data").exists()
