"""The messages and exit codes of commands that fail."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import click

from domain.errors import Invalid, MatineeError
from entrypoints.console import discard
from entrypoints.observability.logs import configure
from entrypoints.settings import load

BROKEN_PIPE_CODE = 141
"""The exit code after output to a closed pipe: 128 and the number of SIGPIPE."""

OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of output to a full or broken disk. Those of our own files are raised with a file name."""

logger = logging.getLogger("matinee")


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """Exit with one line for each fault if anything is raised within."""
    with exit_on_output_errors():
        try:
            yield
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "matinee"
            message = " ".join(error.format_message().split())
            exit_with(2, f"{message} (see {path} --help)")
        except Invalid as error:
            _log_traceback(error)
            exit_with(2, *error.sentences)
        except MatineeError as error:
            _log_traceback(error)
            exit_with(1, *error.sentences)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  no traceback reaches a user
            if isinstance(error, OSError) and error.errno in OUTPUT_ERRORS and error.filename is None:
                exit_with(1, f"the output cannot be written: {error.strerror}")
            hint = "" if _log_traceback(error) else " (LOG_LEVEL=debug shows where)"
            exit_with(1, f"unexpected {type(error).__name__}: {error}{hint}")


@contextmanager
def exit_on_output_errors() -> Iterator[None]:
    """Exit without a message if the output goes to a closed pipe, as after `| head -1`."""
    try:
        yield
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                discard(stream)
        sys.exit(BROKEN_PIPE_CODE)


def flush_output() -> str | None:
    """Flush standard output and standard error; return what went wrong, if anything.

    Raises BrokenPipeError.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream and not stream.closed:
                stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            discard(stream)
            return error.strerror
    return None


def exit_with(code: int, *sentences: str) -> NoReturn:
    """Exit with a code, and print each sentence as a line on standard error."""
    for sentence in sentences:
        click.echo(f"matinee: {sentence}", err=True)
    sys.exit(code)


def _log_traceback(error: Exception) -> bool:
    """Log an error with its traceback at level debug; return whether that level is enabled."""
    if not logging.root.handlers:  # the error came before the settings were loaded, or the command needs none
        with suppress(Invalid):
            configure(load(), "command")
    logger.debug("the command failed", exc_info=error)
    return logger.isEnabledFor(logging.DEBUG)
