"""The jobs by name, as the child process of a worker executes them."""

import gc
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters import system
from adapters.sqlite.ratings import set_tally
from adapters.sqlite.rows import moment
from adapters.sqlite.store import SqliteStore
from adapters.testkit.invitations import add_invitation
from adapters.testkit.samples import add_movies, add_session, add_user, facts, new_rating, store_page
from application.sync_runner import lock_name, queue_holder
from domain.ids import RunId, movie_id
from domain.ratings import Tally
from domain.sync import Entity, SourceRefused, Status
from entrypoints.processes import jobs
from entrypoints.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(data_dir=str(tmp_path))
    before, thresholds = jobs.worker_settings.set(settings), gc.get_threshold()
    yield settings
    jobs.worker_settings.reset(before)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def store(settings: Settings) -> Iterator[SqliteStore]:
    store = SqliteStore(path=settings.data_path / "matinee.db", clock=system.now)
    store.prepare()
    yield store
    store.close()


@pytest.mark.parametrize("entity", Entity)
def test_a_sync_job_runs_a_sync(store: SqliteStore, entity: Entity) -> None:
    jobs.sync(entity)
    run = store.runs.latest(entity)
    assert run
    assert run.status is Status.SUCCESS
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("job", [lambda: jobs.sync("changes"), jobs.sweep])
def test_a_sync_job_ends_if_another_run_is_in_progress(store: SqliteStore, job: Callable[[], None]) -> None:
    store.locks.acquire(lock_name(Entity.CHANGES), queue_holder(RunId("a" * 24)), timedelta(minutes=10))
    job()
    assert store.runs.latest(Entity.CHANGES) is None


def test_a_sweep_refreshes_old_movies(store: SqliteStore) -> None:
    jobs.sync("movies")
    jobs.sweep()
    run = store.runs.latest(Entity.CHANGES)
    assert run
    assert run.status is Status.SUCCESS


def test_a_sweep_with_a_refused_credential_raises(store: SqliteStore, settings: Settings) -> None:
    store_page(store, facts(1))
    unreadable = Settings(data_dir=settings.data_dir, tmdb_access_token="no\ncredential")
    before = jobs.worker_settings.set(unreadable)
    try:
        with pytest.raises(SourceRefused, match="sync of changes failed: TMDB_ACCESS_TOKEN"):
            jobs.sweep()
    finally:
        jobs.worker_settings.reset(before)


def test_drifts_are_repaired_and_logged(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    store_page(store, facts(1))
    tally = store.ratings.add(new_rating(add_user(store).id, movie_id(1)))
    with store.database.writing() as connection:
        set_tally(connection, movie_id(1), Tally())
    with caplog.at_level(logging.WARNING):
        jobs.verify_ratings()
    assert store.movies.get(movie_id(1)).tally == tally
    assert movie_id(1) in caplog.text


@pytest.mark.parametrize("job", [jobs.update_neighbours, jobs.recount_neighbours])
def test_neighbours_are_computed_by_jobs(store: SqliteStore, job: Callable[[], None]) -> None:
    store_page(store, facts(1), facts(2))
    for name in ("ann", "bob"):
        user = add_user(store, name)
        for number in (1, 2):
            store.ratings.add(new_rating(user.id, movie_id(number), 9))
    job()
    assert store.recommendations.neighbours([movie_id(1), movie_id(2)]).keys() == {movie_id(1), movie_id(2)}


def test_expired_invitations_are_deleted_with_the_sessions(store: SqliteStore) -> None:
    add_invitation(store, expires_at=system.now() - timedelta(days=1))
    valid = add_invitation(store, expires_at=system.now() + timedelta(days=1))
    jobs.expire_sessions()
    assert [each.id for each in store.invitations.page(10)] == [valid.id]


def test_removals_that_no_mark_needs_are_forgotten(store: SqliteStore) -> None:
    user = add_user(store).id
    (movie,) = add_movies(store, [facts(1)])
    store.ratings.add(new_rating(user, movie.id))
    store.ratings.remove_from(movie.id, user)
    with store.database.writing() as connection:
        connection.execute("UPDATE removals SET removed_at = ?", (moment(system.now() - timedelta(days=90)),))
    jobs.expire_sessions()
    assert len(store.changes.since(user, 0, 9).changes) == 1
    with store.database.writing() as connection:
        connection.execute("UPDATE removals SET removed_at = ?", (moment(system.now() - timedelta(days=92)),))
    jobs.expire_sessions()
    assert store.changes.since(user, 0, 9).changes == ()


def test_expired_sessions_are_deleted(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    add_session(store, add_user(store))  # in January 2026
    living = add_session(store, add_user(store, "bob"), expires_at=system.now() + timedelta(days=1))
    with caplog.at_level(logging.INFO):
        jobs.expire_sessions()
    assert "1 expired sessions removed" in caplog.text
    assert store.sessions.caller(living.id, system.now())
