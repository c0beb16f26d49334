"""Syncs over HTTP: admins start, follow and cancel runs, which a worker executes later."""

from collections.abc import Iterator
from typing import Any

import pytest
from dependency_injector import providers

from adapters.redis.queue import RqJobQueue
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import fresh_id
from domain.sync import Entity, SourceName, SyncRun
from domain.users import Role
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import (
    Client,
    SignedInUser,
    client_over,
    container_over,
    filled_store,
    register_user,
)
from tests.integration.http_service import serving_with_store as plain_place

KINDS = ("genres", "movies", "changes")


class Place:
    """A service with a job queue, and an admin who calls it."""

    def __init__(self, client: Client, store: SqliteStore, container: Container, jobs: RqJobQueue) -> None:
        self.client, self.store, self.container, self.jobs = client, store, container, jobs
        self.admin = promoted(client, store)

    def work(self, entity: Entity, queued: SyncRun | None = None) -> SyncRun:
        """Execute the job as a worker does."""
        return self.container.run_sync()(entity=entity, queued=queued.id if queued else None)


def promoted(client: Client, store: SqliteStore) -> SignedInUser:
    admin = register_user(client, "trinity")
    store.users.change(admin.user["id"], lambda user: user.with_changes(user.updated_at, role=Role.ADMIN))
    return admin


@pytest.fixture
def place(valkey: Valkey) -> Iterator[Place]:
    settings = Settings(redis_url=valkey.url)
    store = filled_store([], SourceName.DEMO)
    container = container_over(store, settings)
    container.new_id.override(providers.Object(fresh_id))  # it sorts runs with the same start
    jobs = RqJobQueue(valkey.url)
    with client_over(store, container=container) as client:
        yield Place(client, store, container, jobs)
    jobs.close()
    container.jobs().close()
    store.close()


def started(place: Place, kind: str) -> SyncRun:
    answer = place.admin("POST", f"/admin/sync/{kind}")
    assert answer.status_code == 202, answer.text
    return place.container.get_run()(run=answer.json()["run_id"])


def shown(place: Place, run: SyncRun) -> Any:
    return place.admin("GET", f"/admin/sync/runs/{run.id}").json()


@pytest.mark.parametrize("kind", KINDS)
def test_a_started_sync_is_recorded_at_once_and_waits_for_a_worker(place: Place, kind: str) -> None:
    run = started(place, kind)
    body = shown(place, run)
    assert (body["id"], body["entity"], body["status"]) == (run.id, kind, "in-progress")
    assert (body["pages_total"], body["pages_done"], body["finished_at"], body["error"]) == (0, 0, None, None)
    assert place.jobs.waiting() == 1


def test_the_worker_executes_the_run_whose_id_the_client_got(place: Place) -> None:
    run = started(place, "genres")
    done = place.work(Entity.GENRES, run)
    assert done.id == run.id
    body = shown(place, run)
    assert (body["status"], body["pages_done"], body["pages_total"]) == ("success", 1, 1)
    assert body["fetched"] == body["inserted"] + body["updated"] + body["unchanged"] == 19
    assert body["finished_at"] >= body["started_at"]


def test_a_sync_is_refused_while_one_of_its_kind_runs_or_waits(place: Place) -> None:
    run = started(place, "movies")
    answer = place.admin("POST", "/admin/sync/movies")
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_running")
    assert place.jobs.waiting() == 1
    started(place, "genres")
    place.work(Entity.MOVIES, run)
    assert started(place, "movies").id != run.id


def test_a_cancelled_run_frees_its_lock_and_is_not_executed(place: Place) -> None:
    run = started(place, "movies")
    answer = place.admin("POST", f"/admin/sync/runs/{run.id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["finished_at"]
    other = started(place, "movies")
    assert place.work(Entity.MOVIES, run) == place.store.runs.get(run.id)
    assert place.store.runs.get(other.id).running
    again = place.admin("POST", f"/admin/sync/runs/{run.id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "run_closed")


@pytest.mark.parametrize("run", ["0" * 24, "nonsense"])
def test_an_unknown_run_is_not_found(place: Place, run: str) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel")):
        answer = place.admin(method, f"/admin/sync/runs/{run}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


def test_runs_are_listed_by_page_the_latest_first(place: Place) -> None:
    place.work(Entity.GENRES)
    place.work(Entity.CHANGES)
    answer = place.admin("GET", "/admin/sync/runs?limit=3&page=1")
    page = answer.json()
    assert [run["entity"] for run in page["data"]] == ["changes", "genres", "movies"]
    assert (page["meta"]["total"], page["meta"]["total_pages"], page["meta"]["has_next_page"]) == (4, 2, True)
    assert 'rel="next"' in answer.headers["link"]
    assert len(place.admin("GET", "/admin/sync/runs?limit=3&page=2").json()["data"]) == 1


def test_without_a_queue_no_run_is_in_progress() -> None:
    with plain_place(tmdb_access_token="t") as (client, store):
        admin = promoted(client, store)
        for _ in range(2):
            answer = admin("POST", "/admin/sync/changes")
            assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable")
            assert answer.headers["retry-after"]
            run = store.runs.latest(Entity.CHANGES)
            assert run
            assert run.status == "cancelled"
            assert "REDIS_URL" in str(run.error)


def test_after_a_timeout_of_the_queue_an_enqueued_job_does_nothing(place: Place, valkey: Valkey) -> None:
    started(place, "genres")
    valkey.freeze()
    answer = place.admin("POST", "/admin/sync/movies")
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable")
    valkey.thaw()
    withdrawn = place.store.runs.latest(Entity.MOVIES)
    assert withdrawn
    assert withdrawn.status == "cancelled"
    assert place.work(Entity.MOVIES, withdrawn) == withdrawn
    started(place, "movies")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", f"/admin/sync/{kind}") for kind in KINDS),
        ("GET", "/admin/sync/runs"),
        ("GET", f"/admin/sync/runs/{'0' * 24}"),
        ("POST", f"/admin/sync/runs/{'0' * 24}/cancel"),
    ],
)
def test_syncs_are_for_admins_only(place: Place, method: str, path: str) -> None:
    assert place.client.request(method, f"/api/v1{path}").status_code == 401
    assert register_user(place.client)(method, path).status_code == 403
    assert place.store.runs.latest(Entity.CHANGES) is None


def test_unknown_parameters_of_a_sync_are_refused(place: Place) -> None:
    assert place.admin("POST", "/admin/sync/movies?pages=3").status_code == 400
    assert place.jobs.waiting() == 0
