"""Backups of the embedded store, and what restores one."""

from importlib.metadata import version
from pathlib import Path

import click

from entrypoints import data_directory
from entrypoints.cli.border import configured, data_dir_option, example, interruptible
from entrypoints.container import backups_of
from entrypoints.processes.data_directory_lock import occupying

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.command(
    epilog=example(
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

    FILE is one SQLite database that only you may read. It holds everything, also the hashes of passwords and
    the secret that signs tokens: keep it as safe as the service. With MONGODB_URI, use mongodump instead.
    """
    settings = configured(data_dir=data_dir)
    with interruptible():
        written = backups_of(settings, version("matinee")).write(file.expanduser(), overwrite=overwrite)
    click.echo(f"Backed up {settings.data_path.resolve()} to {written.path}: {written.content}.")
    if not written.with_secret:
        click.echo("The secret that signs tokens is not in it: keep JWT_SECRET too, if you have set it.")


@click.command(
    epilog=example(
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
    settings = configured(data_dir=data_dir)
    with interruptible():
        backups = backups_of(settings, version("matinee"))
        file = file.expanduser()
        backups.examine(file)  # before a directory is made for nothing
        data_directory.exists(settings.data_path)
        directory = settings.data_path.resolve()
        with occupying(directory):
            restored = backups.restore(file)
    made = f", as of {restored.made_at}" if restored.made_at else ""
    click.echo(f"Restored {file} to {directory}: {restored.content}{made}.")
    if not restored.with_secret:
        click.echo(
            "It had no secret for tokens in it: unless JWT_SECRET is what it was, all have to log in anew."
        )
    click.echo(f"Start it with: matinee serve --data-dir {directory}")
