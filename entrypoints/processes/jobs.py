"""The jobs that a worker runs: functions that the queue names, with strings as arguments.

A job runs in its own process, forked from the worker, and opens everything itself: nothing that was opened
before a fork may be used after it. Heavy modules are imported by the job, not here. When a job raises, RQ
tries it again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from domain.ids import ImportId, RunId
from domain.sync import Entity, FilledFromAnotherSource, Status, SyncRunning
from entrypoints.memory import collect_less
from entrypoints.settings import Settings, load

if TYPE_CHECKING:
    from entrypoints.container import Container

log = logging.getLogger("matinee.jobs")

worker_settings: ContextVar[Settings | None] = ContextVar("worker_settings", default=None)
"""The settings of the worker, which the processes that it forks inherit."""


def sync(entity: str, queued: str | None = None) -> None:
    """Run a sync, unless one of its kind is running. `queued` is the id of the run that was enqueued.

    Raises SourceUnavailable if nothing could be read, and SourceRefused if TMDB refuses the credential.
    """
    with _running_container() as container, _tolerating_other_runs(entity):
        run = container.run_sync()(entity=Entity(entity), queued=RunId(queued) if queued else None)
        log.info("sync of %s: %s, %d of %d pages", entity, run.status, run.pages_done, run.pages_total)


def sweep() -> None:
    """Refresh old movies, and clear the texts that may no longer be stored.

    Raises SourceUnavailable if nothing could be read, and SourceRefused if TMDB refuses the credential.
    """
    with _running_container() as container, _tolerating_other_runs(Entity.CHANGES):
        swept = container.sweep_catalogue()()
        refreshed = swept.run.status if swept.run else "nothing refreshed"
        log.info("sweep: %s, %d movies cleared of texts", refreshed, swept.cleared)
        if swept.run and swept.run.status is Status.FAILED:
            raise swept.run.failure


def verify_ratings() -> None:
    """Recount the tally of every movie, and repair those that differ."""
    with _running_container() as container:
        for drift in container.verify_ratings()(repair=True):
            log.warning("tally corrected: %s", drift)


def run_import(imported: str) -> None:
    """Do what an import waits for: read and match it, apply it, or undo it."""
    with _running_container() as container:
        found = container.run_import()(imported=ImportId(imported))
        log.info("import %s: %s", imported, found.state if found else "nothing to do")


def update_neighbours() -> None:
    """Compute the neighbours of those movies again that depend on ratings that have changed."""
    with _running_container() as container:
        log.info("neighbours of %d movies updated", container.update_neighbours()())


def recount_neighbours() -> None:
    """Compute the neighbours of all movies again."""
    with _running_container() as container:
        log.info("neighbours of %d movies recounted", container.recount_neighbours()())


def expire_sessions() -> None:
    """Delete expired sessions, invitations, idempotency keys and records of removed entries."""
    with _running_container() as container:
        now = container.clock()()
        log.info("%d expired sessions removed", container.sessions().remove_expired(now))
        log.info("%d expired invitations removed", container.invitations().remove_expired(now))
        log.info("%d idempotency keys removed", container.idempotency().remove_expired(now))
        log.info("%d records of removed entries removed", container.forget_removals()())


@contextmanager
def _running_container() -> Iterator["Container"]:
    from entrypoints.container import running  # noqa: PLC0415  only the process of a job needs it

    with running(worker_settings.get() or load()) as container:
        collect_less()
        yield container


@contextmanager
def _tolerating_other_runs(entity: str) -> Iterator[None]:
    """End the job as done if another run does its work, or if the catalogue has another source: another
    attempt would not help.
    """
    try:
        yield
    except SyncRunning:
        log.info("sync of %s: another run is in progress", entity)
    except FilledFromAnotherSource as error:
        log.warning("sync of %s: %s", entity, error)
