"""The errors of HTTP itself; `errors` translates them, and those of the domain, into responses."""

from typing import ClassVar

from litestar.exceptions import HTTPException

from domain.errors import Conflict, Unavailable


class ServerFull(Unavailable):
    """The maximum number of requests is in progress."""

    code: ClassVar[str] = "server_full"

    def __str__(self) -> str:
        return "The service is busy; try again in a second"


class ExportsFull(ServerFull):
    """The maximum number of exports is running."""

    code: ClassVar[str] = "exports_full"

    def __str__(self) -> str:
        return "Too many exports are running; try again in ten seconds"


class ExportRunning(Conflict):
    """The maximum number of exports of one user is running."""

    code: ClassVar[str] = "export_running"

    def __str__(self) -> str:
        return "Your exports are still running; let one end, or try again in ten seconds"


class TooManyConnections(ServerFull):
    """Too many connections of one address are waiting for data; the oldest is closed."""

    code: ClassVar[str] = "too_many_connections"

    def __str__(self) -> str:
        return "Too many connections of your address send nothing or only parts of requests"


class UploadsFull(ServerFull):
    """The maximum number of uploads is in progress."""

    code: ClassVar[str] = "uploads_full"

    def __str__(self) -> str:
        return "Too many files are being uploaded; try again in a moment"


class ServerStopping(ServerFull):
    """The service is stopping, and the request is not complete."""

    code: ClassVar[str] = "server_stopping"

    def __str__(self) -> str:
        return "The service stops; try again in a second"


class MalformedRequest(HTTPException):
    """The data is not HTTP/1.1, or the end of the message is ambiguous."""

    status_code = 400


class RequestTimeout(HTTPException):
    """The request was not complete in time."""

    status_code = 408


class BodyTooLarge(HTTPException):
    """The request body exceeds the limit."""

    status_code = 413


class HeadTooLarge(HTTPException):
    """The request line and the headers, or the trailers and the chunk framing, exceed the limit."""

    status_code = 431


class ClientLeft(HTTPException):
    """The client closed the connection before the response was sent. It is logged only."""

    status_code = 499

    def __init__(self) -> None:
        super().__init__(detail="The client left")  # Litestar knows no phrase for 499


class NotJson(HTTPException):
    """The media type of the request body is not JSON."""

    status_code = 415


class UnsupportedContentEncoding(HTTPException):
    """The request body is compressed."""

    status_code = 415
    code = "unsupported_content_encoding"
    message = "The request body must be sent as it is, without Content-Encoding"

    def __init__(self) -> None:
        super().__init__(headers={"accept-encoding": "identity"})


class TooManyRequests(HTTPException):
    """The client has reached a rate limit. `retry_after` is the number of seconds until it may try again."""

    status_code = 429

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(headers={"retry-after": str(retry_after)})
