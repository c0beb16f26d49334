"""The source of a store of an earlier version is derived from its contents."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pymongo
import pytest

from adapters.demo import DemoMovieSource
from adapters.mongo import schema as mongo_schema
from adapters.mongo.store import MongoStore
from adapters.sqlite.schema import MIGRATIONS, add_source
from adapters.sqlite.store import SqliteStore
from adapters.store import Store
from adapters.testkit.samples import facts, new_run, noon
from domain.movies import MovieFacts
from domain.sync import Entity, PageResult, SourceName

DEMO = DemoMovieSource()
FILMS = DEMO.popular(1).movies
GENRES = DEMO.genres().genres

TMDB_ROW = facts(1, vote_count=0)
"""A movie of TMDB's that has as little as one can have."""


def page(store: Store, *movies: MovieFacts, requests: int) -> None:
    """Store movies by a run of which no source is recorded."""
    run = store.movies.store(PageResult(page=1, at=noon(), movies=movies, requests=requests), new_run(store))
    store.runs.save(run.finished(noon()))


def genres(store: Store, *, requests: int) -> None:
    run = new_run(store, Entity.GENRES)
    run = store.genres.store(PageResult(page=1, at=noon(), genres=GENRES, requests=requests), run)
    store.runs.save(run.finished(noon()))


def failed(store: Store) -> None:
    run = new_run(store, Entity.CHANGES)
    store.runs.save(run.missed(1, "no answer", 5).failed(noon(), "no answer"))


History = Callable[[Store], None]


def demo(store: Store) -> None:
    page(store, *FILMS, requests=0)


def tmdb(store: Store) -> None:
    page(store, TMDB_ROW, requests=3)


def after(*histories: History) -> History:
    """Several histories, one after the other."""

    def fill(store: Store) -> None:
        for history in histories:
            history(store)

    return fill


HISTORIES: dict[str, tuple[History, SourceName | None]] = {
    "nothing": (after(), None),
    "a failed run": (failed, None),
    "the demo": (after(partial(genres, requests=0), demo), SourceName.DEMO),
    "genres of the demo": (partial(genres, requests=0), SourceName.DEMO),
    "the demo, and TMDB in vain": (after(demo, failed), SourceName.DEMO),
    "TMDB": (tmdb, SourceName.TMDB),
    "genres of TMDB": (partial(genres, requests=1), SourceName.TMDB),
    "TMDB without a record of it": (lambda store: page(store, TMDB_ROW, requests=0), SourceName.TMDB),
    "the demo, then TMDB": (after(demo, tmdb), SourceName.TMDB),
    "TMDB, then the demo by mistake": (after(tmdb, demo), SourceName.TMDB),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "matinee.db"


@pytest.fixture
def sqlite(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path=file, clock=noon)
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def documents(mongo_uri: str) -> Iterator[Any]:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        yield client.get_default_database()


@pytest.fixture
def mongo(mongo_uri: str) -> Iterator[MongoStore]:
    store = MongoStore(uri=mongo_uri, clock=noon)
    store.prepare()
    yield store
    store.close()


def forget(file: Path) -> None:
    """Turn a file into one of the version without a source."""
    version = MIGRATIONS.index(add_source)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE catalogue")
        for column in ("source", "problems_dropped"):
            connection.execute(f"ALTER TABLE synclogs DROP COLUMN {column}")
        connection.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("history", HISTORIES)
def test_migrating_a_file_derives_its_source(sqlite: SqliteStore, file: Path, history: str) -> None:
    fill, source = HISTORIES[history]
    fill(sqlite)
    held, runs = sqlite.movies.stale(noon(2), 999), sqlite.runs.count()
    sqlite.close()
    forget(file)
    assert sqlite.inspect().source is None
    sqlite.prepare()
    assert sqlite.movies.source() is sqlite.inspect().source is source
    assert (sqlite.movies.stale(noon(2), 999), sqlite.runs.count()) == (held, runs)
    assert sqlite.inspect().missing == ()
    for run in sqlite.runs.recent(99):
        assert run.source is (SourceName.TMDB if run.requests else SourceName.DEMO)
    sqlite.prepare()
    assert sqlite.movies.source() is source


@pytest.mark.parametrize("history", HISTORIES)
def test_migrating_documents_derives_their_source(mongo: MongoStore, documents: Any, history: str) -> None:
    fill, source = HISTORIES[history]
    fill(mongo)
    version = mongo_schema.MIGRATIONS.index(mongo_schema.add_source)
    documents.counters.delete_one({"_id": "source"})
    documents.counters.update_one({"_id": "schema"}, {"$set": {"value": version}})
    documents.synclogs.update_many({}, {"$unset": {"source": "", "problemsDropped": ""}})
    assert mongo.inspect().source is None
    mongo.prepare()
    assert mongo.movies.source() is mongo.inspect().source is source
    for run in mongo.runs.recent(99):
        assert run.source is (SourceName.TMDB if run.requests else SourceName.DEMO)
    mongo.prepare()
    assert mongo.movies.source() is source
