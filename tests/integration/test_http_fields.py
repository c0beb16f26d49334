"""The `fields` parameter selects the fields of every list and every single object."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.testkit.imports import add_import, new_row
from adapters.testkit.samples import facts, new_run
from domain.ids import movie_id
from domain.recommendations import Neighbour
from domain.sync import Entity
from domain.users import Role
from tests.integration.http_service import THE_MATRIX, SignedInUser, now, register_user, serving_with_store

LISTS = ["/movies", "/movies/search?q=matrix", "/genres", "/genres/{genre}/movies", "/ratings",
         "/ratings/movie/{movie}", "/watchlist", "/viewings", "/me/movies?ids=603", "/admin/users",
         "/me/imports", "/me/imports/{import}/rows", "/me/sessions", "/admin/invitations", "/auth/tokens",
         "/admin/sync/runs",
         "/movies/{movie}/recommendations", "/me/recommendations", "/me/recommendations/hidden"]  # fmt: skip
ITEMS = ["/movies/{movie}", "/genres/{genre}", "/ratings/{rating}", "/watchlist/{item}",
         "/viewings/{viewing}", "/me/movies/{movie}", "/me/statistics", "/me/imports/{import}", "/auth/me",
         "/admin/sync/runs/{run}"]  # fmt: skip


@pytest.fixture(scope="module")
def admin() -> Iterator[tuple[SignedInUser, dict[str, str]]]:
    """An admin with a rating, a watchlist item and a viewing, and their ids."""
    with serving_with_store(THE_MATRIX, facts(604)) as (client, store):
        neo = register_user(client)
        store.users.change(neo.user["id"], lambda user: user.with_changes(now(), role=Role.ADMIN))
        rating = neo("POST", "/ratings", {"movie_id": 603, "rating": 8.5, "review": "Whoa."}).json()["id"]
        item = neo("POST", "/watchlist", {"movie_id": 603}).json()["id"]
        viewing = neo("POST", "/viewings", {"movie_id": 603}).json()["id"]
        imported = add_import(store, neo.user["id"])
        store.imports.save(imported.next(now()), [new_row(1)])
        run = new_run(store, Entity.CHANGES).id
        store.recommendations.store({movie_id(603): [Neighbour(movie_id(604), 5, 9)]})
        neo("PUT", "/me/recommendations/hidden/603")
        neo("POST", "/admin/invitations", {})
        neo("POST", "/auth/tokens", {"name": "Player", "scope": "read"})
        yield (
            neo,
            {
                "movie": "603",
                "genre": "878",
                "rating": rating,
                "item": item,
                "run": run,
                "viewing": viewing,
                "import": imported.id,
            },
        )


def narrowed(path: str, fields: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}fields={fields}"


@pytest.mark.parametrize("path", LISTS)
def test_items_of_a_list_have_only_the_requested_fields(
    admin: tuple[SignedInUser, dict[str, str]], path: str
) -> None:
    neo, ids = admin
    path = path.format(**ids)
    whole: list[dict[str, Any]] = neo("GET", path).json()["data"]
    assert whole
    names = list(whole[0])
    for chosen in ([names[0]], [names[-1], names[1]], names):
        part = neo("GET", narrowed(path, ",".join(chosen))).json()["data"]
        assert part == [{name: row[name] for name in chosen} for row in whole]
        assert {tuple(row) for row in part} == {tuple(name for name in names if name in chosen)}


@pytest.mark.parametrize("path", ITEMS)
def test_a_single_object_has_only_the_requested_fields(
    admin: tuple[SignedInUser, dict[str, str]], path: str
) -> None:
    neo, ids = admin
    path = path.format(**ids)
    whole: dict[str, Any] = neo("GET", path).json()
    for chosen in ([next(iter(whole))], list(whole)[::-1]):
        part = neo("GET", narrowed(path, ",".join(chosen))).json()
        assert part == {name: whole[name] for name in chosen}
        assert list(part) == [name for name in whole if name in chosen]


@pytest.mark.parametrize("path", [*LISTS, *ITEMS])
@pytest.mark.parametrize("fields", ["colour", "id,,rating", "", "data"])
def test_an_unknown_field_is_refused_with_the_names_of_the_fields(
    admin: tuple[SignedInUser, dict[str, str]], path: str, fields: str
) -> None:
    neo, ids = admin
    answer = neo("GET", narrowed(path.format(**ids), fields))

    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "fields"
    assert "must be names of fields, separated by commas, out of" in answer.json()["errors"][0]


def test_the_links_of_a_list_keep_the_fields_parameter(admin: tuple[SignedInUser, dict[str, str]]) -> None:
    neo, _ = admin

    assert "fields=rating" in neo("GET", "/ratings?fields=rating").headers["link"]


def test_the_document_declares_the_parameter_wherever_it_works(
    admin: tuple[SignedInUser, dict[str, str]],
) -> None:
    neo, _ = admin
    having = [
        path.removeprefix("/api/v1")
        for path, calls in neo("GET", "/docs/openapi.json").json()["paths"].items()
        if "fields" in {each["name"] for each in calls.get("get", {}).get("parameters", [])}
    ]

    named = {
        "genre": "{id}",
        "rating": "{id}",
        "item": "{id}",
        "run": "{id}",
        "viewing": "{id}",
        "import": "{id}",
    }
    documented = {
        path.partition("?")[0].format(movie="{movie_id}" if "/ratings/movie" in path else "{id}", **named)
        for path in (*LISTS, *ITEMS)
    }
    assert set(having) == documented
