"""The log: lines of JSON, one for each request, rotated, and without secrets."""

import errno
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from entrypoints.observability import logs
from entrypoints.observability.log_file import LogFileUnwritable
from entrypoints.observability.logs import configure
from entrypoints.settings import Settings
from tests.integration.http_service import register_user, serving, serving_with_store

SECRETS = {
    "jwt_secret": "SECRET-jwt-0123456789-0123456789-x",
    "tmdb_access_token": "SECRET-tmdb-token",
    "mongodb_uri": "mongodb://matinee:SECRET-mongo@127.0.0.1/matinee",
    "redis_url": "redis://:SECRET%2Bredis@127.0.0.1:6379/0",
}

Capture = pytest.CaptureFixture[str]
Monkeypatch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restore the global logging configuration."""
    root, hooks, shown = logging.root, (sys.excepthook, threading.excepthook), warnings.showwarning
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    levels = {name: logging.getLogger(name).level for name in logs.MIN_LEVELS}
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        if handler not in before[0]:
            handler.close()
    for handler in before[0]:
        root.addHandler(handler)
    root.setLevel(before[1])
    logging.raiseExceptions = before[2]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)
    warnings.showwarning = shown


def settings(**values: Any) -> Settings:
    return Settings(**{"log_format": "json", **SECRETS, **values})


def lines(output: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which must be a JSON object."""
    return [json.loads(line) for line in output.splitlines()]


def requests(output: str) -> list[dict[str, Any]]:
    return [line for line in lines(output) if line["event"] == "request"]


def test_a_line_is_a_json_object_with_time_level_role_and_event(capsys: Capture) -> None:
    configure(settings(), "worker")
    logging.getLogger("somebody").warning("%d of %s", 3, "four", extra={"page": 7})

    (line,) = lines(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("process") > 0
    assert line == {
        "level": "warning", "role": "worker", "logger": "somebody", "event": "3 of four", "page": 7,
    }  # fmt: skip


def test_a_traceback_is_part_of_its_log_line(capsys: Capture) -> None:
    configure(settings(), "api")
    try:
        raise ValueError("no SECRET-mongo here")  # noqa: TRY301
    except ValueError:
        logging.getLogger("somebody").exception("it broke")

    (line,) = lines(capsys.readouterr().err)
    assert "Traceback" in line["exception"]
    assert "ValueError: no *** here" in line["exception"]


def test_a_record_has_its_stack_if_it_is_wanted(capsys: Capture) -> None:
    configure(settings(), "api")
    logging.getLogger("somebody").info("here", stack_info=True)

    (line,) = lines(capsys.readouterr().err)
    assert line["stack_info"].startswith("Stack (most recent call last)")


@pytest.mark.parametrize(
    "name", ["somebody", "uvicorn.error", "httpx", "httpcore.http11", "pymongo.command", "redis", "rq.worker"]
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_logger_writes_a_secret_at_any_level(name: str, form: str, capsys: Capture) -> None:
    configure(settings(log_level="debug", log_format=form), "api")
    logger = logging.getLogger(name)
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        logger.log(level, "SECRET-tmdb-token and %s", "mongodb://matinee:SECRET-mongo@127.0.0.1/matinee")
        logger.log(level, "plain", extra={"authorization": "SECRET", "headers": [("x", "SECRET+redis")]})
        logger.log(level, {"password": "SECRET"}, extra={"deep": {"a": {"refresh_token": "SECRET"}}})
        logger.log(level, "%s", b"Authorization: Bearer SECRET")

    output = capsys.readouterr().err
    assert "SECRET" not in output
    assert output.count("plain") in {1, 2, 3}


def test_a_log_call_that_fails_is_logged_by_location_only(capsys: Capture) -> None:
    class Sulking:
        def __str__(self) -> str:
            raise RuntimeError("SECRET")

    configure(settings(), "api")
    logging.getLogger("somebody").info("%d", "SECRET")
    logging.getLogger("somebody").info("%s", Sulking())

    output = capsys.readouterr().err
    assert [line["level"] for line in lines(output)] == ["error", "error"]
    assert all("test_logs.py" in line["event"] for line in lines(output))
    assert "SECRET" not in output


def test_log_lines_cannot_be_forged(capsys: Capture) -> None:
    configure(settings(log_format="console"), "api")
    logging.getLogger("somebody").info("path", extra={"path": "/a\r\x1b[2K forged"})

    assert "\r" not in (output := capsys.readouterr().err)
    assert "\x1b" not in output


@pytest.mark.parametrize("form", ["json", "console"])
def test_colours_of_rq_are_removed(capsys: Capture, form: str) -> None:
    configure(settings(log_format=form), "worker")
    logging.getLogger("rq.worker").info("%s: %s", "\x1b[32mdefault\x1b[39;49;00m", "\x1b[34;01msync\x1b[00m")

    output = capsys.readouterr().err
    assert "default: sync" in output
    assert "x1b" not in output
    assert "u001b" not in output


def test_the_directory_of_the_log_file_is_private(tmp_path: Path, monkeypatch: Monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("~/logs/of/mine.log", str(tmp_path / "new" / "matinee.log")):
        configure(settings(log_file=path), "api")
        logging.getLogger("somebody").info("there")
        file = Path(path).expanduser()
        assert [line["event"] for line in lines(file.read_text())] == ["there"]
        assert file.parent.stat().st_mode & 0o077 == 0


def test_an_impossible_log_file_is_reported_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path, f"{tmp_path}: it is a directory; name a file in it, such as {tmp_path}/matinee.log"),
        (tmp_path / "file" / "log", f"{tmp_path}/file/log: {tmp_path}/file is not a directory"),
        (tmp_path / "file" / "a" / "log", f"{tmp_path}/file/a/log: {tmp_path}/file is not a directory"),
        (Path("/proc/nothing/log"), "/proc/nothing/log: No such file or directory"),
    ):
        with pytest.raises(LogFileUnwritable) as raised:
            configure(settings(log_file=str(path)), "api")
        assert str(raised.value) == f"LOG_FILE cannot be written: {reason}"


def test_threads_that_die_warnings_and_the_end_of_a_process_are_logged(capsys: Capture) -> None:
    def die() -> None:
        raise ValueError("SECRET-mongo")

    configure(settings(), "api")
    thread = threading.Thread(target=die, name="tmdb-1")
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old-fashioned", stacklevel=1)
    sys.excepthook(ValueError, ValueError("SECRET-mongo"), None)

    output = capsys.readouterr().err
    assert [line["event"].split(":")[0] for line in lines(output)][::2] == [
        "thread tmdb-1 died of ValueError",
        "the process died of ValueError",
    ]
    assert "old-fashioned" in output
    assert "SECRET" not in output


def test_every_request_is_one_line(capsys: Capture) -> None:
    with serving_with_store() as (client, _):
        neo = register_user(client)
        configure(settings(), "api")
        neo("GET", "/movies/603", headers={"X-Request-ID": "mine-1"})
        neo("HEAD", "/movies")
        client.get("/api/v1/nothing/here?token=SECRET")
        neo("POST", "/auth/password", {"current_password": "SECRET", "new_password": "SECRET"})

    found = requests(output := capsys.readouterr().err)
    assert [(line["method"], line["route"], line["status"]) for line in found] == [
        ("GET", "/api/v1/movies/{id}", 200),
        ("HEAD", "/api/v1/movies", 200),
        ("GET", "none", 404),
        ("POST", "/api/v1/auth/password", 400),
    ]
    assert found[0]["request_id"] == "mine-1"
    assert found[0]["path"] == "/api/v1/movies/603"
    assert found[0]["user_id"] == neo.user["id"]
    assert found[0]["duration_ms"] > 0
    assert "user_id" not in found[2]
    assert "SECRET" not in output
    assert neo.access_token not in output


def test_lines_of_a_request_have_its_id_also_from_threads(capsys: Capture) -> None:
    def away() -> None:
        logging.getLogger("somebody").info("called in %s", threading.current_thread().name)

    with serving(database=away) as client:
        configure(settings(), "api")
        for number in (1, 2):
            client.get("/api/v1/health/database", headers={"X-Request-ID": f"mine-{number}"})

    found = [line for line in lines(capsys.readouterr().err) if line["logger"] == "somebody"]
    assert [line["request_id"] for line in found] == ["mine-1", "mine-2"]
    assert all(line["event"].startswith("called in health") for line in found)


def test_at_level_warning_requests_are_not_logged(capsys: Capture) -> None:
    with serving() as client:
        configure(settings(log_level="warning"), "api")
        client.get("/api/v1/about")

    assert capsys.readouterr().err == ""


def test_the_log_file_is_always_json(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "matinee.log"
    configure(settings(log_format="console", log_file=str(file)), "api")
    logging.getLogger("somebody").warning("here")

    (line,) = lines(file.read_text())
    assert line["event"] == "here"
    assert "here" in (output := capsys.readouterr().err)
    assert not output.startswith("{")


def test_a_log_file_that_becomes_unwritable_is_reported_once(tmp_path: Path, capsys: Capture) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    configure(settings(log_file=str(directory / "matinee.log")), "api")
    for each in directory.iterdir():
        each.unlink()
    directory.rmdir()
    for _ in range(3):
        logging.getLogger("somebody").info("SECRET-mongo")

    output = capsys.readouterr().err
    assert output.count("matinee: LOG_FILE cannot be written") == 1
    assert "SECRET" not in output


class FullDisk(io.StringIO):
    """Standard error that is redirected to a full disk."""

    def write(self, text: str) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_logging_to_a_full_disk_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "logs"
    monkeypatch.setattr(sys, "stderr", FullDisk())
    configure(settings(log_file=str(directory / "matinee.log")), "api")
    for each in directory.iterdir():
        each.unlink()
    directory.rmdir()
    for _ in range(3):
        logging.getLogger("somebody").warning("a line that is lost")


WRITER = """
import logging, sys
from entrypoints.observability import log_file, logs
from entrypoints.settings import Settings

log_file.MAX_FILE_BYTES = 20_000
logs.configure(Settings(log_file=sys.argv[1], log_format="json"), sys.argv[2])
for number in range(100):
    logging.getLogger("writer").info("line %d", number, extra={"number": number})
"""


def test_two_processes_write_and_rotate_one_file_without_losing_lines(tmp_path: Path) -> None:
    file = tmp_path / "matinee.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), role], stderr=subprocess.DEVNULL)
        for role in ("one", "two")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]

    files = sorted(tmp_path.glob("matinee.log*"))
    written = [line for each in files for line in lines(each.read_text())]
    assert len(files) > 1
    assert all(each.stat().st_size <= 21_000 for each in files)
    assert sorted((line["role"], line["number"]) for line in written) == [
        (role, number) for role in ("one", "two") for number in range(100)
    ]
