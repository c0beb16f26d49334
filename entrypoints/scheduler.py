"""`matinee scheduler`: queue jobs when they are due, until told to stop.

There may be several; each entry fires once. Like the worker, it holds little, and is not made by the
container.
"""

from collections.abc import Callable

from adapters.redis.timetable import Entry, keep
from domain.sync import Entity
from entrypoints.queueing import queue_address
from entrypoints.settings import Settings

SESSIONS_CRON = "17 * * * *"
SWEEP_CRON = "30 3 * * *"
RATINGS_CRON = "30 4 * * *"
"""Every hour and every night, off the hours at which everybody's jobs begin."""


def schedule(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Queue jobs by the timetable until SIGTERM or SIGINT. `ready` is called when the timetable stands.

    Raises QueueUnavailable if no queue is configured.
    """
    keep(queue_address(settings), timetable(settings), ready)


def timetable(settings: Settings) -> list[Entry]:
    """What is to be done when, in UTC."""
    return [
        Entry("sync-genres", settings.sync_genres_cron, "sync", (Entity.GENRES.value,)),
        Entry("sync-movies", settings.sync_movies_cron, "sync", (Entity.MOVIES.value,)),
        Entry("expire-sessions", SESSIONS_CRON, "expire_sessions"),
        Entry("sweep", SWEEP_CRON, "sweep"),
        Entry("verify-ratings", RATINGS_CRON, "verify_ratings"),
    ]
