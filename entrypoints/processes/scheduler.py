"""`matinee scheduler`: queue jobs when they are due, until told to stop.

There may be several; each entry fires once. Like the worker, it holds little, and is not made by the
container.
"""

import logging
import sys
from collections.abc import Callable
from multiprocessing import get_context

from adapters.redis.timetable import Entry, keep
from domain.errors import Unavailable
from domain.sync import Entity
from entrypoints.queueing import queue_address
from entrypoints.settings import Settings

SESSIONS_CRON = "17 * * * *"
SWEEP_CRON = "30 3 * * *"
RATINGS_CRON = "30 4 * * *"
"""Every hour and every night, off the hours at which everybody's jobs begin."""


REFUSED = 3
"""The exit code of a look that found a catalogue of another source."""

log = logging.getLogger(__name__)


def schedule(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Queue jobs by the timetable until SIGTERM or SIGINT. `ready` is called when the timetable stands.

    Raises QueueUnavailable if no queue is configured.
    """
    address = queue_address(settings)
    keep(address, timetable(settings, syncs=_syncs_are_admitted(settings)), ready)


def timetable(settings: Settings, *, syncs: bool = True) -> list[Entry]:
    """What is to be done when, in UTC. Without `syncs` nothing is read from a source."""
    reading = [
        Entry("sync-genres", settings.sync_genres_cron, "sync", (Entity.GENRES.value,)),
        Entry("sync-movies", settings.sync_movies_cron, "sync", (Entity.MOVIES.value,)),
    ]
    return [
        *(reading if syncs else ()),
        Entry("expire-sessions", SESSIONS_CRON, "expire_sessions"),
        Entry("sweep", SWEEP_CRON, "sweep"),
        Entry("verify-ratings", RATINGS_CRON, "verify_ratings"),
    ]


def _syncs_are_admitted(settings: Settings) -> bool:
    """Whether syncs may write to the catalogue. A process of its own looks: what that takes would stay in our
    memory.
    """
    look = get_context("fork").Process(target=_look, args=(settings,))
    look.start()
    look.join()
    return look.exitcode != REFUSED


def _look(settings: Settings) -> None:
    """End with `REFUSED` if the catalogue was filled from another source."""
    from entrypoints.container import running  # noqa: PLC0415  see above

    try:
        with running(settings) as container:
            refused = container.check_source()()
    except Unavailable as error:  # syncs are scheduled then; the store refuses what it must refuse
        log.warning("whether syncs may run is not known: %s", error)
        return
    if refused:
        log.warning("no syncs are scheduled: %s", refused)
        sys.exit(REFUSED)
