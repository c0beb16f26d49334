"""The HTTP client of TMDB: retries, the request budget, and the translation of errors into MovieSource's."""

import re
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache, partial
from math import inf
from threading import Event, Lock
from time import monotonic
from typing import Any, TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_exponential,
    wait_random,
)

from adapters.metering import UNMETERED, Meter
from adapters.tmdb.budget import Budget, BudgetExhausted, Pause, Stopped, pause
from adapters.tmdb.credential import Credential, keep_key_out_of_logs
from adapters.tmdb.outcomes import Absent, Refused, metered
from adapters.tmdb.payloads import Unusable, decoded, refusal
from domain.sync import SourceRefused, SourceUnavailable

T = TypeVar("T")

Params = Mapping[str, str | int]
"""Query parameters."""

MAX_FIREWALL_ATTEMPTS = 2
"""Attempts where something other than TMDB, such as a firewall, answers 403."""

MAX_BODY_SIZE = 16 * 2**20
"""Bytes after decompression. A page of TMDB has some ten thousand."""

MAX_TARGET_LENGTH = 200
"""Characters of a redirect's target that an error message shows."""

MIN_TIMEOUT = 0.1
"""The least seconds of an attempt, however little time is left."""

NO_BODY = httpx.ByteStream(b"")
"""The body of a GET request."""

KEPT_QUERIES = 16
"""Query strings that are kept: all requests for details have the same."""

SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS settings of all clients. httpx would read the trusted certificates for each: 20 ms."""
    return httpx.create_ssl_context()


@lru_cache(maxsize=KEPT_QUERIES)
def encoded(params: tuple[tuple[str, str | int], ...]) -> str:
    """A query string."""
    return str(httpx.QueryParams(dict(params)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Timeouts, in seconds, and the number of attempts at a request.

    `read_timeout` is the longest pause between two pieces of data, `total_timeout` the longest time for a
    whole body. The delay between attempts doubles from `min_backoff` to `max_backoff`; a Retry-After of TMDB
    is followed up to `max_retry_after`. No attempt begins when `give_up_after` has passed since the first,
    and each has what is left of it.
    """

    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    total_timeout: float = 30.0
    attempts: int = 5
    min_backoff: float = 0.5
    max_backoff: float = 8.0
    max_retry_after: float = 60.0
    give_up_after: float = inf

    def limited_to(self, seconds: float) -> "RetryPolicy":
        """This policy for an attempt that has so many seconds left."""
        if seconds >= max(self.connect_timeout, self.read_timeout, self.total_timeout):
            return self
        left = max(seconds, MIN_TIMEOUT)
        return replace(
            self,
            connect_timeout=min(self.connect_timeout, left),
            read_timeout=min(self.read_timeout, left),
            total_timeout=min(self.total_timeout, left),
        )


USER_POLICY = RetryPolicy(
    connect_timeout=2.0,
    read_timeout=3.0,
    total_timeout=5.0,
    attempts=2,
    min_backoff=0.3,
    max_backoff=1.0,
    give_up_after=5.0,
)
"""For requests of people, who wait for the response."""


PING_POLICY = RetryPolicy(connect_timeout=2.0, read_timeout=2.0, total_timeout=2.0, attempts=1)
"""For health checks."""

PING_PATH = "/authentication"
"""The endpoint at which TMDB only checks the credential."""

FALLBACK_PING_PATH = "/genre/movie/list"
"""A short list, for mirrors of TMDB that have only the endpoints with movies. At a wrong address there is
neither.
"""


class TmdbClient:
    """Sends GET requests to TMDB within the budget, and retries them. Thread-safe."""

    def __init__(
        self,
        *,
        credential: Credential,
        base_url: str,
        budget: Budget,
        policy: RetryPolicy,
        pause: Pause = pause,
        clock: Callable[[], float] = monotonic,
        meter: Meter = UNMETERED,
    ) -> None:
        self._credential = credential
        self._base_url = base_url.rstrip("/")
        self._budget = budget
        self._policy = policy
        self._pause = pause
        self._clock = clock
        self._meter = meter
        self._sent = 0
        self._closed = False
        self._lock = Lock()
        keep_key_out_of_logs()
        self._opened: list[httpx.Client] = []
        self._idle: deque[httpx.Client] = deque()

    @property
    def sent(self) -> int:
        """The number of requests sent, retries included."""
        return self._sent

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._closed = True
            for client in self._opened:
                client.close()

    def get(self, path: str, params: Params, read: Callable[[object], T], stop: Event) -> T:
        """Send a request, retry it after transient errors, and return what `read` makes of the decoded body.

        `read` raises Unusable for a body that makes no sense. Raises SourceRefused, Absent or another
        SourceUnavailable, the last also soon after `stop` is set.
        """
        request = f"{path}?page={params['page']}" if "page" in params else path
        with source_errors(request, self._credential, self._policy):
            until = self._clock() + self._policy.give_up_after
            attempt = partial(self._try, path, params, read, stop, until)
            try:
                return attempt()
            except Exception as error:  # noqa: BLE001  raised again unless a retry may help
                failed = error
            return self._retry(attempt, failed, stop, until)

    def ping(self, stop: Event) -> datetime | None:
        """Check the credential, without retries and with short timeouts; return the answer's Date, if it has
        one.

        Raises the same errors as `get`.
        """
        with source_errors(PING_PATH, self._credential, PING_POLICY):
            try:
                return self._ping(PING_PATH, stop)
            except Refused as error:
                if error.status != httpx.codes.NOT_FOUND:
                    raise
        with source_errors(FALLBACK_PING_PATH, self._credential, PING_POLICY):
            return self._ping(FALLBACK_PING_PATH, stop)

    def _ping(self, path: str, stop: Event) -> datetime | None:
        with metered(self._meter):
            body, headers = self._send(path, {}, stop, PING_POLICY)
            decoded(body)
            return _moment(headers.get("date", ""))

    def _retry(self, attempt: Callable[[], T], failed: Exception, stop: Event, until: float) -> T:
        """What a further attempt returns. Raises the error of the last one, which may be the first.

        Nearly all requests need one attempt, and for that tenacity would take longer than to read the body.
        """
        errors = [failed]

        def again() -> T:
            if errors:
                raise errors.pop()
            return attempt()

        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=partial(self._give_up, until),
            wait=self._wait,
            sleep=lambda seconds: self._pause(seconds, stop),
            reraise=True,
        )
        read: T = retrying(again)
        return read

    def _give_up(self, until: float, state: RetryCallState) -> bool:
        """Whether no further attempt is made.

        A firewall usually refuses every request, so a run does not spend all attempts on it.
        """
        error = state.outcome and state.outcome.exception()
        forbidden = isinstance(error, Refused) and error.by_firewall
        if self._clock() + state.upcoming_sleep > until:
            return True
        return state.attempt_number >= (MAX_FIREWALL_ATTEMPTS if forbidden else self._policy.attempts)

    def _wait(self, state: RetryCallState) -> float:
        """The longer of exponential backoff and Retry-After, which may be 0 or in the past.

        A 429 delays only the thread that received it, so that one movie that always answers 429 does not
        delay the whole run.
        """
        error = state.outcome and state.outcome.exception()
        rest = (error.retry_after if isinstance(error, Refused) else None) or 0.0
        first, longest = self._policy.min_backoff, self._policy.max_backoff
        backoff = wait_exponential(multiplier=first, max=longest) + wait_random(0, first / 2)
        return max(min(backoff(state), longest), min(rest, self._policy.max_retry_after))

    def _try(self, path: str, params: Params, read: Callable[[object], T], stop: Event, until: float) -> T:
        policy = self._policy.limited_to(until - self._clock())
        with metered(self._meter):
            body, _ = self._send(path, params, stop, policy)
            return read(decoded(body))

    def _send(
        self, path: str, params: Params, stop: Event, policy: RetryPolicy
    ) -> tuple[bytes, httpx.Headers]:
        """Send one request; return the body and the headers. Raises Refused unless the status is 2xx."""
        timeout = httpx.Timeout(policy.read_timeout, connect=policy.connect_timeout)
        with ExitStack() as turn, self._client() as client:
            request = httpx.Request(
                "GET",
                self._address(path, params),
                headers=client.headers,
                stream=NO_BODY,  # with a stream, httpx adds no headers
                extensions={"timeout": timeout.as_dict()},
            )
            request.extensions["trace"] = self._when_sent(request.extensions, turn, stop)
            with closing(client.send(request, stream=True)) as answer:
                if not answer.is_success:
                    code, message = self._error_of(answer, policy.total_timeout)
                    raise Refused(
                        status=answer.status_code,
                        code=code,
                        message=message,
                        retry_after=retry_after(answer.headers),
                        target=self._target(answer),
                    )
                return self._body(answer, policy.total_timeout), answer.headers

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        """A client of httpx for one request at a time.

        Each keeps one connection. One client for all threads would search all its connections under a lock
        for each request.
        """
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._open()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _open(self) -> httpx.Client:
        host = httpx.URL(self._base_url).netloc.decode("ascii")
        headers = {"Host": host, "Accept": "application/json", "User-Agent": "Matinee"}
        client = httpx.Client(headers=headers | self._credential.headers, verify=tls_context())
        # TMDB needs no cookies, and to look for them in a response costs a tenth of the request.
        client.cookies.extract_cookies = _ignore  # type: ignore[method-assign]
        with self._lock:
            self._opened.append(client)
            if self._closed:
                client.close()
        return client

    def _address(self, path: str, params: Params) -> str:
        """The whole URL. httpx would parse it twice to add the parameters."""
        query = encoded((*self._credential.params.items(), *params.items()))
        return f"{self._base_url}{path}?{query}" if query else f"{self._base_url}{path}"

    def _when_sent(
        self, extensions: MutableMapping[str, Any], turn: ExitStack, stop: Event
    ) -> Callable[[str, Mapping[str, Any]], None]:
        """A callback for httpx that makes a request wait for its slot when its connection is ready.

        If it waited earlier, requests with a slow TLS handshake could be sent together with later ones.
        """

        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith(".send_request_headers.started"):
                turn.enter_context(self._budget.slot(stop))
                self._count()
                # What follows costs less if it is not traced. A proxy is asked for a tunnel before.
                if info["request"].method == b"GET":
                    del extensions["trace"]
            elif event.endswith((".send_request_headers.complete", ".send_request_headers.failed")):
                turn.close()

        return trace

    def _count(self) -> None:
        with self._lock:
            self._sent += 1

    def _body(self, answer: httpx.Response, timeout: float) -> bytes:
        """The decompressed body. Raises Unusable if it is too long or takes longer than `timeout` seconds."""
        body = bytearray()
        end = self._clock() + timeout
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > MAX_BODY_SIZE:
                raise Unusable("a body that is too long")
            if self._clock() > end:
                raise Unusable(f"a body that did not end within {timeout:g} s")
        return bytes(body)

    def _error_of(self, answer: httpx.Response, timeout: float) -> tuple[int | None, str | None]:
        """The code and message of TMDB's error body; None and None if the body cannot be read."""
        with suppress(httpx.HTTPError, Unusable):
            code, message = refusal(decoded(self._body(answer, timeout)))
            return code, self._credential.redact(message) if message else None
        return None, None

    def _target(self, answer: httpx.Response) -> str | None:
        """The target of a redirect. Redirects are not followed: no other host may receive the credential."""
        if not answer.has_redirect_location:
            return None
        try:
            target = answer.request.url.join(answer.headers["location"])
            shown = str(target.copy_with(userinfo=b"", query=None, fragment=None))
        except (httpx.InvalidURL, ValueError):
            return None
        return self._credential.redact(shown[:MAX_TARGET_LENGTH])


def _ignore(response: httpx.Response) -> None:
    """Read nothing from a response."""


@contextmanager
def source_errors(request: str, credential: Credential, policy: RetryPolicy) -> Iterator[None]:
    """Translate errors of the client into those of MovieSource; no message contains a secret."""
    if not credential.sendable:
        raise SourceRefused(f"{credential.variable} holds characters that no credential has")
    try:
        yield
    except Stopped as error:
        raise SourceUnavailable("The request to TMDB was cancelled") from error
    except BudgetExhausted as error:
        raise SourceUnavailable("Too many requests wait for TMDB already") from error
    except Refused as error:
        raise _translated(error, request, credential) from error
    except (httpx.HTTPError, httpx.InvalidURL, Unusable) as error:
        text = credential.redact(_describe(error, policy))
        raise SourceUnavailable(f"{text}, requested {request}") from error


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    match error:
        case Refused():
            return error.transient
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return False
        case _:
            return isinstance(error, httpx.TransportError | httpx.DecodingError | Unusable)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, which may be a date; None if it is missing or invalid.

    A date is compared with the answer's own Date, so that the local clock does not matter.
    """
    text = headers.get("retry-after", "").strip()
    if SECONDS.fullmatch(text):
        return float(text)
    if (until := _moment(text)) is None:
        return None
    return max(0.0, (until - (_moment(headers.get("date", "")) or datetime.now(UTC))).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _translated(error: Refused, request: str, credential: Credential) -> SourceRefused | SourceUnavailable:
    if error.of_credential:
        message = f"{error.status}: {error.message}" if error.message else f"{error.status}"
        return SourceRefused(f"TMDB refuses the credential, check {credential.variable} ({message})")
    kind = Absent if error.of_movie else SourceUnavailable
    return kind(f"{error}, requested {request}")


def _describe(error: httpx.HTTPError | httpx.InvalidURL | Unusable, policy: RetryPolicy) -> str:
    """The error message for an answer that did not arrive or cannot be read."""
    match error:
        case Unusable():
            return f"TMDB answered with {error}"
        case httpx.ConnectTimeout():
            return f"TMDB accepted no connection within {policy.connect_timeout:g} s"
        case httpx.TimeoutException():
            return f"TMDB did not answer within {policy.read_timeout:g} s"
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return f"TMDB could not be reached ({error})"
        case httpx.DecodingError():
            return "TMDB's answer could not be decompressed"
        case _:
            return "The connection to TMDB was lost"
