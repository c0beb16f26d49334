"""What may become of a request to TMDB, and the words by which that is counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from adapters.tmdb.payloads import Unusable
from domain.ports import Meter
from domain.sync import SourceUnavailable

FAULT_OF_THE_SERVER = 500
OUTCOMES = {401: "refused", 403: "refused", 404: "not_found", 429: "limited"}
"""What a status comes to when it is counted; of other ones only whose fault they are is told."""


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818  an answer, of which TMDB is the author
    """An answer with another status than was hoped for.

    `said` is TMDB's reason, None if it is not TMDB that speaks; `rest` the seconds after which to come back.
    """

    status: int
    said: str | None
    rest: float | None

    def __str__(self) -> str:
        return f"TMDB answered {self.status} ({self.said})" if self.said else f"TMDB answered {self.status}"

    @property
    def passing(self) -> bool:
        """Whether the same request may fare better later."""
        return self.status == httpx.codes.TOO_MANY_REQUESTS or self.status >= FAULT_OF_THE_SERVER


class Absent(SourceUnavailable):
    """TMDB itself says that there is no such thing; a 404 of a proxy or of a wrong base address does not."""


@contextmanager
def counted(meter: Meter) -> Iterator[None]:
    """Note what becomes of a request."""
    try:
        yield
    except (Refused, Unusable, httpx.HTTPError) as error:
        meter.counted("tmdb", outcome(error))
        raise
    meter.counted("tmdb", "ok")


def outcome(error: Refused | Unusable | httpx.HTTPError) -> str:
    """A word for what became of a request, of a handful."""
    match error:
        case Refused():
            return OUTCOMES.get(error.status, "server_error" if error.passing else "other_status")
        case httpx.TimeoutException():
            return "timeout"
        case httpx.TransportError():
            return "connection_error"
        case _:
            return "unusable"
