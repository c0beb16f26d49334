"""The bundled Valkey of a data directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from time import monotonic, sleep

import pytest
from redis import Redis

from adapters.redis import embedded
from adapters.redis.embedded import (
    EmbeddedRedis,
    EmbeddedRedisMissing,
    EmbeddedRedisStillRunning,
    SocketPathTooLong,
    address,
)

Process = subprocess.Popen[bytes]


@contextmanager
def running(server: EmbeddedRedis, directory: Path) -> Iterator[Process]:
    """Start a server and wait for its answer; it is stopped at the end."""
    with server.start() as process:
        try:
            until = monotonic() + 10
            while address(directory) is None:
                assert process.poll() is None, process.stdout
                assert monotonic() < until
                sleep(0.01)
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path)
    yield server
    server.clean()


def test_without_a_running_server_there_is_no_address(tmp_path: Path, server: EmbeddedRedis) -> None:
    assert address(tmp_path) is None
    with running(server, tmp_path) as process:
        assert address(tmp_path) == server.url
        process.kill()
        process.wait()
        assert (tmp_path / "redis.sock").exists()
        assert address(tmp_path) is None


def test_only_the_owner_can_connect(tmp_path: Path, server: EmbeddedRedis) -> None:
    with running(server, tmp_path) as process:
        assert (tmp_path / "redis.sock").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "queue").stat().st_mode & 0o077 == 0
        with Redis.from_url(server.url) as client:
            assert client.config_get("port") == {"port": "0"}
        assert listening_inodes().isdisjoint(open_inodes(process.pid))


def listening_inodes() -> set[str]:
    """The inodes of all listening TCP and UDP sockets of this machine."""
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6", "udp", "udp6")]
    lines = [line for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {line.split()[9] for line in lines}


def open_inodes(pid: int) -> set[str]:
    if sys.platform != "linux":
        pytest.skip("only Linux tells who holds which socket")
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_survive_a_restart(tmp_path: Path, server: EmbeddedRedis, how: signal.Signals) -> None:
    with running(server, tmp_path) as process:
        with Redis.from_url(server.url) as client:
            client.rpush("jobs", "first", "second")
        process.send_signal(how)
        process.wait(10)
    with running(server, tmp_path), Redis.from_url(server.url) as client:
        assert client.lrange("jobs", 0, -1) == [b"first", b"second"]


def test_cached_responses_are_evicted_and_jobs_are_not(tmp_path: Path, server: EmbeddedRedis) -> None:
    with running(server, tmp_path), Redis.from_url(server.url) as client:
        client.set("job", "x" * 1000)
        for number in range(90):
            client.set(f"answer:{number}", os.urandom(2**20), ex=60)
        assert client.get("job") == b"x" * 1000
        assert 10 < client.dbsize() < 80


def test_a_frozen_former_server_is_killed_by_the_next(tmp_path: Path, server: EmbeddedRedis) -> None:
    with running(server, tmp_path) as former:
        with Redis.from_url(server.url) as client:
            client.set("job", "1")
        former.send_signal(signal.SIGSTOP)
        assert address(tmp_path) is None
        with running(EmbeddedRedis(tmp_path), tmp_path), Redis.from_url(server.url) as client:
            assert former.wait(10) == -signal.SIGKILL
            assert client.get("job") == b"1"


def test_a_former_server_that_cannot_be_killed_is_an_error(
    tmp_path: Path, server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(server, tmp_path) as former, monkeypatch.context() as powerless:
        powerless.setattr(os, "kill", lambda *_: None)
        with pytest.raises(EmbeddedRedisStillRunning, match=f"process {former.pid}"):
            EmbeddedRedis(tmp_path, kill_timeout=0.1).start()
        assert former.poll() is None


def test_a_data_directory_with_a_long_path_is_reached_by_a_short_link(tmp_path: Path) -> None:
    directory = tmp_path / ("with space %41 é " * 4) / ("long" * 30)
    directory.mkdir(parents=True)
    server = EmbeddedRedis(directory)
    with running(server, directory):
        assert len(server.url) < 100
        assert address(directory) == server.url
        with Redis.from_url(server.url) as client:
            assert client.ping()
    assert embedded._short_link(directory).is_symlink()
    server.clean()
    assert not embedded._short_link(directory).is_symlink()
    assert {path.name for path in directory.iterdir()} == {"queue"}


def test_a_data_directory_can_have_any_characters_in_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "b c%41é"
    directory.mkdir()
    server = EmbeddedRedis(directory)
    with running(server, directory), Redis.from_url(server.url) as client:
        assert client.ping()


def test_a_short_link_to_another_directory_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    directory.mkdir(parents=True)
    link = embedded._short_link(directory)
    link.symlink_to(tmp_path)
    try:
        with pytest.raises(SocketPathTooLong, match="choose a shorter DATA_DIR"):
            EmbeddedRedis(directory)
    finally:
        link.unlink()


def test_a_short_link_that_cannot_be_created_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / ("long" * 30)
    monkeypatch.setattr(embedded, "_short_link", lambda _: tmp_path / "missing" / "link")
    with pytest.raises(SocketPathTooLong, match="No such file"):
        EmbeddedRedis(directory)


def test_without_the_wheel_the_error_names_redis_url_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(embedded, "files", absent)
    with pytest.raises(EmbeddedRedisMissing, match="REDIS_URL"):
        EmbeddedRedis(tmp_path)
    monkeypatch.setattr(embedded, "files", dict[str, list[Path]]().get)
    with pytest.raises(EmbeddedRedisMissing) as caught:
        EmbeddedRedis(tmp_path)
    assert "\n" not in str(caught.value)
