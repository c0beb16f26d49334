"""Promises of the distributed store beyond the ports: several processes, failing servers, secrets."""

import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pymongo import MongoClient

from adapters import system
from adapters.mongo import database as mongo_database
from adapters.mongo import genres as mongo_genres
from adapters.mongo import ratings as mongo_ratings
from adapters.mongo import watchlists as mongo_watchlists
from adapters.mongo.database import STANDALONE
from adapters.mongo.documents import movie_document
from adapters.mongo.schema import INDEXES, MIGRATIONS, Documents
from adapters.mongo.store import MongoStore
from adapters.testkit.samples import (
    add_movies,
    add_user,
    facts,
    new_item,
    new_rating,
    new_run,
    new_viewing,
    noon,
    random_facts,
    store_page,
)
from domain.browsing import MovieFilter, SortBy, Sorting
from domain.errors import StorageUnavailable
from domain.ids import MovieId, RunId, TmdbNumber
from domain.movies import Genre, GenreFacts, MovieNotFound
from domain.pagination import Window
from domain.ratings import Score, Tally
from domain.sync import Entity, FilledFromAnotherSource, PageResult, RunNotFound, SourceName
from tests.contracts.mongo_server import running_secantus
from tests.outages.proxy import running_proxy


@pytest.fixture
def store(mongo_uri: str) -> Iterator[MongoStore]:
    store = MongoStore(mongo_uri, system.now)
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def unreachable() -> str:
    """An address without a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"mongodb://127.0.0.1:{server.getsockname()[1]}/matinee?replicaSet=rs0"


@pytest.fixture
def unresponsive() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"mongodb://127.0.0.1:{server.getsockname()[1]}/matinee"


def rate(store: MongoStore, number: int, tally: Tally) -> None:
    """Give a movie a tally, as ratings would."""
    document = movie_document(replace(store.movies.get(TmdbNumber(number)), tally=tally))
    with store.database.using() as database:
        rated = {name: value for name, value in document.items() if "ating" in name}
        database.movies.update_one({"tmdbId": number}, {"$set": rated})


DRIVER_CHECK_INTERVAL = 0.5
"""Seconds between two checks of the time by the driver while it waits for a server."""

MAX_SECONDS = 10.0
"""The limit on a busy machine; without our timeout the driver would wait for 30 seconds."""

TWO_TENS = Tally.of([Score(20), Score(20)])


def test_a_sync_does_not_change_users_ratings(store: MongoStore) -> None:
    add_movies(store, [facts(1), facts(2)])
    rate(store, 1, TWO_TENS)
    store_page(store, facts(1, title="Renamed"), facts(2, title="Renamed"), day=2)
    movie = store.movies.get(TmdbNumber(1))
    assert (movie.facts.title, movie.tally) == ("Renamed", TWO_TENS)
    best = store.movies.page(MovieFilter(), Sorting(SortBy.AVERAGE_RATING), Window()).movies
    assert [movie.facts.tmdb_id for movie in best] == [1, 2]


def test_a_removed_movie_with_ratings_is_marked_and_returns_with_them(store: MongoStore) -> None:
    (movie,) = add_movies(store, [facts(1, title="Lost")])
    for name in ("ann", "bob"):
        store.ratings.add(new_rating(add_user(store, name).id, movie.id, 10))
    assert store_page(store, gone=(1,), day=2).updated == 1
    gone = store.movies.get(TmdbNumber(1))
    assert (gone.removed_at, gone.tally) == (noon(2), TWO_TENS)
    assert store.movies.count(MovieFilter()) == 0
    store_page(store, facts(1, title="Lost"), day=3)
    assert store.movies.get(TmdbNumber(1)).removed_at is None
    assert store.movies.count(MovieFilter()) == 1


def test_a_removed_account_is_subtracted_from_the_counts_of_watchlists_and_viewings(
    store: MongoStore,
) -> None:
    (movie,) = add_movies(store, [facts(1)])
    ann, bob = add_user(store, "ann"), add_user(store, "bob")
    for user in (ann, bob):
        store.watchlists.add(new_item(user.id, movie.id))
        for day in (noon(1), noon(2)):
            store.viewings.add(new_viewing(user.id, movie.id, day.date()))
    store.users.remove(ann.id)
    with store.database.using() as database:
        (stored,) = database.movies.find({"tmdbId": 1})
    assert (stored["watchlistCount"], stored["viewingsCount"]) == (1, 2)


def test_a_put_replaces_what_another_process_stored_meanwhile(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first lookup finds nothing, as just before the other process commits."""
    (movie,) = add_movies(store, [facts(1)])
    ann = add_user(store)
    rating, item = new_rating(ann.id, movie.id, 3), new_item(ann.id, movie.id)
    store.ratings.add(rating)
    store.watchlists.add(item)
    for module in (mongo_ratings, mongo_watchlists):
        looks = iter([lambda *_: None])
        seen = module._of
        monkeypatch.setattr(module, "_of", lambda *names, seen=seen, looks=looks: next(looks, seen)(*names))

    replaced, _, created = store.ratings.put(new_rating(ann.id, movie.id, 9))
    assert (replaced.id, replaced.score, created) == (rating.id, Score.of(9), False)
    marked, created = store.watchlists.put(new_item(ann.id, movie.id, is_favorite=True))
    assert (marked.id, marked.is_favorite, created) == (item.id, True, False)


def test_genres_conflict_with_a_concurrent_hand_over(
    store: MongoStore, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue is handed over after the run was admitted and before its genres are written."""
    drama, western = GenreFacts(tmdb_id=18, name="Drama"), GenreFacts(tmdb_id=37, name="Western")
    run = new_run(store, Entity.GENRES, source=SourceName.DEMO)
    run = store.genres.store(PageResult(page=1, at=noon(), genres=(drama,)), run)
    all_genres = mongo_genres._all

    def change_source() -> None:
        with closing(MongoStore(mongo_uri, system.now)) as other:
            other.movies.change_source(SourceName.TMDB, noon(2))

    def hand_over_first(database: Documents) -> list[Genre]:
        found = all_genres(database)
        with ThreadPoolExecutor(1) as thread:  # a session is bound to ours
            thread.submit(change_source).result()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(mongo_genres, "_all", hand_over_first)
        with pytest.raises(FilledFromAnotherSource):
            store.genres.store(PageResult(page=2, at=noon(), genres=(western,)), run)
    assert [genre.name for genre in store.genres.all()] == ["Drama"]


def test_a_movie_that_becomes_hidden_loses_its_terms(store: MongoStore) -> None:
    def with_terms() -> list[int]:
        with store.database.using() as database:
            return sorted(movie["tmdbId"] for movie in database.movies.find({"terms": {"$exists": True}}))

    first, second, _ = add_movies(store, [facts(1), facts(2), facts(3)])
    for movie in (first, second):
        store.ratings.add(new_rating(add_user(store, f"of-{movie.facts.tmdb_id}").id, movie.id, 10))
    assert with_terms() == [1, 2, 3]
    store_page(store, facts(1, adult=True), gone=(2,), day=2)
    assert with_terms() == [3]


@pytest.mark.parametrize("counted", [-1, 0, 1])
@pytest.mark.parametrize("on_a_list", [True, False])
def test_a_removed_movie_is_kept_for_its_watchlists_not_for_their_count(
    store: MongoStore, on_a_list: bool, counted: int
) -> None:
    (movie,) = add_movies(store, [facts(1)])
    if on_a_list:
        store.watchlists.add(new_item(add_user(store).id, movie.id))
    with store.database.using() as database:
        database.movies.update_one({"_id": ObjectId(movie.id)}, {"$set": {"watchlistCount": counted}})
    store_page(store, gone=(1,), day=2)
    assert bool(store.movies.by_tmdb_ids([1])) == on_a_list


def test_rare_and_frequent_conditions_give_correct_pages(store: MongoStore) -> None:
    movies = add_movies(store, random_facts(120))
    for wanted in (MovieFilter(language="ja", min_votes=100), MovieFilter(min_votes=0)):
        shown = store.movies.page(wanted, Sorting(), Window(limit=3)).movies
        expected = [movie for movie in movies if wanted.admits(movie) and movie.facts.popularity is not None]
        expected.sort(key=lambda movie: (-(movie.facts.popularity or 0), movie.id))
        assert [movie.id for movie in shown] == [movie.id for movie in expected[:3]]


def test_several_processes_can_prepare_the_store_at_once(mongo_uri: str) -> None:
    stores = [MongoStore(mongo_uri, system.now) for _ in range(6)]
    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(MongoStore.prepare, stores))
    assert stores[0].movies.generation() == 1
    assert stores[5].movies.count(MovieFilter()) == 0
    with stores[0].database.using() as database:
        names = {name for name in database.movies.index_information() if name != "_id_"}
        assert names == {index.document["name"] for index in INDEXES["movies"]}
        counters = {each["_id"]: each["value"] for each in database.counters.find()}
    assert counters.pop("changesEpoch") > 0
    assert counters == {
        "generation": 1,
        "visible_movies": 0,
        "schema": len(MIGRATIONS),
        "source": None,
        "neighboursRule": 0,
    }
    for store in stores:
        store.close()


def test_preparing_again_changes_nothing(store: MongoStore) -> None:
    add_movies(store, [facts(1)])
    generation = store.movies.generation()
    store.prepare()
    assert (store.movies.generation(), store.movies.count(MovieFilter())) == (generation, 1)


def test_a_newer_schema_is_refused_by_mongodb(store: MongoStore) -> None:
    with store.database.using() as database:
        database.counters.update_one({"_id": "schema"}, {"$set": {"value": len(MIGRATIONS) + 1}})
    with pytest.raises(StorageUnavailable, match="upgrade"):
        store.prepare()


def test_using_a_store_that_was_never_prepared_is_an_error(mongo_uri: str) -> None:
    store = MongoStore(mongo_uri, system.now)
    with pytest.raises(StorageUnavailable, match="never prepared"):
        store.movies.generation()
    store.close()


def test_a_standalone_server_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with running_secantus(tmp_path, "--standalone") as address:
        store = MongoStore(address, system.now)
        with pytest.raises(StorageUnavailable) as refused:
            store.prepare()
        store.close()
    assert refused.value.reason == STANDALONE


def test_two_concurrent_syncs_can_store_the_same_movies(store: MongoStore) -> None:
    runs = [new_run(store, entity) for entity in (Entity.MOVIES, Entity.CHANGES)]
    movies = tuple(facts(number) for number in range(1, 6))

    def sync(run_number: int) -> None:
        run = runs[run_number]
        for page in range(1, 6):
            page_facts = tuple(replace(each, popularity=float(10 * run_number + page)) for each in movies)
            run = store.movies.store(PageResult(page=page, at=noon(), movies=page_facts), run)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(sync, range(2)))
    ended = [store.runs.get(run.id) for run in runs]
    assert [run.pages_done for run in ended] == [5, 5]
    assert sum(run.inserted for run in ended) == 5
    assert sum(run.inserted + run.updated + run.unchanged for run in ended) == 50
    assert store.movies.count(MovieFilter()) == 5


def test_nothing_of_a_page_is_stored_if_its_last_write_fails(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_movies(store, [facts(1)])
    run = new_run(store)

    def broken(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("adapters.mongo.movies._count", broken)
    with pytest.raises(OSError):  # noqa: PT011  any will do
        store.movies.store(PageResult(page=1, at=noon(2), movies=(facts(1, title="New"), facts(2))), run)
    assert store.runs.get(run.id) == run
    assert store.movies.by_tmdb_ids([1, 2])[1].facts.title == "Movie 1"
    assert set(store.movies.by_tmdb_ids([1, 2])) == {1}


@pytest.mark.parametrize("server", ["unreachable", "unresponsive"])
def test_calls_to_an_unreachable_server_fail_within_two_seconds(
    server: str, request: pytest.FixtureRequest
) -> None:
    assert mongo_database.OPERATION_TIMEOUT + DRIVER_CHECK_INTERVAL < 2
    store = MongoStore(request.getfixturevalue(server), system.now)
    for call in (store.ping, store.movies.generation, store.prepare, lambda: store.runs.recent(1)):
        began = time.monotonic()
        with pytest.raises(StorageUnavailable):
            call()
        assert time.monotonic() - began < MAX_SECONDS
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < MAX_SECONDS


def test_a_closed_store_can_be_used_again(store: MongoStore) -> None:
    store.close()
    store.ping()


def test_invalid_ids_are_not_found(store: MongoStore) -> None:
    with pytest.raises(MovieNotFound):
        store.movies.get(MovieId("no id"))
    with pytest.raises(RunNotFound):
        store.runs.get(RunId(str(ObjectId()).upper()))


def test_more_calls_than_connections_are_refused_soon(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_database, "MAX_CONCURRENT_CALLS", 1)
    store = MongoStore(mongo_uri, system.now)
    with store.database.using(), pytest.raises(StorageUnavailable, match="in progress"):
        store.ping()
    store.ping()
    store.close()


def test_a_forked_process_has_a_client_of_its_own(store: MongoStore) -> None:
    add_movies(store, [facts(1)])
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()

    def child() -> None:
        theirs.send((os.getpid() in store.database._clients, store.movies.count(MovieFilter())))
        store.close()

    process = context.Process(target=child)
    process.start()
    assert mine.poll(20)
    assert mine.recv() == (False, 1)
    process.join(20)
    assert process.exitcode == 0
    assert store.movies.count(MovieFilter()) == 1


SECRET = "s3cr@t/w0rd"


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://annabel:{SECRET}@127.0.0.1:1/matinee",
        "mongodb://annabel:s3cr%40t%2Fw0rd@127.0.0.1:1/matinee",
        f"mongodb://annabel:{SECRET}@127.0.0.1:1/?nonsense",
        f"http://annabel:{SECRET}@127.0.0.1/",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_error_and_no_repr_contains_the_credentials_of_the_uri(uri: str) -> None:
    store = MongoStore(uri, system.now)
    with pytest.raises(StorageUnavailable) as away:
        store.ping()
    store.close()
    for text in (str(away.value), repr(store)):
        assert not [part for part in ("s3cr", "w0rd", SECRET, "annabel") if part in text], text


def test_a_wrong_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    with running_secantus(tmp_path) as address:
        with MongoClient[dict[str, object]](address) as client:
            client.admin.command("createUser", "annabel", pwd="right", roles=[])
        wrong = urlsplit(address)._replace(netloc=f"annabel:wrong@{urlsplit(address).netloc}").geturl()
        store = MongoStore(wrong, system.now)
        with pytest.raises(StorageUnavailable, match="Authentication") as refused:
            store.ping()
        store.close()
    assert "wrong" not in str(refused.value)


def test_an_interrupted_transaction_blocks_no_writes_after_a_reconnect(tmp_path: Path) -> None:
    """Without help the server would block writes to these documents for a minute."""
    with running_secantus(tmp_path) as address, running_proxy(urlsplit(address).port or 0) as proxy:
        store = MongoStore(f"mongodb://127.0.0.1:{proxy.port}/cut?directConnection=true", system.now)
        store.prepare()
        store_page(store, facts(603))

        def cut_off(database: Documents) -> None:
            database.movies.update_one({"tmdbId": 603}, {"$inc": {"touched": 1}})
            proxy.pause()
            database.movies.update_one({"tmdbId": 603}, {"$inc": {"touched": 1}})

        def touch(database: Documents) -> None:
            database.movies.update_one({"tmdbId": 603}, {"$inc": {"touched": 10}})

        with pytest.raises(StorageUnavailable):
            store.database.transaction(cut_off)
        proxy.resume()
        until = time.monotonic() + 20
        while True:
            try:
                store.database.transaction(touch)
                break
            except StorageUnavailable:
                assert time.monotonic() < until
        with store.database.using() as database:
            assert (database.movies.find_one({"tmdbId": 603}) or {})["touched"] == 10
        store.close()
