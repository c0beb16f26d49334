"""The contract of WatchlistRepository.

It reduces `domain.watchlist.MAX_ITEMS`, which adapters must read at each call.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from operator import itemgetter

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    add_movies,
    add_user,
    add_users,
    error_names,
    facts,
    new_item,
    new_rating,
    noon,
    random_facts,
    read_pages,
    removal_of,
    run_concurrently,
    store_page,
)
from domain import watchlist
from domain.browsing import MovieFilter, sort_values
from domain.ids import ItemId, MovieId, UserId
from domain.movies import Movie, MovieNotFound
from domain.pagination import Cursor
from domain.users import User
from domain.watchlist import (
    AlreadyListed,
    ItemNotFound,
    NotYourItem,
    WatchlistFull,
    WatchlistItem,
    WatchlistOrder,
)


def _cursor(movies: Mapping[MovieId, Movie], by: WatchlistOrder, item: WatchlistItem) -> Cursor:
    """The position of an item in an order."""
    return Cursor(sort_values(movies[item.movie])[by.of_movies], item.id) if by.of_movies else item.cursor


NO_MOVIE = MovieId("0" * 24)
NO_ITEM = ItemId("0" * 24)


class WatchlistRepositoryContract:
    """Storing, changing and listing watchlist items."""

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

    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watchlist, "MAX_ITEMS", 3)

    def test_a_watchlist_is_sorted_by_values_of_its_movies_hidden_ones_included(
        self, store: Store, ann: User, bob: User
    ) -> None:
        movies = add_movies(store, random_facts(12, seed=8))
        items = [
            new_item(ann.id, movie.id, 1 + place % 3, is_favorite=place % 2 == 0)
            for place, movie in enumerate(movies)
        ]
        for item in (*items, *(new_item(bob.id, movie.id) for movie in movies[:3])):
            store.watchlists.add(item)
        store.ratings.add(new_rating(ann.id, movies[4].id, 9))
        store_page(store, replace(movies[5].facts, adult=True), day=2)
        by_id = {movie.id: movie for movie in store.movies.by_ids([movie.id for movie in movies])}
        for by, favorite in ((by, favorite) for by in WatchlistOrder for favorite in (None, True)):
            for descending in (True, False):
                rows = [(_cursor(by_id, by, item).value, item) for item in items]
                wanted = sorted(
                    (row for row in rows if favorite is None or row[1].is_favorite), key=lambda row: row[1].id
                )
                known = [row for row in wanted if row[0] is not None]
                known.sort(key=itemgetter(0), reverse=descending)
                ordered = [item for _, item in (*known, *(row for row in wanted if row[0] is None))]
                show = partial(
                    store.watchlists.sorted_of_user, ann.id, by, descending=descending, favorite=favorite
                )
                found = read_pages(show, partial(_cursor, by_id, by), 5)
                assert found == ordered
                assert show(limit=3, skip=2) == ordered[2:5]

    def test_an_item_is_read_as_it_was_stored(self, store: Store, ann: User) -> None:
        one, two = add_movies(store, [facts(1), facts(2)])
        for item in (
            new_item(ann.id, one.id, is_favorite=True, note="With Bob\n“soon” 🍿", updated_at=noon(3)),
            new_item(ann.id, two.id),
        ):
            store.watchlists.add(item)
            assert store.watchlists.get(item.id) == store.watchlists.of(ann.id, item.movie) == item

    def test_a_watchlist_item_does_not_change_its_movie(self, store: Store, ann: User, movie: Movie) -> None:
        generation = store.movies.generation()
        store.watchlists.add(new_item(ann.id, movie.id, is_favorite=True))
        assert store.movies.get(movie.id) == movie
        assert store.movies.generation() == generation

    def test_each_user_adds_a_movie_once(self, store: Store, ann: User, bob: User, movie: Movie) -> None:
        first = new_item(ann.id, movie.id)
        store.watchlists.add(first)
        with pytest.raises(AlreadyListed):
            store.watchlists.add(new_item(ann.id, movie.id, note="again"))
        assert store.watchlists.of(ann.id, movie.id) == first
        store.watchlists.add(new_item(bob.id, movie.id))

    def test_a_movie_can_be_added_again_after_its_removal(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        for _ in range(2):
            item = new_item(ann.id, movie.id)
            store.watchlists.add(item)
            store.watchlists.remove(item.id, ann.id)
        assert store.watchlists.count(ann.id) == 0

    def test_a_movie_that_is_not_stored_cannot_be_added(self, store: Store, ann: User) -> None:
        with pytest.raises(MovieNotFound):
            store.watchlists.add(new_item(ann.id, NO_MOVIE))
        with pytest.raises(MovieNotFound):
            store.watchlists.put(new_item(ann.id, NO_MOVIE))
        assert store.watchlists.count(ann.id) == 0

    def test_the_first_put_stores_the_item(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id, note="soon")
        assert store.watchlists.put(item) == (item, True)
        assert store.watchlists.get(item.id) == item

    def test_a_later_put_keeps_id_and_time_of_addition(self, store: Store, ann: User, movie: Movie) -> None:
        first = new_item(ann.id, movie.id, day=1, note="soon")
        second = new_item(ann.id, movie.id, day=3, is_favorite=True)
        store.watchlists.add(first)
        stored, created = store.watchlists.put(second)
        assert (stored, created) == (first.changed(noon(3), is_favorite=True, note=None), False)
        assert store.watchlists.get(first.id) == stored
        with pytest.raises(ItemNotFound):
            store.watchlists.get(second.id)

    def test_a_changed_item_is_stored_and_returned(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id, note="soon")
        store.watchlists.add(item)
        wanted = item.changed(noon(2), is_favorite=True, note=None)
        assert store.watchlists.change(item.id, ann.id, lambda _: wanted) == wanted
        assert store.watchlists.get(item.id) == wanted

    def test_a_change_receives_the_stored_item(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        for mark in (True, False, True):
            assert store.watchlists.change(item.id, ann.id, _toggled).is_favorite is mark

    def test_a_failed_change_does_not_alter_the_item(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        with pytest.raises(ZeroDivisionError):
            store.watchlists.change(item.id, ann.id, lambda before: before.toggled(noon(2 // 0)))
        assert store.watchlists.get(item.id) == item

    def test_a_user_cannot_change_the_item_of_another(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        with pytest.raises(NotYourItem):
            store.watchlists.change(item.id, bob.id, _toggled)
        with pytest.raises(NotYourItem):
            store.watchlists.remove(item.id, bob.id)
        store.watchlists.remove_from(movie.id, bob.id)
        assert store.watchlists.get(item.id) == item

    def test_a_missing_item_is_not_found(self, store: Store, ann: User, movie: Movie) -> None:
        for call in (
            partial(store.watchlists.get, NO_ITEM),
            partial(store.watchlists.remove, NO_ITEM, ann.id),
            partial(store.watchlists.change, NO_ITEM, ann.id, _toggled),
        ):
            with pytest.raises(ItemNotFound):
                call()
        assert store.watchlists.of(ann.id, movie.id) is None
        store.watchlists.remove_from(movie.id, ann.id)
        store.watchlists.remove_from(NO_MOVIE, ann.id)

    def test_a_movie_is_removed_from_a_watchlist(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        store.watchlists.remove_from(movie.id, ann.id)
        assert store.watchlists.of(ann.id, movie.id) is None
        with pytest.raises(ItemNotFound):
            store.watchlists.get(item.id)

    def test_the_items_of_several_movies_are_found_at_once(self, store: Store, ann: User, bob: User) -> None:
        one, two, three = add_movies(store, [facts(1), facts(2), facts(3)])
        items = {movie.id: new_item(ann.id, movie.id) for movie in (one, three)}
        for item in (*items.values(), new_item(bob.id, two.id)):
            store.watchlists.add(item)
        assert store.watchlists.among(ann.id, [one.id, two.id, three.id, NO_MOVIE]) == items
        assert store.watchlists.among(ann.id, []) == {}

    @pytest.mark.parametrize("favorite", [None, True, False])
    def test_items_are_sorted_newest_first_with_ties_by_id(
        self, store: Store, ann: User, bob: User, *, favorite: bool | None
    ) -> None:
        movies = add_movies(store, [facts(number) for number in range(1, 15)])
        items = [
            new_item(
                ann.id,
                movie.id,
                1 + number % 3,
                id=ItemId(f"f{100 - number:023x}"),
                is_favorite=number % 4 < 2,
                updated_at=noon(9 + number),
            )
            for number, movie in enumerate(movies)
        ]
        for item in items:
            store.watchlists.add(item)
            store.watchlists.add(new_item(bob.id, item.movie, is_favorite=True))
        wanted = [item for item in items if favorite in (None, item.is_favorite)]
        wanted.sort(key=lambda item: item.id)
        wanted.sort(key=lambda item: item.added_at, reverse=True)
        show = partial(store.watchlists.of_user, ann.id, favorite=favorite)
        assert show(limit=50) == wanted
        assert [*show(limit=3), *show(limit=3, skip=3)] == wanted[:6]
        assert show(limit=3, skip=50) == []
        for limit in (1, 3, 20):
            assert read_pages(show, lambda item: item.cursor, limit) == wanted
        assert store.watchlists.count(ann.id, favorite=favorite) == len(wanted)

    def test_the_count_of_favourites_changes_with_the_marks(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        store.watchlists.change(item.id, ann.id, _toggled)
        counts = [store.watchlists.count(ann.id, favorite=favorite) for favorite in (None, True, False)]
        assert counts == [1, 1, 0]

    @pytest.mark.usefixtures("small")
    def test_a_full_watchlist_refuses_additions(self, store: Store, ann: User, bob: User) -> None:
        *some, other = add_movies(store, [facts(number) for number in range(1, 5)])
        for movie in some:
            store.watchlists.add(new_item(ann.id, movie.id))
        with pytest.raises(WatchlistFull):
            store.watchlists.add(new_item(ann.id, other.id))
        with pytest.raises(WatchlistFull):
            store.watchlists.put(new_item(ann.id, other.id))
        with pytest.raises(AlreadyListed):
            store.watchlists.add(new_item(ann.id, some[0].id))
        assert store.watchlists.put(new_item(ann.id, some[0].id, is_favorite=True))[0].is_favorite
        assert store.watchlists.count(ann.id) == 3
        store.watchlists.add(new_item(bob.id, other.id))
        store.watchlists.remove_from(some[1].id, ann.id)
        store.watchlists.put(new_item(ann.id, other.id))

    @pytest.mark.usefixtures("small")
    def test_concurrent_additions_do_not_exceed_the_limit(self, store: Store, ann: User) -> None:
        movies = add_movies(store, [facts(number) for number in range(1, 9)])
        answers = run_concurrently(
            [partial(store.watchlists.add, new_item(ann.id, movie.id)) for movie in movies]
        )
        assert error_names(answers) == ["WatchlistFull"] * 5
        assert store.watchlists.count(ann.id) == 3

    def test_of_concurrent_additions_one_is_stored(self, store: Store, ann: User, movie: Movie) -> None:
        items = [new_item(ann.id, movie.id) for _ in range(8)]
        answers = run_concurrently([partial(store.watchlists.add, item) for item in items])
        assert error_names(answers) == ["AlreadyListed"] * 7
        assert store.watchlists.of(ann.id, movie.id) in items
        assert store.watchlists.count(ann.id) == 1

    def test_of_concurrent_puts_one_creates_the_item(self, store: Store, ann: User, movie: Movie) -> None:
        answers = run_concurrently(
            [partial(store.watchlists.put, new_item(ann.id, movie.id)) for _ in range(8)]
        )
        assert [created for _, created in answers].count(True) == 1
        assert len({item.id for item, _ in answers}) == 1
        assert store.watchlists.count(ann.id) == 1

    def test_no_concurrent_change_of_an_item_is_lost(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id, note="")
        store.watchlists.add(item)

        def longer(before: WatchlistItem) -> WatchlistItem:
            return before.changed(noon(2), note=f"{before.note}x")

        run_concurrently([partial(store.watchlists.change, item.id, ann.id, longer)] * 10)
        assert store.watchlists.get(item.id).note == "x" * 10

    def test_concurrent_removals_of_an_item_succeed_once(self, store: Store, ann: User, movie: Movie) -> None:
        item = new_item(ann.id, movie.id)
        store.watchlists.add(item)
        answers = run_concurrently([partial(store.watchlists.remove, item.id, ann.id)] * 6)
        assert error_names(answers) == ["ItemNotFound"] * 5
        store_page(store, gone=(1,), day=2)
        assert store.movies.by_tmdb_ids([1]) == {}


class ListedMoviesContract:
    """The effects of watchlists on movies that their source removes."""

    def test_a_removed_movie_is_kept_while_it_is_on_a_watchlist(self, store: Store) -> None:
        ann, bob = add_users(store, 2)
        (movie,) = add_movies(store, [facts(1)])
        for user in (ann, bob):
            store.watchlists.add(new_item(user, movie.id))
        run = store_page(store, gone=(1,), day=2)
        assert run.updated == 1
        assert store.movies.get(movie.id) == movie.marked_removed(noon(2))
        assert store.movies.count(MovieFilter()) == 0
        store.watchlists.remove_from(movie.id, ann)
        store_page(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(2)
        store.watchlists.remove_from(movie.id, bob)
        store_page(store, gone=(1,), day=4)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_removed_movie_is_kept_for_an_item_that_was_put(self, store: Store) -> None:
        (user,) = add_users(store, 1)
        (movie,) = add_movies(store, [facts(1)])
        for _ in range(2):
            store.watchlists.put(new_item(user, movie.id))
        store.watchlists.change(_item(store, user, movie).id, user, _toggled)
        store_page(store, gone=(1,), day=2)
        assert store.movies.get(movie.id).removed_at == noon(2)
        store.watchlists.remove(_item(store, user, movie).id, user)
        store_page(store, gone=(1,), day=3)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_removed_movie_is_kept_for_a_rating_or_an_item(self, store: Store) -> None:
        (user,) = add_users(store, 1)
        (movie,) = add_movies(store, [facts(1)])
        store.watchlists.add(new_item(user, movie.id))
        store.ratings.add(new_rating(user, movie.id))
        store.watchlists.remove_from(movie.id, user)
        store_page(store, gone=(1,), day=2)
        store.watchlists.add(new_item(user, movie.id))
        store.ratings.remove_from(movie.id, user)
        store_page(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(2)

    def test_a_sync_keeps_the_number_of_a_movies_watchlists(self, store: Store) -> None:
        (user,) = add_users(store, 1)
        (movie,) = add_movies(store, [facts(1)])
        store.watchlists.add(new_item(user, movie.id))
        store_page(store, facts(1, title="Renamed"), day=2)
        store_page(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(3)

    def test_of_many_removed_movies_those_in_use_are_kept(self, store: Store) -> None:
        (user,) = add_users(store, 1)
        movies = add_movies(store, [facts(number) for number in range(1, 13)])
        for movie in movies[:4]:
            store.watchlists.add(new_item(user, movie.id))
        for movie in movies[3:6]:
            store.ratings.add(new_rating(user, movie.id))
        store_page(store, gone=tuple(range(1, 20)), day=2)
        assert sorted(store.movies.by_tmdb_ids(range(1, 20))) == [1, 2, 3, 4, 5, 6]

    def test_a_movie_removed_while_it_is_added_is_kept_or_not_found(self, store: Store) -> None:
        users = add_users(store, 3)
        movies = add_movies(store, [facts(number) for number in range(1, 9)])
        for number, movie in enumerate(movies, 1):
            wishes = [partial(store.watchlists.put, new_item(user, movie.id)) for user in users]
            answers = run_concurrently([*wishes, removal_of(store, number)])
            failed = error_names(answers)
            assert failed == ["MovieNotFound"] * len(failed)
            listed = sum(store.watchlists.count(user) for user in users)
            assert bool(store.movies.by_tmdb_ids([number])) is (len(failed) < len(users))
            for user in users:
                store.watchlists.remove_from(movie.id, user)
            assert listed == len(users) - len(failed)


def _toggled(item: WatchlistItem) -> WatchlistItem:
    return item.toggled(noon(2))


def _item(store: Store, user: UserId, movie: Movie) -> WatchlistItem:
    item = store.watchlists.of(user, movie.id)
    assert item
    return item
