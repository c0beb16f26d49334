"""Commands that run the whole service, or one role of it, until they are stopped; and `matinee openapi`."""
# ruff: noqa: PLC0415  each process imports only what its role needs, so that the supervisor stays small

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import click

from entrypoints.cli.context import ENV_FILE, data_dir_option, examples, load_settings, running_role
from entrypoints.console import echo
from entrypoints.processes.banner import banner
from entrypoints.processes.listening_socket import bound_socket
from entrypoints.processes.parent_death import hold_lifeline

REQUIRED = ("MONGODB_URI", "REDIS_URL", "JWT_SECRET")
"""The settings that a role needs: they must be the same on every host, so there is no default."""

host_option = click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
port_option = click.option("--port", type=int, help="Port to listen on.  [default: 8080]")


@click.command(epilog=examples("matinee serve\nPUBLIC_CATALOGUE=true matinee serve --port 9000"))
@host_option
@port_option
@data_dir_option
def serve(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Run everything on this machine; the first start fills the catalogue.

    Starts, watches and stops the API, a worker, a scheduler and, unless REDIS_URL is set, the bundled Valkey.
    """
    from entrypoints.processes import supervisor

    sys.exit(supervisor.run(load_settings(role="serve", host=host, port=port, data_dir=data_dir)))


@click.command(epilog=examples("matinee api\nmatinee api --host 0.0.0.0 --port 8080"))
@host_option
@port_option
@data_dir_option
def api(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Answer requests: one role of several hosts.

    Needs MONGODB_URI, REDIS_URL and JWT_SECRET.
    """
    from entrypoints.processes import api as process

    with (
        running_role("api", REQUIRED, host=host, port=port, data_dir=data_dir) as (container, settings),
        bound_socket(settings) as listener,
    ):
        process.run(container, settings, listener, lambda: echo(banner(settings, listener)))


@click.command(epilog=examples("matinee worker"))
@data_dir_option
def worker(data_dir: str | None) -> None:
    """Do the jobs of the queue, one after the other: one role of several hosts.

    Needs MONGODB_URI, REDIS_URL and JWT_SECRET. Any number may run.
    """
    _run_worker(REQUIRED, data_dir=data_dir)


@click.command(epilog=examples("matinee scheduler"))
@data_dir_option
def scheduler(data_dir: str | None) -> None:
    """Put jobs into the queue when they are due: one role of several hosts.

    Needs MONGODB_URI, REDIS_URL and JWT_SECRET. Of several, one is active and the others stand by.
    """
    _run_scheduler(REQUIRED, data_dir=data_dir)


@click.command(epilog=examples("matinee openapi > openapi.json"))
def openapi() -> None:
    """Print the OpenAPI document."""
    from entrypoints.processes import api as process

    click.echo(process.openapi(load_settings()))


@click.command(hidden=True)
@click.argument("role", type=click.Choice(["prepare", "api", "worker", "scheduler"]))
@click.option(
    "--lifeline", type=int, required=True, help="Read end of a pipe that closes with the supervisor."
)
@click.option("--gate", type=int, help="Read end of a pipe that closes when the store is ready.")
@click.option("--listener", type=int, help="The bound socket.")
@click.option(
    "--reports",
    type=int,
    required=True,
    help="Write end of a pipe to which the id of the process is written when it is up.",
)
@click.option("--syncs/--no-syncs", default=None, help="Whether the scheduler schedules syncs.")
def child(
    role: str, *, lifeline: int, reports: int, gate: int | None, listener: int | None, syncs: bool | None
) -> None:
    """Run one role as a child of `matinee serve`, which passes pipes and sockets as descriptors, and all
    settings in the environment.
    """
    hold_lifeline(lifeline)
    ready = cache(partial(_report, reports))
    if role == "prepare":
        _prepare_store(ready)
    elif role == "worker":
        _run_worker(env_file=None, ready=ready)
    elif role == "scheduler":
        _run_scheduler(env_file=None, ready=ready, syncs=syncs)
    elif gate is None or listener is None:
        raise click.UsageError("the api needs --gate and --listener")
    else:
        _run_api(gate, socket.socket(fileno=listener), ready)


def _report(reports: int) -> None:
    """Report to the supervisor that this process is up. If it has ended, the lifeline ends this process."""
    with suppress(BrokenPipeError):
        os.write(reports, f"{os.getpid()}\n".encode())


def _prepare_store(ready: Callable[[], None]) -> None:
    """Open the store, create what is missing and fill an empty catalogue; an error here ends `serve`.

    Calls `ready` if the service is to start before the catalogue is filled. Exits with `SYNCS_REFUSED` if no
    sync may run.
    """
    from entrypoints.processes.child_process import SYNCS_REFUSED
    from entrypoints.processes.first_run import fill_if_empty

    with running_role("prepare", env_file=None) as (container, settings):
        container.tokens()
        syncs_may_run = fill_if_empty(container, settings, ready)
    if not syncs_may_run:
        sys.exit(SYNCS_REFUSED)


def _run_api(gate: int, listener: socket.socket, ready: Callable[[], None]) -> None:
    from entrypoints.processes import api as process  # the slowest import, while the store is prepared

    os.read(gate, 1)
    with running_role("api", env_file=None) as (container, settings):
        process.run(container, settings, listener, ready)


def _run_worker(
    required: tuple[str, ...] = (),
    env_file: Path | None = ENV_FILE,
    ready: Callable[[], None] = lambda: None,
    data_dir: str | None = None,
) -> None:
    from entrypoints.processes import worker as process

    process.run(load_settings(required, role="worker", env_file=env_file, data_dir=data_dir), ready)


def _run_scheduler(
    required: tuple[str, ...] = (),
    env_file: Path | None = ENV_FILE,
    ready: Callable[[], None] = lambda: None,
    data_dir: str | None = None,
    *,
    syncs: bool | None = None,
) -> None:
    from entrypoints.processes import scheduler as process

    settings = load_settings(required, role="scheduler", env_file=env_file, data_dir=data_dir)
    process.run(settings, ready, syncs=syncs)
