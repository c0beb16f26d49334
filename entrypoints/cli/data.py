"""`matinee backup`, `restore` and `export`: copies of the data."""

from importlib.metadata import version
from pathlib import Path

import click

from entrypoints import data_directory
from entrypoints.cli.context import data_dir_option, examples, interruptible, load_settings, running_command
from entrypoints.console import command
from entrypoints.container import open_backups
from entrypoints.http.exports import ExportFormat
from entrypoints.http.resources.export import export_chunks
from entrypoints.processes.data_directory_lock import locked

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.command(
    epilog=examples(
        "matinee backup /mnt/backups/matinee.db\n"
        'matinee backup "matinee-$(date +%F).db"\n'
        "matinee backup --overwrite /mnt/backups/latest.db"
    )
)
@file_argument
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists, once the new backup is whole.")
@data_dir_option
def backup(file: Path, data_dir: str | None, *, overwrite: bool) -> None:
    """Write all data of this machine's store to FILE, also while the service runs.

    FILE is one SQLite database that only you may read. It contains everything, including password hashes and
    the secret that signs tokens: protect it like the service. With MONGODB_URI, use mongodump instead.
    """
    settings = load_settings(data_dir=data_dir)
    with interruptible():
        written = open_backups(settings, version("matinee")).write(file.expanduser(), overwrite=overwrite)
    click.echo(f"Backed up {settings.data_path.resolve()} to {written.path}: {written.content}.")
    if not written.with_secret:
        click.echo("The secret that signs tokens is not in it: keep JWT_SECRET too, if you have set it.")


@click.command(
    epilog=examples(
        "matinee restore /mnt/backups/matinee.db\nmatinee restore matinee.db --data-dir /srv/matinee"
    )
)
@file_argument
@data_dir_option
def restore(file: Path, data_dir: str | None) -> None:
    """Make a data directory of a backup.

    FILE is checked first. The data directory must be empty, or not there yet, and not be in use: to replace
    one that is broken, stop the service and move it away.
    """
    settings = load_settings(data_dir=data_dir)
    with interruptible():
        backups = open_backups(settings, version("matinee"))
        file = file.expanduser()
        backups.examine(file)  # before the data directory is created
        data_directory.exists(settings.data_path)
        directory = settings.data_path.resolve()
        with locked(directory):
            restored = backups.restore(file)
    made = f", as of {restored.made_at}" if restored.made_at else ""
    click.echo(f"Restored {file} to {directory}: {restored.content}{made}.")
    if not restored.with_secret:
        click.echo(
            "It had no secret for tokens in it: unless JWT_SECRET is what it was, all have to log in anew."
        )
    click.echo(f"Start it with: {command('serve', directory)}")


@click.command(
    epilog=examples(
        "matinee export --user ada@example.org > ada.json\n"
        "matinee export --user ada@example.org --data-dir ~/films > ada.json\n"
        "matinee export --user ada@example.org --format letterboxd > letterboxd.zip"
    )
)
@click.option("--user", "email", required=True, metavar="EMAIL", help="Whose data.")
@click.option(
    "--format",
    "how",
    type=click.Choice([each.value for each in ExportFormat]),
    default=ExportFormat.JSON.value,
    show_default=True,
    help="How it is written.",
)
@data_dir_option
def export(email: str, how: str, data_dir: str | None) -> None:
    """Print all data of one user, as GET /me/export answers it.

    json can be imported again without loss; letterboxd is a zip of the tables that Letterboxd imports; csv is
    one table for a spreadsheet.

    It is written as it is read. Exit code 1: it is not complete.
    """
    with running_command(data_dir) as (container, _):
        user = container.find_user()(email=email)
        for chunk in export_chunks(user, container.export_user()(user=user), ExportFormat(how)):
            click.echo(chunk, nl=False)
        if how == ExportFormat.JSON:
            click.echo()
