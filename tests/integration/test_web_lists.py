"""The viewer's own lists: sorted, filtered and edited in place."""

import re

from adapters.testkit.samples import facts
from tests.integration.http_service import THE_MATRIX
from tests.integration.web_client import Browser, browsing_with_store

FILMS = [THE_MATRIX, *(facts(number, title=f"Film {number}") for number in range(1, 25))]


def listed(page: str) -> list[str]:
    return re.findall(r'<h2 dir="auto"><a href="[^"]+">(.+?)</a>', page)


def next_page(browser: Browser, page: str) -> str:
    (link,) = re.findall(r'rel="next" href="([^"]+)"', page)
    return str(browser.open(link.replace("&amp;", "&")).text)


def test_empty_lists_say_what_to_do() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join()
        shown = {path: browser.page(path) for path in ("/watchlist", "/watchlist?favorite=true", "/ratings")}
    assert "Your watchlist is empty" in shown["/watchlist"].text
    assert "You have no favourites" in shown["/watchlist?favorite=true"].text
    assert "You have not rated a film yet" in shown["/ratings"].text
    assert all("/" in page.links for page in shown.values())


def test_the_watchlist_is_filtered_and_goes_on_by_cursor() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join()
        for number in range(1, 25):
            browser.send(f"/movies/{number}/watchlist", **({"is_favorite": "true"} if number < 3 else {}))
        page = browser.open("/watchlist").text
        rest = next_page(browser, page)
        favorites = browser.open("/watchlist?favorite=true").text
        by_title = browser.open("/watchlist?sort_by=title&sort_order=asc&favorite=").text
        sorted_rest = next_page(browser, by_title)
    assert [*listed(by_title), *listed(sorted_rest)] == sorted(f"Film {number}" for number in range(1, 25))
    assert '<option value="title" selected>Title</option>' in by_title
    assert (len(listed(page)), len(listed(rest))) == (20, 4)
    assert "24 films" in page
    assert sorted(listed(favorites)) == ["Film 1", "Film 2"]


def test_an_item_is_marked_and_unmarked_in_place_and_keeps_its_note() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join().send("/movies/603/watchlist", note='A "note"')
        for marked in (True, False):
            forms = browser.page("/watchlist").forms
            form = next(each for each in forms if each[0] == "post" and each[1].endswith("/watchlist"))
            answer = browser.send(form[1], **form[2])
            assert answer.headers["location"] == "/watchlist"
            page = browser.open("/watchlist").text
            assert ("♥" in page) is marked
            assert "A &#34;note&#34;" in page


def test_ratings_are_sorted_and_edited_in_place() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join()
        for number in range(1, 22):
            browser.send(f"/movies/{number}/rating", rating="10" if number == 5 else "6")
        browser.send("/movies/603/rating", rating="2", review="Short")
        page = browser.open("/ratings?sort_by=rating&sort_order=asc").text
        rest = next_page(browser, page)
        best = browser.open("/ratings?sort_by=rating").text
        answer = browser.send(
            "/movies/603/rating", rating="3", review="Longer", next="/ratings?sort_by=rating"
        )
        edited = browser.open("/ratings?sort_by=rating&sort_order=asc").text
    assert (listed(page)[0], len(listed(page)), len(listed(rest))) == ("The Matrix", 20, 2)
    assert listed(best)[0] == "Film 5"
    assert answer.headers["location"] == "/ratings?sort_by=rating"
    assert "Longer" in edited
    assert '<option value="3" selected>3</option>' in edited


def test_nobody_sees_the_lists_of_others() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join().send("/movies/603/watchlist", note="Mine alone")
        browser.send("/sign-out")
        browser.join("trinity")
        page = browser.open("/watchlist").text
        movie = browser.open("/movies/603").text
    assert "Mine alone" not in page + movie
