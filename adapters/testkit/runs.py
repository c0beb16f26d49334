"""The contracts of SyncRunRepository and GenreRepository."""

from dataclasses import replace

import pytest

from adapters.store import Store
from adapters.testkit.samples import facts, new_run, noon, read_pages
from domain.ids import GenreId, RunId, genre_id
from domain.movies import Genre, GenreFacts, GenreNotFound
from domain.sync import Entity, PageResult, RunClosed, RunNotFound, SyncRun, SyncRunning


class SyncRunRepositoryContract:
    """Storing, closing and listing sync runs."""

    def test_a_run_is_stored_with_its_plan_and_so_is_each_page(self, store: Store) -> None:
        run = new_run(store, Entity.DISCOVER).with_plan("min_votes=5\n/ 1 1")
        store.runs.save(run)
        assert store.runs.get(run.id) == run
        stored = store.movies.store(PageResult(page=1, at=noon(), movies=(facts(1),)), run.with_plan("x"))
        assert store.runs.get(run.id) == stored
        assert stored.plan == "x"

    def test_a_run_is_read_as_it_was_saved(self, store: Store) -> None:
        run = new_run(store, Entity.CHANGES).bounded(9).missed(3, "no answer", 5)
        store.runs.save(run)
        assert store.runs.get(run.id) == run
        unread = store.movies.store(
            PageResult(page=1, at=noon(), movies=(facts(1),), unread=(5, 3)),
            replace(run, unread=frozenset({1, 2})),
        )
        assert unread.unread == {2, 3, 5}
        assert store.runs.get(run.id) == unread
        store.runs.save(run.failed(noon(2), "given up"))
        assert store.runs.get(run.id) == run.failed(noon(2), "given up")

    def test_a_missing_run_is_not_found(self, store: Store) -> None:
        with pytest.raises(RunNotFound):
            store.runs.get(RunId("0" * 24))

    def test_only_one_run_of_a_kind_is_in_progress(self, store: Store) -> None:
        first = new_run(store)
        second = SyncRun(id=RunId("f" * 24), entity=Entity.MOVIES, started_at=noon(2))
        with pytest.raises(SyncRunning):
            store.runs.add(second)
        store.runs.add(SyncRun(id=RunId("e" * 24), entity=Entity.GENRES, started_at=noon()))
        store.runs.save(first.cancelled(noon()))
        store.runs.add(second)

    def test_a_closed_run_cannot_be_changed(self, store: Store) -> None:
        run = new_run(store)
        store.runs.save(run.cancelled(noon()))
        with pytest.raises(RunClosed):
            store.runs.save(run.finished(noon(2)))
        assert store.runs.get(run.id) == run.cancelled(noon())

    def test_a_cancelled_run_keeps_what_it_has_done(self, store: Store) -> None:
        run = store.movies.store(PageResult(page=1, at=noon(), movies=(facts(1),)), new_run(store))
        cancelled = store.runs.cancel(run.id, noon(2))
        assert cancelled == run.cancelled(noon(2)) == store.runs.get(run.id)
        with pytest.raises(RunClosed):
            store.runs.cancel(run.id, noon(3))
        assert store.runs.get(run.id) == cancelled

    def test_a_missing_run_cannot_be_cancelled(self, store: Store) -> None:
        with pytest.raises(RunNotFound):
            store.runs.cancel(RunId("0" * 24), noon())

    def test_a_run_that_was_never_added_cannot_be_saved(self, store: Store) -> None:
        with pytest.raises(RunClosed):
            store.runs.save(SyncRun(id=RunId("d" * 24), entity=Entity.MOVIES, started_at=noon()))

    def test_the_latest_run_of_a_kind_is_the_last_started(self, store: Store) -> None:
        assert store.runs.latest(Entity.MOVIES) is None
        for day, entity in ((1, Entity.MOVIES), (3, Entity.MOVIES), (4, Entity.GENRES)):
            new_run(store, entity, day)
        latest = store.runs.latest(Entity.MOVIES)
        assert latest
        assert latest.started_at == noon(3)

    def test_the_latest_completed_run_has_no_failed_page(self, store: Store) -> None:
        good = new_run(store, day=1)
        store.runs.save(good.finished(noon()))
        partial = new_run(store, day=2)
        partial = store.movies.store(
            PageResult(page=1, at=noon(2), skipped=1, problems=("movie 1: odd",)), partial
        )
        store.runs.save(partial.finished(noon(2)))
        for day, spoilt in ((3, "missed"), (4, "failed")):
            run = new_run(store, day=day)
            run = run.missed(2, "gone", 1) if spoilt == "missed" else run
            store.runs.save(
                run.finished(noon(day)) if spoilt == "missed" else run.failed(noon(day), "refused")
            )
        found = store.runs.latest(Entity.MOVIES, completed=True)
        assert found
        assert found.id == partial.id

    def test_recent_runs_are_sorted_latest_first(self, store: Store) -> None:
        ids = [new_run(store, entity, day).id for day, entity in enumerate((*Entity, *Entity), 1)]
        assert [run.id for run in store.runs.recent(10)] == ids[::-1]
        assert [run.id for run in store.runs.recent(2, skip=1)] == ids[::-1][1:3]
        assert store.runs.count() == len(ids)

    def test_runs_with_the_same_start_are_sorted_by_id_descending(self, store: Store) -> None:
        ids = [f"{number:024x}" for number in (5, 9, 2, 7, 3)]
        for number, identifier in enumerate(ids):
            run = SyncRun(id=RunId(identifier), entity=Entity.MOVIES, started_at=noon(1 + number // 3))
            store.runs.add(run)
            store.runs.save(run.finished(noon(9)))
        expected = [ids[at] for at in (3, 4, 1, 0, 2)]
        for limit in (1, 2, 10):
            runs = read_pages(store.runs.recent, lambda run: run.cursor, limit)
            assert [run.id for run in runs] == expected


class GenreRepositoryContract:
    """Storing and reading genres."""

    def test_genres_are_sorted_by_name(self, store: Store) -> None:
        run = _tell(store, GenreFacts(tmdb_id=53, name="Thriller"), GenreFacts(tmdb_id=28, name="Action"))
        assert [genre.name for genre in store.genres.all()] == ["Action", "Thriller"]
        assert (run.inserted, run.fetched, store.runs.get(run.id)) == (2, 2, run)

    def test_a_genre_is_found_by_its_id(self, store: Store) -> None:
        _tell(store, GenreFacts(tmdb_id=28, name="Action"))
        assert store.genres.get(genre_id(28)) == Genre.from_facts(
            GenreFacts(tmdb_id=28, name="Action"), noon()
        )
        with pytest.raises(GenreNotFound):
            store.genres.get(GenreId("0" * 24))

    def test_genres_are_never_deleted_and_only_changed_ones_count(self, store: Store) -> None:
        _tell(store, GenreFacts(tmdb_id=28, name="Action"), GenreFacts(tmdb_id=18, name="Drama"))
        run = _tell(store, GenreFacts(tmdb_id=28, name="Azione"), day=2)
        assert {genre.tmdb_id: genre.name for genre in store.genres.all()} == {28: "Azione", 18: "Drama"}
        assert (run.inserted, run.updated, run.unchanged) == (0, 1, 0)
        assert (store.genres.get(genre_id(28)).created_at, store.genres.get(genre_id(28)).updated_at) == (
            noon(),
            noon(2),
        )

    def test_two_genres_can_exchange_their_names(self, store: Store) -> None:
        _tell(store, GenreFacts(tmdb_id=1, name="Left"), GenreFacts(tmdb_id=2, name="Right"))
        run = _tell(store, GenreFacts(tmdb_id=1, name="Right"), GenreFacts(tmdb_id=2, name="Left"), day=2)
        assert {genre.tmdb_id: genre.name for genre in store.genres.all()} == {1: "Right", 2: "Left"}
        assert run.updated == 2

    def test_a_duplicate_name_belongs_to_the_genre_that_had_it_last(self, store: Store) -> None:
        _tell(store, GenreFacts(tmdb_id=1, name="War"))
        _tell(store, GenreFacts(tmdb_id=2, name="War"), day=2)
        assert {genre.tmdb_id: genre.name for genre in store.genres.all()} == {1: "War (1)", 2: "War"}

    def test_no_genre_is_stored_under_a_closed_run(self, store: Store) -> None:
        run = new_run(store, Entity.GENRES)
        store.runs.save(run.cancelled(noon()))
        with pytest.raises(RunClosed):
            store.genres.store(
                PageResult(page=1, at=noon(), genres=(GenreFacts(tmdb_id=1, name="War"),)), run
            )
        assert store.genres.all() == []


def _tell(store: Store, *genres: GenreFacts, day: int = 1) -> SyncRun:
    return store.genres.store(
        PageResult(page=1, at=noon(day), genres=genres), new_run(store, Entity.GENRES, day)
    )
