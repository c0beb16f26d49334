"""`matinee scheduler`: enqueues jobs when they are due.

Several schedulers may run; each entry fires once. The container is not imported here: an idle scheduler stays
small.
"""

import logging
import sys
from collections.abc import Callable
from multiprocessing import get_context

from adapters.redis.cron import CronEntry, run_scheduler
from domain.errors import Unavailable
from domain.sync import Entity
from entrypoints.processes.child_process import SYNCS_REFUSED
from entrypoints.settings import Settings

EXPIRE_SESSIONS_CRON = "17 * * * *"
SWEEP_CRON = "30 3 * * *"
VERIFY_RATINGS_CRON = "30 4 * * *"
RECOUNT_NEIGHBOURS_CRON = "30 5 * * *"
"""Hourly and nightly, not on the hour, when other services have their jobs."""

log = logging.getLogger("matinee.scheduler")


def run(settings: Settings, ready: Callable[[], None] = lambda: None, *, syncs: bool | None = None) -> None:
    """Enqueue due jobs until SIGTERM or SIGINT. Syncs are among them if `syncs` says so; without it, if the
    catalogue accepts movies from our source.

    Calls `ready` when the entries are stored. Raises QueueUnavailable if no queue is configured.
    """
    url = settings.require_queue_url()
    if syncs is None:
        syncs = _source_is_accepted(settings)
    if not syncs:
        log.warning("no syncs are scheduled")
    run_scheduler(url, cron_entries(settings, syncs=syncs), ready)


def cron_entries(settings: Settings, *, syncs: bool = True) -> list[CronEntry]:
    """Which job is due when, in UTC. Without `syncs`, the jobs that read from the source are left out."""
    sync_entries = [
        CronEntry("sync-genres", settings.sync_genres_cron, "sync", (Entity.GENRES.value,)),
        CronEntry("sync-movies", settings.sync_movies_cron, "sync", (Entity.MOVIES.value,)),
    ]
    if settings.sync_discover_cron:
        discover = CronEntry("sync-discover", settings.sync_discover_cron, "sync", (Entity.DISCOVER.value,))
        sync_entries.append(discover)
    return [
        *(sync_entries if syncs else ()),
        CronEntry("expire-sessions", EXPIRE_SESSIONS_CRON, "expire_sessions"),
        CronEntry("sweep", SWEEP_CRON, "sweep"),
        CronEntry("verify-ratings", VERIFY_RATINGS_CRON, "verify_ratings"),
        CronEntry("recount-neighbours", RECOUNT_NEIGHBOURS_CRON, "recount_neighbours"),
    ]


def _source_is_accepted(settings: Settings) -> bool:
    """Whether the catalogue accepts movies from our source. A forked process finds out, because the imports
    would stay in our memory.
    """
    check = get_context("fork").Process(target=_check_source, args=(settings,))
    check.start()
    check.join()
    return check.exitcode != SYNCS_REFUSED


def _check_source(settings: Settings) -> None:
    """Exit with `SYNCS_REFUSED` if the catalogue was filled from another source."""
    from entrypoints.container import running  # noqa: PLC0415  only this process needs it

    try:
        with running(settings) as container:
            refused = container.check_source()()
    except Unavailable as error:  # syncs are scheduled all the same: the store refuses what it must
        log.warning("whether syncs may run is not known: %s", error)
        return
    if refused:
        log.warning("no syncs will run: %s", refused)
        sys.exit(SYNCS_REFUSED)
