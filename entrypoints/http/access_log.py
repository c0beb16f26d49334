"""The access log and the request metrics: what is recorded when a response has been sent."""

import logging
from collections.abc import Callable, Sequence
from time import time_ns
from typing import Protocol

from litestar.types import HTTPScope
from msgspec import Struct, field

from domain.ids import UserId
from domain.users import Caller
from entrypoints.batched_log import BatchedLog, DelayedCall

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

NO_ROUTE = "none"
"""The route of a request that matches none: clients choose paths freely, so no path becomes a label."""

CLIENT_CLOSED_REQUEST = 499
"""The status of a request whose client left before the response was complete, as in nginx."""

CLIENT_PRESENCE = "presence"
"""The key of the `ClientPresence` in the state of a scope."""

STOPPING = "stopping"
"""The key in the state of a scope of an `asyncio.Event` that is set when the server stops."""

log = logging.getLogger("matinee.requests")


class ClientPresence:
    """Whether a client has closed its connection."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False


class RequestMeter(Protocol):
    """Counts requests, uses of the cache and closed connections."""

    def answered(
        self, method: str, route: str, status: int, seconds: float, cache: str | None = None
    ) -> None:
        """Count a request and its duration, and its use of the cache: HIT, MISS or None."""
        ...

    def publish(self) -> None:
        """Let other processes see what has been counted."""
        ...

    def connection_closed(self, reason: str) -> None:
        """Count a connection that was closed because of a limit or an error. The set of reasons is small."""
        ...


class RequestRecord(Struct, gc=False):
    """A request that is complete.

    `route` is the template of the path, such as /api/v1/movies/{id}; `cache` is the value of `X-Cache`: HIT,
    MISS, or None if the cache was not used; `at` is the time of its end, in nanoseconds since 1970.
    """

    request_id: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    user: UserId | None = None
    cache: str | None = None
    at: int = field(default_factory=time_ns)

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

    def fields(self) -> dict[str, str | int | float]:
        """The fields of the line in the access log. The query string is left out: it may contain anything."""
        fields: dict[str, str | int | float] = {
            "request_id": self.request_id,
            "method": self.method,
            "route": self.route,
            "path": self.path,
            "status": self.status,
            "duration_ms": round(self.seconds * 1_000_000) / 1000,
        }
        if self.user is not None:
            fields["user_id"] = self.user
        if self.cache is not None:
            fields["cache"] = self.cache
        return fields


Observer = Callable[[RequestRecord], None]

access_log = BatchedLog[RequestRecord](log, "request")

log_request = access_log.append


def observers(meter: RequestMeter) -> Sequence[Observer]:
    """The observers of every request: the access log and the metrics."""
    answered, publish_later = meter.answered, DelayedCall(meter.publish).start

    def measure(record: RequestRecord) -> None:
        method = record.method if record.method in METHODS else "other"
        answered(method, record.route, record.status, record.seconds, record.cache)
        publish_later()

    return (log_request, measure)
