"""Around every command: how it begins, and how whatever goes wrong becomes one line and an exit code."""

import logging
import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from domain.errors import Invalid, MatineeError
from entrypoints.checking import Faults
from entrypoints.logs import configure
from entrypoints.settings import Settings, load

if TYPE_CHECKING:
    from entrypoints.container import Container

logger = logging.getLogger("matinee")


class Border(click.Group):
    """The commands' outward border: whatever is raised becomes one clear line and an exit code, never a
    traceback.

    Its commands are imported when they are asked for: `serve` stays a small process, and help is quick.
    """

    def __init__(self, *args: Any, places: Mapping[str, str], **kwargs: Any) -> None:  # noqa: ANN401
        """Places are "module:attribute" by the command's name."""
        super().__init__(*args, **kwargs)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  as click has it
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.places:
            return None
        module, attribute = self.places[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

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


def configured(
    required: Collection[str] = (), *, role: str = "command", **overrides: str | int | None
) -> Settings:
    """The settings, of which the overrides (command-line options) win, and a log that keeps to them.

    `role` is what the lines of the log say that this process does.
    """
    settings = load(overrides=overrides, required=required)
    configure(settings, role)
    return settings


@contextmanager
def started(
    required: Collection[str] = (), *, role: str = "command", **overrides: str | int | None
) -> "Iterator[tuple[Container, Settings]]":
    """A running container and the settings, as `configured` makes them."""
    from entrypoints.container import running  # noqa: PLC0415  `serve` itself does without

    settings = configured(required, role=role, **overrides)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with running(settings) as container:
            yield container, settings
    except KeyboardInterrupt:
        leave(130, "interrupted")


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  a handler's signature
    """SIGTERM unwinds the stack, so that runs are closed and nothing is left open."""
    sys.exit(128 + signum)
