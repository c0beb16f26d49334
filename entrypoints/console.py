"""Output for people, on standard output and standard error."""

import os
import sys
from typing import TextIO

import click


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
