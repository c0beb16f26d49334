"""The command line: `matinee serve`, `matinee sync …`. docs/operating.md lists commands and exit codes."""

from importlib.metadata import version

import click

from entrypoints.cli.context import examples
from entrypoints.cli.groups import RootGroup

COMMANDS = {
    "api": "entrypoints.cli.services:api",
    "backup": "entrypoints.cli.data:backup",
    "check": "entrypoints.cli.check:check",
    "child": "entrypoints.cli.services:child",
    "export": "entrypoints.cli.data:export",
    "import": "entrypoints.cli.imports:import_files",
    "movies": "entrypoints.cli.movies:movies",
    "openapi": "entrypoints.cli.services:openapi",
    "ratings": "entrypoints.cli.ratings:ratings",
    "restore": "entrypoints.cli.data:restore",
    "scheduler": "entrypoints.cli.services:scheduler",
    "serve": "entrypoints.cli.services:serve",
    "sync": "entrypoints.cli.syncs:sync",
    "users": "entrypoints.cli.users:users",
    "worker": "entrypoints.cli.services:worker",
}
"""The import path of each command."""


@click.group(
    cls=RootGroup,
    import_paths=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("matinee serve\nmatinee serve --port 9000 --data-dir ~/films\nmatinee sync movies"),
)
@click.version_option(version("matinee"), prog_name="matinee")
def matinee() -> None:
    """A self-hosted movie catalogue, in step with TMDB.

    Settings come from environment variables and a .env file; docs/operating.md lists them.
    """
