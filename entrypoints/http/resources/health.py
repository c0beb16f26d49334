"""Health checks for people, orchestrators and monitoring."""

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
from entrypoints.http import BASE
from entrypoints.http.endpoints import Endpoint, Injected, endpoint_opt
from entrypoints.http.errors import RETRY_AFTER_2_S
from entrypoints.http.local_copies import LocalResponse
from entrypoints.http.requests import HttpRequest, parse_query
from entrypoints.http.resources.about import Version
from entrypoints.http.responses import NO_STORE, Response, json_response
from entrypoints.http.schemas import Moment, Query, rfc3339
from entrypoints.memory import Memory, memory_of

HEALTH = f"{BASE}/health"
LIVENESS = f"{HEALTH}/live"
"""The prefix of the paths, which are served even if the service is full."""

STARTED = monotonic()

log = logging.getLogger(__name__)


class HealthCheckOut(Struct, frozen=True, kw_only=True):
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


class HealthChecksOut(Struct, frozen=True, kw_only=True):
    """The dependencies that were checked."""

    database: HealthCheckOut | UnsetType = UNSET
    redis: HealthCheckOut | UnsetType = UNSET
    tmdb: HealthCheckOut | UnsetType = UNSET
    sync: HealthCheckOut | UnsetType = UNSET


class HealthOut(Struct, frozen=True, kw_only=True):
    """The health of the service."""

    status: Annotated[Condition, Meta(description="How it is as a whole.")]
    version: Annotated[str, Meta(description="The version of Matinee.", examples=["0.1.0"])]
    uptime_seconds: Annotated[float, Meta(ge=0, description="Since the process started.", examples=[86400.0])]
    memory_rss_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Resident memory of the process that answers, with the files that it maps.",
            examples=[61440000],
            extra_json_schema={"format": "int64"},
        ),
    ]
    memory_anonymous_bytes: (
        Annotated[
            int,
            Meta(
                ge=0,
                description="What of it no file backs; absent where the system does not tell.",
                examples=[48234496],
                extra_json_schema={"format": "int64"},
            ),
        ]
        | UnsetType
    ) = UNSET
    checks: HealthChecksOut


class LivenessOut(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Annotated[Literal["ok"], Meta(description="Always `ok`.")] = "ok"


class HealthChecks:
    """Runs health checks in threads of its own, so that a full service can still report its health.

    Requests for the same check share one that is already running, so there are no more checks than threads.
    """

    def __init__(self, check: CheckHealth) -> None:
        self._check = check
        self._threads = ThreadPoolExecutor(len(Part) + 1, thread_name_prefix="health")
        self._running: dict[tuple[Part, ...], Future[Health]] = {}

    async def __call__(self, *parts: Part) -> Health:
        """Check these parts, or all if none are given."""
        running = self._running.get(parts)
        if running is None:
            run = copy_context().run  # log lines of the check have the request id
            running = self._running[parts] = self._threads.submit(run, self._run, parts)
            running.add_done_callback(lambda _: self._running.pop(parts))
        return await asyncio.shield(asyncio.wrap_future(running))

    def _run(self, parts: tuple[Part, ...]) -> Health:
        return self._check(parts) if parts else self._check()


def health_endpoint(operation_id: str, summary: str, answer: type[Struct]) -> Endpoint:
    """An endpoint whose response has the same type whether its status is 200 or 503."""
    return Endpoint(
        operation_id=operation_id,
        summary=summary,
        tag="Service",
        answer=answer,
        unavailable=answer,
        limited=False,
    )


GET_HEALTH = health_endpoint("getHealth", "Get the health of the service", HealthOut)
GET_READINESS = health_endpoint("getReadiness", "Get whether the service is ready", HealthOut)
GET_DATABASE_HEALTH = health_endpoint("getDatabaseHealth", "Get the health of the database", HealthCheckOut)
GET_REDIS_HEALTH = health_endpoint("getRedisHealth", "Get the health of the cache server", HealthCheckOut)
GET_LIVENESS = Endpoint(
    operation_id="getLiveness",
    summary="Get whether the process is alive",
    tag="Service",
    answer=LivenessOut,
    limited=False,
)


ALIVE = json_response(LivenessOut(), cache=NO_STORE)
"""The response of a process that answers at all."""


@get("/health", opt=endpoint_opt(GET_HEALTH))
async def get_health(
    request: HttpRequest, health_checks: Injected[HealthChecks], version: Injected[Version]
) -> Response:
    """Get the health of the service and of everything it depends on.

    The status is 503 only if the database is down; a degraded service still answers.
    """
    parse_query(Query, request)
    return health_response(await health_checks(), version)


@get("/health/ready", opt=endpoint_opt(GET_READINESS))
async def get_health_ready(
    request: HttpRequest, health_checks: Injected[HealthChecks], version: Injected[Version]
) -> Response:
    """Get whether the service can answer requests. The status is 503 if the database is down."""
    parse_query(Query, request)
    return health_response(await health_checks(Part.DATABASE), version)


@get("/health/database", opt=endpoint_opt(GET_DATABASE_HEALTH))
async def get_health_database(request: HttpRequest, health_checks: Injected[HealthChecks]) -> Response:
    """Get the health of the database. The status is 503 if it does not answer."""
    parse_query(Query, request)
    return part_response(await health_checks(Part.DATABASE), Part.DATABASE)


@get("/health/redis", opt=endpoint_opt(GET_REDIS_HEALTH))
async def get_health_redis(request: HttpRequest, health_checks: Injected[HealthChecks]) -> Response:
    """Get the health of Redis, which keeps the cache. The service goes on without it."""
    parse_query(Query, request)
    return part_response(await health_checks(Part.REDIS), Part.REDIS)


@get("/health/live", sync_to_thread=False, opt=endpoint_opt(GET_LIVENESS))
def get_health_live(request: HttpRequest) -> Response:
    """Get whether the process answers at all, however busy it is."""
    parse_query(Query, request)
    return ALIVE


def health_response(health: Health, version: Version) -> Response:
    """The response with all findings."""
    down = health.condition is Condition.DOWN
    return _response(health_out(health, version), health.findings.values(), down=down)


def part_response(health: Health, part: Part) -> Response:
    """The response with the finding for one part."""
    finding = health.findings[part]
    return _response(check_out(finding), [finding], down=finding.condition is Condition.DOWN)


def _response(out: Struct, findings: Collection[Finding], *, down: bool) -> Response:
    for finding in findings:
        if finding.problem:
            log.warning("health: %s", finding.problem)
    headers = RETRY_AFTER_2_S if down else ()
    return json_response(out, status=503 if down else 200, headers=headers, cache=NO_STORE)


def health_out(health: Health, version: Version) -> HealthOut:
    """Convert the result of a health check."""
    memory = memory_in_use()
    return HealthOut(
        status=health.condition,
        version=version,
        uptime_seconds=round(monotonic() - STARTED, 3),
        memory_rss_bytes=memory.resident,
        memory_anonymous_bytes=UNSET if memory.anonymous is None else memory.anonymous,
        checks=HealthChecksOut(**{part: check_out(finding) for part, finding in health.findings.items()}),
    )


def check_out(finding: Finding) -> HealthCheckOut:
    """Convert a finding; the message of a problem is logged only."""
    return HealthCheckOut(
        status=finding.condition,
        latency_ms=round(finding.seconds * 1000, 3),
        error=finding.problem.code if finding.problem else UNSET,
        last_completed_at=rfc3339(finding.synced_at) if finding.synced_at else UNSET,
        age_seconds=int(finding.age.total_seconds()) if finding.age is not None else UNSET,
    )


def memory_in_use() -> Memory:
    """The memory of this process."""
    return memory_of(os.getpid()) or Memory(resident=0)


ROUTES = (get_health, get_health_live, get_health_ready, get_health_database, get_health_redis)
FIXED = {LIVENESS.encode(): LocalResponse(ALIVE, NO_STORE, LIVENESS)}
"""The responses that never change, by path."""
