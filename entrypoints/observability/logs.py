"""The log: one line for each event, in JSON for machines or to be read by people, without any secret.

All code logs by the standard library's `logging`, ours and others'; here it is decided what becomes of it.
"""

import logging
import os
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import msgspec
import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from structlog.stdlib import ExtraAdder, ProcessorFormatter

from domain.errors import Invalid
from entrypoints.observability.redaction import Mask, secrets_of
from entrypoints.settings import Settings

LARGEST_FILE = 10 * 2**20
"""Bytes after which LOG_FILE is put aside."""

FILES_KEPT = 5

QUIET = {
    # These tell every header and every command at debug, with whatever is in them, and little else.
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "hpack": logging.WARNING,
    "pymongo": logging.WARNING,
    "redis": logging.WARNING,
    "asyncio": logging.INFO,
    "concurrent_log_handler": logging.WARNING,
}
"""The least level that is heard of loggers that are too chatty."""

NEEDLESS = frozenset({"timestamp", "level", "role", "process", "logger", "color_message"})
"""Fields that are not taken from others: we fill them; uvicorn says in the last what it says anyway."""

COLOUR = re.compile("\x1b\\[[0-9;]*m")
"""What RQ puts around names when standard output is a terminal, which the log is not."""

SELDOM = 60
"""Seconds between two complaints about a file that cannot be written."""

Event = MutableMapping[str, Any]

log = logging.getLogger("matinee.logs")


@dataclass(eq=False)
class LogFileUnwritable(Invalid):
    """LOG_FILE names what cannot be written."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"LOG_FILE cannot be written: {self.path}: {self.reason}"


def log_file_problem(path: Path) -> str | None:
    """Why a file of that path could not be written, as far as can be seen without making it."""
    if path.is_dir():
        return f"it is a directory; name a file in it, such as {path / 'matinee.log'}"
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if there != path and not there.is_dir():
        return f"{there} is not a directory"
    return None if os.access(there, os.W_OK) else f"{there} may not be written by this user"


def configure(settings: Settings, role: str) -> None:
    """Let all that is logged in this process go to standard error, and to LOG_FILE if one is set.

    `role` is what this process does; each line says it. May be called again, for instance after a fork.
    Raises LogFileUnwritable.
    """
    mask = Mask(secrets_of(settings))
    to_people = logging.StreamHandler(sys.stderr)
    to_people.setFormatter(Lines(mask, role, for_people=settings.logs_for_people))
    handlers: list[logging.Handler] = [to_people]
    if settings.log_file:
        to_file = LogFile(Path(settings.log_file).expanduser())
        to_file.setFormatter(Lines(mask, role, for_people=False))
        handlers.append(to_file)
    _replace(handlers, settings.log_level.upper())
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(max(level, logging.root.level))
    logging.raiseExceptions = False  # a line that cannot be written must not be spelt out on standard error
    logging.captureWarnings(capture=True)
    threading.excepthook = _of_thread
    sys.excepthook = _of_process
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class Lines(ProcessorFormatter):
    """Makes a line of a record: what it says, what is bound to the request, what came along."""

    def __init__(self, mask: Mask, role: str, *, for_people: bool) -> None:
        self._mask = mask
        self._role = role
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if for_people else _json
        super().__init__(
            processors=[
                structlog.contextvars.merge_contextvars,
                ExtraAdder(),
                structlog.processors.format_exc_info,
                self._completed,
                renderer,
            ]
        )

    def format(self, record: logging.LogRecord) -> str:
        """The line. One that cannot be made is told by its logger alone: its words may be what is wrong."""
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001  whatever an argument's own code may raise
            spoilt = logging.makeLogRecord({"name": record.name, "levelno": logging.ERROR})
            spoilt.levelname = "ERROR"
            spoilt.msg = (
                f"a line at {record.pathname}:{record.lineno} cannot be written: {type(error).__name__}"
            )
            return super().format(spoilt)

    def _completed(self, _: object, __: str, event: Event) -> Mapping[str, Any]:
        record: logging.LogRecord = event.pop("_record")
        event.pop("_from_structlog")
        told: dict[str, Any] = {
            "timestamp": _moment(record.created),
            "level": record.levelname.lower(),
            "role": self._role,
            "process": record.process,
            "logger": record.name,
        }
        if record.name.partition(".")[0] == "rq":
            event["event"] = COLOUR.sub("", str(event["event"]))
        rest = {name: self._mask.field(name, value) for name, value in event.items() if name not in NEEDLESS}
        return {**told, **rest}


class LogFile(ConcurrentRotatingFileHandler):
    """LOG_FILE, which several processes may write; whoever finds it full puts it aside.

    Its folder is made if there is none, for nobody but us.
    """

    def __init__(self, path: Path) -> None:
        self._complained = -float(SELDOM)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            super().__init__(str(path), maxBytes=LARGEST_FILE, backupCount=FILES_KEPT, encoding="utf-8")
            for name in (self.baseFilename, self.lockFilename):
                with open(name, "a", encoding="utf-8"):  # noqa: PTH123  as the handler itself does
                    pass
        except OSError as error:
            reason = log_file_problem(path) or error.strerror or str(error)
            raise LogFileUnwritable(str(path), reason) from error

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  logging's name
        """Say on standard error that lines are lost, but not once for each."""
        if monotonic() - self._complained >= SELDOM:
            self._complained = monotonic()
            with suppress(OSError):  # it may lead to the same disk
                print(f"matinee: LOG_FILE cannot be written: {sys.exc_info()[1]}", file=sys.stderr)  # noqa: T201


def _replace(handlers: list[logging.Handler], level: str) -> None:
    """Make these the handlers of all that is logged, in place of those that there were."""
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        logging.root.addHandler(handler)
    logging.root.setLevel(level)


def _json(_: object, __: str, event: Event) -> str:
    return msgspec.json.encode(event).decode()


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of_thread(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread else "?"
    error = died.exc_value or died.exc_type()
    log.error("thread %s died of %s", name, died.exc_type.__name__, exc_info=error)


def _of_process(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    log.critical("the process died of %s", kind.__name__, exc_info=error)
