"""The contract of MovieRepository."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    GENRES,
    add_movies,
    add_user,
    distinct_facts,
    facts,
    listed,
    new_rating,
    new_run,
    noon,
    random_facts,
    store_page,
)
from domain.browsing import Mine, MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import ImdbId, MovieId, TmdbNumber, movie_id
from domain.movies import FACTS, LARGE_FACTS, TEXT_FACTS, CastMember, Movie, MovieNotFound, Outcome
from domain.pagination import Cursor, Window
from domain.people import search_with_people
from domain.search import Candidate, Query, key, rank, search, terms
from domain.sync import MAX_UNREAD, Entity, PageResult, RunClosed, SourceName, SourceUnavailable

SORTINGS = [Sorting(by, order) for by in SortBy for order in SortOrder]

STRIDE = 7
"""The orders between two that are tested with the same filter. It is odd, so that both directions occur."""

FILTERS = {
    "all": MovieFilter(),
    "all of two genres": MovieFilter(all_genres=frozenset(GENRES[:2])),
    "any of two genres": MovieFilter(any_genres=frozenset(GENRES[:2])),
    "one genre": MovieFilter(all_genres=frozenset(GENRES[:1])),
    "all of one and any of two": MovieFilter(
        all_genres=frozenset(GENRES[:1]), any_genres=frozenset(GENRES[1:3])
    ),
    "years": MovieFilter(year_from=1903, year_to=1905),
    "from a year": MovieFilter(year_from=1905),
    "to a year": MovieFilter(year_to=1903),
    "no year": MovieFilter(year_from=1950, year_to=1960),
    "language": MovieFilter(language="fr"),
    "votes": MovieFilter(min_votes=100),
    "rating": MovieFilter(min_rating=8.0),
    "rating at most": MovieFilter(max_rating=6.0),
    "runtimes": MovieFilter(min_runtime=100, max_runtime=200),
    "from a runtime": MovieFilter(min_runtime=100),
    "to a runtime": MovieFilter(max_runtime=100),
    "everything": MovieFilter(
        any_genres=frozenset(GENRES),
        year_from=1901,
        year_to=1908,
        min_votes=1,
        max_runtime=250,
        language="en",
    ),
}

LISTS = {
    name: (wanted, SORTINGS if wanted == MovieFilter() else SORTINGS[place % STRIDE :: STRIDE])
    for place, (name, wanted) in enumerate(FILTERS.items())
}
"""Each filter with orders: all of them without a condition, else a few, so that each has several filters."""

CHANGING_FACTS = tuple(fact for fact in FACTS if fact != "tmdb_id")


class MovieRepositoryContract:
    """Looking movies up, and storing pages of a sync."""

    def test_single_movies_are_stored_like_those_of_a_page_and_their_outcomes_returned(
        self, store: Store
    ) -> None:
        ann = add_user(store)
        add_movies(store, [facts(1), facts(2)])
        store.ratings.add(new_rating(ann.id, movie_id(1), 8))
        generation = store.movies.generation()
        added = [facts(1, title="New"), facts(2), facts(3, title="Solaris", genres=GENRES[:1])]
        assert store.movies.add(added, SourceName.TMDB, noon(2)) == [
            Outcome.UPDATED, Outcome.UNCHANGED, Outcome.INSERTED,
        ]  # fmt: skip
        assert store.movies.generation() == generation + 1
        assert [movie.synced_at for movie in store.movies.by_ids([movie_id(n) for n in (1, 2, 3)])] == [
            noon(2)
        ] * 3
        assert store.movies.get(movie_id(1)).tally.count == 1
        assert [each.id for each in search(Query("solaris"), store.movies.find)] == [movie_id(3)]
        assert store.movies.count(MovieFilter(all_genres=frozenset(GENRES[:1]))) == 1
        assert store.movies.add([facts(2)], SourceName.TMDB, noon(3)) == [Outcome.UNCHANGED]
        assert store.movies.generation() == generation + 1

    def test_a_movie_is_read_as_it_was_stored(self, store: Store) -> None:
        for movie in add_movies(store, random_facts(40)):
            assert store.movies.get(movie.id) == movie

    def test_a_movie_is_found_by_its_id_its_number_and_its_imdb_id(self, store: Store) -> None:
        (movie,) = add_movies(store, [facts(603, imdb_id="tt0133093")])
        assert store.movies.get(movie_id(603)) == movie
        assert store.movies.get(TmdbNumber(603)) == movie
        assert store.movies.get(ImdbId("tt0133093")) == movie

    def test_an_imdb_id_of_several_movies_finds_that_with_the_lowest_number(self, store: Store) -> None:
        add_movies(store, [facts(9, imdb_id="tt0000009"), facts(5, imdb_id="tt0000009")])
        assert store.movies.get(ImdbId("tt0000009")).facts.tmdb_id == 5
        found = store.movies.by_imdb_ids(["tt0000009", "tt0000001"])
        assert {imdb_id: movie.facts.tmdb_id for imdb_id, movie in found.items()} == {"tt0000009": 5}
        assert store.movies.by_imdb_ids([]) == {}

    @pytest.mark.parametrize("ref", [MovieId("0" * 24), TmdbNumber(2), ImdbId("tt0000002")])
    def test_a_movie_that_is_not_stored_is_not_found(self, store: Store, ref: Any) -> None:
        add_movies(store, [facts(1)])
        with pytest.raises(MovieNotFound):
            store.movies.get(ref)

    def test_movies_hidden_from_lists_can_be_looked_up(self, store: Store) -> None:
        add_movies(store, [facts(1, adult=True)])
        assert store.movies.get(TmdbNumber(1)).facts.adult

    def test_movies_are_returned_in_the_order_of_their_ids_and_unknown_ids_skipped(
        self, store: Store
    ) -> None:
        one, two = add_movies(store, [facts(1), facts(2)])
        assert store.movies.by_ids([two.id, MovieId("0" * 24), one.id]) == [two, one]
        assert store.movies.by_ids([]) == []

    def test_stored_movies_are_found_by_their_tmdb_numbers(self, store: Store) -> None:
        one, two = add_movies(store, [facts(1), facts(2)])
        assert store.movies.by_tmdb_ids([1, 2, 3]) == {1: one, 2: two}
        assert store.movies.by_tmdb_ids([]) == {}

    def test_an_updated_movie_keeps_its_id_and_creation_time(self, store: Store) -> None:
        (first,) = add_movies(store, [facts(1, runtime=100, imdb_id="tt0000001", detailed=True)])
        store_page(store, facts(1, title="Renamed", genres=GENRES[:2]), day=2)
        second = store.movies.get(first.id)
        assert second == first.updated_from(facts(1, title="Renamed", genres=GENRES[:2]), noon(2))
        assert (second.created_at, second.facts.runtime) == (noon(1), 100)

    def test_every_fact_is_stored_with_its_type(self, store: Store) -> None:
        for value in (1, 2):
            store_page(store, distinct_facts(1, value), day=value)
            stored = store.movies.get(TmdbNumber(1)).facts
            assert {fact: _typed(getattr(stored, fact)) for fact in FACTS} == {
                fact: _typed(getattr(distinct_facts(1, value), fact)) for fact in FACTS
            }

    @pytest.mark.parametrize("fact", CHANGING_FACTS)
    def test_an_omitted_fact_keeps_its_stored_value(self, store: Store, fact: str) -> None:
        before, after = distinct_facts(1, 1), distinct_facts(1, 2)
        store_page(store, before)
        run = store_page(store, replace(after, omitted=frozenset({fact}), warnings=("odd",)), day=2)
        held = store.movies.get(TmdbNumber(1)).facts
        assert getattr(held, fact) == getattr(before, fact)
        changes: dict[str, Any] = {fact: getattr(before, fact)}
        assert held == replace(after, **changes)
        assert run.updated == 1

    def test_an_omitted_fact_of_a_new_movie_has_the_substitute_value(self, store: Store) -> None:
        new = distinct_facts(1, 2)
        store_page(store, replace(new, omitted=frozenset({"title", "genres"}), warnings=("odd",)))
        assert store.movies.get(TmdbNumber(1)).facts == new

    def test_a_movie_with_all_facts_omitted_is_unchanged(self, store: Store) -> None:
        before, after = distinct_facts(1, 1), distinct_facts(1, 2)
        store_page(store, before)
        run = store_page(store, replace(after, omitted=frozenset(FACTS)), day=2)
        assert (store.movies.get(TmdbNumber(1)).facts, run.unchanged) == (before, 1)

    def test_a_runs_counts_match_the_outcomes(self, store: Store) -> None:
        run = store_page(store, facts(1), facts(2), facts(3))
        assert (run.inserted, run.updated, run.unchanged, run.fetched) == (3, 0, 0, 3)
        run = store_page(store, facts(1), facts(2, popularity=9.0), facts(4), gone=(3, 77), day=2)
        assert (run.inserted, run.updated, run.unchanged) == (1, 2, 1)

    def test_an_unchanged_movie_counts_as_synced(self, store: Store) -> None:
        store_page(store, facts(1))
        store_page(store, facts(1), day=2)
        movie = store.movies.get(TmdbNumber(1))
        assert (movie.updated_at, movie.synced_at) == (noon(1), noon(2))

    def test_the_run_is_stored_with_its_page(self, store: Store) -> None:
        run = new_run(store).bounded(3)
        result = PageResult(
            page=2,
            at=noon(),
            movies=(facts(1),),
            duplicates=2,
            skipped=1,
            requests=5,
            problems=("movie 4: odd",),
        )
        after = store.movies.store(result, run)
        assert after == store.runs.get(run.id)
        assert (sorted(after.done), after.fetched, after.requests, after.problems) == (
            [2],
            4,
            5,
            ("movie 4: odd",),
        )

    def test_pages_that_are_stored_together_count_as_if_each_was_stored_alone(self, store: Store) -> None:
        store_page(store, facts(1), facts(2), facts(3))
        pages = (
            PageResult(page=1, at=noon(2), movies=(facts(1), facts(2, popularity=9.0)), requests=2),
            PageResult(page=2, at=noon(2), movies=(facts(4),), gone=(3,), duplicates=1, problems=("odd",)),
            PageResult(page=5, at=noon(3), movies=(facts(4, title="Once more"), facts(3)), requests=1),
        )
        run = store.movies.store_together(pages, new_run(store).bounded(5))
        assert run == store.runs.get(run.id)
        assert (run.inserted, run.updated, run.unchanged, run.duplicates) == (2, 3, 1, 1)
        assert (sorted(run.done), run.requests, run.problems) == ([1, 2, 5], 3, ("odd",))
        held = store.movies.by_tmdb_ids([1, 2, 3, 4])
        assert {number: movie.facts.title for number, movie in held.items()} == {
            1: facts(1).title,
            2: facts(2).title,
            3: facts(3).title,
            4: "Once more",
        }
        assert [held[number].synced_at for number in (1, 3, 4)] == [noon(2), noon(3), noon(3)]
        assert store.movies.count(MovieFilter()) == 4

    def test_of_pages_that_are_stored_together_all_are_stored_or_none(self, store: Store) -> None:
        too_many = tuple(range(10, 11 + MAX_UNREAD))
        pages = (
            PageResult(page=1, at=noon(), movies=(facts(1),)),
            PageResult(page=2, at=noon(), movies=(facts(2),), unread=too_many),
        )
        run = new_run(store)
        with pytest.raises(SourceUnavailable, match="could not be read"):
            store.movies.store_together(pages, run)
        store.runs.save(run.cancelled(noon()))
        with pytest.raises(RunClosed):
            store.movies.store_together(pages[:1], run)
        assert store.movies.by_tmdb_ids([1, 2]) == {}
        assert store.runs.get(run.id).done == frozenset()

    def test_nothing_is_stored_under_a_closed_run(self, store: Store) -> None:
        run = new_run(store)
        store.runs.save(run.cancelled(noon()))
        with pytest.raises(RunClosed):
            store.movies.store(PageResult(page=1, at=noon(), movies=(facts(1),)), run)
        assert store.movies.by_tmdb_ids([1]) == {}
        assert store.movies.count(MovieFilter()) == 0
        assert store.runs.get(run.id).done == frozenset()

    def test_a_removed_movie_without_ratings_is_deleted(self, store: Store) -> None:
        add_movies(store, [facts(1, title="Lost"), facts(2)])
        store_page(store, gone=(1,), day=2)
        assert set(store.movies.by_tmdb_ids([1, 2])) == {2}
        assert store.movies.count(MovieFilter()) == 1
        assert store.movies.find((terms(["Lost"]),), 10) == []

    def test_a_removed_movie_that_returns_is_stored_again(self, store: Store) -> None:
        store_page(store, facts(1))
        store_page(store, gone=(1,), day=2)
        store_page(store, facts(1), day=3)
        assert store.movies.count(MovieFilter()) == 1

    def test_the_generation_grows_when_the_contents_of_lists_change(self, store: Store) -> None:
        generations = [store.movies.generation()]
        for stored in (facts(1), facts(1, popularity=2.0)):
            store_page(store, stored)
            generations.append(store.movies.generation())
        assert generations == sorted(set(generations))
        store_page(store, facts(1, popularity=2.0))
        assert store.movies.generation() == generations[-1]

    def test_stale_movies_are_sorted_by_their_last_sync(self, store: Store) -> None:
        for day, number in ((1, 3), (2, 1), (2, 2), (4, 4)):
            store_page(store, facts(number), day=day)
        assert store.movies.stale(noon(4), limit=10) == [3, 1, 2]
        assert store.movies.stale(noon(4), limit=2) == [3, 1]
        assert store.movies.stale(noon(1), limit=2) == []

    def test_only_texts_and_pictures_of_stale_movies_are_cleared(self, store: Store) -> None:
        store_page(store, *random_facts(30))
        store_page(store, facts(31, overview="fresh"), day=3)
        before = {movie_id(number): store.movies.get(TmdbNumber(number)) for number in range(1, 32)}
        rated = store.ratings.add(new_rating(add_user(store).id, movie_id(7)))

        cleared = store.movies.clear_texts(noon(2), noon(9), limit=100)

        with_texts = [movie for movie in before.values() if movie != movie.without_texts(noon(9))]
        assert cleared == len(with_texts) - 1
        assert store.movies.get(movie_id(31)) == before[movie_id(31)]
        for number in range(1, 31):
            expected = before[movie_id(number)].without_texts(noon(9))
            expected = replace(expected, tally=rated) if number == 7 else expected
            assert store.movies.get(movie_id(number)) == expected
            assert not any(getattr(expected.facts, fact) for fact in TEXT_FACTS)

    def test_a_movie_synced_exactly_at_the_limit_keeps_its_texts(self, store: Store) -> None:
        store_page(store, facts(1, overview="Cattle"), day=2)
        assert store.movies.clear_texts(noon(2), noon(9), limit=10) == 0
        assert store.movies.get(movie_id(1)).facts.overview == "Cattle"
        assert store.movies.clear_texts(noon(2) + timedelta(milliseconds=1), noon(9), limit=10) == 1

    def test_cleared_movies_are_listed_and_found_as_before(self, store: Store) -> None:
        store_page(
            store, facts(1, title="Red River", genres=GENRES[:1], overview="Cattle", poster_path="/1.jpg")
        )
        generation = store.movies.generation()
        store.movies.clear_texts(noon(2), noon(9), limit=10)
        assert store.movies.generation() > generation
        for wanted in (MovieFilter(), FILTERS["one genre"]):
            assert store.movies.count(wanted) == 1
            assert len(store.movies.page(wanted, Sorting(), Window()).movies) == 1
        assert len(store.movies.find((terms(["Red River"]),), 10)) == 1
        assert store.movies.stale(noon(2), limit=10) == [1]

    def test_clearing_respects_its_limit_and_clears_no_movie_twice(self, store: Store) -> None:
        store_page(store, *(facts(number, backdrop_path="/b.jpg") for number in range(1, 6)))
        answers = [store.movies.clear_texts(noon(2), noon(9), limit=2) for _ in range(4)]
        assert answers == [2, 2, 1, 0]
        generation = store.movies.generation()
        assert store.movies.clear_texts(noon(2), noon(9), limit=2) == 0
        assert store.movies.generation() == generation

    def test_lists_and_lookups_of_many_have_no_large_facts(self, store: Store) -> None:
        (movie,) = add_movies(store, [distinct_facts(1, 2)])
        assert store.movies.get(movie.id) == movie != listed(movie)
        page = store.movies.page(MovieFilter(), Sorting(), Window()).movies
        assert [*page, *store.movies.by_ids([movie.id])] == [listed(movie)] * 2
        assert store.movies.by_tmdb_ids([1]) == {1: listed(movie)}

    def test_large_facts_are_kept_by_a_list_and_removed_by_details_without_them(self, store: Store) -> None:
        details = distinct_facts(1, 2)
        store_page(store, details)
        store_page(store, facts(1, title="Renamed"), day=2)
        held = store.movies.get(TmdbNumber(1)).facts
        assert {fact: getattr(held, fact) for fact in LARGE_FACTS} == {
            fact: getattr(details, fact) for fact in LARGE_FACTS
        }
        store_page(store, facts(1, title="Renamed", detailed=True), day=3)
        held = store.movies.get(TmdbNumber(1)).facts
        assert not any(getattr(held, fact) for fact in LARGE_FACTS)

    def test_large_facts_of_a_removed_movie_go_and_stay_with_it(self, store: Store) -> None:
        first, second = add_movies(store, [distinct_facts(1, 2), distinct_facts(2, 2)])
        store.ratings.add(new_rating(add_user(store).id, first.id))
        store_page(store, gone=(1, 2), day=2)
        assert store.movies.get(first.id).facts == first.facts
        store_page(store, facts(2, title="Back"), day=3)
        assert store.movies.get(second.id).facts.people == ()
        assert [number for number, _ in store.movies.recommended(9)] == [1]

    def test_incomplete_movies_are_those_with_other_details_the_most_popular_first(
        self, store: Store
    ) -> None:
        store_page(
            store,
            facts(1, details_version="2", detailed=True),
            facts(2, details_version="1", detailed=True, popularity=7.0),
            facts(3, popularity=None),
            facts(4, details_version="3", detailed=True, popularity=7.0),
            facts(5, popularity=9.0),
            facts(6, popularity=99.0, adult=True),
        )
        assert store.movies.incomplete("2", limit=9) == [5, 2, 4, 3]
        assert store.movies.incomplete("2", limit=2) == [5, 2]
        store_page(store, facts(5, popularity=9.0, details_version="2", detailed=True), day=2)
        assert store.movies.incomplete("2", limit=9) == [2, 4, 3]

    def test_recommendations_of_the_source_are_read_in_parts(self, store: Store) -> None:
        numbers = {number: tuple(range(number, 9)) for number in range(1, 9)}
        store_page(
            store, *(facts(each, detailed=True, recommended=numbers[each]) for each in numbers), facts(9)
        )
        assert store.movies.recommended(2) == [(1, numbers[1]), (2, numbers[2])]
        assert store.movies.recommended(50, after=2) == [(each, numbers[each]) for each in range(3, 9)]
        assert store.movies.recommended(50, after=8) == []

    def test_a_page_counts_for_its_run_whatever_the_runs_kind(self, store: Store) -> None:
        run = new_run(store, Entity.CHANGES)
        assert store.movies.store(PageResult(page=1, at=noon(), movies=(facts(1),)), run).inserted == 1


class MovieListContract:
    """Lists are the same as filtering and sorting all movies by the domain's own rules.

    A test has all filters, because the movies take longer to store than to list.
    """

    def test_a_list_read_by_cursor_has_each_movie_once_in_order(self, store: Store) -> None:
        movies = add_movies(store, random_facts(90))
        for name, (wanted, sortings) in LISTS.items():
            for sorting in sortings:
                listed = _ids(list_by_cursor(store, wanted, sorting))
                assert listed == _ids(expected(movies, wanted, sorting)), (name, sorting)

    def test_a_list_read_by_page_has_each_movie_once_in_order(self, store: Store) -> None:
        movies = add_movies(store, random_facts(90, seed=1))
        for name, (wanted, sortings) in LISTS.items():
            for sorting in sortings[::2]:
                listed = _ids(list_by_page(store, wanted, sorting))
                assert listed == _ids(expected(movies, wanted, sorting)), (name, sorting)

    def test_the_count_is_the_length_of_the_list(self, store: Store) -> None:
        movies = add_movies(store, random_facts(90, seed=2))
        for name, wanted in FILTERS.items():
            assert store.movies.count(wanted) == sum(map(wanted.admits, movies)), name

    def test_more_is_true_while_movies_follow(self, store: Store) -> None:
        add_movies(store, [facts(number) for number in range(1, 5)])
        for limit, more in ((3, True), (4, False), (5, False)):
            assert store.movies.page(MovieFilter(), Sorting(), Window(limit=limit)).more is more
        assert store.movies.page(MovieFilter(), Sorting(), Window(skip=9)).movies == ()

    def test_a_list_continues_after_a_deleted_movie(self, store: Store) -> None:
        add_movies(store, [facts(number, popularity=float(number)) for number in range(1, 7)])
        first = store.movies.page(MovieFilter(), Sorting(), Window(limit=3)).movies
        store_page(store, gone=(4,), day=2)
        cursor = Cursor(first[-1].facts.popularity, first[-1].id)
        rest = store.movies.page(MovieFilter(), Sorting(), Window(cursor=cursor)).movies
        assert [movie.facts.tmdb_id for movie in rest] == [3, 2, 1]

    def test_a_list_read_during_inserts_has_each_earlier_movie_exactly_once(self, store: Store) -> None:
        before = add_movies(store, [facts(number, popularity=number % 7 / 2) for number in range(1, 60)])
        arriving = iter(range(100, 200))

        def another() -> None:
            number = next(arriving)
            store_page(
                store,
                facts(number, popularity=number % 7 / 2),
                facts(number - 90, popularity=(number - 90) % 7 / 2),
            )

        seen = _ids(list_by_cursor(store, MovieFilter(), Sorting(), meanwhile=another))
        assert len(seen) == len(set(seen))
        assert {movie.id for movie in before} <= set(seen)

    def test_a_movie_moves_in_a_list_when_its_sort_value_changes(self, store: Store) -> None:
        store_page(store, facts(1, popularity=5.0), facts(2, popularity=4.0), facts(3, popularity=None))
        store_page(store, facts(2, popularity=None), facts(3, popularity=9.0), day=2)
        shown = store.movies.page(MovieFilter(), Sorting(), Window()).movies
        assert [movie.facts.tmdb_id for movie in shown] == [3, 1, 2]

    def test_a_movie_marked_as_adult_leaves_lists_and_search(self, store: Store) -> None:
        store_page(store, facts(1, title="Quiet", genres=GENRES[:1]))
        store_page(store, facts(1, title="Quiet", genres=GENRES[:1], adult=True), day=2)
        for wanted in (MovieFilter(), FILTERS["one genre"]):
            assert store.movies.count(wanted) == 0
            assert store.movies.page(wanted, Sorting(), Window()).movies == ()
        assert store.movies.find((terms(["Quiet"]),), 10) == []


class MovieSearchContract:
    """Finding candidates by terms."""

    def test_every_movie_is_found_by_each_of_its_titles(self, store: Store) -> None:
        movies = [movie for movie in add_movies(store, random_facts(60)) if movie.visible]
        for movie in movies[::3]:
            for title in (movie.facts.title, movie.facts.original_title):
                best = search(Query(title), store.movies.find)
                assert movie.id in {match.id for match in best}, title

    def test_a_search_finds_what_ranking_all_movies_would(self, store: Store) -> None:
        movies = [movie for movie in add_movies(store, random_facts(60, seed=3)) if movie.visible]
        for text in ("star", "wall e", "amelie riv", "8 1/2", "千尋", "nihgt", "love of", "stra war"):
            query = Query(text)
            every = filter(None, (rank(query, candidate(movie)) for movie in movies))
            strict = sorted(match for match in every if match.tier <= 2)
            found = search(query, store.movies.find)
            assert found[: len(strict)] == strict, text

    @pytest.mark.parametrize(
        ("typed", "title"),
        [
            ("the tmrix reloaded", "The Matrix Reloaded"),
            ("te martix reloaded", "The Matrix Reloaded"),
            ("hte matrix reloadde", "The Matrix Reloaded"),
            ("the matrix relaoedd", "The Matrix Reloaded"),
            ("qthe mqatrix reloaded", "The Matrix Reloaded"),
            ("itnersellar", "Interstellar"),
            ("war of itnersellar worlds", "Worlds of Interstellar War"),
            ("dogg day", "Dog Day Afternoon"),
            ("dogd", "Dog Day Afternoon"),
        ],
    )
    def test_typing_errors_are_tolerated(self, store: Store, typed: str, title: str) -> None:
        (movie, *_) = add_movies(store, [facts(1, title=title), facts(2, title="Something Else")])
        assert [match.id for match in search(Query(typed), store.movies.find)] == [movie.id]

    @pytest.mark.parametrize(
        ("typed", "numbers"),
        [
            ("dune 2021", [2]),
            ("Dune (1984)", [1]),
            ("dnue 2021", [2]),
            ("dune part 3", [3]),
            ("dune part three", [3]),
            ("dune part iii", [3]),
            ("ドリーム", [4]),
            ("夢", [4]),
            ("tt0000002", [2]),
            ("https://www.imdb.com/title/tt0000003/", [3]),
            ("https://www.themoviedb.org/movie/1-dune", [1]),
            ("tt7654321", []),
        ],
    )
    def test_years_numbers_kana_and_ids_find_their_movies(
        self, store: Store, typed: str, numbers: list[int]
    ) -> None:
        add_movies(
            store,
            [
                facts(1, title="Dune", imdb_id="tt0000001", release_date=date(1984, 12, 14)),
                facts(2, title="Dune", imdb_id="tt0000002", release_date=date(2021, 9, 15)),
                facts(3, title="Dune: Part Three", imdb_id="tt0000003", release_date=None),
                facts(4, title="どりーむ・夢", imdb_id=None, release_date=date(2021, 1, 1)),
            ],
        )
        found = [match.id for match in search(Query(typed), store.movies.find)]
        assert found == [movie_id(number) for number in numbers]

    def test_a_movie_is_found_by_its_current_year_and_id(self, store: Store) -> None:
        store_page(store, facts(1, title="Dune", imdb_id=None, release_date=date(2020, 12, 18)))
        store_page(
            store,
            facts(1, title="Dune", imdb_id="tt0000001", release_date=date(2021, 9, 15), detailed=True),
            day=2,
        )
        assert search(Query("dune 2020"), store.movies.find) == []
        for typed in ("dune 2021", "tt0000001"):
            assert [match.id for match in search(Query(typed), store.movies.find)] == [movie_id(1)]

    def test_people_are_found_after_titles_until_their_names_are_cleared(self, store: Store) -> None:
        add_movies(
            store,
            [
                facts(1, title="Grant", popularity=1.0),
                facts(2, title="Notorious", cast=(CastMember("Cary Grant", "Devlin"),), popularity=5.0),
                facts(3, title="Four Weddings", cast=(CastMember("Hugh Grant"),), directors=("Mike Newell",)),
                facts(4, title="Hidden", directors=("Cary Newell",), adult=True),
                facts(5, title="High Noon", cast=(CastMember("Grace Kelly"), CastMember("Gary Cooper"))),
            ],
        )

        def found(text: str) -> list[int]:
            matches = search_with_people(Query(text), store.movies.find, store.movies.find_people)
            return [movie.facts.tmdb_id for movie in store.movies.by_ids([match.id for match in matches])]

        assert found("grant") == [1, 2, 3]
        assert found("CARY GRANT") == [2]
        assert found("newell") == found("mike newe") == [3]
        assert found("grace cooper") == found("devlin") == []
        assert found("gary coopre") == found("grce kelly") == found("coopre") == [5]
        assert found("newel") == found("mike nevell") == [3]
        assert found("cary nevell") == []
        cast = (CastMember("Grace Kelly"),)
        store_page(store, facts(5, title="High Noon", cast=cast, detailed=True), day=2)
        assert (found("gary cooper"), found("grace kelly")) == ([], [5])
        store.movies.clear_texts(noon(2), noon(9), limit=9)
        assert (found("grant"), found("kelly")) == ([1], [5])

    def test_a_candidate_of_a_search_for_people_has_their_keys(self, store: Store) -> None:
        cast = (CastMember("Jean-Paul B."), CastMember("Agnes Varda"))
        one = facts(1, directors=("Ágnes Varda",), cast=cast, popularity=2.0, original_title="Un")
        two = facts(2, directors=("Agnes Kiss",), original_title="Deux")
        expected = list(map(candidate, add_movies(store, [one, two])))
        query = (frozenset({"&agnes"}),)
        assert store.movies.find(query, 9) == expected
        assert store.movies.find_people(query, 9) == [
            expected[0]._replace(people=("agnes varda", "jean-paul b")),
            expected[1]._replace(people=("agnes kiss",)),
        ]

    def test_a_term_query_requires_a_term_of_each_clause(self, store: Store) -> None:
        add_movies(
            store, [facts(1, title="red river"), facts(2, title="red house"), facts(3, title="blue river")]
        )
        assert _numbers(store, frozenset({"red"}), frozenset({"river"})) == [1]
        assert _numbers(store, frozenset({"red", "blue"}), frozenset({"river"})) == [1, 3]
        assert _numbers(store, frozenset({"river", "house"})) == [1, 2, 3]
        assert _numbers(store, frozenset({"green"})) == []

    def test_the_movies_of_a_term_are_counted_up_to_a_limit(self, store: Store) -> None:
        add_movies(
            store, [facts(1, title="red river"), facts(2, title="red house"), facts(3, title="red sea")]
        )
        store_page(store, facts(3, title="red sea", adult=True), day=2)  # not visible any more
        assert [store.movies.count_with_term("red", limit) for limit in (1, 2, 100)] == [1, 2, 2]
        assert store.movies.count_with_term("green", 100) == 0

    def test_a_term_query_finds_only_what_the_filter_admits(self, store: Store) -> None:
        movies = add_movies(store, random_facts(60, seed=6))
        by_id = {movie.id: movie for movie in movies}
        for query in (
            (frozenset({"river", "star", "war"}),),
            (frozenset({"of", "the"}), frozenset({"love", "man"})),
        ):
            every = [by_id[found.id] for found in store.movies.find(query, 100)]
            for name, wanted in FILTERS.items():
                admitted = [movie.id for movie in every if wanted.admits(movie)]
                for limit in (2, 100):
                    found = [each.id for each in store.movies.find(query, limit, wanted)]
                    assert found == admitted[:limit], name

    def test_candidates_are_sorted_by_popularity_with_unknown_last(self, store: Store) -> None:
        add_movies(
            store,
            [facts(number, title="same", popularity=popularity)
             for number, popularity in ((1, 1.0), (2, None), (3, 7.5), (5, 1.0), (4, 1.0))],
        )  # fmt: skip
        assert _numbers(store, frozenset({"same"})) == [3, 1, 4, 5, 2]
        assert _numbers(store, frozenset({"same", "s"}), limit=2) == [3, 1]

    def test_a_candidate_has_the_fields_that_ranking_needs(self, store: Store) -> None:
        (movie,) = add_movies(
            store, [facts(1, title="Amélie", original_title="Le Fabuleux Destin d'Amélie Poulain")]
        )
        assert store.movies.find((frozenset({"amelie"}),), 5) == [candidate(movie)]

    def test_a_renamed_movie_is_found_by_its_new_title_only(self, store: Store) -> None:
        store_page(store, facts(1, title="Old", original_title="Old"))
        store_page(store, facts(1, title="New", original_title="New", popularity=3.0), day=2)
        assert _numbers(store, frozenset({"old"})) == []
        assert _numbers(store, frozenset({"new"})) == [1]


def _typed(value: object) -> tuple[type, object]:
    """A value with its type, so that True and 1 differ."""
    return type(value), value


def candidate(movie: Movie) -> Candidate:
    """The candidate that a store must return for a movie."""
    titles = (movie.facts.title, movie.facts.original_title, *movie.facts.other_titles)
    return Candidate(movie.id, titles, tuple(map(key, titles)), movie.facts.popularity)


def expected(
    movies: list[Movie], wanted: MovieFilter, sorting: Sorting, own: Mapping[MovieId, Collection[Mine]] = {}
) -> list[Movie]:
    """A list by the domain's rules, from all movies; `own` has what they are to the user of the filter."""
    admitted = [movie for movie in movies if wanted.admits(movie, own.get(movie.id, ()))]
    admitted.sort(key=lambda movie: movie.id)
    known = [movie for movie in admitted if sorting.value(movie) is not None]
    known.sort(key=sorting.value, reverse=sorting.descending)  # type: ignore[arg-type]
    return known + [movie for movie in admitted if sorting.value(movie) is None]


def list_by_cursor(
    store: Store, wanted: MovieFilter, sorting: Sorting, meanwhile: Callable[[], object] = lambda: None
) -> list[Movie]:
    """All movies of a list, read seven at a time by cursor. `meanwhile` is called between two pages."""
    found: list[Movie] = []
    cursor = None
    while True:
        page = store.movies.page(wanted, sorting, Window(limit=7, cursor=cursor))
        found += page.movies
        if not page.more:
            return found
        cursor = Cursor(sorting.value(found[-1]), found[-1].id)
        meanwhile()


def list_by_page(store: Store, wanted: MovieFilter, sorting: Sorting) -> list[Movie]:
    """All movies of a list, read eleven at a time by the number of movies to skip."""
    found: list[Movie] = []
    while True:
        page = store.movies.page(wanted, sorting, Window(limit=11, skip=len(found)))
        found += page.movies
        if not page.more:
            return found


def _ids(movies: list[Movie]) -> list[MovieId]:
    return [movie.id for movie in movies]


def _numbers(store: Store, *query: frozenset[str], limit: int = 10) -> list[int]:
    ids = [found.id for found in store.movies.find(query, limit)]
    return [movie.facts.tmdb_id for movie in store.movies.by_ids(ids)]
