"""The access log and the request metrics: what is recorded when a response has been sent."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from litestar.types import HTTPScope

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


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that is complete, with the status and the seconds of its response."""

    scope: HTTPScope
    status: int
    seconds: float

    @property
    def route(self) -> str:
        """The template of the path, such as /api/v1/movies/{id}."""
        return self.scope.get("path_template") or NO_ROUTE

    @property
    def cache(self) -> str | None:
        """The value of `X-Cache`: HIT, MISS, or None if the cache was not used."""
        state = self.scope["state"]
        return state.get("x_cache")


Observer = Callable[[RequestRecord], None]


def observers(meter: RequestMeter) -> Sequence[Observer]:
    """The observers of every request: the access log and the metrics."""

    def measure(record: RequestRecord) -> None:
        method = record.scope["method"] if record.scope["method"] in METHODS else "other"
        meter.answered(method, record.route, record.status, record.seconds)
        if record.cache:
            meter.counted("cache", record.cache.lower())

    return (log_request, measure)


def log_request(record: RequestRecord) -> None:
    """Write a line to the access log. The query string is left out: it may contain anything."""
    if not log.isEnabledFor(logging.INFO):
        return
    state = record.scope["state"]
    caller: Caller | None = state.get("caller")
    optional = {"user_id": caller.user.id if caller else None, "cache": record.cache}
    fields = {
        "request_id": state["request_id"],
        "method": record.scope["method"],
        "route": record.route,
        "path": state["path"],
        "status": record.status,
        "duration_ms": round(record.seconds * 1000, 3),
        **{name: value for name, value in optional.items() if value is not None},
    }
    log.info("request", extra=fields)
