"""What may become of a request to TMDB, and the words by which that is counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from adapters.metering import Meter
from adapters.tmdb.payloads import Unusable
from domain.sync import SourceUnavailable

FAULT_OF_THE_SERVER = 500

CREDENTIAL_STATUSES = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
"""By these TMDB refuses a credential; firewalls and proxies use them too."""

RETRIED = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})
"""Statuses below 500 after which the same request may succeed."""

MOVIE_UNKNOWN = frozenset({6, 34})
"""The status codes in the body of a 404 with which TMDB says that it does not know an id."""

OUTCOMES = {404: "not_found", 429: "limited"}
"""What a status is counted as; of the others it is only counted whose fault they are."""


@dataclass(eq=False, kw_only=True)
class Refused(Exception):  # noqa: N818  not always an error: 404 is an answer too
    """An answer with a status other than 2xx.

    `code` and `said` are the status code and the message of TMDB's own error body, None if the body is not
    TMDB's; `rest` is its Retry-After in seconds; `target` is where a redirect leads, without query and
    credentials.
    """

    status: int
    code: int | None = None
    said: str | None = None
    rest: float | None = None
    target: str | None = None

    def __str__(self) -> str:
        if self.target:
            return f"TMDB answered {self.status}, a redirect to {self.target}: check TMDB_BASE_URL"
        if self.status in CREDENTIAL_STATUSES and self.code is None:
            return f"{self.status} was answered by something other than TMDB, such as a firewall or a proxy"
        return f"TMDB answered {self.status} ({self.said})" if self.said else f"TMDB answered {self.status}"

    @property
    def of_credential(self) -> bool:
        """Whether TMDB itself refuses our credential."""
        return self.status in CREDENTIAL_STATUSES and self.code is not None

    @property
    def of_movie(self) -> bool:
        """Whether TMDB itself says that it does not know the movie."""
        return self.status == httpx.codes.NOT_FOUND and self.code in MOVIE_UNKNOWN

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later. A firewall's 403 may pass; a 401 never does."""
        return self.by_firewall or self.status in RETRIED or self.status >= FAULT_OF_THE_SERVER

    @property
    def by_firewall(self) -> bool:
        """Whether something other than TMDB forbids the request."""
        return self.status == httpx.codes.FORBIDDEN and not self.of_credential


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
        case Refused(of_credential=True):
            return "refused"
        case Refused():
            return OUTCOMES.get(error.status, "server_error" if error.passing else "other_status")
        case httpx.TimeoutException():
            return "timeout"
        case httpx.TransportError():
            return "connection_error"
        case _:
            return "unusable"
