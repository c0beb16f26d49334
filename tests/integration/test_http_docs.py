"""The documentation page works without the internet and under its own policy, and is complete."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from litestar.exceptions import NotFoundException

from entrypoints.http import ATTRIBUTION
from entrypoints.http.errors import codes
from entrypoints.http.resources import docs
from tests.integration.http_service import Client, serving


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(public_catalogue="false") as client:
        yield client


class Page(HTMLParser):
    """Collects the references and the inline scripts of a page."""

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


@pytest.mark.parametrize(("code", "sentence"), [(code, sentence) for code, (_, sentence) in codes().items()])
def test_the_meaning_of_an_error_code_names_nothing_of_the_code(code: str, sentence: str) -> None:
    assert not re.search(r"`|[A-Z]+_[A-Z]", sentence), code


def test_the_page_ends_with_the_error_codes(client: Client) -> None:
    text = client.get("/api/v1/docs").text

    assert text.index('id="swagger-ui"') < text.index('id="errors"')
    for code, (status, _) in codes().items():
        assert f"<tr><td><code>{code}</code></td><td>{status}</td><td>" in text
    assert "`" not in text


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
def test_scripts_and_styles_are_served_locally_and_can_be_cached(
    client: Client, name: str, kind: str
) -> None:
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


@pytest.mark.parametrize(("path", "web"), [("/", "false"), ("/api/v1", "false"), ("/api/v1", "true")])
def test_the_root_redirects_to_the_documentation_where_there_are_no_pages(path: str, web: str) -> None:
    with serving(web=web) as client:
        answer = client.get(path, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (307, "/api/v1/docs")


def test_about_has_the_version_the_licence_and_tmdbs_notice(client: Client) -> None:
    about = client.get("/api/v1/about").json()

    assert (about["name"], about["version"], about["licence"]) == ("Matinee", "1.2.3", "MIT")
    assert about["attribution"] == ATTRIBUTION
    for name in ("documentation", "openapi", "health"):
        assert client.get(about["links"][name]).status_code == 200
