"""The OpenAPI document describes the service, in the form that clients and their tools need."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute

from entrypoints.http import ATTRIBUTION
from entrypoints.http.app import openapi
from entrypoints.http.errors import STATUS_ERRORS
from entrypoints.http.openapi import HEADERS, TAGS
from tests.integration.http_service import (
    THE_MATRIX,
    Client,
    any_application,
    register_user,
    serving,
    serving_with_store,
)

OPERATIONS = {
    "Movies": {
        "listMovies": "GET /movies",
        "addMovie": "POST /movies",
        "searchMovies": "GET /movies/search",
        "getMovie": "GET /movies/{id}",
    },
    "Genres": {
        "listGenres": "GET /genres",
        "getGenre": "GET /genres/{id}",
        "listGenreMovies": "GET /genres/{id}/movies",
    },
    "Ratings": {
        "listMyRatings": "GET /ratings",
        "rateMovie": "POST /ratings",
        "setMovieRating": "PUT /movies/{id}/rating",
        "removeMovieRating": "DELETE /movies/{id}/rating",
        "listMovieRatings": "GET /ratings/movie/{movie_id}",
        "getRating": "GET /ratings/{id}",
        "updateRating": "PATCH /ratings/{id}",
        "deleteRating": "DELETE /ratings/{id}",
        "setMyRatings": "PUT /me/ratings",
    },
    "Watchlist": {
        "listWatchlist": "GET /watchlist",
        "addToWatchlist": "POST /watchlist",
        "setMovieOnWatchlist": "PUT /movies/{id}/watchlist",
        "removeMovieFromWatchlist": "DELETE /movies/{id}/watchlist",
        "getWatchlistItem": "GET /watchlist/{id}",
        "updateWatchlistItem": "PATCH /watchlist/{id}",
        "deleteWatchlistItem": "DELETE /watchlist/{id}",
        "toggleFavorite": "PATCH /watchlist/{id}/favorite",
        "setMyWatchlist": "PUT /me/watchlist",
    },
    "Diary": {
        "listViewings": "GET /viewings",
        "addViewing": "POST /viewings",
        "getViewing": "GET /viewings/{id}",
        "updateViewing": "PATCH /viewings/{id}",
        "deleteViewing": "DELETE /viewings/{id}",
        "getMyMovie": "GET /me/movies/{id}",
        "getMyMovies": "GET /me/movies",
        "getStatistics": "GET /me/statistics",
        "setMyViewings": "PUT /me/viewings",
        "receivePlayback": "POST /hooks/{token}",
    },
    "Imports": {
        "startImport": "POST /me/imports",
        "listImports": "GET /me/imports",
        "getImport": "GET /me/imports/{id}",
        "listImportRows": "GET /me/imports/{id}/rows",
        "changeImport": "PATCH /me/imports/{id}",
        "applyImport": "POST /me/imports/{id}/apply",
        "undoImport": "POST /me/imports/{id}/undo",
        "deleteImport": "DELETE /me/imports/{id}",
    },
    "Recommendations": {
        "listMovieRecommendations": "GET /movies/{id}/recommendations",
        "listMyRecommendations": "GET /me/recommendations",
        "listHiddenMovies": "GET /me/recommendations/hidden",
        "hideMovie": "PUT /me/recommendations/hidden/{id}",
        "unhideMovie": "DELETE /me/recommendations/hidden/{id}",
    },
    "Account": {
        "register": "POST /auth/register",
        "login": "POST /auth/login",
        "refreshSession": "POST /auth/refresh",
        "logout": "POST /auth/logout",
        "listSessions": "GET /me/sessions",
        "endSession": "DELETE /me/sessions/{id}",
        "endOtherSessions": "DELETE /me/sessions",
        "getAccount": "GET /auth/me",
        "updateAccount": "PATCH /auth/me",
        "deleteAccount": "DELETE /auth/me",
        "changePassword": "POST /auth/password",
        "createApiToken": "POST /auth/tokens",
        "listApiTokens": "GET /auth/tokens",
        "endApiToken": "DELETE /auth/tokens/{id}",
        "listMyChanges": "GET /me/changes",
        "getMyActivity": "GET /me/activity",
        "exportMyData": "GET /me/export",
    },
    "Administration": {
        "listUsers": "GET /admin/users",
        "updateUser": "PATCH /admin/users/{id}",
        "deleteUser": "DELETE /admin/users/{id}",
        "listInvitations": "GET /admin/invitations",
        "createInvitation": "POST /admin/invitations",
        "deleteInvitation": "DELETE /admin/invitations/{id}",
        "deleteReview": "DELETE /admin/ratings/{id}/review",
        "startGenresSync": "POST /admin/sync/genres",
        "startMoviesSync": "POST /admin/sync/movies",
        "startChangesSync": "POST /admin/sync/changes",
        "startDiscoverSync": "POST /admin/sync/discover",
        "listSyncRuns": "GET /admin/sync/runs",
        "getSyncRun": "GET /admin/sync/runs/{id}",
        "cancelSyncRun": "POST /admin/sync/runs/{id}/cancel",
        "verifyRatings": "POST /admin/ratings/verify",
        "flushCache": "POST /admin/cache/flush",
    },
    "Service": {
        "getHealth": "GET /health",
        "getLiveness": "GET /health/live",
        "getReadiness": "GET /health/ready",
        "getDatabaseHealth": "GET /health/database",
        "getRedisHealth": "GET /health/redis",
        "getMetrics": "GET /metrics",
        "getAbout": "GET /about",
    },
}
"""The operations by tag, both in the order of the document."""

PUBLIC = {"register", "login", "refreshSession", *OPERATIONS["Service"]}
UNLIMITED = set(OPERATIONS["Service"]) - {"getAbout"}
SCHEMAS = {
    "About", "AdminUser", "AdminUserPage", "ApiError", "Author", "CacheFlush", "CastMember", "Export",
    "ExportFormat",
    "CreateInvitationInput", "FieldError", "FieldErrorCode", "Genre", "CountedGenrePage",
    "BulkResult", "EntryError", "EntryResult", "SetMyRatingsInput", "SetMyWatchlistInput",
    "SetMyViewingsInput", "Activity", "Changes", "EntryKind", "RemovedEntry",
    "ApiTokenPage", "ApiTokenScope", "CreateApiTokenInput", "NewApiToken", "PartialApiToken",
    "ActiveSessionPage", "PartialActiveSession",
    "InvitationPage", "NewInvitation", "PartialInvitation",
    "Health", "HealthCheck", "HealthChecks", "HealthStatus", "Liveness", "Movie", "MoviePage", "MovieRating",
    "MovieRatingPage", "MovieSortField", "MovieSummary", "PageMeta", "PartialMovie",
    "PartialMovieDetail", "Rating", "RatingDrift", "RatingPage", "RatingSortField", "RatingSummary",
    "RatingVerification", "Role", "Session", "SortOrder", "StartedSync", "SyncEntity", "SyncRun",
    "SyncRunPage", "SyncStatus", "User", "WatchlistItem", "WatchlistItemPage",
    "WatchlistSortField", "WrittenRating",
    "PartialAdminUser", "PartialCountedGenre", "PartialMyMovie", "PartialRating", "PartialSyncRun",
    "PartialUser",    "PartialWatchlistItem",
    "AddMovieInput", "MovieDetail", "PartialSearchResult", "SearchResultPage",
    "RecommendationPage", "PartialRecommendation", "HiddenMovie", "HiddenMoviePage", "PartialHiddenMovie",
    "RegisterInput", "LoginInput", "RefreshSessionInput", "UpdateAccountInput", "ChangePasswordInput",
    "DeleteAccountInput", "RateMovieInput", "SetMovieRatingInput", "UpdateRatingInput", "AddToWatchlistInput",
    "SetMovieOnWatchlistInput", "UpdateWatchlistItemInput", "UpdateUserInput", "VerifyRatingsInput",
    "AddViewingInput", "MyMovies", "PartialViewing", "UpdateViewingInput", "Viewing", "ViewingPage",
    "Scrobble", "ScrobbleSkipped", "ViewingSummary", "DecadeFigures",
    "DirectorFigures", "GenreFigures", "LanguageFigures",
    "MonthFigures", "PartialStatistics", "ScoreFigures", "TotalFigures",
    "ChangeImportInput", "Import", "ImportCounts", "ImportFailure", "ImportOutcome", "ImportPage",
    "ImportPreference", "ImportProgress", "ImportReason", "ImportRow", "ImportRowClass", "ImportRowKind",
    "ImportRowPage", "ImportSource", "ImportState", "PartialImport", "PartialImportRow", "StartedImport",
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(public_catalogue="false") as client:
        yield client


@pytest.fixture(scope="module")
def document(client: Client) -> Any:
    return client.get("/api/v1/docs/openapi.json").json()


@pytest.fixture(scope="module")
def operations(document: Any) -> dict[str, Any]:
    """The operations by id."""
    return {each["operationId"]: each for path in document["paths"].values() for each in path.values()}


@pytest.fixture(scope="module")
def schemas(document: Any) -> dict[str, Any]:
    named: dict[str, Any] = document["components"]["schemas"]
    return named


def within(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a JSON value, without examples."""
    if isinstance(value, dict):
        yield value
        for name, each in value.items():
            if name not in {"example", "examples"}:
                yield from within(each)
    elif isinstance(value, list):
        for each in value:
            yield from within(each)


def test_the_document_has_the_version_the_licence_and_the_contact(document: Any) -> None:
    info = document["info"]

    assert document["openapi"].startswith("3.1")
    assert (info["title"], info["version"], info["license"]["identifier"]) == ("Matinee", "1.2.3", "MIT")
    assert ATTRIBUTION in info["description"]
    assert info["contact"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_operations_have_the_expected_ids_in_the_order_of_their_tags(document: Any) -> None:
    shown: dict[str, dict[str, str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            (tag,) = call["tags"]
            operation = f"{method.upper()} {path.removeprefix('/api/v1')}"
            shown.setdefault(tag, {})[call["operationId"]] = operation

    assert shown == OPERATIONS
    assert list(shown) == list(OPERATIONS) == list(TAGS) == [tag["name"] for tag in document["tags"]]
    assert list(shown["Movies"]) == ["listMovies", "addMovie", "getMovie", "searchMovies"]


def test_schemas_have_names_that_clients_can_use(schemas: Any) -> None:
    assert set(schemas) == SCHEMAS


def test_the_document_and_the_routes_have_the_same_operations(document: Any) -> None:
    app = any_application()
    routes = {
        f"{method.lower()} {route.path_format}"
        for route in app.routes
        if isinstance(route, HTTPRoute) and "/docs" not in route.path_format
        for method in route.route_handler_map
        if method != "OPTIONS"
    }
    documented = {f"{method} {path}" for path, calls in document["paths"].items() for method in calls}

    assert routes - documented == {"get /", "get /api/v1", "get /metrics"}
    assert documented <= routes


def test_every_reference_has_a_target_and_every_component_is_used(document: Any) -> None:
    used = set(re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(document).decode()))
    for reference in used:
        part = document
        for step in reference.split("/"):
            part = part[step]

    named = document["components"]
    for kind in ("schemas", "headers", "responses"):
        assert [name for name in named[kind] if f"components/{kind}/{name}" not in used] == []


def test_every_response_of_every_operation_is_declared(operations: dict[str, Any]) -> None:
    for name, call in operations.items():
        expected = {str(status) for status in STATUS_ERRORS} - {"403", "404", "409", "410", "501", "502"}
        expected -= {"401"} if name in PUBLIC - {"login", "refreshSession"} else set()
        expected -= {"429"} if name in UNLIMITED else set()
        expected -= set() if "requestBody" in call else {"415"}
        answers = {status for status in call["responses"] if status[0] in "45"}

        assert answers - expected <= {"403", "404", "409", "410", "501", "502"}, name
        assert expected <= answers, name
        assert ("304" in call["responses"]) == (name.startswith(("get", "list", "search", "export"))), name


def test_operations_by_id_declare_404_and_those_of_admins_403(document: Any) -> None:
    for path, calls in document["paths"].items():
        for call in calls.values():
            assert "404" in call["responses"] or "{" not in path, path
            assert "403" in call["responses"] or "/admin/" not in path, path


def test_public_operations_declare_that_they_need_no_token(operations: dict[str, Any]) -> None:
    for name, call in operations.items():
        free = name in PUBLIC or name == "receivePlayback"  # its path has a token
        assert call["security"] == ([] if free else [{"bearer": []}]), name


def test_where_the_catalogue_is_public_a_token_is_optional() -> None:
    document = msgspec.json.decode(openapi(any_application()))

    assert document["paths"]["/api/v1/movies"]["get"]["security"] == [{"bearer": []}, {}]


def test_every_response_declares_its_headers(document: Any, operations: dict[str, Any]) -> None:
    refusals = document["components"]["responses"]
    for name, call in operations.items():
        for status, answer in call["responses"].items():
            headers = (
                refusals[answer["$ref"].split("/")[-1]]["headers"] if "$ref" in answer else answer["headers"]
            )
            assert {"X-Request-ID", "Cache-Control"} <= set(headers) <= set(HEADERS), (name, status)
            assert ("WWW-Authenticate" in headers) == (status == "401")
            assert ("Retry-After" in headers) == (status in {"429", "503"})
            assert ("Allow" in headers) == (status == "405")
            if status in {"200", "201", "202", "204", "304"}:
                assert ("RateLimit-Reset" in headers) == (name not in UNLIMITED)
    assert "Link" in operations["listMovies"]["responses"]["200"]["headers"]
    assert "X-Cache" in operations["getMovie"]["responses"]["200"]["headers"]


def test_a_response_has_the_declared_headers(operations: dict[str, Any]) -> None:
    with serving() as client:
        for name, path in (("listMovies", "/movies"), ("getMovie", "/movies/1"), ("listGenres", "/genres")):
            answer = client.get(f"/api/v1{path}")
            declared = set(operations[name]["responses"]["200"]["headers"]) - {"X-Cache"}  # there is no cache
            assert {header for header in declared if header not in answer.headers} == set()


def test_every_error_has_an_example(document: Any, schemas: dict[str, Any]) -> None:
    schema = schemas["ApiError"]

    for response in document["components"]["responses"].values():
        example = response["content"]["application/json"]["example"]
        assert set(schema["required"]) <= set(example) <= set(schema["properties"])
        assert f"`{example['code']}`" in response["description"]


def test_every_operation_and_field_has_a_description(document: Any, operations: dict[str, Any]) -> None:
    for name, call in operations.items():
        assert call["summary"], name
        assert call["description"].endswith("."), name
        assert "\n" not in call["description"].replace("\n\n", ""), name
        for parameter in call["parameters"]:
            assert parameter["description"].endswith("."), (name, parameter["name"])
    for name, schema in document["components"]["schemas"].items():
        assert "$ref" in schema or schema["description"], name
        for field, its in schema.get("properties", {}).items():
            assert "$ref" in its or its.get("description") or its.get("type") == "array", (name, field)


def test_descriptions_reveal_no_internals(document: Any) -> None:
    words = [
        value for each in within(document) for key, value in each.items() if key in {"description", "summary"}
    ]
    inside = re.compile(
        r"\bADR|Litestar|msgspec|SQLite|Mongo|Valkey|Struct\b|\b[A-Z][a-z]+[A-Z][a-z]+\w*|tally|thread"
    )

    assert [text for text in words if isinstance(text, str) and inside.search(text)] == []


def test_optional_fields_of_requests_have_no_default(schemas: dict[str, Any]) -> None:
    for name in (name for name in schemas if name.endswith("Input")):
        for field, schema in schemas[name]["properties"].items():
            assert "default" not in schema, (name, field)
    assert schemas["RateMovieInput"]["required"] == ["rating", "movie_id"]
    assert schemas["AddToWatchlistInput"]["required"] == ["movie_id"]


def test_a_change_requires_at_least_one_field(schemas: dict[str, Any]) -> None:
    for name in ("UpdateAccountInput", "UpdateRatingInput", "UpdateWatchlistItemInput", "UpdateUserInput"):
        assert (schemas[name]["minProperties"], schemas[name]["required"]) == (1, [])


def test_schemas_have_the_form_that_generators_support(document: Any) -> None:
    for schema in within(document):
        assert "enum" not in schema or "type" in schema
        assert schema.get("type") != "integer" or "format" in schema
        if "anyOf" in schema and {"type": "null"} in schema["anyOf"]:
            assert any("$ref" in each for each in schema["anyOf"])  # otherwise it has an array of types
    assert "default" not in str(document["components"]["schemas"])


def test_schemas_narrowed_by_fields_require_nothing(schemas: dict[str, Any]) -> None:
    assert schemas["MoviePage"]["properties"]["data"]["items"] == {
        "$ref": "#/components/schemas/PartialMovie"
    }
    for name in ("PartialMovie", "PartialMovieDetail"):
        assert schemas[name]["required"] == []
        assert "`fields`" in schemas[name]["description"]
    assert schemas["PartialMovie"]["properties"] == schemas["Movie"]["properties"]


def test_only_operations_with_fields_have_partial_schemas(
    operations: dict[str, Any], schemas: dict[str, Any]
) -> None:
    for name, call in operations.items():
        answer = (
            call["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        if "$ref" in answer:
            schema = schemas[answer["$ref"].split("/")[-1]]
            item = schema["properties"].get("data", {}).get("items", answer)
            partly = "/Partial" in item["$ref"]
            assert partly == ("fields" in {each["name"] for each in call["parameters"]}), name


def test_a_response_narrowed_by_fields_has_these_fields_only(client: Client) -> None:
    with serving() as public:
        page = public.get("/api/v1/movies?fields=title,id").json()
        movie = public.get("/api/v1/movies/1?fields=runtime").json()

    assert {tuple(each) for each in page["data"]} == {("id", "title")}
    assert list(movie) == ["runtime"]


def test_parameters_are_declared_with_bounds_defaults_and_descriptions(operations: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in operations["listMovies"]["parameters"]}

    assert set(parameters) == {
        "page", "limit", "genre", "year", "year_from", "year_to", "min_rating", "max_rating", "min_votes",
        "runtime_min", "runtime_max", "language", "mine", "not_mine", "sort_by",
        "sort_order", "cursor", "fields",
    }  # fmt: skip
    whole = {"type": "integer", "format": "int32"}
    assert parameters["limit"]["schema"] == {**whole, "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["page"]["schema"] == {**whole, "minimum": 1, "default": 1}
    assert parameters["year"]["schema"] == {**whole, "minimum": 1870, "maximum": 2100}
    assert parameters["sort_by"]["schema"]["default"] == "popularity"
    assert all(each["description"] and not each["required"] for each in parameters.values())


def test_required_parameters_are_declared_as_required(operations: dict[str, Any]) -> None:
    search = {each["name"]: each for each in operations["searchMovies"]["parameters"]}
    movie = {each["name"]: each for each in operations["getMovie"]["parameters"]}
    rating = {each["name"]: each for each in operations["getRating"]["parameters"]}

    assert search["q"]["required"]
    assert search["q"]["schema"]["maxLength"] == 200
    assert (movie["id"]["in"], movie["id"]["required"]) == ("path", True)
    assert rating["id"]["schema"]["pattern"] == "^[0-9a-f]{24}$"


def test_responses_have_the_required_fields(client: Client, schemas: dict[str, Any]) -> None:
    health = client.get("/api/v1/health").json()

    assert health.keys() - {"memory_anonymous_bytes"} == set(schemas["Health"]["required"])
    assert set(health["checks"]) == set(schemas["HealthChecks"]["properties"])
    assert set(client.get("/api/v1/about").json()) == set(schemas["About"]["required"])
    with serving() as public:
        movie = public.get("/api/v1/movies").json()["data"][0]
        assert set(movie) == set(schemas["Movie"]["required"]) == set(schemas["PartialMovie"]["properties"])
        detail = public.get("/api/v1/movies/1").json()
        assert set(detail) - {"cast"} == set(schemas["PartialMovieDetail"]["properties"])
        (apart,) = schemas["MovieDetail"]["allOf"]
        assert set(apart["allOf"][0]["properties"]) == {"cast"} == set(apart["allOf"][0]["required"])


def test_responses_about_a_user_have_the_required_fields(schemas: dict[str, Any]) -> None:
    with serving_with_store(THE_MATRIX) as (client, _):
        neo = register_user(client)
        rating = neo("POST", "/ratings", {"movie_id": 603, "rating": 8.5}).json()
        item = neo("POST", "/watchlist", {"movie_id": 603}).json()
        assert set(rating) == set(schemas["WrittenRating"]["required"])
        assert set(item) == set(schemas["WatchlistItem"]["required"])
        assert set(item["movie"]) == set(schemas["Movie"]["required"])
        viewing = neo("POST", "/viewings", {"movie_id": 603}).json()
        assert set(viewing) == set(schemas["Viewing"]["required"])
        assert set(neo("GET", "/me/movies/603").json()) == set(schemas["PartialMyMovie"]["properties"])
        assert set(neo("GET", "/auth/me").json()) == set(schemas["User"]["required"])
        assert set(neo("GET", "/me/export").json()) == set(schemas["Export"]["required"])
