"""Syncs with a TMDB with and without faults: the catalogue and the record of the run are correct."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypedDict, Unpack

import pytest

from adapters import system
from adapters.demo import DemoMovieSource
from adapters.sqlite.store import SqliteStore
from adapters.testkit.movies import list_by_cursor, list_by_page
from adapters.testkit.samples import facts, new_run, store_page
from adapters.tmdb.budget import RequestPacer
from adapters.tmdb.client import RetryPolicy
from adapters.tmdb.source import TmdbMovieSource
from application.sync import SyncChanges, SyncGenres, SyncMovies
from application.sync_runner import ProgressCallback, SyncRunner, no_progress
from domain.browsing import MovieFilter, SortBy, Sorting, SortOrder
from domain.errors import StorageUnavailable
from domain.ids import RatingId, RunId, TmdbNumber, UserId
from domain.movies import CastMember, Movie, MovieFacts
from domain.pagination import Window
from domain.ports import Clock, MovieSource
from domain.ratings import Rating, Score
from domain.sync import Entity, PageResult, Status, SyncRun, SyncRunning
from domain.users import User
from tests.stores import store_in_memory
from tests.tmdb_simulator import LATE_GENRE, Catalogue, Fault, TmdbSimulator, make_movies

IMPATIENT = RetryPolicy(
    connect_timeout=1, read_timeout=1, total_timeout=2, attempts=3, min_backoff=0.001, max_backoff=0.002
)
PAGES = 6
MOVIES = PAGES * 20

# Syncs take three times as long under coverage. The few tests that execute lines of their own are measured.
pytestmark = pytest.mark.unmeasured


class Killed(BaseException):
    """Simulates a process that is killed: the runner must not close anything."""


@pytest.fixture
def tmdb() -> Iterator[TmdbSimulator]:
    with TmdbSimulator(Catalogue(make_movies(MOVIES, seed=4))) as simulator:
        yield simulator


@pytest.fixture
def source(tmdb: TmdbSimulator) -> Iterator[TmdbMovieSource]:
    source = TmdbMovieSource(
        access_token="token", api_key=None, budget=RequestPacer(1000), base_url=tmdb.url, policy=IMPATIENT
    )
    yield source
    source.close()


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from empty_store()


def empty_store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    yield store
    store.close()


def listing(tmdb: TmdbSimulator) -> Catalogue:
    """The movies of the simulator, which a test may change."""
    assert tmdb.catalogue
    return tmdb.catalogue


class Timing(TypedDict, total=False):
    """Fields of SyncRunner with times that a test can shorten."""

    lock_ttl: timedelta
    heartbeat_interval: timedelta


NO_HEARTBEAT: Timing = {"lock_ttl": timedelta(seconds=0.05), "heartbeat_interval": timedelta(days=1)}
"""The lock of a killed process expires soon. In these tests, all processes are threads."""


def runner(
    store: SqliteStore, source: MovieSource, clock: Clock = system.now, **timing: Unpack[Timing]
) -> SyncRunner:
    return SyncRunner(
        source=source,
        runs=store.runs,
        locks=store.locks,
        jobs=system.NoJobQueue(),
        invalidation=system.NoCache(),
        clock=clock,
        new_id=system.new_id,
        **timing,
    )


def sync_movies(
    store: SqliteStore,
    source: MovieSource,
    pages: int = PAGES,
    on_progress: ProgressCallback = no_progress,
    **timing: Unpack[Timing],
) -> SyncRun:
    runner_ = runner(store, source, **timing)
    return SyncMovies(runner=runner_, movies=store.movies)(pages=pages, on_progress=on_progress)


def sync_changes(store: SqliteStore, source: MovieSource, clock: Clock = system.now) -> SyncRun:
    return SyncChanges(runner=runner(store, source, clock), movies=store.movies)()


def catalogue(store: SqliteStore) -> dict[int, MovieFacts]:
    """All stored movies and genres without their times."""
    movies = store.movies.by_tmdb_ids(store.movies.stale(system.now() + timedelta(days=999), limit=9999))
    return {number: movie.facts for number, movie in movies.items()}


def dying_after(pages: int) -> Callable[[SyncRun], None]:
    """A progress callback that kills the process after a number of stored pages."""

    def on_progress(run: SyncRun) -> None:
        if run.pages_done >= pages:
            raise Killed

    return on_progress


@pytest.fixture
def _killed_without_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process does not close its record."""
    monkeypatch.setattr(SyncRunner, "_record_interruption", lambda *_: None)


def test_a_sync_stores_every_movie_with_its_details(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    run = sync_movies(store, source)
    assert (run.status, run.pages_total, run.pages_done, run.error) == (Status.SUCCESS, PAGES, PAGES, None)
    assert (run.fetched, run.inserted, run.requests) == (MOVIES, MOVIES, tmdb.requests)
    assert run == store.runs.get(run.id)
    held = catalogue(store)
    assert len(held) == MOVIES
    assert all(movie.detailed for movie in held.values())
    for number, movie in listing(tmdb).movies.items():
        facts = store.movies.get(TmdbNumber(number)).facts
        assert facts.directors == tuple(name for name, job in movie["_crew"] if job == "Director")
        assert facts.cast == tuple(CastMember(*each) for each in dict.fromkeys(movie["_cast"]))[:10]
        assert bool(facts.trailer_url) == bool(movie["_videos"])
        assert facts.recommended == tuple(movie["_recommended"])


def test_credits_that_cannot_be_read_keep_those_that_are_held(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    number = next(number for number, movie in listing(tmdb).movies.items() if movie["_cast"])
    before = store.movies.get(TmdbNumber(number)).facts
    tmdb.set_faults(Fault("values", path=f"/movie/{number}", key="credits", body={"cast": "many"}))
    listing(tmdb).change(number, title="Renamed", _videos=[{"key": "another"}])

    run = sync_movies(store, source)

    after = store.movies.get(TmdbNumber(number)).facts
    assert (run.status, len(run.problems)) == (Status.PARTIAL, 2)
    assert all(f"movie {number}: {fact}" in str(run.error) for fact in ("cast", "directors"))
    assert (after.cast, after.directors) == (before.cast, before.directors)
    assert (after.title, after.trailer_url) == ("Renamed", "https://www.youtube.com/watch?v=another")


def test_a_second_sync_reads_only_what_is_new_changed_or_without_runtime(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    tmdb.reset_counts()
    without_runtime = {number for number, movie in catalogue(store).items() if movie.runtime is None}
    changed = next(number for number, movie in catalogue(store).items() if movie.runtime)
    listing(tmdb).change(changed, title="Another title")
    run = sync_movies(store, source)
    requested = {int(request.path.split("/")[-1]) for request in tmdb.log if request.path[-1].isdigit()}
    assert requested == {changed} | without_runtime
    assert (run.inserted, run.updated, run.unchanged) == (0, 1, MOVIES - 1)
    assert catalogue(store)[changed].title == "Another title"


def test_a_sync_ends_with_the_last_page_of_the_source(store: SqliteStore, source: TmdbMovieSource) -> None:
    assert sync_movies(store, source, pages=500).pages_total == PAGES
    assert sync_movies(store, source, pages=2).pages_total == 2


def test_the_demo_catalogue_syncs_like_any_source(store: SqliteStore) -> None:
    demo = DemoMovieSource()
    genres = SyncGenres(runner=runner(store, demo), genres=store.genres)()
    movies = sync_movies(store, demo, pages=50)
    changes = sync_changes(store, demo)
    assert [run.status for run in (genres, movies, changes)] == [Status.SUCCESS] * 3
    assert movies.inserted == len(catalogue(store)) >= 250
    assert genres.inserted == 19
    page = store.movies.page(MovieFilter(), Sorting(), Window(limit=100))
    known = {genre.id for genre in store.genres.all()}
    assert all(known.issuperset(movie.facts.genres) for movie in page.movies)
    assert store.movies.get(TmdbNumber(603)).facts in set(demo.details([603, 999999999]))


def test_a_genre_that_arrives_late_is_resolved(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_genres(store, source)
    sync_movies(store, source)
    listing(tmdb).add_genre(LATE_GENRE, "Late")
    run = sync_genres(store, source)
    (late,) = (genre for genre in store.genres.all() if genre.name == "Late")
    assert run.inserted == 1
    assert store.movies.count(MovieFilter(all_genres=frozenset({late.id}))) > 0


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("too_many", per_target=True, times=1)],
        [Fault("too_many", per_target=True, times=1, seconds=0)],
        [Fault("server_error", per_target=True, times=2, status=503)],
        [Fault("reset", per_target=True, times=1), Fault("reset_in_body", per_target=True, nth=2, times=1)],
        [Fault("html", per_target=True, times=1), Fault("truncated_body", per_target=True, nth=2, times=1)],
        [Fault("gzip_garbage", probability=0.2, seed=1), Fault("hang_up", probability=0.1, seed=2)],
    ],
    ids=lambda faults: "+".join(fault.kind for fault in faults),
)
def test_transient_faults_do_not_change_the_result(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, faults: list[Fault]
) -> None:
    tmdb.set_faults(*faults)
    run = sync_movies(store, source)
    if run.status is not Status.SUCCESS:  # one request failed three times by chance: the next run reads it
        tmdb.set_faults()
        sync_movies(store, source)
    (undisturbed,) = (catalogue(other) for other in undisturbed_store(tmdb, source))
    assert catalogue(store) == undisturbed
    assert tmdb.applied_faults or run.status is Status.SUCCESS


def undisturbed_store(tmdb: TmdbSimulator, source: MovieSource) -> Iterator[SqliteStore]:
    tmdb.set_faults()
    for store in empty_store():
        sync_movies(store, source)
        yield store


def test_a_failed_page_is_counted_and_does_not_stop_the_run(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("server_error", "page=3", status=500))
    run = sync_movies(store, source)
    assert (run.status, run.pages_done, run.pages_failed, run.fetched) == (
        Status.PARTIAL,
        PAGES - 1,
        1,
        MOVIES - 20,
    )
    assert run.error
    assert run.error.startswith("page 3: TMDB answered 500")
    assert not run.complete


@pytest.mark.measured
def test_a_movie_with_unreadable_details_is_stored_from_the_list(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    number = listing(tmdb).popular_numbers()[0]
    tmdb.set_faults(Fault("server_error", f"/movie/{number}\\b", status=500))
    run = sync_movies(store, source)
    assert (run.status, run.inserted, run.skipped) == (Status.PARTIAL, MOVIES, 0)
    assert run.error
    assert run.error.startswith(f"movie {number}: TMDB answered 500")
    assert not catalogue(store)[number].detailed


@pytest.mark.measured
def test_unreadable_rows_are_skipped_counted_and_named(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("item_without_id", "page=2", item=4), Fault("item_null", "page=5", item=0))
    run = sync_movies(store, source)
    assert (run.status, run.skipped, run.fetched, run.inserted) == (Status.PARTIAL, 2, MOVIES, MOVIES - 2)
    assert [problem.split(":")[0] for problem in run.problems] == ["page 2", "page 5"]


BAD_VALUES = {
    "release_date": "4th of July 2001",
    "popularity": "high",
    "vote_average": {"out_of": 10},
    "vote_count": "1,234",
    "runtime": "1h 40m",
    "overview": ["in", "pieces"],
    "title": 300,
    "original_title": False,
    "poster_path": "https://image.tmdb.org/t/p/w500/a.jpg",
    "backdrop_path": "//evil.example/a.jpg",
    "imdb_id": 133093,
    "original_language": {},
}


@pytest.mark.parametrize("key", [*BAD_VALUES, "genres"])
def test_unreadable_values_keep_the_stored_ones_and_are_named(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, key: str
) -> None:
    sync_movies(store, source)
    before = catalogue(store)
    keys = ("genres", "genre_ids") if key == "genres" else (key,)
    tmdb.set_faults(*(Fault("values", key=each, body=BAD_VALUES.get(key)) for each in keys))
    run = sync_movies(store, source)
    read_again = refresh_all(store, source)
    assert catalogue(store) == before
    assert (run.unchanged, read_again.unchanged) == (MOVIES, MOVIES)
    assert read_again.status is Status.PARTIAL
    named = [problem for problem in read_again.problems if f": {key} cannot be read" in problem]
    assert len(named) == MOVIES
    assert f"{key} cannot be read" in str(read_again.error)


def refresh_all(store: SqliteStore, source: MovieSource) -> SyncRun:
    return sync_changes(store, source, lambda: system.now() + timedelta(days=20))


def test_a_timestamp_is_read_as_its_day(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("values", key="release_date", body="2001-07-04T00:00:00.000Z"))
    assert sync_movies(store, source).status is Status.SUCCESS
    assert {movie.release_date for movie in catalogue(store).values()} == {date(2001, 7, 4)}


def test_an_unreadable_value_in_details_is_taken_from_the_list(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    number = listing(tmdb).popular_numbers()[0]
    listing(tmdb).change(number, release_date="1999-03-31", runtime=90)
    tmdb.set_faults(Fault("values", f"/movie/{number}[?]", key="release_date", body="soon"))
    run = sync_movies(store, source)
    assert (catalogue(store)[number].release_date, catalogue(store)[number].runtime) == (
        date(1999, 3, 31),
        90,
    )
    assert run.problems == (f"movie {number}: release_date cannot be read: 'soon'",)


def test_a_value_unreadable_in_both_is_named_once(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    number = listing(tmdb).popular_numbers()[0]
    tmdb.set_faults(Fault("values", ids=[number], key="release_date", body="soon"))
    run = sync_movies(store, source)
    assert catalogue(store)[number].release_date is None
    assert run.problems == (f"movie {number}: release_date cannot be read: 'soon'",)


@pytest.mark.parametrize("value", ["true", 1, "false", None])
def test_movies_of_unclear_adult_status_are_not_visible(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, value: object
) -> None:
    sync_movies(store, source)
    tmdb.set_faults(Fault("values", key="adult", body=value))
    run = sync_movies(store, source)
    assert store.movies.count(MovieFilter()) == 0
    assert run.status is Status.PARTIAL
    tmdb.set_faults(Fault("values", key="adult", body=False))
    sync_movies(store, source)
    assert store.movies.count(MovieFilter()) == MOVIES


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_page_that_repeats_another_is_a_failed_page(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, number: int
) -> None:
    tmdb.set_faults(Fault("page_value", "popular.*page=4", key="page", body=number))
    run = sync_movies(store, source)
    assert (run.status, run.pages_failed, run.inserted) == (Status.PARTIAL, 1, MOVIES - 20)
    assert run.error == f"page 4: TMDB answered with page {number} instead, requested /movie/popular?page=4"
    tmdb.set_faults()
    assert sync_movies(store, source).inserted == 20


def test_an_empty_first_page_is_a_failed_page(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("empty_page", "popular.*page=1"))
    run = sync_movies(store, source)
    assert (run.status, run.pages_failed, run.inserted) == (Status.PARTIAL, 1, MOVIES - 20)
    assert str(run.error).startswith("page 1: TMDB answered with a first page without movies")
    assert store.runs.latest(Entity.MOVIES, completed=True) is None


def test_a_page_without_movies_fails_and_is_read_again(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(
        Fault("empty_page"),
        Fault("page_value", key="total_pages", body=0),
        Fault("page_value", key="total_results", body=0),
    )
    run = sync_movies(store, source, pages=1)
    assert (run.status, run.fetched) == (Status.FAILED, 0)
    assert store.runs.latest(Entity.MOVIES, completed=True) is None


def test_a_first_page_without_readable_rows_is_a_failed_page(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("values", "popular", key="id", body=None))
    run = sync_movies(store, source)
    assert (run.status, run.fetched) == (Status.FAILED, 0)
    assert "no readable row (row 1: no id)" in str(run.error)


def test_an_unreadable_number_of_pages_does_not_end_the_list(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("page_value", "popular.*page=[12]", key="total_pages", body="58,322"))
    run = sync_movies(store, source)
    assert (run.status, run.inserted) == (Status.PARTIAL, MOVIES)
    assert run.problems == tuple(f"page {page}: total_pages cannot be read: '58,322'" for page in (1, 2))


def sync_genres(store: SqliteStore, source: MovieSource) -> SyncRun:
    return SyncGenres(runner=runner(store, source), genres=store.genres)()


def test_every_row_of_the_list_of_genres_is_counted(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_genres(store, source)
    rows = [
        {"id": 28, "name": "Action"}, {"id": 28, "name": "Action!"}, {"id": 4711, "name": "New"},
        {"id": 18, "name": "Drama"}, {"id": 12, "name": ""}, {"id": 13}, {"name": "Nobody's"}, None,
        {"id": 16, "name": 7}, {"id": 18, "name": "Drama"},
    ]  # fmt: skip
    names = {genre.tmdb_id: genre.name for genre in store.genres.all()}
    tmdb.set_faults(Fault("genres", body=rows))
    run = sync_genres(store, source)
    assert (run.inserted, run.updated, run.unchanged, run.duplicates, run.skipped) == (1, 1, 1, 2, 5)
    assert (run.fetched, run.requests) == (len(rows), 1)
    assert run.status is Status.PARTIAL
    assert run.problems == (
        "row 5: genre 12 has no name",
        "row 6: genre 13 has no name",
        "row 7: no id",
        "row 8: no object",
        "row 9: genre 16: name cannot be read: 7",
    )
    held = {genre.tmdb_id: genre.name for genre in store.genres.all()}
    assert held == names | {28: "Action!", 4711: "New"}


@pytest.mark.parametrize("rows", [[], [None, {}], {}, None])
def test_an_empty_list_of_genres_is_a_failure(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, rows: object
) -> None:
    tmdb.set_faults(Fault("genres", body=rows))
    run = sync_genres(store, source)
    assert (run.status, str(run.error)[:8]) == (Status.FAILED, "page 1: ")
    assert store.runs.latest(Entity.GENRES, completed=True) is None


def test_a_403_from_a_firewall_affects_one_movie_only(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    number = listing(tmdb).popular_numbers()[0]
    tmdb.set_faults(Fault("firewall", f"/movie/{number}[?]", status=403))
    run = sync_movies(store, source)
    assert (run.status, run.inserted, len(run.problems)) == (Status.PARTIAL, MOVIES, 1)
    assert run.problems[0].startswith(f"movie {number}: 403 was answered by something other than TMDB")


@pytest.mark.parametrize("header", ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "-1"])
def test_a_source_that_is_busy_for_a_while_loses_no_movie(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, header: str
) -> None:
    tmdb.set_faults(Fault("too_many", per_target=True, times=IMPATIENT.attempts - 1, header=header))
    assert sync_movies(store, source).inserted == MOVIES


@pytest.mark.measured
def test_a_listed_movie_that_is_gone_is_skipped(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    number = listing(tmdb).popular_numbers()[5]
    tmdb.set_faults(Fault("gone", ids=(number,)))
    run = sync_movies(store, source)
    assert (run.skipped, run.inserted) == (1, MOVIES - 1)
    assert run.problems == (f"movie {number}: the source no longer knows it",)
    assert number not in catalogue(store)


def test_a_list_that_shifts_has_duplicates_which_are_read_once(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("shift", by=-3))
    run = sync_movies(store, source)
    assert run.duplicates == 3 * (PAGES - 1)
    assert run.fetched == run.inserted + run.duplicates == MOVIES
    assert len(catalogue(store)) == run.inserted


def test_a_run_fails_soon_if_every_page_fails(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    tmdb.set_faults(Fault("server_error", status=503))
    run = sync_movies(store, source)
    assert (run.status, run.pages_done, run.fetched) == (Status.FAILED, 0, 0)
    assert run.requests == tmdb.requests == 3 * IMPATIENT.attempts
    assert SyncGenres(runner=runner(store, source), genres=store.genres)().status is Status.FAILED


def test_a_refused_credential_stops_the_run_at_once(store: SqliteStore) -> None:
    with TmdbSimulator(Catalogue(make_movies(40)), token="right") as tmdb:
        source = TmdbMovieSource(
            access_token="wrong", api_key=None, budget=RequestPacer(1000), base_url=tmdb.url
        )
        run = sync_movies(store, source)
        source.close()
        assert (run.status, run.requests, tmdb.requests) == (Status.FAILED, 1, 1)
        assert run.error
        assert "TMDB_ACCESS_TOKEN" in run.error


@pytest.mark.usefixtures("_killed_without_cleanup")
@pytest.mark.parametrize("stored", range(PAGES + 1))
def test_the_run_after_a_killed_one_reads_the_remaining_pages(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, stored: int
) -> None:
    with pytest.raises(Killed):
        sync_movies(store, source, on_progress=dying_after(stored), **NO_HEARTBEAT)
    killed = store.runs.latest(Entity.MOVIES)
    assert killed
    assert killed.running
    assert killed.inserted == len(catalogue(store)) == 20 * stored

    tmdb.reset_counts()
    run = sync_movies(store, source)
    killed = store.runs.get(killed.id)
    assert (killed.status, killed.error) == (Status.FAILED, "its process died")
    assert (run.status, run.pages_done, run.inserted) == (
        Status.SUCCESS,
        PAGES - stored,
        MOVIES - 20 * stored,
    )
    assert run.pages_total == run.pages_done
    assert sum("popular" in request.path for request in tmdb.log) == PAGES - stored
    (undisturbed,) = (catalogue(other) for other in undisturbed_store(tmdb, source))
    assert catalogue(store) == undisturbed


@pytest.mark.usefixtures("_killed_without_cleanup")
def test_runs_that_are_killed_repeatedly_read_all_pages(store: SqliteStore, source: TmdbMovieSource) -> None:
    for _ in range(PAGES // 2):
        with suppress(Killed):
            sync_movies(store, source, on_progress=dying_after(2), **NO_HEARTBEAT)
    run = sync_movies(store, source)
    assert run.status is Status.SUCCESS
    assert sum(each.inserted for each in store.runs.recent(99)) == len(catalogue(store)) == MOVIES


def test_the_record_of_an_interrupted_run_is_closed(store: SqliteStore, source: TmdbMovieSource) -> None:
    with pytest.raises(Killed):
        sync_movies(store, source, on_progress=dying_after(1))
    run = store.runs.latest(Entity.MOVIES)
    assert run
    assert (run.status, run.error, run.pages_done) == (Status.FAILED, "interrupted", 1)
    assert store.locks.acquire("sync:movies", "anyone", timedelta(1)) is None


def test_a_cancelled_run_stops_at_its_next_page(store: SqliteStore, source: TmdbMovieSource) -> None:
    def cancel(run: SyncRun) -> None:
        if run.running and run.pages_done == 2:
            store.runs.save(run.cancelled(system.now()))

    run = sync_movies(store, source, on_progress=cancel)
    assert (run.status, run.pages_done, len(catalogue(store))) == (Status.CANCELLED, 2, 40)


def test_a_second_run_of_a_kind_is_refused_while_the_first_is_alive(
    store: SqliteStore, source: TmdbMovieSource
) -> None:
    often = timedelta(seconds=0.01)
    refused: list[SyncRunning] = []

    def intrude(run: SyncRun) -> None:
        if run.pages_done == 1 and not refused:
            with pytest.raises(SyncRunning, match="A sync of movies is running already") as caught:
                sync_movies(store, source)
            refused.append(caught.value)

    assert sync_movies(store, source, on_progress=intrude, heartbeat_interval=often).status is Status.SUCCESS
    assert refused
    assert len(store.runs.recent(9)) == 1


def test_runs_of_different_kinds_may_run_at_once(store: SqliteStore, source: TmdbMovieSource) -> None:
    runs: list[SyncRun] = []

    def also(run: SyncRun) -> None:
        if run.pages_done == 1 and not runs:
            runs.append(SyncGenres(runner=runner(store, source), genres=store.genres)())

    sync_movies(store, source, on_progress=also)
    assert runs[0].status is Status.SUCCESS


def test_a_run_left_in_progress_by_a_storage_failure_is_closed_by_the_next(
    store: SqliteStore, source: TmdbMovieSource
) -> None:

    class Failing:
        """A store that becomes unavailable."""

        away = False

        def __init__(self, part: object) -> None:
            self.part = part

        def __getattr__(self, name: str) -> object:
            if Failing.away:
                raise StorageUnavailable("it is gone")
            return getattr(self.part, name)

    def cut(run: SyncRun) -> None:
        if run.pages_done == 2:
            Failing.away = True

    broken = replace(
        runner(store, source, lock_ttl=timedelta(seconds=0.05)),
        runs=Failing(store.runs),  # type: ignore[arg-type]
        locks=Failing(store.locks),  # type: ignore[arg-type]
    )
    with pytest.raises(StorageUnavailable):
        SyncMovies(runner=broken, movies=Failing(store.movies))(pages=PAGES, on_progress=cut)  # type: ignore[arg-type]
    left = store.runs.latest(Entity.MOVIES)
    assert left
    assert left.running
    assert sync_movies(store, source).inserted == MOVIES - 40


def test_a_changes_run_reads_stored_movies_only(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    first, second, *_ = listing(tmdb).popular_numbers()
    listing(tmdb).change(first, runtime=222)
    listing(tmdb).change(second, title="Changed")
    listing(tmdb).add({"id": 999_001, "title": "Not ours"})
    tmdb.reset_counts()
    run = sync_changes(store, source)
    assert run.status is Status.SUCCESS
    assert run.updated == 2
    assert (catalogue(store)[first].runtime, catalogue(store)[second].title) == (222, "Changed")
    assert 999_001 not in catalogue(store)
    assert run.requests == tmdb.requests


def test_a_movie_removed_at_the_source_is_kept_only_if_it_is_rated(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    rated, unrated, *others = listing(tmdb).popular_numbers()
    for number in others:  # a movie whose recommendations change is updated, too
        listing(tmdb).change(number, _recommended=[])
    sync_movies(store, source)
    rate(store, rated)
    listing(tmdb).delete(rated)
    listing(tmdb).delete(unrated)
    run = sync_changes(store, source)
    assert run.status is Status.SUCCESS
    assert run.updated == 2
    kept = store.movies.get(TmdbNumber(rated))
    assert kept.removed_at == kept.synced_at
    assert kept.tally.count == 1
    assert unrated not in catalogue(store)
    assert store.movies.count(MovieFilter()) == sum(not m.adult for m in catalogue(store).values()) - (
        not kept.facts.adult
    )


def rate(store: SqliteStore, number: int) -> None:
    """Add a rating of a movie."""
    now = system.now()
    user = User(
        id=UserId(system.new_id()),
        username="ada",
        email="ada@example.org",
        password_hash="-",
        created_at=now,
        updated_at=now,
    )
    store.users.add(user)
    rated, score = store.movies.get(TmdbNumber(number)).id, Score.of(8)
    store.ratings.add(
        Rating(
            id=RatingId(system.new_id()),
            user=user.id,
            movie=rated,
            score=score,
            created_at=now,
            updated_at=now,
        )
    )


def test_a_changed_movie_with_unreadable_details_is_skipped_and_named(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    number = listing(tmdb).popular_numbers()[0]
    listing(tmdb).change(number, runtime=5)
    tmdb.set_faults(Fault("server_error", f"/movie/{number}\\b", status=502))
    run = sync_changes(store, source)
    assert (run.status, run.skipped, *run.unread) == (Status.PARTIAL, 1, number)
    assert store.runs.get(run.id) == run


def test_unread_movies_are_left_to_the_next_run_until_they_are_read(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    number = listing(tmdb).popular_numbers()[0]
    listing(tmdb).change(number, runtime=5)
    tmdb.set_faults(Fault("server_error", f"/movie/{number}\\b", status=502))
    sync_changes(store, source)
    soon, later, latest = (moment_after(days) for days in (10, 20, 21))
    listing(tmdb).change(number, when=99, runtime=5)  # so that the source no longer lists it
    again = sync_changes(store, source, soon)
    assert (again.skipped, *again.unread) == (1, number)
    tmdb.set_faults()
    third = sync_changes(store, source, later)
    assert (third.status, third.updated, third.unread) == (Status.SUCCESS, 1, frozenset())
    assert catalogue(store)[number].runtime == 5
    assert sync_changes(store, source, latest).fetched == 0


def moment_after(days: int) -> Callable[[], datetime]:
    return lambda: system.now() + timedelta(days=days)


@pytest.mark.usefixtures("_killed_without_cleanup")
def test_unread_movies_are_kept_over_killed_and_failed_runs(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    number = listing(tmdb).popular_numbers()[0]
    listing(tmdb).change(number, runtime=5)
    tmdb.set_faults(Fault("server_error", f"/movie/{number}\\b", status=502))
    sync_changes(store, source)
    with pytest.raises(Killed):
        SyncChanges(runner=runner(store, source, **NO_HEARTBEAT), movies=store.movies)(
            on_progress=dying_after(0)
        )
    tmdb.set_faults(Fault("server_error", status=502))
    failed = sync_changes(store, source)
    assert (failed.status, *failed.unread) == (Status.FAILED, number)
    tmdb.set_faults()
    assert sync_changes(store, source).unread == frozenset()
    assert catalogue(store)[number].runtime == 5


def test_an_unread_movie_that_was_deleted_is_not_read_again(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    number = listing(tmdb).popular_numbers()[0]
    run = replace(new_run(store, Entity.CHANGES), started_at=system.now())
    store.runs.save(replace(run, unread=frozenset({number, 999_999})).finished(system.now()))
    tmdb.reset_counts()
    sync_changes(store, source)
    requested = [request.path for request in tmdb.log if request.path[-1].isdigit()]
    assert f"/3/movie/{number}" in requested
    assert "/3/movie/999999" not in requested


def test_too_many_unread_movies_make_the_next_run_read_their_page_again(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.sync.MAX_UNREAD", 50)
    sync_movies(store, source)
    tmdb.set_faults(*(Fault("server_error", f"/movie/{n}\\b") for n in listing(tmdb).popular_numbers()[:60]))
    run = refresh_all(store, source)
    assert (run.status, run.pages_failed, run.complete) == (Status.PARTIAL, 1, False)
    assert "More than 50 movies could not be read" in str(run.error)
    tmdb.set_faults()
    again = refresh_all(store, source)
    assert (again.status, again.fetched) == (Status.SUCCESS, 100)  # all movies of the failed page


NOT_TMDB = {
    "a path of TMDB's host": Fault("answer", status=404, body={"status_code": 34, "status_message": "No."}),
    "another site": Fault("firewall", status=404),
    "an API": Fault("answer", status=404, body={"detail": "Not Found"}),
}


@pytest.mark.parametrize("wrong", NOT_TMDB.values(), ids=NOT_TMDB)
@pytest.mark.parametrize("days", [1, 20])
def test_a_wrong_base_url_removes_no_movie(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, wrong: Fault, days: int
) -> None:
    sync_movies(store, source)
    rate(store, listing(tmdb).popular_numbers()[0])
    before = catalogue(store)
    tmdb.set_faults(wrong)
    run = sync_changes(store, source, moment_after(days))
    assert (run.status, run.updated, catalogue(store)) == (Status.FAILED, 0, before)
    assert store.movies.get(TmdbNumber(listing(tmdb).popular_numbers()[0])).removed_at is None


@pytest.mark.measured
def test_a_source_that_reports_most_movies_gone_is_not_trusted(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    before = catalogue(store)
    tmdb.set_faults(Fault("gone", ids=listing(tmdb).popular_numbers()[:100]))
    run = refresh_all(store, source)
    assert (run.status, run.pages_failed, run.complete) == (Status.PARTIAL, 1, False)
    assert "are said to be unknown, which is not believed: check TMDB_BASE_URL" in str(run.error)
    assert catalogue(store) == before


def test_a_source_that_reports_some_movies_gone_is_trusted(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    dropped = listing(tmdb).popular_numbers()[:19]
    tmdb.set_faults(Fault("gone", ids=dropped))
    run = refresh_all(store, source)
    assert (run.status, run.updated) == (Status.SUCCESS, 19)
    assert catalogue(store).keys().isdisjoint(dropped)


@pytest.mark.parametrize("number", [2, 4, PAGES])
def test_an_empty_page_before_the_end_of_a_list_is_a_failed_page(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, number: int
) -> None:
    tmdb.set_faults(Fault("empty_page", f"popular.*page={number}\\b"))
    run = sync_movies(store, source)
    assert (run.status, run.pages_failed, run.inserted) == (Status.PARTIAL, 1, MOVIES - 20)
    assert f"page {number}: TMDB answered with a page without movies, before the end of the list" in str(
        run.error
    )


@pytest.mark.parametrize("total_pages", [None, "", 0])
def test_a_list_without_a_number_of_pages_is_read_on_and_is_partial(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, total_pages: object
) -> None:
    tmdb.set_faults(Fault("page_value", "popular", key="total_pages", body=total_pages))
    run = sync_movies(store, source, pages=PAGES + 3)
    assert (run.status, run.inserted, run.pages_failed) == (Status.PARTIAL, MOVIES, 0)
    assert run.problems[0] == f"page 1: total_pages cannot be read: {total_pages!r}"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("page_value", "changes", key="total_pages", body=None),
        Fault("empty_page", "changes.*page=1"),
        Fault("empty_page", "changes.*page=2"),
    ],
)
def test_incomplete_changes_make_the_next_run_read_them_again(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator, fault: Fault
) -> None:
    sync_movies(store, source)
    for number in listing(tmdb).popular_numbers():
        listing(tmdb).change(number, runtime=7)
    tmdb.set_faults(fault)
    missed = sync_changes(store, source)
    assert (missed.complete, missed.pages_failed) == (False, 1)
    tmdb.set_faults()
    sync_changes(store, source)
    assert {movie.runtime for movie in catalogue(store).values()} == {7}


def test_without_a_complete_run_everything_is_refreshed(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    fill_by_hand(store, listing(tmdb).popular_numbers())
    run = sync_changes(store, source)
    assert (run.status, run.pages_total, run.fetched, run.updated) == (Status.SUCCESS, 2, MOVIES, MOVIES)
    assert all(movie.detailed for movie in catalogue(store).values())


def fill_by_hand(store: SqliteStore, numbers: list[int]) -> None:
    run = store_page(store, *(facts(number) for number in numbers))
    store.runs.save(run.failed(run.started_at, "by hand"))


def test_after_more_than_two_weeks_everything_is_refreshed(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    assert sync_changes(store, source).fetched < MOVIES
    late: Callable[[], datetime] = lambda: system.now() + timedelta(days=15)  # noqa: E731
    run = sync_changes(store, source, late)
    assert (run.status, run.fetched, run.unchanged) == (Status.SUCCESS, MOVIES, MOVIES)


@pytest.mark.usefixtures("_killed_without_cleanup")
def test_a_killed_full_refresh_is_resumed(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    fill_by_hand(store, listing(tmdb).popular_numbers())
    with pytest.raises(Killed):
        SyncChanges(runner=runner(store, source, **NO_HEARTBEAT), movies=store.movies)(
            on_progress=dying_after(1)
        )
    run = sync_changes(store, source)
    assert (run.status, run.fetched) == (Status.SUCCESS, MOVIES - 100)


def test_a_failed_page_of_changes_makes_the_next_run_read_them_again(
    store: SqliteStore, source: TmdbMovieSource, tmdb: TmdbSimulator
) -> None:
    sync_movies(store, source)
    for number in listing(tmdb).popular_numbers():
        listing(tmdb).change(number, runtime=7)
    tmdb.set_faults(Fault("server_error", "changes.*page=2", status=500))
    missed = sync_changes(store, source)
    assert (missed.status, missed.pages_failed) == (Status.PARTIAL, 1)
    tmdb.set_faults()
    sync_changes(store, source)
    assert {movie.runtime for movie in catalogue(store).values()} == {7}


def test_a_run_closed_by_a_newer_process_stores_nothing_more(
    store: SqliteStore, source: TmdbMovieSource
) -> None:
    stale = new_run(store)
    store.runs.save(stale.failed(system.now(), "its process died"))
    late = SyncRun(id=RunId("9" * 24), entity=Entity.MOVIES, started_at=system.now())
    store.runs.add(late)
    with pytest.raises(Exception, match="closed"):
        store.movies.store(PageResult(page=1, at=system.now(), movies=(facts(1),)), stale)
    assert catalogue(store) == {}


@pytest.mark.parametrize("way", [list_by_cursor, list_by_page])
def test_lists_show_each_movie_once_while_a_sync_runs(
    tmp_path: Path, source: TmdbMovieSource, way: Callable[[SqliteStore, MovieFilter, Sorting], list[Movie]]
) -> None:
    store = SqliteStore(path=tmp_path / "matinee.db", clock=system.now)
    store.prepare()
    sync_movies(store, source)
    every = {movie.id for movie in store.movies.by_tmdb_ids(catalogue(store)).values() if movie.visible}
    with ThreadPoolExecutor(1) as pool:
        syncing = pool.submit(sync_movies, store, source)
        walks = 0
        while not syncing.done():
            for sorting in (Sorting(), Sorting(SortBy.TITLE, SortOrder.ASC)):
                walked = [movie.id for movie in way(store, MovieFilter(), sorting)]
                assert len(walked) == len(set(walked))
                assert set(walked) == every
                walks += 1
    assert syncing.result().unchanged == MOVIES
    assert walks > 1
    store.close()
