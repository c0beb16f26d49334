"""The pages of admins: health, syncs with progress, users, invitations, reviews."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest
from dependency_injector import providers
from litestar.types import HTTPScope

from adapters.redis.queue import RqJobQueue
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import fresh_id, new_run, noon
from domain.errors import StorageUnavailable
from domain.ids import UserId
from domain.sync import Entity, SourceName, SyncRun
from domain.users import Role
from entrypoints.container import Container
from entrypoints.http.access_log import CLIENT_PRESENCE, STOPPING, ClientPresence
from entrypoints.settings import Settings
from entrypoints.web.events import RunEvents
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import (
    PASSWORD,
    THE_MATRIX,
    Client,
    client_over,
    container_over,
    filled_store,
)
from tests.integration.test_web_pages import check
from tests.integration.web_client import Browser, Page, browsing_with_store
from tests.stores import store_in_memory


def admin(browser: Browser, store: SqliteStore, name: str = "trinity") -> Browser:
    """Join as somebody who becomes an admin."""
    browser.join(name)
    user = store.users.by_email(f"{name}@example.com")
    assert user
    store.users.change(user.id, lambda stored: stored.with_changes(stored.updated_at, role=Role.ADMIN))
    return browser


def user_id(store: SqliteStore, name: str) -> UserId:
    user = store.users.by_email(f"{name}@example.com")
    assert user
    return user.id


@pytest.mark.parametrize("path", ["/admin", "/admin/users", "/admin/invitations"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_page_for_admins_is_well_formed_and_safe(path: str, language: str) -> None:
    with browsing_with_store() as (browser, store):
        admin(browser, store).send("/admin/invitations", uses="3", expires_in="7d")
        answer = browser.open(path, **{"accept-language": language})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    check(answer, Page(answer.text))
    assert "/admin" in Page(answer.text).links


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/users", "/admin/invitations", f"/admin/sync/runs/{'0' * 24}/events"]
)
def test_pages_for_admins_are_for_nobody_else(path: str) -> None:
    with browsing_with_store() as (browser, _):
        assert browser.open(path).status_code == 303
        answer = browser.join().open(path)
    assert (answer.status_code, "/admin" in Page(answer.text).links) == (403, False)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/sync/movies",
        f"/admin/sync/runs/{'0' * 24}/cancel",
        f"/admin/users/{'0' * 24}",
        f"/admin/users/{'0' * 24}/delete",
        "/admin/invitations",
        f"/admin/invitations/{'0' * 24}/delete",
        f"/admin/ratings/{'0' * 24}/review/delete",
    ],
)
def test_forms_for_admins_are_for_nobody_else(path: str) -> None:
    with browsing_with_store() as (browser, _):
        assert browser.send(path).headers["location"] == "/sign-in"
        assert browser.join().send(path).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/admin/sync/everything",
        f"/admin/sync/runs/{'0' * 24}/cancel",
        f"/admin/users/{'0' * 24}/delete",
        "/admin/users/x/delete",
        f"/admin/invitations/{'0' * 24}/delete",
        f"/admin/ratings/{'0' * 24}/review/delete",
    ],
)
def test_what_does_not_exist_is_not_found(path: str) -> None:
    with browsing_with_store() as (browser, store):
        assert admin(browser, store).send(path).status_code == 404


def test_the_health_of_each_part_is_shown() -> None:
    with browsing_with_store() as (browser, store):
        page = admin(browser, store).page("/admin")
    assert "Database good" in page.text
    assert "TMDB not configured" in page.text
    assert "Matinee 1.2.3" in page.text


def test_the_roles_of_others_are_changed_and_accounts_disabled_and_deleted() -> None:
    with browsing_with_store() as (browser, store):
        browser.join().send("/sign-out")
        admin(browser, store)
        path = f"/admin/users/{user_id(store, 'neo')}"
        for fields in ({"role": "admin"}, {"role": "user"}, {"disabled": "true"}, {"disabled": "false"}):
            answer = browser.send(path, **fields, next="/admin/users")
            assert (answer.status_code, answer.headers["location"]) == (303, "/admin/users")
            user = store.users.by_email("neo@example.com")
            assert user
            name, value = next(iter(fields.items()))
            assert str(getattr(user, name)).lower() == value
        browser.send(path, password="a new one for neo")
        assert browser.send(f"{path}/delete").headers["location"] == "/admin/users"
        assert store.users.by_email("neo@example.com") is None


def test_a_new_password_ends_the_sessions_of_its_account() -> None:
    with browsing_with_store() as (browser, store):
        browser.join()
        cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        browser.client.cookies.clear()
        admin(browser, store)
        path = f"/admin/users/{user_id(store, 'neo')}"
        weak = browser.send(path, password="password1")
        browser.send(path, password="a new one for neo")
        browser.client.cookies.clear()
        assert browser.open("/account", cookie=cookie).status_code == 303
        assert (
            browser.send("/sign-in", email="neo@example.com", password="a new one for neo").status_code == 303
        )
    assert (weak.status_code, "most common passwords" in weak.text, "<details open>" in weak.text) == (
        400,
        True,
        True,
    )


def test_the_last_admin_stays_one() -> None:
    with browsing_with_store() as (browser, store):
        admin(browser, store)
        path = f"/admin/users/{user_id(store, 'trinity')}"
        answers = [
            browser.send(path, role="user"),
            browser.send(path, disabled="true"),
            browser.send(f"{path}/delete"),
            browser.send(path),
        ]
    assert [each.status_code for each in answers] == [409, 409, 409, 400]
    assert all("The last admin" in each.text for each in answers[:3])


def test_an_invitation_is_created_used_and_deleted() -> None:
    with browsing_with_store(registration="invite") as (browser, store):
        container = browser.client.app
        assert container
        user = container_over(store, Settings()).create_user()(
            username="trinity", email="trinity@example.com", password=PASSWORD, role=Role.ADMIN
        )
        browser.send("/sign-in", email=user.email, password=PASSWORD)
        refused = browser.send("/admin/invitations", uses="0", expires_in="soon")
        answer = browser.send("/admin/invitations", uses="2", expires_in="12h")
        (code,) = re.findall(r"<code>([^<]+)</code>", answer.text)
        listed = browser.open("/admin/invitations").text
        browser.send("/sign-out")
        browser.join(invitation=code).send("/sign-out")
        browser.send("/sign-in", email=user.email, password=PASSWORD)
        assert "1 / 2" in browser.open("/admin/invitations").text
        (path,) = re.findall(r'action="(/admin/invitations/\w+/delete)"', listed)
        assert browser.send(path).headers["location"] == "/admin/invitations"
        assert "There is no invitation" in browser.open("/admin/invitations").text
    assert (
        refused.status_code,
        'id="uses-fault"' in refused.text,
        'id="expires_in-fault"' in refused.text,
    ) == (400, True, True)
    assert answer.status_code == 201
    assert code not in listed
    assert f"/join?invitation={code}" in answer.text


def test_a_review_is_removed_and_its_score_stays() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, store):
        browser.join().send("/movies/603/rating", rating="2", review="Rude words")
        assert "/review/delete" not in browser.open("/movies/603").text
        browser.send("/sign-out")
        page = admin(browser, store).open("/movies/603").text
        (path,) = re.findall(r'action="(/admin/ratings/\w+/review/delete)"', page)
        answer = browser.send(path, next="/movies/603")
        assert answer.headers["location"] == "/movies/603"
        page = browser.open("/movies/603").text
    assert "Rude words" not in page
    assert "★ 2" in page


def test_lists_of_admins_go_on_by_cursor() -> None:
    with browsing_with_store() as (browser, store):
        for number in range(20):
            browser.join(f"user{number:02}").send("/sign-out")
        admin(browser, store)
        for _ in range(21):
            browser.send("/admin/invitations")
        for path, row in (("/admin/users", r"<h2>"), ("/admin/invitations", r'<th scope="row">')):
            page = browser.open(path).text
            (link,) = re.findall(r'rel="next" href="([^"]+)"', page)
            rest = browser.open(link.replace("&amp;", "&")).text
            assert (len(re.findall(row, page)), len(re.findall(row, rest))) == (20, 1)


class Place:
    """A service with a job queue, and an admin at its pages."""

    def __init__(self, client: Client, store: SqliteStore, container: Container) -> None:
        self.client, self.store, self.container = client, store, container
        self.browser = admin(Browser(client), store)

    def runs(self) -> list[SyncRun]:
        return list(self.store.runs.recent(10, 0))


@pytest.fixture
def place(valkey: Valkey) -> Iterator[Place]:
    settings = Settings(redis_url=valkey.url)
    store = filled_store([], SourceName.DEMO)
    container = container_over(store, settings)
    container.new_id.override(providers.Object(fresh_id))
    jobs = RqJobQueue(valkey.url)
    with client_over(store, container=container, web="true") as client:
        yield Place(client, store, container)
    jobs.close()
    container.jobs().close()
    store.close()


def test_a_sync_is_started_shown_and_cancelled(place: Place) -> None:
    browser = place.browser
    assert browser.send("/admin/sync/movies").headers["location"] == "/admin"
    (run,) = [each for each in place.runs() if each.running]
    page = browser.open("/admin").text
    assert f'data-events="/admin/sync/runs/{run.id}/events"' in page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    again = browser.send("/admin/sync/movies")
    assert (again.status_code, 'role="alert"' in again.text) == (409, True)
    assert browser.send(f"/admin/sync/runs/{run.id}/cancel").headers["location"] == "/admin"
    assert "cancelled" in browser.page("/admin").text
    closed = browser.send(f"/admin/sync/runs/{run.id}/cancel")
    assert closed.status_code == 409
    assert "http-equiv" not in browser.open("/admin").text


def test_the_events_of_a_run_that_is_over_are_its_end(place: Place) -> None:
    place.browser.send("/admin/sync/genres")
    (run,) = [each for each in place.runs() if each.running]
    place.container.run_sync()(entity=Entity.GENRES, queued=run.id)
    answer = place.browser.open(f"/admin/sync/runs/{run.id}/events")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("retry: 1000\n\nevent: end\ndata: {")
    head = place.client.head(f"/admin/sync/runs/{run.id}/events", headers=place.browser.headers)
    assert (head.status_code, head.content) == (200, b"")
    assert place.browser.open(f"/admin/sync/runs/{'0' * 24}/events").status_code == 404


def sent(events: RunEvents, **state: Any) -> list[bytes]:
    """The chunks of a stream."""
    chunks: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            chunks.append(message["body"])

    async def run() -> None:
        scope = {"state": {CLIENT_PRESENCE: ClientPresence(), **state}}
        await events(cast("HTTPScope", scope), cast("Any", None), send)

    asyncio.run(run())
    return chunks


async def allowed() -> bool:
    return True


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(noon)
    yield store
    store.close()


def test_an_event_is_sent_whenever_a_run_has_progressed(store: SqliteStore) -> None:
    run = new_run(store, Entity.MOVIES).bounded(3)
    after = run.missed(1, "HTTP 503", 1)
    steps = iter([run, run, after, after.finished(noon())])
    chunks = sent(RunEvents(lambda: next(steps), run, allowed, interval=0.001))
    data = [msgspec.json.decode(each) for each in re.findall(rb"data: (.+)\n\n", b"".join(chunks))]
    assert [(each["done"], each["failed"], each["total"]) for each in data] == [
        (0, 0, 3),
        (0, 1, 3),
        (0, 1, 3),
    ]
    assert chunks[0].startswith(b"retry: 1000\n\ndata: ")
    assert chunks[-2].startswith(b"event: end\n")
    assert (len(chunks), chunks[-1]) == (4, b"")


def test_a_stream_ends_when_the_client_has_left_or_the_server_stops(store: SqliteStore) -> None:
    run = new_run(store, Entity.MOVIES)
    gone = ClientPresence()
    gone.left = True
    assert len(sent(RunEvents(lambda: run, run, allowed), **{CLIENT_PRESENCE: gone})) == 2

    async def stopping() -> asyncio.Event:
        event = asyncio.Event()
        event.set()
        return event

    assert len(sent(RunEvents(lambda: run, run, allowed), **{STOPPING: asyncio.run(stopping())})) == 2


def test_a_stream_ends_when_the_session_has_ended(store: SqliteStore) -> None:
    run = new_run(store, Entity.MOVIES)
    answers = iter([True, True, False])

    async def still_allowed() -> bool:
        return next(answers)

    reads: list[SyncRun] = []

    def read() -> SyncRun:
        reads.append(run)
        return run

    sent(RunEvents(read, run, still_allowed, interval=0.001))
    assert len(reads) == 2


def test_a_stream_ends_when_the_store_is_unavailable(store: SqliteStore) -> None:
    run = new_run(store, Entity.MOVIES)

    def read() -> SyncRun:
        raise StorageUnavailable("it is away")

    assert len(sent(RunEvents(read, run, allowed, interval=0.001))) == 2


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": Role.USER}])
def test_an_admin_who_is_none_any_more_gets_no_further_event(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    with browsing_with_store() as (browser, store):
        admin(browser, store).send("/sign-out")
        run = new_run(store, Entity.MOVIES)
        admin(browser, store, "morpheus")
        user = user_id(store, "morpheus")
        waits = []

        async def waited(*_: object) -> bool:
            waits.append(1)
            if len(waits) == 2:
                store.users.change(user, lambda stored: stored.with_changes(stored.updated_at, **change))
            return False

        monkeypatch.setattr("entrypoints.web.events._waited", waited)
        answer = browser.open(f"/admin/sync/runs/{run.id}/events")
    assert (answer.status_code, len(waits)) == (200, 2)
    assert "event: end" not in answer.text


def test_a_stream_does_not_last_for_ever(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoints.web.events.STREAM_TIMEOUT", 0.003)
    run = new_run(store, Entity.MOVIES)
    reads: list[SyncRun] = []

    def read() -> SyncRun:
        reads.append(run)
        return run

    sent(RunEvents(read, run, allowed, interval=0.001))
    assert len(reads) == 3


def test_a_run_without_progress_keeps_its_stream_alive(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.web.events.STREAM_TIMEOUT", 0.025)
    run = new_run(store, Entity.MOVIES)
    chunks = sent(RunEvents(lambda: run, run, allowed, interval=0.001))
    assert chunks[1:] == [b":\n\n", b":\n\n", b""]
