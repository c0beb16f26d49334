"""The change feed over HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from dependency_injector import providers

from adapters.sqlite.store import SqliteStore
from domain.changes import Mark
from domain.ids import UserId
from domain.users import Role
from entrypoints.http.resources.changes import mark_token, parse_mark
from entrypoints.settings import Settings
from tests.integration.http_service import (
    THE_MATRIX,
    SignedInUser,
    client_over,
    container_over,
    filled_store,
    now,
    register_user,
    serving_with_store,
)


@pytest.fixture
def here() -> Iterator[tuple[SignedInUser, SqliteStore]]:
    with serving_with_store() as (client, store):
        yield register_user(client), store


def test_a_client_keeps_a_copy(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    rating = neo("PUT", "/movies/603/rating", {"rating": 8}).json()
    item = neo("PUT", "/movies/604/watchlist", {}).json()
    viewing = neo("POST", "/viewings", {"movie_id": 605}).json()
    first = neo("GET", "/me/changes").json()
    rating.pop("movie_rating")
    assert (first["ratings"], first["watchlist"], first["removed"]) == ([rating], [item], [])
    assert first["viewings"] == [viewing]
    assert first["more"] is False
    neo("PATCH", f"/ratings/{rating['id']}", {"rating": 9})
    neo("DELETE", f"/watchlist/{item['id']}")
    neo("DELETE", f"/viewings/{viewing['id']}")
    second = neo("GET", f"/me/changes?since={first['next']}").json()
    assert [each["rating"] for each in second["ratings"]] == [9]
    assert second["watchlist"] == []
    assert second["removed"] == [
        {"kind": kind, "id": each["id"], "movie_id": each["movie"]["id"]}
        for kind, each in (("watchlist", item), ("viewing", viewing))
    ]
    third = neo("GET", f"/me/changes?since={second['next']}").json()
    assert (third["ratings"], third["removed"], third["next"]) == ([], [], second["next"])


def test_changes_come_in_parts(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    for movie in (603, 604, 605):
        neo("PUT", f"/movies/{movie}/rating", {"rating": 8})
    part = neo("GET", "/me/changes?limit=2").json()
    assert (len(part["ratings"]), part["more"]) == (2, True)
    rest = neo("GET", f"/me/changes?limit=2&since={part['next']}").json()
    assert (len(rest["ratings"]), rest["more"]) == (1, False)


def test_a_review_that_an_admin_removes_is_a_change(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, store = here
    smith = register_user(neo.client, "smith")
    store.users.change(UserId(smith.user["id"]), lambda user: user.with_changes(now(), role=Role.ADMIN))
    rating = neo("PUT", "/movies/603/rating", {"rating": 8, "review": "Whoa."}).json()["id"]
    since = neo("GET", "/me/changes").json()["next"]
    smith("DELETE", f"/admin/ratings/{rating}/review")
    assert [each["review"] for each in neo("GET", f"/me/changes?since={since}").json()["ratings"]] == [None]


@pytest.mark.parametrize("since", ["x", "", "WzEsMSwxLDFd", "é", "A" * 201])
def test_what_is_no_mark_is_refused(here: tuple[SignedInUser, SqliteStore], since: str) -> None:
    neo, _ = here
    answer = neo("GET", f"/me/changes?since={since}&limit=0")
    assert answer.status_code == 400
    answer = neo("GET", f"/me/changes?since={since}")
    assert [each["field"] for each in answer.json()["details"]] == ["since"]


def test_a_mark_is_for_one_user(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    since = neo("GET", "/me/changes").json()["next"]
    trinity = register_user(neo.client, "trinity")
    assert trinity("GET", f"/me/changes?since={since}").status_code == 400


def test_an_old_mark_tells_to_start_again() -> None:
    store, late = filled_store([THE_MATRIX]), {"by": timedelta(0)}
    container = container_over(store, Settings(jwt_expires_in="365d", refresh_expires_in="365d"))
    container.clock.override(providers.Object(lambda: now() + late["by"]))
    with client_over(store, container=container) as client:
        neo = register_user(client)
        since = neo("GET", "/me/changes").json()["next"]
        late["by"] = timedelta(days=90)
        answer = neo("GET", f"/me/changes?since={since}")
        assert (answer.status_code, answer.json()["code"]) == (410, "changes_expired")
        assert neo("GET", "/me/changes").status_code == 200
    store.close()


def test_activity_is_the_cheap_question(here: tuple[SignedInUser, SqliteStore]) -> None:
    neo, _ = here
    nothing = neo("GET", "/me/activity")
    body: dict[str, Any] = nothing.json()
    assert body == {"ratings": None, "watchlist": None, "viewings": None, "version": "0"}
    unchanged = {"headers": {"If-None-Match": nothing.headers["etag"]}}
    assert neo("GET", "/me/activity", **unchanged).status_code == 304
    neo("PUT", "/movies/603/rating", {"rating": 8})
    changed = neo("GET", "/me/activity", **unchanged)
    assert changed.json() == {**body, "ratings": "2026-01-02T12:00:00.345Z", "version": "1"}


def test_tokens_of_marks_are_bound_to_user_and_content() -> None:
    ann, bob = UserId("a" * 24), UserId("b" * 24)
    mark = Mark(epoch=2**52 - 1, number=7, at=now(), began=9)
    token = mark_token(mark, ann)
    assert parse_mark(token, ann) == mark
    assert parse_mark(token, bob) is None
    assert parse_mark(token[:-2], ann) is None
