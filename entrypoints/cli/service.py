"""What runs until it is stopped: everything on this machine, or one role of several hosts."""
# ruff: noqa: PLC0415  each process imports what its role needs: the supervisor, above all, stays small

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import click

from entrypoints.cli.border import ENV_FILE, configured, data_dir_option, example, started
from entrypoints.processes.banner import banner, say
from entrypoints.processes.listening_socket import listening
from entrypoints.processes.parent_death import hold

ROLES_NEED = ("MONGODB_URI", "REDIS_URL", "JWT_SECRET")
"""What must be the same on every host, so no host may make it up."""

host_option = click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
port_option = click.option("--port", type=int, help="Port to listen on.  [default: 8080]")


@click.command(epilog=example("matinee serve\nPUBLIC_CATALOGUE=true matinee serve --port 9000"))
@host_option
@port_option
@data_dir_option
def serve(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Run everything on this machine; the first start fills the catalogue.

    Starts, watches and stops the API, a worker, a scheduler and, unless REDIS_URL is set, the bundled Valkey.
    """
    from entrypoints.processes.supervisor import supervise

    sys.exit(supervise(configured(role="serve", host=host, port=port, data_dir=data_dir)))


@click.command(epilog=example("matinee api\nmatinee api --host 0.0.0.0 --port 8080"))
@host_option
@port_option
@data_dir_option
def api(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Answer requests: one role of several hosts.

    Needs MONGODB_URI, REDIS_URL and JWT_SECRET.
    """
    from entrypoints.processes import api as serving

    with (
        started(ROLES_NEED, role="api", host=host, port=port, data_dir=data_dir) as (container, settings),
        listening(settings) as listener,
    ):
        serving.serve(container, settings, listener, lambda: say(banner(settings, listener)))


@click.command(epilog=example("matinee worker"))
@data_dir_option
def worker(data_dir: str | None) -> None:
    """Do the jobs of the queue, one after the other: one role of several hosts.

    Needs MONGODB_URI, REDIS_URL and JWT_SECRET. Any number may run.
    """
    _work(ROLES_NEED, data_dir=data_dir)


@click.command(epilog=example("matinee scheduler"))
@data_dir_option
def scheduler(data_dir: str | None) -> None:
    """Put jobs into the queue when they are due: one role of several hosts.

    Needs MONGODB_URI, REDIS_URL and JWT_SECRET. Of several, one is at work and the others stand by.
    """
    _schedule(ROLES_NEED, data_dir=data_dir)


@click.command(epilog=example("matinee openapi > openapi.json"))
def openapi() -> None:
    """Print the OpenAPI document."""
    from entrypoints.processes import api as serving

    click.echo(serving.openapi(configured()))


@click.command(hidden=True)
@click.argument("role", type=click.Choice(["prepare", "api", "worker", "scheduler"]))
@click.option("--leash", type=int, required=True, help="Read end of a pipe that lasts as long as we do.")
@click.option("--gate", type=int, help="Read end of a pipe that ends when the store is ready.")
@click.option("--listener", type=int, help="The bound socket.")
@click.option("--reports", type=int, required=True, help="Write end of a pipe for the role, once it is up.")
def child(role: str, *, leash: int, reports: int, gate: int | None, listener: int | None) -> None:
    """One role, as `matinee serve` starts it: what it shares with the others comes in descriptors, and all
    settings, those of a `.env` file included, in the environment.
    """
    hold(leash)
    ready = cache(partial(_report, reports, role))
    if role == "prepare":
        _prepare(ready)
    elif role == "worker":
        _work(env_file=None, ready=ready)
    elif role == "scheduler":
        _schedule(env_file=None, ready=ready)
    elif gate is None or listener is None:
        raise click.UsageError("the api needs --gate and --listener")
    else:
        _answer(gate, socket.socket(fileno=listener), ready)


def _report(reports: int, role: str) -> None:
    """Tell the supervisor that a role is up; if the supervisor has gone, the leash ends us."""
    with suppress(BrokenPipeError):
        os.write(reports, f"{role}\n".encode())


def _prepare(ready: Callable[[], None]) -> None:
    """Open the store and make what is missing: whatever keeps `serve` from starting shows here.

    `ready` is called if the service is to begin before the catalogue is filled.
    """
    from entrypoints.processes.first_run import fill_if_empty

    with started(role="prepare", env_file=None) as (container, settings):
        container.tokens()
        fill_if_empty(container, settings, ready)


def _answer(gate: int, listener: socket.socket, ready: Callable[[], None]) -> None:
    from entrypoints.processes import api as serving  # takes longest, so before the gate

    os.read(gate, 1)
    with started(role="api", env_file=None) as (container, settings):
        serving.serve(container, settings, listener, ready)


def _work(
    required: tuple[str, ...] = (),
    env_file: Path | None = ENV_FILE,
    ready: Callable[[], None] = lambda: None,
    data_dir: str | None = None,
) -> None:
    from entrypoints.processes.worker import work

    work(configured(required, role="worker", env_file=env_file, data_dir=data_dir), ready)


def _schedule(
    required: tuple[str, ...] = (),
    env_file: Path | None = ENV_FILE,
    ready: Callable[[], None] = lambda: None,
    data_dir: str | None = None,
) -> None:
    from entrypoints.processes.scheduler import schedule

    schedule(configured(required, role="scheduler", env_file=env_file, data_dir=data_dir), ready)
