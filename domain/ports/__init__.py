"""What the core asks of the outside. The docstring of a method is its contract; every sentence is tested on
every adapter.

All methods are synchronous and may be called from any thread. Storage that is away, silent for two seconds or
refuses to work raises StorageUnavailable from every method of a repository, and nothing is half-written.
"""

from domain.ports.catalogue import GenreRepository, MovieRepository, MovieSource
from domain.ports.people import (
    AccessTokens,
    InvitationRepository,
    PasswordHasher,
    RatingRepository,
    RefreshTokens,
    SessionRepository,
    UserRepository,
    WatchlistRepository,
)
from domain.ports.running import (
    UNMETERED,
    Changes,
    Clock,
    Counted,
    Jobs,
    Locks,
    Meter,
    QueueTime,
    QueueUnavailable,
    Reading,
    SyncRunRepository,
    Timed,
    Unmetered,
    queue_time,
)

__all__ = [
    "UNMETERED",
    "AccessTokens",
    "Changes",
    "Clock",
    "Counted",
    "GenreRepository",
    "InvitationRepository",
    "Jobs",
    "Locks",
    "Meter",
    "MovieRepository",
    "MovieSource",
    "PasswordHasher",
    "QueueTime",
    "QueueUnavailable",
    "RatingRepository",
    "Reading",
    "RefreshTokens",
    "SessionRepository",
    "SyncRunRepository",
    "Timed",
    "Unmetered",
    "UserRepository",
    "WatchlistRepository",
    "queue_time",
]
