"""Interfaces through which the core uses the outside. The docstring of a method is its contract; every
sentence is tested on every adapter.

All methods are synchronous and may be called from any thread. Every method of a repository raises
StorageUnavailable if the storage cannot be reached, does not answer within two seconds or refuses to work;
then nothing is half-written.
"""

from domain.ports.accounts import (
    AccessTokens,
    ApiTokenRepository,
    ApiTokenTexts,
    InvitationRepository,
    PasswordHasher,
    RefreshTokens,
    SessionRepository,
    UserRepository,
)
from domain.ports.catalogue import (
    GenreRepository,
    MovieRepository,
    MovieSource,
    PictureSource,
    SyncRunRepository,
)
from domain.ports.changes import ChangeRepository
from domain.ports.holdings import HoldingRepository
from domain.ports.idempotency import IdempotencyRepository
from domain.ports.imports import ImportRepository, UploadReader
from domain.ports.infrastructure import CacheInvalidation, Clock, JobQueue, Locks, QueueUnavailable
from domain.ports.ratings import RatingRepository, WatchlistRepository
from domain.ports.recommendations import RecommendationRepository
from domain.ports.scrobbles import PlaybackReader
from domain.ports.viewings import StatisticsRepository, ViewingRepository

__all__ = [
    "AccessTokens",
    "ApiTokenRepository",
    "ApiTokenTexts",
    "CacheInvalidation",
    "ChangeRepository",
    "Clock",
    "GenreRepository",
    "HoldingRepository",
    "IdempotencyRepository",
    "ImportRepository",
    "InvitationRepository",
    "JobQueue",
    "Locks",
    "MovieRepository",
    "MovieSource",
    "PasswordHasher",
    "PictureSource",
    "PlaybackReader",
    "QueueUnavailable",
    "RatingRepository",
    "RecommendationRepository",
    "RefreshTokens",
    "SessionRepository",
    "StatisticsRepository",
    "SyncRunRepository",
    "UploadReader",
    "UserRepository",
    "ViewingRepository",
    "WatchlistRepository",
]
