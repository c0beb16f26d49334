"""The contract of RecommendationRepository.

It reduces `domain.recommendations.MAX_HIDDEN`, which adapters must read at each call.
"""

from collections.abc import Callable
from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    add_movies,
    add_user,
    add_users,
    error_names,
    facts,
    new_rating,
    new_viewing,
    noon,
    read_pages,
    run_concurrently,
)
from domain import recommendations
from domain.ids import MovieId, UserId, movie_id
from domain.movies import MovieNotFound
from domain.ratings import Rating, Score, Tally
from domain.recommendations import HiddenListFull, HiddenMovie, Neighbour
from domain.users import User, UserNotFound

NO_MOVIE, NO_USER = MovieId("0" * 24), UserId("0" * 24)
FIRST, SECOND, THIRD = map(movie_id, (1, 2, 3))


class RecommendationRepositoryContract:
    """Changes of ratings, likes, neighbours and hidden movies."""

    @pytest.fixture
    def ann(self, store: Store) -> User:
        return add_user(store)

    @pytest.fixture
    def four_movies(self, store: Store) -> None:
        add_movies(store, [facts(number) for number in range(1, 5)])

    @pytest.mark.usefixtures("four_movies")
    def test_every_write_of_a_score_stores_one_change_for_user_and_movie(
        self, store: Store, ann: User
    ) -> None:
        bob = add_user(store, "bob")
        rating = new_rating(ann.id, FIRST, 8)
        writes: list[Callable[[], object]] = [
            lambda: store.ratings.add(rating),
            lambda: store.ratings.put(new_rating(ann.id, FIRST, 3)),
            lambda: store.ratings.change(
                rating.id, ann.id, lambda each: each.changed(noon(), score=Score(9))
            ),
            lambda: store.ratings.remove(rating.id, ann.id),
            lambda: store.ratings.put(new_rating(ann.id, FIRST)),
            lambda: store.ratings.remove_from(FIRST, ann.id),
        ]
        marks = set()
        for write in writes:
            write()
            (change,) = store.recommendations.changes(9)
            assert (change.user, change.movie) == (ann.id, FIRST)
            marks.add(change.mark)
        assert len(marks) == len(writes)
        store.ratings.add(new_rating(bob.id, FIRST))
        assert len(store.recommendations.changes(9)) == 2
        assert len(store.recommendations.changes(1)) == 1

    @pytest.mark.usefixtures("four_movies")
    def test_a_review_and_a_failed_write_store_no_change(self, store: Store, ann: User) -> None:
        rating = new_rating(ann.id, FIRST)
        store.ratings.add(rating)
        store.recommendations.settle(store.recommendations.changes(9))
        store.ratings.change(rating.id, ann.id, lambda each: each.changed(noon(2), review="Again"))
        with pytest.raises(MovieNotFound):
            store.ratings.add(new_rating(ann.id, NO_MOVIE))
        assert store.recommendations.changes(9) == []

    @pytest.mark.usefixtures("four_movies")
    def test_a_change_that_was_repeated_meanwhile_is_not_settled(self, store: Store, ann: User) -> None:
        for movie in (FIRST, SECOND):
            store.ratings.add(new_rating(ann.id, movie, 8))
        read = store.recommendations.changes(9)
        store.ratings.put(new_rating(ann.id, FIRST, 3))
        store.recommendations.settle(read)
        (change,) = store.recommendations.changes(9)
        assert change.movie == FIRST
        assert change not in read
        store.recommendations.settle([])

    @pytest.mark.usefixtures("four_movies")
    def test_the_deletion_of_an_account_stores_a_change_for_each_of_its_ratings(
        self, store: Store, ann: User
    ) -> None:
        for movie in (FIRST, SECOND):
            store.ratings.add(new_rating(ann.id, movie))
        store.recommendations.hide(ann.id, THIRD, noon())
        store.recommendations.settle(store.recommendations.changes(9))
        store.users.remove(ann.id)
        assert {(each.user, each.movie) for each in store.recommendations.changes(9)} == {
            (ann.id, FIRST),
            (ann.id, SECOND),
        }
        assert store.recommendations.likes([ann.id], newest=9) == {}
        assert store.recommendations.known(ann.id, [FIRST, SECOND, THIRD]) == set()
        assert store.recommendations.hidden(ann.id, limit=9) == []

    @pytest.mark.usefixtures("four_movies")
    def test_likes_are_scores_from_seven_among_the_newest_ratings(self, store: Store, ann: User) -> None:
        bob = add_user(store, "bob")
        rated: list[Rating] = [
            new_rating(ann.id, FIRST, 7, day=1),
            new_rating(ann.id, SECOND, 6.5, day=2),
            new_rating(ann.id, THIRD, 10, day=3),
            new_rating(ann.id, movie_id(4), 9, day=3),
            new_rating(bob.id, FIRST, 2),
        ]
        for each in rated:
            store.ratings.add(each)
        found = store.recommendations.likes([ann.id, bob.id, NO_USER], newest=9)
        assert found == {ann.id: [THIRD, movie_id(4), FIRST]}
        assert store.recommendations.likes([ann.id], newest=3) == {ann.id: [THIRD, movie_id(4)]}
        assert store.recommendations.likes([], newest=9) == {}

    @pytest.mark.usefixtures("four_movies")
    def test_likers_are_users_who_rated_the_movie_from_seven(self, store: Store) -> None:
        users = add_users(store, 3)
        for day, (user, points) in enumerate(zip(users, (7, 6.5, 10), strict=True), 1):
            store.ratings.add(new_rating(user, FIRST, points, day=day))
        assert set(store.recommendations.likers(FIRST)) == {users[0], users[2]}
        assert store.recommendations.likers(SECOND) == []
        assert store.recommendations.likers(NO_MOVIE) == []

    @pytest.mark.usefixtures("four_movies")
    def test_tallies_are_those_of_rated_movies(self, store: Store, ann: User) -> None:
        store.ratings.add(new_rating(ann.id, FIRST, 8))
        store.ratings.add(new_rating(ann.id, SECOND, 8))
        store.ratings.remove_from(SECOND, ann.id)
        found = store.recommendations.tallies([FIRST, SECOND, THIRD, NO_MOVIE])
        assert found.pop(FIRST) == Tally.of([Score.of(8)])
        assert not any(tally.count for tally in found.values())

    @pytest.mark.usefixtures("four_movies")
    def test_neighbours_are_read_in_the_order_in_which_they_were_stored(self, store: Store) -> None:
        found = (Neighbour(THIRD, 7, 2**40), Neighbour(SECOND, 9, 5))
        store.recommendations.store({FIRST: found, SECOND: [Neighbour(FIRST, 9, 5)], THIRD: []})
        read = store.recommendations.neighbours([FIRST, SECOND, THIRD, NO_MOVIE])
        assert read == {FIRST: found, SECOND: (Neighbour(FIRST, 9, 5),)}
        store.recommendations.store({FIRST: found[:1], SECOND: ()})
        assert store.recommendations.neighbours([FIRST, SECOND]) == {FIRST: found[:1]}
        store.recommendations.store({})

    @pytest.mark.usefixtures("four_movies")
    def test_movies_with_ratings_or_neighbours_are_walked_by_id(self, store: Store, ann: User) -> None:
        for number in (1, 2, 3):
            store.ratings.add(new_rating(ann.id, movie_id(number)))
        orphan = MovieId("1" * 24)
        store.recommendations.store({FIRST: [Neighbour(SECOND, 2, 1)], orphan: [Neighbour(FIRST, 2, 1)]})
        walked, last = list[MovieId](), None
        while part := store.recommendations.movies_after(last, 2):
            walked += part
            last = part[-1]
        assert walked == sorted({FIRST, SECOND, THIRD, orphan})

    @pytest.mark.usefixtures("four_movies")
    def test_the_rule_is_none_until_it_is_set(self, store: Store) -> None:
        assert store.recommendations.rule() == 0
        store.recommendations.set_rule(3)
        assert store.recommendations.rule() == 3

    @pytest.mark.usefixtures("four_movies")
    def test_known_movies_are_rated_seen_or_hidden_by_the_user(self, store: Store, ann: User) -> None:
        bob = add_user(store, "bob")
        store.ratings.add(new_rating(ann.id, FIRST, 1))
        store.viewings.add(new_viewing(ann.id, SECOND))
        store.recommendations.hide(ann.id, THIRD, noon())
        store.ratings.add(new_rating(bob.id, movie_id(4)))
        movies = [FIRST, SECOND, THIRD, movie_id(4), NO_MOVIE]
        assert store.recommendations.known(ann.id, movies) == {FIRST, SECOND, THIRD}
        assert store.recommendations.known(ann.id, [SECOND]) == {SECOND}
        assert store.recommendations.known(bob.id, movies) == {movie_id(4)}

    @pytest.mark.usefixtures("four_movies")
    def test_hidden_movies_are_listed_the_last_hidden_first(self, store: Store, ann: User) -> None:
        for day, movie in ((1, FIRST), (3, SECOND), (3, THIRD), (2, movie_id(4)), (5, FIRST)):
            store.recommendations.hide(ann.id, movie, noon(day))
        tied = sorted((SECOND, THIRD))
        expected = [
            *(HiddenMovie(movie, noon(3)) for movie in tied),
            HiddenMovie(movie_id(4), noon(2)),
            HiddenMovie(FIRST, noon(1)),
        ]
        assert store.recommendations.hidden(ann.id, limit=9) == expected
        assert store.recommendations.hidden(ann.id, limit=2, skip=1) == expected[1:3]
        show = partial(store.recommendations.hidden, ann.id)
        assert read_pages(show, lambda each: each.cursor, limit=1) == expected
        assert store.recommendations.count_hidden(ann.id) == 4

    @pytest.mark.usefixtures("four_movies")
    def test_a_movie_is_hidden_until_it_is_shown_again(self, store: Store, ann: User) -> None:
        bob = add_user(store, "bob")
        store.recommendations.hide(ann.id, FIRST, noon())
        assert store.recommendations.is_hidden(ann.id, FIRST)
        assert not store.recommendations.is_hidden(bob.id, FIRST)
        for _ in range(2):
            store.recommendations.unhide(ann.id, FIRST)
            assert not store.recommendations.is_hidden(ann.id, FIRST)
        assert store.recommendations.count_hidden(ann.id) == 0

    @pytest.mark.usefixtures("four_movies")
    def test_nothing_is_hidden_for_unknown_movies_and_users(self, store: Store, ann: User) -> None:
        with pytest.raises(MovieNotFound):
            store.recommendations.hide(ann.id, NO_MOVIE, noon())
        with pytest.raises(UserNotFound):
            store.recommendations.hide(NO_USER, FIRST, noon())
        assert store.recommendations.count_hidden(ann.id) == 0

    @pytest.mark.usefixtures("four_movies")
    def test_a_user_hides_no_more_movies_than_allowed_also_with_several_at_once(
        self, store: Store, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recommendations, "MAX_HIDDEN", 2)
        answers = run_concurrently(
            [partial(store.recommendations.hide, ann.id, movie_id(number), noon()) for number in (1, 2, 3)]
        )
        assert error_names(answers) == [HiddenListFull.__name__]
        hidden = store.recommendations.hidden(ann.id, limit=9)
        assert len(hidden) == 2
        store.recommendations.hide(ann.id, hidden[0].movie, noon())  # it is hidden already
