"""LOG_FILE: a file for the log that several processes write to.

Only processes that write one import this module, since the library imports redis.
"""

import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from concurrent_log_handler import ConcurrentRotatingFileHandler

from domain.errors import Invalid

MAX_FILE_BYTES = 10 * 2**20
"""The size at which LOG_FILE is rotated."""

BACKUP_COUNT = 5
"""How many rotated files are kept."""

ERROR_INTERVAL = 60
"""Seconds between two messages about a file that cannot be written."""


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
