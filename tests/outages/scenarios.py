"""The outages: how each begins and ends, the responses that are allowed during it, and the recovery."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from tests.outages.environment import Environment
from tests.outages.load import LoadClient, Period, period, register_clients, running_clients
from tests.tmdb_simulator import Fault

NORMAL_STATUSES = frozenset({200, 201, 204, 304})
STATUSES_WITHOUT_STORAGE = NORMAL_STATUSES | {503}

RECOVERY_TIMEOUT = 5.0
"""Seconds after the end of an outage within which the service must have recovered."""

Action = Callable[[Environment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a part of the environment is unavailable.

    `allowed_statuses` are the statuses that clients may get during the outage. `expected_health` is what
    `GET /health` must report for `part`.
    """

    name: str
    begin: Action
    end: Action
    allowed_statuses: frozenset[int]
    part: str
    expected_health: frozenset[str] = frozenset({"down"})


@dataclass(frozen=True, slots=True)
class OutageResult:
    """What clients observed before, during and after an outage.

    `health` is the last response of `GET /health` during the outage, `recovery_time` is in seconds, and
    `stale_reads` has a sentence for each response that was older than the client's last write.
    """

    outage: Outage
    before: Period
    during: Period
    after: Period
    health: dict[str, str]
    recovery_time: float
    stale_reads: list[str]

    def violations(self) -> list[str]:
        """What differs from the expected behaviour."""
        violations = list(self.stale_reads[:3])
        for name, observed, allowed in (
            ("before", self.before, NORMAL_STATUSES),
            ("during", self.during, self.outage.allowed_statuses),
            ("after", self.after, NORMAL_STATUSES),
        ):
            if unexpected := set(observed.statuses) - allowed:
                violations.append(f"{name}: statuses {sorted(unexpected)}")
        if self.health["part"] not in self.outage.expected_health:
            violations.append(f"the health was {self.health}")
        if self.recovery_time > RECOVERY_TIMEOUT:
            violations.append(f"recovered after {self.recovery_time:.1f} s")
        return violations


def exhaust_memory(environment: Environment) -> None:
    """Leave Redis no free memory, and forbid it to evict keys."""
    for setting, value in (("maxmemory-policy", "noeviction"), ("maxmemory", "1")):
        assert environment.redis.command("CONFIG", "SET", setting, value) == "+OK"


def restore_memory(environment: Environment) -> None:
    """Remove the limit on the memory of Redis."""
    assert environment.redis.command("CONFIG", "SET", "maxmemory", "0") == "+OK"


def _redis(method: str) -> Action:
    return lambda environment: getattr(environment.redis, method)()


def _proxy(method: str) -> Action:
    def action(environment: Environment) -> None:
        assert environment.database_proxy
        getattr(environment.database_proxy, method)()

    return action


def _tmdb(*faults: Fault) -> Action:
    """Make TMDB respond with these faults; with none, it responds normally."""
    return lambda environment: environment.tmdb.set_faults(*faults)


REDIS = (
    Outage(
        name="redis stopped",
        begin=_redis("stop"),
        end=_redis("start"),
        allowed_statuses=NORMAL_STATUSES,
        part="redis",
    ),
    Outage(
        name="redis killed",
        begin=_redis("kill"),
        end=_redis("start"),
        allowed_statuses=NORMAL_STATUSES,
        part="redis",
    ),
    Outage(
        name="redis frozen",
        begin=_redis("freeze"),
        end=_redis("thaw"),
        allowed_statuses=NORMAL_STATUSES,
        part="redis",
    ),
    Outage(
        name="redis full",
        begin=exhaust_memory,
        end=restore_memory,
        allowed_statuses=NORMAL_STATUSES,
        part="redis",
        expected_health=frozenset({"ok"}),
    ),
)
STORAGE = (
    Outage(
        name="storage stopped",
        begin=_proxy("disconnect"),
        end=_proxy("resume"),
        allowed_statuses=STATUSES_WITHOUT_STORAGE,
        part="database",
    ),
    Outage(
        name="storage frozen",
        begin=_proxy("pause"),
        end=_proxy("resume"),
        allowed_statuses=STATUSES_WITHOUT_STORAGE,
        part="database",
    ),
)
TMDB = (
    Outage(
        name="tmdb down",
        begin=_tmdb(Fault("reset")),
        end=_tmdb(),
        allowed_statuses=NORMAL_STATUSES,
        part="tmdb",
        expected_health=frozenset({"degraded"}),
    ),
    Outage(
        name="tmdb slow",
        begin=_tmdb(Fault("slow_headers", seconds=30)),
        end=_tmdb(),
        allowed_statuses=NORMAL_STATUSES,
        part="tmdb",
        expected_health=frozenset({"degraded"}),
    ),
    Outage(
        name="tmdb 429",
        begin=_tmdb(Fault("too_many", seconds=1)),
        end=_tmdb(),
        allowed_statuses=NORMAL_STATUSES,
        part="tmdb",
        expected_health=frozenset({"degraded"}),
    ),
    Outage(
        name="tmdb 401",
        begin=_tmdb(
            Fault("answer", status=401, body={"status_code": 7, "status_message": "Invalid API key"})
        ),
        end=_tmdb(),
        allowed_statuses=NORMAL_STATUSES,
        part="tmdb",
        expected_health=frozenset({"degraded"}),
    ),
)


def run_outage(
    environment: Environment, outage: Outage, *, clients: int, seconds: float, pause: float
) -> OutageResult:
    """Register clients and run an outage of `seconds` while they send requests, `pause` seconds apart."""
    registered = register_clients(environment.base_urls, clients, environment.movie_ids)
    try:
        return run_with_clients(environment, outage, registered, seconds=seconds, pause=pause)
    finally:
        for client in registered:
            client.delete_rating()


def run_with_clients(
    environment: Environment, outage: Outage, clients: Sequence[LoadClient], *, seconds: float, pause: float
) -> OutageResult:
    """Run an outage while these clients send requests."""
    duration_without_outage = min(max(1.0, seconds / 6), 5.0)
    with running_clients(clients, pause):
        load_began = time.monotonic()
        time.sleep(duration_without_outage)
        outage_began = time.monotonic()
        outage.begin(environment)
        health = _monitor(environment, outage, seconds)
        outage.end(environment)
        outage_ended = time.monotonic()
        recovery_time = _wait_for_recovery(environment, outage, outage_ended)
        recovered = time.monotonic()
        time.sleep(duration_without_outage)
        load_ended = time.monotonic()
    return OutageResult(
        outage=outage,
        before=period(clients, load_began, outage_began - 0.5),
        during=period(clients, outage_began, outage_ended),
        after=period(clients, recovered, load_ended),
        health=health,
        recovery_time=recovery_time,
        stale_reads=[stale for client in clients for stale in client.stale_reads],
    )


def _monitor(environment: Environment, outage: Outage, seconds: float) -> dict[str, str]:
    """Request the health every second for `seconds`; return the last result."""
    until, health = time.monotonic() + seconds, {"part": "?"}
    while time.monotonic() < until:
        health = _health(environment, outage)
        time.sleep(min(1.0, max(0.0, until - time.monotonic())))
    return health


def _health(environment: Environment, outage: Outage) -> dict[str, str]:
    """What the first API process reports: the status of the part that fails, its error, and the overall
    status.
    """
    health = httpx.get(f"{environment.base_urls[0]}/health", timeout=10).json()
    check = health["checks"][outage.part]
    return {"part": check["status"], "overall": health["status"], "error": check.get("error", "")}


def _wait_for_recovery(environment: Environment, outage: Outage, since: float) -> float:
    """Wait until every API process has recovered. Returns the seconds since `since`, at most some more than
    four times RECOVERY_TIMEOUT.
    """
    while time.monotonic() - since < RECOVERY_TIMEOUT * 4:
        if all(_has_recovered(base_url, outage) for base_url in environment.base_urls):
            return time.monotonic() - since
        time.sleep(0.1)
    return time.monotonic() - since


def _has_recovered(base_url: str, outage: Outage) -> bool:
    """Whether an API process reports that the part is available, and uses the cache."""
    try:
        check = httpx.get(f"{base_url}/health", timeout=10).json()["checks"][outage.part]
        genres = httpx.get(f"{base_url}/genres", timeout=10)
    except httpx.HTTPError:
        return False
    return check["status"] == "ok" and genres.status_code == 200 and "x-cache" in genres.headers
