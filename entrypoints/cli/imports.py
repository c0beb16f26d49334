"""`matinee import`: what other services have exported, in the foreground."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from application.imports import applying, undoing
from domain.ids import ImportId, is_id
from domain.imports.imports import Import, ImportState
from domain.imports.rows import SENTENCES, RowClass, SourceFormat
from domain.imports.uploads import MAX_PACKED_BYTES, Refusal, UploadRefused
from domain.ports.imports import UPLOAD_PIECE
from entrypoints.cli.context import data_dir_option, examples, running_command
from entrypoints.console import command
from entrypoints.progress import LINE_INTERVAL, OutputConsole, ProgressConsole

if TYPE_CHECKING:
    from entrypoints.container import Container

AUTO = "auto"

NOT_TAKEN = (
    RowClass.UNREADABLE,
    RowClass.UNMATCHED,
    RowClass.AMBIGUOUS,
    RowClass.NOT_A_FILM,
    RowClass.NO_PLACE,
)
"""The classes of rows of which nothing was taken."""

NOT_TAKEN_CODE = 3

MAX_SHOWN = 20
"""Rows of a class that are printed."""


@click.command(
    "import",
    epilog=examples(
        "matinee import letterboxd-ada.zip --user ada@example.org\n"
        "matinee import ratings.csv watchlist.csv --user ada@example.org --dry-run\n"
        "matinee import --undo 8e7b1c04d9b44b6f9a2d3c51"
    ),
)
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--user", "email", metavar="EMAIL", help="Whose data it is.")
@click.option(
    "--source",
    type=click.Choice([AUTO, *(each.value for each in SourceFormat)]),
    default=AUTO,
    show_default=True,
    help="The service that the files are from.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would become of each row, and write nothing.")
@click.option("--undo", metavar="ID", help="Take back an import.")
@data_dir_option
def import_files(
    files: tuple[Path, ...],
    email: str | None,
    source: str,
    undo: str | None,
    data_dir: str | None,
    *,
    dry_run: bool,
) -> None:
    """Import what another service has exported.

    FILEs are exports as they are, zip or not. Exit code 0: all rows were taken; 3: some were not, and are
    named; 2: the files cannot be read.
    """
    if undo is not None:
        _undo(files, undo, data_dir)
    if not files:
        raise click.UsageError("name the files to import, or an import to take back with --undo")
    if email is None:
        raise click.UsageError("say whose data it is, with --user")
    wanted = None if source == AUTO else SourceFormat(source)
    with running_command(data_dir) as (container, _), _one_file(files) as (file, name):
        user = container.find_user()(email=email)
        imported = container.store_import()(user=user.id, name=name, wanted=wanted, upload=_pieces(file))
        imported = _run(container, imported)
        if imported.error:
            container.imports().remove(imported.id, user.id)
            raise UploadRefused(imported.error)
        if not dry_run:
            imported = _step(container, imported, applying(imported, container.clock()))
        _print_report(container, imported, data_dir, dry_run=dry_run)
        if dry_run:
            container.imports().remove(imported.id, user.id)
    sys.exit(NOT_TAKEN_CODE if any(imported.counts.get(each) for each in NOT_TAKEN) else 0)


def _undo(files: tuple[Path, ...], undo: str, data_dir: str | None) -> None:
    """Take back an import, and exit."""
    if files:
        raise click.UsageError("--undo takes back a whole import: leave the files out")
    if not is_id(undo):
        raise click.UsageError("the ID of an import has 24 hexadecimal digits")
    with running_command(data_dir) as (container, _):
        imported = container.imports().find(ImportId(undo))
        imported.require(ImportState.DONE, ImportState.APPLYING)
        imported = _step(container, imported, undoing(imported, container.clock()))
    click.echo(f"Undone: {imported.name}.")
    if imported.not_undone:
        click.echo(f"{imported.not_undone} films were changed since, and stay as they are.")
    sys.exit(NOT_TAKEN_CODE if imported.not_undone else 0)


def _step(container: "Container", imported: Import, following: Import) -> Import:
    if following != imported:
        container.imports().save(following)
    return _run(container, following)


def _run(container: "Container", imported: Import) -> Import:
    """Do what an import waits for, and show its progress."""
    with _shown_progress() as update:
        done = container.run_import()(imported=imported.id, on_progress=update)
    return done or container.imports().find(imported.id)


@contextmanager
def _one_file(files: tuple[Path, ...]) -> Iterator[tuple[IO[bytes], str]]:
    """The file, or a zip of several, and its name. Raises UsageError and UploadRefused."""
    paths = [path.expanduser() for path in files]
    for path in paths:
        if not path.is_file():
            raise click.UsageError(f"there is no file {path}")
    if sum(path.stat().st_size for path in paths) > MAX_PACKED_BYTES:
        raise UploadRefused(Refusal.TOO_LARGE)
    if len(paths) == 1:
        with paths[0].open("rb") as file:
            yield file, paths[0].name
        return
    with TemporaryFile() as archive:
        with zipfile.ZipFile(archive, "w") as writer:
            for path in paths:
                writer.write(path, path.name)
        archive.seek(0)
        yield archive, "files.zip"


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(UPLOAD_PIECE):
        yield piece


@contextmanager
def _shown_progress() -> Iterator[Callable[[Import], None]]:
    """Show a live bar on a terminal, elsewhere a line every few seconds."""
    console = ProgressConsole(stderr=True)
    if not console.is_terminal:
        yield _print_lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("import", total=None)

        def update(imported: Import) -> None:
            bar.update(
                task, description=imported.state, completed=imported.done, total=imported.total or None
            )

        yield update


def _print_lines(console: Console) -> Callable[[Import], None]:
    printed_at = monotonic()

    def update(imported: Import) -> None:
        nonlocal printed_at
        if monotonic() - printed_at >= LINE_INTERVAL:
            printed_at = monotonic()
            console.print(f"{imported.state}: {imported.done} of {imported.total}", highlight=False)

    return update


def _print_report(container: "Container", imported: Import, data_dir: str | None, *, dry_run: bool) -> None:
    """Print the counts as a table, and the rows of which nothing was taken."""
    console = OutputConsole()
    table = Table(title=imported.name, title_justify="left", show_header=False)
    table.add_row("state", "dry run" if dry_run else imported.state.value)
    table.add_row("source", str(imported.format))
    table.add_row("scale", f"up to {imported.scale}")
    table.add_row("rows", str(imported.rows))
    for name in RowClass:
        table.add_row(name.value, str(imported.counts.get(name, 0)))
    if not dry_run:
        table.add_row("import", imported.id)
    console.print(table)
    for name in NOT_TAKEN:
        for row in container.imports().rows(imported.id, name, limit=MAX_SHOWN):
            reason = SENTENCES[row.reason] if row.reason else name
            title = f" {row.row.title}" if row.row.title else ""
            line = f"  {row.row.file}:{row.row.line}{title} {reason}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if (more := imported.counts.get(name, 0) - MAX_SHOWN) > 0:
            console.print(f"  and {more:,} more rows: {name}", highlight=False)
    if not dry_run:
        undo = command(f"import --undo {imported.id}", data_dir)
        console.print(f"To take it back: {undo}", markup=False, highlight=False, soft_wrap=True)
