"""What is noted of every request when its answer has left: a line in the log, and how long it took."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from litestar.types import HTTPScope

from domain.ports import Meter
from domain.users import Caller

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

NO_ROUTE = "none"
"""Stands for the route of a request that no route is for: what was asked for is up to strangers."""

GONE = 499
"""Stands for the status of an answer that was not received, since the client left; nginx calls it so."""

PRESENCE = "presence"
"""The key of the scope's state under which the client's `Presence` is found."""

log = logging.getLogger("matinee.requests")


class Presence:
    """Whether a client has closed its connection."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False


class RequestMeter(Meter, Protocol):
    """Takes note of answered requests and closed connections as well."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note that a request of that kind was answered so, after so long."""
        ...

    def connection_closed(self, reason: str) -> None:
        """Note that a connection was closed because of a limit or an error. Reasons are few."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer."""

    scope: HTTPScope
    status: int
    seconds: float

    @property
    def route(self) -> str:
        """The template of the path, such as /api/v1/movies/{id}."""
        return self.scope.get("path_template") or NO_ROUTE

    @property
    def cache(self) -> str | None:
        """What its `X-Cache` says: HIT or MISS, None if the cache took no part."""
        state = self.scope["state"]
        return state.get("x_cache")


Witness = Callable[[Exchange], None]


def witnesses(meter: RequestMeter) -> Sequence[Witness]:
    """Who is told of every request."""

    def measure(seen: Exchange) -> None:
        method = seen.scope["method"] if seen.scope["method"] in METHODS else "other"
        meter.answered(method, seen.route, seen.status, seen.seconds)
        if seen.cache:
            meter.counted("cache", seen.cache.lower())

    return (written, measure)


def written(seen: Exchange) -> None:
    """Write the line of a request. Its query is left out: a client may put anything there."""
    if not log.isEnabledFor(logging.INFO):
        return
    state = seen.scope["state"]
    caller: Caller | None = state.get("caller")
    more = {"user_id": caller.user.id if caller else None, "cache": seen.cache}
    fields = {
        "request_id": state["request_id"],
        "method": seen.scope["method"],
        "route": seen.route,
        "path": state["path"],
        "status": seen.status,
        "duration_ms": round(seen.seconds * 1000, 3),
        **{name: value for name, value in more.items() if value is not None},
    }
    log.info("request", extra=fields)
