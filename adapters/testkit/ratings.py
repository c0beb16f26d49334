"""The contract of RatingRepository.

DriftContract needs another fixture, `force_tally`: a function that sets a movie's tally and everything
derived from it without its ratings, as a faulty restore might.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product, starmap
from random import Random
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.movies import expected, list_by_cursor, list_by_page
from adapters.testkit.samples import (
    add_movies,
    add_user,
    add_users,
    duration,
    error_names,
    facts,
    new_rating,
    noon,
    random_facts,
    read_pages,
    removal_of,
    run_concurrently,
    store_page,
)
from domain.browsing import RATING_ORDERS, MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import MovieId, RatingId, TmdbNumber, UserId
from domain.movies import Movie, MovieNotFound
from domain.pagination import Cursor, Window, sorted_after
from domain.ratings import (
    AlreadyRated,
    Drift,
    NotYourRating,
    Rating,
    RatingNotFound,
    RatingOrder,
    Score,
    Tally,
)
from domain.users import User, UserNotFound

NO_MOVIE = MovieId("0" * 24)
NO_RATING = RatingId("0" * 24)


ForceTally = Callable[[MovieId, Tally], None]


class RatingRepositoryContract:
    """Ratings, and the tallies that change with them."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return add_user(store)

    @pytest.fixture
    def bob(self, store: Store) -> User:
        return add_user(store, "bob")

    @pytest.fixture
    def movie(self, store: Store) -> Movie:
        (movie,) = add_movies(store, [facts(1)])
        return movie

    @pytest.mark.parametrize("points", [score / 2 for score in range(2, 21)])
    def test_every_score_is_stored_and_counted(
        self, store: Store, ann: User, movie: Movie, points: float
    ) -> None:
        rating = new_rating(ann.id, movie.id, points)
        assert store.ratings.add(rating) == Tally.of([rating.score])
        assert store.ratings.get(rating.id) == rating
        assert store.movies.get(movie.id).tally.distribution[f"{points:g}"] == 1

    def test_a_rating_is_read_as_it_was_stored(self, store: Store, ann: User, movie: Movie) -> None:
        rating = new_rating(ann.id, movie.id, 7.5, review="Ünsäglich\n“gut” 👍", updated_at=noon(3))
        store.ratings.add(rating)
        assert store.ratings.get(rating.id) == store.ratings.of(ann.id, movie.id) == rating

    def test_the_ratings_of_several_movies_are_found_at_once(
        self, store: Store, ann: User, bob: User
    ) -> None:
        one, two, three = add_movies(store, [facts(1), facts(2), facts(3)])
        ratings = {movie.id: new_rating(ann.id, movie.id) for movie in (one, three)}
        for rating in (*ratings.values(), new_rating(bob.id, two.id)):
            store.ratings.add(rating)
        assert store.ratings.among(ann.id, [one.id, two.id, three.id, NO_MOVIE]) == ratings
        assert store.ratings.among(ann.id, []) == {}

    def test_each_change_returns_the_movies_new_tally(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        first, second = new_rating(ann.id, movie.id, 8), new_rating(bob.id, movie.id, 3)
        assert store.ratings.add(first) == _tally(8)
        assert store.ratings.add(second) == _tally(8, 3)
        assert store.ratings.put(new_rating(bob.id, movie.id, 4.5))[1] == _tally(8, 4.5)
        assert store.ratings.change(first.id, ann.id, _scored(10))[1] == _tally(10, 4.5)
        assert store.movies.get(movie.id).tally == _tally(10, 4.5)
        assert store.ratings.remove(first.id, ann.id) == _tally(4.5)
        store.ratings.remove_from(movie.id, bob.id)
        assert store.movies.get(movie.id).tally == Tally()
        assert store.movies.get(movie.id).tally.average is None

    def test_a_rating_changes_only_the_tally_of_the_movie(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        generation = store.movies.generation()
        tally = store.ratings.add(new_rating(ann.id, movie.id, day=9))
        now = store.movies.get(movie.id)
        assert (now.facts, now.updated_at, now.synced_at) == (movie.facts, movie.updated_at, movie.synced_at)
        assert now.tally == tally
        assert store.movies.generation() == generation

    def test_each_user_rates_a_movie_once(self, store: Store, ann: User, bob: User, movie: Movie) -> None:
        first = new_rating(ann.id, movie.id, 8)
        store.ratings.add(first)
        with pytest.raises(AlreadyRated):
            store.ratings.add(new_rating(ann.id, movie.id, 2))
        assert store.ratings.of(ann.id, movie.id) == first
        assert store.ratings.add(new_rating(bob.id, movie.id, 2)) == _tally(8, 2)

    def test_a_movie_can_be_rated_again_after_a_rating_was_removed(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        rating = new_rating(ann.id, movie.id)
        store.ratings.add(rating)
        store.ratings.remove(rating.id, ann.id)
        assert store.ratings.add(new_rating(ann.id, movie.id, 3)) == _tally(3)

    def test_a_movie_that_is_not_stored_cannot_be_rated(self, store: Store, ann: User) -> None:
        with pytest.raises(MovieNotFound):
            store.ratings.add(new_rating(ann.id, NO_MOVIE))
        with pytest.raises(MovieNotFound):
            store.ratings.put(new_rating(ann.id, NO_MOVIE))
        assert store.ratings.of(ann.id, NO_MOVIE) is None
        assert store.ratings.count(ann.id) == 0

    def test_a_deleted_user_cannot_rate(self, store: Store, ann: User, movie: Movie) -> None:
        store.users.remove(ann.id)
        for write in (store.ratings.add, store.ratings.put):
            with pytest.raises(UserNotFound):
                write(new_rating(ann.id, movie.id))
        assert store.movies.get(movie.id).tally == Tally()
        assert store.ratings.of_movie(movie.id, 9) == []

    def test_a_movie_hidden_from_lists_can_be_rated(self, store: Store, ann: User) -> None:
        (adult,) = add_movies(store, [facts(5, adult=True)])
        store.ratings.add(new_rating(ann.id, adult.id, 6))
        assert store.movies.get(adult.id).tally == _tally(6)
        assert store.movies.page(MovieFilter(min_rating=1), Sorting(), Window()).movies == ()

    def test_the_first_put_stores_the_rating(self, store: Store, ann: User, movie: Movie) -> None:
        rating = new_rating(ann.id, movie.id, 8, review="Fine")
        assert store.ratings.put(rating) == (rating, _tally(8), True)
        assert store.ratings.get(rating.id) == rating

    def test_a_later_put_keeps_id_and_creation_time(self, store: Store, ann: User, movie: Movie) -> None:
        first = new_rating(ann.id, movie.id, 8, day=1, review="Fine")
        second = new_rating(ann.id, movie.id, 2.5, day=3)
        store.ratings.add(first)
        stored, tally, created = store.ratings.put(second)
        assert (stored, tally, created) == (
            first.changed(noon(3), score=Score(5), review=None),
            _tally(2.5),
            False,
        )
        assert store.ratings.get(first.id) == stored
        with pytest.raises(RatingNotFound):
            store.ratings.get(second.id)

    def test_a_put_of_the_same_score_does_not_change_the_tally(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        store.ratings.put(new_rating(ann.id, movie.id, 8))
        _, tally, created = store.ratings.put(new_rating(ann.id, movie.id, 8, review="Again"))
        assert (tally, created) == (_tally(8), False)

    def test_a_changed_rating_is_stored_and_returned(self, store: Store, ann: User, movie: Movie) -> None:
        rating = new_rating(ann.id, movie.id, 8, review="Fine")
        store.ratings.add(rating)
        wanted = rating.changed(noon(2), score=Score(3), review=None)
        assert store.ratings.change(rating.id, ann.id, lambda _: wanted) == (wanted, _tally(1.5))
        assert store.ratings.get(rating.id) == wanted

    def test_a_change_receives_the_stored_rating(self, store: Store, ann: User, movie: Movie) -> None:
        rating = new_rating(ann.id, movie.id, 8)
        store.ratings.add(rating)
        store.ratings.change(rating.id, ann.id, lambda before: before.changed(noon(2), review="Hm"))
        changed, _ = store.ratings.change(rating.id, ann.id, _scored(4))
        assert (changed.review, changed.score) == ("Hm", Score(8))

    def test_a_failed_change_does_not_alter_the_rating(self, store: Store, ann: User, movie: Movie) -> None:
        rating = new_rating(ann.id, movie.id, 8)
        store.ratings.add(rating)
        with pytest.raises(ZeroDivisionError):
            store.ratings.change(rating.id, ann.id, lambda before: before.changed(noon(2 // 0)))
        assert store.ratings.get(rating.id) == rating
        assert store.ratings.remove(rating.id, ann.id) == Tally()

    def test_a_user_cannot_change_the_rating_of_another(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        rating = new_rating(ann.id, movie.id, 8)
        store.ratings.add(rating)
        with pytest.raises(NotYourRating):
            store.ratings.change(rating.id, bob.id, _scored(1))
        with pytest.raises(NotYourRating):
            store.ratings.remove(rating.id, bob.id)
        store.ratings.remove_from(movie.id, bob.id)
        assert store.ratings.get(rating.id) == rating
        assert store.movies.get(movie.id).tally == _tally(8)

    def test_a_missing_rating_is_not_found(self, store: Store, ann: User, movie: Movie) -> None:
        for call in (
            partial(store.ratings.get, NO_RATING),
            partial(store.ratings.remove, NO_RATING, ann.id),
            partial(store.ratings.change, NO_RATING, ann.id, _scored(1)),
        ):
            with pytest.raises(RatingNotFound):
                call()
        assert store.ratings.of(ann.id, movie.id) is None
        store.ratings.remove_from(movie.id, ann.id)
        store.ratings.remove_from(NO_MOVIE, ann.id)
        assert store.movies.get(movie.id) == movie

    @pytest.mark.parametrize("by", RatingOrder)
    @pytest.mark.parametrize("descending", [True, False])
    def test_a_users_ratings_are_sorted(
        self, store: Store, ann: User, bob: User, by: RatingOrder, *, descending: bool
    ) -> None:
        random = Random(1)
        mine = []
        for movie in add_movies(store, [facts(number) for number in range(1, 21)]):
            rating = new_rating(
                ann.id,
                movie.id,
                random.choice((3, 7, 10)),
                created_at=noon(random.randint(1, 3)) + duration(random.choice((0, 0.001, 0.5))),
                updated_at=noon(random.randint(3, 5)),
                id=RatingId(f"f{random.getrandbits(80):023x}"),
            )
            mine.append(rating)
            store.ratings.add(rating)
            store.ratings.add(new_rating(bob.id, movie.id))
        values = {
            RatingOrder.CREATED_AT: lambda rating: rating.created_at,
            RatingOrder.UPDATED_AT: lambda rating: rating.updated_at,
            RatingOrder.RATING: lambda rating: rating.score,
        }
        mine.sort(key=lambda rating: rating.id)
        mine.sort(key=values[by], reverse=descending)
        show = partial(store.ratings.of_user, ann.id, by, descending=descending)
        assert show(limit=50) == mine
        assert [show(limit=3, skip=skip) for skip in range(0, 21, 3)] == [
            mine[skip : skip + 3] for skip in range(0, 21, 3)
        ]
        assert show(limit=3, skip=50) == []
        for limit in (1, 3, 20):
            assert read_pages(show, lambda rating: rating.cursor(by), limit) == mine

    @pytest.mark.parametrize("by", RatingOrder)
    @pytest.mark.parametrize("descending", [True, False])
    def test_a_list_of_ratings_continues_after_a_deleted_one(
        self, store: Store, ann: User, by: RatingOrder, *, descending: bool
    ) -> None:
        movies = add_movies(store, [facts(number) for number in range(1, 9)])
        for number, movie in enumerate(movies):
            store.ratings.add(new_rating(ann.id, movie.id, 1 + number // 3, 1 + number // 2))
        show = partial(store.ratings.of_user, ann.id, by, descending=descending)
        whole = show(limit=20)
        for number, rating in enumerate(whole):
            store.ratings.remove(rating.id, ann.id)
            assert show(limit=20, after=rating.cursor(by)) == whole[number + 1 :]

    def test_a_movies_ratings_are_sorted_newest_first_with_ties_by_id(
        self, store: Store, movie: Movie
    ) -> None:
        days = (1, 3, 2, 3, 1, 2, 3)
        ratings = [
            new_rating(user, movie.id, day=day, id=RatingId(f"f{100 - number:023x}"))
            for number, (user, day) in enumerate(zip(add_users(store, len(days)), days, strict=True))
        ]
        (other,) = add_movies(store, [facts(2)])
        for rating in ratings:
            store.ratings.add(rating)
        store.ratings.add(new_rating(ratings[0].user, other.id))
        ratings.sort(key=lambda rating: rating.id)
        ratings.sort(key=lambda rating: rating.created_at, reverse=True)
        assert store.ratings.of_movie(movie.id, 50) == ratings
        assert store.ratings.of_movie(movie.id, 3, 2) == ratings[2:5]
        assert store.ratings.of_movie(NO_MOVIE, 3) == []
        show = partial(store.ratings.of_movie, movie.id)
        for limit in (1, 2, 50):
            assert read_pages(show, lambda rating: rating.cursor(RatingOrder.CREATED_AT), limit) == ratings

    def test_the_count_is_of_the_users_own_ratings(self, store: Store, ann: User, bob: User) -> None:
        for movie in add_movies(store, [facts(1), facts(2)]):
            store.ratings.add(new_rating(ann.id, movie.id))
        store.ratings.add(new_rating(bob.id, movie.id))
        assert (store.ratings.count(ann.id), store.ratings.count(bob.id)) == (2, 1)
        store.ratings.remove_from(movie.id, ann.id)
        assert (store.ratings.count(ann.id), store.ratings.count(UserId("0" * 24))) == (1, 0)


class RatedMoviesContract:
    """The effects of ratings on movies, lists and syncs."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return add_user(store)

    def test_lists_show_a_new_average_at_once(self, store: Store, ann: User) -> None:
        (movie,) = add_movies(store, [facts(1)])
        for points in (8, 3.5):
            store.ratings.put(new_rating(ann.id, movie.id, points))
            (shown,) = store.movies.page(MovieFilter(), Sorting(), Window()).movies
            assert shown.tally.average == points
            assert shown == store.movies.get(TmdbNumber(1)) == store.movies.by_ids([movie.id])[0]

    def test_the_rating_filter_applies_new_averages_at_once(self, store: Store, ann: User) -> None:
        movie, other = add_movies(store, [facts(1), facts(2)])
        rating = new_rating(ann.id, movie.id, 8)
        assert _admitted(store, 1) == []
        store.ratings.add(rating)
        store.ratings.add(new_rating(ann.id, other.id, 2))
        assert (_admitted(store, 8), _admitted(store, 8.5)) == ([1], [])
        store.ratings.change(rating.id, ann.id, _scored(9))
        assert (_admitted(store, 8.5), _admitted(store, 1)) == ([1], [1, 2])
        store.ratings.remove(rating.id, ann.id)
        assert (_admitted(store, 8.5), _admitted(store, 1)) == ([], [2])

    def test_lists_of_rated_movies_are_filtered_and_sorted_like_the_domain(self, store: Store) -> None:
        random, users = Random(4), add_users(store, 4)
        movies = add_movies(store, random_facts(40, seed=4))
        for movie in movies:
            for user in random.sample(users, random.choice((0, 0, 1, 2, 4))):
                store.ratings.put(new_rating(user, movie.id, random.choice((1, 6.5, 7, 10))))
        rated = store.movies.by_ids([movie.id for movie in movies])
        for wanted in (MovieFilter(), MovieFilter(min_rating=6.5), MovieFilter(min_rating=7, language="en")):
            for sorting in starmap(Sorting, product(RATING_ORDERS, SortOrder)):
                ordered = expected(rated, wanted, sorting)
                assert list_by_cursor(store, wanted, sorting) == ordered
                assert list_by_page(store, wanted, sorting) == ordered
                for value in (-1.0, 0.0, 0.5, 2.0, 7.0):
                    cursor = Cursor(value, movies[20].id)
                    page = store.movies.page(wanted, sorting, Window(limit=40, cursor=cursor))
                    places = [(sorting.value(movie), movie.id) for movie in ordered]
                    after = sorted_after(places, cursor, descending=sorting.descending)
                    assert [movie.id for movie in page.movies] == after, (sorting, value)
            assert store.movies.count(wanted) == len(ordered)

    def test_a_list_sorted_by_rating_changes_with_each_rating(self, store: Store, ann: User) -> None:
        one, two = add_movies(store, [facts(1), facts(2)])
        store.ratings.put(new_rating(ann.id, one.id, 6))
        for points, first in ((7, two), (5, one), (6.5, two)):
            store.ratings.put(new_rating(ann.id, two.id, points))
            for by in RATING_ORDERS[:2]:
                assert store.movies.page(MovieFilter(), Sorting(by), Window()).movies[0].id == first.id

    def test_a_sync_does_not_change_the_tally(self, store: Store, ann: User) -> None:
        (movie,) = add_movies(store, [facts(1)])
        store.ratings.add(new_rating(ann.id, movie.id, 8))
        for news in (facts(1), facts(1, title="Renamed", vote_average=2.0, vote_count=9)):
            store_page(store, news, day=2)
            assert store.movies.get(movie.id).tally == _tally(8)
            assert _admitted(store, 8) == [1]
        assert store.ratings.drifts() == []

    def test_a_sync_concurrent_with_ratings_loses_none(self, store: Store) -> None:
        (movie,) = add_movies(store, [facts(1)])
        users = add_users(store, 6)
        rate = [partial(store.ratings.add, new_rating(user, movie.id, 7)) for user in users]
        answers = run_concurrently(
            [*rate, lambda: [store_page(store, facts(1, runtime=day), day=day) for day in range(2, 8)]]
        )
        assert error_names(answers) == []
        assert store.movies.get(movie.id).tally == _tally(*[7] * 6)

    def test_a_removed_movie_with_a_rating_is_kept(self, store: Store, ann: User) -> None:
        (movie,) = add_movies(store, [facts(1)])
        rating = new_rating(ann.id, movie.id, 8)
        store.ratings.add(rating)
        run = store_page(store, gone=(1,), day=2)
        kept = store.movies.get(movie.id)
        assert (kept.removed_at, kept.tally, run.updated) == (noon(2), _tally(8), 1)
        assert store.movies.count(MovieFilter()) == 0
        assert _admitted(store, 1) == []
        assert store.ratings.change(rating.id, ann.id, _scored(9))[1] == _tally(9)
        assert store.ratings.put(new_rating(add_user(store, "bob").id, movie.id, 2))[1] == _tally(9, 2)

    def test_a_rated_movie_that_returns_has_its_tally(self, store: Store, ann: User) -> None:
        (movie,) = add_movies(store, [facts(1)])
        store.ratings.add(new_rating(ann.id, movie.id, 8))
        store_page(store, gone=(1,), day=2)
        store_page(store, facts(1), day=3)
        assert _admitted(store, 8) == [1]
        assert store.movies.get(movie.id).removed_at is None

    def test_a_removed_movie_is_deleted_after_its_last_rating_was_removed(
        self, store: Store, ann: User
    ) -> None:
        (movie,) = add_movies(store, [facts(1)])
        store.ratings.add(new_rating(ann.id, movie.id, 8))
        store_page(store, gone=(1,), day=2)
        store.ratings.remove_from(movie.id, ann.id)
        store_page(store, gone=(1,), day=3)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_movie_removed_while_it_is_rated_is_kept_or_not_found(self, store: Store) -> None:
        users = add_users(store, 3)
        movies = add_movies(store, [facts(number) for number in range(1, 9)])
        for number, movie in enumerate(movies, 1):
            rate = [partial(store.ratings.add, new_rating(user, movie.id, 4)) for user in users]
            answers = run_concurrently([*rate, removal_of(store, number)])
            failed = error_names(answers)
            assert failed == ["MovieNotFound"] * len(failed)
            rated = sum(store.ratings.of(user, movie.id) is not None for user in users)
            assert rated == len(users) - len(failed)
            held = store.movies.by_tmdb_ids([number])
            assert (held[number].tally if held else Tally()) == _tally(*[4] * rated)
            assert bool(held) is bool(rated)


class ConcurrentRatingsContract:
    """Tallies are exact after concurrent changes."""

    @pytest.fixture
    def movie(self, store: Store) -> Movie:
        (movie,) = add_movies(store, [facts(1)])
        return movie

    def test_concurrent_ratings_of_one_movie_are_all_counted(self, store: Store, movie: Movie) -> None:
        ratings = [
            new_rating(user, movie.id, 1 + number % 19 / 2)
            for number, user in enumerate(add_users(store, 24))
        ]
        answers = run_concurrently([partial(store.ratings.add, rating) for rating in ratings])
        assert error_names(answers) == []
        assert sorted(tally.count for tally in answers) == list(range(1, 25))
        assert store.movies.get(movie.id).tally == Tally.of(rating.score for rating in ratings)

    def test_of_a_users_concurrent_first_ratings_one_is_stored(self, store: Store, movie: Movie) -> None:
        user = add_user(store).id
        ratings = [new_rating(user, movie.id, 1 + number) for number in range(8)]
        answers = run_concurrently([partial(store.ratings.add, rating) for rating in ratings])
        assert error_names(answers) == ["AlreadyRated"] * 7
        (won,) = (answer for answer in answers if isinstance(answer, Tally))
        stored = store.ratings.of(user, movie.id)
        assert stored in ratings
        assert won == store.movies.get(movie.id).tally == _recounted(store, movie)
        assert store.ratings.count(user) == 1

    def test_of_a_users_concurrent_puts_one_creates_the_rating(self, store: Store, movie: Movie) -> None:
        user = add_user(store).id
        answers = run_concurrently([
            partial(store.ratings.put, new_rating(user, movie.id, 1 + number)) for number in range(8)
        ])  # fmt: skip
        assert [created for _, _, created in answers].count(True) == 1
        assert {tally.count for _, tally, _ in answers} == {1}
        assert len({rating.id for rating, _, _ in answers}) == 1
        assert store.movies.get(movie.id).tally == _recounted(store, movie)
        assert store.ratings.count(user) == 1

    def test_no_concurrent_change_of_a_rating_is_lost(self, store: Store, movie: Movie) -> None:
        user = add_user(store).id
        rating = new_rating(user, movie.id, 1)
        store.ratings.add(rating)

        def higher(before: Rating) -> Rating:
            return before.changed(noon(2), score=Score(before.score.half_points + 1))

        run_concurrently([partial(store.ratings.change, rating.id, user, higher)] * 12)
        assert store.ratings.get(rating.id).score == Score(14)
        assert store.movies.get(movie.id).tally == _tally(7)

    def test_concurrent_removals_of_a_rating_succeed_once(self, store: Store, movie: Movie) -> None:
        user = add_user(store).id
        rating = new_rating(user, movie.id)
        store.ratings.add(rating)
        answers = run_concurrently([partial(store.ratings.remove, rating.id, user)] * 6)
        assert error_names(answers) == ["RatingNotFound"] * 5
        assert store.movies.get(movie.id).tally == Tally()

    def test_after_concurrent_changes_the_tallies_equal_a_recount(self, store: Store) -> None:
        movies = add_movies(store, [facts(number) for number in range(1, 4)])
        users = add_users(store, 4)
        answers = run_concurrently([
            partial(_busy, store, user, movies, Random(seed))
            for seed, user in enumerate([*users, *users])
        ])  # fmt: skip
        assert error_names(answers) == []
        for movie in movies:
            assert store.movies.get(movie.id).tally == _recounted(store, movie)
        assert store.ratings.drifts() == []

    def test_a_recount_concurrent_with_ratings_finds_no_drift(self, store: Store) -> None:
        movies = add_movies(store, [facts(number) for number in range(1, 4)])
        users = add_users(store, 3)
        rating = [partial(_busy, store, user, movies, Random(seed)) for seed, user in enumerate(users)]
        counting = [lambda: [store.ratings.drifts(repair=number > 3) for number in range(8)]]
        *_, drifts = run_concurrently([*rating, *counting])
        assert drifts == [[]] * 8
        for movie in movies:
            assert store.movies.get(movie.id).tally == _recounted(store, movie)


class DriftContract:
    """Finding and correcting tallies that do not match their ratings."""

    @pytest.fixture
    def rated(self, store: Store) -> list[MovieId]:
        ann, bob = add_user(store), add_user(store, "bob")
        movies = sorted(movie.id for movie in add_movies(store, [facts(number) for number in range(1, 6)]))
        for movie in movies[:3]:
            store.ratings.add(new_rating(ann.id, movie, 8))
            store.ratings.add(new_rating(bob.id, movie, 3.5))
        return movies

    def test_correct_tallies_are_no_drift(self, store: Store, rated: list[MovieId]) -> None:
        assert store.ratings.drifts() == store.ratings.drifts(repair=True) == []
        assert store.movies.get(rated[0]).tally == _tally(8, 3.5)

    def test_drifts_are_sorted_by_id_with_stored_and_counted_tallies(
        self, store: Store, rated: list[MovieId], force_tally: ForceTally
    ) -> None:
        wrong = {rated[2]: _tally(8), rated[0]: Tally(), rated[4]: _tally(1, 1)}
        for movie, tally in wrong.items():
            force_tally(movie, tally)
        drifts = [
            Drift(rated[0], Tally(), _tally(8, 3.5)),
            Drift(rated[2], _tally(8), _tally(8, 3.5)),
            Drift(rated[4], _tally(1, 1), Tally()),
        ]
        assert store.ratings.drifts() == store.ratings.drifts() == drifts
        assert {movie: store.movies.get(movie).tally for movie in wrong} == wrong

    def test_a_score_counted_as_another_is_a_drift(
        self, store: Store, rated: list[MovieId], force_tally: ForceTally
    ) -> None:
        force_tally(rated[1], _tally(8, 4))
        assert store.ratings.drifts() == [Drift(rated[1], _tally(8, 4), _tally(8, 3.5))]

    def test_a_repair_returns_the_corrected_drifts(
        self, store: Store, rated: list[MovieId], force_tally: ForceTally
    ) -> None:
        force_tally(rated[1], _tally(10, 10, 10))
        force_tally(rated[3], _tally(9))
        drifts = store.ratings.drifts(repair=True)
        assert drifts == [
            Drift(rated[1], _tally(10, 10, 10), _tally(8, 3.5)),
            Drift(rated[3], _tally(9), Tally()),
        ]
        assert store.ratings.drifts() == []
        assert [store.movies.get(movie).tally.count for movie in rated] == [2, 2, 2, 0, 0]
        by_average = Sorting(SortBy.AVERAGE_RATING)
        shown = store.movies.page(MovieFilter(min_rating=1), by_average, Window()).movies
        assert [movie.id for movie in shown] == rated[:3]

    def test_ratings_after_a_repair_start_from_the_corrected_tally(
        self, store: Store, rated: list[MovieId], force_tally: ForceTally
    ) -> None:
        force_tally(rated[0], _tally(1))
        store.ratings.drifts(repair=True)
        assert store.ratings.add(new_rating(add_user(store, "eva").id, rated[0], 10)) == _tally(8, 3.5, 10)

    def test_a_removed_movie_is_kept_for_its_ratings_not_for_its_tally(
        self, store: Store, rated: list[MovieId], force_tally: ForceTally
    ) -> None:
        """Two movies have ratings but an empty or wrong tally; one has a tally but no ratings."""
        empty, false, invented_votes = rated[0], rated[1], rated[3]
        force_tally(empty, Tally())
        force_tally(false, _tally(1))
        force_tally(invented_votes, _tally(8, 9))
        numbers = {movie.id: movie.facts.tmdb_id for movie in store.movies.by_ids(rated)}
        run = store_page(store, gone=tuple(numbers.values()), day=2)
        assert run.updated == len(rated)
        assert {movie.id for movie in store.movies.by_ids(rated)} == set(rated[:3])
        assert [movie.removed_at for movie in store.movies.by_ids(rated)] == [noon(2)] * 3
        assert store.ratings.count(store.ratings.of_movie(empty, 1)[0].user) == 3

    def test_many_drifts_are_repaired(self, store: Store, force_tally: ForceTally) -> None:
        movies = add_movies(store, [facts(number) for number in range(1, 131)])
        for movie in movies:
            force_tally(movie.id, _tally(5))
        drifts = store.ratings.drifts(repair=True)
        assert [drift.movie for drift in drifts] == sorted(movie.id for movie in movies)
        assert store.ratings.drifts() == []


def _tally(*points: float) -> Tally:
    return Tally.of(map(Score.of, points))


def _recounted(store: Store, movie: Movie) -> Tally:
    return Tally.of(rating.score for rating in store.ratings.of_movie(movie.id, 1000))


def _scored(points: float) -> Callable[[Rating], Rating]:
    return lambda before: before.changed(noon(2), score=Score.of(points))


def _admitted(store: Store, min_rating: float) -> list[int]:
    wanted = MovieFilter(min_rating=min_rating)
    shown = store.movies.page(wanted, Sorting(), Window()).movies
    assert store.movies.count(wanted) == len(shown)
    return sorted(movie.facts.tmdb_id for movie in shown)


def _busy(store: Store, user: UserId, movies: Iterable[Movie], random: Random) -> None:
    """Change a user's ratings at random; two calls for one user may run at once."""
    movies = list(movies)
    for _ in range(12):
        movie, points = random.choice(movies).id, random.choice((1, 5, 5.5, 10))
        found = store.ratings.of(user, movie)
        call: Any = random.choice((
            partial(store.ratings.add, new_rating(user, movie, points)),
            partial(store.ratings.put, new_rating(user, movie, points)),
            partial(store.ratings.change, found.id if found else NO_RATING, user, _scored(points)),
            partial(store.ratings.remove, found.id if found else NO_RATING, user),
            partial(store.ratings.remove_from, movie, user),
        ))  # fmt: skip
        try:
            call()
        except (AlreadyRated, RatingNotFound):
            continue
