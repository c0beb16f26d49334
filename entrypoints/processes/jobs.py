"""What a worker does, each job by its import path. This is the workers' outward border.

A job runs in a process of its own, forked from the worker, and opens everything anew: nothing that was opened
before a fork may be used after it. So nothing heavy is imported here before a job begins either.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from domain.ids import RunId
from domain.sync import Entity, FilledFromAnotherSource, Status, SyncRunning
from entrypoints.settings import Settings, load

if TYPE_CHECKING:
    from entrypoints.container import Container

log = logging.getLogger(__name__)

in_force: ContextVar[Settings | None] = ContextVar("in_force", default=None)
"""What jobs go by; a worker sets it, and the processes that it forks have it too."""


def sync(entity: str, queued: str | None = None) -> None:
    """Do a sync, if none of its kind is at work. `queued` names the run that is on record for it.

    Raises SourceUnavailable if nothing could be read, and SourceRefused if the credential is no good.
    """
    with _at_work() as container, _in_turn(entity):
        run = container.do_sync()(entity=Entity(entity), queued=RunId(queued) if queued else None)
        log.info("sync of %s: %s, %d of %d pages", entity, run.status, run.pages_done, run.pages_total)


def sweep() -> None:
    """Refresh what is old, and clear texts that may not be kept any longer.

    Raises SourceUnavailable if nothing could be read, and SourceRefused if the credential is no good.
    """
    with _at_work() as container, _in_turn(Entity.CHANGES):
        swept = container.sweep_catalogue()()
        refreshed = swept.run.status if swept.run else "nothing refreshed"
        log.info("sweep: %s, %d movies cleared of texts", refreshed, swept.cleared)
        if swept.run and swept.run.status is Status.FAILED:
            raise swept.run.failure


def verify_ratings() -> None:
    """Recount every movie's tally, and correct it where it is wrong, which it never should be."""
    with _at_work() as container:
        for drift in container.verify_ratings()(repair=True):
            log.warning("tally corrected: %s", drift)


def expire_sessions() -> None:
    """Delete the sessions and the invitations that have expired."""
    with _at_work() as container:
        now = container.clock()()
        log.info("%d expired sessions removed", container.sessions().remove_expired(now))
        log.info("%d expired invitations removed", container.invitations().remove_expired(now))


@contextmanager
def _at_work() -> Iterator["Container"]:
    from entrypoints.container import running  # noqa: PLC0415  only a job's process needs all that

    with running(in_force.get() or load()) as container:
        yield container


@contextmanager
def _in_turn(entity: str) -> Iterator[None]:
    """That another run does the work already is no failure, nor is trying again any use with a source that is
    not the catalogue's.
    """
    try:
        yield
    except SyncRunning:
        log.info("sync of %s: left to the one that is at work", entity)
    except FilledFromAnotherSource as error:
        log.warning("sync of %s: %s", entity, error)
