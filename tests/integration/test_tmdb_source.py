"""TmdbMovieSource with a TMDB simulator on loopback that responds, refuses, fails, stalls and disconnects."""

import logging
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from adapters.tmdb import client, payloads, values
from adapters.tmdb import source as tmdb_source
from adapters.tmdb.budget import Budget, Pause, RequestPacer, Stopped
from adapters.tmdb.budget import pause as real_pause
from adapters.tmdb.client import RetryPolicy
from adapters.tmdb.credential import Credential
from adapters.tmdb.source import ENGLISH, TmdbMovieSource
from domain.ids import ImdbId, genre_id
from domain.languages import Language, Languages, Translation
from domain.movies import GenreFacts, MovieFacts
from domain.ports import MovieSource
from domain.sync import ChangedIdsPage, FetchFailed, MovieGone, SourcePage, SourceRefused, SourceUnavailable
from tests.ports import free_port
from tests.tmdb_simulator import (
    INVENTED_RECORDINGS,
    ITEM_EFFECTS,
    RECORDINGS,
    Catalogue,
    Fault,
    Record,
    Recordings,
    TmdbSimulator,
    json_lines,
    make_catalogue,
)
from tests.tmdb_simulator.http_server import Request
from tests.tmdb_simulator.responses import Response

GERMAN = Language("de-DE")

TOKEN, KEY = "the-v4-token", "the-v3-key"
JWT, HEX = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxMjM0NSJ9.c2lnbmF0dXJl-_x", "0123456789abcdef" * 2
QUICK = RetryPolicy(min_backoff=0.01, max_backoff=0.02)
HASTY = replace(QUICK, read_timeout=0.15, total_timeout=0.25)
POPULAR = "^/3/movie/popular"
MOVIE = "^/3/movie/[0-9]"

PASSING = [
    *(Fault("server_error", status=status) for status in (500, 502, 503, 504)),
    Fault("server_error", empty=True, name="empty"),
    Fault("too_many"),
    Fault("slow_headers", seconds=5),
    Fault("slow_body", seconds=5),
    Fault("slow_body", seconds=0.5, name="trickle"),
    Fault("truncated_body"),
    Fault("short_body"),
    Fault("gzip_garbage"),
    Fault("html"),
    Fault("reset"),
    Fault("reset_in_body"),
    Fault("hang_up"),
    Fault("results_not_a_list"),
    Fault("answer", status=200, body=None, name="null"),
]
LASTING = [Fault("answer", status=status, body={"status_code": 1}) for status in (400, 404, 405, 422, 302)]
FOREIGN = [
    Fault("firewall"),
    Fault("answer", body=None),
    Fault("answer", body="Forbidden"),
    Fault("answer", body={"message": "Forbidden"}),
    Fault("answer", body={"errors": ["Blocked by policy 12"]}),
    Fault("answer", body={"status_code": 403, "status_message": "Blocked by policy 12"}),
    Fault("answer", body={"success": False}),
    Fault("gzip_garbage"),
    Fault("truncated_body"),
]
"""Bodies of a 401 or 403 that are not from TMDB, or did not arrive."""


def label(fault: Fault) -> str:
    return fault.label


def await_readers() -> None:
    """Wait until no thread reads from TMDB."""
    limit = time.monotonic() + 30
    while any(thread.name.startswith("tmdb_") for thread in threading.enumerate()):
        assert time.monotonic() < limit
        time.sleep(0.01)


def once(fault: Fault, path: str = POPULAR) -> Fault:
    return replace(fault, times=1, path=path)


def policy_for(fault: Fault) -> RetryPolicy:
    """A policy with short timeouts only for faults that need them, because the machine may be busy."""
    return HASTY if fault.kind.startswith("slow") else QUICK


Connect = Callable[..., TmdbMovieSource]


@pytest.fixture
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(catalogue=make_catalogue(50, seed=7)) as simulator:
        yield simulator


@pytest.fixture
def connect(tmdb: TmdbSimulator) -> Iterator[Connect]:
    sources: list[TmdbMovieSource] = []

    def make(
        *,
        access_token: str | None = TOKEN,
        api_key: str | None = KEY,
        base_url: str = tmdb.url,
        budget: Budget | None = None,
        languages: Languages = ENGLISH,
        policy: RetryPolicy = QUICK,
        pause: Pause = real_pause,
    ) -> TmdbMovieSource:
        source = TmdbMovieSource(
            access_token=access_token,
            api_key=api_key,
            base_url=base_url,
            budget=budget or RequestPacer(1000),
            languages=languages,
            policy=policy,
            pause=pause,
        )
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


@pytest.fixture
def source(connect: Connect) -> TmdbMovieSource:
    source = connect()
    kept_promise: MovieSource = source  # a check of the types by mypy
    assert kept_promise.requests() == 0
    return source


class Waits(list[float]):
    """Records the requested pauses without waiting."""

    def __call__(self, seconds: float, stop: Event) -> None:
        if stop.is_set():
            raise Stopped
        self.append(seconds)


def counted(calls: list[object], function: Callable[..., object]) -> Callable[..., object]:
    """A function that records its calls."""

    def call(*arguments: object) -> object:
        calls.append(arguments)
        return function(*arguments)

    return call


def numbers(tmdb: TmdbSimulator) -> list[int]:
    assert tmdb.catalogue
    return tmdb.catalogue.popular_numbers()


class TestAnswers:
    def test_a_page_of_popular_movies_is_read(self, tmdb: TmdbSimulator, source: TmdbMovieSource) -> None:
        first, last = source.popular(1), source.popular(3)

        assert [movie.tmdb_id for movie in (*first.movies, *last.movies)] == numbers(tmdb)[:20] + numbers(
            tmdb
        )[40:]
        assert (first.total_pages, first.unreadable) == (3, ())
        assert not first.movies[0].detailed

    def test_a_page_after_the_last_is_empty_and_one_beyond_what_tmdb_gives_is_unavailable(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        assert source.popular(4) == SourcePage(total_pages=3, movies=(), total=50)
        with pytest.raises(
            SourceUnavailable, match=r"answered 400 \(.*500.\), requested /movie/popular\?page=501"
        ):
            source.popular(501)
        assert tmdb.requests == 2

    def test_each_requested_movie_has_one_result(self, tmdb: TmdbSimulator, source: TmdbMovieSource) -> None:
        requested = numbers(tmdb)
        answers = list(source.details([*requested, *requested, 5_000_000]))

        assert {answer.tmdb_id: type(answer) for answer in answers} == {
            **dict.fromkeys(requested, MovieFacts),
            5_000_000: MovieGone,
        }
        assert len(answers) == len(requested) + 1 == tmdb.requests
        assert all(answer.detailed for answer in answers if isinstance(answer, MovieFacts))
        assert list(source.details([])) == []

    def test_genres_come_in_the_language_of_the_settings(self, connect: Connect) -> None:
        danish = connect(languages=Languages(Language("da"))).genres().genres

        assert GenreFacts(tmdb_id=36, name="Historie") in danish
        assert len(danish) == 19

    def test_a_mirror_without_the_endpoint_for_credentials_is_checked_by_the_list_of_genres(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        tmdb.set_faults(Fault("answer", path="^/3/authentication", status=404, body="Not Found"))
        assert source.ping() is not None
        assert [request.path for request in tmdb.log] == ["/3/authentication", "/3/genre/movie/list"]

    def test_an_address_with_neither_is_not_tmdb(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        with pytest.raises(SourceUnavailable, match="answered 404"):
            connect(base_url=tmdb.url.replace("/3", "/4")).ping()

    def test_language_page_and_days_are_sent(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        source = connect(languages=Languages(Language("de-DE")))
        source.popular(2)
        source.changes(date(2026, 3, 1), date(2026, 3, 14), 1)
        list(source.details([1]))

        assert [request.params for request in tmdb.log] == [
            {"language": "de-DE", "page": "2"},
            {"start_date": "2026-03-01", "end_date": "2026-03-14", "page": "1"},
            {"language": "de-DE", "append_to_response": "credits,videos,recommendations"},
        ]

    def test_translations_come_with_the_same_request_if_there_are_further_languages(
        self, connect: Connect
    ) -> None:
        german = {"title": "Der Dieb", "overview": "Ein Dieb."}
        movies = [
            {"id": 7, "title": "The Thief", "_translations": {"de-DE": german, "it": {"title": "Il ladro"}}}
        ]
        with TmdbSimulator(catalogue=Catalogue(movies)) as tmdb:
            source = connect(base_url=tmdb.url, languages=Languages(ENGLISH.main, (GERMAN, Language("fr"))))
            (movie,) = source.details([7])
            (request,) = tmdb.log
        assert request.params == {
            "language": "en-US",
            "append_to_response": "credits,videos,recommendations,translations",
        }
        assert isinstance(movie, MovieFacts)
        assert (movie.title, movie.details_version) == ("The Thief", source.details_version)
        assert movie.translations == (Translation(language=GERMAN, **german),)

    def test_changes_are_numbers_including_those_of_deleted_movies(self, connect: Connect) -> None:
        today = date(2026, 3, 20)
        catalogue = Catalogue([{"id": n, "title": "T", "_changed": today.isoformat()} for n in range(1, 131)])
        catalogue.delete(7, when=today)
        with TmdbSimulator(catalogue=catalogue) as tmdb:
            source = connect(base_url=tmdb.url)
            pages = [source.changes(date(2026, 3, 10), today, page) for page in (1, 2)]

        assert sorted(number for page in pages for number in page.tmdb_ids) == list(range(1, 131))
        assert [page.total_pages for page in pages] == [2, 2]
        assert isinstance(pages[0], ChangedIdsPage)

    def test_a_range_of_days_that_is_too_long_is_not_retried(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        with pytest.raises(SourceUnavailable, match=r"answered 422 .*requested /movie/changes\?page=1"):
            source.changes(date(2026, 1, 1), date(2026, 3, 20), 1)
        assert tmdb.requests == 1

    @pytest.mark.parametrize("kind", ITEM_EFFECTS)
    def test_an_unreadable_row_affects_no_other(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, kind: str
    ) -> None:
        tmdb.set_faults(Fault(kind, item=6))
        page = source.popular(1)

        assert len(page.movies) + len(page.unreadable) == 20
        assert page.unreadable in ((), ("row 7: no id",), ("row 7: no object",))
        assert bool(page.unreadable) == (kind in ("item_without_id", "item_text_id", "item_null"))
        assert tmdb.requests == 1


class TestQueries:
    @pytest.fixture
    def films(self) -> Iterator[TmdbSimulator]:
        films: list[Record] = [
            {"id": n, "title": "Amélie" if n < 25 else "Other", "release_date": f"{1990 + n}-05-01"}
            for n in range(1, 31)
        ]
        films[0] = films[0] | {"imdb_id": "tt0211915", "adult": True}
        with TmdbSimulator(films) as tmdb:
            yield tmdb

    def test_a_search_finds_the_same_pages_as_tmdb_and_tells_how_many_movies_there_are(
        self, connect: Connect, films: TmdbSimulator
    ) -> None:
        source = connect(base_url=films.url)
        first, second = source.search("amelie"), source.search("amelie", page=2)

        assert (first.total, first.total_pages, len(first.movies), len(second.movies)) == (23, 2, 20, 3)
        assert [movie.tmdb_id for movie in source.search("Amélie", year=2000).movies] == [10]
        assert films.log[0].params["include_adult"] == "false"

    @pytest.mark.parametrize("pages", [0, 1])
    def test_a_search_without_results_has_no_pages(
        self, connect: Connect, films: TmdbSimulator, pages: int
    ) -> None:
        films.set_faults(Fault("page_value", key="total_pages", body=pages, times=1))

        assert connect(base_url=films.url).search("zzz") == SourcePage(total_pages=0, movies=(), total=0)

    def test_an_imdb_id_finds_its_movie_or_none(self, connect: Connect, films: TmdbSimulator) -> None:
        source = connect(base_url=films.url)
        found = source.find(ImdbId("tt0211915"))

        assert found
        assert (found.tmdb_id, found.title, found.detailed) == (1, "Amélie", False)
        assert source.find(ImdbId("tt9999999")) is None
        films.set_faults(Fault("server_error", status=503, path="/find/"))
        with pytest.raises(SourceUnavailable, match="answered 503"):
            source.find(ImdbId("tt0211915"))


class TestStumbles:
    @pytest.mark.parametrize("fault", PASSING, ids=label)
    def test_transient_failures_are_retried(
        self, tmdb: TmdbSimulator, connect: Connect, fault: Fault
    ) -> None:
        source = connect(policy=policy_for(fault))
        tmdb.set_faults(once(fault))

        assert len(source.popular(1).movies) == 20
        assert source.requests() == tmdb.requests == 2

    @pytest.mark.parametrize("fault", PASSING, ids=label)
    def test_a_lasting_failure_is_reported_after_five_attempts(
        self, tmdb: TmdbSimulator, connect: Connect, fault: Fault
    ) -> None:
        waits = Waits()
        source = connect(pause=waits, policy=policy_for(fault))
        tmdb.set_faults(fault)
        with pytest.raises(SourceUnavailable, match=r"^T.*, requested /movie/popular\?page=1$") as caught:
            source.popular(1)

        assert source.requests() == tmdb.requests == 5
        assert len(waits) == 4
        assert len(str(caught.value)) < 150

    @pytest.mark.parametrize("fault", LASTING, ids=label)
    def test_permanent_failures_are_not_retried(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, fault: Fault
    ) -> None:
        tmdb.set_faults(fault)
        with pytest.raises(SourceUnavailable, match=f"TMDB answered {fault.status}"):
            source.popular(1)

        assert tmdb.requests == 1

    @pytest.mark.parametrize(
        ("fault", "sentence"),
        [
            (Fault("server_error", status=503), "TMDB answered 503 (Closed for maintenance.)"),
            (Fault("server_error", status=502, empty=True), "TMDB answered 502"),
            (
                Fault("answer", status=422, body={"errors": ["page is odd"]}),
                "TMDB answered 422 (page is odd)",
            ),
            (Fault("slow_headers", seconds=5), "TMDB did not answer within 0.15 s"),
            (Fault("slow_body", seconds=0.5), "TMDB answered with a body that did not end within 0.25 s"),
            (Fault("html"), "TMDB answered with something other than JSON"),
            (Fault("results_not_a_list"), "TMDB answered with JSON of an unexpected shape"),
            (Fault("gzip_garbage"), "TMDB's answer could not be decompressed"),
            (Fault("reset"), "The connection to TMDB was lost"),
        ],
        ids=lambda value: value.label if isinstance(value, Fault) else "",
    )
    def test_the_message_has_the_response_and_the_request(
        self, tmdb: TmdbSimulator, connect: Connect, fault: Fault, sentence: str
    ) -> None:
        source = connect(policy=replace(policy_for(fault), attempts=1))
        tmdb.set_faults(fault)
        with pytest.raises(SourceUnavailable) as caught:
            source.popular(1)

        assert str(caught.value) == f"{sentence}, requested /movie/popular?page=1"

    def test_a_refused_connection_is_reported_and_counts_no_request(self, connect: Connect) -> None:
        source = connect(base_url=f"http://127.0.0.1:{free_port()}/3", pause=Waits())
        with pytest.raises(
            SourceUnavailable, match=r"^TMDB could not be reached \(.*refused\), requested /genre"
        ):
            source.genres()

        assert source.requests() == 0

    def test_a_connection_that_is_not_accepted_is_reported(self, connect: Connect) -> None:
        with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full:
            host, port = full.getsockname()
            with closing(socket.create_connection((host, port))):  # which fills the queue
                source = connect(
                    base_url=f"http://{host}:{port}", policy=RetryPolicy(connect_timeout=0.2, attempts=1)
                )
                with pytest.raises(SourceUnavailable, match=r"accepted no connection within 0\.2 s"):
                    source.genres()

    @pytest.mark.parametrize("base_url", ["ftp://127.0.0.1/3", "http://[::1/3"])
    def test_an_invalid_address_is_reported_at_once(self, connect: Connect, base_url: str) -> None:
        waits = Waits()
        with pytest.raises(SourceUnavailable, match="TMDB could not be reached"):
            connect(base_url=base_url, pause=waits).genres()
        assert not waits

    def test_a_response_that_is_too_long_is_not_read_to_its_end(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "MAX_BODY_SIZE", 300)
        with pytest.raises(SourceUnavailable, match="a body that is too long"):
            source.popular(1)
        assert tmdb.requests == 5

    def test_no_fault_spoils_a_movie(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        source = connect(policy=HASTY)
        faults = [
            replace(fault, path=MOVIE, nth=2 * place + 1, times=1) for place, fault in enumerate(PASSING)
        ]
        tmdb.set_faults(*faults)
        answers = list(source.details(numbers(tmdb)))

        assert {type(answer) for answer in answers} == {MovieFacts}
        assert sum(tmdb.applied_faults.values()) >= len(PASSING) - 1  # details have no results to spoil
        assert source.requests() == tmdb.requests


class TestWaits:
    @pytest.mark.parametrize("as_date", [False, True])
    def test_retry_after_is_honoured_in_both_forms(
        self, tmdb: TmdbSimulator, connect: Connect, as_date: bool
    ) -> None:
        waits = Waits()
        tmdb.set_faults(Fault("too_many", seconds=3, as_date=as_date, times=1))
        connect(pause=waits).popular(1)

        assert len(waits) == 1
        assert 3 <= waits[0] <= 5

    def test_the_source_waits_for_retry_after(self, tmdb: TmdbSimulator, source: TmdbMovieSource) -> None:
        tmdb.set_faults(Fault("too_many", seconds=1, times=1))
        source.popular(1)
        first, second = tmdb.log

        assert second.at - first.at >= 1

    def test_a_retry_after_is_followed_for_a_minute_at_most(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        waits = Waits()
        tmdb.set_faults(Fault("too_many", seconds=86_400, times=1))
        connect(pause=waits).popular(1)

        assert waits == [60]

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "2"}, 2),
            ({"retry-after": " 1.5 "}, 1.5),
            ({"retry-after": "0"}, 0),
            ({"retry-after": "9" * 400}, float("inf")),
            ({"retry-after": "-3"}, None),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "soon"}, None),
            ({"retry-after": ""}, None),
            ({}, None),
            ({"retry-after": "Fri, 20 Mar 2026 12:00:09 GMT", "date": "Fri, 20 Mar 2026 12:00:00 GMT"}, 9),
            ({"retry-after": "Fri, 20 Mar 2026 12:00:09 -0000", "date": "Fri, 20 Mar 2026 12:00:00 GMT"}, 9),
            ({"retry-after": "Fri, 20 Mar 2026 12:00:00 GMT", "date": "Fri, 20 Mar 2026 12:00:09 GMT"}, 0),
            ({"retry-after": "Fri, 20 Mar 2015 12:00:00 GMT"}, 0),
            ({"retry-after": "Fri, 99 Mar 2026 12:00:00 GMT"}, None),
        ],
    )
    def test_retry_after_is_read_leniently(self, headers: dict[str, str], seconds: float | None) -> None:
        assert client.retry_after(headers) == seconds

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("too_many", seconds=0),
            Fault("too_many", seconds=-3600, as_date=True),
            *(Fault("too_many", header=text) for text in ("0", "-5", "nan", "soon", "", "0.0")),
            Fault("too_many", header="Thu, 01 Jan 1970 00:00:00 GMT"),
        ],
        ids=lambda fault: str(fault.header if fault.header is not None else fault.seconds),
    )
    def test_a_retry_after_of_0_is_followed(
        self, tmdb: TmdbSimulator, connect: Connect, fault: Fault
    ) -> None:
        waits = Waits()
        tmdb.set_faults(fault)
        with pytest.raises(SourceUnavailable, match="answered 429"):
            connect(pause=waits, policy=RetryPolicy()).popular(1)

        for wait, least in zip(waits, [0.5, 1, 2, 4], strict=True):
            assert least <= wait <= least + 0.25

    @pytest.mark.parametrize("text", ["9" * 400, "86400", "Fri, 31 Dec 9999 23:59:59 GMT"])
    def test_an_enormous_retry_after_is_bounded(
        self, tmdb: TmdbSimulator, connect: Connect, text: str
    ) -> None:
        waits = Waits()
        tmdb.set_faults(Fault("too_many", header=text, times=1))
        connect(pause=waits, policy=RetryPolicy()).popular(1)

        assert waits == [60]

    def test_a_retry_after_shorter_than_our_own_wait_does_not_shorten_it(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        waits = Waits()
        tmdb.set_faults(Fault("too_many", header="3"))
        with pytest.raises(SourceUnavailable):
            connect(pause=waits, policy=RetryPolicy()).popular(1)

        for wait, least in zip(waits, [3, 3, 3, 4], strict=True):
            assert least <= wait <= least + 0.25

    def test_without_retry_after_waits_double_with_jitter_up_to_a_maximum(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        waits = Waits()
        tmdb.set_faults(Fault("too_many", path=POPULAR))
        with pytest.raises(SourceUnavailable, match="answered 429"):
            connect(pause=waits, policy=RetryPolicy(attempts=8)).popular(1)

        for wait, least in zip(waits, [0.5, 1, 2, 4, 8, 8, 8], strict=True):
            assert least <= wait <= min(8, least + 0.25)
        assert len({wait % 0.5 for wait in waits}) > 3


class Watched(RequestPacer):
    """A budget that records when each request is sent. When it arrives also depends on the machine."""

    def __init__(self, per_second: float) -> None:
        super().__init__(per_second)
        self.left: list[float] = []

    @contextmanager
    def slot(self, stop: threading.Event) -> Iterator[None]:
        with super().slot(stop):
            try:
                yield
            finally:
                self.left.append(time.monotonic())

    def highest_rate(self) -> int:
        """The largest number of requests within one second."""
        return max(sum(start <= later < start + 1 for later in self.left) for start in self.left)


class TestTimeLeft:
    def test_a_second_attempt_has_what_the_first_has_left(
        self, tmdb: TmdbSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent, now = list[Mapping[str, float]](), [100.0]
        send = httpx.Client.send

        def recorded(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
            sent.append(request.extensions["timeout"])
            return send(self, request, **options)

        def pass_time(_: float, stop: Event) -> None:
            assert not stop.is_set()
            now[0] += client.USER_POLICY.give_up_after - 1

        monkeypatch.setattr(httpx.Client, "send", recorded)
        tmdb.set_faults(Fault("server_error", status=500, times=1))
        connection = client.TmdbClient(
            credential=Credential.recognised(TOKEN, ""),
            base_url=tmdb.url,
            budget=RequestPacer(1000),
            policy=client.USER_POLICY,
            pause=pass_time,
            clock=lambda: now[0],
        )
        with closing(connection):
            connection.get("/movie/popular", {"page": 1}, lambda body: body, Event())

        assert [each["read"] for each in sent] == [client.USER_POLICY.read_timeout, 1.0]
        assert [each["connect"] for each in sent] == [client.USER_POLICY.connect_timeout, 1.0]

    @pytest.mark.parametrize(("share", "attempts"), [(0.5, 2), (0.95, 1)])
    def test_no_attempt_follows_a_first_one_that_took_nearly_all_the_time(
        self, tmdb: TmdbSimulator, monkeypatch: pytest.MonkeyPatch, share: float, attempts: int
    ) -> None:
        sent, now = list[httpx.Request](), [100.0]
        send = httpx.Client.send

        def slow(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
            sent.append(request)
            now[0] += client.USER_POLICY.give_up_after * share
            return send(self, request, **options)

        monkeypatch.setattr(httpx.Client, "send", slow)
        tmdb.set_faults(Fault("server_error", status=500))
        connection = client.TmdbClient(
            credential=Credential.recognised(TOKEN, ""),
            base_url=tmdb.url,
            budget=RequestPacer(1000),
            policy=client.USER_POLICY,
            pause=lambda *_: None,
            clock=lambda: now[0],
        )
        with closing(connection), pytest.raises(SourceUnavailable, match="TMDB answered 500"):
            connection.get("/movie/popular", {"page": 1}, lambda body: body, Event())
        assert len(sent) == attempts


class TestBudget:
    def test_no_second_has_more_requests_than_the_budget_whatever_fails(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        tmdb.set_faults(
            Fault("reset", path=MOVIE, every=7),
            Fault("server_error", path=MOVIE, nth=3, every=7),
            Fault("too_many", path=MOVIE, nth=5, every=11, seconds=0),
            Fault("slow_headers", path=MOVIE, nth=4, every=9, seconds=0.05),
        )
        budget = Watched(40)
        source = connect(budget=budget)
        answers = list(source.details(numbers(tmdb)))

        assert {type(answer) for answer in answers} == {MovieFacts}
        assert tmdb.requests == source.requests() > 60
        assert len(budget.left) == tmdb.requests
        assert budget.highest_rate() <= 40

    def test_several_threads_and_calls_share_the_budget(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        budget = Watched(30)
        source = connect(budget=budget)
        threads = [
            threading.Thread(target=lambda: list(source.details(numbers(tmdb)[:10]))),
            threading.Thread(target=lambda: list(source.details(numbers(tmdb)[10:20]))),
            *(threading.Thread(target=source.popular, args=(page,)) for page in (1, 2, 3)),
            *(threading.Thread(target=source.genres) for _ in range(10)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert source.requests() == tmdb.requests == 33
        assert budget.highest_rate() <= 30

    def test_a_request_waits_for_the_budget_with_an_open_connection(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        source = connect(budget=RequestPacer(5))
        list(source.details(numbers(tmdb)[:6]))
        gaps = [later.at - earlier.at for earlier, later in zip(tmdb.log, tmdb.log[1:], strict=False)]

        assert min(gaps) > 0.1


class TestOneMovie:
    def one(self, source: TmdbMovieSource, number: int) -> object:
        (answer,) = source.details([number])
        return answer

    def test_a_movie_that_tmdb_does_not_know_is_gone(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        number = numbers(tmdb)[0]
        tmdb.set_faults(Fault("gone", ids=[number]))

        assert self.one(source, number) == MovieGone(number)
        assert tmdb.requests == 1

    @pytest.mark.parametrize("body", [None, "Not Found", {"message": "no route"}, []])
    def test_a_404_that_is_not_tmdbs_makes_no_movie_gone(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, body: object
    ) -> None:
        tmdb.set_faults(Fault("answer", status=404, body=body))

        assert self.one(source, 603) == FetchFailed(603, "TMDB answered 404, requested /movie/603")

    def test_a_movie_that_cannot_be_fetched_does_not_affect_others(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        first, second, *others = numbers(tmdb)
        tmdb.set_faults(
            Fault("server_error", path=f"/movie/{first}[?]"),
            Fault("answer", path=f"/movie/{second}[?]", status=400),
        )
        answers = {answer.tmdb_id: answer for answer in source.details(numbers(tmdb))}

        problem = f"TMDB answered 500 (The server made a mistake.), requested /movie/{first}"
        assert answers.pop(first) == FetchFailed(first, problem)
        assert answers.pop(second) == FetchFailed(second, f"TMDB answered 400, requested /movie/{second}")
        assert {type(answers[number]) for number in others} == {MovieFacts}

    def test_another_movie_than_the_requested_one_is_a_failed_fetch(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        tmdb.set_faults(Fault("answer", status=200, body={"id": 604, "title": "Another"}))

        assert self.one(source, 603) == FetchFailed(603, "TMDB answered with movie 604 instead")
        assert tmdb.requests == 1


class TestTurningAway:
    def test_results_are_yielded_while_others_are_awaited(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        slow, *others = numbers(tmdb)[:5]
        tmdb.set_faults(Fault("slow_headers", path=f"/movie/{slow}[?]", seconds=30))
        answers = connect(policy=RetryPolicy()).details([slow, *others])

        assert {next(answers).tmdb_id for _ in others} == set(others)
        assert [request.path for request in tmdb.log].count(f"/3/movie/{slow}") == 1, "it is awaited still"
        answers.close()  # type: ignore[attr-defined]

    def test_one_thread_reads_from_a_source_that_responds_at_once(
        self, source: TmdbMovieSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        readers = set[str]()

        def read(number: int, _: Event) -> MovieGone:
            readers.add(threading.current_thread().name)
            return MovieGone(number)

        monkeypatch.setattr(tmdb_source, "SLOW", 60)
        monkeypatch.setattr(TmdbMovieSource, "_detail", staticmethod(read))
        assert {each.tmdb_id for each in source.details(range(1, 41))} == set(range(1, 41))
        assert readers == {"tmdb_0"}

    @pytest.mark.parametrize(("wanted", "most"), [(20, 8), (3, 3)])
    def test_more_threads_read_from_a_source_that_responds_slowly(
        self, source: TmdbMovieSource, monkeypatch: pytest.MonkeyPatch, wanted: int, most: int
    ) -> None:
        together = threading.Barrier(most)

        def read(number: int, _: Event) -> MovieGone:
            if number <= most:
                together.wait(30)  # which only as many threads at once can pass
            return MovieGone(number)

        started = list[object]()
        monkeypatch.setattr(TmdbMovieSource, "_detail", staticmethod(read))
        monkeypatch.setattr(TmdbMovieSource, "_read_details", counted(started, TmdbMovieSource._read_details))
        assert {each.tmdb_id for each in source.details(range(1, wanted + 1))} == set(range(1, wanted + 1))
        assert len(started) == most

    def test_an_unexpected_error_in_a_thread_is_raised(
        self, source: TmdbMovieSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: int, __: Event) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(TmdbMovieSource, "_detail", staticmethod(fail))
        with pytest.raises(ZeroDivisionError):
            list(source.details([1, 2]))
        await_readers()

    def test_closing_the_iterator_stops_further_requests(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        before = threading.active_count()
        source = connect(budget=RequestPacer(5))
        answers = source.details(numbers(tmdb))
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        await_readers()

        assert tmdb.requests < len(numbers(tmdb)) / 2
        # The remaining threads are those of the simulator, one for each connection.
        assert threading.active_count() <= before + 8

    def test_a_long_pause_is_interrupted(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        first, *others = numbers(tmdb)
        tmdb.set_faults(Fault("too_many", seconds=50, path=f"^/3/movie/(?!{first}[?])"))
        answers = connect(policy=RetryPolicy()).details([first, *others])
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        await_readers()

    def test_closing_the_source_releases_waiting_threads(self, tmdb: TmdbSimulator, connect: Connect) -> None:
        tmdb.set_faults(Fault("too_many", seconds=50))
        source = connect(policy=RetryPolicy())
        threading.Timer(0.1, source.close).start()
        with pytest.raises(SourceUnavailable, match="request to TMDB was cancelled"):
            source.popular(1)

    def test_a_closed_source_opens_no_connection(self, tmdb: TmdbSimulator, source: TmdbMovieSource) -> None:
        source.close()
        with pytest.raises(RuntimeError, match="closed"):
            source.popular(1)
        assert tmdb.requests == 0


class CookieSetter(TmdbSimulator):
    """A TMDB that sets a cookie with each response."""

    def respond(self, request: Request) -> Response:
        answer = super().respond(request)
        return replace(answer, headers=(*answer.headers, ("set-cookie", "visitor=1")))


class TestConnections:
    def test_calls_share_at_most_as_many_connections_as_there_are_readers(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource
    ) -> None:
        for _ in range(3):
            source.popular(1)
            list(source.details(numbers(tmdb)[:20]))
        served = [thread for thread in threading.enumerate() if "_serve_connection" in thread.name]

        assert tmdb.requests == 63
        assert len(served) <= 8

    def test_cookies_are_not_sent_back(self, connect: Connect) -> None:
        with CookieSetter(catalogue=make_catalogue(5)) as tmdb:
            source = connect(base_url=tmdb.url)
            source.popular(1)
            source.popular(1)

            assert tmdb.requests == 2
            assert not [request for request in tmdb.log if "cookie" in request.headers]


class TestRefusal:
    @pytest.mark.parametrize(
        ("token", "key", "variable"),
        [
            ("wrong", None, "TMDB_ACCESS_TOKEN"),
            ("wrong", KEY, "TMDB_ACCESS_TOKEN"),
            (None, "wrong", "TMDB_API_KEY"),
            (None, None, "TMDB_ACCESS_TOKEN or TMDB_API_KEY"),
            (" ", "", "TMDB_ACCESS_TOKEN or TMDB_API_KEY"),
        ],
    )
    def test_a_401_names_the_variable_and_is_not_retried(
        self, connect: Connect, token: str | None, key: str | None, variable: str
    ) -> None:
        with TmdbSimulator(catalogue=make_catalogue(5), token=TOKEN, api_key=KEY) as tmdb:
            source = connect(base_url=tmdb.url, access_token=token, api_key=key)
            day = date(2026, 3, 20)
            for ask in (source.genres, lambda: source.popular(1), lambda: source.changes(day, day, 1)):
                with pytest.raises(SourceRefused) as caught:
                    ask()

                assert str(caught.value) == (
                    f"TMDB refuses the credential, check {variable} "
                    "(401: Invalid API key: You must be granted a valid key.)"
                )
            assert tmdb.requests == 3

    @pytest.mark.parametrize(
        ("token", "key", "variable", "sent"),
        [
            (None, JWT, "TMDB_API_KEY", "bearer"),
            ("other", JWT, "TMDB_API_KEY", "bearer"),
            (HEX, None, "TMDB_ACCESS_TOKEN", "api_key"),
            (HEX, JWT, "TMDB_API_KEY", "bearer"),
            (JWT, HEX, "TMDB_ACCESS_TOKEN", "bearer"),
        ],
    )
    def test_a_credential_in_the_wrong_variable_is_sent_correctly(
        self, connect: Connect, token: str | None, key: str | None, variable: str, sent: str
    ) -> None:
        with TmdbSimulator(catalogue=make_catalogue(5), token=JWT, api_key=HEX) as tmdb:
            connect(base_url=tmdb.url, access_token=token, api_key=key).genres()
            assert [request.credential for request in tmdb.log] == [sent]
        with (
            TmdbSimulator(catalogue=make_catalogue(5), token="new", api_key="new") as tmdb,
            pytest.raises(SourceRefused, match=f"check {variable} "),
        ):
            connect(base_url=tmdb.url, access_token=token, api_key=key).genres()

    def test_the_token_is_preferred_to_the_key(self, connect: Connect) -> None:
        with TmdbSimulator(catalogue=make_catalogue(5), token=TOKEN, api_key=KEY) as tmdb:
            connect(base_url=tmdb.url).genres()
            connect(base_url=tmdb.url, access_token=None).genres()
            connect(base_url=tmdb.url, access_token=f" {TOKEN}\n").genres()

            assert [request.credential for request in tmdb.log] == ["bearer", "api_key", "bearer"]

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_by_tmdb_without_a_message_is_recognized(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, status: int
    ) -> None:
        tmdb.set_faults(Fault("answer", status=status, body={"status_code": 10}))
        with pytest.raises(SourceRefused, match=rf"check TMDB_ACCESS_TOKEN \({status}: code 10\)"):
            source.genres()

        assert tmdb.requests == 1

    @pytest.mark.parametrize("fault", FOREIGN, ids=lambda fault: f"{fault.kind}_{fault.body!s:.20}")
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_by_another_server_is_not_one_of_the_credential(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, status: int, fault: Fault
    ) -> None:
        number = numbers(tmdb)[0]
        struck = [Fault("answer", path=f"/movie/{number}[?]", status=status, body={"status_code": 7})]
        if fault.kind in ("answer", "firewall"):
            struck = []
        tmdb.set_faults(*struck, replace(fault, path=f"/movie/{number}[?]", status=status))
        answers = {answer.tmdb_id: answer for answer in source.details(numbers(tmdb))}

        reason = f"{status} was answered by something other than TMDB, such as a firewall or a proxy"
        assert answers.pop(number) == FetchFailed(number, f"{reason}, requested /movie/{number}")
        assert {type(answer) for answer in answers.values()} == {MovieFacts}
        assert tmdb.requests == len(answers) + (1 if status == 401 else 2)

    def test_a_firewalls_403_is_transient(self, tmdb: TmdbSimulator, source: TmdbMovieSource) -> None:
        tmdb.set_faults(Fault("firewall", status=403, times=1))

        assert len(source.popular(1).movies) == 20
        assert tmdb.requests == 2

    @pytest.mark.parametrize(
        "body",
        [{"errors": ["not found"]}, {"status_message": "no route"}, {"status_code": 404}, {"status_code": 7}],
    )
    def test_only_tmdb_can_say_that_a_movie_is_gone(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, body: object
    ) -> None:
        tmdb.set_faults(Fault("answer", status=404, body=body))
        (answer,) = source.details([603])

        assert isinstance(answer, FetchFailed)

    @pytest.mark.parametrize("code", [6, 34])
    def test_tmdb_reports_a_movie_as_gone_with_one_of_two_codes(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, code: int
    ) -> None:
        tmdb.set_faults(Fault("answer", status=404, body={"status_code": code}))

        assert list(source.details([603])) == [MovieGone(603)]

    def test_a_refusal_stops_the_requests_for_movies_at_once(
        self, tmdb: TmdbSimulator, connect: Connect
    ) -> None:
        tmdb.set_faults(Fault("answer", path=MOVIE, nth=5, status=401, body={"status_code": 10}))
        answers = connect(budget=RequestPacer(100)).details(numbers(tmdb))
        with pytest.raises(SourceRefused, match="401: code 10"):
            list(answers)
        await_readers()

        assert tmdb.requests < 12

    @pytest.mark.parametrize("token", ["two words", "line\nbreak", "nul\x00", "naïve"])
    def test_a_malformed_credential_is_refused_without_being_shown(
        self, tmdb: TmdbSimulator, connect: Connect, token: str
    ) -> None:
        source = connect(access_token=token)
        with pytest.raises(SourceRefused) as caught:
            list(source.details([603]))

        assert str(caught.value) == "TMDB_ACCESS_TOKEN holds characters that no credential has"
        assert token not in "".join(traceback.format_exception(caught.value))
        assert tmdb.requests == 0


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        ("location", "shown"),
        [
            ("https://portal.example/login", "https://portal.example/login"),
            ("//portal.example:8443/login", "http://portal.example:8443/login"),
            (f"https://portal.example/a?api_key={KEY}&next=1#top", "https://portal.example/a"),
            (f"https://ann:{TOKEN}@portal.example/a", "https://portal.example/a"),
            (f"https://portal.example/{TOKEN}/a", "https://portal.example/***/a"),
        ],
    )
    def test_a_redirect_is_not_followed_and_its_target_reported_without_secrets(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, status: int, location: str, shown: str
    ) -> None:
        tmdb.set_faults(Fault("redirect", status=status, header=location))
        with pytest.raises(SourceUnavailable) as caught:
            source.popular(1)

        assert str(caught.value) == (
            f"TMDB answered {status}, a redirect to {shown}: check TMDB_BASE_URL, "
            "requested /movie/popular?page=1"
        )
        assert tmdb.requests == 1

    def test_the_credential_is_sent_to_no_other_host(self, connect: Connect) -> None:
        with (
            TmdbSimulator(catalogue=make_catalogue(5)) as other,
            TmdbSimulator(
                faults=[Fault("redirect", status=302, header=f"{other.url}/genre/movie/list")]
            ) as tmdb,
        ):
            for token in (TOKEN, None):
                with pytest.raises(SourceUnavailable, match=f"a redirect to {other.url}/genre/movie/list"):
                    connect(base_url=tmdb.url, access_token=token).genres()

            assert (tmdb.requests, other.requests) == (2, 0)

    @pytest.mark.parametrize("location", ["", "http://[::1", "x" * 1000])
    def test_an_invalid_or_endless_redirect_target_is_harmless(
        self, tmdb: TmdbSimulator, source: TmdbMovieSource, location: str
    ) -> None:
        tmdb.set_faults(Fault("redirect", status=302, header=location))
        with pytest.raises(SourceUnavailable, match="TMDB") as caught:
            source.popular(1)

        assert len(str(caught.value)) < 350


class TestSecrets:
    @pytest.mark.parametrize(("token", "key"), [(TOKEN, None), (None, KEY)])
    def test_no_log_error_or_repr_contains_the_credential(
        self,
        tmdb: TmdbSimulator,
        connect: Connect,
        caplog: pytest.LogCaptureFixture,
        token: str | None,
        key: str | None,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for name in ("httpx", "httpcore", "tenacity"):
            caplog.set_level(logging.DEBUG, logger=name)
        source = connect(access_token=token, api_key=key, policy=replace(HASTY, attempts=1))
        echo = {"status_message": f"You said api_key={TOKEN} and {KEY}"}
        echoes = [Fault("answer", status=status, body=echo) for status in (400, 401, 500)]
        echoes += [Fault("answer", status=401, body=echo | {"status_code": 7})]
        errors = []
        for fault in [*PASSING, *LASTING, *echoes]:
            tmdb.set_faults(fault)
            with pytest.raises((SourceRefused, SourceUnavailable)) as caught:
                source.popular(1)
            errors.append("".join(traceback.format_exception(caught.value)) + repr(caught.value))
        tmdb.set_faults()
        source.popular(1)

        written = (
            caplog.text
            + "".join(errors)
            + repr(source)
            + repr(source._client)
            + repr(source._client._credential)
        )
        assert "/3/movie/popular" in caplog.text
        assert "***" in written
        assert str(token or key) not in written

    def test_the_target_of_a_redirect_is_logged_without_the_key(
        self, source: TmdbMovieSource, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, logger="httpcore.http11")
        logging.getLogger("httpcore.http11").debug(
            "headers=%r", [(b"location", b"https://x/3?api_key=abc&page=1")]
        )

        assert "api_key=***&page=1" in caplog.text

    def test_importing_the_adapter_changes_no_logger(self) -> None:
        code = "import logging, adapters.tmdb.source; print(logging.getLogger('httpx').filters)"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout == "[]\n"


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [line for path in folder.glob(f"{name}.jsonl*") for line in json_lines(path)]


@pytest.mark.parametrize("folder", RECORDINGS, ids=lambda folder: folder.name)
class TestRecordings:
    LISTS = ("popular", "now_playing", "top_rated", "upcoming")

    def exchanges(self, folder: Path) -> list[dict[str, Any]]:
        return [exchange for exchange in Recordings(folder).exchanges if exchange["status"] == 200]

    def test_every_recorded_row_of_a_list_is_read(self, folder: Path) -> None:
        paths = (*(f"/3/movie/{name}" for name in self.LISTS), "/3/search/movie", "/3/discover/movie")
        pages = [exchange["body"] for exchange in self.exchanges(folder) if exchange["path"] in paths]
        pages = [page for page in pages if page["results"]]  # a search may have no results
        read = [payloads.listed(page, page["page"]) for page in pages]

        assert sum(len(page.movies) for page in read) == sum(len(page["results"]) for page in pages)
        assert sum(len(page.movies) for page in read) > (30 if folder == INVENTED_RECORDINGS else 300)
        assert not [row for page in read for row in page.unreadable]
        assert not [warning for page in read for each in page.movies for warning in each.warnings]

    def test_every_recorded_movie_is_read(self, folder: Path) -> None:
        named = [exchange for exchange in self.exchanges(folder) if exchange["path"].startswith("/3/movie/")]
        movies = [e["body"] for e in named if e["path"].count("/") == 3 and "imdb_id" in e["body"]]
        read = [payloads.detail(movie, movie["id"]) for movie in movies]

        assert len(read) >= 8
        assert {type(facts) for facts in read} == {MovieFacts}

    def test_every_recorded_special_case_is_read(self, folder: Path) -> None:
        oddities = lines(folder, "edge_items")
        for oddity in oddities:
            item = oddity["item"]
            facts = payloads.movie(item)

            assert facts.title == item["title"].strip(values.WHITE)
            assert facts.genres == tuple(map(genre_id, item.get("genre_ids", ())))
            assert (facts.release_date is None) == (not item.get("release_date"))
            assert facts.popularity == item["popularity"]
            assert facts.vote_average == item["vote_average"]
            assert facts.warnings == ()
        assert len(oddities) == 26 or folder != INVENTED_RECORDINGS

    def test_every_movie_of_the_recorded_catalogue_is_read(self, folder: Path) -> None:
        movies = lines(folder, "catalog_*")
        read = [payloads.movie(movie, detailed=True) for movie in movies]

        assert [facts.tmdb_id for facts in read] == [movie["id"] for movie in movies]
        assert movies or folder != INVENTED_RECORDINGS
        assert not [warning for facts in read for warning in facts.warnings]

    def test_recorded_exchanges_are_read_over_the_wire(self, folder: Path, connect: Connect) -> None:
        with TmdbSimulator(recordings=folder) as tmdb:
            source = connect(base_url=tmdb.url, languages=Languages(Language("da")))

            assert GenreFacts(tmdb_id=12, name="Eventyr") in source.genres().genres
            assert list(source.details([999_999_999])) == [MovieGone(999_999_999)]
