"""What RatingRepository promises. Beside `store`, DriftContract wants a fixture `skew`: a function that sets
the tally of a movie behind the back of the ports, all that derives from it included, as a bad restore might.
"""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

import pytest

from adapters.store import Store
from adapters.testkit.movies import expected, walked_by_cursor, walked_by_page
from adapters.testkit.samples import (
    at_once,
    crowd,
    facts,
    fill,
    going,
    invented,
    joined,
    kinds,
    later,
    noon,
    put,
    verdict,
    walked,
)
from domain.browsing import MovieFilter, SortBy, Sorting, SortOrder
from domain.ids import MovieId, RatingId, TmdbNumber, UserId
from domain.movies import Movie, MovieNotFound
from domain.pagination import Window
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

OUR_ORDERS = (SortBy.AVERAGE_RATING, SortBy.WEIGHTED_RATING, SortBy.RATINGS_COUNT)

Skew = Callable[[MovieId, Tally], None]


class RatingRepositoryContract:
    """Ratings and the tallies that move with them."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return joined(store)

    @pytest.fixture
    def bob(self, store: Store) -> User:
        return joined(store, "bob")

    @pytest.fixture
    def movie(self, store: Store) -> Movie:
        (movie,) = fill(store, [facts(1)])
        return movie

    @pytest.mark.parametrize("points", [score / 2 for score in range(2, 21)])
    def test_every_score_comes_back_and_is_counted(
        self, store: Store, ann: User, movie: Movie, points: float
    ) -> None:
        rating = verdict(ann.id, movie.id, points)
        assert store.ratings.add(rating) == Tally.of([rating.score])
        assert store.ratings.get(rating.id) == rating
        assert store.movies.get(movie.id).tally.distribution[f"{points:g}"] == 1

    def test_a_rating_comes_back_as_it_was_stored(self, store: Store, ann: User, movie: Movie) -> None:
        rating = verdict(ann.id, movie.id, 7.5, review="Ünsäglich\n“gut” 👍", updated_at=noon(3))
        store.ratings.add(rating)
        assert store.ratings.get(rating.id) == store.ratings.of(ann.id, movie.id) == rating

    def test_the_tally_is_the_movies_after_each_change(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        first, second = verdict(ann.id, movie.id, 8), verdict(bob.id, movie.id, 3)
        assert store.ratings.add(first) == _tally(8)
        assert store.ratings.add(second) == _tally(8, 3)
        assert store.ratings.put(verdict(bob.id, movie.id, 4.5))[1] == _tally(8, 4.5)
        assert store.ratings.change(first.id, ann.id, _scored(10))[1] == _tally(10, 4.5)
        assert store.movies.get(movie.id).tally == _tally(10, 4.5)
        assert store.ratings.remove(first.id, ann.id) == _tally(4.5)
        store.ratings.remove_from(movie.id, bob.id)
        assert store.movies.get(movie.id).tally == Tally()
        assert store.movies.get(movie.id).tally.average is None

    def test_nothing_of_the_movie_but_the_tally_moves(self, store: Store, ann: User, movie: Movie) -> None:
        generation = store.movies.generation()
        tally = store.ratings.add(verdict(ann.id, movie.id, day=9))
        now = store.movies.get(movie.id)
        assert (now.facts, now.updated_at, now.synced_at) == (movie.facts, movie.updated_at, movie.synced_at)
        assert now.tally == tally
        assert store.movies.generation() == generation

    def test_a_movie_is_rated_once_by_each(self, store: Store, ann: User, bob: User, movie: Movie) -> None:
        first = verdict(ann.id, movie.id, 8)
        store.ratings.add(first)
        with pytest.raises(AlreadyRated):
            store.ratings.add(verdict(ann.id, movie.id, 2))
        assert store.ratings.of(ann.id, movie.id) == first
        assert store.ratings.add(verdict(bob.id, movie.id, 2)) == _tally(8, 2)

    def test_a_withdrawn_rating_may_be_given_again(self, store: Store, ann: User, movie: Movie) -> None:
        rating = verdict(ann.id, movie.id)
        store.ratings.add(rating)
        store.ratings.remove(rating.id, ann.id)
        assert store.ratings.add(verdict(ann.id, movie.id, 3)) == _tally(3)

    def test_a_movie_that_is_not_held_cannot_be_rated(self, store: Store, ann: User) -> None:
        with pytest.raises(MovieNotFound):
            store.ratings.add(verdict(ann.id, NO_MOVIE))
        with pytest.raises(MovieNotFound):
            store.ratings.put(verdict(ann.id, NO_MOVIE))
        assert store.ratings.of(ann.id, NO_MOVIE) is None
        assert store.ratings.count(ann.id) == 0

    def test_somebody_who_has_left_rates_nothing(self, store: Store, ann: User, movie: Movie) -> None:
        store.users.remove(ann.id)
        for write in (store.ratings.add, store.ratings.put):
            with pytest.raises(UserNotFound):
                write(verdict(ann.id, movie.id))
        assert store.movies.get(movie.id).tally == Tally()
        assert store.ratings.of_movie(movie.id, 9) == []

    def test_a_movie_that_no_list_shows_can_be_rated(self, store: Store, ann: User) -> None:
        (adult,) = fill(store, [facts(5, adult=True)])
        store.ratings.add(verdict(ann.id, adult.id, 6))
        assert store.movies.get(adult.id).tally == _tally(6)
        assert store.movies.page(MovieFilter(min_rating=1), Sorting(), Window()).movies == ()

    def test_the_first_put_stores_the_rating(self, store: Store, ann: User, movie: Movie) -> None:
        rating = verdict(ann.id, movie.id, 8, review="Fine")
        assert store.ratings.put(rating) == (rating, _tally(8), True)
        assert store.ratings.get(rating.id) == rating

    def test_a_later_put_keeps_identity_and_birth(self, store: Store, ann: User, movie: Movie) -> None:
        first = verdict(ann.id, movie.id, 8, day=1, review="Fine")
        second = verdict(ann.id, movie.id, 2.5, day=3)
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

    def test_a_put_of_the_same_score_leaves_the_tally(self, store: Store, ann: User, movie: Movie) -> None:
        store.ratings.put(verdict(ann.id, movie.id, 8))
        _, tally, created = store.ratings.put(verdict(ann.id, movie.id, 8, review="Again"))
        assert (tally, created) == (_tally(8), False)

    def test_a_changed_rating_is_stored_and_returned(self, store: Store, ann: User, movie: Movie) -> None:
        rating = verdict(ann.id, movie.id, 8, review="Fine")
        store.ratings.add(rating)
        wanted = rating.changed(noon(2), score=Score(3), review=None)
        assert store.ratings.change(rating.id, ann.id, lambda _: wanted) == (wanted, _tally(1.5))
        assert store.ratings.get(rating.id) == wanted

    def test_a_change_sees_the_rating_as_it_is_stored(self, store: Store, ann: User, movie: Movie) -> None:
        rating = verdict(ann.id, movie.id, 8)
        store.ratings.add(rating)
        store.ratings.change(rating.id, ann.id, lambda before: before.changed(noon(2), review="Hm"))
        changed, _ = store.ratings.change(rating.id, ann.id, _scored(4))
        assert (changed.review, changed.score) == ("Hm", Score(8))

    def test_a_change_that_fails_leaves_the_rating(self, store: Store, ann: User, movie: Movie) -> None:
        rating = verdict(ann.id, movie.id, 8)
        store.ratings.add(rating)
        with pytest.raises(ZeroDivisionError):
            store.ratings.change(rating.id, ann.id, lambda before: before.changed(noon(2 // 0)))
        assert store.ratings.get(rating.id) == rating
        assert store.ratings.remove(rating.id, ann.id) == Tally()

    def test_nobody_touches_the_rating_of_another(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        rating = verdict(ann.id, movie.id, 8)
        store.ratings.add(rating)
        with pytest.raises(NotYourRating):
            store.ratings.change(rating.id, bob.id, _scored(1))
        with pytest.raises(NotYourRating):
            store.ratings.remove(rating.id, bob.id)
        store.ratings.remove_from(movie.id, bob.id)
        assert store.ratings.get(rating.id) == rating
        assert store.movies.get(movie.id).tally == _tally(8)

    def test_a_rating_that_there_is_not_is_not_found(self, store: Store, ann: User, movie: Movie) -> None:
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
    def test_a_users_ratings_come_in_order(
        self, store: Store, ann: User, bob: User, by: RatingOrder, *, descending: bool
    ) -> None:
        random = Random(1)
        mine = []
        for movie in fill(store, [facts(number) for number in range(1, 21)]):
            rating = verdict(
                ann.id,
                movie.id,
                random.choice((3, 7, 10)),
                created_at=noon(random.randint(1, 3)) + later(random.choice((0, 0.001, 0.5))),
                updated_at=noon(random.randint(3, 5)),
                id=RatingId(f"f{random.getrandbits(80):023x}"),
            )
            mine.append(rating)
            store.ratings.add(rating)
            store.ratings.add(verdict(bob.id, movie.id))
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
            assert walked(show, lambda rating: rating.cursor(by), limit) == mine

    @pytest.mark.parametrize("by", RatingOrder)
    @pytest.mark.parametrize("descending", [True, False])
    def test_a_walk_goes_on_behind_a_rating_that_is_gone(
        self, store: Store, ann: User, by: RatingOrder, *, descending: bool
    ) -> None:
        movies = fill(store, [facts(number) for number in range(1, 9)])
        for number, movie in enumerate(movies):
            store.ratings.add(verdict(ann.id, movie.id, 1 + number // 3, 1 + number // 2))
        show = partial(store.ratings.of_user, ann.id, by, descending=descending)
        whole = show(limit=20)
        for number, rating in enumerate(whole):
            store.ratings.remove(rating.id, ann.id)
            assert show(limit=20, after=rating.cursor(by)) == whole[number + 1 :]

    def test_a_movies_ratings_come_newest_first_and_those_of_one_age_by_id(
        self, store: Store, movie: Movie
    ) -> None:
        days = (1, 3, 2, 3, 1, 2, 3)
        ratings = [
            verdict(user, movie.id, day=day, id=RatingId(f"f{100 - number:023x}"))
            for number, (user, day) in enumerate(zip(crowd(store, len(days)), days, strict=True))
        ]
        (other,) = fill(store, [facts(2)])
        for rating in ratings:
            store.ratings.add(rating)
        store.ratings.add(verdict(ratings[0].user, other.id))
        ratings.sort(key=lambda rating: rating.id)
        ratings.sort(key=lambda rating: rating.created_at, reverse=True)
        assert store.ratings.of_movie(movie.id, 50) == ratings
        assert store.ratings.of_movie(movie.id, 3, 2) == ratings[2:5]
        assert store.ratings.of_movie(NO_MOVIE, 3) == []
        show = partial(store.ratings.of_movie, movie.id)
        for limit in (1, 2, 50):
            assert walked(show, lambda rating: rating.cursor(RatingOrder.CREATED_AT), limit) == ratings

    def test_the_count_is_of_ones_own_ratings(self, store: Store, ann: User, bob: User) -> None:
        for movie in fill(store, [facts(1), facts(2)]):
            store.ratings.add(verdict(ann.id, movie.id))
        store.ratings.add(verdict(bob.id, movie.id))
        assert (store.ratings.count(ann.id), store.ratings.count(bob.id)) == (2, 1)
        store.ratings.remove_from(movie.id, ann.id)
        assert (store.ratings.count(ann.id), store.ratings.count(UserId("0" * 24))) == (1, 0)


class RatedMoviesContract:
    """What ratings do to movies, lists and syncs."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return joined(store)

    def test_a_listed_movie_shows_its_average_at_once(self, store: Store, ann: User) -> None:
        (movie,) = fill(store, [facts(1)])
        for points in (8, 3.5):
            store.ratings.put(verdict(ann.id, movie.id, points))
            (shown,) = store.movies.page(MovieFilter(), Sorting(), Window()).movies
            assert shown.tally.average == points
            assert shown == store.movies.get(TmdbNumber(1)) == store.movies.by_ids([movie.id])[0]

    def test_the_rating_filter_follows_at_once(self, store: Store, ann: User) -> None:
        movie, other = fill(store, [facts(1), facts(2)])
        rating = verdict(ann.id, movie.id, 8)
        assert _admitted(store, 1) == []
        store.ratings.add(rating)
        store.ratings.add(verdict(ann.id, other.id, 2))
        assert (_admitted(store, 8), _admitted(store, 8.5)) == ([1], [])
        store.ratings.change(rating.id, ann.id, _scored(9))
        assert (_admitted(store, 8.5), _admitted(store, 1)) == ([1], [1, 2])
        store.ratings.remove(rating.id, ann.id)
        assert (_admitted(store, 8.5), _admitted(store, 1)) == ([], [2])

    @pytest.mark.parametrize("by", OUR_ORDERS)
    @pytest.mark.parametrize("order", SortOrder)
    def test_lists_of_rated_movies_follow_the_rules(self, store: Store, by: SortBy, order: SortOrder) -> None:
        random, users = Random(4), crowd(store, 4)
        movies = fill(store, invented(40, seed=4))
        for movie in movies:
            for user in random.sample(users, random.choice((0, 0, 1, 2, 4))):
                store.ratings.put(verdict(user, movie.id, random.choice((1, 6.5, 7, 10))))
        rated = store.movies.by_ids([movie.id for movie in movies])
        sorting = Sorting(by, order)
        for wanted in (MovieFilter(), MovieFilter(min_rating=6.5), MovieFilter(min_rating=7, language="en")):
            ordered = expected(rated, wanted, sorting)
            assert walked_by_cursor(store, wanted, sorting) == ordered
            assert walked_by_page(store, wanted, sorting) == ordered
            assert store.movies.count(wanted) == len(ordered)

    def test_a_list_sorted_by_rating_moves_with_each_rating(self, store: Store, ann: User) -> None:
        one, two = fill(store, [facts(1), facts(2)])
        store.ratings.put(verdict(ann.id, one.id, 6))
        for points, first in ((7, two), (5, one), (6.5, two)):
            store.ratings.put(verdict(ann.id, two.id, points))
            for by in OUR_ORDERS[:2]:
                assert store.movies.page(MovieFilter(), Sorting(by), Window()).movies[0].id == first.id

    def test_a_sync_leaves_the_tally_alone(self, store: Store, ann: User) -> None:
        (movie,) = fill(store, [facts(1)])
        store.ratings.add(verdict(ann.id, movie.id, 8))
        for news in (facts(1), facts(1, title="Renamed", vote_average=2.0, vote_count=9)):
            put(store, news, day=2)
            assert store.movies.get(movie.id).tally == _tally(8)
            assert _admitted(store, 8) == [1]
        assert store.ratings.drifts() == []

    def test_a_sync_while_users_rate_loses_nothing(self, store: Store) -> None:
        (movie,) = fill(store, [facts(1)])
        users = crowd(store, 6)
        rate = [partial(store.ratings.add, verdict(user, movie.id, 7)) for user in users]
        answers = at_once(
            [*rate, lambda: [put(store, facts(1, runtime=day), day=day) for day in range(2, 8)]]
        )
        assert kinds(answers) == []
        assert store.movies.get(movie.id).tally == _tally(*[7] * 6)

    def test_a_gone_movie_that_is_rated_is_kept(self, store: Store, ann: User) -> None:
        (movie,) = fill(store, [facts(1)])
        rating = verdict(ann.id, movie.id, 8)
        store.ratings.add(rating)
        run = put(store, gone=(1,), day=2)
        kept = store.movies.get(movie.id)
        assert (kept.removed_at, kept.tally, run.updated) == (noon(2), _tally(8), 1)
        assert store.movies.count(MovieFilter()) == 0
        assert _admitted(store, 1) == []
        assert store.ratings.change(rating.id, ann.id, _scored(9))[1] == _tally(9)
        assert store.ratings.put(verdict(joined(store, "bob").id, movie.id, 2))[1] == _tally(9, 2)

    def test_a_rated_movie_that_comes_back_has_its_tally(self, store: Store, ann: User) -> None:
        (movie,) = fill(store, [facts(1)])
        store.ratings.add(verdict(ann.id, movie.id, 8))
        put(store, gone=(1,), day=2)
        put(store, facts(1), day=3)
        assert _admitted(store, 8) == [1]
        assert store.movies.get(movie.id).removed_at is None

    def test_a_gone_movie_that_nobody_rates_any_more_is_deleted(self, store: Store, ann: User) -> None:
        (movie,) = fill(store, [facts(1)])
        store.ratings.add(verdict(ann.id, movie.id, 8))
        put(store, gone=(1,), day=2)
        store.ratings.remove_from(movie.id, ann.id)
        put(store, gone=(1,), day=3)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_movie_that_goes_while_it_is_rated_is_kept_or_not_found(self, store: Store) -> None:
        users = crowd(store, 3)
        movies = fill(store, [facts(number) for number in range(1, 9)])
        for number, movie in enumerate(movies, 1):
            rate = [partial(store.ratings.add, verdict(user, movie.id, 4)) for user in users]
            answers = at_once([*rate, going(store, number)])
            failed = kinds(answers)
            assert failed == ["MovieNotFound"] * len(failed)
            rated = sum(store.ratings.of(user, movie.id) is not None for user in users)
            assert rated == len(users) - len(failed)
            held = store.movies.by_tmdb_ids([number])
            assert (held[number].tally if held else Tally()) == _tally(*[4] * rated)
            assert bool(held) is bool(rated)


class ConcurrentRatingsContract:
    """Tallies are exact whoever comes when."""

    @pytest.fixture
    def movie(self, store: Store) -> Movie:
        (movie,) = fill(store, [facts(1)])
        return movie

    def test_many_users_rate_one_movie_at_once(self, store: Store, movie: Movie) -> None:
        ratings = [
            verdict(user, movie.id, 1 + number % 19 / 2) for number, user in enumerate(crowd(store, 24))
        ]
        answers = at_once([partial(store.ratings.add, rating) for rating in ratings])
        assert kinds(answers) == []
        assert sorted(tally.count for tally in answers) == list(range(1, 25))
        assert store.movies.get(movie.id).tally == Tally.of(rating.score for rating in ratings)

    def test_of_a_users_first_ratings_at_once_one_is_stored(self, store: Store, movie: Movie) -> None:
        user = joined(store).id
        ratings = [verdict(user, movie.id, 1 + number) for number in range(8)]
        answers = at_once([partial(store.ratings.add, rating) for rating in ratings])
        assert kinds(answers) == ["AlreadyRated"] * 7
        (won,) = (answer for answer in answers if isinstance(answer, Tally))
        stored = store.ratings.of(user, movie.id)
        assert stored in ratings
        assert won == store.movies.get(movie.id).tally == _recounted(store, movie)
        assert store.ratings.count(user) == 1

    def test_of_a_users_puts_at_once_one_is_the_first(self, store: Store, movie: Movie) -> None:
        user = joined(store).id
        answers = at_once([
            partial(store.ratings.put, verdict(user, movie.id, 1 + number)) for number in range(8)
        ])  # fmt: skip
        assert [created for _, _, created in answers].count(True) == 1
        assert {tally.count for _, tally, _ in answers} == {1}
        assert len({rating.id for rating, _, _ in answers}) == 1
        assert store.movies.get(movie.id).tally == _recounted(store, movie)
        assert store.ratings.count(user) == 1

    def test_no_change_of_a_rating_is_lost(self, store: Store, movie: Movie) -> None:
        user = joined(store).id
        rating = verdict(user, movie.id, 1)
        store.ratings.add(rating)

        def higher(before: Rating) -> Rating:
            return before.changed(noon(2), score=Score(before.score.half_points + 1))

        at_once([partial(store.ratings.change, rating.id, user, higher)] * 12)
        assert store.ratings.get(rating.id).score == Score(14)
        assert store.movies.get(movie.id).tally == _tally(7)

    def test_a_rating_is_withdrawn_once(self, store: Store, movie: Movie) -> None:
        user = joined(store).id
        rating = verdict(user, movie.id)
        store.ratings.add(rating)
        answers = at_once([partial(store.ratings.remove, rating.id, user)] * 6)
        assert kinds(answers) == ["RatingNotFound"] * 5
        assert store.movies.get(movie.id).tally == Tally()

    def test_whatever_happens_at_once_the_tallies_equal_a_recount(self, store: Store) -> None:
        movies = fill(store, [facts(number) for number in range(1, 4)])
        users = crowd(store, 4)
        answers = at_once([
            partial(_busy, store, user, movies, Random(seed))
            for seed, user in enumerate([*users, *users])
        ])  # fmt: skip
        assert kinds(answers) == []
        for movie in movies:
            assert store.movies.get(movie.id).tally == _recounted(store, movie)
        assert store.ratings.drifts() == []

    def test_a_recount_while_users_rate_finds_no_drift(self, store: Store) -> None:
        movies = fill(store, [facts(number) for number in range(1, 4)])
        users = crowd(store, 3)
        rating = [partial(_busy, store, user, movies, Random(seed)) for seed, user in enumerate(users)]
        counting = [lambda: [store.ratings.drifts(repair=number > 3) for number in range(8)]]
        *_, drifts = at_once([*rating, *counting])
        assert drifts == [[]] * 8
        for movie in movies:
            assert store.movies.get(movie.id).tally == _recounted(store, movie)


class DriftContract:
    """Recounting, and setting right what something else than these ports has put wrong."""

    @pytest.fixture
    def rated(self, store: Store) -> list[MovieId]:
        ann, bob = joined(store), joined(store, "bob")
        movies = sorted(movie.id for movie in fill(store, [facts(number) for number in range(1, 6)]))
        for movie in movies[:3]:
            store.ratings.add(verdict(ann.id, movie, 8))
            store.ratings.add(verdict(bob.id, movie, 3.5))
        return movies

    def test_true_tallies_are_no_drift(self, store: Store, rated: list[MovieId]) -> None:
        assert store.ratings.drifts() == store.ratings.drifts(repair=True) == []
        assert store.movies.get(rated[0]).tally == _tally(8, 3.5)

    def test_drifts_are_told_by_id_with_what_was_stored_and_counted(
        self, store: Store, rated: list[MovieId], skew: Skew
    ) -> None:
        wrong = {rated[2]: _tally(8), rated[0]: Tally(), rated[4]: _tally(1, 1)}
        for movie, tally in wrong.items():
            skew(movie, tally)
        drifts = [
            Drift(rated[0], Tally(), _tally(8, 3.5)),
            Drift(rated[2], _tally(8), _tally(8, 3.5)),
            Drift(rated[4], _tally(1, 1), Tally()),
        ]
        assert store.ratings.drifts() == store.ratings.drifts() == drifts
        assert {movie: store.movies.get(movie).tally for movie in wrong} == wrong

    def test_a_score_counted_as_another_is_a_drift(
        self, store: Store, rated: list[MovieId], skew: Skew
    ) -> None:
        skew(rated[1], _tally(8, 4))
        assert store.ratings.drifts() == [Drift(rated[1], _tally(8, 4), _tally(8, 3.5))]

    def test_a_repair_tells_what_it_sets_right(self, store: Store, rated: list[MovieId], skew: Skew) -> None:
        skew(rated[1], _tally(10, 10, 10))
        skew(rated[3], _tally(9))
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

    def test_a_repaired_movie_is_rated_on_from_the_truth(
        self, store: Store, rated: list[MovieId], skew: Skew
    ) -> None:
        skew(rated[0], _tally(1))
        store.ratings.drifts(repair=True)
        assert store.ratings.add(verdict(joined(store, "eva").id, rated[0], 10)) == _tally(8, 3.5, 10)

    def test_a_gone_movie_is_kept_for_its_ratings_whatever_its_tally_says(
        self, store: Store, rated: list[MovieId], skew: Skew
    ) -> None:
        """Rated with an empty tally and with a false one; and not rated with a tally that says so."""
        empty, false, invented_votes = rated[0], rated[1], rated[3]
        skew(empty, Tally())
        skew(false, _tally(1))
        skew(invented_votes, _tally(8, 9))
        numbers = {movie.id: movie.facts.tmdb_id for movie in store.movies.by_ids(rated)}
        run = put(store, gone=tuple(numbers.values()), day=2)
        assert run.updated == len(rated)
        assert {movie.id for movie in store.movies.by_ids(rated)} == set(rated[:3])
        assert [movie.removed_at for movie in store.movies.by_ids(rated)] == [noon(2)] * 3
        assert store.ratings.count(store.ratings.of_movie(empty, 1)[0].user) == 3

    def test_many_drifts_are_repaired(self, store: Store, skew: Skew) -> None:
        movies = fill(store, [facts(number) for number in range(1, 131)])
        for movie in movies:
            skew(movie.id, _tally(5))
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
    """A user who cannot decide; may run twice at once for one user."""
    movies = list(movies)
    for _ in range(12):
        movie, points = random.choice(movies).id, random.choice((1, 5, 5.5, 10))
        found = store.ratings.of(user, movie)
        call: Any = random.choice((
            partial(store.ratings.add, verdict(user, movie, points)),
            partial(store.ratings.put, verdict(user, movie, points)),
            partial(store.ratings.change, found.id if found else NO_RATING, user, _scored(points)),
            partial(store.ratings.remove, found.id if found else NO_RATING, user),
            partial(store.ratings.remove_from, movie, user),
        ))  # fmt: skip
        try:
            call()
        except (AlreadyRated, RatingNotFound):
            continue
