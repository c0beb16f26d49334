"""The contract of lists that depend on a user's own ratings, watchlist and viewings."""

from collections.abc import Iterable
from datetime import date
from itertools import product

import pytest

from adapters.store import Store
from adapters.testkit.movies import SORTINGS, expected, list_by_cursor, list_by_page
from adapters.testkit.samples import (
    GENRES,
    add_user,
    facts,
    new_item,
    new_rating,
    new_viewing,
    noon,
    store_page,
)
from domain.browsing import Mine, MovieFilter, OwnFilter, Sorting
from domain.ids import MovieId, UserId, movie_id
from domain.pagination import Window

OWN: dict[MovieId, frozenset[Mine]] = {
    movie_id(number): frozenset(kinds)
    for number, kinds in {
        1: {Mine.RATED},
        2: {Mine.LISTED},
        3: {Mine.LISTED, Mine.FAVORITE},
        4: {Mine.RATED, Mine.LISTED, Mine.SEEN},
        5: {Mine.RATED, Mine.LISTED, Mine.FAVORITE},
        6: {Mine.RATED},
        7: {Mine.SEEN},
    }.items()
}
"""What movies are to a user. There are more movies; the sixth is removed from lists."""


def own_filter(user: UserId, mine: Iterable[Mine] = (), not_mine: Iterable[Mine] = ()) -> OwnFilter:
    """A filter about a user."""
    return OwnFilter(user=user, mine=frozenset(mine), not_mine=frozenset(not_mine))


def add_own_movies(store: Store) -> UserId:
    """Store ten movies of which a user has rated and listed some, and another user all; return the user."""
    movies = [
        facts(
            number,
            genres=GENRES[number % 2 : 1 + number % 2],
            runtime=100 + number % 4 if number < 9 else None,
            popularity=number % 3 / 2 if number > 1 else None,
            release_date=date(1990 + number % 4, 1, 1) if number != 4 else None,
            vote_average=7.365 if number % 4 else None,
            vote_count=number % 2 if number != 5 else None,
            title=f"The {number % 5}",
        )
        for number in range(1, 11)
    ]
    store_page(store, *movies)
    ann, bob = add_user(store).id, add_user(store, "bob").id
    for movie, kinds in OWN.items():
        if Mine.RATED in kinds:
            store.ratings.add(new_rating(ann, movie))
        if Mine.LISTED in kinds:
            store.watchlists.add(new_item(ann, movie, is_favorite=Mine.FAVORITE in kinds))
        if Mine.SEEN in kinds:
            store.viewings.add(new_viewing(ann, movie))
            store.viewings.add(new_viewing(ann, movie, date(2026, 1, 1)))
    for number in range(1, 11):
        store.ratings.add(new_rating(bob, movie_id(number)))
        store.watchlists.add(new_item(bob, movie_id(number), is_favorite=True))
        store.viewings.add(new_viewing(bob, movie_id(number)))
    store_page(store, facts(6, adult=True), day=2)
    return ann


KINDS: list[tuple[Mine, ...]] = [(), *((each,) for each in Mine), (Mine.RATED, Mine.LISTED), tuple(Mine)]


class OwnMoviesContract:
    """Lists of what a user has rated, listed or seen, and of what not."""

    def test_a_list_of_ones_own_movies_is_filtered_and_sorted_like_the_domain(self, store: Store) -> None:
        user = add_own_movies(store)
        movies = list(store.movies.by_tmdb_ids(range(11)).values())
        for place, (mine, not_mine) in enumerate(product(KINDS, KINDS)):
            own, sorting = own_filter(user, mine, not_mine), SORTINGS[place % len(SORTINGS)]
            wanted = MovieFilter(own=own, all_genres=frozenset(GENRES[:1] if place % 3 == 0 else ()))
            ordered = expected(movies, wanted, sorting, OWN)
            way = list_by_page if place % 4 else list_by_cursor
            assert way(store, wanted, sorting) == ordered
            assert store.movies.count(wanted) == len(ordered)

    @pytest.mark.parametrize("kind", Mine)
    def test_a_users_change_is_seen_by_the_next_list(self, store: Store, kind: Mine) -> None:
        store_page(store, facts(1), facts(2))
        user, movie = add_user(store).id, movie_id(1)
        own = MovieFilter(own=own_filter(user, [kind]))
        others = MovieFilter(own=own_filter(user, not_mine=[kind]))

        def counts() -> tuple[int, ...]:
            lists = [store.movies.page(each, Sorting(), Window()).movies for each in (own, others)]
            assert [len(each) for each in lists] == [store.movies.count(each) for each in (own, others)]
            return tuple(map(len, lists))

        item, viewing = new_item(user, movie, is_favorite=True), new_viewing(user, movie)
        assert counts() == (0, 2)
        if kind is Mine.RATED:
            store.ratings.add(new_rating(user, movie))
        elif kind is Mine.SEEN:
            store.viewings.add(viewing)
        else:
            store.watchlists.add(item)
        assert counts() == (1, 1)
        if kind is Mine.RATED:
            store.ratings.remove_from(movie, user)
        elif kind is Mine.SEEN:
            store.viewings.remove(viewing.id, user)
        elif kind is Mine.FAVORITE:
            store.watchlists.change(item.id, user, lambda before: before.toggled(noon(2)))
        else:
            store.watchlists.remove_from(movie, user)
        assert counts() == (0, 2)
