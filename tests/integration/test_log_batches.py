"""The access log in batches: when they are written, in which order, and where they cannot be written."""

import asyncio
import errno
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import pytest

from entrypoints import batched_log
from entrypoints.http.access_log import RequestRecord, observers
from entrypoints.observability.logs import configure
from entrypoints.settings import Settings
from tests.integration.test_logs import _as_before as as_before  # noqa: F401  a fixture
from tests.integration.test_logs import lines, requests

Capture = pytest.CaptureFixture[str]


class Meter:
    """A meter that counts how often it published."""

    def __init__(self) -> None:
        self.requests = self.published = 0

    def answered(self, *_: object) -> None:
        self.requests += 1

    def publish(self) -> None:
        self.published += 1

    def connection_closed(self, reason: str) -> None: ...


def settings(**values: Any) -> Settings:
    return Settings(log_format="json", **values)


def record(number: int = 1, **values: Any) -> RequestRecord:
    return RequestRecord(
        request_id=f"mine-{number}", method="GET", route="/a", path="/a", status=200, seconds=0.001, **values
    )


def send(count: int, meter: Meter | None = None) -> None:
    """Observe that many requests."""
    both = observers(meter or Meter())
    for number in range(count):
        for observer in both:
            observer(record(number))


@pytest.fixture(autouse=True)
def _nothing_buffered() -> Iterator[None]:
    batched_log.flush()
    yield
    batched_log.flush()


def test_a_batch_is_written_and_counts_are_published_soon_after_its_first_request(capsys: Capture) -> None:
    async def run() -> str:
        configure(settings(), "api")
        send(20, meter)
        send(20, meter)
        assert capsys.readouterr().err == ""
        began, written = monotonic(), ""
        while not (written and meter.published == 2) and monotonic() < began + 10:
            await asyncio.sleep(0.01)
            written += capsys.readouterr().err
        return written

    meter = Meter()
    found = requests(asyncio.run(run()))
    assert [line["request_id"] for line in found] == 2 * [f"mine-{number}" for number in range(20)]
    assert meter.requests == 40
    assert meter.published == 2  # once for each of the two pairs of observers


def test_batches_are_written_after_a_loop_has_ended_with_one_pending(capsys: Capture) -> None:
    async def end_at_once() -> None:
        send(1)

    async def wait() -> str:
        send(1)
        began, written = monotonic(), ""
        while not written and monotonic() < began + 10:
            await asyncio.sleep(0.01)
            written = capsys.readouterr().err
        return written

    configure(settings(), "api")
    asyncio.run(end_at_once())
    assert len(requests(asyncio.run(wait()))) == 2


def test_a_long_batch_is_written_at_once(capsys: Capture) -> None:
    async def run() -> int:
        send(batched_log.MAX_EVENTS + 1)
        return len(requests(capsys.readouterr().err))

    configure(settings(), "api")
    assert asyncio.run(run()) == batched_log.MAX_EVENTS


def test_lines_are_in_the_order_of_time_whatever_is_logged_between(capsys: Capture) -> None:
    async def run() -> None:
        for number in range(3):
            send(2)
            thread = threading.Thread(target=logging.getLogger("somebody").error, args=("%d", number))
            thread.start()
            thread.join()
        batched_log.flush()

    configure(settings(), "api")
    asyncio.run(run())
    found = lines(capsys.readouterr().err)
    assert [line["event"] for line in found] == [
        "request", "request", "0", "request", "request", "1", "request", "request", "2",
    ]  # fmt: skip
    times = [line["timestamp"] for line in found]
    assert times == sorted(times)


def test_at_level_warning_nothing_is_kept_for_a_later_level(capsys: Capture) -> None:
    configure(settings(log_level="warning"), "api")
    send(3)
    configure(settings(), "api")
    batched_log.flush()

    assert capsys.readouterr().err == ""


def test_other_handlers_get_a_record_of_each_request(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        send(2)

    found = [each for each in caplog.records if each.name == "matinee.requests"]
    assert [vars(each)["request_id"] for each in found] == ["mine-0", "mine-1"]
    assert [each.getMessage() for each in found] == ["request", "request"]


@pytest.fixture
def _frequent_switches() -> Iterator[None]:
    """Let threads interrupt each other as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_frequent_switches")
def test_concurrent_flushes_write_every_line_once(capsys: Capture) -> None:
    async def run() -> None:
        threads = [threading.Thread(target=flush_often) for _ in range(3)]
        for thread in threads:
            thread.start()
        send(3000)
        ended.set()
        for thread in threads:
            thread.join()
        batched_log.flush()

    def flush_often() -> None:
        while not ended.is_set():
            batched_log.flush()

    ended = threading.Event()
    configure(settings(), "api")
    asyncio.run(run())
    found = [line["request_id"] for line in requests(capsys.readouterr().err)]
    assert found == [f"mine-{number}" for number in range(3000)]


class Refusing(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error: int) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> NoReturn:
        raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EPIPE])
def test_a_batch_that_cannot_be_written_is_dropped(
    error: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    with monkeypatch.context() as full:
        full.setattr(sys, "stderr", Refusing(error))
        configure(settings(log_file=str(tmp_path / "a.log")), "api")
        send(3)
        batched_log.flush()
    assert len(lines((tmp_path / "a.log").read_text())) == 3  # the other handler is not affected
    configure(settings(), "api")
    batched_log.flush()
    assert capsys.readouterr().err == ""


WRITER = """
import asyncio, logging, sys
from entrypoints.http.access_log import RequestRecord, log_request
from entrypoints import batched_log
from entrypoints.observability import log_file, logs
from entrypoints.settings import Settings

log_file.MAX_FILE_BYTES = 400_000
logs.configure(Settings(log_file=sys.argv[1], log_format="json"), sys.argv[2])

async def main():
    for number in range(2000):
        log_request(RequestRecord(str(number), "GET", "/a", "/" + "a" * (number % 300), 200, 0.001))
    batched_log.flush()

asyncio.run(main())
"""


def test_processes_share_a_pipe_and_a_rotated_file_without_mixing_lines(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "a.log"), role], stderr=writing)
        for role in ("one", "two")
    ]
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        piped = [json.loads(line) for line in pipe]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]

    expected = sorted((role, number) for role in ("one", "two") for number in range(2000))
    files = sorted(tmp_path.glob("a.log*"))
    filed = [line for each in files for line in lines(each.read_text())]
    assert len(files) > 1
    for found in (piped, filed):
        assert sorted((line["role"], int(line["request_id"])) for line in found) == expected
