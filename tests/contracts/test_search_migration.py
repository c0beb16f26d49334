"""Migrating a store rewrites its search terms."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymongo
import pytest

from adapters.mongo import schema as mongo_schema
from adapters.mongo.store import MongoStore
from adapters.sqlite import schema
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.terms import rewrite_terms
from adapters.testkit.samples import add_movies, facts, noon
from domain.movies import MovieFacts
from domain.search import Query, search

MATRIX = "The Matrix Reloaded"

EARLIER_TERMS: list[str] = """
    =thematrixreloaded $oaded ^thematr ^hematr ^tematr ^thmatr ^theatr ^themtr ^themar ^themat the t th matrix
    m ma mat matr matri ~matrix ~atrix ~mtrix ~marix ~matix ~matrx ~matri reloaded r re rel relo reloa
    ~reloade ~eloade ~rloade ~reoade ~relade ~relode ~reloae ~reload
""".split()  # noqa: SIM905
"""What the version before filed the title under."""

MOVIES: tuple[MovieFacts, ...] = (
    facts(1, title=MATRIX, original_title=MATRIX, popularity=7.0),
    facts(2, title="Solaris", original_title="Солярис", popularity=None),
    facts(3, title="Hidden", original_title="Hidden", adult=True),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "matinee.db"


@pytest.fixture
def sqlite(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """A current store with the terms of an earlier version."""
    store = SqliteStore(path=file, clock=noon)
    others = tuple(each for each in schema.MIGRATIONS if each is not rewrite_terms)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", others)
        store.prepare()
    monkeypatch.setattr(schema, "MIGRATIONS", (*others, rewrite_terms))
    add_movies(store, list(MOVIES))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM movie_terms")
        connection.executemany(
            "INSERT INTO movie_terms VALUES (?, -7.0, 1)", [(term,) for term in EARLIER_TERMS]
        )
    yield store
    store.close()


@pytest.fixture
def documents(mongo_uri: str) -> Iterator[Any]:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        yield client.get_default_database()


@pytest.fixture
def mongo(mongo_uri: str, documents: Any) -> Iterator[MongoStore]:
    """A store of an earlier version."""
    store = MongoStore(uri=mongo_uri, clock=noon)
    store.prepare()
    add_movies(store, list(MOVIES))
    documents.movies.update_many({}, {"$set": {"terms": []}})
    documents.movies.update_one({"tmdbId": 1}, {"$set": {"terms": EARLIER_TERMS}})
    version = mongo_schema.MIGRATIONS.index(mongo_schema.rewrite_terms)
    documents.counters.update_one({"_id": "schema"}, {"$set": {"value": version}})
    yield store
    store.close()


def test_migrating_a_file_rewrites_its_terms(sqlite: SqliteStore, file: Path) -> None:
    assert _found(sqlite, "the tmrix reloaded") == []

    sqlite.prepare()

    assert _found(sqlite, "the tmrix reloaded") == [MATRIX]
    assert _found(sqlite, "soalris") == _found(sqlite, "солярис") == ["Solaris"]
    assert _found(sqlite, "hidden") == []
    fresh = SqliteStore(path=file.with_name("fresh.db"), clock=noon)
    fresh.prepare()
    add_movies(fresh, list(MOVIES))
    fresh.close()
    assert _entries(file) == _entries(file.with_name("fresh.db"))
    assert sqlite.inspect().version == sqlite.inspect().newest


def test_migrating_documents_rewrites_their_terms(mongo: MongoStore, documents: Any) -> None:
    assert _found(mongo, "the tmrix reloaded") == []
    documents.movies.update_one({"tmdbId": 3}, {"$unset": {"terms": ""}})

    mongo.prepare()

    assert _found(mongo, "the tmrix reloaded") == [MATRIX]
    assert _found(mongo, "soalris") == _found(mongo, "солярис") == ["Solaris"]
    assert "terms" not in documents.movies.find_one({"tmdbId": 3})
    after = {each["tmdbId"]: each.get("terms") for each in documents.movies.find()}
    documents.movies.delete_many({})
    add_movies(mongo, list(MOVIES))
    assert after == {each["tmdbId"]: each.get("terms") for each in documents.movies.find()}
    assert mongo.inspect().version == mongo.inspect().newest


def test_terms_are_rewritten_in_several_batches(
    sqlite: SqliteStore, mongo: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sqlite.terms.BATCH_SIZE", 1)
    monkeypatch.setattr("adapters.mongo.schema.BATCH_SIZE", 1)
    for store in (sqlite, mongo):
        store.prepare()
        assert _found(store, "matrix reloaded") == [MATRIX]
        assert _found(store, "soalris") == ["Solaris"]


def _found(store: SqliteStore | MongoStore, typed: str) -> list[str]:
    matches = search(Query(typed), store.movies.find)
    return [movie.facts.title for movie in store.movies.by_ids([match.id for match in matches])]


def _entries(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM movie_terms").fetchall()
