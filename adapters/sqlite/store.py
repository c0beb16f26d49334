"""The embedded store as a whole."""

from dataclasses import dataclass, field
from pathlib import Path

from adapters.metering import UNMETERED, Meter
from adapters.sqlite.backup import refuse_unfinished
from adapters.sqlite.database import Database, storage_errors
from adapters.sqlite.files import Traces
from adapters.sqlite.genres import SqliteGenreRepository
from adapters.sqlite.inspection import inspect
from adapters.sqlite.invitations import SqliteInvitationRepository
from adapters.sqlite.movies import SqliteMovieRepository
from adapters.sqlite.ratings import SqliteRatingRepository
from adapters.sqlite.runs import SqliteLocks, SqliteSyncRunRepository
from adapters.sqlite.users import SqliteSessionRepository, SqliteUserRepository
from adapters.sqlite.watchlists import SqliteWatchlistRepository
from adapters.store import StoreInspection
from domain.errors import StorageUnavailable
from domain.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteStore:
    """All repositories over one SQLite file, or in memory without a path.

    `traces` are files that stand beside the database once one was made: where one does and the database is
    missing, it was lost, and no new one is made.
    """

    path: Path | None
    clock: Clock
    meter: Meter = UNMETERED
    traces: Traces = ()
    database: Database = field(init=False)
    movies: SqliteMovieRepository = field(init=False)
    genres: SqliteGenreRepository = field(init=False)
    runs: SqliteSyncRunRepository = field(init=False)
    locks: SqliteLocks = field(init=False)
    users: SqliteUserRepository = field(init=False)
    sessions: SqliteSessionRepository = field(init=False)
    invitations: SqliteInvitationRepository = field(init=False)
    ratings: SqliteRatingRepository = field(init=False)
    watchlists: SqliteWatchlistRepository = field(init=False)

    def __post_init__(self) -> None:
        database = Database(self.path, self.meter, self.traces)
        for name, part in (
            ("database", database),
            ("movies", SqliteMovieRepository(database)),
            ("genres", SqliteGenreRepository(database)),
            ("runs", SqliteSyncRunRepository(database)),
            ("locks", SqliteLocks(database, self.clock)),
            ("users", SqliteUserRepository(database)),
            ("sessions", SqliteSessionRepository(database)),
            ("invitations", SqliteInvitationRepository(database)),
            ("ratings", SqliteRatingRepository(database)),
            ("watchlists", SqliteWatchlistRepository(database)),
        ):
            object.__setattr__(self, name, part)

    def prepare(self) -> None:
        if self.path:
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                reason = f"the data directory {self.path.parent} cannot be made: {error.strerror}"
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
