"""The documentation: it works with no internet and under our own policy, and says what the service does."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from litestar.exceptions import NotFoundException
from litestar.routes import HTTPRoute

from entrypoints.http import docs
from entrypoints.http.about import ATTRIBUTION
from entrypoints.http.app import openapi
from tests.integration.http_service import Client, application, filled, serving

CATALOGUE = ["/movies", "/movies/search", "/movies/{id}", "/genres", "/genres/{id}", "/genres/{id}/movies"]
PERSONAL = [
    "/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/me", "/auth/password",
    "/me/export",
    "/ratings", "/ratings/{id}", "/ratings/movie/{movie_id}", "/movies/{id}/rating",
    "/watchlist", "/watchlist/{id}", "/watchlist/{id}/favorite", "/movies/{id}/watchlist", "/me/movies/{id}",
    "/admin/users", "/admin/users/{id}", "/admin/ratings/verify",
    "/admin/sync/genres", "/admin/sync/movies", "/admin/sync/changes",
    "/admin/sync/runs", "/admin/sync/runs/{id}", "/admin/sync/runs/{id}/cancel",
]  # fmt: skip
OPERATIONS = [
    "/about", "/health", "/health/database", "/health/live", "/health/ready", "/health/redis", "/metrics",
]  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(public_catalogue="false") as client:
        yield client


@pytest.fixture(scope="module")
def document(client: Client) -> Any:
    return client.get("/api/v1/docs/openapi.json").json()


class Page(HTMLParser):
    """What a page refers to, and what it would run by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "link", "img"}:
            self.sources += [value for name in ("src", "href") if (value := given.get(name))]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


def test_the_page_runs_nothing_inline_and_fetches_nothing_from_elsewhere(client: Client) -> None:
    answer = client.get("/api/v1/docs")
    page = Page(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.inline == []
    assert not re.search(r"https?:|//", answer.text)
    for source in page.sources:
        assert client.get(source).status_code == 200
    assert ATTRIBUTION in answer.text


def test_the_policy_of_the_page_allows_only_what_we_serve(client: Client) -> None:
    policy = client.get("/api/v1/docs").headers["content-security-policy"]

    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "img-src 'self' data:;" in policy
    assert "default-src 'none';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("docs.js", "text/javascript; charset=utf-8"),
        ("docs.css", "text/css; charset=utf-8"),
        ("favicon-32x32.png", "image/png"),
    ],
)
def test_scripts_and_styles_come_from_here_and_can_be_kept(client: Client, name: str, kind: str) -> None:
    answer = client.get(f"/api/v1/docs/{name}")
    again = client.get(f"/api/v1/docs/{name}", headers={"If-None-Match": answer.headers["etag"]})

    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"].startswith("public")
    assert again.status_code == 304


def test_our_script_names_no_foreign_host(client: Client) -> None:
    assert "//" not in client.get("/api/v1/docs/docs.js").text


@pytest.mark.parametrize(
    "name", ["../app.py", "..%2Fapp.py", "%2e%2e/app.py", "swagger-editor.js", "index.html"]
)
def test_no_other_file_is_served(client: Client, name: str) -> None:
    assert client.get(f"/api/v1/docs/{name}").status_code == 404


def test_without_the_package_of_swagger_ui_its_files_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "find_spec", lambda _: None)

    with pytest.raises(NotFoundException):
        docs.asset.__wrapped__("swagger-ui.css")


@pytest.mark.parametrize("path", ["/", "/api/v1"])
def test_the_root_leads_to_the_documentation(client: Client, path: str) -> None:
    answer = client.get(path, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (307, "/api/v1/docs")


def test_about_names_version_licence_and_tmdb(client: Client) -> None:
    about = client.get("/api/v1/about").json()

    assert (about["name"], about["version"], about["licence"]) == ("Matinee", "1.2.3", "MIT")
    assert about["attribution"] == ATTRIBUTION
    for name in ("documentation", "openapi", "health"):
        assert client.get(about["links"][name]).status_code == 200


def test_the_document_is_of_this_version_and_names_tmdb(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Matinee"
    assert document["info"]["version"] == "1.2.3"
    assert ATTRIBUTION in document["info"]["description"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_document_and_the_routes_name_the_same_calls(document: Any) -> None:
    app = application(filled([]))
    routes = {route.path_format for route in app.routes if isinstance(route, HTTPRoute)}

    assert set(document["paths"]) == {f"/api/v1{path}" for path in (*CATALOGUE, *PERSONAL, *OPERATIONS)}
    assert {path for path in routes - set(document["paths"]) if "/docs" not in path} == {
        "/",
        "/api/v1",
        "/metrics",
    }


def test_the_document_says_nothing_that_leads_nowhere(document: Any) -> None:
    for reference in re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(document).decode()):
        place = document
        for step in reference.split("/"):
            place = place[step]

    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", CATALOGUE)
def test_every_answer_of_a_call_is_declared(document: Any, path: str) -> None:
    operation = document["paths"][f"/api/v1{path}"]["get"]
    expected = {"200", "304", "400", "401", "413", "429", "500", "503"} | (
        {"404"} if "{id}" in path else set()
    )

    assert set(operation["responses"]) == expected
    assert operation["security"] == [{"bearer": []}]
    assert operation["description"]


@pytest.mark.parametrize("path", OPERATIONS)
def test_open_calls_want_no_token(document: Any, path: str) -> None:
    operation = document["paths"][f"/api/v1{path}"]["get"]

    assert "security" not in operation
    assert "401" not in operation["responses"]


def test_where_the_catalogue_is_public_a_token_is_optional() -> None:
    document = msgspec.json.decode(openapi(application(filled([]))))

    assert document["paths"]["/api/v1/movies"]["get"]["security"] == [{"bearer": []}, {}]


def test_every_error_is_shown_by_an_example(document: Any) -> None:
    schema = document["components"]["schemas"]["ErrorOut"]

    for response in document["components"]["responses"].values():
        example = response["content"]["application/json"]["example"]
        assert set(schema["required"]) <= set(example) <= set(schema["properties"])
        assert f"`{example['code']}` | {example['statusCode']} |" in document["info"]["description"]


def test_parameters_are_declared_with_bounds_defaults_and_words(document: Any) -> None:
    parameters = {each["name"]: each for each in document["paths"]["/api/v1/movies"]["get"]["parameters"]}

    assert set(parameters) == {
        "page", "limit", "genre", "year", "year_from", "year_to", "min_rating", "min_votes", "language",
        "sort_by", "sort_order", "cursor", "fields",
    }  # fmt: skip
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["page"]["schema"] == {"type": "integer", "minimum": 1, "default": 1}
    assert parameters["year"]["schema"] == {"type": "integer", "minimum": 1870, "maximum": 2100}
    assert parameters["sort_by"]["schema"]["default"] == "popularity"
    assert all(each["description"] and not each["required"] for each in parameters.values())


def test_what_a_call_needs_is_declared_as_required(document: Any) -> None:
    search = {each["name"]: each for each in document["paths"]["/api/v1/movies/search"]["get"]["parameters"]}
    movie = {each["name"]: each for each in document["paths"]["/api/v1/movies/{id}"]["get"]["parameters"]}

    assert search["q"]["required"]
    assert search["q"]["schema"]["maxLength"] == 200
    assert (movie["id"]["in"], movie["id"]["required"]) == ("path", True)


def test_answers_are_what_the_document_says(client: Client, document: Any) -> None:
    schemas = document["components"]["schemas"]
    health = client.get("/api/v1/health").json()

    assert set(health) == set(schemas["HealthOut"]["required"])
    assert set(client.get("/api/v1/about").json()) == set(schemas["AboutOut"]["required"])
    with serving() as public:
        assert set(public.get("/api/v1/movies").json()["data"][0]) == set(schemas["MovieOut"]["required"])
        assert set(public.get("/api/v1/movies/1").json()) == set(schemas["MovieDetailOut"]["required"])
