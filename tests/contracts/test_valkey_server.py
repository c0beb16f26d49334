"""The Valkey server that other tests use can be killed, frozen and configured."""

from pathlib import Path

import pytest
import redis

from tests.contracts.valkey_server import Valkey, running_valkey


def test_data_survives_a_kill(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("name", "neo")
        valkey.kill()
        assert not valkey.alive
        valkey.start()
        assert client.get("name") == b"neo"


def test_a_frozen_server_does_not_answer_until_it_is_thawed(valkey: Valkey) -> None:
    valkey.freeze()
    with redis.Redis.from_url(valkey.url, socket_timeout=0.2, retry=None) as client:
        with pytest.raises(redis.TimeoutError):
            client.ping()
        valkey.thaw()
        assert client.ping()


def test_a_separate_server_takes_options_and_removes_its_socket(tmp_path: Path) -> None:
    with running_valkey(tmp_path, "--maxmemory", "8mb") as own, redis.Redis.from_url(own.url) as client:
        assert client.config_get("maxmemory") == {"maxmemory": "8388608"}
        own.stop()
        own.start()
    assert not own.alive
    assert not own.socket_path.exists()
