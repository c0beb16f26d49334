"""The contract of all repositories about the source of a catalogue."""

from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    add_user,
    error_names,
    facts,
    new_item,
    new_rating,
    new_run,
    noon,
    run_concurrently,
    store_page,
)
from domain.ids import RunId, movie_id
from domain.movies import GenreFacts
from domain.sync import Entity, FilledFromAnotherSource, PageResult, SourceName, SyncRun

DEMO, TMDB = SourceName.DEMO, SourceName.TMDB

GENRES = PageResult(page=1, at=noon(), genres=(GenreFacts(tmdb_id=18, name="Drama"),))
MOVIES = PageResult(page=1, at=noon(), movies=(facts(1),))


class CatalogueSourceContract:
    """A catalogue is filled from one source, which is stored."""

    def test_an_empty_catalogue_has_no_source(self, store: Store) -> None:
        assert store.movies.source() is None

    @pytest.mark.parametrize("source", SourceName)
    def test_the_first_page_with_content_sets_the_source(self, store: Store, source: SourceName) -> None:
        run = new_run(store, source=source)
        run = store.movies.store(PageResult(page=1, at=noon(), gone=(7,), skipped=1), run)
        assert store.movies.source() is None
        store.movies.store(MOVIES, run)
        assert store.movies.source() is source

    @pytest.mark.parametrize("source", SourceName)
    def test_the_first_genres_set_the_source(self, store: Store, source: SourceName) -> None:
        run = store.genres.store(PageResult(page=1, at=noon()), new_run(store, Entity.GENRES, source=source))
        assert store.movies.source() is None
        store.genres.store(GENRES, run)
        assert store.movies.source() is source

    def test_a_run_is_stored_with_its_source_and_its_number_of_dropped_problems(self, store: Store) -> None:
        run = new_run(store, source=DEMO).with_problems(*map(str, range(1002)))
        store.runs.save(run)
        assert store.runs.get(run.id) == run
        assert (run.source, run.problems_dropped) == (DEMO, 2)

    @pytest.mark.parametrize(("first", "second"), [(DEMO, TMDB), (TMDB, DEMO)])
    def test_no_page_of_another_source_is_stored(
        self, store: Store, first: SourceName, second: SourceName
    ) -> None:
        movies, genres = new_run(store, source=second), new_run(store, Entity.GENRES, source=second)
        store.movies.store(MOVIES, new_run(store, Entity.CHANGES, source=first))
        for write, result, run in (
            (
                store.movies.store,
                PageResult(page=1, at=noon(2), movies=(facts(1, title="X"), facts(2))),
                movies,
            ),
            (store.movies.store, PageResult(page=1, at=noon(2), gone=(1,)), movies),
            (store.movies.store, PageResult(page=1, at=noon(2)), movies),
            (store.genres.store, GENRES, genres),
        ):
            with pytest.raises(FilledFromAnotherSource) as caught:
                write(result, run)
            assert caught.value.refused is second
        assert store.movies.by_tmdb_ids([1, 2]) == {1: store.movies.get(movie_id(1))}
        assert store.movies.get(movie_id(1)).facts == facts(1)
        assert store.genres.all() == []
        assert store.movies.source() is first
        assert (store.runs.get(movies.id), store.runs.get(genres.id)) == (movies, genres)

    @pytest.mark.parametrize(("first", "second"), [(DEMO, TMDB), (TMDB, DEMO)])
    def test_no_single_movie_of_another_source_is_stored_and_the_first_one_sets_it(
        self, store: Store, first: SourceName, second: SourceName
    ) -> None:
        store.movies.add([], first, noon())
        assert store.movies.source() is None
        store.movies.add([facts(1)], first, noon())
        with pytest.raises(FilledFromAnotherSource) as caught:
            store.movies.add([facts(1, title="X"), facts(2)], second, noon(2))
        assert caught.value.refused is second
        assert store.movies.by_tmdb_ids([1, 2]) == {1: store.movies.get(movie_id(1))}
        assert store.movies.source() is first

    @pytest.mark.parametrize(("first", "second"), [(DEMO, TMDB), (TMDB, DEMO)])
    def test_a_run_of_another_source_can_neither_start_nor_continue(
        self, store: Store, first: SourceName, second: SourceName
    ) -> None:
        begun = new_run(store, source=second)
        store.genres.store(GENRES, new_run(store, Entity.GENRES, source=first))
        late = SyncRun(id=RunId("f" * 24), entity=Entity.CHANGES, started_at=noon(), source=second)
        with pytest.raises(FilledFromAnotherSource):
            store.runs.add(late)
        with pytest.raises(FilledFromAnotherSource):
            store.runs.save(begun.missed(1, "no answer", 1))
        assert store.runs.count() == 2
        store.runs.save(begun.failed(noon(), "refused"))
        assert store.runs.get(begun.id) == begun.failed(noon(), "refused")
        store.runs.add(SyncRun(id=RunId("e" * 24), entity=Entity.CHANGES, started_at=noon(), source=first))

    def test_of_two_concurrent_sources_one_fills_the_catalogue(self, store: Store) -> None:
        movies, genres = new_run(store, source=TMDB), new_run(store, Entity.GENRES, source=DEMO)
        answers = run_concurrently([
            partial(store.movies.store, MOVIES, movies), partial(store.genres.store, GENRES, genres)
        ])  # fmt: skip
        assert error_names(answers) == ["FilledFromAnotherSource"]
        filled = {TMDB: bool(store.movies.by_tmdb_ids([1])), DEMO: bool(store.genres.all())}
        assert [source for source in filled if filled[source]] == [store.movies.source()]

    def test_a_hand_over_keeps_facts_ratings_and_watchlists(self, store: Store) -> None:
        run = new_run(store, source=DEMO, day=3)
        store.movies.store(PageResult(page=1, at=noon(3), movies=(facts(1), facts(2))), run)
        ann, before = add_user(store), store.movies.generation()
        store.ratings.add(new_rating(ann.id, movie_id(1), 8))
        store.watchlists.add(new_item(ann.id, movie_id(2)))

        store.movies.change_source(TMDB, noon(2))

        assert store.movies.source() is TMDB
        assert store.movies.generation() > before
        assert store.movies.stale(noon(2), 9) == []
        assert sorted(store.movies.stale(noon(3), 9)) == [1, 2]
        rated = store.movies.get(movie_id(1))
        assert (rated.facts, rated.tally.count, rated.synced_at) == (facts(1), 1, noon(2))
        assert store.watchlists.count(ann.id) == 1

    def test_a_hand_over_does_not_make_movies_look_fresher(self, store: Store) -> None:
        store_page(store, facts(1), day=1)
        store.movies.change_source(DEMO, noon(2))
        assert store.movies.get(movie_id(1)).synced_at == noon(1)

    def test_after_a_hand_over_only_pages_of_the_new_source_are_stored(self, store: Store) -> None:
        demo = new_run(store, source=DEMO)
        demo = store.movies.store(MOVIES, demo)
        store.movies.change_source(TMDB, noon())
        with pytest.raises(FilledFromAnotherSource):
            store.movies.store(PageResult(page=2, at=noon(), movies=(facts(2),)), demo)
        store.runs.save(demo.failed(noon(), "refused"))
        store_page(store, facts(1, title="Renamed"), day=2)
        assert store.movies.get(movie_id(1)).facts.title == "Renamed"

    def test_pages_concurrent_with_a_hand_over_are_stored_before_it_or_refused(self, store: Store) -> None:
        demo, genres = new_run(store, source=DEMO), new_run(store, Entity.GENRES, source=DEMO)
        demo = store.movies.store(MOVIES, demo)
        page = PageResult(page=2, at=noon(5), movies=tuple(map(facts, range(2, 30))))
        answers = run_concurrently([
            partial(store.movies.store, page, demo),
            partial(store.genres.store, GENRES, genres),
            partial(store.movies.change_source, TMDB, noon(2)),
        ])  # fmt: skip
        assert set(error_names(answers)) <= {"FilledFromAnotherSource"}
        assert store.movies.source() is TMDB
        # Whatever was stored has been handed over too: none of it counts as synced.
        assert {movie.synced_at for movie in store.movies.by_tmdb_ids(range(1, 30)).values()} <= {
            noon(1),
            noon(2),
        }
