"""The log: one line for each event, as JSON or as text for people, without secrets.

All code, ours and that of libraries, logs through the standard library's `logging`; this module decides where
the lines are written.
"""

import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import PIPE_BUF
from time import monotonic
from types import TracebackType
from typing import TextIO

import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from structlog.stdlib import ProcessorFormatter

from domain.errors import Invalid
from entrypoints.batched_log import FlushFirst, flush
from entrypoints.observability.formatter import LineFormatter
from entrypoints.observability.redaction import Redactor, secrets_of
from entrypoints.settings import Settings

MAX_FILE_BYTES = 10 * 2**20
"""The size at which LOG_FILE is rotated."""

BACKUP_COUNT = 5
"""How many rotated files are kept."""

MIN_LEVELS = {
    # At debug these log every header and every command with its values, and little else.
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "hpack": logging.WARNING,
    "pymongo": logging.WARNING,
    "redis": logging.WARNING,
    "asyncio": logging.INFO,
    "concurrent_log_handler": logging.WARNING,
}
"""The lowest level that verbose libraries may log at."""

ERROR_INTERVAL = 60
"""Seconds between two messages about a file that cannot be written."""

log = logging.getLogger("matinee.logs")


@dataclass(eq=False)
class LogFileUnwritable(Invalid):
    """LOG_FILE names a file that cannot be written."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"LOG_FILE cannot be written: {self.path}: {self.reason}"


def log_file_problem(path: Path) -> str | None:
    """Why a file at that path cannot be written; None if nothing is known. Creates nothing."""
    if path.is_dir():
        return f"it is a directory; name a file in it, such as {path / 'matinee.log'}"
    existing = next(each for each in (path, *path.absolute().parents) if each.exists())
    if existing != path and not existing.is_dir():
        return f"{existing} is not a directory"
    return None if os.access(existing, os.W_OK) else f"{existing} may not be written by this user"


def configure(settings: Settings, role: str) -> None:
    """Send all log records of this process to standard error, and to LOG_FILE if it is set.

    Each line names `role`, what this process does. May be called again, for instance after a fork. Raises
    LogFileUnwritable.
    """
    flush()
    redactor = Redactor(secrets_of(settings))
    stream = LogStream(sys.stderr)
    stream.setFormatter(LineFormatter(redactor, role, for_people=settings.logs_for_people))
    handlers: list[logging.Handler] = [stream]
    if settings.log_file:
        file = LogFile(Path(settings.log_file).expanduser())
        file.setFormatter(LineFormatter(redactor, role, for_people=False))
        handlers.append(file)
    _replace_handlers(handlers, settings.log_level.upper())
    for name, level in MIN_LEVELS.items():
        logging.getLogger(name).setLevel(max(level, logging.root.level))
    logging.raiseExceptions = False  # or a line that cannot be written is printed with its arguments
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_error
    sys.excepthook = _log_process_error
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class LogStream(logging.StreamHandler[TextIO]):
    """Standard error, which several processes may write to."""

    max_write = PIPE_BUF
    """Bytes that are written at once: the lines of several processes are not mixed in a pipe."""


class LogFile(ConcurrentRotatingFileHandler):
    """LOG_FILE, which several processes may write to; any of them rotates it when it is full.

    Its directory is created for the owner alone.
    """

    max_write = 1 << 16
    """Bytes that are written at once, under one lock."""

    def __init__(self, path: Path) -> None:
        self._reported_at = -float(ERROR_INTERVAL)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            super().__init__(str(path), maxBytes=MAX_FILE_BYTES, backupCount=BACKUP_COUNT, encoding="utf-8")
            for name in (self.baseFilename, self.lockFilename):
                with open(name, "a", encoding="utf-8"):  # noqa: PTH123  as the handler itself does
                    pass
        except OSError as error:
            reason = log_file_problem(path) or error.strerror or str(error)
            raise LogFileUnwritable(str(path), reason) from error

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  logging's name
        """Report on standard error that lines are lost, at most once a minute."""
        if monotonic() - self._reported_at >= ERROR_INTERVAL:
            self._reported_at = monotonic()
            with suppress(OSError):  # standard error may lead to the same disk
                print(f"matinee: LOG_FILE cannot be written: {sys.exc_info()[1]}", file=sys.stderr)  # noqa: T201


def _replace_handlers(handlers: list[logging.Handler], level: str) -> None:
    """Replace the handlers of the root logger, and set its level."""
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.addFilter(FlushFirst())
        logging.root.addHandler(handler)
    logging.root.setLevel(level)


def _log_thread_error(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "?"
    error = ended.exc_value or ended.exc_type()
    log.error("thread %s died of %s", name, ended.exc_type.__name__, exc_info=error)


def _log_process_error(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    log.critical("the process died of %s", kind.__name__, exc_info=error)
