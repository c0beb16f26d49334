"""What the simulator can say: answers and the way they are delivered, TMDB's refusals, recorded exchanges."""

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
"""The folders that tests replay: that of invented exchanges, and one of real exchanges where it is set."""

# TMDB's status_code: the HTTP status and the sentence that go with it. Clients must read the code: only the
# sentence of code 7 is TMDB's own.
REFUSALS: dict[int, tuple[int, str]] = {
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
# TMDB leaves `success` out of some of its errors.
WITHOUT_SUCCESS = frozenset({25})


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer and the way in which it reaches the client, faults included.

    `wait` and `trickle` are seconds: before the head, over the whole body. `sent` is how many bytes of the
    body leave, where it is not what Content-Length promises. A `silent` answer sends nothing at all.
    """

    status: int
    body: bytes = b""
    headers: Headers = (JSON,)
    wait: float = 0.0
    trickle: float = 0.0
    sent: int | None = None
    ending: Literal["keep", "close", "reset"] = "keep"
    silent: bool = False

    def head(self) -> bytes:
        """The status line and the headers, down to the empty line."""
        lines = [f"HTTP/1.1 {self.status} {phrase(self.status)}", f"date: {formatdate(usegmt=True)}"]
        lines += (f"{name}: {value}" for name, value in self.headers)
        lines.append(f"content-length: {len(self.body)}")
        if self.ending == "close":
            lines.append("connection: close")
        return "\r\n".join((*lines, "", "")).encode("latin-1")


def phrase(status: int) -> str:
    """The reason phrase of a status, empty where there is none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def encoded(value: object) -> bytes:
    """JSON as TMDB writes it: no spaces, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def found(value: object, *, max_age: int = 0) -> Answer:
    """200 with JSON, a weak ETag and, as from TMDB's own cache, an age."""
    body = encoded(value)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Answer(200, body, (JSON, ("cache-control", f"public, max-age={max_age}"), ("etag", f'W/"{etag}"')))


def refusal(code: int) -> Answer:
    """TMDB's error body for one of its status codes, with the HTTP status that belongs to it."""
    status, sentence = REFUSALS[code]
    success = {} if code in WITHOUT_SUCCESS else {"success": False}
    return Answer(status, encoded(success | {"status_code": code, "status_message": sentence}))


def json_lines(path: Path) -> Iterator[Record]:
    """The records of a .jsonl or .jsonl.gz file."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


class Recordings:
    """Recorded exchanges, found by method, path and exact parameters.

    Where several were recorded for one request, each of them answers in its turn, and then the first again.
    """

    def __init__(self, folder: Path) -> None:
        self.exchanges: list[Record] = [
            exchange for path in sorted(folder.glob("rec_*.jsonl*")) for exchange in json_lines(path)
        ]
        if not self.exchanges:
            raise FileNotFoundError(f"no recorded exchanges (rec_*.jsonl, rec_*.jsonl.gz) in {folder}")
        self._answers: defaultdict[tuple[object, ...], list[Answer]] = defaultdict(list)
        self._lock = threading.Lock()
        for exchange in self.exchanges:
            key = _key(exchange["method"], exchange["path"], exchange["params"] or {})
            self._answers[key].append(_replayed(exchange))

    def find(self, method: str, path: str, params: Mapping[str, str]) -> Answer | None:
        """The recorded answer to exactly this request, if there is one.

        Details with appended parts are also composed of the recorded details and of those parts that were
        recorded by themselves.
        """
        answers = self._answers.get(_key(method, path, params))
        if answers:
            with self._lock:
                answers.append(answers.pop(0))
                return answers[-1]
        plain = dict(params)
        appended = plain.pop("append_to_response", None)
        details = self.find(method, path, plain) if appended else None
        if not appended or not details or details.status != 200:
            return details
        parts = {name: self.find(method, f"{path}/{name}", plain) for name in appended.split(",")}
        read = {name: json.loads(answer.body) for name, answer in parts.items() if answer}
        return replace(details, body=encoded(json.loads(details.body) | read))


def _key(method: str, path: str, params: Mapping[str, str]) -> tuple[object, ...]:
    return method, unquote(path), frozenset(params.items())


def _replayed(exchange: Record) -> Answer:
    body = exchange["body"]
    headers = tuple(
        (name.lower(), one)
        for name, value in exchange["headers"].items()
        if name.lower() in REPLAYED_HEADERS
        for one in (value if isinstance(value, list) else [value])
    )
    # A body that was not JSON is recorded as text.
    raw = body.encode() if isinstance(body, str) else encoded(body)
    return Answer(exchange["status"], raw, headers)
