"""`matinee check`: what ails the service, and what mends it."""

import sys
from collections.abc import Iterable
from itertools import chain

import click
import msgspec
from dependency_injector import providers

from domain.errors import InvalidFields
from entrypoints.cli.border import data_dir_option, example
from entrypoints.container import Container
from entrypoints.observability.diagnostics import Line, Verdict, doubtful, log_file, unfit
from entrypoints.observability.logs import configure
from entrypoints.observability.redaction import Mask, secrets_of
from entrypoints.settings import Settings, load

COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


@click.command(
    epilog=example("matinee check\nmatinee check --data-dir ~/films\nmatinee check && matinee serve")
)
@data_dir_option
def check(data_dir: str | None) -> None:
    """Look at all that the service stands on; each line is ok, a warning or failed, with the mend.

    Nothing is made or changed. Exit code 1: something failed.
    """
    warnings: list[str] = []
    try:
        settings = load(overrides={"data_dir": data_dir}, warn=warnings.append)
    except InvalidFields as error:
        lines, mask = [unfit(str(fault)) for fault in error.faults], Mask([])
        sys.exit(_told(lines, mask))
    configure(msgspec.structs.replace(settings, log_file=None), "check")
    sys.exit(_examined(settings, warnings))


def _examined(settings: Settings, warnings: Iterable[str]) -> int:
    container = Container(settings=providers.Object(settings))
    lines = chain(map(doubtful, warnings), log_file(settings), container.doctor()())
    try:
        return _told(lines, Mask(secrets_of(settings)))
    finally:
        container.closing().close()


def _told(lines: Iterable[Line], mask: Mask) -> int:
    """Print the lines as they come; the exit code."""
    failed = False
    for line in lines:
        failed = failed or line.verdict is Verdict.FAILED
        verdict = click.style(f"{line.verdict:<8}", fg=COLOURS[line.verdict])
        mend = f" -> {line.mend}" if line.mend else ""
        click.echo(f"{verdict} {line.part:<15} {mask.text(line.found)}{mask.text(mend)}")
    return 1 if failed else 0
