"""Health checks over HTTP."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.source import TmdbMovieSource
from domain.errors import StorageUnavailable
from entrypoints.http.resources import health
from tests.integration.http_service import Client, serving
from tests.tmdb_simulator import Fault, TmdbSimulator


def away() -> None:
    """A database that does not respond."""
    raise StorageUnavailable("the secret reason")


def answering() -> None:
    """A TMDB that responds."""


def test_a_healthy_service_reports_all_dependencies() -> None:
    with serving(tmdb=answering) as client:
        answer = client.get("/api/v1/health")

    body = answer.json()
    assert (answer.status_code, body["status"], body["version"]) == (200, "ok", "1.2.3")
    assert body["uptime_seconds"] >= 0
    assert body["memory_rss_bytes"] > body.get("memory_anonymous_bytes", 0) > 10_000_000
    assert {name: check["status"] for name, check in body["checks"].items()} == {
        "database": "ok",
        "redis": "not_configured",
        "tmdb": "ok",
        "sync": "ok",
    }
    assert all(check["latency_ms"] >= 0 for check in body["checks"].values())
    assert body["checks"]["sync"]["last_completed_at"] == "2026-01-01T12:00:00.345Z"
    assert body["checks"]["sync"]["age_seconds"] == 86400


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


def test_a_process_without_a_database_is_alive() -> None:
    with serving(database=away) as client:
        answer = client.get("/api/v1/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ready", "/database", "/redis"])
def test_each_part_has_an_endpoint_of_its_own(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "entrypoints")
    with serving() as client:
        answer = client.get(f"/api/v1/health{path}")

    assert answer.status_code == 200
    assert answer.json()["status"] in {"ok", "not_configured"}
    assert answer.headers["cache-control"] == "no-store"
    assert not [record for record in caplog.records if record.name.startswith("entrypoints")]


def test_without_proc_the_peak_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, **_: Any) -> str:
        raise FileNotFoundError(path)

    present = health.memory_in_use().resident
    monkeypatch.setattr(Path, "read_text", missing)

    assert health.memory_in_use().resident >= present * 0.5
    assert health.memory_in_use().anonymous is None


@contextmanager
def watching_tmdb(tmdb: TmdbSimulator, **known: Any) -> Iterator[Client]:
    """A service that uses this simulator as TMDB."""
    source = TmdbMovieSource(
        access_token=known.get("token", "right"), api_key=None, budget=RequestPacer(1000), base_url=tmdb.url
    )
    with serving(tmdb=source.ping) as client:
        yield client
    source.close()


def statuses_with_tmdb(client: Client) -> tuple[str, str, str | None]:
    """The status of the service, and that of TMDB."""
    body = client.get("/api/v1/health").json()
    check = body["checks"]["tmdb"]
    return body["status"], check["status"], check.get("error")


def comes_to(client: Client, wanted: tuple[str, str, str | None]) -> bool:
    """Whether TMDB gets this status within a few seconds."""
    end = monotonic() + 15
    while monotonic() < end and statuses_with_tmdb(client) != wanted:
        sleep(0.1)
    return statuses_with_tmdb(client) == wanted


WELL = ("ok", "ok", None)
UNAVAILABLE = ("degraded", "degraded", "source_unavailable")
REFUSED = ("degraded", "degraded", "source_refused")


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (Fault("server_error", status=503), UNAVAILABLE),
        (Fault("too_many", seconds=60), UNAVAILABLE),
        (Fault("reset"), UNAVAILABLE),
        (Fault("html"), UNAVAILABLE),
        (Fault("answer", status=401, body={"status_code": 7}), REFUSED),
        (Fault("firewall", status=403), UNAVAILABLE),
    ],
    ids=lambda value: value.label if isinstance(value, Fault) else "",
)
def test_an_unhealthy_tmdb_makes_the_service_degraded_until_it_recovers(
    fault: Fault, wanted: tuple[str, str, str | None]
) -> None:
    with TmdbSimulator(faults=[fault]) as tmdb, watching_tmdb(tmdb) as client:
        assert comes_to(client, wanted)
        assert tmdb.requests < 5  # no retries, and fewer probes than health checks
        tmdb.set_faults()
        assert comes_to(client, WELL)


def test_a_silent_tmdb_delays_no_response_and_is_reported() -> None:
    with (
        TmdbSimulator(faults=[Fault("slow_headers", seconds=30)]) as tmdb,
        watching_tmdb(tmdb) as client,
    ):
        assert [statuses_with_tmdb(client) for _ in range(30)] == [UNAVAILABLE] * 30
        assert tmdb.requests < 15, "most got the cached result"
        tmdb.set_faults()
        assert comes_to(client, WELL)


def test_a_refused_credential_makes_tmdb_degraded() -> None:
    with TmdbSimulator(token="right") as tmdb, watching_tmdb(tmdb, token="wrong") as client:
        assert comes_to(client, REFUSED)


def test_a_healthy_tmdb_is_not_checked_for_each_request() -> None:
    with TmdbSimulator() as tmdb, watching_tmdb(tmdb) as client:
        assert [statuses_with_tmdb(client) for _ in range(20)] == [WELL] * 20
        assert tmdb.requests <= 2
        assert {request.path for request in tmdb.log} == {"/3/authentication"}


def test_a_service_without_tmdb_sends_it_no_requests() -> None:
    with TmdbSimulator() as tmdb, watching_tmdb(tmdb) as client:
        for path in ("/ready", "/live", "/database"):
            client.get(f"/api/v1/health{path}")
        assert tmdb.requests == 0
