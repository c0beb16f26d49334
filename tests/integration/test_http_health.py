"""Health over HTTP: what an orchestrator, a monitor and a person are told."""

import logging
from pathlib import Path
from typing import Any

import pytest

from domain.errors import StorageUnavailable
from entrypoints.http import health
from tests.integration.http_service import serving


def away() -> None:
    """A database that does not answer."""
    raise StorageUnavailable("the secret reason")


def answering() -> None:
    """A TMDB that is well."""


def test_a_well_service_tells_all_that_it_stands_on() -> None:
    with serving(tmdb=answering) as client:
        answer = client.get("/api/v1/health")

    told = answer.json()
    assert (answer.status_code, told["status"], told["version"]) == (200, "ok", "1.2.3")
    assert told["uptime_seconds"] >= 0
    assert told["memory_rss_bytes"] > 10_000_000
    assert {name: check["status"] for name, check in told["checks"].items()} == {
        "database": "ok",
        "redis": "not_configured",
        "tmdb": "ok",
        "sync": "ok",
    }
    assert all(check["latency_ms"] >= 0 for check in told["checks"].values())
    assert told["checks"]["sync"]["last_completed_at"] == "2026-01-01T12:00:00.345Z"
    assert told["checks"]["sync"]["age_seconds"] == 86400


def test_without_its_database_the_service_is_down(caplog: pytest.LogCaptureFixture) -> None:
    with serving(database=away) as client:
        answers = {path: client.get(f"/api/v1/health{path}") for path in ("", "/ready", "/database")}

    for answer in answers.values():
        assert answer.status_code == 503
        assert answer.json()["status"] == "down"
        assert answer.headers["retry-after"]
        assert "secret" not in answer.text
    assert answers["/database"].json()["error"] == "storage_unavailable"
    assert "the secret reason" in caplog.text


def test_a_process_without_a_database_is_alive_all_the_same() -> None:
    with serving(database=away) as client:
        answer = client.get("/api/v1/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ready", "/database", "/redis"])
def test_each_part_can_be_asked_alone(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "entrypoints")
    with serving() as client:
        answer = client.get(f"/api/v1/health{path}")

    assert answer.status_code == 200
    assert answer.json()["status"] in {"ok", "not_configured"}
    assert answer.headers["cache-control"] == "no-store"
    assert not caplog.records


def test_where_there_is_no_proc_the_peak_of_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, **_: Any) -> str:
        raise FileNotFoundError(path)

    present = health.memory_in_use()
    monkeypatch.setattr(Path, "read_text", missing)

    assert health.memory_in_use() >= present * 0.5
