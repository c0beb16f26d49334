"""What all pages have: their headers, their language, their files, and pages for errors."""

import re
import sqlite3
from collections.abc import Iterator

import pytest

from adapters.testkit.samples import facts
from domain.errors import StorageUnavailable
from entrypoints.web.static_files import MEDIA_TYPES, static_url
from tests.integration.http_service import THE_MATRIX, application, call_synchronously, filled_store, serving
from tests.integration.web_client import Browser, Page, browsing_with_store
from tests.stores import store_in_memory

PUBLIC = ["/", "/search", "/search?q=matrix", "/movies/603", "/sign-in", "/join"]
OWN = [
    "/",
    "/search?q=matrix",
    "/movies/603",
    "/watchlist",
    "/watchlist?favorite=true",
    "/recommendations",
    "/ratings",
    "/diary",
    "/diary?year=2026",
    "/diary/calendar?month=2026-01",
    "/statistics",
    "/statistics?year=2026",
    "/account",
    "/import",
]


@pytest.fixture(scope="module")
def reader() -> Iterator[Browser]:
    """Somebody without an account, where the catalogue is public."""
    with browsing_with_store(public_catalogue="true") as (browser, _):
        yield browser


@pytest.fixture(scope="module")
def member() -> Iterator[Browser]:
    """Somebody who has rated and listed a film."""
    with browsing_with_store() as (browser, _):
        browser.join()
        browser.send("/movies/603/rating", rating="8.5", review="Whoa.")
        browser.send("/movies/603/watchlist", is_favorite="true", note="Again")
        browser.send("/movies/603/viewings", watched_on="2026-01-02", note="Seen")
        yield browser


def check(answer: object, page: Page) -> None:
    """What must be true of every page."""
    headers = answer.headers  # type: ignore[attr-defined]
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert headers["referrer-policy"] == "same-origin"
    assert page.open == []
    assert page.inline == []
    assert len(set(page.ids)) == len(page.ids)
    assert [each for each in page.sources if not each.startswith("/")] == []
    foreign = [each for each in page.links if not each.startswith(("/", "#"))]
    assert all(each.startswith(("https://www.themoviedb.org/", "https://www.imdb.com/")) for each in foreign)


@pytest.mark.parametrize("path", PUBLIC)
def test_a_page_for_everyone_is_well_formed_and_safe(reader: Browser, path: str) -> None:
    answer = reader.open(path)
    assert answer.status_code == 200
    check(answer, Page(answer.text))


@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_page_for_the_signed_in_is_well_formed_and_safe(member: Browser, path: str, language: str) -> None:
    answer = member.open(path, **{"accept-language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["cache-control"] == "private, no-cache"
    check(answer, Page(answer.text))


@pytest.mark.parametrize("path", PUBLIC)
def test_a_page_is_not_sent_again_to_a_browser_that_has_it(reader: Browser, path: str) -> None:
    answer = reader.open(path)
    assert answer.headers["cache-control"] in {"private, no-cache", "no-store"}
    assert reader.open(path, **{"if-none-match": answer.headers["etag"]}).status_code == 304


def test_the_first_visit_is_light(reader: Browser) -> None:
    page = reader.open("/")
    files = [reader.client.get(each).content for each in Page(page.text).sources]
    assert len(page.content) + sum(map(len, files)) < 100_000
    assert len(reader.client.get(static_url("matinee.js")).content) <= 20_000
    assert [each for each in Page(page.text).sources if each.endswith(".css")] == [static_url("style.css")]


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_files_are_kept_by_browsers_for_good(reader: Browser, name: str) -> None:
    answer = reader.client.get(static_url(name))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == MEDIA_TYPES[name].decode()
    assert re.fullmatch(rf"/static/{name.partition('.')[0]}\.[0-9a-f]{{12}}\..+", static_url(name))


@pytest.mark.parametrize("name", ["style.css", "../app.py", "..%2Fapp.py", "style.000000000000.css"])
def test_no_other_file_is_served(reader: Browser, name: str) -> None:
    assert reader.client.get(f"/static/{name}").status_code == 404


def test_the_style_sheet_and_the_script_name_no_other_host(reader: Browser) -> None:
    for name in MEDIA_TYPES:
        names = re.findall(r"(?:https?:)?//[\w.]+", reader.client.get(static_url(name)).text)
        assert [each for each in names if not each.startswith("http://www.w3.org")] == []


def test_where_the_catalogue_is_closed_a_stranger_is_welcomed() -> None:
    with browsing_with_store() as (browser, _):
        page = browser.page("/")
    assert "Welcome" in page.text
    assert {"/sign-in", "/join"} <= set(page.links)
    assert "The Matrix" not in page.text


def test_where_registration_is_closed_nobody_is_asked_to_join() -> None:
    with browsing_with_store(registration="closed") as (browser, _):
        page = browser.page("/")
        join = browser.page("/join")
        refused = browser.send("/join", username="neo", email="neo@example.com", password="x y z a b c")
    assert "/join" not in page.links
    assert "administrator" in join.text
    assert [action for _, action, _ in join.forms] == []
    assert (refused.status_code, "Registration is closed" in refused.text) == (403, True)


@pytest.mark.parametrize(
    "path", ["/search?q=matrix", "/movies/603", "/watchlist", "/ratings?sort_by=rating", "/account"]
)
def test_a_stranger_is_led_to_sign_in_and_back(path: str) -> None:
    with browsing_with_store() as (browser, _):
        answer = browser.open(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=/")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/nothing", 404, "There is nothing here"),
        ("/movies/999", 404, "There is no such movie"),
        ("/movies/not-a-film", 404, "There is no such movie"),
        ("/?year_from=soon", 400, "year_from"),
        ("/?cursor=x", 400, "cursor"),
        ("/?colour=red", 400, "colour"),
        ("/search?q=%20", 400, "q"),
    ],
)
def test_an_error_is_a_page_with_a_way_out(reader: Browser, path: str, status: int, shown: str) -> None:
    answer = reader.open(path)
    page = Page(answer.text)
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    assert shown in page.text
    assert "/" in page.links
    check(answer, page)


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/nothing", "text/html", "text/html; charset=utf-8"),
        ("/nothing", "*/*", "application/json"),
        ("/api/v1/nothing", "text/html", "application/json"),
        ("/api/v2", "text/html", "application/json"),
        ("/movies/999", "*/*", "text/html; charset=utf-8"),
    ],
)
def test_errors_of_the_api_and_for_programs_are_json(
    reader: Browser, path: str, accept: str, media_type: str
) -> None:
    answer = reader.client.get(path, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, media_type)


def test_a_wrong_method_is_a_page_that_names_the_right_ones(reader: Browser) -> None:
    answer = reader.send("/search/suggestions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "This cannot be done here" in answer.text


def test_without_storage_a_page_says_so_in_the_language_of_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageUnavailable("the disk is gone")

    with browsing_with_store(public_catalogue="true") as (browser, store):
        monkeypatch.setattr(type(store.movies), "page", fail)
        answers = [browser.open("/", **{"accept-language": each}) for each in ("en", "de")]
    for answer, words in zip(
        answers, ("The storage cannot be reached", "Speicher ist gerade nicht"), strict=True
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert words in answer.text
        assert "the disk" not in answer.text
        assert Page(answer.text).links.count("/") >= 2


def test_an_unexpected_error_is_logged_and_its_page_names_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.ProgrammingError("the secret")

    with browsing_with_store(public_catalogue="true") as (browser, store):
        monkeypatch.setattr(type(store.movies), "page", fail)
        answer = browser.open("/", **{"x-request-id": "mine"})
    assert (answer.status_code, "mine" in answer.text, "secret" in answer.text) == (500, True, False)
    assert "the secret" in caplog.text


def test_too_many_requests_are_refused_by_a_page_that_leads_back() -> None:
    with browsing_with_store(public_catalogue="true", rate_limit="2/minute") as (browser, _):
        browser.open("/")
        browser.open("/")
        answer = browser.open("/")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many requests" in answer.text


def test_files_do_not_count_against_the_limit() -> None:
    with browsing_with_store(rate_limit="1/minute") as (browser, _):
        statuses = {browser.client.get(static_url("style.css")).status_code for _ in range(5)}
    assert statuses == {200}


def test_without_pages_there_is_only_the_api() -> None:
    with serving(web="false") as client:
        statuses = {
            client.get(path, follow_redirects=False).status_code for path in ("/sign-in", "/movies/603")
        }
        assert client.get("/nothing", headers={"accept": "text/html"}).json()["code"] == "not_found"
    assert statuses == {404}


def test_the_document_of_the_api_is_the_same_with_pages_and_without() -> None:
    documents = []
    for web in ("true", "false"):
        with serving(web=web) as client:
            documents.append(client.get("/api/v1/docs/openapi.json").text)
    assert documents[0] == documents[1]


def test_the_api_takes_no_cookies(member: Browser) -> None:
    assert member.client.get("/api/v1/auth/me").status_code == 401


HOSTILE = [
    '<script>alert("1")</script>',
    "\" onmouseover=alert(1) '",
    "</title></main><img src=x>",
    "evil \u202egnp.exe",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;b&gt; &amp;",
    "w" * 2000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_as_text(text: str) -> None:
    with browsing_with_store(facts(603, title=text[:500], original_title=text[:400], overview=text)) as (
        browser,
        _,
    ):
        browser.join()
        browser.send("/movies/603/rating", rating="8", review=text)
        browser.send("/movies/603/watchlist", note=text)
        for path in ("/", "/movies/603", "/watchlist", "/ratings"):
            answer = browser.open(path)
            page = Page(answer.text)
            check(answer, page)
            assert " ".join(text[:500].split()) in page.text, path


def test_a_search_for_hostile_text_shows_it_as_text(reader: Browser) -> None:
    answer = reader.client.get("/search", params={"q": '"><script>x</script>'}, headers=reader.headers)
    page = Page(answer.text)
    check(answer, page)
    assert '"><script>x</script>' in page.text


def test_a_page_behind_tls_tells_browsers_to_stay_with_it() -> None:
    reply = call_synchronously(
        application(filled_store([THE_MATRIX]), web="true"),
        "/",
        headers={"accept": "text/html"},
        scheme="https",
    )
    assert (reply.status, "strict-transport-security" in reply.headers) == (200, True)


def test_head_has_the_headers_of_a_page_without_its_body(reader: Browser) -> None:
    answer = reader.client.head("/", headers=reader.headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_the_catalogue_can_be_empty() -> None:
    store = store_in_memory(lambda: None)  # type: ignore[arg-type, return-value]
    reply = call_synchronously(application(store, web="true"), "/", headers={"accept": "text/html"})
    assert "The catalogue is empty" in reply.body.decode()
    store.close()


def test_a_form_that_is_too_long_is_refused_by_a_page() -> None:
    with browsing_with_store(max_body_bytes=100) as (browser, _):
        answer = browser.send("/sign-in", email="a" * 200)
        api = browser.client.post("/api/v1/auth/login", content=b"a" * 200, headers=browser.headers)
    assert (answer.status_code, "/" in Page(answer.text).links) == (413, True)
    assert (api.status_code, api.json()["code"]) == (413, "payload_too_large")
