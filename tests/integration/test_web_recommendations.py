"""Recommendations on the pages: beside a film, and for the viewer, with their reasons."""

from collections.abc import Iterator

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from domain.ids import movie_id
from domain.recommendations import Neighbour
from tests.integration.http_service import THE_MATRIX
from tests.integration.web_client import Browser, browsing_with_store

FILMS = [THE_MATRIX, *(facts(number, title=f"Film <{number}>") for number in range(1, 31))]

Visit = tuple[Browser, SqliteStore]


@pytest.fixture
def visit() -> Iterator[Visit]:
    with browsing_with_store(*FILMS) as (browser, store):
        beside = [Neighbour(movie_id(number), 5, 2**20 * (99 - number)) for number in range(1, 31)]
        store.recommendations.store({movie_id(603): beside})
        browser.join()
        yield browser, store


def test_a_viewer_without_likes_is_told_what_to_do(visit: Visit) -> None:
    page = visit[0].page("/recommendations")
    assert "There is nothing to recommend yet" in page.text
    assert "/recommendations" in page.links


def test_films_for_the_viewer_name_the_film_that_the_viewer_liked(visit: Visit) -> None:
    browser, _ = visit
    browser.send("/movies/603/rating", rating="9")
    page = browser.open("/recommendations").text
    assert page.index("Film &lt;1&gt;") < page.index("Film &lt;2&gt;")
    assert "Because you liked <a href=" in page
    assert "The Matrix" in page
    assert "5 people here liked both" in page
    assert 'rel="next"' in page
    assert "Weil das gefallen hat:" in browser.open("/recommendations", **{"accept-language": "de"}).text


def test_a_film_is_hidden_and_shown_again_in_place(visit: Visit) -> None:
    browser, _ = visit
    browser.send("/movies/603/rating", rating="9")
    hide = next(form for form in browser.page("/recommendations").forms if form[1].endswith("/hide"))
    assert browser.send(hide[1], **hide[2]).headers["location"] == "/recommendations"
    page = browser.page("/recommendations")
    assert "Not recommended to you" in page.text
    (shown_again,) = [form for form in page.forms if form[1].endswith("/unhide")]
    assert hide[1] not in {form[1] for form in page.forms}
    assert browser.send(shown_again[1], **shown_again[2]).headers["location"] == "/recommendations"
    assert hide[1] in {form[1] for form in browser.page("/recommendations").forms}
    assert browser.send("/movies/603/hide").headers["location"] == "/movies/603"
    assert browser.send("/movies/999/hide").status_code == 404


def test_the_page_of_a_film_shows_what_one_may_also_like(visit: Visit) -> None:
    browser, store = visit
    store.recommendations.store({movie_id(1): [Neighbour(movie_id(603), 7, 9)]})
    page = browser.open("/movies/603").text
    assert "You may also like" in page
    assert page.count("5 people here liked both") == 6
    assert "7 people here liked both" in browser.open("/movies/1").text
    assert "You may also like" not in browser.open("/movies/2").text
