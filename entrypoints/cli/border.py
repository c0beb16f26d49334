"""Around every command: how it begins, and how whatever goes wrong becomes one line and an exit code."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click

from domain.errors import Invalid, MatineeError
from entrypoints.checking import Faults
from entrypoints.container import Container, running
from entrypoints.logs import configure
from entrypoints.settings import Settings, load

logger = logging.getLogger("matinee")


class Border(click.Group):
    """The commands' outward border: whatever is raised becomes one clear line and an exit code, never a
    traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  as click has it
        try:
            return super().invoke(ctx)
        except Faults as faults:
            leave(2, *faults.sentences)
        except Invalid as error:
            leave(2, str(error))
        except MatineeError as error:
            leave(1, str(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            logger.debug("unexpected error", exc_info=True)
            leave(1, f"unexpected {type(error).__name__}: {error} (LOG_LEVEL=debug tells more)")


def leave(code: int, *sentences: str) -> NoReturn:
    """End with an exit code and a line for each sentence, on standard error."""
    for sentence in sentences:
        click.echo(f"matinee: {sentence}", err=True)
    sys.exit(code)


def example(text: str) -> str:
    """The epilog of a help text: commands as one types them."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.splitlines())


@contextmanager
def started(role: str = "command", **overrides: str | int | None) -> Iterator[tuple[Container, Settings]]:
    """A running container and the settings, of which the overrides (command-line options) win.

    `role` is what the lines of the log say that this process does.
    """
    settings = load(overrides=overrides)
    configure(settings, role)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with running(settings) as container:
            yield container, settings
    except KeyboardInterrupt:
        leave(130, "interrupted")


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  a handler's signature
    """SIGTERM unwinds the stack, so that runs are closed and nothing is left open."""
    sys.exit(128 + signum)
