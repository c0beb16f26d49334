"""Films that the catalogue lacks are found and added on the pages, and films are filtered and recommended."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import LAPTOP, PHONE, BrowserWindow, choose, running_browser
from tests.e2e.commands import RunningServer, serving
from tests.tmdb_simulator import Fault, TmdbSimulator

PASSWORD = "a long walk home"

LACKING = {
    "id": 9001, "title": "The Hidden Lake", "original_title": "Der See", "original_language": "de",
    "release_date": "1974-05-01", "runtime": 101, "genre_ids": [18], "popularity": 0.1,
    "tagline": "Nobody swims here.", "overview": "A surveyor draws a lake that no map admits.",
    "belongs_to_collection": {"id": 7, "name": "The Lakes"}, "_videos": [{"key": "abcdefghijk"}],
    "_cast": [("Ada Brandt", "The surveyor"), ("Ivo Holm", ""), ("<i>Ren\u00e9e</i> \u202eAbel", "Guest")],
    "_crew": [("Mina Varga", "Director"), ("Jun Ekstr\u00f6m", "Editor")],
}  # fmt: skip
"""It is not among the popular films, which the first start reads."""

ALSO_LACKING = {
    "id": 9002, "title": "Night of the Ferries", "original_title": "Night of the Ferries",
    "original_language": "en", "release_date": "1981-09-12", "runtime": 94, "genre_ids": [18],
    "popularity": 0.1,
}  # fmt: skip

POPULAR: list[dict[str, Any]] = [
    {"id": number, "title": f"Film {number}", "popularity": 90.0, "release_date": f"{1960 + number}-02-01",
     "runtime": 60 + 5 * number, "genre_ids": [18 if number % 2 else 35]}
    for number in range(1, 21)
]  # fmt: skip
POPULAR[0]["_recommended"] = [2, 9001, 3]


@pytest.fixture(scope="module")
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator([*POPULAR, LACKING, ALSO_LACKING], token="right") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(
    browser: Any, tmdb: TmdbSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    settings = {
        "TMDB_ACCESS_TOKEN": "right",
        "TMDB_BASE_URL": tmdb.url,
        "TMDB_REQUESTS_PER_SECOND": "1000",
        "TMDB_SYNC_PAGES": "1",
        "RATE_LIMIT": "100000/minute",
        "AUTH_RATE_LIMIT": "100000/minute",
    }
    with serving(tmp_path_factory.mktemp("serve"), **settings) as server:
        yield server


@pytest.fixture
def window(
    browser: Any, server: RunningServer, tmdb: TmdbSimulator, request: pytest.FixtureRequest
) -> Iterator[BrowserWindow]:
    """A window with the options that the test is parametrized with, by default a laptop's."""
    tmdb.set_faults()
    base_url = str(server.client.base_url.copy_with(path="")).rstrip("/")
    window = BrowserWindow(browser, base_url, **getattr(request, "param", LAPTOP))
    yield window
    window.close()


@pytest.mark.parametrize("window", [PHONE], indirect=True, ids=["phone"])
def test_a_film_that_nobody_holds_is_found_added_and_rated(
    window: BrowserWindow, tmdb: TmdbSimulator
) -> None:
    page = window.page
    window.join("finder", PASSWORD)
    tmdb.set_faults(Fault("server_error", path="/search/", status=503))
    window.open("/search?q=hidden+lake")
    page.wait_for_selector("text=TMDB does not answer at the moment.")
    window.check()

    tmdb.set_faults()
    window.open("/search?q=hidden+lake")
    offer = page.locator("section.offers")
    assert "Also at TMDB" in offer.inner_text()
    window.check()
    offer.get_by_role("button", name="Add The Hidden Lake to the catalogue").click()
    page.wait_for_url("**/movies/*")

    shown = page.locator("main").inner_text()
    for text in ("Nobody swims here.", "Mina Varga", "Ada Brandt The surveyor", "The Lakes", "1 h 41 min"):
        assert text in shown
    assert "<i>Renée</i>" in shown
    assert "Jun Ekström" not in shown
    trailer = page.get_by_role("link", name="Trailer").get_attribute("href")
    assert trailer == "https://www.youtube.com/watch?v=abcdefghijk"
    window.check()

    choose(page, "rating", "7.5")
    page.click("text=Save my rating")
    page.wait_for_selector("text=Remove my rating")
    assert page.locator("input[name=rating]:checked").get_attribute("value") == "7.5"
    page.click("text=Mina Varga")
    page.wait_for_url("**/search**")
    assert page.locator("main .card >> text=The Hidden Lake").count() == 1
    assert page.get_by_role("button", name="Add The Hidden Lake").count() == 0


@pytest.mark.parametrize("window", [{**LAPTOP, "java_script_enabled": False}], indirect=True)
def test_a_film_is_added_without_script_and_with_the_keyboard_alone(window: BrowserWindow) -> None:
    page = window.page
    window.join("typist", PASSWORD)
    page.focus("#q")
    page.keyboard.type("night of the ferries")
    page.keyboard.press("Enter")
    add = page.get_by_role("button", name="Add Night of the Ferries to the catalogue")
    add.wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if add.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/movies/*")
    assert page.get_by_role("heading", level=1).inner_text().startswith("Night of the Ferries")


def test_films_are_recommended_with_their_reason_and_hidden(window: BrowserWindow) -> None:
    page = window.page
    window.join("taster", PASSWORD)
    window.open("/recommendations")
    assert "There is nothing to recommend yet." in page.locator("main").inner_text()
    window.check()

    window.open("/movies/1")
    beside = page.locator("section[aria-labelledby=beside]")
    assert "Film 2" in beside.inner_text()
    assert "Recommended at TMDB" in beside.inner_text()
    choose(page, "rating", "8")
    page.click("text=Save my rating")
    page.wait_for_selector("text=Remove my rating")
    window.check()

    window.open("/recommendations")
    rows = page.locator("ul.rows > li")
    first, *_ = titles = rows.locator("h2").all_inner_texts()
    assert first.startswith("Film 2")
    assert any(title.startswith("Film 3") for title in titles)
    for row in rows.all():
        assert "Because you liked Film 1" in row.inner_text()
    window.check()

    page.get_by_role("button", name="Do not recommend: Film 2").click()
    page.wait_for_selector("text=Not recommended to you")
    assert not rows.locator("h2").first.inner_text().startswith("Film 2")
    window.check()
    page.get_by_role("button", name="Recommend again: Film 2").click()
    page.wait_for_selector("text=Not recommended to you", state="detached")
    assert rows.locator("h2").first.inner_text().startswith("Film 2")


@pytest.mark.parametrize("window", [PHONE, LAPTOP], indirect=True, ids=["phone", "laptop"])
def test_films_are_narrowed_by_the_filters_on_the_home_page_and_in_searches(
    window: BrowserWindow, request: pytest.FixtureRequest
) -> None:
    page, cards = window.page, window.page.locator("main .card .name")
    window.join(f"filterer-{request.node.callspec.id}", PASSWORD)
    window.open("/movies/4")
    choose(page, "rating", "9.5")
    page.click("text=Save my rating")
    page.wait_for_selector("text=Remove my rating")

    def apply(path: str, **chosen: str) -> set[str]:
        window.open(path)
        if page.locator("summary >> text=Filters").is_visible():
            page.click("summary >> text=Filters")
        for name, value in chosen.items():
            page.select_option(f"#{name}", value)
        with page.expect_navigation():
            page.click("form.filters button")
        window.check()
        return set(cards.all_inner_texts())

    assert apply("/", decade="1960", runtime_max="90") == {f"Film {number}" for number in range(1, 7)}
    assert apply("/", genre="35", decade="1960", not_mine="rated") == {"Film 2", "Film 6", "Film 8"}
    assert apply("/", min_rating="9") == {"Film 4"}
    assert apply("/search?q=film", runtime_max="60") == set()
    with page.expect_navigation():
        page.click("main >> text=Reset the filters >> nth=-1")
    assert len(cards.all_inner_texts()) == 20
    assert apply("/search?q=film", decade="1970", genre="18") == {
        f"Film {number}" for number in range(11, 20, 2)
    }
    by_runtime = apply("/", sort_by="runtime", sort_order="asc", runtime_max="90")
    assert by_runtime == {f"Film {number}" for number in range(1, 7)}
    assert cards.first.inner_text() == "Film 1"
