"""The PictureSource over TMDB's image host, with copies in files.

A copy is kept for as long as TMDB's terms allow. When the copies exceed their limit, those that were not used
for longest are deleted. A file's time of modification is when it was fetched, its time of access when it was
last used.
"""

import logging
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from time import monotonic

import httpx

from adapters.tmdb.client import tls_context
from adapters.tmdb.source import TEXT_RETENTION
from domain.pictures import Picture

HOST = "https://image.tmdb.org/t/p"

SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
"""A size or the name of a file: a segment of a path that cannot lead elsewhere."""

SIGNATURES = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
"""The accepted media types, and how their files begin."""

MAX_PICTURE_SIZE = 10 * 2**20
"""Bytes. A poster 780 pixels wide has some 200,000."""

FETCH_TIMEOUT = 8.0
"""Seconds for a whole picture."""

RETRY_DELAY = 30.0
"""Seconds for which nothing is fetched after the host could not be reached."""

KEPT_SHARE = 0.9
"""How much of the limit is kept when copies are deleted, so that this is not done for every picture."""

log = logging.getLogger("matinee.pictures")


class TmdbPictures:
    """Fetches pictures, and keeps up to `max_bytes` of them in a directory. Thread-safe.

    Processes may share the directory: each counts what it adds itself, and all that is there when it deletes.
    """

    def __init__(
        self,
        *,
        directory: Path,
        max_bytes: int,
        clock: Callable[[], datetime],
        host: str = HOST,
        transport: httpx.BaseTransport | None = None,
        stopwatch: Callable[[], float] = monotonic,
    ) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._clock = clock
        self._host = host
        self._stopwatch = stopwatch
        self._http = httpx.Client(
            transport=transport,
            verify=tls_context(),
            headers={"User-Agent": "Matinee", "Accept": ", ".join(SIGNATURES)},
            timeout=httpx.Timeout(FETCH_TIMEOUT, connect=3.0),
        )
        self._unreachable_until = 0.0
        self._bytes: int | None = None
        self._deleting = Lock()

    def get(self, size: str, name: str) -> Picture | None:
        """See PictureSource."""
        if not (SEGMENT.fullmatch(size) and SEGMENT.fullmatch(name)):
            return None
        path = self._directory / size / name
        return self._stored(path) or self._fetched(f"{self._host}/{size}/{name}", path)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _stored(self, path: Path) -> Picture | None:
        """The copy; None if there is none, or it is too old."""
        try:
            fetched = path.stat().st_mtime
            now = self._clock().timestamp()
            if now - fetched > TEXT_RETENTION.total_seconds():
                path.unlink()
                return None
            content = path.read_bytes()
            os.utime(path, (now, fetched))
        except OSError:
            return None
        return _picture(content)

    def _fetched(self, url: str, path: Path) -> Picture | None:
        if self._stopwatch() < self._unreachable_until:
            return None
        try:
            content = self._download(url)
        except httpx.HTTPError as error:
            self._unreachable_until = self._stopwatch() + RETRY_DELAY
            log.warning("pictures cannot be fetched: %s", str(error) or type(error).__name__)
            return None
        picture = _picture(content) if content else None
        if picture:
            self._store(path, picture.content)
        return picture

    def _download(self, url: str) -> bytes | None:
        """The body; None for an error of one picture, and for a body that is too long or takes too long."""
        began, body = self._stopwatch(), bytearray()
        with self._http.stream("GET", url) as response:
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != httpx.codes.OK or media_type not in SIGNATURES:
                return None
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_PICTURE_SIZE or self._stopwatch() - began > FETCH_TIMEOUT:
                    return None
        content = bytes(body)
        return content if SIGNATURES[media_type].match(content) else None

    def _store(self, path: Path, content: bytes) -> None:
        """Keep a copy. Without room on the disk, or without a directory, there is none."""
        now = self._clock().timestamp()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                os.utime(unfinished, (now, now))
                Path(unfinished).replace(path)
            except OSError:
                Path(unfinished).unlink(missing_ok=True)
                raise
            self._limit(len(content))
        except OSError as error:
            log.warning("a picture cannot be kept: %s", error)

    def _limit(self, added: int) -> None:
        """Delete the copies that were not used for longest if all together exceed the limit."""
        with self._deleting:
            if self._bytes is not None:
                self._bytes += added
                if self._bytes <= self._max_bytes:
                    return
            files = [(each.stat(), each) for each in self._directory.glob("*/*")]
            self._bytes = sum(status.st_size for status, _ in files)
            if self._bytes <= self._max_bytes:
                return
            for status, file in sorted(files, key=lambda each: each[0].st_atime):
                if self._bytes <= self._max_bytes * KEPT_SHARE:
                    break
                with suppress(FileNotFoundError):  # another process has deleted it
                    file.unlink()
                self._bytes -= status.st_size


def _picture(content: bytes) -> Picture | None:
    """The picture, by the beginning of its file."""
    for media_type, signature in SIGNATURES.items():
        if signature.match(content):
            return Picture(content=content, media_type=media_type)
    return None
