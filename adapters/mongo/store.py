"""The distributed store as a whole."""

from dataclasses import dataclass, field

from adapters.metering import UNMETERED, Meter
from adapters.mongo.database import Database
from adapters.mongo.genres import MongoGenreRepository
from adapters.mongo.inspection import inspect
from adapters.mongo.invitations import MongoInvitationRepository
from adapters.mongo.movies import MongoMovieRepository
from adapters.mongo.ratings import MongoRatingRepository
from adapters.mongo.runs import MongoLocks, MongoSyncRunRepository
from adapters.mongo.users import MongoSessionRepository, MongoUserRepository
from adapters.mongo.watchlists import MongoWatchlistRepository
from adapters.store import StoreInspection
from domain.ports import Clock


@dataclass(frozen=True, slots=True)
class MongoStore:
    """All repositories over one MongoDB database. The URI holds a password, so it is shown nowhere."""

    uri: str = field(repr=False)
    clock: Clock
    meter: Meter = UNMETERED
    database: Database = field(init=False)
    movies: MongoMovieRepository = field(init=False)
    genres: MongoGenreRepository = field(init=False)
    runs: MongoSyncRunRepository = field(init=False)
    locks: MongoLocks = field(init=False)
    users: MongoUserRepository = field(init=False)
    sessions: MongoSessionRepository = field(init=False)
    invitations: MongoInvitationRepository = field(init=False)
    ratings: MongoRatingRepository = field(init=False)
    watchlists: MongoWatchlistRepository = field(init=False)

    def __post_init__(self) -> None:
        database = Database(self.uri, self.meter)
        for name, part in (
            ("database", database),
            ("movies", MongoMovieRepository(database)),
            ("genres", MongoGenreRepository(database)),
            ("runs", MongoSyncRunRepository(database)),
            ("locks", MongoLocks(database, self.clock)),
            ("users", MongoUserRepository(database)),
            ("sessions", MongoSessionRepository(database)),
            ("invitations", MongoInvitationRepository(database)),
            ("ratings", MongoRatingRepository(database)),
            ("watchlists", MongoWatchlistRepository(database)),
        ):
            object.__setattr__(self, name, part)

    def prepare(self) -> None:
        self.database.migrate()

    def exists(self) -> bool:
        with self.database.using() as database:
            return database.counters.find_one("schema") is not None

    def ping(self) -> None:
        with self.database.using() as database:
            database.command("ping")

    def inspect(self) -> StoreInspection:
        return inspect(self.database)

    def close(self) -> None:
        self.database.close()
