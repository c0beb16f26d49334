"""The calls that tell whether the service is well: for people, for orchestrators, for monitors."""

import asyncio
import logging
import os
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from time import monotonic
from typing import Annotated, Literal

from litestar import get
from msgspec import UNSET, Meta, Struct, UnsetType

from application.operations import CheckHealth, Condition, Finding, Health, Part
from entrypoints.http.endpoints import API, Call, Given, described
from entrypoints.http.errors import SOON
from entrypoints.http.requests import HttpRequest, Query, asked
from entrypoints.http.responses import UNKEPT, Answer, json_answer
from entrypoints.http.schemas import Moment, moment
from entrypoints.observability.memory import resident_bytes

HEALTH = f"{API}/health"
"""How the paths of these calls begin."""

STARTED = monotonic()

log = logging.getLogger(__name__)


class CheckOut(Struct, frozen=True, kw_only=True):
    """The health of one dependency."""

    status: Annotated[Condition, Meta(description="How it is.")]
    latency_ms: Annotated[float, Meta(ge=0, description="How long the check took.", examples=[0.84])]
    error: (
        Annotated[str, Meta(description="The code of the problem.", examples=["source_unavailable"])]
        | UnsetType
    ) = UNSET
    last_completed_at: (
        Annotated[Moment, Meta(description="When the last complete sync ended.")] | UnsetType
    ) = UNSET
    age_seconds: (
        Annotated[int, Meta(ge=0, description="How many seconds ago that was.", examples=[3600])] | UnsetType
    ) = UNSET


class ChecksOut(Struct, frozen=True, kw_only=True):
    """The dependencies that were checked."""

    database: CheckOut | UnsetType = UNSET
    redis: CheckOut | UnsetType = UNSET
    tmdb: CheckOut | UnsetType = UNSET
    sync: CheckOut | UnsetType = UNSET


class HealthOut(Struct, frozen=True, kw_only=True):
    """The health of the service."""

    status: Annotated[Condition, Meta(description="How it is as a whole.")]
    version: Annotated[str, Meta(description="The version of Matinee.", examples=["0.1.0"])]
    uptime_seconds: Annotated[float, Meta(ge=0, description="Since the process started.", examples=[86400.0])]
    memory_rss_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Memory in use by the process that answers.",
            examples=[61440000],
            extra_json_schema={"format": "int64"},
        ),
    ]
    checks: ChecksOut


class LiveOut(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Annotated[Literal["ok"], Meta(description="Always `ok`.")] = "ok"


class HealthChecks:
    """Checks health in threads of its own, so that a full service still tells how it is.

    Requests that come while a check of the same parts is running get what that one finds. So there are never
    more checks than threads.
    """

    def __init__(self, check: CheckHealth) -> None:
        self._check = check
        self._threads = ThreadPoolExecutor(len(Part) + 1, thread_name_prefix="health")
        self._running: dict[tuple[Part, ...], Future[Health]] = {}

    async def __call__(self, *parts: Part) -> Health:
        """The health of these parts, or of all."""
        running = self._running.get(parts)
        if running is None:
            running = self._running[parts] = self._threads.submit(
                copy_context().run,
                self._found,
                parts,  # what it logs bears the request's id
            )
            running.add_done_callback(lambda _: self._running.pop(parts))
        return await asyncio.shield(asyncio.wrap_future(running))

    def _found(self, parts: tuple[Part, ...]) -> Health:
        return self._check(parts) if parts else self._check()


def _call(operation_id: str, summary: str, answer: type[Struct]) -> Call:
    return Call(
        operation_id=operation_id, summary=summary, tag="Service", answer=answer, unwell=answer, limited=False
    )


@get(
    "/health",
    opt=described(_call("getHealth", "Get the health of the service", HealthOut)),
)
async def get_health(request: HttpRequest, health_checks: Given[HealthChecks], version: Given[str]) -> Answer:
    """Get the health of the service and of everything it depends on.

    The status is 503 only if the database is down; a degraded service still answers.
    """
    asked(Query, request)
    return _answer(await health_checks(), version)


@get(
    "/health/ready",
    opt=described(_call("getReadiness", "Get whether the service is ready", HealthOut)),
)
async def get_health_ready(
    request: HttpRequest, health_checks: Given[HealthChecks], version: Given[str]
) -> Answer:
    """Get whether the service can answer requests. The status is 503 if the database is down."""
    asked(Query, request)
    return _answer(await health_checks(Part.DATABASE), version)


@get(
    "/health/database",
    opt=described(_call("getDatabaseHealth", "Get the health of the database", CheckOut)),
)
async def get_health_database(request: HttpRequest, health_checks: Given[HealthChecks]) -> Answer:
    """Get the health of the database. The status is 503 if it does not answer."""
    asked(Query, request)
    return _part_answer(await health_checks(Part.DATABASE), Part.DATABASE)


@get(
    "/health/redis",
    opt=described(_call("getRedisHealth", "Get the health of the cache server", CheckOut)),
)
async def get_health_redis(request: HttpRequest, health_checks: Given[HealthChecks]) -> Answer:
    """Get the health of Redis, which keeps the cache. The service goes on without it."""
    asked(Query, request)
    return _part_answer(await health_checks(Part.REDIS), Part.REDIS)


@get(
    "/health/live",
    sync_to_thread=False,
    opt=described(
        Call(
            operation_id="getLiveness",
            summary="Get whether the process is alive",
            tag="Service",
            answer=LiveOut,
            limited=False,
        )
    ),
)
def get_health_live(request: HttpRequest) -> Answer:
    """Get whether the process answers at all, however busy it is."""
    asked(Query, request)
    return json_answer(LiveOut(), cache=UNKEPT)


def health_out(health: Health, version: str) -> HealthOut:
    """The findings as clients see them."""
    return HealthOut(
        status=health.condition,
        version=version,
        uptime_seconds=round(monotonic() - STARTED, 3),
        memory_rss_bytes=memory_in_use(),
        checks=ChecksOut(**{part: check_out(finding) for part, finding in health.findings.items()}),
    )


def check_out(finding: Finding) -> CheckOut:
    """One finding as clients see it; what the problem says stays inside."""
    return CheckOut(
        status=finding.condition,
        latency_ms=round(finding.seconds * 1000, 3),
        error=finding.problem.code if finding.problem else UNSET,
        last_completed_at=moment(finding.synced_at) if finding.synced_at else UNSET,
        age_seconds=int(finding.age.total_seconds()) if finding.age is not None else UNSET,
    )


def memory_in_use() -> int:
    """The bytes of memory that this process holds."""
    return resident_bytes(os.getpid()) or 0


def _answer(health: Health, version: str) -> Answer:
    down = health.condition is Condition.DOWN
    return _told(health_out(health, version), health.findings.values(), down=down)


def _part_answer(health: Health, part: Part) -> Answer:
    finding = health.findings[part]
    return _told(check_out(finding), [finding], down=finding.condition is Condition.DOWN)


def _told(out: Struct, findings: Collection[Finding], *, down: bool) -> Answer:
    for finding in findings:
        if finding.problem:
            log.warning("health: %s", finding.problem)
    return json_answer(out, status=503 if down else 200, headers=SOON if down else (), cache=UNKEPT)
