"""Syncs of /discover/movie and of TMDB's file of all movies, with the TMDB simulator."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.sqlite.store import SqliteStore
from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.client import RetryPolicy
from adapters.tmdb.source import TmdbMovieSource
from application.discovery import SyncDiscover
from application.sync_runner import ProgressCallback, SyncRunner, no_progress
from domain.discovery import DiscoverFilter
from domain.errors import InvalidFields
from domain.ports import Locks, MovieSource
from domain.sync import Entity, Status, SyncRun, SyncRunning
from tests.integration.sync_use_cases import Killed, SyncUseCases
from tests.stores import store_in_memory
from tests.tmdb_simulator import Catalogue, Fault, Record, TmdbSimulator

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
QUICK = RetryPolicy(min_backoff=0.01, max_backoff=0.02, attempts=2)
MAX_PAGES = 3
"""The pages that can be read of each list, so that lists need not be long to be divided."""


def film(number: int, released: str, **more: Any) -> Record:
    return {
        "id": number, "title": f"Film {number}", "release_date": released, "runtime": 90,
        "popularity": 1000.0 - number, "original_language": "en", "genre_ids": [18], **more,
    }  # fmt: skip


NINETIES = [film(number, f"{1990 + number % 10}-{1 + number % 12:02}-11") for number in range(1, 91)]
CROWDED = [film(number, f"2005-{1 + number % 12:02}-{1 + number % 28:02}") for number in range(100, 200)]
OTHERS = [
    film(300, "1888-10-14"),
    film(301, "2035-01-01"),
    film(302, "1995-05-05", adult=True),
    film(303, "1995-05-05", vote_count=50, original_language="fr", genre_ids=[35, 18]),
    film(304, "1996-05-05", vote_count=90, original_language="fr", genre_ids=[35]),
]
UNDATED = film(305, "")


@pytest.fixture(scope="module")
def simulator() -> Iterator[TmdbSimulator]:
    films = Catalogue([*NINETIES, *CROWDED, *OTHERS, UNDATED], now=lambda: NOW)
    with TmdbSimulator(films) as tmdb:
        yield tmdb


@pytest.fixture
def tmdb(simulator: TmdbSimulator) -> TmdbSimulator:
    simulator.set_faults()
    assert simulator.catalogue
    simulator.catalogue.export_days = {NOW.date()}
    simulator.catalogue.broken_lines = []
    return simulator


@pytest.fixture
def source(tmdb: TmdbSimulator) -> Iterator[TmdbMovieSource]:
    source = TmdbMovieSource(
        access_token="t",
        api_key=None,
        budget=RequestPacer(10_000),
        base_url=tmdb.url,
        exports_url=tmdb.exports_url,
        policy=QUICK,
    )
    source.max_pages = MAX_PAGES
    yield source
    source.close()


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(lambda: NOW)
    yield store
    store.close()


def discover(
    store: SqliteStore,
    source: MovieSource,
    text: str = "",
    on_progress: ProgressCallback = no_progress,
    locks: Locks | None = None,
) -> SyncRun:
    runner = SyncRunner(
        source=source,
        runs=store.runs,
        locks=locks or store.locks,
        jobs=system.NoJobQueue(),
        invalidation=system.NoCache(),
        clock=lambda: NOW,
        new_id=system.new_id,
    )
    sync = SyncDiscover(runner=runner, movies=store.movies)
    return sync(wanted=DiscoverFilter.parse(text), on_progress=on_progress)


def held(store: SqliteStore) -> set[int]:
    return set(store.movies.stale(NOW + timedelta(days=1), limit=9999))


def numbers(films: list[Record]) -> set[int]:
    return {each["id"] for each in films}


def details_requested(tmdb: TmdbSimulator, before: int) -> Counter[str]:
    return Counter(each.path for each in tmdb.log[before:] if each.path.startswith("/3/movie/"))


def lists_requested(tmdb: TmdbSimulator, before: int) -> Counter[tuple[str, ...]]:
    keys = ("primary_release_date.gte", "primary_release_date.lte", "page")
    lists = (each.params for each in tmdb.log[before:] if each.path == "/3/discover/movie")
    return Counter(tuple(params.get(key, "") for key in keys) for params in lists)


class TestLists:
    def test_a_list_that_can_be_read_whole_is_one_list_and_has_undated_movies_too(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        source.max_pages = 10
        before = tmdb.requests
        run = discover(store, source)

        assert (run.entity, run.status) == (Entity.DISCOVER, Status.SUCCESS)
        assert (run.pages_total, run.last_page) == (10, 10)
        assert held(store) == numbers([*NINETIES, *CROWDED, *OTHERS, UNDATED]) - {302}
        assert set(lists_requested(tmdb, before)) == {("", "", str(page)) for page in range(1, 11)}
        assert set(details_requested(tmdb, before).values()) == {1}

    @pytest.mark.parametrize("text", ["year_from=1990&year_to=1999", "year_from=1990&year_to=1999&pages=9"])
    def test_a_list_with_the_most_pages_that_can_be_read_is_not_divided(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource, text: str
    ) -> None:
        source.max_pages = 5
        before = tmdb.requests
        run = discover(store, source, text)

        assert (run.status, run.pages_total, run.problems) == (Status.SUCCESS, 5, ())
        assert {each[:2] for each in lists_requested(tmdb, before)} == {("1990-01-01", "1999-12-31")}

    def test_a_decade_that_is_too_long_is_read_by_years_and_each_movie_once(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        before = tmdb.requests
        run = discover(store, source, "year_from=1990&year_to=1999")

        assert (run.status, held(store)) == (Status.SUCCESS, numbers(NINETIES) | {303, 304})
        assert details_requested(tmdb, before) == Counter(f"/3/movie/{number}" for number in held(store))
        assert set(lists_requested(tmdb, before).values()) == {1}
        assert run.fetched == run.inserted + run.duplicates == 92 + 20
        assert run.requests == tmdb.requests - before
        assert run.pages_done == run.pages_total == 11

    def test_a_year_that_is_too_long_is_divided_by_days_and_so_is_everything(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        before = tmdb.requests
        run = discover(store, source)

        assert run.status is Status.SUCCESS
        assert held(store) == numbers([*NINETIES, *CROWDED, *OTHERS]) - {302}
        lists = lists_requested(tmdb, before)
        assert set(lists.values()) == {1}
        assert ("2005-01-01", "2005-12-31", "1") in lists
        assert ("2005-01-01", "2005-12-31", "2") not in lists
        assert max(int(page) for *_, page in lists) <= MAX_PAGES
        assert set(details_requested(tmdb, before).values()) == {1}
        again = tmdb.requests
        assert discover(store, source).inserted == 0
        assert details_requested(tmdb, again) == Counter()

    def test_a_day_that_is_too_long_is_read_as_far_as_possible_and_named(self, store: SqliteStore) -> None:
        crowd = [film(number, "2010-01-01") for number in range(1, 70)]
        with TmdbSimulator(crowd) as tmdb:
            source = TmdbMovieSource(
                access_token="t",
                api_key=None,
                budget=RequestPacer(10_000),
                base_url=tmdb.url,
                policy=QUICK,
            )
            source.max_pages = MAX_PAGES
            run = discover(store, source, "year=2010")
            source.close()

        assert (run.status, len(held(store))) == (Status.PARTIAL, 60)
        assert run.problems == (
            "2010-01-01/2010-01-01: of 4 pages only 3 can be read, and the period is not divisible",
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("language=fr", {303, 304}),
            ("min_votes=60", {304}),
            ("genre=Comedy", {303, 304}),
            ("genre=comedy,18", {303}),
            ("genre=comedy|18&year=1996&language=fr", {304}),
            ("min_votes=1000", set()),
        ],
    )
    def test_filters_are_sent_to_tmdb(
        self, store: SqliteStore, source: TmdbMovieSource, text: str, expected: set[int]
    ) -> None:
        run = discover(store, source, text)

        assert (run.status, held(store), run.pages_total) == (Status.SUCCESS, expected, 1)

    @pytest.mark.parametrize(("pages", "films"), [(2, 40), (MAX_PAGES, 60), (5, 82)])
    def test_at_most_so_many_pages_are_read(
        self, store: SqliteStore, source: TmdbMovieSource, pages: int, films: int
    ) -> None:
        run = discover(store, source, f"year_from=1990&pages={pages}")

        assert (run.status, run.pages_total) == (Status.SUCCESS, pages)
        assert len(held(store)) <= films
        assert (
            len(held(store)) == films or pages > MAX_PAGES
        )  # beyond that, a page may be that of a short year

    def test_an_unknown_genre_is_refused_before_the_run(
        self, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        with pytest.raises(InvalidFields, match="must be the TMDB number or name of a genre, not 'dramma'"):
            discover(store, source, "genre=dramma")
        assert store.runs.count() == 0

    def test_the_demo_is_filtered_likewise(self, store: SqliteStore) -> None:
        run = discover(store, DemoMovieSource(), "year_from=1999&year_to=1999&genre=878&language=en")
        assert run.status is Status.SUCCESS
        assert 603 in held(store)
        assert all(
            each.facts.release_date.year == 1999
            for each in store.movies.by_tmdb_ids(held(store)).values()
            if each.facts.release_date
        )
        some = discover(store, DemoMovieSource(), "genre=878|35&year=1999")
        assert some.inserted > 0
        exported = discover(store, DemoMovieSource(), "exported_min_popularity=0")
        assert (exported.status, exported.skipped) == (Status.SUCCESS, 0)


class TestInterruptions:
    def test_a_killed_run_is_resumed_with_its_plan_and_no_list_is_read_twice(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        before = tmdb.requests
        for pages in (3, 5):
            with pytest.raises(Killed):
                discover(store, source, "year_from=1990&year_to=1999", dying_after(pages))
        run = discover(store, source, "year_from=1990&year_to=1999")

        assert (run.status, held(store)) == (Status.SUCCESS, numbers(NINETIES) | {303, 304})
        assert set(lists_requested(tmdb, before).values()) == {1}
        assert set(details_requested(tmdb, before).values()) == {1}
        assert run.pages_total < 11

    def test_a_killed_run_with_another_filter_is_not_resumed(
        self, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        with pytest.raises(Killed):
            discover(store, source, "year_from=1990", dying_after(2))
        run = discover(store, source, "language=fr")

        assert (run.status, run.pages_total, run.inherited) == (Status.SUCCESS, 1, frozenset())
        assert {303, 304} <= held(store)

    def test_a_page_that_cannot_be_read_is_named_and_the_others_are(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        tmdb.set_faults(Fault("server_error", path="gte=1994-01-01"))
        run = discover(store, source, "year_from=1990&year_to=1999")

        assert (run.status, run.pages_failed) == (Status.PARTIAL, 1)
        lost = {each["id"] for each in NINETIES if each["release_date"].startswith("1994")}
        assert not lost <= held(store)
        assert held(store) | lost == numbers(NINETIES) | {303, 304}
        tmdb.set_faults()
        discover(store, source, "year_from=1990&year_to=1999")
        assert lost <= held(store)

    def test_without_tmdb_the_run_fails_soon(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        tmdb.set_faults(Fault("server_error"))
        before = tmdb.requests
        run = discover(store, source)

        assert (run.status, held(store), tmdb.requests - before) == (Status.FAILED, set(), 2)
        assert (run.pages_total, run.pages_failed) == (1, 1)

    def test_one_run_of_the_kind_at_a_time(self, store: SqliteStore, source: TmdbMovieSource) -> None:
        def another(run: SyncRun) -> None:
            if run.running and run.pages_done == 1:
                with pytest.raises(SyncRunning):
                    discover(store, source, "language=fr", locks=Held())

        assert discover(store, source, "language=fr", another).status is Status.SUCCESS

    def test_it_is_started_in_the_background_and_cancelled_like_the_others(
        self, use_cases: SyncUseCases
    ) -> None:
        queued = use_cases.enqueue(Entity.DISCOVER)
        run = use_cases.run_sync(entity=Entity.DISCOVER, queued=queued.id)
        assert (run.id, run.status, len(use_cases.stored_numbers())) == (queued.id, Status.SUCCESS, 20)
        cancelled = use_cases.cancel(run=use_cases.enqueue(Entity.DISCOVER).id)
        assert use_cases.run_sync(entity=Entity.DISCOVER, queued=cancelled.id).status is Status.CANCELLED


class Held:
    """Locks of which another process that lives has every one."""

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        return NOW + timedelta(days=1)

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        return False

    def transfer(self, name: str, holder: str, to: str, ttl: timedelta) -> bool:
        return False

    def release(self, name: str, holder: str) -> None:
        pass


def dying_after(pages: int) -> ProgressCallback:
    def on_progress(run: SyncRun) -> None:
        if run.pages_done >= pages:
            raise Killed

    return on_progress


class TestExports:
    def test_all_movies_of_a_popularity_are_read_that_are_missing(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        discover(store, source, "year=1994")
        first, before = held(store), tmdb.requests
        run = discover(store, source, "exported_min_popularity=880")
        wanted = {number for number in numbers([*NINETIES, *CROWDED]) if number <= 120}

        assert (run.status, held(store)) == (Status.SUCCESS, wanted | first)
        assert details_requested(tmdb, before) == Counter(f"/3/movie/{n}" for n in wanted - first)
        assert run.done == {1, 2, 3}
        assert (run.pages_total, run.last_page, run.fetched) == (3, 3, len(wanted - first))
        assert run.requests == tmdb.requests - before
        again = discover(store, source, "exported_min_popularity=880")
        assert (again.pages_done, again.pages_total, again.requests) == (1, 1, 1)
        assert not any(each.credential for each in tmdb.log if each.path.startswith("/p/"))

    def test_adult_movies_are_left_out_and_broken_lines_counted_and_named(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        assert tmdb.catalogue
        tmdb.catalogue.broken_lines = [
            b"{",
            b'{"id":"7"}',
            b'{"id":7,"adult":false,"popularity":"x"}',
            b"",
            b"[1]",
        ]
        run = discover(store, source, "exported_min_popularity=0")

        assert (run.status, run.skipped) == (Status.PARTIAL, 4)
        assert run.problems[0] == "line 1 of the file of all movies: no JSON object"
        assert "line 3 of the file of all movies: popularity cannot be read: 'x'" in run.problems
        assert held(store) == numbers([*NINETIES, *CROWDED, *OTHERS, UNDATED]) - {302}

    def test_yesterdays_file_is_read_while_there_is_none_of_today(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        assert tmdb.catalogue
        tmdb.catalogue.export_days = {NOW.date() - timedelta(days=1)}
        assert discover(store, source, "exported_min_popularity=950").status is Status.SUCCESS
        tmdb.catalogue.export_days = set()
        run = discover(store, source, "exported_min_popularity=950")
        assert run.status is Status.FAILED
        assert "TMDB has no file of all movies of 2026-03-20 or the day before" in str(run.error)

    @pytest.mark.parametrize("kind", ["truncated_body", "short_body", "html", "server_error", "hang_up"])
    def test_a_file_that_does_not_arrive_whole_is_requested_again_and_fails_the_run_at_last(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource, kind: str
    ) -> None:
        tmdb.set_faults(Fault(kind, path="/p/exports", times=1))
        assert discover(store, source, "exported_min_popularity=990").status is Status.SUCCESS
        tmdb.set_faults(Fault(kind, path="/p/exports"))
        run = discover(store, source, "exported_min_popularity=990")
        assert (run.status, run.pages_done, run.last_page) == (Status.FAILED, 0, 1)
        assert "TMDB's file of all movies cannot be read" in str(run.error)

    def test_a_killed_run_goes_on_with_what_is_missing(
        self, tmdb: TmdbSimulator, store: SqliteStore, source: TmdbMovieSource
    ) -> None:
        before = tmdb.requests
        with pytest.raises(Killed):
            discover(store, source, "exported_min_popularity=0", dying_after(2))
        run = discover(store, source, "exported_min_popularity=0")

        assert (run.status, run.inherited) == (Status.SUCCESS, frozenset())
        assert held(store) == numbers([*NINETIES, *CROWDED, *OTHERS, UNDATED]) - {302}
        assert set(details_requested(tmdb, before).values()) == {1}
