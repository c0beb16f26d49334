"""Asking TMDB over HTTP, with patience and within the budget; the border where its failures become ours."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock
from time import monotonic
from typing import TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_exponential,
    wait_random,
)

from adapters.metering import UNMETERED, Meter
from adapters.tmdb.budget import Budget, Pause, Stopped, pause
from adapters.tmdb.credential import Credential, keep_key_out_of_logs
from adapters.tmdb.outcomes import Absent, Refused, counted
from adapters.tmdb.payloads import Unusable, decoded, refusal
from domain.sync import SourceRefused, SourceUnavailable

T = TypeVar("T")

Params = Mapping[str, str | int]
"""Query parameters."""

FIREWALL_TRIES = 2
"""Attempts at what something other than TMDB forbids."""

LARGEST_BODY = 16 * 2**20
"""Bytes, unpacked. A page of TMDB's has some ten thousand; what has more than this is none."""

LONGEST_TARGET = 200
"""Characters that are shown of the address that a redirect leads to."""

SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for TMDB, in seconds, and how often to try.

    `read` is the longest silence, `whole` the longest that an answer may take to arrive once it has begun.
    The wait between two tries doubles from `first_wait` to `longest_wait`; TMDB may ask for `longest_rest`.
    """

    connect: float = 3.0
    read: float = 10.0
    whole: float = 30.0
    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 8.0
    longest_rest: float = 60.0


BRISK = Patience(connect=2.0, read=2.0, whole=2.0, tries=1)
"""For a look whether TMDB answers at all."""

LOOK = "/authentication"
"""Where TMDB does nothing but look at the credential."""


class TmdbClient:
    """Sends GET requests to TMDB, within the budget and with patience. May be used from any thread."""

    def __init__(
        self,
        *,
        credential: Credential,
        base_url: str,
        budget: Budget,
        patience: Patience,
        pause: Pause = pause,
        clock: Callable[[], float] = monotonic,
        meter: Meter = UNMETERED,
    ) -> None:
        self._credential = credential
        self._base_url = base_url.rstrip("/")
        self._budget = budget
        self._patience = patience
        self._pause = pause
        self._clock = clock
        self._meter = meter
        self._sent = 0
        self._counting = Lock()
        keep_key_out_of_logs()
        self._http = httpx.Client(
            headers={"Accept": "application/json", "User-Agent": "Matinee", **credential.headers},
            params=credential.params,
        )

    @property
    def sent(self) -> int:
        """How many requests have been sent, retries included."""
        return self._sent

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, path: str, params: Params, read: Callable[[object], T], stop: Event) -> T:
        """Have what TMDB answers to a question read; ask again where that may help.

        `read` raises Unusable if the answer makes no sense. Raises SourceRefused, Absent or another
        SourceUnavailable, the latter also soon after `stop` is set.
        """
        asked = f"{path}?page={params['page']}" if "page" in params else path
        with source_errors(asked, self._credential, self._patience):
            answer: T = self._persevering(stop)(self._try, path, params, read, stop)
            return answer

    def ping(self, stop: Event) -> datetime | None:
        """Have TMDB look at our credential, once and briskly; return the time by its clock, if it tells.

        Raises as `ask` does.
        """
        with source_errors(LOOK, self._credential, BRISK), self._success(LOOK, {}, stop, BRISK) as answer:
            decoded(self._body(answer, BRISK.whole))
            return _moment(answer.headers.get("date", ""))

    def _persevering(self, stop: Event) -> Retrying:
        return Retrying(
            retry=retry_if_exception(may_pass),
            stop=self._tried_enough,
            wait=self._wait,
            sleep=lambda seconds: self._pause(seconds, stop),
            reraise=True,
        )

    def _tried_enough(self, state: RetryCallState) -> bool:
        """Whether to give up. What a firewall forbids once it forbids for long, as a rule, and perhaps for
        every movie: then a run must not spend all tries on each.
        """
        error = state.outcome and state.outcome.exception()
        forbidden = isinstance(error, Refused) and error.by_firewall
        return state.attempt_number >= (FIREWALL_TRIES if forbidden else self._patience.tries)

    def _wait(self, state: RetryCallState) -> float:
        """The longer of exponential backoff and Retry-After, which may be 0 or in the past: tries must not be
        used up at once.

        A 429 holds back only the thread that got it. The others learn from their own: there are a handful of
        them, and one movie that is always answered so does not hold up the whole run.
        """
        error = state.outcome and state.outcome.exception()
        rest = (error.rest if isinstance(error, Refused) else None) or 0.0
        first, longest = self._patience.first_wait, self._patience.longest_wait
        backoff = wait_exponential(multiplier=first, max=longest) + wait_random(0, first / 2)
        return max(min(backoff(state), longest), min(rest, self._patience.longest_rest))

    def _try(self, path: str, params: Params, read: Callable[[object], T], stop: Event) -> T:
        with self._success(path, params, stop, self._patience) as answer:
            return read(decoded(self._body(answer, self._patience.whole)))

    @contextmanager
    def _success(
        self, path: str, params: Params, stop: Event, patience: Patience
    ) -> Iterator[httpx.Response]:
        """The answer to one request, to be read within the context. Raises Refused for any but a success."""
        timeout = httpx.Timeout(patience.read, connect=patience.connect)
        with (
            counted(self._meter),
            ExitStack() as turn,
            self._http.stream(
                "GET",
                self._base_url + path,
                params=params,
                timeout=timeout,
                extensions=self._toll(turn, stop),
            ) as answer,
        ):
            if not answer.is_success:
                code, said = self._said(answer, patience.whole)
                raise Refused(
                    status=answer.status_code,
                    code=code,
                    said=said,
                    rest=rest_asked_for(answer.headers),
                    target=self._target(answer),
                )
            yield answer

    def _toll(self, turn: ExitStack, stop: Event) -> dict[str, object]:
        """Let a request wait for its turn when its connection stands and its head is about to leave.

        Waiting any earlier would let requests that meet a slow handshake catch up with later ones.
        """

        def trace(event: str, _: object) -> None:
            if event.endswith(".send_request_headers.started"):
                turn.enter_context(self._budget.turn(stop))
                self._count()
            elif event.endswith((".send_request_headers.complete", ".send_request_headers.failed")):
                turn.close()

        return {"trace": trace}

    def _count(self) -> None:
        with self._counting:
            self._sent += 1

    def _body(self, answer: httpx.Response, whole: float) -> bytes:
        """The body, unpacked. Raises Unusable if it has no end: a trickle never trips the read timeout."""
        body = bytearray()
        end = self._clock() + whole
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > LARGEST_BODY:
                raise Unusable("more than it could have to say")
            if self._clock() > end:
                raise Unusable(f"no end within {whole:g} s")
        return bytes(body)

    def _said(self, answer: httpx.Response, whole: float) -> tuple[int | None, str | None]:
        """TMDB's code and reason; a broken body does not make the status another one."""
        with suppress(httpx.HTTPError, Unusable):
            code, said = refusal(decoded(self._body(answer, whole)))
            return code, self._credential.redact(said) if said else None
        return None, None

    def _target(self, answer: httpx.Response) -> str | None:
        """Where a redirect leads. It is never followed: our credential goes to no other host."""
        if not answer.has_redirect_location:
            return None
        try:
            target = answer.request.url.join(answer.headers["location"])
            shown = str(target.copy_with(userinfo=b"", query=None, fragment=None))
        except (httpx.InvalidURL, ValueError):
            return None
        return self._credential.redact(shown[:LONGEST_TARGET])


@contextmanager
def source_errors(asked: str, credential: Credential, patience: Patience) -> Iterator[None]:
    """Turn what asking TMDB can raise into what MovieSource promises; no sentence shows a secret."""
    if not credential.sendable:
        raise SourceRefused(f"{credential.variable} holds characters that no credential has")
    try:
        yield
    except Stopped as error:
        raise SourceUnavailable("Nobody waits for TMDB's answer any more") from error
    except Refused as error:
        raise _meant(error, asked, credential) from error
    except (httpx.HTTPError, httpx.InvalidURL, Unusable) as error:
        told = credential.redact(_told(error, patience))
        raise SourceUnavailable(f"{told}, asked for {asked}") from error


def may_pass(error: BaseException) -> bool:
    """Whether the same request may fare better later."""
    match error:
        case Refused():
            return error.passing
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return False
        case _:
            return isinstance(error, httpx.TransportError | httpx.DecodingError | Unusable)


def rest_asked_for(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After, which may be a date; None if there is none to be understood.

    A date is compared with the answer's own, so that a clock of ours that is wrong does no harm.
    """
    told = headers.get("retry-after", "").strip()
    if SECONDS.fullmatch(told):
        return float(told)
    if (until := _moment(told)) is None:
        return None
    return max(0.0, (until - (_moment(headers.get("date", "")) or datetime.now(UTC))).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _meant(error: Refused, asked: str, credential: Credential) -> SourceRefused | SourceUnavailable:
    if error.of_credential:
        said = f"{error.status}: {error.said}" if error.said else f"{error.status}"
        return SourceRefused(f"TMDB refuses the credential, check {credential.variable} ({said})")
    kind = Absent if error.of_movie else SourceUnavailable
    return kind(f"{error}, asked for {asked}")


def _told(error: httpx.HTTPError | httpx.InvalidURL | Unusable, patience: Patience) -> str:
    """What came instead of an answer."""
    match error:
        case Unusable():
            return f"TMDB answered with {error}"
        case httpx.ConnectTimeout():
            return f"TMDB took no connection within {patience.connect:g} s"
        case httpx.TimeoutException():
            return f"TMDB gave no answer within {patience.read:g} s"
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return f"TMDB could not be reached ({error})"
        case httpx.DecodingError():
            return "TMDB's answer could not be unpacked"
        case _:
            return "The connection to TMDB broke off"
