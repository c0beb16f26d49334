"""The TMDB simulator responds like TMDB, and fails on request."""

from __future__ import annotations

import gzip
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.loopback import eventually
from tests.tmdb_simulator import (
    EFFECTS,
    ITEM_EFFECTS,
    QUIRKS,
    RECORDINGS,
    Catalogue,
    Fault,
    Record,
    TmdbSimulator,
    make_catalogue,
    make_movies,
)

PROJECT = Path(__file__).resolve().parents[2]
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading certificates for each client is slow
NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)


def movie(number: int, **fields: Any) -> Record:
    return {"id": number, "title": f"Movie {number}", "popularity": 1000.0 - number} | fields


def connected(tmdb: TmdbSimulator) -> httpx.Client:
    return httpx.Client(base_url=tmdb.url, timeout=5, verify=NO_TLS)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(map(movie, range(1, 51)), now=lambda: NOON)


@pytest.fixture
def tmdb(catalogue: Catalogue) -> Iterator[TmdbSimulator]:
    with TmdbSimulator(catalogue=catalogue) as simulator:
        yield simulator


@pytest.fixture
def client(tmdb: TmdbSimulator) -> Iterator[httpx.Client]:
    with connected(tmdb) as client:
        yield client


def ids(page: httpx.Response) -> list[int]:
    return [item["id"] for item in page.json()["results"]]


def popular(client: httpx.Client, page: int | str = 1) -> httpx.Response:
    return client.get("/movie/popular", params={"page": page})


def test_popular_movies_come_twenty_to_a_page(client: httpx.Client) -> None:
    pages = [popular(client, page) for page in (1, 2, 3, 4)]

    assert [len(ids(page)) for page in pages] == [20, 20, 10, 0]
    assert pages[0].json() | {"results": []} == {
        "page": 1, "results": [], "total_pages": 3, "total_results": 50,
    }  # fmt: skip
    assert [popular(client, page).status_code for page in ("0", "501", "two")] == [400, 400, 400]


def test_a_movie_has_details_and_names_its_genres(catalogue: Catalogue, client: httpx.Client) -> None:
    catalogue.change(7, runtime=96, genre_ids=[18, 4711])
    details = client.get("/movie/7").json()

    assert (details["id"], details["runtime"], "genre_ids" in details) == (7, 96, False)
    assert details["genres"] == [{"id": 18, "name": "Drama"}, {"id": 4711, "name": "Genre 4711"}]
    assert client.get("/movie/99").json()["status_code"] == 34


def test_changes_are_listed_newest_first_and_name_deleted_movies(
    catalogue: Catalogue, client: httpx.Client
) -> None:
    catalogue.change(3, when=NOON - timedelta(hours=20), title="Other")
    catalogue.change(5, when=NOON - timedelta(hours=30))
    catalogue.delete(9, when=NOON - timedelta(hours=10))
    changes = client.get("/movie/changes").json()

    assert changes["results"] == [{"id": 9, "adult": None}, {"id": 3, "adult": False}]
    assert client.get("/movie/9").status_code == 404


def test_a_range_of_changes_longer_than_14_days_is_refused(client: httpx.Client) -> None:
    def changes(first: str, last: str) -> int:
        return client.get("/movie/changes", params={"start_date": first, "end_date": last}).status_code

    assert changes("2026-03-01", "2026-03-15") == 200
    assert changes("2026-03-01", "2026-03-16") == 422


@pytest.mark.parametrize("path", ["/movie/1", "/authentication", "/nothing"])
@pytest.mark.parametrize("header", ["", "Bearer other", "Bearer v3key"])
def test_a_missing_or_wrong_credential_is_refused(path: str, header: str) -> None:
    with TmdbSimulator([movie(1)], token="v4.token", api_key="v3key") as tmdb, connected(tmdb) as client:
        answer = client.get(path, headers={"Authorization": header})

    assert (answer.status_code, answer.json()["status_code"]) == (401, 7)


def test_token_and_key_are_accepted_and_not_kept() -> None:
    with TmdbSimulator([movie(1)], token="v4.token", api_key="v3key") as tmdb, connected(tmdb) as client:
        by_token = client.get("/movie/1", headers={"Authorization": "Bearer v4.token"})
        by_key = client.get("/authentication", params={"api_key": "v3key"})

    assert (by_token.status_code, by_key.status_code) == (200, 200)
    assert [request.credential for request in tmdb.log] == ["bearer", "api_key"]
    assert not any(secret in str(tmdb.log) for secret in ("v4.token", "v3key"))


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("too_many"), 429),
        (Fault("server_error", status=503), 503),
        (Fault("answer", status=422, body={}), 422),
        (Fault("firewall", status=403), 403),
        (Fault("redirect", status=302, header="/elsewhere"), 302),
        (Fault("html"), 200),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_fault_changes_the_answer(
    tmdb: TmdbSimulator, client: httpx.Client, fault: Fault, status: int
) -> None:
    tmdb.set_faults(fault)

    assert popular(client).status_code == status
    assert sum(tmdb.applied_faults.values()) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("slow_headers", seconds=30), httpx.ReadTimeout),
        (Fault("slow_body", seconds=30), httpx.ReadTimeout),
        (Fault("short_body"), httpx.RemoteProtocolError),
        (Fault("gzip_garbage"), httpx.DecodingError),
        (Fault("reset"), httpx.ReadError),
        (Fault("reset_in_body"), httpx.ReadError),
        (Fault("hang_up"), httpx.RemoteProtocolError),
        (Fault("truncated_body"), json.JSONDecodeError),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_fault_breaks_the_connection_or_the_body(
    tmdb: TmdbSimulator, client: httpx.Client, fault: Fault, error: type[Exception]
) -> None:
    tmdb.set_faults(fault)

    with pytest.raises(error):
        client.get("/movie/popular", timeout=0.5).json()


@pytest.mark.parametrize("kind", ITEM_EFFECTS)
def test_a_fault_spoils_one_item_of_a_page(tmdb: TmdbSimulator, client: httpx.Client, kind: str) -> None:
    sound = popular(client).json()["results"]
    tmdb.set_faults(Fault(kind, item=3))
    spoilt = popular(client).json()["results"]

    assert spoilt[3] == ITEM_EFFECTS[kind](sound[3]) != sound[3]
    assert spoilt[:3] + spoilt[4:] == sound[:3] + sound[4:]


def test_a_list_that_shifts_between_pages_loses_some_movies_and_repeats_others(
    tmdb: TmdbSimulator, catalogue: Catalogue, client: httpx.Client
) -> None:
    before = catalogue.popular_numbers()
    tmdb.set_faults(Fault("shift", by=3))
    read = [number for page in (1, 2, 3) for number in ids(popular(client, page))]

    assert sorted(set(before) - set(read)) == sorted(before[20:23] + before[43:46])
    assert sorted((Counter(read) - Counter(set(read))).elements()) == sorted(before[:6])


def statuses(fault: Fault, targets: list[str]) -> list[int]:
    with TmdbSimulator(map(movie, range(1, 51)), faults=[fault]) as tmdb, connected(tmdb) as client:
        return [client.get(target).status_code for target in targets]


def test_a_fault_begins_at_the_nth_request_and_ends_after_its_times() -> None:
    fault = Fault("server_error", path="popular", nth=2, every=2, times=2)

    assert statuses(fault, ["/movie/1", *["/movie/popular"] * 6]) == [200, 200, 500, 200, 500, 200, 200]


def test_requests_can_be_counted_for_each_target() -> None:
    fault = Fault("server_error", times=1, per_target=True)

    assert statuses(fault, ["/movie/1", "/movie/2", "/movie/1", "/movie/2"]) == [500, 500, 200, 200]


def test_an_invalid_fault_is_refused() -> None:
    for fault in ({"kind": "flood"}, {"kind": "slow_body"}, {"kind": "reset", "often": 2}, {"path": "x"}):
        with pytest.raises(ValueError, match=r"kind|seconds|often"):
            Fault.parse(fault)
    assert all(Fault(kind, seconds=1) for kind in EFFECTS)


def test_requests_are_logged_and_their_highest_rate_counted(
    tmdb: TmdbSimulator, client: httpx.Client
) -> None:
    for page in range(1, 10):
        popular(client, page)
    moments = (0.0, 0.5, 0.9, 1.0, 1.4, 1.45, 1.5, 1.95, 4.0)
    for logged, moment in zip(tmdb.log, moments, strict=True):
        logged.at = moment

    assert (tmdb.log[1].path, tmdb.log[1].params) == ("/3/movie/popular", {"page": "2"})
    assert (tmdb.requests, tmdb.highest_rate()) == (9, 5)
    tmdb.reset_counts()
    assert (tmdb.requests, tmdb.log, tmdb.highest_rate()) == (0, [], 0)


def test_stopping_ends_a_slow_answer_at_once() -> None:
    errors: list[Exception] = []

    def request(url: str) -> None:
        try:
            httpx.get(url, timeout=30, verify=NO_TLS)
        except httpx.HTTPError as error:
            errors.append(error)

    with TmdbSimulator(catalogue=[movie(1)], faults=[Fault("slow_headers", seconds=60)]) as simulator:
        requesting = threading.Thread(target=request, args=(f"{simulator.url}/movie/1",))
        requesting.start()
        eventually(lambda: simulator.requests)
    requesting.join()

    assert [isinstance(error, httpx.TimeoutException) for error in errors] == [False]


def test_the_same_seed_invents_the_same_movies() -> None:
    assert make_movies(120, seed=3) == make_movies(120, seed=3) != make_movies(120, seed=4)
    assert len({item["id"] for item in make_movies(500)}) == 500
    assert len(QUIRKS) * 3 <= 100  # the number of movies with each special case
    assert {change.id for change in make_catalogue(60).changes} - make_catalogue(60).movies.keys()


@pytest.mark.parametrize("folder", RECORDINGS, ids=lambda folder: folder.name)
class TestRecordings:
    def test_a_recorded_exchange_is_replayed_byte_for_byte(self, folder: Path) -> None:
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

        assert tmdb.requests > 10

    def test_recordings_precede_the_catalogue_where_a_request_is_exactly_theirs(self, folder: Path) -> None:
        with TmdbSimulator([movie(1)], recordings=folder) as tmdb, connected(tmdb) as client:
            recorded, invented = popular(client, 2), client.get("/movie/popular?page=2&language=eo")

        assert recorded.json()["total_results"] > 1
        assert invented.json()["total_results"] == 1


def test_several_recorded_answers_to_one_request_take_turns(tmp_path: Path) -> None:
    def exchange(status: int, body: object) -> str:
        recorded = {"method": "GET", "path": "/3/movie/1", "params": {}, "headers": {}}
        return json.dumps(recorded | {"status": status, "body": body})

    (tmp_path / "rec_made.jsonl").write_text(f"{exchange(401, {})}\n{exchange(200, '<p>text')}")
    with TmdbSimulator(recordings=tmp_path) as tmdb, connected(tmdb) as client:
        answers = [client.get("/movie/1") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 200, 401]
    assert answers[1].text == "<p>text"


def test_the_simulator_is_a_command_that_prints_its_counts_at_the_end(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "html", "path": "configuration"}]')
    command = subprocess.Popen(
        [sys.executable, "-m", "tests.tmdb_simulator", "--movies", "30", "--token", "t", "--faults", faults],
        cwd=PROJECT,
        env=os.environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    with command:
        assert command.stdout
        url = command.stdout.readline().strip()
        with httpx.Client(base_url=url, headers={"Authorization": "Bearer t"}, verify=NO_TLS) as client:
            assert len(ids(popular(client, 2))) == 10
            assert client.get("/configuration").text.startswith("<!DOCTYPE")
        command.send_signal(signal.SIGTERM)
        printed, _ = command.communicate(timeout=30)

    assert (command.returncode, json.loads(printed)["requests"]) == (0, 2)


def test_discover_selects_by_every_filter_and_an_empty_list_has_one_page(
    catalogue: Catalogue, client: httpx.Client
) -> None:
    def discover(**params: object) -> dict[str, Any]:
        names = {name.replace("__", "."): str(value) for name, value in params.items()}
        listed: dict[str, Any] = client.get("/discover/movie", params=names).json()
        return listed

    assert discover(vote_count__gte=10**9) == {
        "page": 1, "results": [], "total_pages": 1, "total_results": 0,
    }  # fmt: skip
    assert discover()["total_pages"] == 3
    catalogue.change(7, release_date="1999-05-01", genre_ids=[18], original_language="da", vote_count=5)
    catalogue.change(8, release_date="1999-05-02", genre_ids=[18, 35], original_language="en", vote_count=9)
    catalogue.change(9, release_date="1999-05-02", genre_ids=[18, 35], adult=True)
    found = [
        sorted(item["id"] for item in discover(**params)["results"])
        for params in (
            {"primary_release_date__gte": "1999-05-01", "primary_release_date__lte": "1999-05-01"},
            {"primary_release_year": 1999, "vote_count__gte": 6},
            {"with_genres": "18,35"},
            {"with_genres": "18|35"},
            {"with_original_language": "da"},
        )
    ]
    assert found == [[7], [8], [8], [7, 8], [7]]


def test_search_finds_by_title_and_find_by_imdb_id(catalogue: Catalogue, client: httpx.Client) -> None:
    catalogue.change(7, title="Crème brûlée", imdb_id="tt0000007", release_date="1999-05-01")

    assert ids(client.get("/search/movie", params={"query": "creme", "year": "1999"})) == [7]
    assert client.get("/search/movie", params={"query": "nothing"}).json()["total_pages"] == 0
    found = client.get("/find/tt0000007", params={"external_source": "imdb_id"}).json()
    assert [movie["id"] for movie in found["movie_results"]] == [7]


def test_the_export_names_every_movie_and_is_there_on_its_days_only(catalogue: Catalogue) -> None:
    with TmdbSimulator(catalogue, token="v4.token") as tmdb, httpx.Client() as client:
        there, missing = (
            client.get(f"{tmdb.exports_url}/movie_ids_{day}.json.gz") for day in ("03_20_2026", "03_19_2026")
        )

    lines = gzip.decompress(there.content).splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(catalogue.movies)
    assert missing.status_code == 403


def test_parts_are_appended_to_details_and_have_paths_of_their_own() -> None:
    known = {
        "_cast": [("Ada Alder", "Captain"), "Bo Birch"],
        "_crew": [("Cleo Cedar", "Director")],
        "_videos": [{"key": "abcdef1"}, {"key": "abcdef2", "iso_639_1": "de"}],
        "_recommended": [2, 99],
        "_translations": {"de": {"title": "Eins"}},
    }
    with TmdbSimulator([movie(1, **known), movie(2)]) as tmdb, connected(tmdb) as client:
        names = "credits,videos,recommendations,translations,nothing"
        details = client.get("/movie/1", params={"append_to_response": names}).json()
        alone = {name: client.get(f"/movie/1/{name}").json() for name in names.split(",")[:-1]}
        refused = client.get("/movie/1", params={"append_to_response": ",".join(["credits"] * 21)})
        german = client.get("/movie/1/videos", params={"language": "de-DE"}).json()

    assert {name: {"id": 1} | details[name] for name in alone} == alone
    assert "nothing" not in details
    assert [each["name"] for each in details["credits"]["cast"]] == ["Ada Alder", "Bo Birch"]
    assert [(each["name"], each["job"]) for each in details["credits"]["crew"]] == [
        ("Cleo Cedar", "Director")
    ]
    assert [each["id"] for each in details["recommendations"]["results"]] == [2]
    assert details["translations"]["translations"][0]["data"]["title"] == "Eins"
    assert [each["key"] for each in german["results"]] == ["abcdef2"]
    assert (refused.status_code, refused.json()["status_code"]) == (400, 27)
