"""The interface of a store: its repositories, and operations on the store as a whole."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ports import (
    ApiTokenRepository,
    ChangeRepository,
    GenreRepository,
    HoldingRepository,
    IdempotencyRepository,
    ImportRepository,
    InvitationRepository,
    Locks,
    MovieRepository,
    RatingRepository,
    RecommendationRepository,
    SessionRepository,
    StatisticsRepository,
    SyncRunRepository,
    UserRepository,
    ViewingRepository,
    WatchlistRepository,
)
from domain.sync import SourceName


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInspection:
    """The state of a store.

    `version` is the version of its schema, 0 if it was never prepared, and `newest` that of this program.
    `missing` names the parts of that version's schema that the store lacks, as "collection.index". `clock` is
    the time of the store's host; None for this host. `damage` names what is broken, as far as the store can
    tell. `source` has filled the catalogue; None if the store remembers none.
    """

    version: int
    newest: int
    missing: tuple[str, ...] = ()
    clock: datetime | None = None
    damage: tuple[str, ...] = ()
    source: SourceName | None = None


class Store(Protocol):
    """All repositories over one database."""

    @property
    def movies(self) -> MovieRepository: ...
    @property
    def genres(self) -> GenreRepository: ...
    @property
    def runs(self) -> SyncRunRepository: ...
    @property
    def locks(self) -> Locks: ...
    @property
    def users(self) -> UserRepository: ...
    @property
    def sessions(self) -> SessionRepository: ...
    @property
    def changes(self) -> ChangeRepository: ...
    @property
    def holdings(self) -> HoldingRepository: ...
    @property
    def idempotency(self) -> IdempotencyRepository: ...
    @property
    def api_tokens(self) -> ApiTokenRepository: ...
    @property
    def invitations(self) -> InvitationRepository: ...
    @property
    def ratings(self) -> RatingRepository: ...
    @property
    def watchlists(self) -> WatchlistRepository: ...
    @property
    def viewings(self) -> ViewingRepository: ...
    @property
    def statistics(self) -> StatisticsRepository: ...
    @property
    def imports(self) -> ImportRepository: ...
    @property
    def recommendations(self) -> RecommendationRepository: ...

    def prepare(self) -> None:
        """Create what is missing and migrate older schemas; safe when several processes do so at once.

        Raises StorageUnavailable, also for a database that belongs to others, was lost, or is newer than this
        program.
        """
        ...

    def exists(self) -> bool:
        """Whether the store was ever prepared. Changes nothing. Raises StorageUnavailable like `prepare`."""
        ...

    def ping(self) -> None:
        """Return if the store answers. Raises StorageUnavailable."""
        ...

    def inspect(self) -> StoreInspection:
        """Examine the store. Changes nothing. Raises StorageUnavailable."""
        ...

    def close(self) -> None:
        """Close connections and files."""
        ...
