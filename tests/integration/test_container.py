"""The composition root."""

import asyncio
import inspect
from datetime import timedelta
from pathlib import Path

import pytest
from dependency_injector import providers

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.mongo.store import MongoStore
from adapters.redis.invalidation import RedisCacheInvalidation
from adapters.redis.queue import RqJobQueue
from adapters.sqlite.store import SqliteStore
from adapters.store import Store
from adapters.tmdb.source import TmdbMovieSource
from application.ratings import RateMovie
from application.sync_runner import STORE_DELAY
from domain import ports
from domain.pagination import Window
from entrypoints.container import Container, MongoMissing, Resolver, running
from entrypoints.http.dependencies import InvalidHandler
from entrypoints.settings import Settings
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import application, container_over, filled_store


def container(settings: Settings) -> Container:
    return Container(settings=providers.Object(settings))


def test_every_provider_can_be_built(tmp_path: Path, valkey: Valkey) -> None:
    with running(Settings(data_dir=str(tmp_path), redis_url=valkey.url)) as built:
        for name, provider in built.providers.items():
            assert provider() is not None or name in {"tmdb", "user_source"}, name


def test_each_use_case_class_has_one_provider(tmp_path: Path) -> None:
    built = container(Settings(data_dir=str(tmp_path)))
    classes = [
        provider.provides
        for provider in built.providers.values()
        if isinstance(provider, providers.Factory | providers.Singleton)
    ]
    assert len(classes) == len(set(classes))
    assert isinstance(Resolver(built)(RateMovie), RateMovie)
    with pytest.raises(LookupError):
        Resolver(built)(InvalidHandler)


def test_the_application_does_not_start_without_a_use_case_that_a_handler_requests() -> None:
    store = filled_store([])
    built = container_over(store, Settings())
    built.rate_movie.set_provides(lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(InvalidHandler, match=r"post_rating: nothing provides RateMovie for rate_movie$"):
        application(store, container=built)
    store.close()


def test_without_redis_nothing_is_cached_and_each_process_counts_limits(tmp_path: Path) -> None:
    with running(Settings(data_dir=str(tmp_path))) as built:
        assert built.breaker() is None
        assert isinstance(built.invalidation(), system.NoCache)
        assert asyncio.run(built.counter()("1/minute", "somebody"))[:2] == (True, 0)


@pytest.mark.parametrize(("uri", "delay"), [(None, STORE_DELAY), ("mongodb://127.0.0.1:1/x", timedelta(0))])
def test_syncs_store_pages_together_in_sqlite_only(uri: str | None, delay: timedelta) -> None:
    assert container(Settings(mongodb_uri=uri)).sync_runner().store_delay == delay


def test_the_settings_choose_the_store_and_the_source(tmp_path: Path) -> None:
    assert isinstance(container(Settings(data_dir=str(tmp_path))).store(), SqliteStore)
    assert isinstance(container(Settings(mongodb_uri="mongodb://127.0.0.1:1/x")).store(), MongoStore)
    assert isinstance(container(Settings()).source(), DemoMovieSource)
    assert container(Settings()).tmdb() is None
    tmdb = container(Settings(tmdb_api_key="key")).source()
    assert isinstance(tmdb, TmdbMovieSource)
    tmdb.close()


def test_mongodb_without_its_driver_is_refused_without_a_fallback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.container.find_spec", lambda _: None)
    settings = Settings(data_dir=str(tmp_path / "data"), mongodb_uri="mongodb://127.0.0.1:1/x")
    with pytest.raises(MongoMissing, match=r"not installed: pip install 'matinee\[mongo\]'"):
        container(settings).store()
    with pytest.raises(MongoMissing), running(settings):
        pytest.fail("there is no store")
    assert list(tmp_path.iterdir()) == []


def test_adapters_are_singletons_and_use_cases_are_not(tmp_path: Path) -> None:
    with running(Settings(data_dir=str(tmp_path))) as built:
        assert built.store() is built.store()
        assert built.movies() is built.store().movies
        assert built.browse_movies() is not built.browse_movies()
        assert built.browse_movies().totals is built.totals()


@pytest.mark.parametrize(
    ("port", "adapters"),
    [
        (ports.MovieSource, [TmdbMovieSource, DemoMovieSource]),
        (Store, [SqliteStore, MongoStore]),
        (ports.MovieRepository, ["movies"]),
        (ports.GenreRepository, ["genres"]),
        (ports.SyncRunRepository, ["runs"]),
        (ports.Locks, ["locks"]),
        (ports.JobQueue, [RqJobQueue, system.NoJobQueue]),
        (ports.CacheInvalidation, [RedisCacheInvalidation, system.NoCache]),
    ],
    ids=lambda value: value.__name__ if inspect.isclass(value) else "",
)
def test_every_adapter_has_the_signatures_of_its_port(port: type, adapters: list[type | str]) -> None:
    stores = (SqliteStore(path=None, clock=lambda: None), MongoStore(uri="mongodb://h/x", clock=lambda: None))  # type: ignore[arg-type, return-value]
    kinds = [
        kind
        for each in adapters
        for kind in ([each] if isinstance(each, type) else [type(getattr(store, each)) for store in stores])
    ]
    promised = {
        name: method for name, method in vars(port).items() if inspect.isfunction(method) and name[0] != "_"
    }
    for kind in kinds:
        for name, method in promised.items():
            assert list(inspect.signature(getattr(kind, name)).parameters) == list(
                inspect.signature(method).parameters
            )


class Faulty:
    """An adapter whose `close` fails."""

    def __init__(self) -> None:
        self.tries = 0

    def close(self) -> None:
        self.tries += 1
        raise ZeroDivisionError("a bug")


def test_an_adapter_that_was_not_opened_is_not_created_at_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # httpx reads the proxy's address when a client is made.
    monkeypatch.setenv("HTTPS_PROXY", "no proxy at all://")
    with running(Settings(data_dir=str(tmp_path), tmdb_api_key="key")) as built:
        assert list(built.list_users()(window=Window(limit=1)).rows) == []
        store = built.store()
    assert isinstance(store, SqliteStore)
    assert store.database._opened == []


@pytest.mark.parametrize("last", ["store", "source"])
def test_a_failure_to_close_one_adapter_does_not_prevent_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, last: str
) -> None:
    faulty = Faulty()
    with running(Settings(data_dir=str(tmp_path))) as built:
        store = built.store()
        if last == "store":
            built.cleanup().add("a faulty part", faulty.close)
            built.source()
        else:
            built.source()
            built.cleanup().add("a faulty part", faulty.close)
    assert isinstance(store, SqliteStore)
    assert store.database._opened == []
    assert faulty.tries == 1
    assert "a faulty part cannot be closed" in caplog.text


def test_the_store_is_closed_when_the_work_fails(tmp_path: Path) -> None:
    opened = running(Settings(data_dir=str(tmp_path)))
    store = opened.__enter__().store()
    with pytest.raises(KeyboardInterrupt):
        opened.gen.throw(KeyboardInterrupt)
    assert isinstance(store, SqliteStore)
    assert store.database._opened == []
