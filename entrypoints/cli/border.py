"""Around every command: how it begins, and how whatever goes wrong becomes one line and an exit code."""

import errno
import logging
import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from domain.errors import Invalid, MatineeError
from entrypoints import data_directory
from entrypoints.observability.logs import configure
from entrypoints.processes.banner import discard, say
from entrypoints.settings import Settings, load

if TYPE_CHECKING:
    from entrypoints.container import Container

CUT_OFF = 141
"""The exit code of who writes to a pipe that nobody reads any more: 128 and the number of SIGPIPE."""

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What becomes of output on a disk that is full or broken; errors of our own files are told elsewhere."""

ENV_FILE = Path(".env")

logger = logging.getLogger("matinee")


class Group(click.Group):
    """Commands, of which the nearest is named where somebody mistypes one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            meant = self._nearest(ctx, args[0])
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def _nearest(self, ctx: click.Context, name: str) -> str | None:
        """The command, or the command of a group of ours, that was probably meant."""
        ways: dict[str, str] = {}
        for each in self.list_commands(ctx):
            command = self.get_command(ctx, each)
            if command is None or command.hidden:
                continue
            if isinstance(command, click.Group):
                for inner in command.list_commands(ctx):
                    ways[f"{each} {inner}"] = ways[inner] = f"{each} {inner}"
            ways[each] = each
        close = get_close_matches(name.lower(), ways, n=1)
        return ways[close[0]] if close else None


class Border(Group):
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

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ANN401  as click has it
        code: str | int | None = None
        try:
            with output_errors():
                super().main(*args, **kwargs)
        except SystemExit as ended:
            code = ended.code
        with output_errors():
            problem = _flushed()
        if problem and not code:
            leave(1, f"the output cannot be written: {problem}")
        sys.exit(code)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401  as click has it
        with outward():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  as click has it
        with outward():
            return super().invoke(ctx)


@contextmanager
def outward() -> Iterator[None]:
    """Turn whatever is raised within into one line for each fault and an exit code."""
    with output_errors():
        try:
            yield
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "matinee"
            message = " ".join(error.format_message().split())
            leave(2, f"{message} (see {path} --help)")
        except Invalid as error:
            _log_traceback(error)
            leave(2, *error.sentences)
        except MatineeError as error:
            _log_traceback(error)
            leave(1, *error.sentences)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  no traceback reaches a user
            if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
                leave(1, f"the output cannot be written: {error.strerror}")
            more = "" if _log_traceback(error) else " (LOG_LEVEL=debug shows where)"
            leave(1, f"unexpected {type(error).__name__}: {error}{more}")


@contextmanager
def output_errors() -> Iterator[None]:
    """End in silence if nobody reads the output any more, as after `| head -1`."""
    try:
        yield
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                discard(stream)
        sys.exit(CUT_OFF)


def _flushed() -> str | None:
    """Write out what the two streams still hold; what is wrong, if they cannot be written.

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


def _log_traceback(error: Exception) -> bool:
    """Log an error with its traceback, at level debug; whether that level is logged."""
    if not logging.root.handlers:  # it came before the settings were read, or the command needs none
        with suppress(Invalid):
            configure(load(), "command")
    logger.debug("the command failed", exc_info=error)
    return logger.isEnabledFor(logging.DEBUG)


def leave(code: int, *sentences: str) -> NoReturn:
    """End with an exit code and a line for each sentence, on standard error."""
    for sentence in sentences:
        click.echo(f"matinee: {sentence}", err=True)
    sys.exit(code)


data_dir_option = click.option(
    "--data-dir", metavar="DIR", help="Where the data is kept.  [default: DATA_DIR, else ./matinee-data]"
)


def example(text: str) -> str:
    """The epilog of a help text: commands as one types them."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.splitlines())


def configured(
    required: Collection[str] = (),
    *,
    role: str = "command",
    env_file: Path | None = ENV_FILE,
    **overrides: str | int | None,
) -> Settings:
    """The settings, of which the overrides (command-line options) win, and a log that keeps to them.

    `role` is what the lines of the log say that this process does.
    """
    warnings: list[str] = []
    settings = load(env_file=env_file, overrides=overrides, required=required, warn=warnings.append)
    configure(settings, role)
    for sentence in warnings:
        if role == "command":
            say(f"matinee: warning: {sentence}", err=True)
        else:
            logger.warning("%s", sentence)
    return settings


@contextmanager
def started(
    required: Collection[str] = (),
    *,
    role: str = "command",
    env_file: Path | None = ENV_FILE,
    **overrides: str | int | None,
) -> "Iterator[tuple[Container, Settings]]":
    """A running container for a role, and the settings; a store is made if there is none."""
    from entrypoints.container import running  # noqa: PLC0415  `serve` itself does without

    settings = configured(required, role=role, env_file=env_file, **overrides)
    with interruptible(), running(settings) as container:
        yield container, settings


@contextmanager
def opened(
    data_dir: str | None, *, make: bool = False, demo: bool = False
) -> "Iterator[tuple[Container, Settings]]":
    """A running container over the store that a command is to work on, and the settings.

    Where there is no store, one is made if `make` says so, and the user is told where. Raises StoreMissing
    otherwise. With `demo` movies come from the demo catalogue, whatever credential is set.
    """
    from entrypoints.container import running  # noqa: PLC0415  `serve` itself does without

    settings = configured(data_dir=data_dir)
    settings = settings.without_tmdb() if demo else settings
    if data_dir and not settings.embedded:
        say("matinee: warning: --data-dir is not used: MONGODB_URI names the store", err=True)
    if settings.embedded and make:
        data_directory.prepare(settings.data_path)
    elif settings.embedded:
        data_directory.exists(settings.data_path)
    where = str(settings.data_path.resolve()) if settings.embedded else "the database that MONGODB_URI names"

    def announce() -> None:
        say(f"There is no store in {where} yet: a new one is made.", err=True)

    def refuse() -> NoReturn:
        raise StoreMissing(where)

    with interruptible(), running(settings, if_missing=announce if make else refuse) as container:
        yield container, settings


@dataclass(eq=False)
class StoreMissing(Invalid):
    """There is no store where a command was to work on one."""

    where: str

    def __str__(self) -> str:
        return (
            f"there is no store in {self.where}: name its directory with --data-dir or DATA_DIR, as for"
            " matinee serve, which makes one if need be"
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM unwind the stack, so that nothing is left open or half-done."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    except KeyboardInterrupt:
        leave(130, "interrupted")


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  a handler's signature
    """SIGTERM unwinds the stack, so that runs are closed and nothing is left open."""
    sys.exit(128 + signum)
