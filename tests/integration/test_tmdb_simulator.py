"""The TMDB simulator keeps its own promises: other tests lean on it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.tmdb_simulator import (
    INVENTED_RECORDINGS,
    ITEM_SPOILS,
    LATE_GENRE,
    QUIRKS,
    STRIKES,
    Catalogue,
    Fault,
    Record,
    TmdbSimulator,
    make_catalogue,
    make_movies,
    recordings_folder,
)

PROJECT = Path(__file__).resolve().parents[2]
NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # httpx would load certificates for every client, which is slow
NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)


def movie(number: int, **fields: Any) -> Record:
    return {"id": number, "title": f"Movie {number}", "popularity": 1000.0 - number} | fields


def connected(tmdb: TmdbSimulator) -> httpx.Client:
    return httpx.Client(base_url=tmdb.url, timeout=5, verify=NO_TLS)


def get(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, verify=NO_TLS, **options)


def port_of(tmdb: TmdbSimulator) -> int:
    return httpx.URL(tmdb.url).port or 0


@pytest.fixture
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(catalogue=Catalogue(map(movie, range(1, 51)), now=lambda: NOON)) as simulator:
        yield simulator


@pytest.fixture
def client(tmdb: TmdbSimulator) -> Iterator[httpx.Client]:
    with connected(tmdb) as client:
        yield client


def ids(page: httpx.Response) -> list[int]:
    return [item["id"] for item in page.json()["results"]]


def popular(client: httpx.Client, page: int | str = 1) -> httpx.Response:
    return client.get("/movie/popular", params={"page": page})


class TestEndpoints:
    def test_popular_holds_twenty_movies_a_page_in_list_shape(self, client: httpx.Client) -> None:
        first, third = popular(client), popular(client, 3)

        assert (len(ids(first)), len(ids(third))) == (20, 10)
        assert first.json() | {"results": []} == {
            "page": 1, "results": [], "total_pages": 3, "total_results": 50,
        }  # fmt: skip
        assert set(first.json()["results"][0]) == {
            "adult", "backdrop_path", "genre_ids", "id", "original_language", "original_title", "overview",
            "popularity", "poster_path", "release_date", "title", "video", "vote_average", "vote_count",
        }  # fmt: skip

    def test_popular_is_sorted_by_popularity_but_not_exactly_and_always_alike(
        self, client: httpx.Client
    ) -> None:
        pages = [popular(client, page).json()["results"] for page in (1, 2, 3)]
        shown = [item["popularity"] for page in pages for item in page]

        assert shown != sorted(shown, reverse=True)
        assert [item["popularity"] for item in popular(client).json()["results"]] == shown[:20]
        catalogue = make_catalogue(400, seed=5)
        held = [catalogue.movies[number]["popularity"] for number in catalogue.popular_numbers()]
        assert max(held) in held[:2]
        assert sum(held[:200]) > 2 * sum(held[200:])

    @pytest.mark.parametrize("page", ["0", "-1", "501", "two", ""])
    def test_a_page_outside_1_to_500_is_refused(self, client: httpx.Client, page: str) -> None:
        answer = popular(client, page)

        assert (answer.status_code, answer.json()["status_code"]) == (400, 22)

    def test_a_page_after_the_last_is_empty_and_the_claimed_pages_are_not_capped(self) -> None:
        catalogue = Catalogue([movie(1)], claimed_pages=58_322)
        with TmdbSimulator(catalogue=catalogue) as tmdb:
            page = get(f"{tmdb.url}/movie/popular?page=500").json()

        assert (page["results"], page["total_pages"]) == ([], 58_322)

    def test_an_empty_catalogue_has_one_empty_page(self) -> None:
        with TmdbSimulator(catalogue=[]) as tmdb:
            page = get(f"{tmdb.url}/movie/popular").json()

        assert page == {"page": 1, "results": [], "total_pages": 1, "total_results": 0}

    def test_genres_are_listed_in_the_language_that_was_asked_for(self, client: httpx.Client) -> None:
        english = {genre["id"]: genre["name"] for genre in client.get("/genre/movie/list").json()["genres"]}
        danish = {
            genre["id"]: genre["name"]
            for genre in client.get("/genre/movie/list", params={"language": "da-DK"}).json()["genres"]
        }

        assert (english[18], english[36]) == ("Drama", "History")
        assert (danish[18], danish[36]) == ("Drama", "Historie ")

    def test_a_movie_answers_to_its_number_and_to_its_imdb_id(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        assert tmdb.catalogue
        tmdb.catalogue.change(7, imdb_id="tt0000007", runtime=96, genre_ids=[18, 4711], new_key=1)
        details = client.get("/movie/7").json()

        assert client.get("/movie/tt0000007").json() == details
        assert (details["id"], details["imdb_id"], details["runtime"]) == (7, "tt0000007", 96)
        assert details["genres"] == [{"id": 18, "name": "Drama"}, {"id": 4711, "name": "Genre 4711"}]
        assert (details["new_key"], details["tagline"]) == (1, "")
        assert "genre_ids" not in details

    def test_a_list_shows_neither_details_nor_keys_of_ours(self) -> None:
        secretive = movie(
            3, runtime=90, imdb_id="tt1", _src="x", _changed=1, keyword_names=["a"], softcore=False
        )
        with TmdbSimulator(catalogue=[secretive]) as tmdb:
            item = get(f"{tmdb.url}/movie/popular").json()["results"][0]
            details = get(f"{tmdb.url}/movie/3").json()

        assert {"runtime", "imdb_id", "_src", "_changed", "keyword_names"}.isdisjoint(item)
        assert item["softcore"] is False
        assert {"_src", "_changed", "keyword_names"}.isdisjoint(details)

    @pytest.mark.parametrize(
        "path", ["/movie/99", "/movie/tt9", "/movie/x", "/movie/1/cast", "/person/1", "/genre/tv/list", "/"]
    )
    def test_what_is_not_there_is_a_404(self, client: httpx.Client, path: str) -> None:
        answer = client.get(path)

        assert (answer.status_code, answer.json()["status_code"]) == (404, 34)
        assert answer.json()["success"] is False

    def test_a_path_outside_version_3_and_a_post_are_404s(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        assert get(tmdb.url.replace("/3", "/4/movie/1")).status_code == 404
        assert client.post("/movie/1").status_code == 404

    def test_titles_come_in_the_language_that_was_asked_for(self) -> None:
        german = {"de": {"title": "", "overview": "Ein Film."}}
        with TmdbSimulator(catalogue=[movie(1, _translations=german)]) as tmdb:
            titles = [
                get(f"{tmdb.url}/movie/1", params={"language": language}).json()["title"]
                for language in ("en-US", "de-DE", "de", "fr")
            ]
            listed = get(f"{tmdb.url}/movie/popular?language=de").json()["results"][0]

        assert titles == ["Movie 1", "", "", "Movie 1"]
        assert (listed["title"], listed["overview"]) == ("", "Ein Film.")

    def test_twenty_calls_can_be_appended_and_no_more(self, client: httpx.Client) -> None:
        def appended(count: int) -> httpx.Response:
            calls = ",".join(["watch/providers", *(f"call{place}" for place in range(1, count))])
            return client.get("/movie/1", params={"append_to_response": calls})

        assert "watch/providers" in appended(20).json()
        assert (appended(21).status_code, appended(21).json()["status_code"]) == (400, 27)

    def test_configuration_and_authentication_answer_without_a_catalogue(self) -> None:
        with TmdbSimulator() as tmdb:
            assert "secure_base_url" in get(f"{tmdb.url}/configuration").json()["images"]
            assert get(f"{tmdb.url}/authentication").json()["success"] is True
            assert get(f"{tmdb.url}/movie/popular").status_code == 404

    def test_an_answer_that_is_still_valid_is_a_304(self, client: httpx.Client) -> None:
        first = popular(client)
        again = client.get(
            "/movie/popular", params={"page": 1}, headers={"If-None-Match": first.headers["etag"]}
        )

        assert first.headers["etag"].startswith('W/"')
        assert first.headers["content-type"] == "application/json;charset=utf-8"
        assert (again.status_code, again.content) == (304, b"")
        assert popular(client, 2).headers["cache-control"] != first.headers["cache-control"]


class TestChanges:
    def changes(self, client: httpx.Client, **params: str) -> httpx.Response:
        return client.get("/movie/changes", params=params)

    def test_the_last_24_hours_are_listed_newest_first(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        assert tmdb.catalogue
        tmdb.catalogue.change(3, when=NOON - timedelta(hours=20), title="Other")
        tmdb.catalogue.change(5, when=NOON - timedelta(hours=30))
        tmdb.catalogue.add(movie(107, adult=True), when=NOON - timedelta(hours=2))
        tmdb.catalogue.add(movie(108, adult=True))
        tmdb.catalogue.delete(9, when=NOON - timedelta(hours=10))
        page = self.changes(client)

        assert page.json()["results"] == [
            {"id": 108, "adult": True},
            {"id": 107, "adult": None},
            {"id": 9, "adult": None},
            {"id": 3, "adult": False},
        ]
        assert client.get("/movie/9").status_code == 404
        assert client.get("/movie/3").json()["title"] == "Other"

    def test_both_days_belong_to_the_range(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        assert tmdb.catalogue
        for day in range(1, 21):
            tmdb.catalogue.change(day, when=f"2026-03-{day:02}")

        assert ids(self.changes(client, start_date="2026-03-04", end_date="2026-03-06")) == [6, 5, 4]
        assert ids(self.changes(client, start_date="2026-03-18")) == [20, 19, 18]
        assert ids(self.changes(client, end_date="2026-03-02")) == [2]
        assert ids(self.changes(client, start_date="2026-03-09", end_date="2026-03-06")) == []

    def test_a_range_of_more_than_14_days_is_refused(self, client: httpx.Client) -> None:
        fitting = self.changes(client, start_date="2026-03-01", end_date="2026-03-15")
        too_long = self.changes(client, start_date="2026-03-01", end_date="2026-03-16")
        until_now = self.changes(client, start_date="2026-03-05")

        assert fitting.status_code == 200
        assert (too_long.status_code, too_long.json()["status_code"]) == (422, 20)
        assert (until_now.status_code, until_now.json()["status_code"]) == (422, 20)
        assert self.changes(client, start_date="2026-03-06").status_code == 200

    @pytest.mark.parametrize("day", ["yesterday", "2026-3-1", "2026-02-30"])
    def test_what_is_no_date_is_refused(self, client: httpx.Client, day: str) -> None:
        answer = self.changes(client, start_date=day)

        assert (answer.status_code, answer.json()["status_code"]) == (400, 23)

    def test_a_page_holds_a_hundred_and_a_movie_comes_once(self) -> None:
        catalogue = Catalogue(movie(number, _changed=0) for number in range(1, 131))
        for _ in range(3):
            catalogue.change(1)
        with TmdbSimulator(catalogue=catalogue) as tmdb, connected(tmdb) as client:
            pages = [self.changes(client, page=page) for page in ("1", "2", "0", "501")]

        assert [len(ids(page)) for page in pages[:2]] == [100, 30]
        assert len({*ids(pages[0]), *ids(pages[1])}) == 130
        assert pages[0].json()["total_pages"] == 2
        assert [page.status_code for page in pages[2:]] == [400, 400]


class TestCredentials:
    @pytest.fixture
    def guarded(self) -> Iterator[TmdbSimulator]:
        with TmdbSimulator(catalogue=[movie(1)], token="v4.token", api_key="v3key") as simulator:
            yield simulator

    @pytest.mark.parametrize("path", ["/movie/1", "/authentication", "/movie/changes", "/nothing"])
    @pytest.mark.parametrize("header", ["", "Bearer other", "Basic v4.token", "Bearer v3key"])
    def test_a_missing_or_wrong_credential_is_a_401(
        self, guarded: TmdbSimulator, path: str, header: str
    ) -> None:
        answer = get(guarded.url + path, headers={"Authorization": header})

        assert answer.status_code == 401
        assert answer.json() == {
            "success": False,
            "status_code": 7,
            "status_message": "Invalid API key: You must be granted a valid key.",
        }

    def test_token_and_key_both_open_and_neither_is_kept(self, guarded: TmdbSimulator) -> None:
        by_token = get(f"{guarded.url}/movie/1", headers={"Authorization": "Bearer v4.token"})
        by_key = get(f"{guarded.url}/authentication", params={"api_key": "v3key"})

        assert (by_token.status_code, by_key.status_code) == (200, 200)
        assert [request.credential for request in guarded.log] == ["bearer", "api_key"]
        assert "v4.token" not in str(guarded.log)
        assert "v3key" not in str(guarded.log)

    def test_a_key_that_was_not_set_opens_nothing(self) -> None:
        with TmdbSimulator(catalogue=[], token="v4") as tmdb:
            assert get(f"{tmdb.url}/movie/popular", params={"api_key": ""}).status_code == 401


class TestFaults:
    @pytest.fixture(autouse=True)
    def _no_fault_is_left_uncounted(self, tmdb: TmdbSimulator) -> Iterator[None]:
        yield
        assert sum(tmdb.struck.values()) == sum(len(request.faults) for request in tmdb.log) > 0

    def test_429_comes_with_seconds_with_a_date_and_bare(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(
            Fault("too_many", nth=1, times=1, seconds=3, name="seconds"),
            Fault("too_many", nth=2, times=1, seconds=30, as_date=True, name="date"),
            Fault("too_many", nth=3, times=1, name="bare"),
        )
        seconds, date, bare, fine = (popular(client) for _ in range(4))

        assert [answer.status_code for answer in (seconds, date, bare, fine)] == [429, 429, 429, 200]
        assert seconds.headers["retry-after"] == "3"
        assert seconds.json()["status_code"] == 25
        assert "success" not in seconds.json()
        wait = parsedate_to_datetime(date.headers["retry-after"]) - datetime.now(UTC)
        assert timedelta(seconds=20) < wait <= timedelta(seconds=31)
        assert "retry-after" not in bare.headers
        assert tmdb.struck == {"seconds": 1, "date": 1, "bare": 1}

    @pytest.mark.parametrize(("status", "code"), [(500, 11), (502, 43), (503, 46), (504, 24)])
    def test_server_errors_come_with_tmdbs_body_or_with_none(
        self, tmdb: TmdbSimulator, client: httpx.Client, status: int, code: int
    ) -> None:
        tmdb.misbehave(
            Fault("server_error", status=status), Fault("server_error", status=status, empty=True, nth=2)
        )
        first, second = popular(client), popular(client)

        assert (first.status_code, first.json()["status_code"]) == (status, code)
        assert (second.status_code, second.content) == (status, b"")
        assert tmdb.struck == {f"server_error_{status}": 3}

    def test_any_other_answer_can_be_ordered(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("answer", status=422, body={"errors": ["page must be less than 501"]}))

        assert popular(client).status_code == 422
        assert popular(client).json() == {"errors": ["page must be less than 501"]}

    def test_headers_and_bodies_can_be_slow(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        def timed() -> tuple[float, float]:
            start = time.monotonic()
            with client.stream("GET", "/movie/popular") as answer:
                head = time.monotonic()
                answer.read()
            assert len(ids(answer)) == 20
            return head - start, time.monotonic() - head

        tmdb.misbehave(Fault("slow_headers", seconds=0.3, times=1), Fault("slow_body", seconds=0.3, nth=2))
        (slow_head, _), (_, slow_body) = timed(), timed()

        assert slow_head >= 0.29
        assert slow_body >= 0.25

    def test_a_slow_body_keeps_a_client_waiting_past_its_patience(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(Fault("slow_body", seconds=30))

        with pytest.raises(httpx.ReadTimeout):
            client.get("/movie/popular", timeout=0.2)

    def test_json_breaks_off_with_the_right_length(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("truncated_body", times=1))
        broken = popular(client)

        assert broken.status_code == 200
        assert (
            int(broken.headers["content-length"]) == len(broken.content) == len(popular(client).content) // 2
        )
        with pytest.raises(json.JSONDecodeError):
            broken.json()

    def test_json_breaks_off_short_of_the_promised_length(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(Fault("short_body"))

        with pytest.raises(httpx.RemoteProtocolError):
            popular(client)

    def test_gzip_is_garbage(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("gzip_garbage"))

        with pytest.raises(httpx.DecodingError):
            popular(client)

    def test_a_proxy_answers_html_with_200(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("html"))
        page = popular(client)

        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.text.startswith("<!DOCTYPE html>")

    def test_a_connection_is_reset_before_the_headers(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(Fault("reset", times=1))

        with pytest.raises(httpx.ReadError, match="reset"):
            popular(client)
        assert tmdb.log[0].status is None
        assert popular(client).status_code == 200

    def test_a_connection_is_reset_amid_the_body(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("reset_in_body"))

        with client.stream("GET", "/movie/popular") as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.ReadError, match="reset"):
                answer.read()

    def test_a_connection_is_closed_without_an_answer(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(Fault("hang_up"))

        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            popular(client)

    def test_chosen_movies_are_gone_though_they_are_listed(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(Fault("gone", ids=[2, "tt5"]))

        assert client.get("/movie/2").json()["status_code"] == 34
        assert client.get("/movie/20").status_code == 200
        assert {2} <= {number for page in (1, 2, 3) for number in ids(popular(client, page))}
        assert tmdb.struck == {"gone": 1}

    @pytest.mark.parametrize("kind", ITEM_SPOILS)
    def test_one_item_of_a_page_is_spoilt_and_the_others_are_not(
        self, tmdb: TmdbSimulator, client: httpx.Client, kind: str
    ) -> None:
        sound = popular(client).json()["results"]
        tmdb.misbehave(Fault(kind, item=3))
        spoilt = popular(client).json()["results"]
        client.get("/genre/movie/list")

        assert spoilt[3] == ITEM_SPOILS[kind](sound[3]) != sound[3]
        assert spoilt[:3] + spoilt[4:] == sound[:3] + sound[4:]
        assert tmdb.struck == {kind: 1}

    def test_spoilt_items_are_what_their_names_say(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(
            *(Fault(kind, item=place) for place, kind in enumerate(ITEM_SPOILS)), Fault("reset", nth=2)
        )
        items = dict(zip(ITEM_SPOILS, popular(client).json()["results"], strict=False))

        assert "id" not in items["item_without_id"]
        assert items["item_text_id"]["id"].isdecimal()
        assert items["item_null_title"]["title"] is None
        assert items["item_null_genres"]["genre_ids"] is None
        assert items["item_zero_date"]["release_date"] == "0000-00-00"
        assert items["item_text_vote"]["vote_average"] == "0"
        assert items["item_null"] is None

    def test_the_results_of_a_page_are_no_list(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("results_not_a_list", path=r"popular\?page=2$"))

        assert isinstance(popular(client, 1).json()["results"], list)
        assert isinstance(popular(client, 2).json()["results"], dict)

    def test_a_list_that_moves_forward_loses_some_at_every_border_and_repeats_some_at_the_end(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        assert tmdb.catalogue
        before = tmdb.catalogue.popular_numbers()
        tmdb.misbehave(Fault("shift", by=3))
        read = [number for page in (1, 2, 3) for number in ids(popular(client, page))]

        assert sorted(set(before) - set(read)) == sorted(before[20:23] + before[43:46])
        assert sorted((Counter(read) - Counter(set(read))).elements()) == sorted(before[:6])

    def test_a_list_that_moves_backward_repeats_some_at_the_border(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        tmdb.misbehave(Fault("shift", by=-2, times=1))
        first, second = ids(popular(client, 1)), ids(popular(client, 2))

        assert first[-2:] == second[:2]

    def test_what_comes_above_the_rate_is_a_429(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("limit", rate=5, seconds=60, path="^/3/movie"))
        statuses = [popular(client).status_code for _ in range(7)]
        elsewhere = client.get("/configuration").status_code

        assert statuses == [200] * 5 + [429] * 2
        assert elsewhere == 200
        assert tmdb.struck == {"limit": 2}

    def test_below_the_rate_again_answers_come_again(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("limit", rate=1, seconds=0.2))
        while popular(client).status_code != 429:
            pass
        while popular(client).status_code != 200:
            time.sleep(0.05)

    def test_faults_add_up(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(
            Fault("slow_headers", seconds=0.1), Fault("server_error", status=503), Fault("truncated_body")
        )
        start = time.monotonic()
        answer = popular(client)

        assert time.monotonic() - start >= 0.09
        assert answer.status_code == 503
        assert tmdb.log[-1].faults == ("slow_headers", "server_error_503", "truncated_body")


class TestPlan:
    def statuses(self, fault: Fault, targets: list[str]) -> list[int]:
        with (
            TmdbSimulator(catalogue=map(movie, range(1, 51)), faults=[fault]) as tmdb,
            connected(tmdb) as client,
        ):
            return [client.get(target).status_code for target in targets]

    def test_a_fault_begins_at_the_nth_request_and_ends_after_its_times(self) -> None:
        fault = Fault("server_error", path="popular", nth=2, every=2, times=2)

        assert self.statuses(fault, ["/movie/1", *["/movie/popular"] * 7]) == [
            200, 200, 500, 200, 500, 200, 200, 200,
        ]  # fmt: skip

    def test_each_target_can_be_counted_for_itself(self) -> None:
        fault = Fault("server_error", times=1, per_target=True)

        assert self.statuses(fault, ["/movie/1", "/movie/2", "/movie/1", "/movie/2"]) == [500, 500, 200, 200]

    def test_chance_depends_on_the_seed_alone_and_not_on_the_order(self) -> None:
        targets = [f"/movie/{number}" for number in range(1, 51)]
        struck = self.statuses(Fault("server_error", probability=0.4, seed=1), targets)
        backward = self.statuses(Fault("server_error", probability=0.4, seed=1), targets[::-1])

        assert 5 < struck.count(500) < 35
        assert backward[::-1] == struck
        assert self.statuses(Fault("server_error", probability=0.4, seed=2), targets) != struck

    def test_a_path_sees_the_parameters_in_order_and_never_the_key(self) -> None:
        fault = Fault("server_error", path=r"^/3/movie/popular\?language=en&page=2$")

        assert self.statuses(fault, ["/movie/popular?page=2&api_key=k&language=en"]) == [500]

    @pytest.mark.parametrize(
        ("fault", "complaint"),
        [
            ({"kind": "flood"}, "unknown kind of fault 'flood'"),
            ({"kind": "slow_body"}, "slow_body needs seconds"),
            ({"kind": "server_error", "status": 418}, "500, 502, 503 or 504, not 418"),
            ({"kind": "reset", "nth": 0}, "count from 1"),
            ({"kind": "reset", "nth": "2"}, "wrong type"),
            ({"kind": "reset", "path": "("}, "no regular expression"),
            ({"kind": "reset", "often": 2}, "a fault has no often"),
            ({"path": "x"}, "a fault is an object with a kind"),
        ],
    )
    def test_a_faulty_fault_is_refused_with_a_reason(self, fault: object, complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            Fault.parse(fault)

    def test_every_kind_can_strike_alone(self) -> None:
        for kind in STRIKES:
            Fault(kind, seconds=1)


class TestCounts:
    def test_requests_are_logged_with_path_parameters_status_and_time(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        start = time.monotonic()
        popular(client, 2)
        client.get("/movie/99", headers={"User-Agent": "tester"})

        assert tmdb.requests == 2
        first, second = tmdb.log
        assert (first.path, first.params, first.status) == ("/3/movie/popular", {"page": "2"}, 200)
        assert (second.path, second.status, second.headers["user-agent"]) == ("/3/movie/99", 404, "tester")
        assert start <= first.at <= second.at <= time.monotonic()

    def test_the_highest_rate_is_the_most_within_any_one_second(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        assert tmdb.highest_rate() == 0
        for _ in range(9):
            popular(client)
        moments = (0.0, 0.5, 0.9, 1.0, 1.4, 1.45, 1.5, 1.95, 4.0)
        for logged, moment in zip(tmdb.log, moments, strict=True):
            logged.at = moment

        assert tmdb.highest_rate() == 5

    def test_counts_are_forgotten_on_request(self, tmdb: TmdbSimulator, client: httpx.Client) -> None:
        tmdb.misbehave(Fault("html"))
        popular(client)
        tmdb.reset_counts()

        assert (tmdb.requests, tmdb.log, tmdb.highest_rate(), dict(tmdb.struck)) == (0, [], 0, {})

    def test_no_request_is_lost_among_many_threads(self, tmdb: TmdbSimulator) -> None:
        def hammer() -> None:
            with connected(tmdb) as own:
                for page in (1, 2, 3) * 5:
                    assert popular(own, page).status_code == 200

        threads = [threading.Thread(target=hammer) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert tmdb.requests == 120
        assert tmdb.stats()["by_path"] == {"/3/movie/popular": {"200": 120}}


class TestControl:
    @pytest.fixture
    def control(self, tmdb: TmdbSimulator) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=tmdb.url.replace("/3", "/_simulator"), verify=NO_TLS) as control:
            yield control

    def test_stats_and_log_can_be_read_and_reset_uncounted(
        self, client: httpx.Client, control: httpx.Client
    ) -> None:
        popular(client)
        client.get("/movie/99")
        stats = control.get("/stats").json()

        assert stats == {
            "requests": 2,
            "highest_rate": 2,
            "by_status": {"200": 1, "404": 1},
            "by_path": {"/3/movie/popular": {"200": 1}, "/3/movie/99": {"404": 1}},
            "faults": {},
        }
        assert [entry["status"] for entry in control.get("/log").json()] == [200, 404]
        assert control.post("/reset").status_code == 200
        assert control.get("/stats").json()["requests"] == 0

    def test_a_fault_plan_replaces_the_one_before(self, client: httpx.Client, control: httpx.Client) -> None:
        control.post("/faults", json=[{"kind": "server_error", "status": 502}])
        assert popular(client).status_code == 502
        control.post("/faults", json=[{"kind": "reset"}])
        with pytest.raises(httpx.ReadError):
            popular(client)
        control.post("/faults", json=[])
        assert popular(client).status_code == 200
        assert control.get("/stats").json()["faults"] == {"server_error_502": 1, "reset": 1}
        assert control.get("/stats").json()["by_status"] == {"502": 1, "none": 1, "200": 1}

    def test_the_catalogue_can_be_edited(self, client: httpx.Client, control: httpx.Client) -> None:
        edits = {
            "change": [{"id": 1, "title": "New", "_changed": "2026-03-19"}],
            "delete": [2],
            "add": [{"id": 900, "title": "Added", "popularity": 1e6}],
            "genres": {"4711": "Late"},
            "shift": 1,
        }
        before = ids(popular(client))

        assert control.post("/catalogue", json=edits).status_code == 200
        assert client.get("/movie/1").json()["title"] == "New"
        assert client.get("/movie/2").status_code == 404
        assert client.get("/genre/movie/list").json()["genres"][-1] == {"id": 4711, "name": "Late"}
        assert ids(client.get("/movie/changes", params={"start_date": "2026-03-18"})) == [900, 2, 1]
        assert ids(popular(client))[0] == before[0]
        assert ids(popular(client, 3))[-1] == 900

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/faults", "{"),
            ("/faults", "{}"),
            ("/faults", "[7]"),
            ("/catalogue", '{"delete": [99]}'),
            ("/catalogue", '{"chnage": []}'),
            ("/catalogue", '{"add": [{"title": "no id"}]}'),
            ("/catalogue", '{"add": 3}'),
            ("/catalogue", "[]"),
        ],
    )
    def test_a_faulty_order_is_refused_with_a_reason(
        self, control: httpx.Client, path: str, body: str
    ) -> None:
        answer = control.post(path, content=body)

        assert answer.status_code == 400
        assert answer.json()["error"]

    def test_other_orders_are_404s(self, control: httpx.Client) -> None:
        assert control.get("/nonsense").status_code == 404
        assert control.get("/faults").status_code == 404


class TestServer:
    def test_a_connection_serves_many_requests_and_closes_when_asked(self, tmdb: TmdbSimulator) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(tmdb))
        for headers in ({}, {}, {"Connection": "close"}):
            connection.request("GET", "/3/movie/popular", headers=headers)
            answer = connection.getresponse()
            answer.read()

        assert answer.getheader("connection") == "close"

    def test_what_is_no_http_ends_the_connection_and_nothing_else(
        self, tmdb: TmdbSimulator, client: httpx.Client
    ) -> None:
        port = port_of(tmdb)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.connect()
        connection.sock.sendall(b"nonsense\r\n\r\n")

        assert connection.sock.recv(100) == b""
        connection.close()
        assert popular(client).status_code == 200

    def test_it_stops_at_once_in_the_middle_of_a_slow_answer(self) -> None:
        tmdb = TmdbSimulator(catalogue=[movie(1)], faults=[Fault("slow_headers", seconds=60)])
        tmdb.start()
        errors: list[Exception] = []

        def ask() -> None:
            try:
                get(f"{tmdb.url}/movie/1", timeout=30)
            except httpx.HTTPError as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not tmdb.requests:
            time.sleep(0.005)
        tmdb.stop()
        asking.join()
        tmdb.stop()

        (error,) = errors
        assert not isinstance(error, httpx.TimeoutException), "it was let go, and did not give up"
        with pytest.raises(httpx.ConnectError):
            get(f"{tmdb.url}/movie/1")

    def test_it_has_no_address_before_it_is_started(self) -> None:
        with pytest.raises(RuntimeError):
            _ = TmdbSimulator().url


class TestInventedMovies:
    def test_the_same_seed_invents_the_same_movies(self) -> None:
        assert make_movies(120, seed=3) == make_movies(120, seed=3)
        assert make_movies(120, seed=3) != make_movies(120, seed=4)
        assert len({item["id"] for item in make_movies(500)}) == 500

    def test_a_hundred_movies_hold_every_oddity(self) -> None:
        movies = make_movies(100)

        def some(name: str, *values: object) -> bool:
            return any(item[name] in values and type(item[name]) is type(values[0]) for item in movies)

        assert len(QUIRKS) * 3 <= 100
        assert all(some(name, None) for name in ("release_date", "poster_path", "backdrop_path", "imdb_id"))
        assert all(some(name, "") for name in ("release_date", "imdb_id", "overview"))
        assert some("runtime", 0)
        assert some("genre_ids", [])
        assert some("adult", True)
        assert some("original_language", "cn", "sh", "xx")
        assert some("vote_average", 8)
        assert any(type(item["vote_average"]) is float for item in movies)
        assert any(item["genre_ids"] != sorted(item["genre_ids"]) for item in movies)
        assert any(LATE_GENRE in item["genre_ids"] for item in movies)
        assert max(Counter(item["title"] for item in movies).values()) > 1
        assert any(not unicodedata.is_normalized("NFC", item["title"]) for item in movies)
        assert any(not item["original_title"].isascii() for item in movies)
        assert any("softcore" in item for item in movies)
        assert any("\u200b" in item["overview"] for item in movies)

    def test_the_invented_catalogue_lists_changes_to_dead_movies(self) -> None:
        catalogue = make_catalogue(60)
        dead = [change for change in catalogue.changes if change.id not in catalogue.movies]

        assert len(catalogue.movies) == 60
        assert dead
        assert all(change.adult is None for change in dead)
        assert len(catalogue.changes) > len(dead) + 5

    def test_an_empty_catalogue_can_be_invented(self) -> None:
        assert make_catalogue(0).movies == {}


class TestRecordings:
    @pytest.fixture(params=["invented", "recorded"])
    def folder(self, request: pytest.FixtureRequest) -> Path:
        if request.param == "invented":
            return INVENTED_RECORDINGS
        folder = recordings_folder()
        if folder is None:
            pytest.skip("no recorded TMDB exchanges: neither ../shared/tmdb nor MATINEE_TMDB_RECORDINGS")
        return folder

    def test_a_recorded_exchange_is_replayed_to_the_letter(self, folder: Path) -> None:
        replayed = 0
        with (
            TmdbSimulator(recordings=folder) as tmdb,
            httpx.Client(base_url=tmdb.url.removesuffix("/3"), verify=NO_TLS) as client,
        ):
            assert tmdb.recordings
            for exchange in tmdb.recordings.exchanges:
                answer = client.request(exchange["method"], exchange["path"], params=exchange["params"])
                recorded = {name.lower(): value for name, value in exchange["headers"].items()}

                assert answer.status_code == exchange["status"]
                assert answer.content == json.dumps(
                    exchange["body"], ensure_ascii=False, separators=(",", ":")
                ).encode("utf-8", "surrogatepass")
                for name in ("content-type", "etag", "cache-control", "retry-after"):
                    assert answer.headers.get(name) == recorded.get(name)
                replayed += exchange["method"] == "GET"

        assert replayed > (10 if folder == INVENTED_RECORDINGS else 200)

    def test_recordings_win_over_the_catalogue_where_they_fit_exactly(self, folder: Path) -> None:
        with TmdbSimulator([movie(1)], recordings=folder) as tmdb, connected(tmdb) as client:
            recorded, invented = popular(client, 2), client.get("/movie/popular?page=2&language=eo")

        assert recorded.json()["total_results"] > 1
        assert invented.json()["total_results"] == 1

    def test_the_recorded_catalogue_can_be_served(self, folder: Path) -> None:
        path = next(folder.glob("catalog_*.jsonl*"), None)
        if path is None:
            pytest.skip("no catalogue beside the recordings")
        with TmdbSimulator(path) as tmdb, connected(tmdb) as client:
            page = popular(client, 1 if folder == INVENTED_RECORDINGS else 7)
            details = client.get(f"/movie/{ids(page)[0]}").json()

        assert len(ids(page)) == 20
        assert not any(key.startswith("_") for key in (*page.json()["results"][0], *details))
        assert [genre["id"] for genre in details["genres"]] == page.json()["results"][0]["genre_ids"]


def exchange(path: str, body: object, *, status: int = 200, **params: str) -> str:
    headers = {"Content-Type": "application/json", "ETag": ['W/"1"'], "Server": "x", "Retry-After": "4"}
    return json.dumps(
        {"method": "GET", "path": path, "params": params, "status": status, "headers": headers, "body": body}
    )


class TestReplay:
    def test_only_an_exact_request_is_replayed(self, tmp_path: Path) -> None:
        (tmp_path / "rec_made.jsonl").write_text(exchange("/3/movie/1", {"id": 1}, language="en"))
        with TmdbSimulator(recordings=tmp_path) as tmdb, connected(tmdb) as client:
            exact = client.get("/movie/1?language=en&api_key=ignored")
            others = [
                client.get("/movie/1"),
                client.get("/movie/1?language=en&page=1"),
                client.post("/movie/1"),
            ]

        assert (exact.json(), exact.headers["etag"], exact.headers["retry-after"]) == (
            {"id": 1},
            'W/"1"',
            "4",
        )
        assert "server" not in exact.headers
        assert {other.status_code for other in others} == {404}

    def test_several_answers_to_one_request_take_turns(self, tmp_path: Path) -> None:
        lines = [exchange("/3/movie/1", {"status_code": 7}, status=401), exchange("/3/movie/1", "<p>text")]
        (tmp_path / "rec_made.jsonl").write_text("\n".join(lines))
        with TmdbSimulator(recordings=tmp_path) as tmdb, connected(tmdb) as client:
            answers = [client.get("/movie/1") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [401, 200, 401]
        assert answers[1].text == "<p>text"

    def test_a_folder_without_recordings_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="no recorded exchanges"):
            TmdbSimulator(recordings=tmp_path)

    def test_the_folder_can_be_named_in_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MATINEE_TMDB_RECORDINGS", str(tmp_path))
        assert recordings_folder() is None
        (tmp_path / "rec_made.jsonl").write_text(exchange("/3/movie/1", {}))
        assert recordings_folder() == tmp_path


class TestCommandLine:
    def run(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.tmdb_simulator", *arguments],
            cwd=PROJECT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
    def test_it_serves_a_file_until_it_is_stopped_and_prints_the_counts(
        self, tmp_path: Path, end: signal.Signals
    ) -> None:
        path = tmp_path / "movies.jsonl"
        path.write_text("\n".join(json.dumps(item) for item in make_movies(30)))
        faults = tmp_path / "faults.json"
        faults.write_text('[{"kind": "html", "path": "configuration"}]')
        command = self.run("--port", "0", "--catalogue", str(path), "--token", "t", "--faults", str(faults))
        with command:
            assert command.stdout
            url = command.stdout.readline().strip()
            with httpx.Client(base_url=url, headers={"Authorization": "Bearer t"}, verify=NO_TLS) as client:
                assert len(ids(popular(client, 2))) == 10
                assert client.get("/configuration").text.startswith("<!DOCTYPE")
            command.send_signal(end)
            printed, complaints = command.communicate(timeout=10)

        assert (command.returncode, complaints) == (0, "")
        counts = json.loads(printed)
        assert (counts["requests"], counts["faults"]) == (2, {"html": 1})

    def test_it_invents_movies_and_demands_a_key(self) -> None:
        with self.run("--movies", "45", "--seed", "2", "--api-key", "k", "--faults", "[]") as command:
            assert command.stdout
            url = command.stdout.readline().strip()
            assert get(f"{url}/movie/popular").status_code == 401
            page = get(f"{url}/movie/popular", params={"api_key": "k"}).json()
            command.terminate()
            command.communicate(timeout=10)

        assert page["total_results"] == 45

    @pytest.mark.parametrize("given", [True, False])
    def test_it_replays_the_folder_that_was_named_or_the_usual_one(self, tmp_path: Path, given: bool) -> None:
        (tmp_path / "rec_made.jsonl").write_text(exchange("/3/movie/1", {"id": 1}))
        arguments = ["--recordings", str(tmp_path)] if given else ["--recordings"]
        with self.run(*arguments, MATINEE_TMDB_RECORDINGS=str(tmp_path)) as command:
            assert command.stdout
            url = command.stdout.readline().strip()
            assert get(f"{url}/movie/1").json() == {"id": 1}
            command.terminate()
            command.communicate(timeout=10)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--catalogue", "/no/such/file"),
            ("--faults", '[{"kind": "flood"}]'),
            ("--faults", "/no/such/file"),
            ("--recordings", "/no/such/folder"),
            ("--recordings",),
        ],
    )
    def test_bad_usage_ends_with_2_and_one_clear_line(self, arguments: tuple[str, ...]) -> None:
        with self.run(*arguments, MATINEE_TMDB_RECORDINGS="/no/such/folder") as command:
            _, complaints = command.communicate(timeout=10)

        assert command.returncode == 2
        assert "error: " in complaints
        assert "Traceback" not in complaints

    def test_a_port_that_is_taken_is_named_as_the_trouble(self, tmdb: TmdbSimulator) -> None:
        with self.run("--port", str(port_of(tmdb))) as command:
            _, complaints = command.communicate(timeout=10)

        assert command.returncode == 2
        assert "in use" in complaints
