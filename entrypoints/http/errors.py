"""Translation of errors into responses. Clients see no internal details."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from traceback import format_exception
from typing import Annotated

from litestar.exceptions import HTTPException
from litestar.types import Scope
from msgspec import UNSET, Meta, Struct, UnsetType, field

from domain.changes import ChangesExpired
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
from domain.idempotency import IdempotencyKeyInUse
from domain.sync import NoSource, SourceRefused, SourceUnavailable
from domain.users import TokenRejected
from entrypoints.http.access_log import CLIENT_PRESENCE
from entrypoints.http.exceptions import (
    ClientLeft,
    ExportRunning,
    ExportsFull,
    ServerFull,
    UnsupportedContentEncoding,
)
from entrypoints.http.responses import NO_STORE, Header, Response, json_response
from entrypoints.http.schemas import Moment, rfc3339

log = logging.getLogger(__name__)

RETRY_AFTER_2_S = ((b"retry-after", b"2"),)
RETRY_AFTER_1_S = ((b"retry-after", b"1"),)
RETRY_AFTER_10_S = ((b"retry-after", b"10"),)
CHALLENGE = ((b"www-authenticate", b'Bearer realm="matinee"'),)
CHALLENGE_INVALID_TOKEN = ((b"www-authenticate", b'Bearer realm="matinee", error="invalid_token"'),)

STATUS_ERRORS = {
    400: ("malformed_request", "The request cannot be understood"),
    401: ("token_rejected", "A valid token is needed"),
    403: ("forbidden", "This is not yours to do"),
    404: ("not_found", "There is nothing here; the API is documented at /api/v1/docs"),
    405: ("method_not_allowed", "This cannot be done here; the Allow header tells what can"),
    408: ("request_timeout", "The request did not arrive whole in time; send it at once"),
    409: ("conflict", "The present state of things does not allow it; the code tells why"),
    410: ("gone", "What was asked for is no longer kept"),
    413: ("payload_too_large", "The request body is too large"),
    415: ("unsupported_media_type", "The request body must be JSON, with Content-Type: application/json"),
    429: ("rate_limited", "Too many requests"),
    431: ("head_too_large", "The request line and the headers are too large"),
    500: ("internal_error", "Something went wrong on our side; quote the request_id when you report it"),
    501: ("no_source", "The service has no source of movies: it has no credential for TMDB"),
    502: ("source_refused", "TMDB refuses the credential of the service"),
    503: ("unavailable", "The service cannot answer at the moment; try again shortly"),
}
"""The code and the message for each status, for errors that have none of their own."""

FORWARDED_HEADERS = ("retry-after", "accept-encoding")
"""The headers of an exception that are copied to the response."""


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


KINDS: dict[type[MatineeError], tuple[int, tuple[Header, ...]]] = {
    Invalid: (400, ()),
    TokenRejected: (401, CHALLENGE_INVALID_TOKEN),
    Unauthenticated: (401, CHALLENGE),
    Forbidden: (403, ()),
    NotFound: (404, ()),
    ChangesExpired: (410, ()),
    IdempotencyKeyInUse: (409, RETRY_AFTER_1_S),
    Conflict: (409, ()),
    NoSource: (501, ()),
    SourceRefused: (502, ()),
    SourceUnavailable: (503, RETRY_AFTER_2_S),
    ServerFull: (503, RETRY_AFTER_1_S),
    ExportsFull: (503, RETRY_AFTER_10_S),
    ExportRunning: (429, RETRY_AFTER_10_S),
    Unavailable: (503, RETRY_AFTER_2_S),
}
"""The status and the headers for each kind of error. Other errors take those of their nearest base class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The contents of an error response."""

    status: int
    code: str
    message: str
    sentences: tuple[str, ...] = ()
    faults: Sequence[Fault] = ()
    headers: tuple[Header, ...] = ()


def problem_of(error: Exception) -> Problem:
    """Translate an error."""
    match error:
        case Invalid():
            return Problem(
                status=400,
                code=error.code,
                message="Validation failed",
                sentences=tuple(error.sentences),
                faults=error.faults,
            )
        case MatineeError():
            return _of_kind(error)
        case HTTPException() if error.status_code < 500:
            return _of_http_exception(error)
        case _:
            return _of_status(500)


def error_response(error: Exception, scope: Scope, *, development: bool = False) -> Response:
    """The response to a request that raised this error.

    `development` adds the traceback to the response.
    """
    state = scope["state"]
    problem = logged_problem(error, scope)
    out = ErrorOut(
        status_code=problem.status,
        code=problem.code,
        message=problem.message,
        errors=list(problem.sentences),
        details=[
            FieldErrorOut(field=fault.field, code=fault.code, message=fault.message)
            for fault in problem.faults
        ],
        timestamp=rfc3339(datetime.now(UTC)),
        path=state["path"],
        request_id=state["request_id"],
        stack=format_exception(error) if development and problem.status == 500 else UNSET,
    )
    return json_response(out, status=problem.status, headers=problem.headers, cache=NO_STORE)


def logged_problem(error: Exception, scope: Scope) -> Problem:
    """Translate an error, and log it unless the client is at fault; an unexpected one with its traceback."""
    if isinstance(error, HTTPException) and scope["state"][CLIENT_PRESENCE].left:
        error = ClientLeft()  # Litestar reports it as an internal error
    problem = problem_of(error)
    if problem.status >= 500:
        _log(error, problem, scope)
    return problem


def allow(methods: Iterable[str]) -> Header:
    """The `Allow` header for a path with these methods. HEAD is added to GET, and OPTIONS always."""
    allowed = {*methods, "OPTIONS"}
    if "GET" in allowed:
        allowed.add("HEAD")
    return b"allow", ", ".join(sorted(allowed)).encode()


def codes() -> dict[str, tuple[int, str]]:
    """All error codes with their status and meaning."""
    found = {code: (status, message) for status, (code, message) in STATUS_ERRORS.items()}
    found[UnsupportedContentEncoding.code] = (
        UnsupportedContentEncoding.status_code,
        UnsupportedContentEncoding.message,
    )
    for kind in _subclasses(MatineeError):
        found.setdefault(
            kind.code, (_status_of(kind)[0], " ".join((kind.__doc__ or "").partition("\n\n")[0].split()))
        )
    return found


def _of_kind(error: MatineeError) -> Problem:
    status, headers = _status_of(type(error))
    internal = isinstance(error, Unavailable) and not isinstance(error, ServerFull | NoSource)
    message = STATUS_ERRORS[503][1] if internal else str(error)
    return Problem(
        status=status,
        code=error.code,
        message=message,
        sentences=tuple(map(str, error.faults)),
        faults=error.faults,
        headers=headers,
    )


def _of_http_exception(error: HTTPException) -> Problem:
    default, given = _of_status(error.status_code), error.headers or {}
    headers = default.headers
    if "allow" in given:
        headers = (allow(given["allow"].split(", ")),)
    else:
        copied = tuple((name.encode(), given[name].encode()) for name in FORWARDED_HEADERS if name in given)
        headers = copied or headers
    if isinstance(error, UnsupportedContentEncoding):
        return Problem(status=error.status_code, code=error.code, message=error.message, headers=headers)
    return Problem(status=default.status, code=default.code, message=default.message, headers=headers)


def _of_status(status: int) -> Problem:
    code, message = STATUS_ERRORS.get(status, (f"http_{status}", "The request is refused"))
    return Problem(status=status, code=code, message=message, headers=CHALLENGE if status == 401 else ())


def _status_of(kind: type[MatineeError]) -> tuple[int, tuple[Header, ...]]:
    return next((KINDS[each] for each in kind.__mro__ if each in KINDS), (500, ()))


def _subclasses(kind: type[MatineeError]) -> Iterator[type[MatineeError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def _log(error: Exception, problem: Problem, scope: Scope) -> None:
    state = scope["state"]
    template = "%s %s: %s (request %s)"
    values = (scope.get("method"), state["path"], error, state["request_id"])
    if problem.status == 500:
        log.error(template, *values, exc_info=error, extra={"request_id": state["request_id"]})
    elif not isinstance(error, ServerFull):
        log.warning(template, *values, extra={"request_id": state["request_id"]})
