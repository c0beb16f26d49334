"""The sweep: movies that were not synced for long are refreshed, or their texts cleared."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.demo import DemoMovieSource
from adapters.testkit.samples import new_run, noon, store_page
from application.sync import SyncMovies
from domain.ids import TmdbNumber
from domain.sync import REFRESH_AFTER, Entity, Status, SyncRunning
from tests.integration.sync_use_cases import TEXT_RETENTION, FakeSource, Killed, SyncUseCases, facts_of


def test_a_changes_run_refreshes_movies_not_synced_for_months(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, 251)), day=1)
    use_cases.clock.now = noon(1) + REFRESH_AFTER
    store_page(use_cases.store, *map(facts_of, range(251, 261)), day=1)
    new = new_run(use_cases.store, Entity.CHANGES)
    use_cases.store.runs.save(replace(new, started_at=use_cases.clock()).finished(use_cases.clock()))

    use_cases.clock.advance(timedelta(hours=1))
    done = use_cases.run_sync(entity=Entity.CHANGES)

    assert (done.status, done.pages_total, done.pages_done, done.unchanged) == (Status.SUCCESS, 4, 4, 260)
    assert sorted(fake_source.requested) == list(range(1, 261))
    fake_source.requested.clear()
    assert (use_cases.run_sync(entity=Entity.CHANGES).pages_total, fake_source.requested) == (1, [])


def test_a_full_refresh_skips_what_a_failed_one_has_refreshed(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, 251)), day=1)
    use_cases.clock.now = noon(30)
    first = use_cases.enqueue(Entity.CHANGES)

    def die(number: int) -> None:
        if number == 101:
            raise Killed

    fake_source.before_detail = die
    with pytest.raises(Killed):
        use_cases.run_sync(entity=Entity.CHANGES, queued=first.id)
    fake_source.before_detail = lambda _: None
    fake_source.requested.clear()
    use_cases.clock.advance(timedelta(hours=1))
    second = use_cases.enqueue(Entity.CHANGES)
    done = use_cases.run_sync(entity=Entity.CHANGES, queued=second.id)
    assert (done.id, done.status, done.pages_done) == (second.id, Status.SUCCESS, 2)
    assert len(fake_source.requested) == 150


def test_a_sweep_refreshes_old_movies_and_clears_the_texts_of_the_rest(
    use_cases: SyncUseCases, fake_source: FakeSource
) -> None:
    store_page(use_cases.store, *map(facts_of, range(1, 7)), day=1)
    fake_source.unread = {2, 5}
    use_cases.clock.now = noon(1) + TEXT_RETENTION + timedelta(seconds=1)

    swept = use_cases.sweep()

    assert swept.run
    assert (swept.run.status, swept.cleared) == (Status.PARTIAL, 2)
    for number in range(1, 7):
        movie = use_cases.store.movies.get(TmdbNumber(number))
        assert (movie.facts.overview is None) == (number in fake_source.unread)
        assert movie.facts.title == f"Movie {number}"
    assert use_cases.sweep().cleared == 0


def test_a_sweep_completes_a_bounded_number_of_movies_the_most_popular_first(
    use_cases: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.sync.MAX_COMPLETED", 3)
    store_page(
        use_cases.store,
        *(replace(facts_of(number), details_version=None, popularity=number) for number in range(1, 8)),
        facts_of(8),
    )
    done = use_cases.run_sync(entity=Entity.CHANGES)  # a first run refreshes everything
    assert done.status is Status.SUCCESS
    store_page(
        use_cases.store,
        *(replace(facts_of(number), details_version="0", popularity=number) for number in range(1, 8)),
    )
    fake_source.requested.clear()

    assert use_cases.run_sync(entity=Entity.CHANGES).pages_total == 1
    assert fake_source.requested == []
    nights = []
    fake_source.unread = {6}
    for _ in range(4):
        run = use_cases.sweep().run
        assert run
        nights.append((fake_source.requested[:], run.status, run.fetched))
        fake_source.requested.clear()

    assert nights == [
        ([7, 6, 5], Status.PARTIAL, 3),
        ([6, 4, 3], Status.PARTIAL, 3),
        ([6, 2, 1], Status.PARTIAL, 3),
        ([6], Status.PARTIAL, 1),
    ]


def test_texts_within_the_retention_time_are_kept(use_cases: SyncUseCases, fake_source: FakeSource) -> None:
    store_page(use_cases.store, facts_of(1), day=1)
    fake_source.unread = {1}
    use_cases.clock.now = noon(1) + TEXT_RETENTION
    assert use_cases.sweep().cleared == 0
    assert use_cases.store.movies.get(TmdbNumber(1)).facts.overview


def test_texts_are_cleared_in_batches(
    use_cases: SyncUseCases, fake_source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.sync.CLEAR_BATCH", 3)
    store_page(use_cases.store, *map(facts_of, range(1, 8)), day=1)
    fake_source.unread = set(range(1, 8))
    use_cases.clock.now = noon(1) + TEXT_RETENTION * 2
    assert use_cases.sweep().cleared == 7


def test_nothing_is_cleared_while_a_changes_run_is_in_progress(use_cases: SyncUseCases) -> None:
    store_page(use_cases.store, facts_of(1), day=1)
    use_cases.clock.now = noon(1) + TEXT_RETENTION * 2
    use_cases.enqueue(Entity.CHANGES)
    with pytest.raises(SyncRunning):
        use_cases.sweep()
    assert use_cases.store.movies.get(TmdbNumber(1)).facts.overview


def test_texts_of_the_demo_are_refreshed_and_never_cleared(use_cases: SyncUseCases) -> None:
    demo = SyncUseCases(use_cases.store, use_cases.clock, DemoMovieSource())
    SyncMovies(runner=demo.runner, movies=use_cases.store.movies)(pages=500)
    use_cases.clock.advance(TEXT_RETENTION * 2)

    swept = demo.sweep()

    assert swept.run
    assert (swept.run.status, swept.cleared) == (Status.SUCCESS, 0)
    matrix = use_cases.store.movies.get(TmdbNumber(603))
    assert (bool(matrix.facts.overview), matrix.synced_at) == (True, use_cases.clock())


def test_texts_of_the_demo_are_kept_when_the_source_is_tmdb(use_cases: SyncUseCases) -> None:
    demo = SyncUseCases(use_cases.store, use_cases.clock, DemoMovieSource())
    SyncMovies(runner=demo.runner, movies=use_cases.store.movies)(pages=500)
    use_cases.clock.advance(TEXT_RETENTION * 2)

    swept = use_cases.sweep()

    assert (swept.run, swept.cleared) == (None, 0)
    assert use_cases.store.movies.get(TmdbNumber(603)).facts.overview


def test_texts_from_tmdb_are_cleared_even_if_nothing_can_be_refreshed(use_cases: SyncUseCases) -> None:
    store_page(use_cases.store, facts_of(987654), day=1)
    use_cases.clock.now = noon(1) + TEXT_RETENTION * 2
    demo = SyncUseCases(use_cases.store, use_cases.clock, DemoMovieSource())

    swept = demo.sweep()

    assert (swept.run, swept.cleared) == (None, 1)
    kept = use_cases.store.movies.get(TmdbNumber(987654))
    assert (kept.facts.overview, kept.removed_at, kept.facts.title) == (None, None, "Movie 987654")
