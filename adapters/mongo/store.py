"""All repositories of the distributed store."""

from adapters.metering import UNMETERED, Meter
from adapters.mongo.api_tokens import MongoApiTokenRepository
from adapters.mongo.changes import MongoChangeRepository
from adapters.mongo.database import Database
from adapters.mongo.genres import MongoGenreRepository
from adapters.mongo.holdings import MongoHoldingRepository
from adapters.mongo.idempotency import MongoIdempotencyRepository
from adapters.mongo.imports import MongoImportRepository
from adapters.mongo.inspection import inspect
from adapters.mongo.invitations import MongoInvitationRepository
from adapters.mongo.movies import MongoMovieRepository
from adapters.mongo.ratings import MongoRatingRepository
from adapters.mongo.recommendations import MongoRecommendationRepository
from adapters.mongo.runs import MongoLocks, MongoSyncRunRepository
from adapters.mongo.sessions import MongoSessionRepository
from adapters.mongo.statistics import MongoStatisticsRepository
from adapters.mongo.users import MongoUserRepository
from adapters.mongo.viewings import MongoViewingRepository
from adapters.mongo.watchlists import MongoWatchlistRepository
from adapters.store import StoreInspection
from domain.ports import Clock


class MongoStore:
    """All repositories over one MongoDB database."""

    def __init__(self, uri: str, clock: Clock, meter: Meter = UNMETERED) -> None:
        database = Database(uri, meter)
        self.database = database
        self.movies = MongoMovieRepository(database)
        self.genres = MongoGenreRepository(database)
        self.runs = MongoSyncRunRepository(database)
        self.locks = MongoLocks(database, clock)
        self.users = MongoUserRepository(database)
        self.sessions = MongoSessionRepository(database)
        self.api_tokens = MongoApiTokenRepository(database)
        self.invitations = MongoInvitationRepository(database)
        self.ratings = MongoRatingRepository(database, clock)
        self.watchlists = MongoWatchlistRepository(database, clock)
        self.viewings = MongoViewingRepository(database, clock)
        self.changes = MongoChangeRepository(database)
        self.idempotency = MongoIdempotencyRepository(database)
        self.holdings = MongoHoldingRepository(database, clock)
        self.statistics = MongoStatisticsRepository(database)
        self.imports = MongoImportRepository(database, clock)
        self.recommendations = MongoRecommendationRepository(database)

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
