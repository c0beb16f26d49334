"""The command line: `matinee serve`, `matinee sync …`. Exit codes and words are in docs/operating.md."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Any, NoReturn

import click

from domain.errors import MatineeError
from domain.sync import Entity, Status, SyncRun
from entrypoints import serving
from entrypoints.checking import Faults
from entrypoints.container import Container, running
from entrypoints.display import progress, summary
from entrypoints.settings import Settings, load

EXIT_CODES = {Status.SUCCESS: 0, Status.PARTIAL: 3, Status.FAILED: 1, Status.CANCELLED: 1}

logger = logging.getLogger("matinee")


class Border(click.Group):
    """The commands' outward border: whatever is raised becomes one clear line and an exit code, never a
    traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  as click has it
        try:
            return super().invoke(ctx)
        except Faults as faults:
            _leave(2, *faults.sentences)
        except MatineeError as error:
            _leave(1, str(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            logger.debug("unexpected error", exc_info=True)
            _leave(1, f"unexpected {type(error).__name__}: {error} (LOG_LEVEL=debug tells more)")


def _leave(code: int, *sentences: str) -> NoReturn:
    for sentence in sentences:
        click.echo(f"matinee: {sentence}", err=True)
    sys.exit(code)


def _example(text: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.splitlines())


@click.group(
    cls=Border,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_example("matinee serve\nmatinee serve --port 9000 --data-dir ~/films\nmatinee sync movies"),
)
@click.version_option(version("matinee"), prog_name="matinee")
def matinee() -> None:
    """A self-hosted movie catalogue, in step with TMDB.

    Settings come from environment variables and a .env file; docs/operating.md lists them.
    """


@matinee.command(epilog=_example("matinee serve\nPUBLIC_CATALOGUE=true matinee serve --port 9000"))
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8080]")
@click.option("--data-dir", help="Where the catalogue is kept.  [default: ./matinee-data]")
def serve(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Run everything on this machine; the first start fills the catalogue."""
    with _started(host=host, port=port, data_dir=data_dir) as (container, settings):
        serving.fill_if_empty(container, settings)
        serving.serve(container, settings)


@matinee.group()
def sync() -> None:
    """Bring the catalogue up to date, in the foreground.

    Exit code 0: everything was read; 3: a part was not, the summary names it; 1: failed.
    """


@sync.command(epilog=_example("matinee sync genres"))
def genres() -> None:
    """Read the genres."""
    with _started() as (container, _):
        _report(Entity.GENRES, container.sync_genres())


@sync.command(epilog=_example("matinee sync movies\nmatinee sync movies --pages 5"))
@click.option(
    "--pages", type=click.IntRange(1, 500), help="Pages of 20 movies to read.  [default: TMDB_SYNC_PAGES]"
)
def movies(pages: int | None) -> None:
    """Read the popular movies; goes on where a run of the last 12 hours failed."""
    with _started() as (container, settings):
        _report(Entity.MOVIES, container.sync_movies(), pages=pages or settings.tmdb_sync_pages)


@sync.command(epilog=_example("matinee sync changes"))
def changes() -> None:
    """Read anew the movies that changed since the last complete run."""
    with _started() as (container, _):
        _report(Entity.CHANGES, container.sync_changes())


@matinee.command(epilog=_example("matinee openapi > openapi.json"))
def openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(serving.openapi(load()))


@contextmanager
def _started(**overrides: str | int | None) -> Iterator[tuple[Container, Settings]]:
    settings = load(overrides=overrides)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would write a line for each request to TMDB
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with running(settings) as container:
            yield container, settings
    except KeyboardInterrupt:
        _leave(130, "interrupted")


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  a handler's signature
    """SIGTERM unwinds the stack, so that runs are closed and nothing is left open."""
    sys.exit(128 + signum)


def _report(entity: Entity, sync: Callable[..., SyncRun], **options: int) -> NoReturn:
    with progress(entity) as watch:
        run = sync(watch=watch, **options)
    summary(run)
    sys.exit(EXIT_CODES[run.status])
