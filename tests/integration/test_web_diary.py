"""The diary as a list and as a calendar, what one has seen on the page of a film, and statistics."""

import re
from collections.abc import Iterator
from datetime import date

import pytest

from adapters.testkit.samples import facts
from domain.ids import genre_id
from tests.integration.http_service import THE_MATRIX
from tests.integration.web_client import Browser, Page, browsing_with_store

FILMS = [
    THE_MATRIX,
    facts(
        604,
        title="Reloaded",
        runtime=138,
        release_date=date(2003, 5, 15),
        original_language="en",
        genres=(genre_id(28),),
        directors=("Lana <Wachowski>",),
        detailed=True,
    ),
]
TODAY = "2026-01-02"


@pytest.fixture
def neo() -> Iterator[Browser]:
    with browsing_with_store(*FILMS) as (browser, _):
        yield browser.join()


def form_to(page: Page, action: str) -> dict[str, str]:
    """The fields of the first form with an action that matches."""
    return next(fields for _, target, fields in page.forms if re.fullmatch(action, target))


def test_a_film_is_marked_as_seen_today_and_taken_off_the_watchlist(neo: Browser) -> None:
    neo.send("/movies/603/watchlist")
    film = neo.page("/movies/603")
    fields = form_to(film, "/movies/.*/viewings")
    answer = neo.send("/movies/603/viewings", **fields)

    assert (fields["watched_on"], fields["remove_from_watchlist"]) == (TODAY, "true")
    assert answer.headers["location"] == fields["next"]
    after = neo.page("/movies/603")
    assert "You have seen this film once." in after.text
    assert "2 January 2026" in after.text
    assert "Seen today" not in after.text
    assert "Your watchlist is empty" in neo.page("/watchlist").text


def test_a_film_is_seen_on_other_days_and_a_wrong_day_is_said_beside_the_field(neo: Browser) -> None:
    neo.send("/movies/603/viewings", watched_on="2025-12-24", note="Holidays")
    neo.send("/movies/603/viewings")
    fields = form_to(neo.page("/movies/603"), "/movies/.*/viewings")
    again = neo.send("/movies/603/viewings", watched_on="2025-12-24")
    future = neo.send("/movies/603/viewings", watched_on="2027-01-01", note="Soon")
    german = neo.client.post(
        "/movies/603/viewings",
        data={"watched_on": "tomorrow"},
        headers={**neo.headers, "accept-language": "de"},
    )

    assert fields["rewatch"] == "true"
    assert (again.status_code, future.status_code, german.status_code) == (409, 400, 400)
    assert "You have recorded this film on that day." in again.text
    assert "not in the future" in future.text
    assert "Soon" in future.text
    assert "Gib ein Datum ein" in german.text
    assert "You have seen this film 2 times." in Page(future.text).text


def test_the_diary_is_edited_in_place(neo: Browser) -> None:
    neo.send("/movies/603/viewings", watched_on="2025-12-24", note='A "note"')
    neo.send("/movies/604/viewings")
    page = neo.page("/diary")
    assert page.text.index("24 December 2025") < page.text.index("Day unknown")
    (action,) = {target for _, target, fields in page.forms if fields.get("watched_on") == "2025-12-24"}
    moved = neo.send(action, watched_on="2026-01-01", rewatch="true", next="/diary?year=2026")
    assert moved.headers["location"] == "/diary?year=2026"
    this_year = neo.page("/diary?year=2026")
    assert "1 January 2026" in this_year.text
    assert "seen again" in this_year.text
    assert "A &#34;note&#34;" not in this_year.text
    refused = neo.send(action, watched_on="1500-01-01", note="Kept", next="/diary")
    assert refused.status_code == 400
    assert "Kept" in refused.text
    assert form_to(Page(refused.text), "/viewings/.*")["next"] == "/diary"
    assert form_to(neo.page(action), "/viewings/.*")["watched_on"] == "2026-01-01"
    assert neo.send(f"{action}/delete").headers["location"] == "/diary"
    assert neo.open(action).status_code == 404
    assert neo.page("/diary").text.count("Day unknown") == 1


def test_the_calendar_shows_a_month_with_its_films(neo: Browser) -> None:
    neo.send("/movies/603/viewings", watched_on="2025-12-24")
    neo.send("/movies/604/viewings", watched_on=TODAY)
    december = neo.page("/diary/calendar?month=2025-12")
    january = neo.page("/diary/calendar")
    german = neo.open("/diary/calendar?month=2025-12", **{"accept-language": "de"}).text

    assert "December 2025" in december.text
    assert "The Matrix" in december.text
    assert "Reloaded" not in december.text
    assert {"/diary/calendar?month=2025-11", "/diary/calendar?month=2026-01"} <= set(december.links)
    assert "January 2026" in january.text
    assert "Reloaded" in january.text
    assert "Dezember 2025" in german
    assert "You have recorded no film in this month" in neo.page("/diary/calendar?month=2020-02").text


def test_the_diary_of_a_year_and_any_month_can_be_chosen(neo: Browser) -> None:
    nothing = neo.page("/diary")
    assert ("get", "/diary", {"year": ""}) not in nothing.forms
    neo.send("/movies/603/viewings", watched_on="2025-12-24")
    assert ("get", "/diary", {"year": ""}) in neo.page("/diary").forms
    year = neo.page("/diary?year=2024")
    assert ("get", "/diary", {"year": "2024"}) in year.forms
    assert "You have recorded no film in 2024." in year.text
    assert "You have not recorded this film." in neo.page("/diary?movie_id=604").text
    assert "Diary 2025" in neo.page("/diary?year=2025").text
    month = neo.open("/diary/calendar?month=2025-12").text
    assert ("get", "/diary/calendar", {"month": "2025-12"}) in Page(month).forms
    assert 'type="month" min="1888-01" max="2100-12"' in month


def test_a_day_of_the_calendar_shows_three_films_and_how_many_more(neo: Browser) -> None:
    for _ in range(5):
        neo.send("/movies/603/viewings", watched_on="2025-12-24", rewatch="true")
    page = neo.open("/diary/calendar?month=2025-12").text
    calendar = page[page.index('<table class="calendar">') : page.index("</table>")]
    assert calendar.count('aria-label="The Matrix"') == 3
    assert "+2 below" in calendar
    assert Page(page).text.count("24 December 2025") == 5


@pytest.mark.parametrize("month", ["1887-12", "2101-01", "2025-13", "2025-00", "2025-1", "now"])
def test_a_month_outside_the_diary_is_refused(neo: Browser, month: str) -> None:
    assert neo.open(f"/diary/calendar?month={month}").status_code == 400


def test_the_calendar_ends_with_the_years_of_a_diary(neo: Browser) -> None:
    assert "/diary/calendar?month=1887-12" not in neo.page("/diary/calendar?month=1888-01").links
    assert "/diary/calendar?month=2101-01" not in neo.page("/diary/calendar?month=2100-12").links


def test_a_long_month_leads_to_its_year(neo: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.viewings.MAX_MONTH_VIEWINGS", 1)
    for movie in ("603", "604"):
        neo.send(f"/movies/{movie}/viewings", watched_on=TODAY)
    assert "/diary?year=2026" in neo.page("/diary/calendar").links


def test_nobody_sees_or_edits_the_diary_of_others() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join().send("/movies/603/viewings", note="Mine alone")
        (action,) = {target for _, target, fields in browser.page("/diary").forms if "watched_on" in fields}
        browser.send("/sign-out")
        browser.join("trinity")
        pages = [
            browser.page(path).text for path in ("/diary", "/diary/calendar", "/movies/603", "/statistics")
        ]
        answers = [browser.open(action), browser.send(action), browser.send(f"{action}/delete")]
    assert "Mine alone" not in "".join(pages)
    assert "There is nothing here yet" in pages[0]
    assert "There is nothing to count yet" in pages[3]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_statistics_show_figures_as_charts_and_as_tables(neo: Browser) -> None:
    neo.send("/movies/603/viewings")
    neo.send("/movies/604/viewings", watched_on="2025-12-24")
    neo.send("/movies/604/viewings", watched_on=TODAY, rewatch="true")
    neo.send("/movies/604/rating", rating="7.5")
    ever = neo.open("/statistics").text
    year = neo.page("/statistics?year=2025")
    german = neo.open("/statistics", **{"accept-language": "de"}).text

    assert ever.count('<svg class="columns"') == 3
    assert "Lana &lt;Wachowski&gt;" in ever
    assert "1 viewing of an unknown day" in ever
    assert "4.6" in Page(ever).text
    assert {"/statistics?year=2026", "/statistics?year=2025"} <= set(Page(ever).links)
    assert "2025 in films" in year.text
    assert "December 2025 1 2.3" in year.text
    assert "4,6" in german
    assert "Am meisten gesehene Regie" in german


def test_charts_have_no_gaps_in_time(neo: Browser) -> None:
    neo.send("/movies/603/viewings", watched_on="2019-02-03")
    neo.send("/movies/604/viewings", watched_on=TODAY)
    page = neo.page("/statistics").text
    assert "2019 1 " in page
    assert [f"{year} 0 0.0 0 –" in page for year in range(2020, 2026)] == [True] * 6


def test_a_decade_without_viewings_is_counted_as_none_and_the_unknown_is_last() -> None:
    films = [
        facts(number, title=f"Film {number}", release_date=date(year, 1, 1))
        for number, year in ((1, 1950), (2, 1980))
    ]
    with browsing_with_store(*films, facts(3, title="Undated", release_date=None)) as (browser, _):
        browser.join()
        for number in (1, 2, 3):
            browser.send(f"/movies/{number}/viewings", watched_on=TODAY)
        page = browser.page("/statistics").text
    decades = re.findall(r"(?:(\d{4})s|unknown) (\d) \d", page, re.IGNORECASE)
    assert decades[:5] == [("1950", "1"), ("1960", "0"), ("1970", "0"), ("1980", "1"), ("", "1")]
