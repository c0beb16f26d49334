"""What people do on the pages, on a phone and on a laptop, with and without script, mouse and keyboard."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import LAPTOP, PHONE, BrowserWindow, choose, running_browser
from tests.e2e.commands import RunningServer, matinee, serving

PASSWORD, NEW = "a long walk home", "there is no spoon at all"


WIDER_TABLES = """
    [...document.querySelectorAll(".scrolled")].filter(each => each.scrollWidth > each.clientWidth).length
"""
"""The number of tables that are wider than the window."""


LINES = """
    [...document.querySelectorAll("[aria-labelledby=health] tbody th")].map(each => {
      const range = document.createRange();
      range.selectNodeContents(each);
      return range.getClientRects().length;
    })
"""
"""The number of lines of each part of the service."""

IN_ORDER = """
    item => {
      const text = [...item.childNodes].find(each => each.nodeType === 3 && each.data.includes("★"));
      const place = letter => {
        const range = document.createRange(), start = text.data.indexOf(letter);
        range.setStart(text, start);
        range.setEnd(text, start + 1);
        return range.getBoundingClientRect().x;
      };
      return place("→") < place("★");
    }
"""
"""Whether the text of an item that follows its title runs from left to right."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def server(browser: Any, directory: Path) -> Iterator[RunningServer]:
    plenty = {"RATE_LIMIT": "100000/minute", "AUTH_RATE_LIMIT": "100000/minute"}
    with serving(directory, PUBLIC_CATALOGUE="true", **plenty) as server:
        yield server


@pytest.fixture
def window(browser: Any, server: RunningServer, request: pytest.FixtureRequest) -> Iterator[BrowserWindow]:
    """A window with the options that the test is parametrized with, by default a laptop's."""
    base_url = str(server.client.base_url.copy_with(path="")).rstrip("/")
    window = BrowserWindow(browser, base_url, **getattr(request, "param", LAPTOP))
    yield window
    window.close()


@pytest.mark.parametrize(
    ("window", "name"), [(PHONE, "phone"), (LAPTOP, "laptop")], indirect=["window"], ids=["phone", "laptop"]
)
def test_somebody_joins_rates_films_and_leaves(window: BrowserWindow, name: str) -> None:
    page = window.page
    window.open("/")
    window.check()
    page.click("text=Join")
    window.check()
    window.join(name, PASSWORD)

    page.fill("#q", "shawshnk redemtion")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search**")
    window.check()
    page.click(".card >> text=The Shawshank Redemption")
    page.wait_for_url("**/movies/*")

    choose(page, "rating", "8.5")
    page.fill("#review", "w" * 2000)
    page.click("text=Save my rating")
    assert page.locator("input[name=rating]:checked").get_attribute("value") == "8.5"
    assert page.locator(".reviews .text").first.inner_text() == "w" * 2000
    page.check("[name=is_favorite]")
    page.fill("#note", "<b>With</b> the \u202echildren")
    page.click("text=Add to my watchlist")
    page.uncheck("[name=remove_from_watchlist] >> nth=0")
    page.click("text=Seen today")
    page.wait_for_selector("text=You have seen this film once.")
    window.check()

    for path, shown in (
        ("/watchlist", "With</b> the"),
        ("/ratings", "8.5"),
        ("/diary/calendar", "The Shawshank Redemption"),
        ("/statistics", "1990s"),
        ("/account", name),
    ):
        window.open(path)
        assert shown in page.content().replace("&lt;", "<").replace("&gt;", ">")
        window.check()
        if path == "/statistics":
            assert page.evaluate(WIDER_TABLES) == 0

    page.fill("#password-current_password", PASSWORD)
    page.fill("#new_password", NEW)
    page.click("text=Change the password")
    assert page.locator("[role=status]").inner_text().startswith("The password was changed")
    page.click("header >> text=Sign out")
    page.wait_for_url("**/")
    window.sign_in(name, NEW)


def test_a_session_is_ended_from_another_window(window: BrowserWindow, browser: Any) -> None:
    window.join("forgetful", PASSWORD)
    other = BrowserWindow(browser, window.base_url, **PHONE)
    try:
        other.sign_in("forgetful", PASSWORD)
        other.open("/account")
        other.check()
        window.open("/account")
        window.page.locator("[action$='/end'] button").click()
        window.page.wait_for_selector("text=The session was ended")
        window.check()
        other.open("/account")
        assert other.page.url.endswith("/sign-in?next=/account")
    finally:
        other.close()


@pytest.mark.parametrize("window", [{**PHONE, "locale": "de-DE"}], indirect=True, ids=["phone"])
def test_tables_fit_a_phone_in_german_too(window: BrowserWindow) -> None:
    window.join("deutsch", PASSWORD)
    window.open("/movies/603")
    window.page.click("text=Heute gesehen")
    window.open("/statistics")
    assert "Am meisten gesehene Regie" in window.page.content()
    assert window.page.evaluate(WIDER_TABLES) == 0
    window.check()


def create_admin(directory: Path, name: str) -> None:
    created = matinee(
        "users", "create", "--admin", "--email", f"{name}@example.org", "--username", name, "--data-dir",
        str(directory / "matinee-data"), cwd=directory, stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert created.returncode == 0, created.stderr


@pytest.mark.parametrize("window", [PHONE], indirect=True, ids=["phone"])
def test_no_word_of_the_health_is_broken_or_cut_off_on_a_phone(
    window: BrowserWindow, directory: Path
) -> None:
    create_admin(directory, "operator")
    window.sign_in("operator", PASSWORD)
    window.open("/admin")
    window.check()
    assert window.page.evaluate(LINES) == [1, 1, 1, 1]
    assert window.page.locator("[aria-labelledby=health] .scrolled").evaluate(
        "each => each.scrollWidth <= each.clientWidth"
    )


def test_an_admin_syncs_invites_and_disables(window: BrowserWindow, directory: Path) -> None:
    create_admin(directory, "root")
    page = window.page
    window.join("victim", PASSWORD)
    page.click("header >> text=Sign out")
    window.sign_in("root", PASSWORD)

    window.open("/admin")
    window.check()
    page.click("text=Sync the films")
    page.wait_for_selector("[data-events]", state="detached")  # the end came as an event
    window.check()

    window.open("/admin/invitations")
    page.click("text=Create an invitation")
    assert page.locator("code").inner_text()
    window.check()

    window.open("/admin/users")
    page.click("[aria-label='Disable: victim']")
    page.wait_for_selector("[aria-label='Enable: victim']")
    window.check()


@pytest.mark.parametrize("window", [{**PHONE, "java_script_enabled": False}], indirect=True)
def test_everything_works_without_script(window: BrowserWindow) -> None:
    page = window.page
    window.join("scriptless", PASSWORD)
    page.click("summary >> text=Filters")
    page.select_option("#decade", "1990")
    page.click("text=Apply")
    page.fill("#q", "amelie")
    page.click(".search button")
    page.click(".card >> text=Amélie")
    choose(page, "rating", "10")
    page.click("text=Save my rating")
    assert page.locator("text=Remove my rating").count() == 1
    page.click("text=Add to my watchlist")
    window.open("/watchlist")
    page.click("text=Mark as favourite")
    assert page.locator(".favorite").count() == 1


def test_everything_can_be_reached_with_the_keyboard_alone(window: BrowserWindow) -> None:
    page, press = window.page, window.page.keyboard.press
    window.join("keyboard", PASSWORD)
    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    press("Tab")
    press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("matri", delay=20)
    page.wait_for_selector("#suggestions li")
    press("ArrowDown")
    window.check()
    press("Enter")
    page.wait_for_url("**/movies/*")

    page.locator("input[name=rating]").first.focus()
    press("Space")
    for _ in range(15):
        press("ArrowRight")
    press("Tab")
    assert page.evaluate("document.activeElement.id") == "review"
    page.keyboard.type("Typed")
    press("Tab")
    press("Enter")
    page.wait_for_selector("text=Remove my rating")
    assert page.locator("input[name=rating]:checked").get_attribute("value") == "8.5"


def test_a_poster_that_cannot_be_loaded_is_replaced_by_the_generated_one(window: BrowserWindow) -> None:
    window.open("/")
    window.page.evaluate("""() => {
      const poster = document.createElement("div");
      const other = '<template><svg class="generated"></svg></template>';
      const noImage = document.querySelector("link[rel=stylesheet]").href;
      poster.innerHTML = `<img alt="" src="${noImage}">${other}`;
      poster.className = "poster";
      document.querySelector("main").prepend(poster);
    }""")
    window.page.wait_for_selector("main > .poster > svg.generated", state="attached")
    assert window.page.locator("main > .poster > img").count() == 0


@pytest.mark.parametrize("window", [PHONE, LAPTOP], indirect=True, ids=["phone", "laptop"])
def test_what_arrives_later_of_the_head_moves_nothing_that_is_shown(window: BrowserWindow) -> None:
    box = window.page.locator(".search")
    window.join(f"late{window.page.viewport_size['width']}", PASSWORD)
    complete = box.bounding_box()
    window.page.locator("header nav").evaluate("nav => nav.remove()")
    assert box.bounding_box() == complete


@pytest.mark.parametrize(
    ("window", "shown"), [(PHONE, False), (LAPTOP, True)], indirect=["window"], ids=["phone", "laptop"]
)
def test_filters_are_collapsed_on_a_phone_only(window: BrowserWindow, shown: bool) -> None:
    window.open("/")
    assert window.page.locator("#decade").is_visible() is shown
    assert window.page.locator("summary").is_visible() is not shown


@pytest.mark.parametrize("window", [PHONE], indirect=True, ids=["phone"])
def test_somebody_names_the_columns_of_a_table(window: BrowserWindow, tmp_path: Path) -> None:
    page, table = window.page, tmp_path / "mine.csv"
    table.write_text("What,Verdict\nThe Matrix (1999),8\n")
    window.join("tabulator", PASSWORD)
    window.open("/import")
    page.set_input_files("#file", table)
    page.select_option("#source", "csv")
    page.click("text=Upload")
    page.wait_for_url("**/import/*")
    page.wait_for_selector("text=Columns of the table")
    window.check()
    page.select_option("#column_title", "what")
    page.select_option("#column_rating", "verdict")
    page.click("text=Read again")
    page.wait_for_selector("text=★ 8")
    page.click("summary:text-is('Columns of the table')")
    assert page.locator("#column_rating").input_value() == "verdict"
    window.check()


@pytest.mark.parametrize("window", [PHONE], indirect=True, ids=["phone"])
def test_somebody_brings_a_letterboxd_zip_and_takes_it_back(window: BrowserWindow, tmp_path: Path) -> None:
    page, header = window.page, "Date,Name,Year,Letterboxd URI"
    with zipfile.ZipFile(tmp_path / "letterboxd.zip", "w") as archive:
        archive.writestr("ratings.csv", f"{header},Rating\n2024-01-02,The Matrix,1999,u,4.5\n")
        archive.writestr("watchlist.csv", f"{header}\n2024-01-02,Heat,1995,u\n2024-01-02,No Film,1901,u\n")
    window.join("importer", PASSWORD)
    window.open("/import")
    window.check()
    page.set_input_files("#file", tmp_path / "letterboxd.zip")
    page.click("text=Upload")
    page.wait_for_url("**/import/*")
    page.wait_for_selector("text=Ready for you to review")
    assert "Not found" in page.locator("#content").inner_text()
    window.check()
    page.click("text=Apply")
    page.wait_for_selector("text=Done")
    window.check()
    page.goto(page.url)
    page.click("button:text-is('Undo')")
    page.wait_for_selector("text=Undone")
    window.check()


LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-02,The Matrix,1999,u,4.5\n"


@pytest.mark.parametrize("window", [{**PHONE, "java_script_enabled": False}], indirect=True)
def test_imports_and_the_diary_work_without_script(window: BrowserWindow, tmp_path: Path) -> None:
    page, file = window.page, tmp_path / "ratings.csv"
    file.write_text(LETTERBOXD)
    window.join("plain-importer", PASSWORD)
    window.open("/import")
    page.set_input_files("#file", file)
    page.click("text=Upload")
    page.wait_for_selector("text=Ready for you to review")  # the page reloads itself until then
    page.click("text=Apply")
    page.wait_for_selector("text=Done")
    page.click("button:text-is('Undo')")
    page.wait_for_selector("text=Undone")
    window.open("/diary/calendar?month=2024-01")
    page.click("text=Earlier")
    assert page.locator("caption").inner_text() == "December 2023"
    page.click("text=Later")
    assert page.locator("caption").inner_text() == "January 2024"


def test_imports_the_diary_and_sessions_can_be_used_with_the_keyboard_alone(
    window: BrowserWindow, browser: Any, tmp_path: Path
) -> None:
    page, file = window.page, tmp_path / "ratings.csv"
    file.write_text(LETTERBOXD)
    window.join("typist", PASSWORD)
    window.open("/import")
    focus(window, "#file")
    page.set_input_files("#file", file)  # the window to choose files is not the page's
    focus(window, "main button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Ready for you to review")
    focus(window, "[action$='/apply'] button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Done")
    focus(window, "[action$='/undo'] button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Undone")
    window.open("/diary/calendar?month=2024-01")
    focus(window, "[rel=prev]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=December 2023")
    other = BrowserWindow(browser, window.base_url, **PHONE)
    other.sign_in("typist", PASSWORD)
    other.close()
    window.open("/account")
    focus(window, "[action^='/account/sessions/'][action$='/end'] button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The session was ended")
    window.check()


@pytest.mark.parametrize("window", [{**PHONE, "user_agent": "M" * 39}], indirect=True, ids=["phone"])
def test_hostile_texts_of_files_and_programs_move_nothing_else(window: BrowserWindow, tmp_path: Path) -> None:
    page, file = window.page, tmp_path / f"{'W' * 180}.csv"
    titles = ("\u202eevil\u2066", "W" * 2000)
    rows = "".join(f"2024-01-02,{title},1999,u,4.5\n" for title in titles)
    file.write_text(LETTERBOXD + rows)
    window.join("mallory", PASSWORD)
    window.open("/import")
    page.set_input_files("#file", file)
    page.click("text=Upload")
    page.wait_for_selector("text=Ready for you to review")
    window.check()
    assert page.evaluate(WIDER_TABLES) == 0
    assert page.locator("main li", has_text="evil").evaluate(IN_ORDER)
    for path in ("/import", "/account"):
        window.open(path)
        window.check()
        assert page.evaluate(WIDER_TABLES) == 0, path


def focus(window: BrowserWindow, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        window.page.keyboard.press("Tab")
        if window.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(selector)
