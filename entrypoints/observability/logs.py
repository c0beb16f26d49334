"""The log: one line for each event, as JSON or as text for people, without secrets.

All code, ours and that of libraries, logs through the standard library's `logging`; this module decides where
the lines are written.
"""

import logging
import sys
import threading
from pathlib import Path
from select import PIPE_BUF
from types import TracebackType
from typing import TextIO

from entrypoints.batched_log import FlushFirst, flush
from entrypoints.observability.formatter import LineFormatter
from entrypoints.observability.redaction import Redactor, secrets_of
from entrypoints.settings import Settings

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

log = logging.getLogger("matinee.logs")


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
        from entrypoints.observability.log_file import LogFile  # noqa: PLC0415  its library imports redis

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


class LogStream(logging.StreamHandler[TextIO]):
    """Standard error, which several processes may write to."""

    max_write = PIPE_BUF
    """Bytes that are written at once: the lines of several processes are not mixed in a pipe."""


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
