"""A catalogue is synced only from the source that filled it."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, new_run, store_page
from application.operations import CheckHealth, Condition, Part
from application.sync import CheckSource, SyncChanges, SyncGenres, SyncMovies, UpgradeCatalogue
from domain.errors import StorageUnavailable
from domain.ids import TmdbNumber
from domain.sync import (
    Entity,
    FilledFromAnotherSource,
    PageResult,
    SourceName,
    SourcePage,
    SourceUnavailable,
    Status,
    SyncRun,
)
from entrypoints.processes import jobs, scheduler
from entrypoints.processes.child_process import SYNCS_REFUSED
from entrypoints.processes.first_run import fill_if_empty
from entrypoints.processes.scheduler import cron_entries
from entrypoints.settings import Settings
from tests.integration.http_service import client_over, container_over, filled_store
from tests.integration.sync_use_cases import PAGES, FakeSource, SyncUseCases, facts_of
from tests.integration.test_http_syncs import promoted
from tests.integration.test_sync_invalidation import Invalidations, Watched

NO_CREDENTIAL = "set TMDB_ACCESS_TOKEN or TMDB_API_KEY"


@pytest.fixture
def demo(use_cases: SyncUseCases) -> SyncUseCases:
    """The same store with the demo catalogue as the source."""
    return SyncUseCases(use_cases.store, use_cases.clock, DemoMovieSource())


def syncs(use_cases: SyncUseCases) -> list[Callable[[], SyncRun]]:
    return [
        SyncGenres(runner=use_cases.runner, genres=use_cases.store.genres),
        lambda: SyncMovies(runner=use_cases.runner, movies=use_cases.store.movies)(pages=PAGES),
        SyncChanges(runner=use_cases.runner, movies=use_cases.store.movies),
    ]


def everything(store: SqliteStore) -> Any:
    held = store.movies.by_tmdb_ids(range(1, 10**6))
    return held, store.genres.all(), store.runs.recent(99), store.movies.generation()


@pytest.mark.parametrize("kind", range(3))
def test_without_a_credential_a_catalogue_from_tmdb_is_not_changed(
    use_cases: SyncUseCases, demo: SyncUseCases, kind: int
) -> None:
    store_page(use_cases.store, facts(603, poster_path="/a.jpg", vote_count=9))
    before = everything(use_cases.store)
    with pytest.raises(FilledFromAnotherSource, match=NO_CREDENTIAL):
        syncs(demo)[kind]()
    held, genres, _, generation = everything(use_cases.store)
    assert (held, genres, generation) == (before[0], before[1], before[3])
    assert use_cases.is_unlocked(list(Entity)[kind])
    assert syncs(use_cases)[kind]().status is Status.SUCCESS


@pytest.mark.parametrize("kind", range(3))
def test_a_demo_catalogue_is_not_synced_from_tmdb_before_an_upgrade(
    use_cases: SyncUseCases, demo: SyncUseCases, kind: int
) -> None:
    syncs(demo)[1]()
    before = everything(use_cases.store)
    with pytest.raises(FilledFromAnotherSource, match="matinee sync upgrade"):
        syncs(use_cases)[kind]()
    assert everything(use_cases.store) == before
    assert syncs(demo)[kind]().status is Status.SUCCESS


def test_a_run_stores_nothing_after_a_change_of_the_source(
    use_cases: SyncUseCases, demo: SyncUseCases, fake_source: FakeSource
) -> None:
    def overtake(page: int) -> None:
        if page == 1:  # read, and not stored yet
            syncs(demo)[0]()

    fake_source.before = overtake
    with pytest.raises(FilledFromAnotherSource):
        syncs(use_cases)[1]()
    run = use_cases.store.runs.latest(Entity.MOVIES)
    assert run
    assert (run.status, run.pages_done) == (Status.FAILED, 0)
    assert "matinee sync upgrade" in str(run.error)
    assert use_cases.stored_numbers() == []
    assert use_cases.is_unlocked()


def test_a_queued_run_is_refused_by_a_worker_without_the_credential(
    use_cases: SyncUseCases, demo: SyncUseCases
) -> None:
    store_page(use_cases.store, facts_of(1))
    run = use_cases.enqueue(Entity.CHANGES)
    with pytest.raises(FilledFromAnotherSource, match=NO_CREDENTIAL):
        demo.run_sync(entity=Entity.CHANGES, queued=run.id)
    closed = use_cases.store.runs.get(run.id)
    assert (closed.status, closed.requests) == (Status.FAILED, 0)
    assert NO_CREDENTIAL in str(closed.error)
    assert use_cases.is_unlocked(Entity.CHANGES)


def test_an_enqueued_run_that_was_cancelled_stays_cancelled(
    use_cases: SyncUseCases, demo: SyncUseCases
) -> None:
    run = use_cases.enqueue()
    use_cases.store.runs.save(run.cancelled(use_cases.clock()))
    with demo.runner.run(Entity.MOVIES, lambda _: None, run.id) as recorder:
        pass
    assert recorder.run.status is Status.CANCELLED


class UnavailableOnce:
    """The records of runs in a store that is unavailable at the first save."""

    def __init__(self, runs: Any) -> None:
        self.runs = runs
        self.available = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runs, name)

    def save(self, run: SyncRun) -> None:
        if not self.available:
            self.available = True
            raise StorageUnavailable("the store does not answer")
        self.runs.save(run)


def test_a_run_whose_source_cannot_be_checked_is_closed(use_cases: SyncUseCases) -> None:
    runs: Any = UnavailableOnce(use_cases.store.runs)
    sync = SyncMovies(runner=replace(use_cases.runner, runs=runs), movies=use_cases.store.movies)
    with pytest.raises(StorageUnavailable):
        sync(pages=PAGES)
    (run,) = use_cases.store.runs.recent(1)
    assert (run.status, run.problems, run.fetched) == (Status.FAILED, ("interrupted",), 0)
    assert use_cases.is_unlocked()


def test_an_enqueued_run_fills_an_empty_catalogue_from_the_workers_source(
    use_cases: SyncUseCases, demo: SyncUseCases
) -> None:
    run = use_cases.enqueue()
    done = demo.run_sync(entity=Entity.MOVIES, queued=run.id)
    assert (done.id, done.source) == (run.id, SourceName.DEMO)
    assert use_cases.store.movies.source() is SourceName.DEMO


def test_the_pages_of_a_run_from_another_source_are_read_again(
    use_cases: SyncUseCases, demo: SyncUseCases
) -> None:
    def die(run: SyncRun) -> None:
        if run.running and run.pages_done == 2:
            raise SourceUnavailable("half way")

    SyncMovies(runner=demo.runner, movies=use_cases.store.movies)(pages=PAGES, on_progress=die)
    upgrade(use_cases)()
    run = syncs(use_cases)[1]()
    assert (run.status, run.pages_done, run.inserted + run.updated + run.unchanged) == (
        Status.SUCCESS,
        PAGES,
        20,
    )


def upgrade(use_cases: SyncUseCases) -> UpgradeCatalogue:
    return UpgradeCatalogue(
        movies=use_cases.store.movies,
        source=use_cases.runner.source,
        invalidation=system.NoCache(),
        clock=use_cases.clock,
    )


def test_an_upgrade_changes_the_source_and_everything_is_refreshed(
    use_cases: SyncUseCases, demo: SyncUseCases, fake_source: FakeSource
) -> None:
    syncs(demo)[1]()
    ours = set(use_cases.stored_numbers())
    upgrade(use_cases)()
    assert use_cases.store.movies.source() is SourceName.TMDB
    assert use_cases.store.movies.get(TmdbNumber(603)).facts.title == "The Matrix"
    for sync in syncs(use_cases):
        assert sync().status is Status.SUCCESS
    assert ours - set(range(1, 21)) <= set(fake_source.requested)
    assert use_cases.store.movies.get(TmdbNumber(603)).facts == facts_of(603)
    assert use_cases.sweep().cleared == 0
    with pytest.raises(FilledFromAnotherSource):
        syncs(demo)[1]()


def test_an_upgrade_changes_nothing_if_the_new_source_is_unavailable(
    use_cases: SyncUseCases, demo: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise SourceUnavailable("no answer")

    syncs(demo)[1]()
    before = everything(use_cases.store)
    monkeypatch.setattr(fake_source, "ping", away)
    with pytest.raises(SourceUnavailable):
        upgrade(use_cases)()
    assert everything(use_cases.store) == before
    assert use_cases.store.movies.source() is SourceName.DEMO


def test_an_upgrade_does_not_change_an_empty_catalogue_or_one_from_its_source(
    use_cases: SyncUseCases, demo: SyncUseCases
) -> None:
    upgrade(use_cases)()
    assert use_cases.store.movies.source() is None
    syncs(use_cases)[1]()
    before = everything(use_cases.store)
    upgrade(use_cases)()
    assert everything(use_cases.store) == before
    with pytest.raises(FilledFromAnotherSource):
        upgrade(demo)()


def test_an_upgrade_invalidates_the_cache(use_cases: SyncUseCases, demo: SyncUseCases) -> None:
    syncs(demo)[1]()
    invalidations = Invalidations()
    movies: Any = Watched(use_cases.store.movies, invalidations)
    replace(upgrade(use_cases), movies=movies, invalidation=invalidations)()
    assert movies.writes == [True]
    assert invalidations.times == 1


class TestHealth:
    def health(self, use_cases: SyncUseCases) -> CheckHealth:
        check = CheckSource(movies=use_cases.store.movies, source=use_cases.runner.source)
        return CheckHealth(
            database=use_cases.store.ping,
            runs=use_cases.store.runs,
            clock=use_cases.clock,
            check_source=check,
        )

    def test_a_catalogue_from_another_source_is_degraded(
        self, use_cases: SyncUseCases, demo: SyncUseCases
    ) -> None:
        syncs(use_cases)[1]()
        assert self.health(use_cases)().condition is Condition.OK
        health = self.health(demo)()
        found = health.findings[Part.SYNC]
        assert (health.condition, found.condition, found.age) == (
            Condition.DEGRADED,
            Condition.DEGRADED,
            timedelta(0),
        )
        assert isinstance(found.problem, FilledFromAnotherSource)

    def test_a_catalogue_from_another_source_without_a_complete_run_is_degraded(
        self, use_cases: SyncUseCases, demo: SyncUseCases
    ) -> None:
        store_page(use_cases.store, facts_of(1))
        found = self.health(demo)().findings[Part.SYNC]
        assert isinstance(found.problem, FilledFromAnotherSource)


@pytest.fixture
def service() -> Iterator[tuple[Any, SqliteStore]]:
    """The API without a credential over a catalogue from TMDB, and an admin as its client."""
    store = filled_store([facts(603)])
    container = container_over(store, Settings())
    container.jobs.override(providers.Object(NoJobQueue()))
    with client_over(store, container=container) as client:
        yield promoted(client, store), store
    store.close()


class NoJobQueue:
    """A queue that must not be used."""

    def sync(self, *_: object) -> None:
        pytest.fail("nothing may be queued")

    def is_pending(self, _: object) -> bool:
        return False

    def update_neighbours(self) -> None:
        pass

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", Entity)
def test_a_sync_from_another_source_is_a_conflict_over_http(service: Any, kind: Entity) -> None:
    admin, store = service
    answer = admin("POST", f"/admin/sync/{kind}")
    assert (answer.status_code, answer.json()["code"]) == (409, "source_mismatch")
    assert NO_CREDENTIAL in answer.json()["message"]
    assert store.runs.count() == 2  # the runs that filled it
    assert admin("POST", f"/admin/sync/{kind}").json()["code"] == "source_mismatch"


@pytest.fixture
def tmdb_store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A database that was filled from TMDB. Jobs run without a credential."""
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    page = PageResult(page=1, at=system.now(), movies=(facts(603, poster_path="/a.jpg"),))
    store.movies.store(page, new_run(store))
    before = jobs.worker_settings.set(Settings(data_dir=str(tmp_path)))
    yield store
    jobs.worker_settings.reset(before)
    store.close()


@pytest.mark.parametrize("job", [*(lambda each=each: jobs.sync(each) for each in Entity), jobs.sweep])
def test_a_job_with_another_source_stores_nothing_and_is_not_retried(
    tmdb_store: SqliteStore, job: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    before = tmdb_store.movies.by_tmdb_ids([603])
    with caplog.at_level(logging.INFO):
        job()  # raises nothing
    assert tmdb_store.movies.by_tmdb_ids([603]) == before
    assert tmdb_store.genres.all() == []
    assert NO_CREDENTIAL in caplog.text or "nothing refreshed" in caplog.text


def test_the_first_start_reports_a_catalogue_from_another_source(
    tmdb_store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings()
    container = container_over(tmdb_store, settings)
    assert not fill_if_empty(container, settings, lambda: pytest.fail("it begins at once"))
    output = capsys.readouterr().out
    assert output.startswith("No syncs will run: The catalogue was filled from TMDB")
    assert NO_CREDENTIAL in output
    assert tmdb_store.genres.all() == []


def test_a_first_start_ends_if_another_source_fills_the_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    settings = Settings(tmdb_access_token="t")
    container = container_over(store, settings)

    class Overtaken(FakeSource):
        def popular(self, page: int) -> SourcePage:
            store.movies.change_source(SourceName.DEMO, system.now())  # as if the demo had filled it first
            return super().popular(page)

    container.source.override(providers.Object(Overtaken()))
    assert not fill_if_empty(container, settings, lambda: None)
    assert "The catalogue stays as it is: The catalogue was filled from the demo" in capsys.readouterr().out
    store.close()


def test_without_syncs_the_schedule_has_none() -> None:
    names = [entry.name for entry in cron_entries(Settings(), syncs=False)]
    assert names == ["expire-sessions", "sweep", "verify-ratings", "recount-neighbours"]
    assert {entry.name for entry in cron_entries(Settings())} == {*names, "sync-genres", "sync-movies"}
    discovering = cron_entries(Settings(sync_discover_cron="30 5 * * 0"))
    assert [(each.cron, each.args) for each in discovering if each.name == "sync-discover"] == [
        ("30 5 * * 0", ("discover",))
    ]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the scheduler has no threads yet
@pytest.mark.parametrize("credential", [None, "t"])
def test_the_scheduler_checks_the_source_in_a_process_of_its_own(
    tmdb_store: SqliteStore, credential: str | None
) -> None:
    settings = replace_settings(jobs.worker_settings.get(), credential)
    assert scheduler._source_is_accepted(settings) == bool(credential)


def replace_settings(settings: Settings | None, credential: str | None) -> Settings:
    assert settings
    return Settings(data_dir=settings.data_dir, tmdb_access_token=credential)


def test_the_check_of_the_source_ends_with_an_exit_code(
    tmdb_store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit) as ended:
        scheduler._check_source(replace_settings(jobs.worker_settings.get(), None))
    assert ended.value.code == SYNCS_REFUSED
    assert "no syncs will run: The catalogue was filled from TMDB" in caplog.text
    scheduler._check_source(replace_settings(jobs.worker_settings.get(), "t"))


def test_while_the_store_is_unavailable_syncs_are_scheduled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "matinee.db").write_text("no database" * 500)
    scheduler._check_source(Settings(data_dir=str(tmp_path)))
    assert "whether syncs may run is not known" in caplog.text
