"""The contract suites on both stores, and on any real MongoDB that MATINEE_TEST_MONGODB_URI names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import ObjectId

from adapters.mongo.documents import tally_document
from adapters.mongo.store import MongoStore
from adapters.sqlite.ratings import set_tally
from adapters.sqlite.store import SqliteStore
from adapters.testkit import (
    ConcurrentRatingsContract,
    DriftContract,
    GenreRepositoryContract,
    ListedMoviesContract,
    LocksContract,
    MovieListContract,
    MovieRepositoryContract,
    MovieSearchContract,
    RatedMoviesContract,
    RatingRepositoryContract,
    SessionRepositoryContract,
    StoreContract,
    SyncRunRepositoryContract,
    UserRepositoryContract,
    WatchlistRepositoryContract,
)
from adapters.testkit.locks import SetClock
from adapters.testkit.ratings import Skew
from domain.ids import MovieId
from domain.ratings import Tally


class Contracts(
    MovieRepositoryContract,
    MovieListContract,
    MovieSearchContract,
    GenreRepositoryContract,
    SyncRunRepositoryContract,
    LocksContract,
    UserRepositoryContract,
    SessionRepositoryContract,
    RatingRepositoryContract,
    RatedMoviesContract,
    ConcurrentRatingsContract,
    DriftContract,
    WatchlistRepositoryContract,
    ListedMoviesContract,
    StoreContract,
):
    """Everything that a store must keep."""

    @pytest.fixture
    def clock(self) -> SetClock:
        return SetClock()


def test_no_contract_hides_a_test_of_another() -> None:
    names = [name for contract in Contracts.__bases__ for name in vars(contract) if name.startswith("test_")]
    assert len(names) == len(set(names))


def skewed_in(store: SqliteStore) -> Skew:
    """Sets a tally that no ratings account for."""

    def skew(movie: MovieId, tally: Tally) -> None:
        with store.database.writing() as connection:
            set_tally(connection, movie, tally)

    return skew


class TestSqliteFile(Contracts):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: SetClock) -> Iterator[SqliteStore]:
        store = SqliteStore(path=tmp_path / "matinee.db", clock=clock)
        store.prepare()
        yield store
        store.close()

    @pytest.fixture
    def skew(self, store: SqliteStore) -> Skew:
        return skewed_in(store)


class TestSqliteInMemory(Contracts):
    @pytest.fixture
    def store(self, clock: SetClock) -> Iterator[SqliteStore]:
        store = SqliteStore(path=None, clock=clock)
        store.prepare()
        yield store
        store.close()

    @pytest.fixture
    def skew(self, store: SqliteStore) -> Skew:
        return skewed_in(store)


class TestMongo(Contracts):
    @pytest.fixture
    def store(self, mongo_uri: str, clock: SetClock) -> Iterator[MongoStore]:
        store = MongoStore(uri=mongo_uri, clock=clock)
        store.prepare()
        yield store
        store.close()

    @pytest.fixture
    def skew(self, store: MongoStore) -> Skew:
        def skew(movie: MovieId, tally: Tally) -> None:
            with store.database.using() as database:
                database.movies.update_one({"_id": ObjectId(movie)}, {"$set": tally_document(tally)})

        return skew
