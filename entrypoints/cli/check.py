"""`matinee check`: examines the installation and prints what it finds."""

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import click
import msgspec
from dependency_injector import providers

from domain.errors import InvalidFields
from entrypoints.cli.context import data_dir_option, examples
from entrypoints.cli.diagnostics import (
    Diagnostics,
    Finding,
    Verdict,
    invalid_setting,
    suspicious_setting,
)
from entrypoints.container import Container
from entrypoints.observability.log_file import log_file_problem
from entrypoints.observability.logs import configure
from entrypoints.observability.redaction import Redactor, secrets_of
from entrypoints.settings import Settings, load

COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


@click.command(
    epilog=examples("matinee check\nmatinee check --data-dir ~/films\nmatinee check && matinee serve")
)
@data_dir_option
def check(data_dir: str | None) -> None:
    """Examine all that the service depends on; each line is ok, a warning or failed, with a remedy.

    Nothing is created or changed. Exit code 1: something failed.
    """
    warnings: list[str] = []
    try:
        settings = load(overrides={"data_dir": data_dir}, warn=warnings.append)
    except InvalidFields as error:
        findings = [invalid_setting(str(fault)) for fault in error.faults]
        sys.exit(_print_findings(findings, Redactor([])))
    configure(msgspec.structs.replace(settings, log_file=None), "check")
    sys.exit(_diagnose(settings, warnings))


def _diagnose(settings: Settings, warnings: Iterable[str]) -> int:
    container = Container(settings=providers.Object(settings))
    diagnostics = Diagnostics(
        settings=settings,
        redis=container.redis_url(),
        store=container.store(),
        source=container.source(),
        clock=container.clock(),
        probe=container.redis_probe(),
    )
    findings = chain(map(suspicious_setting, warnings), _log_file(settings), diagnostics())
    try:
        return _print_findings(findings, Redactor(secrets_of(settings)))
    finally:
        container.cleanup().close()


def _log_file(settings: Settings) -> Iterator[Finding]:
    """Whether LOG_FILE can be written; nothing if it is not set."""
    if settings.log_file is None:
        return
    path = Path(settings.log_file).expanduser()
    if problem := log_file_problem(path):
        remedy = "name another file, or let the user that runs matinee write it"
        yield Finding(Verdict.FAILED, "log file", f"{path} cannot be written: {problem}", remedy)
    else:
        yield Finding(Verdict.OK, "log file", f"{path} can be written")


def _print_findings(findings: Iterable[Finding], redactor: Redactor) -> int:
    """Print findings as they come; return the exit code."""
    failed = False
    for finding in findings:
        failed = failed or finding.verdict is Verdict.FAILED
        verdict = click.style(f"{finding.verdict:<8}", fg=COLOURS[finding.verdict])
        remedy = f" -> {finding.remedy}" if finding.remedy else ""
        click.echo(f"{verdict} {finding.part:<15} {redactor.text(finding.found)}{redactor.text(remedy)}")
    return 1 if failed else 0
