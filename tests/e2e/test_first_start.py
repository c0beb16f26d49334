"""The first start: its output, and what it does without a source of movies."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

from tests.e2e.commands import MATINEE, RunningServer, matinee, serving, starting, unmeasured
from tests.ports import free_port
from tests.tmdb_simulator import Catalogue, Fault, TmdbSimulator, make_movies


def settings(tmdb_url: str) -> dict[str, str]:
    return {
        "TMDB_ACCESS_TOKEN": "right",
        "TMDB_BASE_URL": tmdb_url,
        "TMDB_REQUESTS_PER_SECOND": "1000",
        "PUBLIC_CATALOGUE": "true",
        "RATE_LIMIT": "100000/minute",
    }


def sync_check(server: RunningServer) -> dict[str, object]:
    health = server.client.get("/health").json()
    check: dict[str, object] = health["checks"]["sync"]
    assert check["status"] == "ok" or health["status"] == "degraded"
    return check


def await_movies(server: RunningServer, number: int) -> None:
    """Wait until the catalogue has movies."""
    until = time.monotonic() + 60
    while server.client.get("/movies").json()["meta"]["total"] < number or "error" in sync_check(server):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_without_a_network_the_first_start_serves_and_fills_in_the_background(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, **settings(f"http://127.0.0.1:{port}/3")) as server:
        assert "could not be reached" in server.output
        assert "The service starts now, and movies appear as soon as TMDB sends them." in server.output
        assert server.output.splitlines()[-1] == "Stop  Ctrl-C"
        assert server.client.get("/movies").json()["meta"]["total"] == 0
        assert sync_check(server)["error"] == "catalogue_not_filled"
        with TmdbSimulator(Catalogue(make_movies(40)), token="right", port=port):
            await_movies(server, 30)
        assert "error" not in sync_check(server)
        assert server.stop() == 0
    log = (tmp_path / "serve.log").read_text()
    assert "the catalogue is filled" in log
    assert "Traceback" not in log


def test_a_source_that_stalls_during_the_first_start_does_not_delay_it(tmp_path: Path) -> None:
    with TmdbSimulator(Catalogue(make_movies(40)), token="right") as tmdb:
        tmdb.set_faults(Fault("slow_headers", path="authentication|genre", seconds=60, times=1))
        with serving(tmp_path, **settings(tmdb.url)) as server:
            assert "The service starts now" in server.output
            await_movies(server, 30)
            assert server.stop(signal.SIGTERM) == 0


def test_a_stop_interrupts_the_wait_for_the_source(tmp_path: Path) -> None:
    with serving(tmp_path, **settings("http://127.0.0.1:1/3")) as server:
        began = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 10  # as the README promises
    again = matinee("sync", "genres", cwd=tmp_path)
    assert again.returncode == 0, again.stderr  # no lock is held and no run is in progress


def test_a_refused_credential_is_reported_and_the_service_starts(tmp_path: Path) -> None:
    with TmdbSimulator(Catalogue(make_movies(20)), token="another") as tmdb:
        with serving(tmp_path, **settings(tmdb.url)) as server:
            assert (
                "The catalogue stays as it is: TMDB refuses the credential, check TMDB_ACCESS_TOKEN"
                in server.output
            )
            assert "Set it right, and start again." in server.output
            assert sync_check(server)["error"] == "catalogue_not_filled"
            assert server.stop() == 0
        with serving(tmp_path, **settings(tmdb.url) | {"TMDB_ACCESS_TOKEN": "another"}) as server:
            assert server.client.get("/movies").json()["meta"]["total"] > 0


def test_the_banner_is_printed_last_and_is_true(tmp_path: Path) -> None:
    port = str(free_port())
    with starting(tmp_path, {"LOG_FORMAT": "json", "PORT": port}) as server:
        assert server.process.stdout
        for line in server.process.stdout:
            if line.startswith("Stop"):
                break
        log = (tmp_path / "serve.log").read_text()
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live", timeout=30).status_code == 200
        for message in ("Application startup complete", "worker runs as process", "verify-ratings is due at"):
            assert message in log
        assert server.stop() == 0


def test_a_service_continues_when_the_pipe_of_its_output_is_closed(tmp_path: Path) -> None:
    port = str(free_port())
    process = subprocess.Popen(
        [*MATINEE, "serve"],
        cwd=tmp_path,
        env=unmeasured(PYTHONPATH=str(Path.cwd()), PORT=port, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"First start")
        process.stdout.close()
        process.stderr.close()
        await_port(port)
        for _ in range(20):
            assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live", timeout=30).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def await_port(port: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return
