"""The outward border: what goes wrong inside, as clients are told it. Nothing internal passes."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from traceback import format_exception
from typing import Annotated, ClassVar

from litestar.exceptions import HTTPException
from litestar.types import Scope
from msgspec import UNSET, Meta, Struct, UnsetType, field

from domain.errors import (
    Conflict,
    Fault,
    FaultCode,
    Forbidden,
    Invalid,
    MatineeError,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from domain.sync import SourceRefused, SourceUnavailable
from domain.users import TokenRejected
from entrypoints.http.access_log import PRESENCE
from entrypoints.http.responses import UNKEPT, Answer, Header, json_answer
from entrypoints.http.schemas import Moment, moment

log = logging.getLogger(__name__)

SOON = ((b"retry-after", b"2"),)
AT_ONCE = ((b"retry-after", b"1"),)
LATER = ((b"retry-after", b"10"),)
CHALLENGE = ((b"www-authenticate", b'Bearer realm="matinee"'),)
CHALLENGE_ANEW = ((b"www-authenticate", b'Bearer realm="matinee", error="invalid_token"'),)

FRAMEWORK = {
    400: ("malformed_request", "The request cannot be understood"),
    401: ("token_rejected", "A valid token is needed"),
    403: ("forbidden", "This is not yours to do"),
    404: ("not_found", "There is nothing here; the API is documented at /api/v1/docs"),
    405: ("method_not_allowed", "This cannot be done here; the Allow header tells what can"),
    408: ("request_timeout", "The request did not arrive whole in time; send it at once"),
    409: ("conflict", "The present state of things does not allow it; the code tells why"),
    413: ("payload_too_large", "The request body is too large"),
    415: ("unsupported_media_type", "The request body must be JSON, with Content-Type: application/json"),
    429: ("rate_limited", "Too many requests"),
    431: ("head_too_large", "The request line and the headers are too large"),
    500: ("internal_error", "Something went wrong on our side; quote the request_id when you report it"),
    503: ("unavailable", "The service cannot answer at the moment; try again shortly"),
}
"""The code and the message for a status that no error of ours stands behind."""


PASSED_ON = ("retry-after", "accept-encoding")
"""Headers of an exception that its answer carries as they are."""


class FieldErrorOut(Struct, frozen=True, kw_only=True):
    """What is wrong with one field of the request."""

    field: Annotated[
        str,
        Meta(
            description="The field of the body, or the parameter; `body` or `query` for the whole of it.",
            examples=["rating"],
        ),
    ]
    code: Annotated[FaultCode, Meta(description="A word for programs, which never changes.")]
    message: Annotated[
        str,
        Meta(
            description="The rule that is broken, to be read after the name of the field.",
            examples=["must be between 1 and 10 in steps of 0.5"],
        ),
    ]


class ErrorOut(Struct, frozen=True, kw_only=True):
    """An error."""

    status_code: Annotated[int, Meta(description="The HTTP status.", examples=[400])] = field(
        name="statusCode"
    )
    code: Annotated[
        str, Meta(description="A word for programs, which never changes.", examples=["validation_failed"])
    ]
    message: Annotated[str, Meta(description="A sentence for people.", examples=["Validation failed"])]
    errors: Annotated[
        list[str],
        Meta(
            description="A sentence for each fault of the request; empty if no field is at fault.",
            examples=[["rating must be between 1 and 10 in steps of 0.5"]],
        ),
    ]
    details: Annotated[
        list[FieldErrorOut], Meta(description="The same faults for programs, in the same order.")
    ]
    timestamp: Annotated[Moment, Meta(description="When it happened.")]
    path: Annotated[str, Meta(description="The path of the request.", examples=["/api/v1/movies"])]
    request_id: Annotated[
        str,
        Meta(
            description="The same as in the `X-Request-ID` header.",
            examples=["5f0e6a3c9d8b4a7e8f1c2b3a4d5e6f70"],
        ),
    ]
    stack: Annotated[list[str], Meta(description="The stack trace, in development only.")] | UnsetType = UNSET


class ServerFull(Unavailable):
    """More requests are in work than the service takes at a time."""

    code: ClassVar[str] = "server_full"

    def __str__(self) -> str:
        return "The service is busy; try again in a second"


class ExportsFull(ServerFull):
    """As many exports run as the service runs at a time."""

    code: ClassVar[str] = "exports_full"

    def __str__(self) -> str:
        return "Too many exports are running; try again in ten seconds"


class ExportRunning(Conflict):
    """As many exports of the user run as one user may run at a time."""

    code: ClassVar[str] = "export_running"

    def __str__(self) -> str:
        return "Your exports are still running; let one end, or try again in ten seconds"


class TooManyConnections(ServerFull):
    """Too many connections of one address wait for their client; the oldest is closed."""

    code: ClassVar[str] = "too_many_connections"

    def __str__(self) -> str:
        return "Too many connections of your address send nothing or only parts of requests"


class ServerStopping(ServerFull):
    """The service stops, and the request is not complete."""

    code: ClassVar[str] = "server_stopping"

    def __str__(self) -> str:
        return "The service stops; try again in a second"


class MalformedRequest(HTTPException):
    """What was sent is not HTTP/1.1, or cannot be told apart from what follows."""

    status_code = 400


class RequestTimeout(HTTPException):
    """The request did not arrive whole in time."""

    status_code = 408


class BodyTooLarge(HTTPException):
    """The request's body is longer than we read."""

    status_code = 413


class HeadTooLarge(HTTPException):
    """The request line and the headers, or what is sent in their manner after a body, are too long."""

    status_code = 431


class ClientLeft(HTTPException):
    """The client closed the connection before its request was complete or answered; nobody reads this."""

    status_code = 499

    def __init__(self) -> None:
        super().__init__(detail="The client left")  # or the framework looks for a phrase, and there is none


class NotJson(HTTPException):
    """The request says that its body is not what we read."""

    status_code = 415


class EncodingUnread(HTTPException):
    """The request's body is compressed, which we do not read."""

    status_code = 415
    code = "unsupported_content_encoding"
    message = "The request body must be sent as it is, without Content-Encoding"

    def __init__(self) -> None:
        super().__init__(headers={"accept-encoding": "identity"})


class TooManyRequests(HTTPException):
    """The client has used up what it may send for now; `retry_after` seconds from now it may send again."""

    status_code = 429

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(headers={"retry-after": str(retry_after)})


KINDS: dict[type[MatineeError], tuple[int, tuple[Header, ...]]] = {
    Invalid: (400, ()),
    TokenRejected: (401, CHALLENGE_ANEW),
    Unauthenticated: (401, CHALLENGE),
    Forbidden: (403, ()),
    NotFound: (404, ()),
    Conflict: (409, ()),
    SourceRefused: (502, ()),
    SourceUnavailable: (503, SOON),
    ServerFull: (503, AT_ONCE),
    ExportsFull: (503, LATER),
    ExportRunning: (429, LATER),
    Unavailable: (503, SOON),
}
"""The status and the headers for each kind of error; for a concrete one, those of its nearest kind count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a client is told of an error."""

    status: int
    code: str
    message: str
    sentences: tuple[str, ...] = ()
    faults: Sequence[Fault] = ()
    headers: tuple[Header, ...] = ()


def refusal(error: Exception) -> Refusal:
    """What a client is told of this error."""
    match error:
        case Invalid():
            return Refusal(
                status=400,
                code=error.code,
                message="Validation failed",
                sentences=tuple(error.sentences),
                faults=error.faults,
            )
        case MatineeError():
            return _of_kind(error)
        case HTTPException() if error.status_code < 500:
            return _of_framework(error)

        case _:
            return _of_status(500)


def error_answer(error: Exception, scope: Scope, *, development: bool = False) -> Answer:
    """The answer to a request that ended in this error; what was not expected is logged, with its traceback.

    `development` shows the traceback to the client too.
    """
    state = scope["state"]
    if isinstance(error, HTTPException) and state[PRESENCE].left:
        error = ClientLeft()  # the framework calls it an error of ours
    told = refusal(error)
    if told.status >= 500:
        _record(error, told, scope)
    out = ErrorOut(
        status_code=told.status,
        code=told.code,
        message=told.message,
        errors=list(told.sentences),
        details=[
            FieldErrorOut(field=fault.field, code=fault.code, message=fault.message) for fault in told.faults
        ],
        timestamp=moment(datetime.now(UTC)),
        path=state["path"],
        request_id=state["request_id"],
        stack=format_exception(error) if development and told.status == 500 else UNSET,
    )
    return json_answer(out, status=told.status, headers=told.headers, cache=UNKEPT)


def allow(methods: Iterable[str]) -> Header:
    """The `Allow` header of a path that has these methods; HEAD goes with GET, OPTIONS with all."""
    named = {*methods, "OPTIONS"}
    if "GET" in named:
        named.add("HEAD")
    return b"allow", ", ".join(sorted(named)).encode()


def codes() -> dict[str, tuple[int, str]]:
    """Every code that an error may carry, with its status and what it means."""
    found = {code: (status, message) for status, (code, message) in FRAMEWORK.items()}
    found[EncodingUnread.code] = EncodingUnread.status_code, EncodingUnread.message
    for kind in _declared(MatineeError):
        found.setdefault(kind.code, (_status_of(kind)[0], (kind.__doc__ or "").split("\n")[0]))
    return found


def _of_kind(error: MatineeError) -> Refusal:
    status, headers = _status_of(type(error))
    internal = isinstance(error, Unavailable) and not isinstance(error, ServerFull)
    message = FRAMEWORK[503][1] if internal else str(error)
    return Refusal(
        status=status,
        code=error.code,
        message=message,
        sentences=tuple(map(str, error.faults)),
        faults=error.faults,
        headers=headers,
    )


def _of_framework(error: HTTPException) -> Refusal:
    told, given = _of_status(error.status_code), error.headers or {}
    headers = told.headers
    if "allow" in given:
        headers = (allow(given["allow"].split(", ")),)
    else:
        passed = tuple((name.encode(), given[name].encode()) for name in PASSED_ON if name in given)
        headers = passed or headers
    if isinstance(error, EncodingUnread):
        return Refusal(status=error.status_code, code=error.code, message=error.message, headers=headers)
    return Refusal(status=told.status, code=told.code, message=told.message, headers=headers)


def _of_status(status: int) -> Refusal:
    code, message = FRAMEWORK.get(status, (f"http_{status}", "The request is refused"))
    return Refusal(status=status, code=code, message=message, headers=CHALLENGE if status == 401 else ())


def _status_of(kind: type[MatineeError]) -> tuple[int, tuple[Header, ...]]:
    return next((KINDS[each] for each in kind.__mro__ if each in KINDS), (500, ()))


def _declared(kind: type[MatineeError]) -> Iterator[type[MatineeError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _declared(each)


def _record(error: Exception, told: Refusal, scope: Scope) -> None:
    state = scope["state"]
    words = "%s %s: %s (request %s)"
    what = (scope.get("method"), state["path"], error, state["request_id"])
    if told.status == 500:
        log.error(words, *what, exc_info=error, extra={"request_id": state["request_id"]})
    elif not isinstance(error, ServerFull):
        log.warning(words, *what, extra={"request_id": state["request_id"]})
