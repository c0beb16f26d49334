"""The command line: `matinee serve`, `matinee sync …`. Exit codes and words are in docs/operating.md."""

from importlib.metadata import version

import click

from entrypoints.cli.border import Border, example

PLACES = {
    "api": "entrypoints.cli.service:api",
    "backup": "entrypoints.cli.backups:backup",
    "check": "entrypoints.cli.check:check",
    "child": "entrypoints.cli.service:child",
    "export": "entrypoints.cli.people:export",
    "openapi": "entrypoints.cli.service:openapi",
    "ratings": "entrypoints.cli.people:ratings",
    "restore": "entrypoints.cli.backups:restore",
    "scheduler": "entrypoints.cli.service:scheduler",
    "serve": "entrypoints.cli.service:serve",
    "sync": "entrypoints.cli.syncs:sync",
    "users": "entrypoints.cli.users:users",
    "worker": "entrypoints.cli.service:worker",
}
"""Where each command is."""


@click.group(
    cls=Border,
    places=PLACES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("matinee serve\nmatinee serve --port 9000 --data-dir ~/films\nmatinee sync movies"),
)
@click.version_option(version("matinee"), prog_name="matinee")
def matinee() -> None:
    """A self-hosted movie catalogue, in step with TMDB.

    Settings come from environment variables and a .env file; docs/operating.md lists them.
    """
