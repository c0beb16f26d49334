"""What players send over HTTP: each outcome, and that the token in the path is seen nowhere else."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sqlite.store import SqliteStore
from domain.ids import UserId
from domain.users import Role
from entrypoints.http.access_log import access_log
from entrypoints.http.body_limits import MAX_BULK_BYTES
from tests.integration.http_service import SignedInUser, now, register_user, serving_with_store
from tests.integration.test_http_additions import FILMS, service
from tests.player_events import EMBY, JELLYFIN, KODI_ADDON, PLEX, changed
from tests.tmdb_simulator import TmdbSimulator

JSON = {"content-type": "application/json"}


class Hook:
    """A player that sends events to the address of a user."""

    def __init__(self, somebody: SignedInUser, scope: str = "write") -> None:
        body = {"name": "Player", "scope": scope}
        self.somebody = somebody
        self.token: str = somebody("POST", "/auth/tokens", body).json()["token"]
        self.path = f"/api/v1/hooks/{self.token}"

    def __call__(self, event: Any) -> Any:
        return self.somebody.client.post(self.path, json=event)

    def diary(self) -> list[tuple[int, str, bool]]:
        rows = self.somebody("GET", "/viewings").json()["data"]
        return [(row["movie"]["tmdb_id"], row["watched_on"], row["rewatch"]) for row in rows]


@pytest.fixture
def here() -> Iterator[tuple[Hook, SqliteStore]]:
    with serving_with_store() as (client, store):
        yield Hook(register_user(client)), store


@pytest.fixture
def hook(here: tuple[Hook, SqliteStore]) -> Hook:
    return here[0]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_film_that_was_watched_becomes_a_viewing_once(hook: Hook) -> None:
    answer = hook(JELLYFIN)
    viewing = answer.json()["viewing_id"]
    assert (answer.status_code, answer.json()) == (
        200,
        {"recorded": True, "reason": None, "viewing_id": viewing},
    )
    assert hook.somebody("GET", f"/viewings/{viewing}").json()["watched_on"] == "2026-01-01"
    again = {"recorded": False, "reason": "already_recorded", "viewing_id": viewing}
    assert hook(JELLYFIN).json() == again
    assert hook(changed(JELLYFIN, Timestamp="2026-01-02T00:01:00Z")).json() == again
    assert hook.diary() == [(603, "2026-01-01", False)]


def test_a_film_that_was_seen_before_is_a_rewatch(hook: Hook) -> None:
    hook.somebody("POST", "/viewings", {"movie_id": "603", "watched_on": "1999-06-17"})
    assert hook(KODI_ADDON).json()["recorded"]
    assert hook.diary() == [(603, "2026-01-02", True), (603, "1999-06-17", False)]


def test_plex_sends_a_form_with_a_picture(hook: Hook) -> None:
    answer = hook.somebody.client.post(
        hook.path,
        files={
            "payload": (None, json.dumps(PLEX), "application/json"),
            "thumb": ("thumb.jpg", b"\xff\xd8" + b"\0" * 500_000, "image/jpeg"),
        },
    )
    assert (answer.status_code, answer.json()["recorded"]) == (200, True)
    assert hook.diary() == [(603, "2026-01-01", False)]


def test_an_old_emby_sends_a_form_and_jellyfin_declares_plain_text(hook: Hook) -> None:
    client = hook.somebody.client
    form = {"other": (None, "x"), "data": (None, json.dumps(EMBY))}
    assert client.post(hook.path, files=form).json()["recorded"]
    event = changed(JELLYFIN, Provider_tmdb="604", Provider_imdb="")
    text = client.post(hook.path, content=json.dumps(event), headers={"content-type": "text/plain"})
    assert text.json()["recorded"]


def test_a_film_is_found_by_its_imdb_id_if_the_number_is_unknown(hook: Hook) -> None:
    assert hook(changed(JELLYFIN, Provider_tmdb="99999")).json()["recorded"]
    assert hook.diary() == [(603, "2026-01-01", False)]


def test_other_events_are_accepted_with_a_reason(hook: Hook) -> None:
    answer = hook(changed(JELLYFIN, ItemType="Episode"))
    assert (answer.status_code, answer.json()) == (
        200,
        {"recorded": False, "reason": "not_a_movie", "viewing_id": None},
    )
    assert hook.diary() == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON),
        (b"[]", JSON),
        (b"{", JSON),
        (b'{"NotificationType": NaN}', JSON),
        (b"[" * 20_000, JSON),
        (b"\xff", JSON),
        (b'{"hello": "world"}', JSON),
        (b"{}", {"content-type": "multipart/form-data"}),
        (b"--x\r\n", {"content-type": "multipart/form-data; boundary=x"}),
        (b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
         {"content-type": "multipart/form-data; boundary=x"}),
    ],
)  # fmt: skip
def test_what_no_player_sends_is_refused(hook: Hook, body: bytes, headers: dict[str, str]) -> None:
    answer = hook.somebody.client.post(hook.path, content=body, headers=headers)
    assert refused(answer) == (400, "unknown_payload")
    assert answer.json()["details"][0]["field"] == "body"


def test_a_compressed_body_is_refused(hook: Hook) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    answer = hook.somebody.client.post(hook.path, content=b"{}", headers=headers)
    assert refused(answer) == (415, "unsupported_content_encoding")


def test_a_body_of_more_than_the_limit_is_refused(hook: Hook) -> None:
    answer = hook.somebody.client.post(hook.path, content=b" " * (MAX_BULK_BYTES + 1), headers=JSON)
    assert refused(answer) == (413, "payload_too_large")


def test_only_a_valid_token_that_may_write_is_accepted(hook: Hook) -> None:
    neo = hook.somebody
    assert refused(Hook(neo, "read")(JELLYFIN)) == (403, "read_only_token")
    for text in (neo.access_token, "matinee_guessed", "matinee_%C3%BC", "x"):
        answer = neo.client.post(f"/api/v1/hooks/{text}", json=JELLYFIN, headers=neo.headers)
        assert refused(answer) == (401, "token_rejected"), text
    ended = Hook(neo)
    for each in neo("GET", "/auth/tokens").json()["data"]:
        neo("DELETE", f"/auth/tokens/{each['id']}")
    assert refused(ended(JELLYFIN)) == (401, "token_revoked")
    assert hook.diary() == []


def test_a_disabled_owner_is_refused(here: tuple[Hook, SqliteStore]) -> None:
    hook, store = here
    store.users.change(
        UserId(hook.somebody.user["id"]), lambda user: user.with_changes(now(), role=Role.USER, disabled=True)
    )
    assert hook(JELLYFIN).status_code == 401


def test_events_count_against_the_rate_limit_of_the_owner() -> None:
    with serving_with_store(rate_limit="3/minute") as (client, _):
        hook = Hook(register_user(client))
        statuses = [hook(changed(JELLYFIN, NotificationType="PlaybackStart")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_the_token_is_neither_logged_nor_repeated(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "httpx")  # the client's own log
    caplog.set_level(logging.DEBUG)
    client, secret = hook.somebody.client, hook.somebody.access_token
    answers = [
        hook(JELLYFIN),
        hook({}),
        client.get(hook.path),
        client.post(hook.path + "/more"),
        client.post(f"/api/v1/hooks/{secret}", json={}),
        client.post(f"/elsewhere/{hook.token}/x", json={}),
        client.post(f"/api/v1//hooks/{secret}", json={}),
    ]
    metrics = client.get("/api/v1/metrics").text
    access_log.flush()
    shown = caplog.text + "".join(str(vars(record)) for record in caplog.records) + metrics
    for answer in answers:
        shown += answer.text + str(answer.headers)
    assert hook.token not in shown
    assert secret not in shown
    assert answers[1].json()["path"] == answers[3].json()["path"] == "/api/v1/hooks/***"
    assert answers[5].json()["path"] == "/elsewhere/***/x"
    assert "'route': '/api/v1/hooks/{token}'" in shown


class TestFilmsThatTheCatalogueLacks:
    """They are added where there is a source."""

    def test_a_film_is_added_by_its_number_or_else_by_its_imdb_id(self) -> None:
        with TmdbSimulator(FILMS, token="the-token") as tmdb, service(tmdb) as (client, _):
            hook = Hook(register_user(client))
            by_number = changed(JELLYFIN, Provider_tmdb="604", Provider_imdb="")
            by_id = changed(JELLYFIN, Provider_tmdb="99999", Provider_imdb="tt0328832")
            assert hook(by_number).json()["recorded"]
            assert hook(by_id).json()["recorded"]
            assert {number for number, _, _ in hook.diary()} == {604, 607}
            unknown = changed(JELLYFIN, Provider_tmdb="99999", Provider_imdb="")
            assert refused(hook(unknown)) == (404, "movie_not_found")

    def test_without_a_source_they_are_refused(self) -> None:
        with service(None) as (client, _):
            hook = Hook(register_user(client))
            lacking = changed(JELLYFIN, Provider_tmdb="604", Provider_imdb="")
            assert refused(hook(lacking)) == (501, "no_source")
