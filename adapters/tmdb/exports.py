"""TMDB's daily file of all movies: a packed file with a JSON object on each line, on a host of its own."""

import zlib
from array import array
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from threading import Event

import httpx
import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from adapters.tmdb import values
from adapters.tmdb.budget import Pause, Stopped
from adapters.tmdb.payloads import Unusable
from adapters.tmdb.values import Unreadable
from domain.sync import ExportedIds, SourceUnavailable

GZIP = 31
"""The `wbits` of zlib for a gzip header."""

CHUNK = 2**18
"""Bytes that are unpacked at a time."""

MAX_LINE = 2**16
"""Bytes of a line. TMDB's have some two hundred."""

MAX_NAMED = 100
"""Lines that could not be read and are named; the others are only counted."""

ABSENT = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND)
"""How the host says that there is no such file."""


class ExportLine(msgspec.Struct):
    """A movie in the file."""

    id: object = None
    adult: object = None
    video: object = None
    popularity: object = None


class TmdbExports:
    """Reads the file. The host gets no credential."""

    def __init__(self, base_url: str, *, attempts: int, timeout: float, pause: Pause) -> None:
        self._base_url = base_url.rstrip("/")
        self._attempts = attempts
        self._timeout = timeout
        self._pause = pause
        self.sent = 0

    def read(self, min_popularity: float, day: date, stop: Event) -> ExportedIds:
        """The movies of at least that popularity, in the file of that day or of the day before.

        Raises SourceUnavailable.
        """
        retrying = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, Unusable)),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=0.5, max=8),
            sleep=lambda seconds: self._pause(seconds, stop),
            reraise=True,
        )
        try:
            for each in (day, day - timedelta(days=1)):
                found: ExportedIds | None = retrying(self._try, each, min_popularity, stop)
                if found is not None:
                    return found
        except Stopped as error:
            raise SourceUnavailable("The request to TMDB was cancelled") from error
        except (httpx.HTTPError, httpx.InvalidURL, Unusable) as error:
            reason = str(error) or type(error).__name__
            raise SourceUnavailable(f"TMDB's file of all movies cannot be read: {reason}") from error
        raise SourceUnavailable(f"TMDB has no file of all movies of {day} or the day before")

    def _try(self, day: date, min_popularity: float, stop: Event) -> ExportedIds | None:
        """The movies in the file of one day; None if there is no such file."""
        url = f"{self._base_url}/movie_ids_{day:%m_%d_%Y}.json.gz"
        self.sent += 1
        with httpx.stream("GET", url, headers={"User-Agent": "Matinee"}, timeout=self._timeout) as answer:
            if answer.status_code in ABSENT:
                return None
            if not answer.is_success:
                raise Unusable(f"status {answer.status_code}")
            return read_export(_until(stop, answer.iter_raw(CHUNK)), min_popularity)


def _until(stop: Event, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if stop.is_set():
            raise Stopped
        yield piece


def read_export(packed: Iterable[bytes], min_popularity: float) -> ExportedIds:
    """The movies of at least that popularity, the most popular first, without adult ones and videos.

    Memory grows with the movies that are returned, not with the file. Raises Unusable if the file is not
    packed, ends early, or has no readable line.
    """
    numbers, popularities = array("q"), array("d")
    problems: list[str] = []
    skipped = readable = 0
    for place, line in enumerate(_lines(_unpacked(packed)), 1):
        if not line.strip():
            continue
        try:
            number, popularity = _movie(line)
        except Unreadable as error:
            skipped += 1
            if skipped <= MAX_NAMED:
                problems.append(f"line {place} of the file of all movies: {error}")
            continue
        readable += 1
        if number and popularity >= min_popularity:
            numbers.append(number)
            popularities.append(popularity)
    if skipped and not readable:
        raise Unusable(f"no readable line ({problems[0]})")
    if skipped > MAX_NAMED:
        problems.append(f"{skipped - MAX_NAMED} more lines of the file of all movies cannot be read")
    order = sorted(range(len(numbers)), key=lambda place: (-popularities[place], numbers[place]))
    return ExportedIds(
        tmdb_ids=array("q", (numbers[place] for place in order)), skipped=skipped, problems=tuple(problems)
    )


def _movie(line: bytes) -> tuple[int, float]:
    """The number and the popularity of a movie; 0 for both if it is left out. Raises Unreadable."""
    if len(line) > MAX_LINE:
        raise Unreadable("too long")
    try:
        read = msgspec.json.decode(line, type=ExportLine)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("no JSON object") from None
    number = values.identity(read.id)
    if number is None:
        raise Unreadable("no id")
    if read.adult is not False or read.video is True:
        return 0, 0.0
    try:
        return number, values.popularity(read.popularity) or 0.0
    except Unreadable:
        raise Unreadable(f"popularity cannot be read: {values.shown(read.popularity)}") from None


def _unpacked(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack in pieces of CHUNK at most, however much a piece may contain. Raises Unusable."""
    unpacker = zlib.decompressobj(GZIP)
    for piece in packed:
        waiting = piece
        while waiting:
            try:
                yield unpacker.decompress(waiting, CHUNK)
            except zlib.error:
                raise Unusable("something other than a packed file") from None
            waiting = unpacker.unconsumed_tail
            if unpacker.eof and unpacker.unused_data:  # files may be joined
                waiting, unpacker = unpacker.unused_data, zlib.decompressobj(GZIP)
    if not unpacker.eof:
        raise Unusable("a file that ends early")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text. One that is much longer than MAX_LINE is cut."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        rest = rest[: MAX_LINE + 1]
    yield rest
