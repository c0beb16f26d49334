"""Pictures of TMDB: fetched once, kept within a limit, and nothing but pictures."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from adapters.testkit.samples import noon
from adapters.tmdb.pictures import FETCH_TIMEOUT, MAX_PICTURE_SIZE, RETRY_DELAY, TmdbPictures
from adapters.tmdb.source import TEXT_RETENTION
from domain.pictures import Picture

JPEG = b"\xff\xd8\xff\xe0" + bytes(996)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(992)
WEBP = b"RIFF\x10\x00\x00\x00WEBP" + bytes(988)


class Host:
    """An image host: what it sends, and what was requested."""

    def __init__(self) -> None:
        self.status, self.content, self.media_type = 200, JPEG, "image/jpeg"
        self.error: Exception | None = None
        self.requests: list[str] = []
        self.on_request: Callable[[], object] = lambda: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(str(request.url))
        self.on_request()
        if self.error:
            raise self.error
        return httpx.Response(self.status, content=self.content, headers={"content-type": self.media_type})


class Clocks:
    """The time of day, and the seconds of a stopwatch."""

    def __init__(self) -> None:
        self.now, self.seconds = noon(), 0.0

    def time(self) -> datetime:
        return self.now

    def stopwatch(self) -> float:
        return self.seconds


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def source(host: Host, clocks: Clocks, tmp_path: Path) -> Iterator[TmdbPictures]:
    source = TmdbPictures(
        directory=tmp_path / "images",
        max_bytes=5000,
        clock=clocks.time,
        transport=httpx.MockTransport(host),
        stopwatch=clocks.stopwatch,
    )
    yield source
    source.close()


def kept(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("images/*/*")}


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(JPEG, "image/jpeg"), (PNG, "image/png"), (WEBP, "image/webp; charset=binary")],
)
def test_a_picture_is_fetched_once(source: TmdbPictures, host: Host, content: bytes, media_type: str) -> None:
    host.content, host.media_type = content, media_type
    expected = Picture(content=content, media_type=media_type.partition(";")[0])
    assert [source.get("w342", "a.jpg") for _ in range(3)] == [expected] * 3
    assert host.requests == ["https://image.tmdb.org/t/p/w342/a.jpg"]


def test_each_size_is_a_picture_of_its_own(source: TmdbPictures, host: Host) -> None:
    source.get("w342", "a.jpg")
    source.get("w780", "a.jpg")
    assert len(host.requests) == 2


@pytest.mark.parametrize("size", ["", "..", ".", "w342/x", "w342%2f", "w\\342", "a" * 101])
def test_a_path_that_leads_elsewhere_is_not_requested(source: TmdbPictures, host: Host, size: str) -> None:
    assert source.get(size, "a.jpg") is None
    assert source.get("w342", size) is None
    assert host.requests == []


@pytest.mark.parametrize(
    ("status", "content", "media_type"),
    [
        (404, JPEG, "image/jpeg"),
        (302, JPEG, "image/jpeg"),
        (200, b"<html>", "text/html"),
        (200, b"<svg/>", "image/svg+xml"),
        (200, b"<html>", "image/jpeg"),
        (200, PNG, "image/jpeg"),
        (200, JPEG, ""),
        (200, b"", "image/jpeg"),
        (200, b"\xff\xd8\xff" + bytes(MAX_PICTURE_SIZE), "image/jpeg"),
    ],
)
def test_what_is_not_a_picture_is_neither_shown_nor_kept(
    source: TmdbPictures, host: Host, tmp_path: Path, status: int, content: bytes, media_type: str
) -> None:
    host.status, host.content, host.media_type = status, content, media_type
    assert source.get("w342", "a.jpg") is None
    assert kept(tmp_path) == set()
    host.status, host.content, host.media_type = 200, JPEG, "image/jpeg"
    assert source.get("w342", "a.jpg")  # one bad picture says nothing about the host


def test_a_picture_that_takes_too_long_is_given_up(source: TmdbPictures, host: Host, clocks: Clocks) -> None:
    def wait() -> None:
        clocks.seconds += FETCH_TIMEOUT + 1

    host.on_request = wait
    assert source.get("w342", "a.jpg") is None


def test_a_host_that_cannot_be_reached_is_left_alone_for_a_while(
    source: TmdbPictures, host: Host, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    host.error = httpx.ConnectTimeout("")
    assert [source.get("w342", f"{number}.jpg") for number in range(5)] == [None] * 5
    assert len(host.requests) == 1
    assert "pictures cannot be fetched: ConnectTimeout" in caplog.text
    host.error = None
    clocks.seconds += RETRY_DELAY
    assert source.get("w342", "a.jpg")


def test_the_copies_not_used_for_longest_make_room(
    source: TmdbPictures, clocks: Clocks, tmp_path: Path
) -> None:
    for name in "abcde":
        source.get("w342", f"{name}.jpg")
        clocks.now += timedelta(seconds=10)
    assert kept(tmp_path) == {"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"}
    source.get("w342", "a.jpg")
    clocks.now += timedelta(seconds=10)
    source.get("w342", "f.jpg")
    assert kept(tmp_path) == {"a.jpg", "d.jpg", "e.jpg", "f.jpg"}
    source.get("w342", "g.jpg")
    assert kept(tmp_path) == {"a.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg"}


def test_copies_of_other_processes_count_when_room_is_made(
    source: TmdbPictures, clocks: Clocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images/w92").mkdir(parents=True)
    for number in range(6):
        other = tmp_path / f"images/w92/old{number}.jpg"
        other.write_bytes(JPEG)
        os.utime(other, (number, clocks.now.timestamp()))
    source.get("w342", "a.jpg")
    assert kept(tmp_path) == {"old3.jpg", "old4.jpg", "old5.jpg", "a.jpg"}
    unlink = Path.unlink

    def gone(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        raise FileNotFoundError

    monkeypatch.setattr(Path, "unlink", gone)
    for name in "bcd":
        assert source.get("w342", f"{name}.jpg")


def test_a_copy_is_fetched_again_after_six_months(source: TmdbPictures, host: Host, clocks: Clocks) -> None:
    source.get("w342", "a.jpg")
    clocks.now += TEXT_RETENTION
    source.get("w342", "a.jpg")
    assert len(host.requests) == 1
    clocks.now += timedelta(seconds=1)
    source.get("w342", "a.jpg")
    assert len(host.requests) == 2


def test_a_copy_that_is_damaged_is_fetched_again(source: TmdbPictures, host: Host, tmp_path: Path) -> None:
    source.get("w342", "a.jpg")
    (tmp_path / "images/w342/a.jpg").write_bytes(b"")
    assert source.get("w342", "a.jpg")
    assert len(host.requests) == 2


def test_a_picture_is_shown_where_none_can_be_kept(
    source: TmdbPictures, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").write_text("a file in the place of the directory")
    assert source.get("w342", "a.jpg")
    assert "a picture cannot be kept" in caplog.text
    (tmp_path / "images").unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "utime", full)
    assert source.get("w342", "a.jpg")
    assert list((tmp_path / "images/w342").iterdir()) == []
