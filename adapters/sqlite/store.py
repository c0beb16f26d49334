"""All repositories of the embedded store."""

from pathlib import Path

from adapters.metering import UNMETERED, Meter
from adapters.sqlite.api_tokens import SqliteApiTokenRepository
from adapters.sqlite.backup import refuse_unfinished
from adapters.sqlite.changes import SqliteChangeRepository
from adapters.sqlite.database import Database, storage_errors
from adapters.sqlite.files import Traces
from adapters.sqlite.genres import SqliteGenreRepository
from adapters.sqlite.holdings import SqliteHoldingRepository
from adapters.sqlite.idempotency import SqliteIdempotencyRepository
from adapters.sqlite.imports import SqliteImportRepository
from adapters.sqlite.inspection import inspect
from adapters.sqlite.invitations import SqliteInvitationRepository
from adapters.sqlite.movies import SqliteMovieRepository
from adapters.sqlite.ratings import SqliteRatingRepository
from adapters.sqlite.recommendations import SqliteRecommendationRepository
from adapters.sqlite.runs import SqliteLocks, SqliteSyncRunRepository
from adapters.sqlite.sessions import SqliteSessionRepository
from adapters.sqlite.statistics import SqliteStatisticsRepository
from adapters.sqlite.users import SqliteUserRepository
from adapters.sqlite.viewings import SqliteViewingRepository
from adapters.sqlite.watchlists import SqliteWatchlistRepository
from adapters.store import StoreInspection
from domain.errors import StorageUnavailable
from domain.ports import Clock


class SqliteStore:
    """All repositories over one SQLite file, or in memory without a path.

    `traces` are files that exist beside a used database. If one of them exists and the database does not, the
    database was lost, and no new one is created.
    """

    def __init__(
        self, *, path: Path | None, clock: Clock, meter: Meter = UNMETERED, traces: Traces = ()
    ) -> None:
        database = Database(path, meter, traces)
        self.path = path
        self.traces = traces
        self.database = database
        self.movies = SqliteMovieRepository(database)
        self.genres = SqliteGenreRepository(database)
        self.runs = SqliteSyncRunRepository(database)
        self.locks = SqliteLocks(database, clock)
        self.users = SqliteUserRepository(database)
        self.sessions = SqliteSessionRepository(database)
        self.api_tokens = SqliteApiTokenRepository(database)
        self.invitations = SqliteInvitationRepository(database)
        self.ratings = SqliteRatingRepository(database, clock)
        self.watchlists = SqliteWatchlistRepository(database, clock)
        self.viewings = SqliteViewingRepository(database, clock)
        self.changes = SqliteChangeRepository(database)
        self.idempotency = SqliteIdempotencyRepository(database)
        self.holdings = SqliteHoldingRepository(database, clock)
        self.statistics = SqliteStatisticsRepository(database)
        self.imports = SqliteImportRepository(database, clock)
        self.recommendations = SqliteRecommendationRepository(database)

    def prepare(self) -> None:
        if self.path:
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                reason = f"the data directory {self.path.parent} cannot be created: {error.strerror}"
                raise StorageUnavailable(reason) from error
            refuse_unfinished(self.path)
        self.database.migrate()

    def exists(self) -> bool:
        if self.path:
            refuse_unfinished(self.path)
        return self.database.exists()

    def ping(self) -> None:
        with self.database.reading() as connection:
            connection.execute("SELECT value FROM counters WHERE name = 'generation'").fetchone()

    def inspect(self) -> StoreInspection:
        if self.path:
            refuse_unfinished(self.path)
        return inspect(self.path, self.database, self.traces)

    def close(self) -> None:
        with storage_errors(self.path):
            self.database.close()
