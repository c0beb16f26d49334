"""Entries that earlier versions have stored are numbered, so that the change feed has them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pymongo

from adapters.mongo.schema import CHANGES_EPOCH, ENTRIES, number_entries
from adapters.mongo.schema import MIGRATIONS as MONGO_MIGRATIONS
from adapters.mongo.store import MongoStore
from adapters.sqlite.rows import Cell, insert, item_row, movie_row, rating_row, user_row, viewing_row
from adapters.sqlite.schema import MIGRATIONS, add_changes
from adapters.sqlite.store import SqliteStore
from adapters.testkit.changes import CopyOfUser
from adapters.testkit.samples import (
    add_movies,
    add_user,
    facts,
    new_account,
    new_item,
    new_rating,
    new_viewing,
    noon,
    random_facts,
)
from domain.changes import Activity
from domain.movies import Movie
from tests.contracts.test_sqlite_migrations import earlier


def without_language(row: dict[str, Cell]) -> dict[str, Cell]:
    """An account as earlier versions stored it."""
    return {name: value for name, value in row.items() if name != "language"}


def test_entries_of_earlier_sqlite_files_are_in_the_change_feed(tmp_path: Path) -> None:
    ann, bob = new_account("ann"), new_account("bob")
    movies = [Movie.from_facts(facts(number), noon()) for number in range(1, 4)]
    ratings = [
        new_rating(user.id, movie.id, day=day) for user in (ann, bob) for day, movie in enumerate(movies, 1)
    ]
    item, viewing = new_item(ann.id, movies[0].id, day=9), new_viewing(ann.id, movies[0].id)
    with closing(earlier(tmp_path / "matinee.db", MIGRATIONS.index(add_changes))) as connection:
        for table, row in (
            *(("users", without_language(user_row(user))) for user in (ann, bob)),
            *(("movies", movie_row(movie)) for movie in movies),
            *(("ratings", rating_row(rating)) for rating in ratings),
            ("watchlists", item_row(item)),
            ("viewings", viewing_row(viewing)),
        ):
            connection.execute(insert(table, row), row)
    store = SqliteStore(path=tmp_path / "matinee.db", clock=noon)
    store.prepare()
    assert store.inspect().missing == ()
    assert store.changes.activity(ann.id) == Activity(
        latest=5, ratings=noon(3), watchlist=noon(9), viewings=noon(1)
    )
    assert store.changes.activity(bob.id) == Activity(latest=3, ratings=noon(3))
    for user in (ann, bob):
        copy = CopyOfUser(store, user.id)
        copy.catch_up()
        copy.assert_complete()
        store.ratings.remove_from(movies[0].id, user.id)
        copy.catch_up()
        copy.assert_complete()
    store.close()


def test_entries_of_earlier_mongodb_databases_are_in_the_change_feed(mongo_uri: str) -> None:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        stores_are_migrated(mongo_uri, client.get_default_database())


def stores_are_migrated(mongo_uri: str, documents: Any) -> None:
    """Prepare a database without numbers by three processes, and follow the feed."""
    stores = [MongoStore(uri=mongo_uri, clock=noon) for _ in range(3)]
    store = stores[0]
    store.prepare()
    movies = add_movies(store, random_facts(3))
    ann, bob = add_user(store), add_user(store, "bob")
    for user in (ann, bob):
        for day, movie in enumerate(movies, 2):
            store.ratings.add(new_rating(user.id, movie.id, day=day))
    store.watchlists.add(new_item(ann.id, movies[0].id, day=9))
    store.viewings.add(new_viewing(bob.id, movies[0].id))
    for name, changed_at in ENTRIES.items():
        documents[name].update_many({}, {"$unset": {"changeNumber": ""}})
        documents.users.update_many({}, {"$unset": {"changes": "", changed_at: ""}})
    documents.counters.delete_one({"_id": CHANGES_EPOCH})
    documents.counters.update_one(
        {"_id": "schema"}, {"$set": {"value": MONGO_MIGRATIONS.index(number_entries)}}
    )

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(MongoStore.prepare, stores))

    for user, watchlist, viewings in ((ann, noon(9), None), (bob, None, noon(1))):
        found = store.changes.activity(user.id)
        assert (found.ratings, found.watchlist, found.viewings) == (noon(4), watchlist, viewings)
        copy = CopyOfUser(store, user.id)
        copy.catch_up()
        copy.assert_complete()
        store.ratings.remove_from(movies[0].id, user.id)
        copy.catch_up()
        copy.assert_complete()
    for each in stores:
        each.close()
