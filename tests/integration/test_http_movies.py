"""Movies and genres over HTTP: lists, single objects, and invalid parameters."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from adapters.testkit.samples import facts, noon, random_facts
from domain.browsing import SortBy, SortOrder
from domain.ids import genre_id, movie_id
from domain.movies import CastMember, Genre, GenreFacts, Movie
from domain.ratings import Score, Tally
from entrypoints.http.resources.movies import BrowseQuery, MovieOut, movie_detail_out
from entrypoints.http.schemas import rfc3339
from tests.integration.http_service import Client, application, call_synchronously, filled_store, serving

MATRIX = facts(
    603,
    title="The Matrix",
    original_title="The Matrix",
    original_language="en",
    overview="A hacker learns the truth.",
    poster_path="/matrix.jpg",
    backdrop_path="/back.jpg",
    release_date=date(1999, 3, 31),
    popularity=90.5,
    vote_average=8.2,
    vote_count=25000,
    genres=(genre_id(878), genre_id(28), genre_id(999)),
    imdb_id="tt0133093",
    runtime=136,
    tagline="Free your mind.",
    directors=("Lana Wachowski", "Lilly Wachowski"),
    cast=(CastMember("Carrie-Anne Moss", "Trinity"), CastMember("Keanu Reeves")),
    trailer_url="https://vimeo.com/123456",
    collection="The Matrix Collection",
    recommended=(7, 604),
    detailed=True,
)
FAR = facts(
    7, title="Far", original_title="Loin", original_language="fr", popularity=5.0, genres=(genre_id(18),)
)
BARE = facts(8, title="Bare", original_title="Bare", popularity=None)
ADULT = facts(9, title="Adult", original_title="Adult", adult=True, popularity=99.0)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(MATRIX, FAR, BARE, ADULT) as client:
        yield client


@pytest.fixture(scope="module")
def crowd() -> Iterator[Client]:
    with serving(*random_facts(83)) as client:
        yield client


@pytest.fixture(scope="module")
def app() -> Litestar:
    return application(filled_store(random_facts(20)))


def shown(client: Client, path: str) -> list[Any]:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return [movie["tmdb_id"] for movie in answer.json()["data"]]


def faults(client: Client, path: str) -> list[str]:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "validation_failed"
    return list(answer.json()["errors"])


def test_a_movie_has_exactly_the_fields_of_the_contract(client: Client) -> None:
    stamp = "2026-01-01T12:00:00.345Z"

    assert client.get("/api/v1/movies").json()["data"][0] == {
        "id": movie_id(603),
        "tmdb_id": 603,
        "imdb_id": "tt0133093",
        "title": "The Matrix",
        "original_title": "The Matrix",
        "original_language": "en",
        "overview": "A hacker learns the truth.",
        "poster_path": "/matrix.jpg",
        "backdrop_path": "/back.jpg",
        "poster_url": "https://image.tmdb.org/t/p/w500/matrix.jpg",
        "release_date": "1999-03-31",
        "runtime": 136,
        "popularity": 90.5,
        "vote_average": 8.2,
        "vote_count": 25000,
        "adult": False,
        "genres": [
            {"id": genre_id(878), "tmdb_id": 878, "name": "Science Fiction"},
            {"id": genre_id(28), "tmdb_id": 28, "name": "Action"},
        ],
        "average_rating": None,
        "ratings_count": 0,
        "weighted_rating": None,
        "created_at": stamp,
        "updated_at": stamp,
        "synced_at": stamp,
    }


def test_unknown_values_are_null(client: Client) -> None:
    bare = client.get("/api/v1/movies/8").json()

    assert {name for name, value in bare.items() if value is None} == {
        "imdb_id", "original_language", "overview", "poster_path", "backdrop_path", "poster_url",
        "release_date", "runtime", "popularity", "vote_average", "vote_count", "average_rating",
        "weighted_rating", "tagline", "trailer_url", "collection", "backdrop_url",
    }  # fmt: skip
    assert (bare["directors"], bare["cast"]) == ([], [])


def test_only_the_page_of_a_movie_has_its_people_and_what_else_is_large(client: Client) -> None:
    (listed,) = client.get("/api/v1/movies?limit=1").json()["data"]
    movie = client.get("/api/v1/movies/603").json()

    distribution = movie["ratings_distribution"]
    assert movie == listed | {
        "ratings_distribution": distribution,
        "tagline": "Free your mind.",
        "directors": ["Lana Wachowski", "Lilly Wachowski"],
        "cast": [
            {"name": "Carrie-Anne Moss", "character": "Trinity"},
            {"name": "Keanu Reeves", "character": None},
        ],
        "trailer_url": "https://vimeo.com/123456",
        "collection": "The Matrix Collection",
        "backdrop_url": "https://image.tmdb.org/t/p/w1280/back.jpg",
    }
    assert (
        shown(client, "/movies/search?q=carrie+anne+moss")
        == shown(client, "/movies/search?q=reeves")
        == [603]
    )
    some = client.get("/api/v1/movies/603?fields=directors,tagline").json()
    assert some == {"tagline": "Free your mind.", "directors": ["Lana Wachowski", "Lilly Wachowski"]}


@pytest.mark.parametrize("ref", [movie_id(603), "603", "tt0133093"])
def test_a_movie_is_found_by_each_of_its_three_ids(client: Client, ref: str) -> None:
    movie = client.get(f"/api/v1/movies/{ref}").json()

    assert movie["title"] == "The Matrix"
    assert movie["weighted_rating"] is None
    assert sum(movie["ratings_distribution"].values()) == 0


def test_a_rated_movie_shows_its_distribution_and_both_averages() -> None:
    tally = Tally.of([Score.of(8.5), Score.of(10)])
    action = Genre.from_facts(GenreFacts(tmdb_id=28, name="Action"), noon())

    out = movie_detail_out(replace(Movie.from_facts(MATRIX, noon()), tally=tally), {action.id: action})

    assert (out.average_rating, out.ratings_count, out.weighted_rating) == (9.3, 2, 6.96)
    assert out.ratings_distribution["8.5"] == out.ratings_distribution["10"] == 1
    assert [genre.name for genre in out.genres] == ["Action"]
    assert out.created_at == rfc3339(noon())


@pytest.mark.parametrize(
    "ref", ["604", "tt9999999", "0" * 24, "nonsense", "-1", "6e2", "%00", "٦٠٣", "a" * 5000]
)
def test_an_unknown_movie_is_not_found(client: Client, ref: str) -> None:
    answer = client.get(f"/api/v1/movies/{ref}")

    assert (answer.status_code, answer.json()["code"]) == (404, "movie_not_found")


def test_a_page_has_its_number_and_totals(crowd: Client) -> None:
    total = crowd.get("/api/v1/movies").json()["meta"]["total"]
    answer = crowd.get("/api/v1/movies?page=2&limit=10&sort_by=title")

    meta = answer.json()["meta"]
    assert meta.pop("next_cursor")
    assert meta == {
        "total": total,
        "page": 2,
        "limit": 10,
        "total_pages": -(-total // 10),
        "has_next_page": True,
        "has_prev_page": True,
    }
    assert {name: link["url"] for name, link in answer.links.items()} == {
        "first": "/api/v1/movies?limit=10&sort_by=title&page=1",
        "prev": "/api/v1/movies?limit=10&sort_by=title&page=1",
        "next": "/api/v1/movies?limit=10&sort_by=title&page=3",
        "last": f"/api/v1/movies?limit=10&sort_by=title&page={meta['total_pages']}",
    }


def test_the_last_page_has_no_next_link(client: Client) -> None:
    answer = client.get("/api/v1/movies?limit=2&page=2")

    assert answer.json()["meta"]["next_cursor"] is None
    assert not answer.json()["meta"]["has_next_page"]
    assert set(answer.links) == {"first", "prev", "last"}


def test_a_page_beyond_the_last_is_empty(client: Client) -> None:
    answer = client.get("/api/v1/movies?page=400").json()

    assert answer["data"] == []
    assert answer["meta"]["total"] == 3


@pytest.mark.parametrize(("by", "order"), list(product(SortBy, SortOrder)))
def test_next_links_show_every_movie_once(crowd: Client, by: str, order: str) -> None:
    start = f"/movies?limit=7&sort_by={by}&sort_order={order}"
    pages, cursors = _walked(crowd, start), _walked(crowd, start, by_cursor=True)

    assert pages == cursors
    assert len(set(pages)) == len(pages) == crowd.get("/api/v1/movies").json()["meta"]["total"]


def test_a_page_after_a_cursor_has_no_number_and_links_by_cursor(crowd: Client) -> None:
    first = crowd.get("/api/v1/movies?limit=5").json()
    second = crowd.get(f"/api/v1/movies?limit=5&cursor={first['meta']['next_cursor']}")

    assert second.json()["meta"]["page"] is None
    assert second.json()["meta"]["has_prev_page"]
    assert set(second.links) == {"first", "next", "last"}
    assert second.links["next"]["url"].endswith(f"&cursor={second.json()['meta']['next_cursor']}")


def test_page_numbers_reach_the_first_10000_rows(client: Client) -> None:
    for reachable in ("page=500", "page=10000&limit=1", "page=3334&limit=3"):
        assert shown(client, f"/movies?{reachable}") == []
    for beyond in ("page=501", "page=10001&limit=1", "page=3335&limit=3", f"page={10**30}"):
        assert faults(client, f"/movies?{beyond}") == [
            "page must stay within the first 10,000 rows; use cursor to go on from there"
        ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("year=1999", [603]),
        ("year_from=1999&year_to=1999", [603]),
        ("year=1999&year_from=2000", []),
        ("year_to=1998", []),
        ("min_rating=1", []),
        ("min_votes=25000", [603]),
        ("max_rating=10", []),
        ("runtime_min=136&runtime_max=136", [603]),
        ("runtime_max=135", []),
        ("language=EN", [603]),
        ("language=fr", [7]),
        ("genre=878", [603]),
        (f"genre={genre_id(878)}", [603]),
        ("genre=sCIENCE%20fiction", [603]),
        ("genre=878,28", [603]),
        ("genre=878,18", []),
        ("genre=878%7CDrama", [603, 7]),
        ("sort_by=title&sort_order=asc", [8, 7, 603]),
        ("sort_by=popularity&sort_order=asc", [7, 603, 8]),
        ("sort_by=runtime&sort_order=asc&limit=1", [603]),
        ("sort_by=vote_count&limit=1", [603]),
        ("limit=1&page=2", [7]),
    ],
)
def test_filters_and_sort_orders_are_applied(client: Client, query: str, expected: list[int]) -> None:
    assert shown(client, f"/movies?{query}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [603]),
        ("genre=878", [603]),
        ("genre=18", []),
        ("year=1999&min_votes=25000&language=EN&runtime_min=136", [603]),
        ("year=2000", []),
        ("min_rating=1", []),
    ],
)
def test_a_search_takes_the_filters_of_lists(client: Client, query: str, expected: list[int]) -> None:
    assert shown(client, f"/movies/search?q=matrix&{query}") == expected


def test_titles_are_sorted_without_their_articles() -> None:
    titles = ["The Zoo", "A Bee", "Die Hard", "Ant"]
    with serving(
        *(
            facts(place, title=title, original_title=title, original_language="en")
            for place, title in enumerate(titles, 1)
        )
    ) as client:
        listed = client.get("/api/v1/movies?sort_by=title&sort_order=asc").json()["data"]
    assert [movie["title"] for movie in listed] == ["Ant", "A Bee", "Die Hard", "The Zoo"]


def test_adult_titles_are_in_no_list_and_no_search(client: Client) -> None:
    assert 9 not in shown(client, "/movies")
    assert shown(client, "/movies/search?q=adult") == []


def test_only_the_requested_fields_are_shown_in_the_order_of_the_schema(client: Client) -> None:
    listed = client.get("/api/v1/movies?fields=title,%20id&limit=1").json()["data"]

    assert [list(movie.items()) for movie in listed] == [[("id", movie_id(603)), ("title", "The Matrix")]]
    assert client.get("/api/v1/movies/603?fields=weighted_rating").json() == {"weighted_rating": None}
    assert client.get("/api/v1/movies/search?q=matrix&fields=title").json()["data"] == [
        {"title": "The Matrix"}
    ]


def test_a_search_finds_and_pages_by_number_and_by_cursor(crowd: Client) -> None:
    first = crowd.get("/api/v1/movies/search?q=amelie&limit=3")

    meta = first.json()["meta"]
    assert meta["total"] > 3
    assert meta["has_next_page"]
    assert first.links["next"]["url"] == "/api/v1/movies/search?limit=3&q=amelie&page=2"
    pages = _walked(crowd, "/movies/search?q=amelie&limit=3")
    assert len(pages) == meta["total"]
    assert _walked(crowd, "/movies/search?q=amelie&limit=3", by_cursor=True) == pages


def test_genres_their_details_and_their_movies_are_shown(client: Client) -> None:
    science_fiction = {
        "id": genre_id(878),
        "tmdb_id": 878,
        "name": "Science Fiction",
        "movies_count": 1,
    }

    assert science_fiction in client.get("/api/v1/genres").json()["data"]
    for ref in (genre_id(878), "878", "science%20FICTION"):
        assert client.get(f"/api/v1/genres/{ref}").json() == science_fiction
        assert shown(client, f"/genres/{ref}/movies") == [603]
    assert client.get("/api/v1/genres/nothing").json()["code"] == "genre_not_found"
    assert client.get("/api/v1/genres/nothing/movies").json()["code"] == "genre_not_found"


def test_links_of_a_genres_movies_keep_its_name(crowd: Client) -> None:
    answer = crowd.get("/api/v1/genres/Science Fiction/movies?limit=1")

    assert answer.links["next"]["url"] == "/api/v1/genres/Science%20Fiction/movies?limit=1&page=2"


def test_all_faults_of_a_query_are_named_at_once(client: Client) -> None:
    fields = ", ".join(MovieOut.__struct_fields__)
    query = (
        "page=0&limit=101&limit=5&genre=&year=1869&year_from=x&year_to=2101&min_rating=nan&min_votes=-1"
        "&max_rating=0&runtime_min=-1&runtime_max=x&mine=all&not_mine=rated,"
        "&language=e1&sort_by=TITLE&sort_order=down&cursor=&fields=id,nme&colour=red"
    )

    assert faults(client, f"/movies?{query}") == [
        "limit must be given once",
        "colour is not a known parameter",
        "page must be a whole number from 1",
        "limit must be a whole number from 1 to 100",
        "cursor must be the next_cursor of another page",
        f"fields must be names of fields, separated by commas, out of {fields}",
        "year must be a year from 1870 to 2100",
        "year_from must be a year from 1870 to 2100",
        "year_to must be a year from 1870 to 2100",
        "min_rating must be a number from 1 to 10",
        "max_rating must be a number from 1 to 10",
        "min_votes must be a whole number from 0",
        "runtime_min must be a whole number from 0",
        "runtime_max must be a whole number from 0",
        "language must be a language code of two or three letters, or one with a region such as de-DE",
        "mine must be one or more of rated, listed, favorite, seen, separated by commas",
        "not_mine must be one or more of rated, listed, favorite, seen, separated by commas",
        f"sort_by must be one of {', '.join(SortBy)}",
        "sort_order must be desc or asc",
        "genre must name one or more genres in at most 500 characters",
    ]


def test_combinations_of_parameters_are_validated(client: Client) -> None:
    assert faults(client, "/movies?page=1&cursor=AAAA&year_from=2001&year_to=2000") == [
        "cursor must stand without page",
        "cursor must be the next_cursor of another page of the same list",
        "year_from must not be after year_to",
    ]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/movies?limit=null", "limit must be a whole number from 1 to 100"),
        ("/movies?limit=5.5", "limit must be a whole number from 1 to 100"),
        ("/movies?limit", "limit must be a whole number from 1 to 100"),
        ("/movies?year=null", "year must be a year from 1870 to 2100"),
        ("/movies?min_rating=inf", "min_rating must be a number from 1 to 10"),
        ("/movies?genre=Western", "genre must be the id, TMDB number or name of a genre, not 'Western'"),
        (
            "/movies?genre=18,28%7C35",
            "genre must be separated by commas (all of them) or by bars (any of them), not both",
        ),
        ("/movies?genre=%FF", "genre must be text in UTF-8 without NUL"),
        ("/movies?genre=a%00b", "genre must be text in UTF-8 without NUL"),
        ("/movies?=1", '"" is not a known parameter'),
        ("/movies?" + "a" * 70 + "=1", f"{'a' * 60} is not a known parameter"),
        (
            "/movies?" + "&".join(f"p{number}=1" for number in range(101)),
            "the query must have at most 100 parameters",
        ),
        ("/movies/603?page=1", "page is not a known parameter"),
        ("/movies/603?fields=nme", None),
        ("/movies/search", "q is required"),
        ("/movies/search?q=", "q must be 1 to 200 characters"),
        ("/movies/search?q=" + "a" * 201, "q must be 1 to 200 characters"),
        ("/movies/search?q=%20%09", "q must hold a letter or a digit"),
        (
            "/movies/search?q=a&cursor=a",
            "cursor must be the next_cursor of another page of the same list",
        ),
        ("/movies/search?q=a&page=501", None),
        ("/genres?page=0", "page must be a whole number from 1"),
        ("/genres/18?page=1", "page is not a known parameter"),
        ("/genres/18/movies?genre=28", "genre is not a known parameter"),
        ("/about?x=1", "x is not a known parameter"),
        ("/health?x=1", "x is not a known parameter"),
        ("/health/live?x=1", "x is not a known parameter"),
    ],
)
def test_a_fault_has_the_broken_rule(client: Client, path: str, fault: str | None) -> None:
    found = faults(client, path)

    assert len(found) == 1
    assert fault is None or found == [fault]


def test_a_cursor_is_valid_for_its_list_only(crowd: Client) -> None:
    token = crowd.get("/api/v1/movies?limit=5&sort_by=title").json()["meta"]["next_cursor"]

    assert shown(crowd, f"/movies?limit=9&sort_by=title&cursor={token}")
    for other in ("", "sort_by=popularity", "sort_by=title&sort_order=asc", "sort_by=title&year_from=1900"):
        assert faults(crowd, f"/movies?{other}&cursor={token}")
    assert faults(crowd, f"/movies?sort_by=title&genre=18&cursor={token}")
    assert faults(crowd, f"/genres/18/movies?sort_by=title&cursor={token}")


@pytest.mark.parametrize("by", SortBy)
def test_a_truncated_or_modified_cursor_is_refused(crowd: Client, by: str) -> None:
    token = crowd.get(f"/api/v1/movies?sort_by={by}").json()["meta"]["next_cursor"]
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]

    for spoilt in (changed, token[:-4], token[4:], token + "AAAA", "!", "é", "null", "=" * 9):
        assert faults(crowd, f"/movies?sort_by={by}&cursor={quote(spoilt)}")


QUERIES = st.lists(
    st.tuples(
        st.sampled_from([field.name for field in msgspec.structs.fields(BrowseQuery)] + ["q", "colour"]),
        st.one_of(
            st.sampled_from(
                ["1", "2", "20", "1999", "7.5", "en", "title", "asc", "18|28", "18,", "id,title", "null"]
            ),
            st.text(max_size=30),
            st.integers().map(str),
            st.floats().map(str),
        ).map(lambda text: quote(text.encode(errors="surrogatepass"))),
    ).map("=".join),
    max_size=6,
).map(lambda pairs: "&".join(pairs).encode())
PATHS = st.sampled_from(
    ["movies", "movies/search", "movies/603", "genres", "genres/18/movies", "about", "health/live"]
)


@settings(
    max_examples=settings().max_examples * 3,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(path=PATHS, query=QUERIES | st.binary(max_size=60))
def test_no_query_string_breaks_the_service(app: Litestar, path: str, query: bytes) -> None:
    reply = call_synchronously(app, f"/api/v1/{path}", query)

    assert reply.status in {200, 400, 404}, reply.body
    assert reply.json()


@settings(
    max_examples=settings().max_examples * 2,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(root=st.sampled_from(["movies", "genres", "docs", "nothing"]), rest=st.text(max_size=30))
def test_no_path_breaks_the_service(app: Litestar, root: str, rest: str) -> None:
    reply = call_synchronously(app, f"/api/v1/{root}/{rest}")

    assert reply.status in {200, 400, 404}, reply.body


def _walked(client: Client, start: str, *, by_cursor: bool = False) -> list[int]:
    """All movies, following the `next` links; after the first page, by cursor."""
    numbers: list[int] = []
    url: str | None = f"/api/v1{start}"
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        numbers += [movie["tmdb_id"] for movie in answer.json()["data"]]
        token = answer.json()["meta"]["next_cursor"]
        url = answer.links["next"]["url"] if "next" in answer.links else None
        if by_cursor:
            url = f"/api/v1{start}&cursor={token}" if token else None
    return numbers
