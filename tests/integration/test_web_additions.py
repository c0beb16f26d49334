"""The page of a search offers what TMDB has, and adds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dependency_injector import providers

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.client import RetryPolicy
from adapters.tmdb.source import TmdbMovieSource
from domain.sync import SourceName
from entrypoints.settings import Settings
from tests.integration.http_service import THE_MATRIX, client_over, container_over, filled_store
from tests.integration.web_client import Browser, Page
from tests.tmdb_simulator import Fault, TmdbSimulator

FILMS: list[dict[str, Any]] = [
    {"id": 603, "title": "The Matrix", "release_date": "1999-03-31"},
    {"id": 604, "title": "The Matrix Reloaded", "release_date": "2003-05-15", "poster_path": "/p.jpg"},
    {"id": 605, "title": '<b>Matrix</b> & "Co"', "release_date": ""},
    *({"id": number, "title": f"Sequel {number}"} for number in range(700, 725)),
]
HASTY = RetryPolicy(min_backoff=0.01, max_backoff=0.02, attempts=2, read_timeout=0.3, total_timeout=0.4)


@pytest.fixture(scope="module")
def simulator() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(FILMS) as tmdb:
        yield tmdb


@contextmanager
def visiting(tmdb: TmdbSimulator | None, store: SqliteStore) -> Iterator[Browser]:
    container = container_over(store, Settings())
    source = tmdb and TmdbMovieSource(
        access_token="t",
        api_key=None,
        base_url=tmdb.url,
        budget=RequestPacer(1000).urgent,
        policy=HASTY,
    )
    container.user_source.override(providers.Object(source))
    with client_over(store, container=container, web="true") as client:
        yield Browser(client)
    if source:
        source.close()
    store.close()


@pytest.fixture(scope="module")
def member(simulator: TmdbSimulator) -> Iterator[Browser]:
    with visiting(simulator, filled_store([THE_MATRIX])) as browser:
        yield browser.join()


@pytest.fixture
def tmdb(simulator: TmdbSimulator) -> TmdbSimulator:
    simulator.set_faults()
    return simulator


def offered(page: Page) -> list[str]:
    return [fields["ref"] for _, action, fields in page.forms if action == "/search" and "ref" in fields]


def test_films_at_tmdb_are_offered_below_the_results_and_added_by_a_button(
    tmdb: TmdbSimulator, member: Browser
) -> None:
    page = member.page("/search?q=reloaded")
    assert "Also at TMDB" in page.text
    assert offered(page) == ["604"]
    added = member.send("/search", ref="604", q="reloaded")
    assert added.status_code == 303
    assert "The Matrix Reloaded" in member.page(added.headers["location"]).text
    again = member.page("/search?q=reloaded")
    assert offered(again) == []
    assert added.headers["location"] in again.links
    assert "TMDB has found no other film." in again.text


def test_titles_are_text_and_unknown_films_have_generated_posters(
    tmdb: TmdbSimulator, member: Browser
) -> None:
    page = member.open("/search?q=matrix", **{"accept-language": "de"})
    assert "&lt;b&gt;Matrix&lt;/b&gt; &amp; &#34;Co&#34;" in page.text
    assert "Auch bei TMDB" in page.text
    assert "605" in offered(Page(page.text))


def test_more_of_tmdb_is_on_pages_of_its_own(tmdb: TmdbSimulator, member: Browser) -> None:
    first = member.page("/search?q=sequel")
    (link,) = (each for each in first.links if "source=tmdb" in each)
    second = member.page(link)

    assert (link, len(offered(first)), len(offered(second))) == ("/search?q=sequel&source=tmdb&page=2", 20, 5)
    assert not any("source=tmdb" in each for each in second.links)


@pytest.mark.parametrize("kind", ["server_error", "slow_headers", "html"])
def test_what_the_catalogue_has_is_shown_whatever_tmdb_does(
    tmdb: TmdbSimulator, member: Browser, kind: str
) -> None:
    tmdb.set_faults(Fault(kind, seconds=5))
    page = member.page("/search?q=the+matrix")

    assert "TMDB does not answer at the moment" in page.text
    assert f"/movies/{'cc4609538a1537f6d0f2d3c0'}" in page.links
    refused = member.send("/search", ref="700")
    assert refused.status_code == 503
    assert "TMDB does not answer at the moment" in refused.text


def test_a_film_that_cannot_be_added_is_named_above_the_search(tmdb: TmdbSimulator, member: Browser) -> None:
    missing, invalid = (member.send("/search", ref=ref, q="matrix") for ref in ("99999", "x"))

    assert (missing.status_code, invalid.status_code) == (404, 400)
    for answer in (missing, invalid):
        assert 'role="alert"' in answer.text
        assert "Also at TMDB" in answer.text


def test_nothing_is_offered_to_those_who_could_not_add_it(tmdb: TmdbSimulator) -> None:
    before = tmdb.requests
    with visiting(tmdb, filled_store([THE_MATRIX])) as browser:  # signed out
        assert "Also at TMDB" not in browser.page("/search?q=matrix").text
        assert browser.send("/search", ref="604").headers["location"].startswith("/sign-in")
    with visiting(tmdb, filled_store([facts(1)], source=SourceName.DEMO)) as browser:
        assert "Also at TMDB" not in browser.join().page("/search?q=matrix").text
    with visiting(None, filled_store([THE_MATRIX])) as browser:
        assert "Also at TMDB" not in browser.join().page("/search?q=matrix").text
    assert tmdb.requests == before
