"""Inspecting a store reports what its schema lacks, and changes nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymongo
import pytest

from adapters.mongo.store import MongoStore
from adapters.sqlite.schema import MIGRATIONS
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, noon, store_page
from domain.errors import StorageUnavailable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "matinee.db"


@pytest.fixture
def sqlite(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path=file, clock=noon)
    yield store
    store.close()


@pytest.fixture
def mongo(mongo_uri: str) -> Iterator[MongoStore]:
    store = MongoStore(uri=mongo_uri, clock=noon)
    yield store
    store.close()


@pytest.fixture
def documents(mongo_uri: str) -> Iterator[Any]:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        yield client.get_default_database()


def test_inspecting_a_missing_file_does_not_create_it(sqlite: SqliteStore, file: Path) -> None:
    assert not sqlite.exists()
    assert sqlite.inspect().version == 0
    assert not file.parent.exists()


def test_dropped_indexes_and_tables_of_a_file_are_reported(sqlite: SqliteStore, file: Path) -> None:
    sqlite.prepare()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP INDEX sessions_by_expires_at")
        connection.execute("DROP TABLE watchlists")

    assert sqlite.inspect().missing == (
        "sessions.sessions_by_expires_at",
        "watchlists",
        "watchlists.watchlists_by_added_at",
        "watchlists.watchlists_by_change_number",
        "watchlists.watchlists_by_favorite",
        "watchlists.watchlists_by_movie",
    )


def test_an_older_file_is_compared_with_its_own_schema(sqlite: SqliteStore, file: Path) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version = 1")

    found = sqlite.inspect()

    assert (found.version, found.missing) == (1, ())
    assert found.newest > 1


def test_inspecting_a_file_that_is_no_database_is_an_error(sqlite: SqliteStore, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("a shopping list, long enough to be taken for a header of a file by anybody" * 20)

    with pytest.raises(StorageUnavailable, match="not a database"):
        sqlite.inspect()


def test_damage_anywhere_in_a_file_is_reported(sqlite: SqliteStore, file: Path) -> None:
    sqlite.prepare()
    store_page(sqlite, *(facts(number, title=f"Movie {number}") for number in range(1, 400)))
    assert sqlite.inspect().damage == ()
    sqlite.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = [
            page
            for (page,) in connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name IN ('movies', 'movies_by_title_asc')"
            )
        ]
    for page in pages:
        whole = file.read_bytes()
        file.write_bytes(whole[: (page - 1) * page_size] + bytes(page_size) + whole[page * page_size :])
        try:
            damage = sqlite.inspect().damage
        except StorageUnavailable as error:
            damage = (error.reason,)
        assert damage
        file.write_bytes(whole)


def test_an_index_that_differs_from_its_table_is_damage(sqlite: SqliteStore, file: Path) -> None:
    sqlite.prepare()
    store_page(sqlite, facts(1), facts(2))
    sqlite.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX movies_by_synced_at ON movies (title)'"
            " WHERE name = 'movies_by_synced_at'"
        )
        connection.commit()
    assert sqlite.inspect().damage


def test_inspecting_an_empty_database_creates_nothing(mongo: MongoStore, documents: Any) -> None:
    found = mongo.inspect()

    assert not mongo.exists()
    assert (found.version, found.missing) == (0, ())
    assert documents.list_collection_names() == []


def test_dropped_and_different_indexes_of_documents_are_reported(mongo: MongoStore, documents: Any) -> None:
    mongo.prepare()
    documents.sessions.drop_index("by_expires_at")
    documents.ratings.drop_index("by_movie")
    documents.ratings.create_index([("movieId", 1)], name="by_movie")

    assert mongo.inspect().missing == ("sessions.by_expires_at", "ratings.by_movie")


def test_the_inspection_has_the_servers_time(mongo: MongoStore) -> None:
    mongo.prepare()

    clock = mongo.inspect().clock

    assert clock is not None
    assert abs((clock - datetime.now(UTC)).total_seconds()) < 60
