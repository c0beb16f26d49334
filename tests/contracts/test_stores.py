"""The contract suites on both stores, and on any real MongoDB that MATINEE_TEST_MONGODB_URI names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.mongo.store import MongoStore
from adapters.sqlite.store import SqliteStore
from adapters.testkit import (
    GenreRepositoryContract,
    LocksContract,
    MovieListContract,
    MovieRepositoryContract,
    MovieSearchContract,
    SyncRunRepositoryContract,
)
from adapters.testkit.locks import SetClock


class Contracts(
    MovieRepositoryContract,
    MovieListContract,
    MovieSearchContract,
    GenreRepositoryContract,
    SyncRunRepositoryContract,
    LocksContract,
):
    """Everything that a store must keep."""

    @pytest.fixture
    def clock(self) -> SetClock:
        return SetClock()


class TestSqliteFile(Contracts):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: SetClock) -> Iterator[SqliteStore]:
        store = SqliteStore(path=tmp_path / "matinee.db", clock=clock)
        store.prepare()
        yield store
        store.close()


class TestSqliteInMemory(Contracts):
    @pytest.fixture
    def store(self, clock: SetClock) -> Iterator[SqliteStore]:
        store = SqliteStore(path=None, clock=clock)
        store.prepare()
        yield store
        store.close()


class TestMongo(Contracts):
    @pytest.fixture
    def store(self, mongo_uri: str, clock: SetClock) -> Iterator[MongoStore]:
        store = MongoStore(uri=mongo_uri, clock=clock)
        store.prepare()
        yield store
        store.close()
