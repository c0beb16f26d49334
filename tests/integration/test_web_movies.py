"""The pages of films: lists, filters, search, and the forms of a film."""

import re
from datetime import date

import pytest

from adapters.testkit.samples import facts
from domain.ids import genre_id
from domain.languages import Language, Translation
from domain.movies import CastMember, MovieFacts
from domain.ratings import STEPS
from domain.watchlist import WatchlistFull
from tests.integration.http_service import THE_MATRIX
from tests.integration.web_client import Page, browsing_with_store

CARD = re.compile(r'<span class="name" dir="auto">(.+?)</span>')


def film(number: int, title: str, **more: object) -> MovieFacts:
    return facts(number, title=title, original_title=title, popularity=float(1000 - number), **more)


FILMS = [
    film(1, "Heat", release_date=date(1995, 12, 15), original_language="en", genres=(genre_id(28),)),
    film(
        2,
        "Amélie",
        release_date=date(2001, 4, 25),
        original_language="fr",
        genres=(genre_id(35),),
        runtime=120,
        detailed=True,
    ),
    film(
        3,
        "Ronin",
        release_date=date(1998, 9, 25),
        original_language="en",
        genres=(genre_id(28), genre_id(53)),
    ),
    film(4, "Undated", release_date=None, original_language=None, genres=()),
]


def titles(page: str) -> list[str]:
    return CARD.findall(page)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Heat", "Amélie", "Ronin", "Undated"]),
        ("?genre=28", ["Heat", "Ronin"]),
        ("?decade=1990", ["Heat", "Ronin"]),
        ("?decade=2000&language=fr", ["Amélie"]),
        ("?decade=1990&min_rating=5", ["Heat"]),
        ("?decade=1990&min_votes=100000", []),
        ("?year=2001", ["Amélie"]),
        ("?language=en", ["Heat", "Ronin"]),
        ("?min_rating=8", ["Heat"]),
        ("?sort_by=title&sort_order=asc", ["Amélie", "Heat", "Ronin", "Undated"]),
        (
            "?genre=&decade=&language=&min_rating=&sort_by=release_date&sort_order=asc",
            ["Heat", "Ronin", "Amélie", "Undated"],
        ),
        ("?genre=18", []),
        ("?runtime_max=120", ["Amélie"]),
        ("?not_mine=rated", ["Amélie", "Ronin", "Undated"]),
        ("?not_mine=seen,rated&decade=1990", ["Ronin"]),
        ("?mine=rated", ["Heat"]),
    ],
)
def test_the_home_page_filters_and_sorts(query: str, expected: list[str]) -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join().send("/movies/1/rating", rating="9")
        answer = browser.open(f"/{query}")
    assert (answer.status_code, titles(answer.text)) == (200, expected)
    if not expected:
        assert "No film matches these filters" in answer.text


def test_what_was_chosen_stays_chosen() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        page = browser.join().open("/?genre=28&decade=1990&min_rating=8&sort_by=title&sort_order=asc").text
    for value, shown in (
        ("28", "Action"),
        ("1990", "1990s"),
        ("8", "8 or more"),
        ("title", "Title"),
        ("asc", "Ascending"),
    ):
        assert f'<option value="{value}" selected>{shown}</option>' in page


def test_the_number_of_filters_is_told_while_they_are_collapsed() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join()
        plain = browser.open("/?sort_by=title").text
        page = browser.open("/?genre=28&not_mine=seen%2Crated&sort_by=title").text
    assert "<summary>Filters</summary>" in plain
    assert "<summary>Filters (2)</summary>" in page
    assert '<option value="seen,rated" selected>What I have seen or rated</option>' in page


def test_a_search_is_filtered_like_the_home_page() -> None:
    with browsing_with_store(*FILMS) as (browser, _):
        browser.join().send("/movies/3/rating", rating="9")
        page = browser.open("/search?q=ronin&decade=1990&genre=28").text
        others = [browser.open(f"/search?q=ronin&{each}").text for each in ("decade=2000", "not_mine=rated")]
    assert titles(page) == ["Ronin"]
    assert '<input type="hidden" name="q" value="ronin">' in page
    assert '<option value="1990" selected>1990s</option>' in page
    for each in others:
        assert titles(each) == []
        assert "No film matches these filters" in each
        assert '<a href="/search?q=ronin">' in each


def test_whoever_is_not_signed_in_has_no_films_of_their_own_to_hide() -> None:
    with browsing_with_store(*FILMS, public_catalogue="true") as (browser, _):
        assert 'name="not_mine"' not in browser.open("/").text
        for path in ("/?not_mine=rated", "/search?q=heat&mine=listed"):
            answer = browser.open(path)
            assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


def test_a_poster_of_another_host_has_a_generated_one_beside_it() -> None:
    heat = film(1, "Heat", poster_path="/heat.jpg")
    with browsing_with_store(heat, public_catalogue="true", images="direct") as (browser, _):
        direct = browser.open("/").text
    with browsing_with_store(heat, public_catalogue="true") as (browser, _):
        proxied = browser.open("/").text
    assert '<template><svg class="generated"' in direct
    assert "<template>" not in proxied


def test_pages_of_a_list_follow_each_other_by_cursor() -> None:
    with browsing_with_store(*(film(number, f"Film {number:03}") for number in range(1, 48))) as (browser, _):
        browser.join()
        path, seen = "/?sort_by=title&sort_order=asc", []
        while path:
            page = browser.open(path).text
            seen.append(titles(page))
            links = re.findall(r'rel="next" href="([^"]+)"', page)
            path = links[0].replace("&amp;", "&") if links else ""
            assert not path or "cursor=" in path
    assert [len(each) for each in seen] == [20, 20, 7]
    assert [title for each in seen for title in each] == [f"Film {number:03}" for number in range(1, 48)]


def test_a_search_forgives_a_typing_error_and_goes_on_by_cursor() -> None:
    with browsing_with_store(*(film(number, f"Matrix {number}") for number in range(1, 26))) as (browser, _):
        browser.join()
        page = browser.open("/search?q=matrx").text
        (link,) = re.findall(r'rel="next" href="([^"]+)"', page)
        rest = browser.open(link.replace("&amp;", "&")).text
        nothing = browser.open("/search?q=godzilla").text
        empty = browser.open("/search?q=").text
    assert (len(titles(page)), len(titles(rest))) == (20, 5)
    assert "No film found for “godzilla”" in nothing
    assert "Type a title" in empty


def test_the_search_box_gets_suggestions() -> None:
    with browsing_with_store(*FILMS, public_catalogue="true") as (browser, _):
        found = browser.client.get("/search/suggestions?q=am").json()
        undated = browser.client.get("/search/suggestions?q=undated").json()
        nothing = [browser.client.get(f"/search/suggestions?{each}").json() for each in ("q=%20", "q=", "")]
        assert browser.open(found[0]["path"]).status_code == 200
    assert [(each["title"], each["year"]) for each in found] == [("Amélie", "2001")]
    assert undated[0]["year"] == ""
    assert nothing == [[], [], []]


def test_a_film_is_shown_with_its_facts() -> None:
    matrix = facts(
        603,
        title="The Matrix",
        original_title="Matrix!",
        imdb_id="tt0133093",
        runtime=136,
        original_language="en",
        release_date=date(1999, 3, 30),
        genres=(genre_id(28), genre_id(878)),
        overview="A hacker learns the truth.",
        vote_average=8.2,
        vote_count=25000,
        tagline="Free your mind.",
        directors=("Lana Wachowski", "Lilly Wachowski"),
        cast=(CastMember("Carrie-Anne Moss", "Trinity"), CastMember("Keanu Reeves")),
        trailer_url="https://www.youtube.com/watch?v=abcdef",
        collection="The Matrix Collection",
        detailed=True,
    )
    with browsing_with_store(matrix, public_catalogue="true") as (browser, _):
        page = browser.page("/movies/603")
        german = browser.client.get("/movies/603", headers={"Accept-Language": "de"}).text
        of_actor = titles(browser.open("/search?q=Carrie-Anne%20Moss").text)
    for words in (
        "The Matrix (1999)",
        "Matrix!",
        "30 March 1999",
        "2 h 16 min",
        "Action, Science Fiction",
        "English",
        "A hacker learns the truth.",
        "8.2 25,000 votes",
        "Not rated here yet",
        "Sign in to rate this film",
        "Free your mind.",
        "Directed by Lana Wachowski",
        "Carrie-Anne Moss Trinity",
        "Part of The Matrix Collection",
    ):
        assert words in page.text, words
    assert {"/search?q=Lana%20Wachowski", "/search?q=Keanu%20Reeves"} <= set(page.links)
    assert "https://www.youtube.com/watch?v=abcdef" in page.links
    assert all(words in german for words in ("Regie", "Besetzung", "Teil von", "Trailer"))
    assert of_actor == ["The Matrix"]
    assert "https://www.imdb.com/title/tt0133093/" in page.links


def test_a_film_of_which_little_is_known_is_shown() -> None:
    bare = facts(
        7,
        title="Bare",
        original_title="Bare",
        imdb_id=None,
        runtime=None,
        release_date=None,
        genres=(),
        overview=None,
        vote_average=None,
        vote_count=None,
        original_language="xx",
        detailed=False,
    )
    with browsing_with_store(bare, public_catalogue="true") as (browser, _):
        page = browser.page("/movies/7")
    assert "There is no description" in page.text
    assert not {"Directed by", "Cast", "Part of", "Trailer"} & set(
        re.findall(r"[A-Z]\w+(?: \w+)?", page.text)
    )
    assert " xx " in page.text


@pytest.mark.parametrize("ref", ["603", "tt0133093"])
def test_a_film_is_rated_and_the_rating_is_removed(ref: str) -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        browser.join()
        answer = browser.send(f"/movies/{ref}/rating", rating="8.5", review="Whoa.\r\n<b>Really.</b>")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/movies/{ref}")
        text = browser.open("/movies/603").text
        assert 'value="8.5" required checked' in text
        assert "Whoa.\n&lt;b&gt;Really.&lt;/b&gt;</textarea>" in text
        assert "8.5 1 rating" in Page(text).text
        browser.send(f"/movies/{ref}/rating", rating="10", review="")
        assert "Whoa" not in browser.open("/movies/603").text
        answer = browser.send(f"/movies/{ref}/rating/delete", next="/ratings")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ratings")
        assert "Not rated here yet" in browser.page("/movies/603").text


def test_there_are_19_scores_to_choose_from() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        page = browser.join().open("/movies/603").text
    assert len(re.findall(r'type="radio" name="rating"', page)) == STEPS


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"rating": "8.7", "review": "Kept"}, "Must be between 1 and 10 in steps of 0.5"),
        ({"rating": "x"}, "Must be between 1 and 10 in steps of 0.5"),
        ({"review": "Kept"}, "Choose a score"),
        ({"rating": "8", "review": "a" * 2001}, "Must be at most 2,000 characters"),
        ({"rating": "8", "stars": "5"}, "Please check the marked fields"),
    ],
)
def test_a_rating_that_is_refused_is_shown_again_with_the_reason(fields: dict[str, str], shown: str) -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        answer = browser.join().send("/movies/603/rating", **fields)
    assert answer.status_code == 400
    assert shown in answer.text
    assert fields.get("review", "") in answer.text
    assert "The Matrix" in answer.text


def test_a_film_is_listed_marked_noted_and_taken_off() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        browser.join()
        answer = browser.send("/movies/603/watchlist", is_favorite="true", note="With the children")
        assert answer.headers["location"] == "/movies/603"
        page = browser.open("/movies/603").text
        assert 'name="is_favorite" value="true" checked' in page
        assert "With the children</textarea>" in page
        browser.send("/movies/603/watchlist")
        assert 'name="is_favorite" value="true" checked' not in browser.open("/movies/603").text
        browser.send("/movies/603/watchlist/delete", next="/watchlist")
        assert "Your watchlist is empty" in browser.page("/watchlist").text


def test_a_watchlist_that_is_full_says_so_beside_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise WatchlistFull

    with browsing_with_store(THE_MATRIX) as (browser, store):
        browser.join()
        monkeypatch.setattr(type(store.watchlists), "put", full)
        answer = browser.send("/movies/603/watchlist", is_favorite="true", note="Kept")
        noted = browser.send("/movies/603/watchlist", note="a" * 2001)
    assert (answer.status_code, "A watchlist holds at most" in answer.text) == (409, True)
    assert "Kept</textarea>" in answer.text
    assert 'value="true" checked' in answer.text
    assert 'id="note-fault"' in noted.text


@pytest.mark.parametrize("path", ["rating", "rating/delete", "watchlist", "watchlist/delete"])
def test_forms_of_a_film_that_does_not_exist_are_not_found(path: str) -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        browser.join()
        for ref in ("999", "x", "tt9999999"):
            assert browser.send(f"/movies/{ref}/{path}", rating="8").status_code in {400, 404}
        assert (
            browser.send(f"/movies/999/{path}", **({"rating": "8"} if path == "rating" else {})).status_code
            == 404
        )


@pytest.mark.parametrize("path", ["rating", "rating/delete", "watchlist", "watchlist/delete"])
def test_a_stranger_cannot_change_a_film(path: str) -> None:
    with browsing_with_store(THE_MATRIX, public_catalogue="true") as (browser, _):
        answer = browser.send(f"/movies/603/{path}", rating="8")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_everybodys_ratings_are_shown_by_username_and_go_on_by_cursor() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        for number in range(21):
            browser.join(f"user{number:02}")
            browser.send("/movies/603/rating", rating="7", review=f"Review {number:02}")
            browser.send("/sign-out")
        browser.join("reader")
        page = browser.open("/movies/603").text
        (link,) = re.findall(r'rel="next" href="([^"]+)"', page)
        rest = browser.open(link.replace("&amp;", "&")).text
    assert len(re.findall(r"Review \d\d", page)) == 20
    assert len(re.findall(r"Review \d\d", rest)) == 1
    assert len(re.findall(r"<strong>user\d\d</strong>", page)) == 20
    assert "@example.com" not in page


def test_the_chart_of_scores_has_the_same_figures_as_its_table() -> None:
    with browsing_with_store(THE_MATRIX) as (browser, _):
        browser.join().send("/movies/603/rating", rating="8.5")
        page = browser.open("/movies/603").text
    assert page.count("<rect ") - page.count('<rect width="200"') == STEPS
    assert len(re.findall(r'<th scope="row">[\d.]+</th><td>\d+</td>', page)) == STEPS
    assert '<th scope="row">8.5</th><td>1</td>' in page


PATE = film(
    238,
    "The Godfather",
    overview="A family.",
    translations=(Translation(language=Language("de-DE"), title="Der Pate", overview="Eine Familie."),),
    detailed=True,
)


def test_films_are_shown_in_the_language_of_the_page_if_they_are_kept_in_it() -> None:
    with browsing_with_store(PATE, tmdb_languages="de-DE") as (browser, _):
        browser.join().send("/movies/238/rating", rating="9")
        browser.send("/movies/238/watchlist", note="")
        seen = browser.send("/movies/238/viewings", watched_on="2026-01-01")
        assert seen.status_code == 303
        for accept, shown, title, overview in (
            ("de", "de", "Der Pate", "Eine Familie."),
            ("en", "en", "The Godfather", "A family."),
            ("fr,de;q=0.1", "de", "Der Pate", "Eine Familie."),
        ):
            language = {"accept-language": accept}
            for path in ("/", "/search?q=the+godfather"):
                answer = browser.open(path, **language)
                assert titles(answer.text) == [title]
                assert answer.headers["content-language"] == shown
                assert answer.headers["vary"] == "Accept-Encoding, Accept-Language"
            page = browser.open("/movies/238", **language).text
            assert title in page
            assert overview in page
            (suggested,) = browser.open("/search/suggestions?q=pat", **language).json()
            assert suggested["title"] == title
            for path in ("/watchlist", "/ratings", "/diary", "/diary/calendar?month=2026-01"):
                assert title in browser.open(path, **language).text


def test_films_are_in_the_language_of_the_catalogue_if_they_are_not_kept_in_that_of_the_page() -> None:
    with browsing_with_store(PATE, tmdb_languages="fr-FR") as (browser, _):
        assert titles(browser.join().open("/", **{"accept-language": "de"}).text) == ["The Godfather"]
