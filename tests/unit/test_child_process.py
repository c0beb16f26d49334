"""Child processes that are restarted when they end."""

import logging
import os
import signal
import subprocess
from typing import Any

import pytest

from domain.errors import StorageUnavailable
from entrypoints.processes import child_process
from entrypoints.processes.child_process import MAX_LINE_BYTES, ChildProcess, Process, describe_exit


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(child_process, "monotonic", clock)
    return clock


def failing() -> Process:
    raise StorageUnavailable("no room")


def ran(program: str) -> Process:
    process = subprocess.Popen(["/bin/sh", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.wait(10)
    return process


def test_the_delay_doubles_up_to_ten_seconds(clock: Clock) -> None:
    child = ChildProcess("worker", failing)
    waits = []
    for _ in range(8):
        child.supervise()
        assert child.delay is not None
        waits.append(round(child.delay, 3))
        clock.now += child.delay
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_a_process_is_not_restarted_before_its_delay(clock: Clock) -> None:
    starts: list[float] = []

    def start() -> Process:
        starts.append(clock.now)
        return failing()

    child = ChildProcess("worker", start)
    child.supervise()
    clock.now += 0.1
    child.supervise()
    clock.now += 0.11
    child.supervise()
    assert starts == [1000.0, 1000.21]


def test_a_process_that_ran_long_enough_is_restarted_without_delay(clock: Clock) -> None:
    child = ChildProcess("worker", lambda: ran("exit 1"))
    for _ in range(4):
        child.supervise()
        child.supervise()
        clock.now += child.delay or 0
    child.supervise()
    clock.now += 31
    child.supervise()
    assert child.delay == pytest.approx(0.2)


def test_the_end_of_a_process_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    child = ChildProcess("valkey", lambda: ran("echo out of disk; echo mere talk; exit 3"), noise="talk")
    child.supervise()
    child.supervise()
    logged = [(record.name, record.levelname, record.getMessage()) for record in caplog.records][1:]
    assert logged == [
        ("matinee.valkey", "INFO", "out of disk"),
        ("matinee.valkey", "DEBUG", "mere talk"),
        ("matinee.supervisor", "WARNING", "valkey ended with exit code 3; it is started again in 0.2 s"),
    ]


class Writer:
    """A running process whose output a test writes."""

    pid = 1

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self.stdout = os.fdopen(reading, "rb", buffering=0)

    def poll(self) -> None:
        """The process is running."""


def test_lines_of_output_are_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "matinee.valkey")
    writer: Any = Writer()
    child = ChildProcess("valkey", lambda: writer)
    child.start()

    def logged(written: bytes) -> list[str]:
        caplog.clear()
        os.write(writer.writing, written)
        child.log_output()
        return [record.getMessage() for record in caplog.records]

    assert logged(b"one line\nhalf of an") == ["one line"]
    assert logged(b"other") == []
    assert logged(b" line\r\nthe last") == ["half of another line"]
    assert [len(line) for line in logged(b"x" * MAX_LINE_BYTES)] == [MAX_LINE_BYTES + len("the last")]
    assert logged(b"no end") == []
    caplog.clear()
    os.close(writer.writing)
    child.log_output()
    assert [record.getMessage() for record in caplog.records] == ["no end"]
    writer.stdout.close()


def test_a_process_that_cannot_be_started_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    ChildProcess("valkey", failing).supervise()
    assert "valkey cannot be started" in caplog.text
    assert "no room" in caplog.text


def test_signals_are_logged_by_name_if_they_have_one() -> None:
    assert describe_exit(-signal.SIGSEGV) == "was killed by SIGSEGV"
    assert describe_exit(-50) == "was killed by signal 50"
    assert describe_exit(1) == "ended with exit code 1"


def test_a_signal_to_an_ended_process_is_ignored() -> None:
    child = ChildProcess("api", failing)
    child.send_signal(signal.SIGTERM)
    assert child.wait(0)
    assert child.poll() is None
    assert child.output is None
