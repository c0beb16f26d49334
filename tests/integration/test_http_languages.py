"""Responses are in the language that the client prefers, of those in which titles and overviews are kept."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from adapters.testkit.samples import facts
from domain.ids import genre_id
from domain.languages import Language, Translation
from tests.integration.http_service import Client, serving
from tests.integration.test_http_fast_path import Place, place, sent

GERMAN, FRENCH = Language("de-DE"), Language("fr")

KEPT: dict[str, Any] = {"tmdb_languages": "en-US, de-DE, fr"}

MOVIES = (
    facts(
        238,
        title="The Godfather",
        original_title="The Godfather",
        original_language="en",
        overview="A family.",
        genres=(genre_id(18),),
        popularity=9.0,
        translations=(
            Translation(language=GERMAN, title="Der Pate", overview="Eine Familie."),
            Translation(language=FRENCH, title="Le Parrain"),
        ),
        detailed=True,
    ),
    facts(
        582,
        title="The Lives of Others",
        original_title="Das Leben der Anderen",
        original_language="de",
        genres=(genre_id(18),),
        popularity=8.0,
        recommended=(238,),
        detailed=True,
    ),
)

ENGLISH_TITLES = ["The Godfather", "The Lives of Others"]
GERMAN_TITLES = ["Der Pate", "Das Leben der Anderen"]
FRENCH_TITLES = ["Le Parrain", "The Lives of Others"]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(*MOVIES, **KEPT) as made:
        yield made


def titles(client: Client, path: str, accept: str = "") -> list[str]:
    answer = client.get(f"/api/v1{path}", headers={"Accept-Language": accept})
    assert answer.status_code == 200, answer.text
    return [movie["title"] for movie in answer.json()["data"]]


@pytest.mark.parametrize(
    ("accept", "language", "expected"),
    [
        ("", "en-US", ENGLISH_TITLES),
        ("it", "en-US", ENGLISH_TITLES),
        ("de-AT,en;q=0.8", "de-DE", GERMAN_TITLES),
        ("it, fr-CA;q=0.5, en;q=0.1", "fr", FRENCH_TITLES),
    ],
)
def test_lists_are_in_the_preferred_language(
    client: Client, accept: str, language: str, expected: list[str]
) -> None:
    for path in ("/movies", "/genres/18/movies"):
        answer = client.get(f"/api/v1{path}", headers={"Accept-Language": accept})
        assert [movie["title"] for movie in answer.json()["data"]] == expected
        assert answer.headers["content-language"] == language
        assert answer.headers["vary"] == "Accept-Encoding, Accept-Language"


def test_a_movie_is_in_the_preferred_language_whatever_names_it(client: Client) -> None:
    for ref in ("238", client.get("/api/v1/movies/238").json()["id"]):
        movie = client.get(f"/api/v1/movies/{ref}", headers={"Accept-Language": "de"}).json()
        assert (movie["title"], movie["overview"]) == ("Der Pate", "Eine Familie.")
        assert movie["original_title"] == "The Godfather"
    french = client.get("/api/v1/movies/238", headers={"Accept-Language": "fr"}).json()
    assert (french["title"], french["overview"]) == ("Le Parrain", "A family.")


def test_a_search_finds_every_language_and_answers_in_the_preferred_one(client: Client) -> None:
    for text, accept in product(("der pate", "the godfather", "parrain"), ("de", "fr", "it")):
        title = {"de": "Der Pate", "fr": "Le Parrain", "it": "The Godfather"}[accept]
        assert titles(client, f"/movies/search?q={text}", accept) == [title]


def test_the_parameter_selects_the_language_of_a_movie(client: Client) -> None:
    for chosen in ("de-DE", "de", "DE-de"):
        answer = client.get(f"/api/v1/movies/238?language={chosen}", headers={"Accept-Language": "fr"})
        assert answer.json()["title"] == "Der Pate"
        assert answer.headers["content-language"] == "de-DE"


def test_in_lists_a_code_is_the_original_language_and_one_with_a_region_selects_the_texts(
    client: Client,
) -> None:
    assert titles(client, "/movies?language=de") == ["The Lives of Others"]
    assert titles(client, "/movies?language=de", "de") == ["Das Leben der Anderen"]
    assert titles(client, "/movies?language=de-DE", "fr") == GERMAN_TITLES
    assert titles(client, "/genres/18/movies?language=en-us", "fr") == ENGLISH_TITLES


@pytest.mark.parametrize(
    "path",
    ["/movies/238?language=it", "/movies?language=it-IT", "/movies/582/recommendations?language=it"],
)
def test_a_language_that_is_not_kept_is_refused(client: Client, path: str) -> None:
    answer = client.get(f"/api/v1{path}", headers={"Accept-Language": "de"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == ["language must be one of en-US, de-DE, fr"]
    assert "content-language" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"


def test_cursors_of_a_list_by_title_are_valid_in_every_language(client: Client) -> None:
    first = "/api/v1/movies?sort_by=title&sort_order=asc&limit=1"
    german = client.get(first, headers={"Accept-Language": "de"}).json()
    french = client.get(first, headers={"Accept-Language": "fr"}).json()
    token = german["meta"]["next_cursor"]
    assert token == french["meta"]["next_cursor"]
    rest = client.get(f"{first}&cursor={token}", headers={"Accept-Language": "fr"}).json()
    assert [german["data"][0]["title"], rest["data"][0]["title"]] == ["Der Pate", "The Lives of Others"]


def test_each_language_has_an_etag_of_its_own(client: Client) -> None:
    path = "/api/v1/movies/582?fields=release_date"  # the same bytes in each
    tags = {}
    for accept in ("en", "de", "fr"):
        answer = client.get(path, headers={"Accept-Language": accept})
        tags[accept] = answer.headers["etag"]
        for other in tags:
            again = client.get(
                path, headers={"Accept-Language": other, "If-None-Match": answer.headers["etag"]}
            )
            assert again.status_code == (304 if other == accept else 200)
    assert len(set(tags.values())) == 3


def test_with_one_language_nothing_is_negotiated() -> None:
    with serving(*MOVIES) as client:
        answer = client.get("/api/v1/movies", headers={"Accept-Language": "de"})
        assert [movie["title"] for movie in answer.json()["data"]] == ENGLISH_TITLES
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "content-language" not in answer.headers
        assert client.get("/api/v1/movies?language=en-US").content == answer.content
        refused = client.get("/api/v1/movies/238?language=de-DE").json()
        assert refused["errors"] == ["language must be one of en-US"]


ACCEPTED = ("", "de", "de-AT, en;q=0.5", "fr;q=0.9, de;q=0.8", "it", "*;q=0", "de;q=x", "en-GB")
PATHS = (
    "/movies",
    "/movies?sort_by=title&limit=1",
    "/movies?language=de-DE",
    "/movies/238",
    "/movies/238?language=fr",
    "/movies/search?q=parrain",
    "/genres",
    "/genres/18/movies",
    "/ratings/movie/238",
    "/watchlist",
)


@pytest.fixture(name="place", scope="module")
def fixture_place() -> Iterator[Place]:
    with place(movies=MOVIES, **KEPT) as made:
        made.user("PUT", "/movies/238/watchlist", {"is_favorite": True})
        made.user("PUT", "/movies/238/rating", {"rating": 9})
        made.user("POST", "/viewings", {"movie_id": "238", "watched_on": "2026-01-01"})
        made.user("PUT", "/me/recommendations/hidden/238")
        yield made


def test_both_ways_send_the_same_in_every_language(place: Place) -> None:
    languages = {b"en-US", b"de-DE", b"fr"}
    seen = set()
    for path in PATHS:
        for accept in ("en", "de", "fr"):
            sent(place.fast, path, place.user.headers | {"Accept-Language": accept})
        for accept, method in product(ACCEPTED, ("GET", "HEAD")):
            headers = place.user.headers | {"Accept-Language": accept}
            before = len(place.counter.taken)
            fast, slow = sent(place.fast, path, headers, method), sent(place.slow, path, headers, method)
            assert fast == slow, (path, accept)
            assert len(place.counter.taken) == before + 1, (path, accept)
            seen.add(dict(fast[1]).get(b"content-language"))
    assert seen == languages | {None}


def test_the_cache_has_one_response_for_each_language_and_not_for_each_header(place: Place) -> None:
    for accept in (*ACCEPTED, "de-CH", "fr-CA", "fr-BE", "nl"):
        sent(place.slow, "/movies?limit=7", place.user.headers | {"Accept-Language": accept})
    variants = [variant for key, variant in place.cache if key == "movies:list:1:7:"]
    assert sorted(variants) == ["limit=7&~=de-DE", "limit=7&~=en-US", "limit=7&~=fr"]


@pytest.mark.parametrize(("accept", "query"), [("de", ""), ("fr", "?language=de"), ("", "?language=de-DE")])
def test_recommendations_are_in_the_preferred_language(client: Client, accept: str, query: str) -> None:
    for _ in range(2):
        answer = client.get(f"/api/v1/movies/582/recommendations{query}", headers={"Accept-Language": accept})
        assert [row["title"] for row in answer.json()["data"]] == ["Der Pate"]
        assert answer.headers["content-language"] == "de-DE"


def test_recommendations_of_a_user_and_their_reasons_are_in_the_chosen_language() -> None:
    with place(movies=MOVIES, **KEPT) as alone:
        alone.user("PUT", "/movies/582/rating", {"rating": 9})
        answer = alone.user("GET", "/me/recommendations?language=de", headers={"Accept-Language": "fr"})
    (row,) = answer.json()["data"]
    assert (row["title"], row["because"][0]["title"]) == ("Der Pate", "Das Leben der Anderen")
    assert answer.headers["content-language"] == "de-DE"


@pytest.mark.parametrize(
    "path",
    [
        "/watchlist",
        "/ratings",
        "/ratings/movie/238",
        "/viewings",
        "/me/movies?ids=238",
        "/me/recommendations/hidden",
    ],
)
def test_what_is_ones_own_is_in_the_preferred_language(place: Place, path: str) -> None:
    for accept, language, title in (
        ("de", "de-DE", "Der Pate"),
        ("fr", "fr", "Le Parrain"),
        ("it", "en-US", "The Godfather"),
    ):
        header = {"Accept-Language": accept}
        answer = place.user("GET", path, headers=header)
        wanted = next(row for row in answer.json()["data"] if "'tmdb_id': 238" in str(row))
        assert f"'title': '{title}'" in str(wanted)
        assert answer.headers["content-language"] == language
        has_items = path in {"/watchlist", "/ratings", "/viewings"}
        alone = f"{path}/{wanted['id']}" if has_items else "/me/movies/238"
        answer = place.user("GET", alone, headers=header)
        assert f'"title":"{title}"' in answer.text
        assert answer.headers["content-language"] == language
        for named in (path, alone):
            chosen = f"{named}{'&' if '?' in named else '?'}language={language}"
            answer = place.user("GET", chosen, headers={"Accept-Language": "fr" if accept == "de" else "de"})
            assert f'"title":"{title}"' in answer.text
            assert answer.headers["content-language"] == language
