"""Output for people, on standard output and standard error."""

import os
import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import TextIO

import click


def command(arguments: str, data_dir: Path | str | None = None) -> str:
    """A command of Matinee as one can enter it into a shell, with `--data-dir` if a data directory is given.

    The program is `matinee` if that is what the search path leads to, else the file that runs now.
    """
    started, found = Path(sys.argv[0]), shutil.which("matinee")
    is_script = started.name == "matinee" and started.exists()  # not so for `python -m entrypoints`
    if is_script and not (found and Path(found).samefile(started)):
        program = quote(str(started.absolute()))
    else:
        program = "matinee"
    return f"{program} {arguments}" + (f" --data-dir {quote(str(data_dir))}" if data_dir is not None else "")


def echo(text: str, *, err: bool = False) -> None:
    """Print a line on standard output, or with `err` on standard error.

    A closed pipe, as after `| head -1`, does not end a service or a sync: further output is discarded.
    """
    try:
        click.echo(text, err=err)
    except OSError:
        discard(sys.stderr if err else sys.stdout)


def discard(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that its buffer can be flushed when the process ends."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
