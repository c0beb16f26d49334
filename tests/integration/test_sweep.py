"""The sweep: movies that were not synced for long are refreshed, or their texts cleared."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.demo import DemoMovieSource
from adapters.testkit.samples import new_run, noon, store_page
from application.sync import SyncMovies
from domain.ids import TmdbNumber
from domain.sync import REFRESH_AFTER, Entity, Status, SyncRunning
from tests.integration.sync_bench import TEXT_RETENTION, Bench, Killed, ShelfSource, facts_of


def test_a_changes_run_refreshes_movies_not_synced_for_months(bench: Bench, shelf: ShelfSource) -> None:
    store_page(bench.store, *map(facts_of, range(1, 251)), day=1)
    bench.clock.now = noon(1) + REFRESH_AFTER
    store_page(bench.store, *map(facts_of, range(251, 261)), day=1)
    new = new_run(bench.store, Entity.CHANGES)
    bench.store.runs.save(replace(new, started_at=bench.clock()).finished(bench.clock()))

    bench.clock.advance(timedelta(hours=1))
    done = bench.do(entity=Entity.CHANGES)

    assert (done.status, done.pages_total, done.pages_done, done.unchanged) == (Status.SUCCESS, 4, 4, 260)
    assert sorted(shelf.requested) == list(range(1, 261))
    shelf.requested.clear()
    assert (bench.do(entity=Entity.CHANGES).pages_total, shelf.requested) == (1, [])


def test_a_full_refresh_skips_what_a_failed_one_has_refreshed(bench: Bench, shelf: ShelfSource) -> None:
    store_page(bench.store, *map(facts_of, range(1, 251)), day=1)
    bench.clock.now = noon(30)
    first = bench.enqueue(Entity.CHANGES)

    def die(number: int) -> None:
        if number == 101:
            raise Killed

    shelf.before_detail = die
    with pytest.raises(Killed):
        bench.do(entity=Entity.CHANGES, queued=first.id)
    shelf.before_detail = lambda _: None
    shelf.requested.clear()
    bench.clock.advance(timedelta(hours=1))
    second = bench.enqueue(Entity.CHANGES)
    done = bench.do(entity=Entity.CHANGES, queued=second.id)
    assert (done.id, done.status, done.pages_done) == (second.id, Status.SUCCESS, 2)
    assert len(shelf.requested) == 150


def test_a_sweep_refreshes_old_movies_and_clears_the_texts_of_the_rest(
    bench: Bench, shelf: ShelfSource
) -> None:
    store_page(bench.store, *map(facts_of, range(1, 7)), day=1)
    shelf.unread = {2, 5}
    bench.clock.now = noon(1) + TEXT_RETENTION + timedelta(seconds=1)

    swept = bench.sweep()

    assert swept.run
    assert (swept.run.status, swept.cleared) == (Status.PARTIAL, 2)
    for number in range(1, 7):
        movie = bench.store.movies.get(TmdbNumber(number))
        assert (movie.facts.overview is None) == (number in shelf.unread)
        assert movie.facts.title == f"Movie {number}"
    assert bench.sweep().cleared == 0


def test_a_sweep_completes_a_bounded_number_of_movies_the_most_popular_first(
    bench: Bench, shelf: ShelfSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.sync.MAX_COMPLETED", 3)
    store_page(
        bench.store,
        *(replace(facts_of(number), details_version=None, popularity=number) for number in range(1, 8)),
        facts_of(8),
    )
    done = bench.do(entity=Entity.CHANGES)  # a first run refreshes everything
    assert done.status is Status.SUCCESS
    store_page(
        bench.store,
        *(replace(facts_of(number), details_version="0", popularity=number) for number in range(1, 8)),
    )
    shelf.requested.clear()

    assert bench.do(entity=Entity.CHANGES).pages_total == 1
    assert shelf.requested == []
    nights = []
    shelf.unread = {6}
    for _ in range(4):
        run = bench.sweep().run
        assert run
        nights.append((shelf.requested[:], run.status, run.fetched))
        shelf.requested.clear()

    assert nights == [
        ([7, 6, 5], Status.PARTIAL, 3),
        ([6, 4, 3], Status.PARTIAL, 3),
        ([6, 2, 1], Status.PARTIAL, 3),
        ([6], Status.PARTIAL, 1),
    ]


def test_texts_within_the_retention_time_are_kept(bench: Bench, shelf: ShelfSource) -> None:
    store_page(bench.store, facts_of(1), day=1)
    shelf.unread = {1}
    bench.clock.now = noon(1) + TEXT_RETENTION
    assert bench.sweep().cleared == 0
    assert bench.store.movies.get(TmdbNumber(1)).facts.overview


def test_texts_are_cleared_in_batches(
    bench: Bench, shelf: ShelfSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.sync.CLEAR_BATCH", 3)
    store_page(bench.store, *map(facts_of, range(1, 8)), day=1)
    shelf.unread = set(range(1, 8))
    bench.clock.now = noon(1) + TEXT_RETENTION * 2
    assert bench.sweep().cleared == 7


def test_nothing_is_cleared_while_a_changes_run_is_in_progress(bench: Bench) -> None:
    store_page(bench.store, facts_of(1), day=1)
    bench.clock.now = noon(1) + TEXT_RETENTION * 2
    bench.enqueue(Entity.CHANGES)
    with pytest.raises(SyncRunning):
        bench.sweep()
    assert bench.store.movies.get(TmdbNumber(1)).facts.overview


def test_texts_of_the_demo_are_refreshed_and_never_cleared(bench: Bench) -> None:
    demo = Bench(bench.store, bench.clock, DemoMovieSource())
    SyncMovies(runner=demo.runner, movies=bench.store.movies)(pages=500)
    bench.clock.advance(TEXT_RETENTION * 2)

    swept = demo.sweep()

    assert swept.run
    assert (swept.run.status, swept.cleared) == (Status.SUCCESS, 0)
    matrix = bench.store.movies.get(TmdbNumber(603))
    assert (bool(matrix.facts.overview), matrix.synced_at) == (True, bench.clock())


def test_texts_of_the_demo_are_kept_when_the_source_is_tmdb(bench: Bench) -> None:
    demo = Bench(bench.store, bench.clock, DemoMovieSource())
    SyncMovies(runner=demo.runner, movies=bench.store.movies)(pages=500)
    bench.clock.advance(TEXT_RETENTION * 2)

    swept = bench.sweep()

    assert (swept.run, swept.cleared) == (None, 0)
    assert bench.store.movies.get(TmdbNumber(603)).facts.overview


def test_texts_from_tmdb_are_cleared_even_if_nothing_can_be_refreshed(bench: Bench) -> None:
    store_page(bench.store, facts_of(987654), day=1)
    bench.clock.now = noon(1) + TEXT_RETENTION * 2
    demo = Bench(bench.store, bench.clock, DemoMovieSource())

    swept = demo.sweep()

    assert (swept.run, swept.cleared) == (None, 1)
    kept = bench.store.movies.get(TmdbNumber(987654))
    assert (kept.facts.overview, kept.removed_at, kept.facts.title) == (None, None, "Movie 987654")
