"""The responses of the simulator, with faults in their delivery; the errors of TMDB; recorded exchanges."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

Record: TypeAlias = dict[str, Any]
Headers: TypeAlias = tuple[tuple[str, str], ...]

JSON = ("content-type", "application/json;charset=utf-8")
HTML = ("content-type", "text/html; charset=utf-8")
REPLAYED_HEADERS = ("content-type", "etag", "cache-control", "retry-after")

INVENTED_RECORDINGS = Path(__file__).with_name("recordings")
"""Exchanges in the shape of recorded ones, about films that do not exist."""

RECORDINGS = [INVENTED_RECORDINGS, *map(Path, filter(None, [os.environ.get("MATINEE_TMDB_RECORDINGS")]))]
"""The folders that tests replay: that of invented exchanges, and one of real exchanges if it is set."""

# By TMDB's status_code: the HTTP status and the status_message. Clients must use the code: only the message
# of code 7 is TMDB's own.
ERRORS: dict[int, tuple[int, str]] = {
    7: (401, "Invalid API key: You must be granted a valid key."),
    10: (401, "This account may not use the service any more."),
    11: (500, "The server made a mistake."),
    20: (422, "The dates lie more than 14 days apart."),
    22: (400, "A page is a whole number from 1 to 500."),
    23: (400, "A date is written YYYY-MM-DD."),
    24: (504, "Nothing came from behind the gateway in time."),
    25: (429, "Too many requests in too short a time."),
    27: (400, "At most 20 parts can be appended."),
    34: (404, "There is no such thing here."),
    43: (502, "Nothing listens behind the gateway."),
    46: (503, "Closed for maintenance."),
}
# The errors in which TMDB omits `success`.
WITHOUT_SUCCESS = frozenset({25})


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, and how it is sent.

    `delay` is the time before the head, and `body_duration` the time in which the body is sent, in seconds.
    `sent_bytes` is the number of bytes of the body that are sent, None for all of them. `ending` is what
    happens to the connection afterwards. Of a `silent` response nothing is sent.
    """

    status: int
    body: bytes = b""
    headers: Headers = (JSON,)
    delay: float = 0.0
    body_duration: float = 0.0
    sent_bytes: int | None = None
    ending: Literal["keep", "close", "reset"] = "keep"
    silent: bool = False

    def head(self) -> bytes:
        """The status line and the headers, with the empty line at the end."""
        lines = [f"HTTP/1.1 {self.status} {reason_phrase(self.status)}", f"date: {formatdate(usegmt=True)}"]
        lines += (f"{name}: {value}" for name, value in self.headers)
        lines.append(f"content-length: {len(self.body)}")
        if self.ending == "close":
            lines.append("connection: close")
        return "\r\n".join((*lines, "", "")).encode("latin-1")


def reason_phrase(status: int) -> str:
    """The reason phrase of a status, or an empty string."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def encoded(value: object) -> bytes:
    """JSON as TMDB encodes it: without spaces, in UTF-8 without escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def json_response(value: object, *, max_age: int = 0) -> Response:
    """A response with status 200, JSON, a weak ETag and, as of TMDB's own cache, a maximum age."""
    body = encoded(value)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Response(
        200, body, (JSON, ("cache-control", f"public, max-age={max_age}"), ("etag", f'W/"{etag}"'))
    )


def error_response(code: int) -> Response:
    """The error response for one of TMDB's status codes."""
    status, message = ERRORS[code]
    success = {} if code in WITHOUT_SUCCESS else {"success": False}
    return Response(status, encoded(success | {"status_code": code, "status_message": message}))


def json_lines(path: Path) -> Iterator[Record]:
    """The records of a .jsonl or .jsonl.gz file."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


class Recordings:
    """Recorded exchanges, which are found by method, path and exact parameters.

    If there are several responses to one request, they are returned in order, and then from the first again.
    """

    def __init__(self, folder: Path) -> None:
        self.exchanges: list[Record] = [
            exchange for path in sorted(folder.glob("rec_*.jsonl*")) for exchange in json_lines(path)
        ]
        if not self.exchanges:
            raise FileNotFoundError(f"no recorded exchanges (rec_*.jsonl, rec_*.jsonl.gz) in {folder}")
        self._responses: defaultdict[tuple[object, ...], list[Response]] = defaultdict(list)
        self._lock = threading.Lock()
        for exchange in self.exchanges:
            key = _key(exchange["method"], exchange["path"], exchange["params"] or {})
            self._responses[key].append(_recorded_response(exchange))

    def find(self, method: str, path: str, params: Mapping[str, str]) -> Response | None:
        """The recorded response to exactly this request, or None.

        If there is none with the appended parts, it is composed of the recorded details and of the parts that
        were recorded separately.
        """
        responses = self._responses.get(_key(method, path, params))
        if responses:
            with self._lock:
                responses.append(responses.pop(0))
                return responses[-1]
        other_params = dict(params)
        appended = other_params.pop("append_to_response", None)
        details = self.find(method, path, other_params) if appended else None
        if not appended or not details or details.status != 200:
            return details
        parts = {name: self.find(method, f"{path}/{name}", other_params) for name in appended.split(",")}
        appended_parts = {name: json.loads(response.body) for name, response in parts.items() if response}
        return replace(details, body=encoded(json.loads(details.body) | appended_parts))


def _key(method: str, path: str, params: Mapping[str, str]) -> tuple[object, ...]:
    return method, unquote(path), frozenset(params.items())


def _recorded_response(exchange: Record) -> Response:
    body = exchange["body"]
    headers = tuple(
        (name.lower(), single)
        for name, value in exchange["headers"].items()
        if name.lower() in REPLAYED_HEADERS
        for single in (value if isinstance(value, list) else [value])
    )
    # A body that was not JSON is recorded as text.
    raw = body.encode() if isinstance(body, str) else encoded(body)
    return Response(exchange["status"], raw, headers)
