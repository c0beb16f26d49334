"""The outcomes of a request to TMDB, and the labels under which they are counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from adapters.metering import Meter
from adapters.tmdb.payloads import Unusable
from domain.sync import SourceUnavailable

FIRST_SERVER_ERROR = 500

CREDENTIAL_STATUSES = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
"""The statuses with which TMDB refuses a credential; firewalls and proxies use them too."""

TRANSIENT_STATUSES = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})
"""Statuses below 500 after which the same request may succeed."""

NOT_FOUND_CODES = frozenset({6, 34})
"""The status codes in the body of a 404 with which TMDB says that it does not know an id."""

OUTCOMES = {404: "not_found", 429: "limited"}
"""The label of a status; other statuses are counted as errors of the server or as other statuses."""


@dataclass(eq=False, kw_only=True)
class Refused(Exception):  # noqa: N818  not always an error: 404 is an answer too
    """An answer with a status other than 2xx.

    `code` and `message` are from TMDB's own error body, None if the body is not TMDB's; `retry_after` is the
    Retry-After header in seconds; `target` is the address of a redirect, without query and
    credentials.
    """

    status: int
    code: int | None = None
    message: str | None = None
    retry_after: float | None = None
    target: str | None = None

    def __str__(self) -> str:
        if self.target:
            return f"TMDB answered {self.status}, a redirect to {self.target}: check TMDB_BASE_URL"
        if self.status in CREDENTIAL_STATUSES and self.code is None:
            return f"{self.status} was answered by something other than TMDB, such as a firewall or a proxy"
        return (
            f"TMDB answered {self.status} ({self.message})"
            if self.message
            else f"TMDB answered {self.status}"
        )

    @property
    def of_credential(self) -> bool:
        """Whether TMDB itself refuses our credential."""
        return self.status in CREDENTIAL_STATUSES and self.code is not None

    @property
    def of_movie(self) -> bool:
        """Whether TMDB itself says that it does not know the movie."""
        return self.status == httpx.codes.NOT_FOUND and self.code in NOT_FOUND_CODES

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later. A firewall's 403 may pass; a 401 never does."""
        return self.by_firewall or self.status in TRANSIENT_STATUSES or self.status >= FIRST_SERVER_ERROR

    @property
    def by_firewall(self) -> bool:
        """Whether something other than TMDB forbids the request."""
        return self.status == httpx.codes.FORBIDDEN and not self.of_credential


class Absent(SourceUnavailable):
    """TMDB itself answers that there is no such resource; a 404 of a proxy does not count."""


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count the outcome of a request."""
    try:
        yield
    except (Refused, Unusable, httpx.HTTPError) as error:
        meter.counted("tmdb", outcome(error))
        raise
    meter.counted("tmdb", "ok")


def outcome(error: Refused | Unusable | httpx.HTTPError) -> str:
    """The metrics label for the outcome of a request."""
    match error:
        case Refused(of_credential=True):
            return "refused"
        case Refused():
            return OUTCOMES.get(error.status, "server_error" if error.transient else "other_status")
        case httpx.TimeoutException():
            return "timeout"
        case httpx.TransportError():
            return "connection_error"
        case _:
            return "unusable"
