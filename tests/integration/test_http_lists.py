"""Properties of every list: pages, cursors, links and order."""

from collections.abc import Iterator
from itertools import product
from typing import Any, get_args, get_origin
from urllib.parse import quote

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from adapters.sqlite.rows import insert, rating_row
from adapters.sqlite.store import SqliteStore
from adapters.testkit.imports import add_import, new_import, new_row
from adapters.testkit.samples import facts, new_rating, new_run, noon, random_facts
from domain.ids import ImportId, UserId, movie_id
from domain.imports.imports import ImportState
from domain.imports.rows import RowClass
from domain.recommendations import Neighbour
from domain.sync import Entity
from domain.users import Role
from entrypoints.http.endpoints import Endpoint, endpoint_of
from entrypoints.http.pagination import MAX_NUMBERED_ROWS, PageQuery
from entrypoints.http.resources.movies import MovieOut
from entrypoints.http.resources.ratings import MovieRatingPageOut
from entrypoints.http.schemas import PageOut
from entrypoints.settings import Settings
from tests.integration.http_service import (
    PASSWORD,
    SignedInUser,
    any_application,
    client_over,
    container_over,
    filled_store,
    register_user,
)

LISTS = {
    "/movies": ("", "genre=18", "year_from=1903&language=en"),
    "/movies/search": ("q=star", "q=love"),
    "/genres": ("",),
    "/genres/{id}/movies": ("", "min_votes=1"),
    "/ratings": ("",),
    "/ratings/movie/{movie_id}": ("",),
    "/watchlist": ("", "favorite=true", "favorite=false"),
    "/viewings": ("", "year=2025", "movie_id=3", "movie_id=3&year=2025"),
    "/movies/{id}/recommendations": ("",),
    "/me/recommendations": ("",),
    "/me/recommendations/hidden": ("",),
    "/me/imports": ("",),
    "/me/imports/{id}/rows": ("", "class=new"),
    "/admin/users": ("",),
    "/auth/tokens": ("",),
    "/me/sessions": ("",),
    "/admin/invitations": ("",),
    "/admin/sync/runs": ("",),
}
"""Every list with queries that select different parts of it."""

IMPORT = ImportId("0123456789abcdef01234567")

PLACES = {
    "/me/imports/{id}/rows": f"/me/imports/{IMPORT}/rows",
    "/movies/{id}/recommendations": "/movies/31/recommendations",
    "/genres/{id}/movies": "/genres/18/movies",
    "/ratings/movie/{movie_id}": "/ratings/movie/1",
}
"""The paths of lists with a path parameter."""


def reads(app: Litestar) -> dict[str, Endpoint]:
    """Every GET of the API by its path."""
    calls = {
        route.path_format.removeprefix("/api/v1"): endpoint_of(route.route_handler_map["GET"][0].opt)
        for route in app.routes
        if isinstance(route, HTTPRoute) and "GET" in route.route_handler_map
    }
    return {path: call for path, call in calls.items() if call}


READS = reads(any_application())
CALLS = {path: call for path, call in READS.items() if issubclass(call.query, PageQuery)}


def walks() -> Iterator[str]:
    """Each list with each of its queries, in each of its orders."""
    for path, queries in LISTS.items():
        fields = {field.name: field for field in msgspec.structs.fields(CALLS[path].query)}
        sorts = [
            [f"{name}={value.value}" for value in get_args(fields[name].type)[0]]
            for name in ("sort_by", "sort_order")
            if name in fields
        ]
        for query, *order in product(queries, *sorts):
            yield f"{PLACES.get(path, path)}?{'&'.join(filter(None, (query, *order)))}"


def test_every_list_of_the_api_is_tested_here() -> None:
    assert set(CALLS) == set(LISTS)
    assert {path for path, call in CALLS.items() if call.linked} == set(LISTS)


def test_every_response_that_is_a_page_belongs_to_a_tested_list() -> None:
    paged = {
        path
        for path, call in READS.items()
        if get_origin(call.answer) is PageOut or call.answer is MovieRatingPageOut
    }
    assert paged == set(LISTS)


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    """A store in which every list has many rows, many of which tie."""
    store = filled_store(random_facts(150))
    for day in range(1, 20):
        for entity in Entity:
            run = new_run(store, entity, 1 + day // 4)
            store.runs.save(run.finished(noon(1 + day // 4)))
    yield store
    store.close()


@pytest.fixture(scope="module")
def somebody(store: SqliteStore) -> Iterator[SignedInUser]:
    """An admin with many ratings, watchlist items and viewings."""
    container = container_over(store, Settings())
    with client_over(store, container=container, public_catalogue="false") as client:
        smith = register_user(client, "smith")
        store.users.change(
            UserId(smith.user["id"]), lambda user: user.with_changes(user.updated_at, role=Role.ADMIN)
        )
        others = [register_user(client, f"user{number}") for number in range(12)]
        for number in range(1, 31):
            smith("PUT", f"/movies/{number}/rating", {"rating": 1 + number % 4})
            smith("PUT", f"/movies/{number}/watchlist", {"is_favorite": number % 3 == 0})
            day = f"2025-12-{21 + number % 3}" if number % 4 else None
            smith("POST", "/viewings", {"movie_id": 3, "watched_on": day, "rewatch": True})
        for number, user in enumerate(others):
            user("PUT", "/movies/1/rating", {"rating": 1 + number % 3})
        for _ in range(15):
            smith("POST", "/admin/invitations", {})
            smith("POST", "/auth/tokens", {"name": "Player", "scope": "read"})
            login = {"email": "smith@example.com", "password": PASSWORD}
            assert client.post("/api/v1/auth/login", json=login).status_code == 200
        smith("PUT", "/movies/31/rating", {"rating": 9})
        beside = [Neighbour(movie_id(number), number % 7, 2**20 * (number % 4)) for number in range(40, 90)]
        store.recommendations.store({movie_id(31): beside})
        for number in range(91, 110):
            smith("PUT", f"/me/recommendations/hidden/{number}")
        for made in range(1, 18):
            add_import(store, UserId(smith.user["id"]), 1 + made // 4)
        imported = new_import(UserId(smith.user["id"]), id=IMPORT, state=ImportState.READY)
        store.imports.add(imported, [b"upload"])
        classes = (RowClass.NEW, RowClass.UNMATCHED)
        rows = [new_row(number, row_class=classes[number % 2]) for number in range(1, 31)]
        store.imports.save(imported.next(noon(), counts=dict.fromkeys(classes, 15)), rows)
        yield smith


def key_of(row: Any) -> Any:
    """What tells a row of a list from others."""
    return row["id"] if "id" in row else row["row"]


def walked(somebody: SignedInUser, path: str, step: str) -> list[Any]:
    """All rows of a list, page by page, by the `next` link or by `next_cursor`."""
    found: list[Any] = []
    url = f"{path}&limit=7"
    while url:
        answer = somebody("GET", url)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        ids = [key_of(row) for row in body["data"]]
        assert not set(ids) & set(found), "a link leads back"
        found += ids
        meta, following = body["meta"], answer.links.get("next", {}).get("url", "")
        assert bool(following) == meta["has_next_page"] == bool(meta["next_cursor"])
        assert len(body["data"]) == 7 or not following
        url = following.removeprefix("/api/v1")
        if step == "cursor" and meta["next_cursor"]:
            url = f"{path}&limit=7&cursor={meta['next_cursor']}"
    return found


@pytest.mark.parametrize("path", list(walks()))
def test_pages_and_cursors_show_each_row_once_in_one_order(somebody: SignedInUser, path: str) -> None:
    whole = somebody("GET", f"{path}&limit=100").json()
    total = whole["meta"]["total"]
    by_page, by_cursor = walked(somebody, path, "link"), walked(somebody, path, "cursor")

    assert by_page == by_cursor
    assert len(set(by_page)) == len(by_page) == total > 0
    assert by_page[:100] == [key_of(row) for row in whole["data"]]


@pytest.mark.parametrize("path", LISTS)
def test_a_page_after_the_last_links_to_the_last(somebody: SignedInUser, path: str) -> None:
    start = f"{PLACES.get(path, path)}?{LISTS[path][0]}"
    last = somebody("GET", f"{start}&limit=2").json()["meta"]["total_pages"]
    answer = somebody("GET", f"{start}&limit=2&page=999")

    assert answer.json()["data"] == []
    assert answer.json()["meta"]["has_prev_page"]
    assert not answer.json()["meta"]["has_next_page"]
    assert answer.links["prev"]["url"].endswith(f"page={last}")
    assert somebody("GET", answer.links["prev"]["url"].removeprefix("/api/v1")).json()["data"]
    assert "next" not in answer.links


@pytest.mark.parametrize(
    "path",
    [
        "/movies?year=1870",
        "/movies/search?q=zzzzzzzz",
        "/watchlist?",
        "/viewings?",
        "/me/recommendations?",
        "/me/recommendations/hidden?",
        "/me/imports?",
        "/ratings?",
        "/ratings/movie/99?",
    ],
)
def test_an_empty_list_has_no_previous_page(somebody: SignedInUser, path: str) -> None:
    newcomer = register_user(somebody.client, f"new{abs(hash(path)) % 10**9}")
    for page in (1, 3):
        answer = newcomer("GET", f"{path}&page={page}")
        assert answer.json()["data"] == []
        assert not answer.json()["meta"]["has_prev_page"]
        assert set(answer.links) == {"first"}


@pytest.mark.parametrize("path", LISTS)
def test_a_foreign_cursor_is_refused(somebody: SignedInUser, path: str) -> None:
    start = f"{PLACES.get(path, path)}?limit=2&{LISTS[path][0]}"
    token = somebody("GET", start).json()["meta"]["next_cursor"]
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    others = [
        somebody("GET", f"{PLACES.get(other, other)}?limit=2&{LISTS[other][0]}").json()["meta"]["next_cursor"]
        for other in LISTS
        if other != path
    ]
    for spoilt in (changed, token[:-4], token[4:], f"{token}AAAA", "!", "é", "null", "=" * 9, *others):
        answer = somebody("GET", f"{start}&cursor={quote(spoilt)}")
        assert answer.status_code == 400, spoilt
        assert [error.split()[0] for error in answer.json()["errors"]] == ["cursor"]
    both = somebody("GET", f"{start}&cursor={token}&page=2")
    assert (both.status_code, both.json()["errors"]) == (400, ["cursor must stand without page"])


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_is_bound_to_every_filter_and_order(somebody: SignedInUser, path: str) -> None:
    """But not to `limit` and `fields`, which may differ from page to page."""
    place, query = PLACES.get(path, path), LISTS[path][0]
    token = somebody("GET", f"{place}?limit=2&{query}").json()["meta"]["next_cursor"]
    parameters = {each["name"]: each for each in _parameters(somebody, path)}
    for name, parameter in parameters.items():
        if name in {"page", "cursor", "q"}:
            continue
        answer = somebody("GET", f"{place}?{query}&{name}={other_value(parameter)}&cursor={token}")
        assert (answer.status_code == 200) == (name in {"limit", "fields"}), (name, answer.text)


def _parameters(somebody: SignedInUser, path: str) -> list[Any]:
    document = somebody.client.get("/api/v1/docs/openapi.json").json()
    declared = document["paths"][f"/api/v1{path}"]["get"]["parameters"]
    return [
        {"name": each["name"], "schema": whole(each["schema"], document)}
        for each in declared
        if each["in"] == "query"
    ]


def whole(schema: Any, document: Any) -> Any:
    """A schema with its references resolved."""
    for part in (schema, *schema.get("allOf", ())):
        if "$ref" in part:
            return document["components"]["schemas"][part["$ref"].rpartition("/")[2]] | schema
    return schema


def other_value(parameter: Any) -> str:
    """A value of a parameter that differs from its default, by its schema."""
    schema = parameter["schema"]
    default = schema.get("default")
    if "enum" in schema:
        return str(next(value for value in schema["enum"] if value != default))
    if schema.get("type") == "boolean":
        return "true"
    if schema.get("type") in {"integer", "number"}:
        return str(schema["minimum"] + 2)
    return quote(str(schema["examples"][0]))


@pytest.mark.parametrize("path", ["/ratings", "/watchlist"])
def test_a_cursor_is_valid_for_its_owner_only(somebody: SignedInUser, path: str) -> None:
    token = somebody("GET", f"{path}?limit=5").json()["meta"]["next_cursor"]
    trinity = register_user(somebody.client, f"trinity{path[1:4]}")

    assert somebody("GET", f"{path}?limit=5&cursor={token}").status_code == 200
    answer = trinity("GET", f"{path}?limit=5&cursor={token}")
    assert (answer.status_code, answer.json()["errors"][0].split()[0]) == (400, "cursor")


def test_every_order_sorts_by_a_field_that_is_shown() -> None:
    for path, call in CALLS.items():
        fields = {field.name: field for field in msgspec.structs.fields(call.query)}
        if "sort_by" not in fields:
            continue
        shown = msgspec.structs.fields(get_args(call.answer)[0])
        of_movie = msgspec.structs.fields(MovieOut) if path == "/watchlist" else ()
        names = {field.encode_name for field in (*shown, *of_movie)}
        assert {order.value for order in get_args(fields["sort_by"].type)[0]} <= names, path


@pytest.mark.parametrize("by", ["average_rating", "weighted_rating", "ratings_count"])
def test_lists_sorted_by_ratings_show_them(somebody: SignedInUser, by: str) -> None:
    for path in ("/movies", "/genres/18/movies"):
        values = [row[by] for row in somebody("GET", f"{path}?sort_by={by}&limit=100").json()["data"]]
        known = [value for value in values if value is not None]
        assert known
        assert values == sorted(known, reverse=True) + [None] * (len(values) - len(known))
    for path in ("/movies/search?q=star&limit=100", "/watchlist?limit=100"):
        data = somebody("GET", path).json()["data"]
        assert all(by in row.get("movie", row) for row in data)


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "rating"])
def test_a_cursor_reaches_ratings_after_the_last_page_number(sort: str) -> None:
    store = filled_store([facts(603)])
    with client_over(store) as client:
        neo = register_user(client)
        many = MAX_NUMBERED_ROWS + 150
        rows = [
            rating_row(new_rating(UserId(neo.user["id"]), movie_id(number), 1 + number % 19 / 2))
            for number in range(1, many + 1)
        ]
        with store.database.writing() as connection:
            connection.executemany(insert("ratings", rows[0]), rows)
        edge = neo("GET", f"/ratings?limit=100&page=100&sort_by={sort}")
        assert edge.json()["meta"]["total"] == many
        assert edge.json()["meta"]["has_next_page"]
        assert "page=" not in edge.links["next"]["url"]
        beyond = neo("GET", edge.links["next"]["url"].removeprefix("/api/v1"))
        assert beyond.status_code == 200
        end = neo("GET", beyond.links["next"]["url"].removeprefix("/api/v1"))
        assert end.json()["meta"]["next_cursor"] is None
        assert not end.json()["meta"]["has_next_page"]
    store.close()
