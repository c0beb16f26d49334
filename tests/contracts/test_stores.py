"""The contract suites on both stores, and on any real MongoDB that MATINEE_TEST_MONGODB_URI names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection

from adapters.mongo.documents import session_document, tally_document
from adapters.mongo.store import MongoStore
from adapters.sqlite.ratings import set_tally
from adapters.sqlite.rows import insert, session_row
from adapters.sqlite.store import SqliteStore
from adapters.testkit import (
    ApiTokenRepositoryContract,
    CatalogueSourceContract,
    ChangeRepositoryContract,
    ConcurrentRatingsContract,
    DriftContract,
    EndingSessionsContract,
    GenreRepositoryContract,
    IdempotencyRepositoryContract,
    ImportRepositoryContract,
    InvitationRepositoryContract,
    ListedMoviesContract,
    LocksContract,
    MovieListContract,
    MovieRepositoryContract,
    MovieSearchContract,
    OwnMoviesContract,
    RatedMoviesContract,
    RatingRepositoryContract,
    RecommendationRepositoryContract,
    SeenMoviesContract,
    SessionRepositoryContract,
    StatisticsRepositoryContract,
    StoreContract,
    SyncRunRepositoryContract,
    TranslatedMoviesContract,
    UserRepositoryContract,
    ViewingRepositoryContract,
    WatchlistRepositoryContract,
)
from adapters.testkit.locks import ManualClock
from adapters.testkit.ratings import ForceTally
from adapters.testkit.sessions import FailingDeletes, InsertSession
from domain.errors import StorageUnavailable
from domain.ids import MovieId
from domain.ratings import Tally
from domain.sessions import Session
from tests.contracts.mongo_server import SERVERS, address, fresh_database
from tests.stores import store_in_file, store_in_memory


class Contracts(
    MovieRepositoryContract,
    MovieListContract,
    OwnMoviesContract,
    MovieSearchContract,
    TranslatedMoviesContract,
    GenreRepositoryContract,
    SyncRunRepositoryContract,
    CatalogueSourceContract,
    LocksContract,
    UserRepositoryContract,
    InvitationRepositoryContract,
    ApiTokenRepositoryContract,
    SessionRepositoryContract,
    EndingSessionsContract,
    RatingRepositoryContract,
    RatedMoviesContract,
    ConcurrentRatingsContract,
    DriftContract,
    WatchlistRepositoryContract,
    ListedMoviesContract,
    ViewingRepositoryContract,
    SeenMoviesContract,
    StatisticsRepositoryContract,
    ImportRepositoryContract,
    RecommendationRepositoryContract,
    ChangeRepositoryContract,
    IdempotencyRepositoryContract,
    StoreContract,
):
    """All contracts of a store."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()


def test_no_contract_hides_a_test_of_another() -> None:
    names = [name for contract in Contracts.__bases__ for name in vars(contract) if name.startswith("test_")]
    assert len(names) == len(set(names))


def force_tally_in(store: SqliteStore) -> ForceTally:
    """A function that sets tallies without ratings."""

    def force_tally(movie: MovieId, tally: Tally) -> None:
        with store.database.writing() as connection:
            set_tally(connection, movie, tally)

    return force_tally


def insert_session_in(store: SqliteStore) -> InsertSession:
    """A function that stores sessions without the repository's checks."""

    def insert_session(session: Session) -> None:
        row = session_row(session)
        with store.database.writing() as connection:
            connection.execute(insert("sessions", row), row)

    return insert_session


def failing_deletes_in(store: SqliteStore) -> FailingDeletes:
    """A context in which a trigger makes deletions of sessions fail."""

    @contextmanager
    def failing_deletes() -> Iterator[None]:
        with store.database.writing() as connection:
            connection.execute(
                "CREATE TRIGGER jam BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'jammed'); END"
            )
        yield
        with store.database.writing() as connection:
            connection.execute("DROP TRIGGER jam")

    return failing_deletes


class TestSqliteFile(Contracts):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
        store = store_in_file(tmp_path / "matinee.db", clock)
        yield store
        store.close()

    @pytest.fixture
    def force_tally(self, store: SqliteStore) -> ForceTally:
        return force_tally_in(store)

    @pytest.fixture
    def insert_session(self, store: SqliteStore) -> InsertSession:
        return insert_session_in(store)

    @pytest.fixture
    def failing_deletes(self, store: SqliteStore) -> FailingDeletes:
        return failing_deletes_in(store)


@pytest.mark.unmeasured  # a store in a file executes the same lines
class TestSqliteInMemory(Contracts):
    @pytest.fixture
    def store(self, clock: ManualClock) -> Iterator[SqliteStore]:
        store = store_in_memory(clock)
        yield store
        store.close()

    @pytest.fixture
    def force_tally(self, store: SqliteStore) -> ForceTally:
        return force_tally_in(store)

    @pytest.fixture
    def insert_session(self, store: SqliteStore) -> InsertSession:
        return insert_session_in(store)

    @pytest.fixture
    def failing_deletes(self, store: SqliteStore) -> FailingDeletes:
        return failing_deletes_in(store)


class PreparedDatabase:
    """A database with all indexes that can be emptied again."""

    def __init__(self, uri: str, client: MongoClient[dict[str, Any]]) -> None:
        self.uri = uri
        self._database = client.get_default_database()
        self._prepared = {name: list(self._database[name].find()) for name in self._names()}

    def empty(self) -> None:
        """Make it contain what it contained at first."""
        for name in self._names():
            self._database[name].delete_many({})
            if documents := self._prepared.get(name):
                self._database[name].insert_many(documents)

    def _names(self) -> list[str]:
        return self._database.list_collection_names()


@pytest.fixture(scope="module", params=SERVERS)
def prepared(request: pytest.FixtureRequest) -> Iterator[PreparedDatabase]:
    """A prepared database for all tests, since to make its indexes takes longer than most of them."""
    with fresh_database(address(request)) as uri:
        store = MongoStore(uri=uri, clock=ManualClock())
        store.prepare()
        store.close()
        with MongoClient[dict[str, Any]](uri) as client:
            yield PreparedDatabase(uri, client)


class TestMongo(Contracts):
    @pytest.fixture
    def store(self, prepared: PreparedDatabase, clock: ManualClock) -> Iterator[MongoStore]:
        prepared.empty()
        store = MongoStore(uri=prepared.uri, clock=clock)
        yield store
        store.close()

    @pytest.fixture
    def force_tally(self, store: MongoStore) -> ForceTally:
        def force_tally(movie: MovieId, tally: Tally) -> None:
            with store.database.using() as database:
                database.movies.update_one({"_id": ObjectId(movie)}, {"$set": tally_document(tally)})

        return force_tally

    @pytest.fixture
    def insert_session(self, store: MongoStore) -> InsertSession:
        def insert_session(session: Session) -> None:
            with store.database.using() as database:
                database.sessions.insert_one(session_document(session))

        return insert_session

    @pytest.fixture
    def failing_deletes(self, monkeypatch: pytest.MonkeyPatch) -> FailingDeletes:
        @contextmanager
        def failing_deletes() -> Iterator[None]:
            delete_many = Collection.delete_many

            def refuse(collection: Collection[Any], *args: Any, **more: Any) -> Any:
                if collection.name == "sessions":
                    reason = "jammed"
                    raise StorageUnavailable(reason)
                return delete_many(collection, *args, **more)

            with monkeypatch.context() as patch:
                patch.setattr(Collection, "delete_many", refuse)
                yield

        return failing_deletes
