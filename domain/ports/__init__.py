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
    CacheInvalidation,
    Clock,
    JobQueue,
    Locks,
    QueueUnavailable,
    SyncRunRepository,
)

__all__ = [
    "AccessTokens",
    "CacheInvalidation",
    "Clock",
    "GenreRepository",
    "InvitationRepository",
    "JobQueue",
    "Locks",
    "MovieRepository",
    "MovieSource",
    "PasswordHasher",
    "QueueUnavailable",
    "RatingRepository",
    "RefreshTokens",
    "SessionRepository",
    "SyncRunRepository",
    "UserRepository",
    "WatchlistRepository",
]
