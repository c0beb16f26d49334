"""What WatchlistRepository promises. An adapter reads `domain.watchlist.MAX_ITEMS` when it is asked: this
contract makes it small.
"""

from functools import partial

import pytest

from adapters.store import Store
from adapters.testkit.samples import (
    at_once,
    crowd,
    facts,
    fill,
    going,
    joined,
    kinds,
    noon,
    put,
    verdict,
    walked,
    wish,
)
from domain import watchlist
from domain.browsing import MovieFilter
from domain.ids import ItemId, MovieId, UserId
from domain.movies import Movie, MovieNotFound
from domain.users import User
from domain.watchlist import AlreadyListed, ItemNotFound, NotYourItem, WatchlistFull, WatchlistItem

NO_MOVIE = MovieId("0" * 24)
NO_ITEM = ItemId("0" * 24)


class WatchlistRepositoryContract:
    """Watchlists."""

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

    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watchlist, "MAX_ITEMS", 3)

    def test_an_item_comes_back_as_it_was_stored(self, store: Store, ann: User) -> None:
        one, two = fill(store, [facts(1), facts(2)])
        for item in (
            wish(ann.id, one.id, is_favorite=True, note="With Bob\n“soon” 🍿", updated_at=noon(3)),
            wish(ann.id, two.id),
        ):
            store.watchlists.add(item)
            assert store.watchlists.get(item.id) == store.watchlists.of(ann.id, item.movie) == item

    def test_the_movie_itself_does_not_change(self, store: Store, ann: User, movie: Movie) -> None:
        generation = store.movies.generation()
        store.watchlists.add(wish(ann.id, movie.id, is_favorite=True))
        assert store.movies.get(movie.id) == movie
        assert store.movies.generation() == generation

    def test_a_movie_is_listed_once_by_each(self, store: Store, ann: User, bob: User, movie: Movie) -> None:
        first = wish(ann.id, movie.id)
        store.watchlists.add(first)
        with pytest.raises(AlreadyListed):
            store.watchlists.add(wish(ann.id, movie.id, note="again"))
        assert store.watchlists.of(ann.id, movie.id) == first
        store.watchlists.add(wish(bob.id, movie.id))

    def test_a_movie_that_was_taken_off_may_be_listed_again(
        self, store: Store, ann: User, movie: Movie
    ) -> None:
        for _ in range(2):
            item = wish(ann.id, movie.id)
            store.watchlists.add(item)
            store.watchlists.remove(item.id, ann.id)
        assert store.watchlists.count(ann.id) == 0

    def test_a_movie_that_is_not_held_cannot_be_listed(self, store: Store, ann: User) -> None:
        with pytest.raises(MovieNotFound):
            store.watchlists.add(wish(ann.id, NO_MOVIE))
        with pytest.raises(MovieNotFound):
            store.watchlists.put(wish(ann.id, NO_MOVIE))
        assert store.watchlists.count(ann.id) == 0

    def test_the_first_put_stores_the_item(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id, note="soon")
        assert store.watchlists.put(item) == (item, True)
        assert store.watchlists.get(item.id) == item

    def test_a_later_put_keeps_identity_and_age(self, store: Store, ann: User, movie: Movie) -> None:
        first = wish(ann.id, movie.id, day=1, note="soon")
        second = wish(ann.id, movie.id, day=3, is_favorite=True)
        store.watchlists.add(first)
        stored, created = store.watchlists.put(second)
        assert (stored, created) == (first.changed(noon(3), is_favorite=True, note=None), False)
        assert store.watchlists.get(first.id) == stored
        with pytest.raises(ItemNotFound):
            store.watchlists.get(second.id)

    def test_a_changed_item_is_stored_and_returned(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id, note="soon")
        store.watchlists.add(item)
        wanted = item.changed(noon(2), is_favorite=True, note=None)
        assert store.watchlists.change(item.id, ann.id, lambda _: wanted) == wanted
        assert store.watchlists.get(item.id) == wanted

    def test_a_change_sees_the_item_as_it_is_stored(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id)
        store.watchlists.add(item)
        for mark in (True, False, True):
            assert store.watchlists.change(item.id, ann.id, _toggled).is_favorite is mark

    def test_a_change_that_fails_leaves_the_item(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id)
        store.watchlists.add(item)
        with pytest.raises(ZeroDivisionError):
            store.watchlists.change(item.id, ann.id, lambda before: before.toggled(noon(2 // 0)))
        assert store.watchlists.get(item.id) == item

    def test_nobody_touches_the_item_of_another(
        self, store: Store, ann: User, bob: User, movie: Movie
    ) -> None:
        item = wish(ann.id, movie.id)
        store.watchlists.add(item)
        with pytest.raises(NotYourItem):
            store.watchlists.change(item.id, bob.id, _toggled)
        with pytest.raises(NotYourItem):
            store.watchlists.remove(item.id, bob.id)
        store.watchlists.remove_from(movie.id, bob.id)
        assert store.watchlists.get(item.id) == item

    def test_an_item_that_there_is_not_is_not_found(self, store: Store, ann: User, movie: Movie) -> None:
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

    def test_a_movie_is_taken_off(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id)
        store.watchlists.add(item)
        store.watchlists.remove_from(movie.id, ann.id)
        assert store.watchlists.of(ann.id, movie.id) is None
        with pytest.raises(ItemNotFound):
            store.watchlists.get(item.id)

    @pytest.mark.parametrize("favorite", [None, True, False])
    def test_items_come_newest_first_and_those_of_one_age_by_id(
        self, store: Store, ann: User, bob: User, *, favorite: bool | None
    ) -> None:
        movies = fill(store, [facts(number) for number in range(1, 15)])
        items = [
            wish(
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
            store.watchlists.add(wish(bob.id, item.movie, is_favorite=True))
        wanted = [item for item in items if favorite in (None, item.is_favorite)]
        wanted.sort(key=lambda item: item.id)
        wanted.sort(key=lambda item: item.added_at, reverse=True)
        show = partial(store.watchlists.of_user, ann.id, favorite=favorite)
        assert show(limit=50) == wanted
        assert [*show(limit=3), *show(limit=3, skip=3)] == wanted[:6]
        assert show(limit=3, skip=50) == []
        for limit in (1, 3, 20):
            assert walked(show, lambda item: item.cursor, limit) == wanted
        assert store.watchlists.count(ann.id, favorite=favorite) == len(wanted)

    def test_a_count_follows_the_marks(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id)
        store.watchlists.add(item)
        store.watchlists.change(item.id, ann.id, _toggled)
        counts = [store.watchlists.count(ann.id, favorite=favorite) for favorite in (None, True, False)]
        assert counts == [1, 1, 0]

    @pytest.mark.usefixtures("small")
    def test_a_full_watchlist_takes_no_more(self, store: Store, ann: User, bob: User) -> None:
        *some, other = fill(store, [facts(number) for number in range(1, 5)])
        for movie in some:
            store.watchlists.add(wish(ann.id, movie.id))
        with pytest.raises(WatchlistFull):
            store.watchlists.add(wish(ann.id, other.id))
        with pytest.raises(WatchlistFull):
            store.watchlists.put(wish(ann.id, other.id))
        with pytest.raises(AlreadyListed):
            store.watchlists.add(wish(ann.id, some[0].id))
        assert store.watchlists.put(wish(ann.id, some[0].id, is_favorite=True))[0].is_favorite
        assert store.watchlists.count(ann.id) == 3
        store.watchlists.add(wish(bob.id, other.id))
        store.watchlists.remove_from(some[1].id, ann.id)
        store.watchlists.put(wish(ann.id, other.id))

    @pytest.mark.usefixtures("small")
    def test_no_watchlist_holds_more_whoever_hurries(self, store: Store, ann: User) -> None:
        movies = fill(store, [facts(number) for number in range(1, 9)])
        answers = at_once([partial(store.watchlists.add, wish(ann.id, movie.id)) for movie in movies])
        assert kinds(answers) == ["WatchlistFull"] * 5
        assert store.watchlists.count(ann.id) == 3

    def test_of_several_additions_at_once_one_is_stored(self, store: Store, ann: User, movie: Movie) -> None:
        items = [wish(ann.id, movie.id) for _ in range(8)]
        answers = at_once([partial(store.watchlists.add, item) for item in items])
        assert kinds(answers) == ["AlreadyListed"] * 7
        assert store.watchlists.of(ann.id, movie.id) in items
        assert store.watchlists.count(ann.id) == 1

    def test_of_several_puts_at_once_one_is_new(self, store: Store, ann: User, movie: Movie) -> None:
        answers = at_once([partial(store.watchlists.put, wish(ann.id, movie.id)) for _ in range(8)])
        assert [created for _, created in answers].count(True) == 1
        assert len({item.id for item, _ in answers}) == 1
        assert store.watchlists.count(ann.id) == 1

    def test_no_change_of_an_item_is_lost(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id, note="")
        store.watchlists.add(item)

        def longer(before: WatchlistItem) -> WatchlistItem:
            return before.changed(noon(2), note=f"{before.note}x")

        at_once([partial(store.watchlists.change, item.id, ann.id, longer)] * 10)
        assert store.watchlists.get(item.id).note == "x" * 10

    def test_an_item_is_removed_once(self, store: Store, ann: User, movie: Movie) -> None:
        item = wish(ann.id, movie.id)
        store.watchlists.add(item)
        answers = at_once([partial(store.watchlists.remove, item.id, ann.id)] * 6)
        assert kinds(answers) == ["ItemNotFound"] * 5
        put(store, gone=(1,), day=2)
        assert store.movies.by_tmdb_ids([1]) == {}


class ListedMoviesContract:
    """What watchlists do to movies that their source drops."""

    def test_a_gone_movie_is_kept_while_anybody_lists_it(self, store: Store) -> None:
        ann, bob = crowd(store, 2)
        (movie,) = fill(store, [facts(1)])
        for user in (ann, bob):
            store.watchlists.add(wish(user, movie.id))
        run = put(store, gone=(1,), day=2)
        assert run.updated == 1
        assert store.movies.get(movie.id) == movie.marked_removed(noon(2))
        assert store.movies.count(MovieFilter()) == 0
        store.watchlists.remove_from(movie.id, ann)
        put(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(2)
        store.watchlists.remove_from(movie.id, bob)
        put(store, gone=(1,), day=4)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_gone_movie_is_kept_for_a_put_item_too(self, store: Store) -> None:
        (user,) = crowd(store, 1)
        (movie,) = fill(store, [facts(1)])
        for _ in range(2):
            store.watchlists.put(wish(user, movie.id))
        store.watchlists.change(_item(store, user, movie).id, user, _toggled)
        put(store, gone=(1,), day=2)
        assert store.movies.get(movie.id).removed_at == noon(2)
        store.watchlists.remove(_item(store, user, movie).id, user)
        put(store, gone=(1,), day=3)
        assert store.movies.by_tmdb_ids([1]) == {}

    def test_a_movie_that_is_rated_and_listed_is_kept_for_either(self, store: Store) -> None:
        (user,) = crowd(store, 1)
        (movie,) = fill(store, [facts(1)])
        store.watchlists.add(wish(user, movie.id))
        store.ratings.add(verdict(user, movie.id))
        store.watchlists.remove_from(movie.id, user)
        put(store, gone=(1,), day=2)
        store.watchlists.add(wish(user, movie.id))
        store.ratings.remove_from(movie.id, user)
        put(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(2)

    def test_a_sync_leaves_it_known_that_a_movie_is_listed(self, store: Store) -> None:
        (user,) = crowd(store, 1)
        (movie,) = fill(store, [facts(1)])
        store.watchlists.add(wish(user, movie.id))
        put(store, facts(1, title="Renamed"), day=2)
        put(store, gone=(1,), day=3)
        assert store.movies.get(movie.id).removed_at == noon(3)

    def test_of_many_gone_movies_those_in_use_are_kept(self, store: Store) -> None:
        (user,) = crowd(store, 1)
        movies = fill(store, [facts(number) for number in range(1, 13)])
        for movie in movies[:4]:
            store.watchlists.add(wish(user, movie.id))
        for movie in movies[3:6]:
            store.ratings.add(verdict(user, movie.id))
        put(store, gone=tuple(range(1, 20)), day=2)
        assert sorted(store.movies.by_tmdb_ids(range(1, 20))) == [1, 2, 3, 4, 5, 6]

    def test_a_movie_that_goes_while_it_is_listed_is_kept_or_not_found(self, store: Store) -> None:
        users = crowd(store, 3)
        movies = fill(store, [facts(number) for number in range(1, 9)])
        for number, movie in enumerate(movies, 1):
            wishes = [partial(store.watchlists.put, wish(user, movie.id)) for user in users]
            answers = at_once([*wishes, going(store, number)])
            failed = kinds(answers)
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
