"""Databases of earlier versions are migrated with all their data."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pymongo
import pytest

from adapters.mongo.documents import field_name
from adapters.mongo.schema import (
    INDEXES,
    MIGRATIONS,
    NEIGHBOURS_RULE,
    SORT_FIELDS,
    add_people,
    rename_fields,
    sort_without_articles,
)
from adapters.mongo.store import MongoStore
from adapters.testkit.movies import FILTERS, SORTINGS, expected, list_by_cursor
from adapters.testkit.samples import (
    add_movies,
    add_session,
    add_user,
    distinct_facts,
    listed,
    new_item,
    new_viewing,
    noon,
    random_facts,
    store_page,
)
from domain.browsing import MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import movie_id
from domain.movies import LARGE_FACTS
from domain.people import search_with_people
from domain.search import Query, search, sortable

VISIBLE = {"partialFilterExpression": {"listed": True}}
FORMER_INDEXES: dict[str, dict[str, tuple[list[tuple[str, int]], dict[str, Any]]]] = {
    "movies": {
        **{
            f"by_{sort}_{order}": ([("listed", 1), (field, direction), ("_id", 1)], VISIBLE)
            for sort, field in SORT_FIELDS.items()
            for order, direction in (("desc", -1), ("asc", 1))
        },
        "by_genre": ([("listed", 1), ("genres", 1)], VISIBLE),
        "by_language": ([("listed", 1), ("originalLanguage", 1)], VISIBLE),
        "by_vote_count": ([("listed", 1), ("voteCount", 1)], VISIBLE),
        "by_term": ([("terms", 1), ("popularity", -1), ("tmdbId", 1)], VISIBLE),
    },
    "synclogs": {"by_start": ([("createdAt", -1), ("_id", -1)], {})},
    "users": {
        "by_creation": ([("createdAt", 1), ("_id", 1)], {}),
        "admins": (
            [("role", 1)],
            {"partialFilterExpression": {"role": "admin", "disabled": False}},
        ),
    },
    "sessions": {"by_end": ([("expiresAt", 1)], {})},
    "invitations": {
        "newest_first": ([("createdAt", -1), ("_id", 1)], {}),
        "by_end": ([("expiresAt", 1)], {}),
    },
    "watchlists": {
        "by_addition": ([("userId", 1), ("addedAt", -1), ("_id", 1)], {}),
        "by_mark": ([("userId", 1), ("isFavorite", 1), ("addedAt", -1), ("_id", 1)], {}),
    },
}
"""The indexes of version 4 whose names or fields have changed."""


@pytest.fixture
def documents(mongo_uri: str) -> Iterator[Any]:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        yield client.get_default_database()


def downgrade(documents: Any) -> None:
    """Turn a database of this version into one of version 4."""
    for collection, indexes in FORMER_INDEXES.items():
        unchanged = {"_id_", *(name for name in names_of(collection) if name.startswith("one_"))}
        for name in set(documents[collection].index_information()) - unchanged:
            documents[collection].drop_index(name)
        for name, (keys, options) in indexes.items():
            documents[collection].create_index(keys, name=name, **options)
    for collection in ("viewings", "hidden_movies", "neighbours", "rating_changes"):
        documents[collection].drop()
    documents.counters.delete_one({"_id": NEIGHBOURS_RULE})
    documents.movies.update_many({}, {"$rename": {"visible": "listed"}})
    documents.locks.update_many({}, {"$rename": {"expiresAt": "endsAt"}})
    documents.users.update_many({}, {"$set": {"reliedOn": 3}})
    documents.counters.insert_one(
        {"_id": "listed", "value": documents.counters.find_one("visible_movies")["value"]}
    )
    documents.counters.delete_one({"_id": "visible_movies"})
    documents.counters.update_one({"_id": "schema"}, {"$set": {"value": MIGRATIONS.index(rename_fields)}})


def names_of(collection: str) -> set[str]:
    return {index.document["name"] for index in INDEXES[collection]}


def test_lists_searches_and_locks_of_version_4_are_unchanged(mongo_uri: str, documents: Any) -> None:
    stores = [MongoStore(uri=mongo_uri, clock=noon) for _ in range(3)]
    store = stores[0]
    store.prepare()
    movies = list(map(listed, add_movies(store, random_facts(30))))
    ann, until = add_user(store), noon() + timedelta(days=1)
    add_session(store, ann)
    item = new_item(ann.id, movies[0].id)
    store.watchlists.add(item)
    store.locks.acquire("sync:movies", "me", timedelta(days=1))
    downgrade(documents)

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(MongoStore.prepare, stores))

    assert (store.inspect().version, store.inspect().missing) == (len(MIGRATIONS), ())
    for collection in FORMER_INDEXES:
        assert set(documents[collection].index_information()) == {"_id_", *names_of(collection)}
    assert documents.movies.count_documents({"listed": {"$exists": True}}) == 0
    assert {each["_id"] for each in documents.counters.find()} == {
        "changesEpoch",
        "generation",
        NEIGHBOURS_RULE,
        "schema",
        "source",
        "visible_movies",
    }
    for wanted in (MovieFilter(), FILTERS["one genre"]):
        assert store.movies.count(wanted) == sum(map(wanted.admits, movies))
        for sorting in SORTINGS[::3]:
            assert list_by_cursor(store, wanted, sorting) == expected(movies, wanted, sorting)
    for movie in movies[:10]:
        found = {match.id for match in search(Query(movie.facts.title), store.movies.find)}
        assert (movie.id in found) is movie.visible
    assert store.locks.acquire("sync:movies", "you", timedelta(days=1)) == until
    assert store.users.page(9) == [ann]
    assert store.watchlists.of_user(ann.id, favorite=False, limit=9) == [item]
    assert store.sessions.active_users(noon(2)) == 1
    viewing = new_viewing(ann.id, movies[0].id, noon().date())
    store.viewings.add(viewing)
    assert store.viewings.of_user(ann.id, limit=9) == [viewing]
    assert store.recommendations.rule() == 0
    store.recommendations.hide(ann.id, movies[0].id, noon())
    assert store.recommendations.is_hidden(ann.id, movies[0].id)
    for each in stores:
        each.close()


def test_movies_without_large_facts_are_complete_once_their_details_are_read_again(
    mongo_uri: str, documents: Any
) -> None:
    store = MongoStore(uri=mongo_uri, clock=noon)
    store.prepare()
    (movie,) = add_movies(store, [distinct_facts(1, 2)])
    later = {field_name(fact): "" for fact in (*LARGE_FACTS, "details_version", "people_keys")}
    documents.movies.update_one({}, {"$unset": later})
    documents.movies.drop_index("visible_by_details_version")
    store.prepare()

    assert store.inspect().missing == ()
    assert store.movies.get(movie.id).facts == replace(listed(movie).facts, details_version=None)
    assert (store.movies.incomplete("1", 9), store.movies.recommended(9)) == ([1], [])
    store_page(store, distinct_facts(1, 2), day=2)

    assert store.movies.get(movie.id).facts == distinct_facts(1, 2)
    assert store.movies.incomplete("1", 9) == []
    store.close()


def test_people_of_version_5_are_found(mongo_uri: str, documents: Any) -> None:
    store = MongoStore(uri=mongo_uri, clock=noon)
    store.prepare()
    add_movies(store, [distinct_facts(1, 2), replace(distinct_facts(2, 2), directors=(), cast=())])
    documents.movies.update_many({}, {"$unset": {"peopleKeys": ""}, "$set": {"terms": ["=movie"]}})
    documents.counters.update_one({"_id": "schema"}, {"$set": {"value": MIGRATIONS.index(add_people)}})

    store.prepare()

    matches = search_with_people(Query("cy 2"), store.movies.find, store.movies.find_people)
    assert [match.id for match in matches] == [movie_id(1)]
    assert store.movies.find((frozenset({"=movie"}),), 9)[0].id == movie_id(2)
    store.close()


def test_lists_of_the_version_before_have_the_new_orders_and_no_articles(
    mongo_uri: str, documents: Any
) -> None:
    stores = [MongoStore(uri=mongo_uri, clock=noon) for _ in range(2)]
    store = stores[0]
    store.prepare()
    titles = ("The Zoo", "Ant", "Die Hard", "A Bee")
    movies = add_movies(
        store,
        [
            replace(each, title=title, original_title=title, original_language="en")
            for each, title in zip(random_facts(len(titles)), titles, strict=True)
        ],
    )
    for movie in movies:
        documents.movies.update_one(
            {"tmdbId": movie.facts.tmdb_id}, {"$set": {"sortTitle": sortable(movie.facts.title)}}
        )
    for by, order in product(("vote_count", "runtime", "created_at"), ("desc", "asc")):
        documents.movies.drop_index(f"visible_by_{by}_{order}")
    documents.movies.create_index([("visible", 1), ("voteCount", 1)], name="visible_by_vote_count")
    documents.counters.update_one(
        {"_id": "schema"}, {"$set": {"value": MIGRATIONS.index(sort_without_articles)}}
    )

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(MongoStore.prepare, stores))

    assert (store.inspect().version, store.inspect().missing) == (len(MIGRATIONS), ())
    assert set(documents.movies.index_information()) == {"_id_", *names_of("movies")}
    for sorting in SORTINGS[::3]:
        ordered = expected(list(map(listed, movies)), MovieFilter(), sorting)
        assert list_by_cursor(store, MovieFilter(), sorting) == ordered
    by_title = list_by_cursor(store, MovieFilter(), Sorting(SortBy.TITLE, SortOrder.ASC))
    assert [movie.facts.title for movie in by_title] == ["Ant", "A Bee", "Die Hard", "The Zoo"]
    for each in stores:
        each.close()
