"""TMDB searched over HTTP, and films added from it, whatever TMDB does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from dependency_injector import providers

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts
from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.client import USER_POLICY, RetryPolicy
from adapters.tmdb.source import TmdbMovieSource
from domain.sync import SourceName
from entrypoints.http.rate_limits import ADDITION_RATE
from entrypoints.settings import Settings
from tests.contracts.valkey_server import Valkey
from tests.integration.http_service import (
    THE_MATRIX,
    Client,
    SignedInUser,
    client_over,
    container_over,
    filled_store,
    register_user,
)
from tests.tmdb_simulator import Fault, Record, TmdbSimulator

QUICK = replace(USER_POLICY, read_timeout=0.3, total_timeout=0.4, min_backoff=0.01, max_backoff=0.02)
PATIENT = replace(USER_POLICY, read_timeout=30.0, total_timeout=30.0, give_up_after=30.0)


def film(number: int, title: str, year: int, **more: Any) -> Record:
    return {"id": number, "title": title, "release_date": f"{year}-05-01", "runtime": 100} | more


FILMS = [
    film(603, "The Matrix", 1999, imdb_id="tt0133093"),
    film(604, "The Matrix Reloaded", 2003, imdb_id="tt0234215", genre_ids=[28, 4711], poster_path="/p.jpg"),
    film(605, "The Matrix Revolutions", 2003),
    film(606, "The Matrix Undressed", 2003, adult=True),
    film(607, "Solaris", 2004, imdb_id="tt0328832"),
    *(film(number, f"Sequel {number}", 2010, imdb_id=f"tt0000{number}") for number in range(700, 725)),
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(FILMS, token="the-token") as tmdb:
        yield tmdb


@pytest.fixture
def tmdb(simulator: TmdbSimulator) -> TmdbSimulator:
    simulator.set_faults()
    return simulator


@contextmanager
def service(
    tmdb: TmdbSimulator | None,
    store: SqliteStore | None = None,
    token: str = "the-token",
    policy: RetryPolicy = QUICK,
    **options: Any,
) -> Iterator[tuple[Client, SqliteStore]]:
    """A client of the application, whose catalogue has one film."""
    own = store or filled_store([THE_MATRIX])
    container = container_over(own, Settings())
    source = None
    if tmdb:
        source = TmdbMovieSource(
            access_token=token,
            api_key=None,
            base_url=tmdb.url,
            budget=RequestPacer(1000).urgent,
            policy=policy,
        )
    container.user_source.override(providers.Object(source))
    with client_over(own, container=container, **options) as client:
        yield client, own
    if source:
        source.close()
    if store is None:
        own.close()


@pytest.fixture(scope="module")
def member(simulator: TmdbSimulator) -> Iterator[SignedInUser]:
    """A user of a service that all tests of this module share, so each adds films of its own."""
    with service(simulator) as (client, _):
        yield register_user(client)


@pytest.fixture
def neo(tmdb: TmdbSimulator, member: SignedInUser) -> SignedInUser:
    return member


def requested(tmdb: TmdbSimulator, before: int) -> list[str]:
    return [request.path for request in tmdb.log[before:]]


class TestSearch:
    def test_tmdb_is_searched_and_each_result_says_whether_it_is_held(self, neo: SignedInUser) -> None:
        answer = neo("GET", "/movies/search?q=matrix&source=tmdb")

        found = {each["title"]: each for each in answer.json()["data"]}
        assert set(found) == {"The Matrix", "The Matrix Reloaded", "The Matrix Revolutions"}
        assert (found["The Matrix"]["held"], found["The Matrix Reloaded"]["held"]) == (True, False)
        assert found["The Matrix"]["id"] == neo("GET", "/movies/603").json()["id"]
        reloaded = found["The Matrix Reloaded"]
        assert "id" not in reloaded
        assert (reloaded["tmdb_id"], reloaded["release_date"]) == (604, "2003-05-01")
        assert [genre["name"] for genre in reloaded["genres"]] == ["Action"]
        assert reloaded["poster_url"].endswith("/p.jpg")

    @pytest.mark.parametrize("text", ["sequel", "sequel 2010"])
    def test_results_come_in_pages_of_tmdb_with_the_fields_that_are_wanted(
        self, neo: SignedInUser, text: str
    ) -> None:
        first, second = (
            neo("GET", f"/movies/search?q={text}&source=tmdb&fields=tmdb_id,id,held&page={page}").json()
            for page in (1, 2)
        )

        assert [len(page["data"]) for page in (first, second)] == [20, 5]
        assert first["data"][0] == {"tmdb_id": first["data"][0]["tmdb_id"], "held": False}
        assert {**first["meta"], "next_cursor": None} == {
            "total": 25, "page": 1, "limit": 20, "total_pages": 2, "has_next_page": True,
            "has_prev_page": False, "next_cursor": None,
        }  # fmt: skip
        assert (second["meta"]["has_next_page"], second["meta"]["has_prev_page"]) == (False, True)

    @pytest.mark.measured
    @pytest.mark.parametrize(
        ("text", "numbers"),
        [
            ("matrix 2003", {604, 605}),
            ("matrix (1901)", set()),
            ("tt0234215", {604}),
            ("https://www.themoviedb.org/movie/605-revolutions", {605}),
            ("tt9999999", set()),
            ("themoviedb.org/movie/99999", set()),
            ("nothing of that name", set()),
        ],
    )
    def test_a_year_an_id_and_an_address_are_understood(
        self, neo: SignedInUser, text: str, numbers: set[int]
    ) -> None:
        answer = neo("GET", "/movies/search", params={"q": text, "source": "tmdb"}).json()

        assert {each["tmdb_id"] for each in answer["data"]} == numbers
        assert (answer["meta"]["total"], answer["meta"]["has_next_page"]) == (len(numbers), False)

    def test_what_tmdb_cannot_do_is_refused_with_every_fault(self, neo: SignedInUser) -> None:
        answer = neo("GET", "/movies/search?q=-&source=tmdb&cursor=abc&limit=50&page=501")

        assert answer.status_code == 400
        faults = {each["field"] for each in answer.json()["details"]}
        assert faults == {"q", "cursor", "limit", "page"}
        assert neo("GET", "/movies/search?q=a&source=imdb").json()["details"][0]["field"] == "source"


class TestAdding:
    def test_a_film_that_nobody_holds_is_found_added_and_rated(
        self, tmdb: TmdbSimulator, neo: SignedInUser
    ) -> None:
        assert neo("GET", "/movies/search?q=solaris").json()["data"] == []
        found = neo("GET", "/movies/search?q=solaris&source=tmdb").json()["data"][0]
        before = tmdb.requests
        added = neo("POST", "/movies", {"ref": found["tmdb_id"]})

        assert (added.status_code, added.json()["title"]) == (201, "Solaris")
        assert (added.json()["runtime"], added.json()["ratings_count"]) == (100, 0)
        assert requested(tmdb, before) == ["/3/movie/607"]
        assert added.json() == neo("GET", "/movies/607").json()
        rated = neo("PUT", f"/movies/{added.json()['id']}/rating", {"rating": 8.5})
        assert rated.json()["movie_rating"] == {"average_rating": 8.5, "ratings_count": 1}
        assert neo("GET", "/movies/search?q=solaris").json()["data"][0]["tmdb_id"] == 607
        assert neo("GET", "/movies/search?q=solaris&source=tmdb").json()["data"][0]["held"]
        again = neo("POST", "/movies", {"ref": "607"})
        assert (again.status_code, again.json()["id"]) == (200, added.json()["id"])
        assert requested(tmdb, before)[1:] == ["/3/search/movie"]

    def test_a_film_is_named_by_number_id_or_address(self, neo: SignedInUser) -> None:
        for number, ref in {
            701: "tt0000701",
            702: " https://www.imdb.com/title/tt0000702/?ref_=x ",
            703: "m.imdb.com/de/title/tt0000703/",
            704: "https://www.themoviedb.org/movie/704-sequel?language=de",
            705: 705,
        }.items():
            answers = [neo("POST", "/movies", {"ref": ref}) for _ in range(2)]

            assert [answer.status_code for answer in answers] == [201, 200]
            assert {answer.json()["tmdb_id"] for answer in answers} == {number}

    @pytest.mark.measured
    @pytest.mark.parametrize("ref", [9999, "tt9999999", "a" * 24])
    def test_a_film_that_tmdb_does_not_know_is_not_found(self, neo: SignedInUser, ref: str | int) -> None:
        answer = neo("POST", "/movies", {"ref": ref})

        assert (answer.status_code, answer.json()["code"]) == (404, "movie_not_found")

    @pytest.mark.parametrize(
        "ref", ["", "0", "-1", "matrix", "tt12", "https://www.imdb.com/name/nm0000206/", 2**31, 1.5, None]
    )
    def test_what_names_no_film_is_refused_by_field(self, neo: SignedInUser, ref: object) -> None:
        answer = neo("POST", "/movies", {"ref": ref})

        assert answer.status_code == 400
        assert [each["field"] for each in answer.json()["details"]] == ["ref"]

    def test_many_who_want_a_film_at_once_send_one_request(self, tmdb: TmdbSimulator) -> None:
        tmdb.set_faults(Fault("slow_headers", path="/3/movie/|/3/find/", seconds=0.1))
        store = filled_store([THE_MATRIX])
        with (
            service(tmdb, store, policy=PATIENT) as (one, _),
            service(tmdb, store, policy=PATIENT) as (other, _),
        ):
            neo, before = register_user(one), tmdb.requests
            there = SignedInUser(other, neo.user, neo.access_token, neo.refresh_token)
            wanted = [(neo if n % 2 else there, ("604", "tt0234215")[n // 2 % 2]) for n in range(12)]
            with ThreadPoolExecutor(len(wanted)) as pool:
                answers = list(pool.map(lambda each: each[0]("POST", "/movies", {"ref": each[1]}), wanted))

        assert {answer.status_code for answer in answers} <= {200, 201}
        assert requested(tmdb, before).count("/3/movie/604") == 1
        assert requested(tmdb, before).count("/3/find/tt0234215") <= 1
        store.close()

    def test_a_user_can_add_a_number_of_films_a_day(self, tmdb: TmdbSimulator) -> None:
        counter = Limited(2)
        with service(tmdb, counter=counter) as (client, _):
            neo = register_user(client)
            added = [neo("POST", "/movies", {"ref": number}) for number in (604, 605, 603, 604, 700)]

        assert [answer.status_code for answer in added] == [201, 201, 200, 200, 429]
        assert added[-1].json()["code"] == "rate_limited"
        assert added[-1].headers["retry-after"] == "60"
        assert ADDITION_RATE == "200/day"

    def test_films_that_tmdb_does_not_know_count_too(self, tmdb: TmdbSimulator) -> None:
        with service(tmdb, counter=Limited(2)) as (client, _):
            neo = register_user(client)
            added = [neo("POST", "/movies", {"ref": number}) for number in (999_998, 999_999, 604)]

        assert [answer.status_code for answer in added] == [404, 404, 429]

    def test_readers_may_search_tmdb_and_only_users_may_add(self, tmdb: TmdbSimulator) -> None:
        with service(tmdb) as (client, _):
            assert client.get("/api/v1/movies/search?q=matrix&source=tmdb").status_code == 200
            assert client.post("/api/v1/movies", json={"ref": "604"}).status_code == 401


FAILURES = [
    (Fault("slow_headers", seconds=5), 503, "source_unavailable"),
    (Fault("slow_body", seconds=5), 503, "source_unavailable"),
    (Fault("too_many"), 503, "source_unavailable"),
    (Fault("too_many", seconds=30), 503, "source_unavailable"),
    (Fault("server_error"), 503, "source_unavailable"),
    (Fault("hang_up"), 503, "source_unavailable"),
    (Fault("html"), 503, "source_unavailable"),
    (Fault("truncated_body"), 503, "source_unavailable"),
    (Fault("answer", body={"nothing": "of use"}, status=200), 503, "source_unavailable"),
    (Fault("answer", status=404, body={"message": "of a proxy"}), 503, "source_unavailable"),
    (Fault("answer", status=401, body={"status_code": 7}), 502, "source_refused"),
    (Fault("firewall", status=403), 503, "source_unavailable"),
]


class TestFailures:
    @pytest.mark.parametrize(
        ("fault", "status", "code"), FAILURES, ids=lambda each: each.label if isinstance(each, Fault) else ""
    )
    def test_where_tmdb_fails_the_answer_says_so_soon_and_nothing_is_stored(
        self, tmdb: TmdbSimulator, neo: SignedInUser, fault: Fault, status: int, code: str
    ) -> None:
        for path, call in {
            "/3/search/": ("GET", "/movies/search?q=nothing&source=tmdb", None),
            "/3/find/": ("POST", "/movies", {"ref": "tt0000710"}),
            "/3/movie/": ("POST", "/movies", {"ref": "tt0000710"}),
        }.items():
            tmdb.set_faults(replace(fault, path=path))
            answer = neo(*call)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path
            assert ("retry-after" in answer.headers) == (status == 503)
        tmdb.set_faults()
        assert neo("GET", "/movies/710").status_code == 404

    def test_a_passing_failure_is_not_noticed(self, tmdb: TmdbSimulator, neo: SignedInUser) -> None:
        for number, kind in {711: "server_error", 712: "too_many"}.items():
            tmdb.set_faults(Fault(kind, times=1))
            assert neo("POST", "/movies", {"ref": number}).status_code == 201

    def test_a_movie_that_cannot_be_read_is_not_stored(self, tmdb: TmdbSimulator, neo: SignedInUser) -> None:
        tmdb.set_faults(
            Fault("values", key="title", body=None), Fault("values", key="original_title", body=7)
        )
        answer = neo("POST", "/movies", {"ref": "713"})

        assert (answer.status_code, answer.json()["code"]) == (503, "source_unavailable")

    def test_a_wrong_credential_is_named_as_such(self, tmdb: TmdbSimulator) -> None:
        with service(tmdb, token="another") as (client, _):
            neo = register_user(client)
            answers = [
                neo("POST", "/movies", {"ref": "604"}), neo("GET", "/movies/search?q=a&source=tmdb")
            ]  # fmt: skip
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (502, "source_refused")
        }

    def test_without_a_credential_there_is_no_source(self) -> None:
        with service(None) as (client, _):
            neo = register_user(client)
            answers = [
                neo("POST", "/movies", {"ref": "604"}), neo("GET", "/movies/search?q=a&source=tmdb")
            ]  # fmt: skip
            assert neo("POST", "/movies", {"ref": "603"}).status_code == 200
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(501, "no_source")}
        assert "TMDB_ACCESS_TOKEN" in answers[0].json()["message"]

    def test_a_catalogue_that_the_demo_filled_takes_no_film_of_tmdb(self, tmdb: TmdbSimulator) -> None:
        store = filled_store([facts(1)], source=SourceName.DEMO)
        with service(tmdb, store) as (client, _):
            neo, before = register_user(client), tmdb.requests
            answer = neo("POST", "/movies", {"ref": "604"})

        assert (answer.status_code, answer.json()["code"]) == (409, "source_mismatch")
        assert tmdb.requests == before
        store.close()


def test_a_cached_search_of_tmdb_knows_what_was_added_in_another_process(
    tmdb: TmdbSimulator, valkey: Valkey
) -> None:
    store = filled_store([THE_MATRIX])
    with (
        service(tmdb, store, redis=valkey.url) as (one, _),
        service(tmdb, store, redis=valkey.url) as (two, _),
    ):
        neo = register_user(one)
        there = SignedInUser(two, neo.user, neo.access_token, neo.refresh_token)
        path = "/movies/search?q=reloaded&source=tmdb"
        before = tmdb.requests
        cached = [neo("GET", path), neo("GET", path), there("GET", path)]
        assert [answer.headers["x-cache"] for answer in cached] == ["MISS", "HIT", "HIT"]
        assert tmdb.requests == before + 1
        assert there("POST", "/movies", {"ref": "604"}).status_code == 201
        assert neo("GET", path).json()["data"][0]["held"]
    store.close()


class Limited:
    """A counter that allows a number of additions, and everything else."""

    def __init__(self, additions: int) -> None:
        self.left = additions

    async def __call__(self, rate: str, client: str) -> tuple[bool, int, int]:
        if not client.startswith("additions:"):
            return True, 9, 1
        assert rate == ADDITION_RATE
        self.left -= 1
        return self.left >= 0, max(0, self.left), 60

    async def count_all(self, rate: str, clients: Any) -> tuple[bool, int, int]:
        return True, 9, 1

    def take(self, rate: str, client: str) -> tuple[int, int] | None:
        return 9, 1
