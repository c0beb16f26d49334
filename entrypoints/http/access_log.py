"""The access log and the request metrics: what is recorded when a response has been sent."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from litestar.types import HTTPScope

from domain.ids import UserId
from domain.users import Caller

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

NO_ROUTE = "none"
"""The route of a request that matches none: clients choose paths freely, so no path becomes a label."""

CLIENT_CLOSED_REQUEST = 499
"""The status of a request whose client left before the response was complete, as in nginx."""

CLIENT_PRESENCE = "presence"
"""The key of the `ClientPresence` in the state of a scope."""

log = logging.getLogger("matinee.requests")


class ClientPresence:
    """Whether a client has closed its connection."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False


class RequestMeter(Protocol):
    """Counts requests, uses of the cache and closed connections."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and its duration."""
        ...

    def counted(self, what: Literal["cache"], outcome: str) -> None:
        """Count a hit or a miss of the cache."""
        ...

    def connection_closed(self, reason: str) -> None:
        """Count a connection that was closed because of a limit or an error. The set of reasons is small."""
        ...


@dataclass(slots=True)
class RequestRecord:
    """A request that is complete.

    `route` is the template of the path, such as /api/v1/movies/{id}; `cache` is the value of `X-Cache`: HIT,
    MISS, or None if the cache was not used.
    """

    request_id: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    user: UserId | None = None
    cache: str | None = None

    @classmethod
    def of(cls, scope: HTTPScope, status: int, seconds: float) -> "RequestRecord":
        """The record of a request that has passed through the application."""
        state = scope["state"]
        caller: Caller | None = state.get("caller")
        return cls(
            request_id=state["request_id"],
            method=scope["method"],
            route=scope.get("path_template") or NO_ROUTE,
            path=state["path"],
            status=status,
            seconds=seconds,
            user=caller.user.id if caller else None,
            cache=state.get("x_cache"),
        )


Observer = Callable[[RequestRecord], None]


def observers(meter: RequestMeter) -> Sequence[Observer]:
    """The observers of every request: the access log and the metrics."""

    def measure(record: RequestRecord) -> None:
        method = record.method if record.method in METHODS else "other"
        meter.answered(method, record.route, record.status, record.seconds)
        if record.cache:
            meter.counted("cache", record.cache.lower())

    return (log_request, measure)


def log_request(record: RequestRecord) -> None:
    """Write a line to the access log. The query string is left out: it may contain anything."""
    if not log.isEnabledFor(logging.INFO):
        return
    optional = {"user_id": record.user, "cache": record.cache}
    fields = {
        "request_id": record.request_id,
        "method": record.method,
        "route": record.route,
        "path": record.path,
        "status": record.status,
        "duration_ms": round(record.seconds * 1000, 3),
        **{name: value for name, value in optional.items() if value is not None},
    }
    log.info("request", extra=fields)
