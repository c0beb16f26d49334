"""What commands need to run: settings, a log, and a running container."""

import logging
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from domain.errors import Invalid
from entrypoints import data_directory
from entrypoints.cli.errors import exit_with
from entrypoints.console import echo
from entrypoints.observability.logs import configure
from entrypoints.settings import Settings, load

if TYPE_CHECKING:
    from entrypoints.container import Container

ENV_FILE = Path(".env")

logger = logging.getLogger("matinee")

data_dir_option = click.option(
    "--data-dir", metavar="DIR", help="Where the data is kept.  [default: DATA_DIR, else ./matinee-data]"
)


def examples(text: str) -> str:
    """The epilog of a help text: a command on each line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.splitlines())


def load_settings(
    required: Collection[str] = (),
    *,
    role: str = "command",
    env_file: Path | None = ENV_FILE,
    **overrides: str | int | None,
) -> Settings:
    """Load the settings, which `overrides` (command-line options) override, and configure the log.

    `role` is what this process does, which each line of the log names.
    """
    warnings: list[str] = []
    settings = load(env_file=env_file, overrides=overrides, required=required, warn=warnings.append)
    configure(settings, role)
    for sentence in warnings:
        if role == "command":
            echo(f"matinee: warning: {sentence}", err=True)
        else:
            logger.warning("%s", sentence)
    return settings


@contextmanager
def running_role(
    role: str,
    required: Collection[str] = (),
    *,
    env_file: Path | None = ENV_FILE,
    **overrides: str | int | None,
) -> "Iterator[tuple[Container, Settings]]":
    """A running container for a role of the service, and the settings. A missing store is created."""
    from entrypoints.container import running  # noqa: PLC0415  `serve` itself does without

    settings = load_settings(required, role=role, env_file=env_file, **overrides)
    with interruptible(), running(settings) as container:
        yield container, settings


@contextmanager
def running_command(
    data_dir: str | None, *, create: bool = False, demo: bool = False
) -> "Iterator[tuple[Container, Settings]]":
    """A running container over the store that a command works on, and the settings.

    With `create`, a missing store is created and its place printed; otherwise StoreMissing is raised. With
    `demo`, movies come from the demo catalogue even if there is a credential for TMDB.
    """
    from entrypoints.container import running  # noqa: PLC0415  `serve` itself does without

    settings = load_settings(data_dir=data_dir)
    settings = settings.without_tmdb() if demo else settings
    if data_dir and not settings.embedded:
        echo("matinee: warning: --data-dir is not used: MONGODB_URI names the store", err=True)
    if settings.embedded and create:
        data_directory.prepare(settings.data_path)
    elif settings.embedded:
        data_directory.exists(settings.data_path)
    where = str(settings.data_path.resolve()) if settings.embedded else "the database that MONGODB_URI names"

    def announce() -> None:
        echo(f"There is no store in {where} yet: a new one is made.", err=True)

    def refuse() -> NoReturn:
        raise StoreMissing(where)

    with interruptible(), running(settings, if_missing=announce if create else refuse) as container:
        yield container, settings


@dataclass(eq=False)
class StoreMissing(Invalid):
    """The command needs an existing store, and there is none."""

    where: str

    def __str__(self) -> str:
        return (
            f"there is no store in {self.where}: name its directory with --data-dir or DATA_DIR, as for"
            " matinee serve, which makes one if need be"
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM unwind the stack, so that runs are closed and resources released."""
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        yield
    except KeyboardInterrupt:
        exit_with(130, "interrupted")


def _exit_on_signal(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  a handler's signature
    sys.exit(128 + signum)
