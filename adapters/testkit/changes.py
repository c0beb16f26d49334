"""The contract of ChangeRepository: a copy that is kept through it equals what the store has."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Event, Thread

import pytest

from adapters.store import Store
from adapters.testkit.locks import ManualClock
from adapters.testkit.samples import (
    add_movies,
    add_user,
    facts,
    new_item,
    new_rating,
    new_viewing,
    noon,
    retried,
    run_concurrently,
    store_page,
)
from domain.changes import Activity, Entry, Kind, Removal
from domain.errors import StorageUnavailable
from domain.ids import MovieId, UserId
from domain.ratings import RatingOrder
from domain.users import UserNotFound

WRITERS = 3
ROUNDS = 2
"""How many entries each of the writers changes."""


class CopyOfUser:
    """What a client knows of a user's entries, by id, and the number up to which it knows all changes."""

    def __init__(self, store: Store, user: UserId) -> None:
        self.store, self.user = store, user
        self.entries: dict[str, Entry] = {}
        self.number = 0

    def catch_up(self, limit: int = 3) -> None:
        """Read changes until all are known."""
        while True:
            batch = self.store.changes.since(self.user, self.number, limit)
            numbers = [change.number for change in batch.changes]
            assert numbers == sorted(set(numbers))
            assert all(self.number < number <= batch.last <= batch.latest for number in numbers)
            ids = [change.entry.id for change in batch.changes]
            assert len(ids) == len(set(ids))
            for change in batch.changes:
                if isinstance(change.entry, Removal):
                    self.entries.pop(change.entry.id, None)
                else:
                    self.entries[change.entry.id] = change.entry
            self.number = batch.last
            if not batch.more:
                return

    def assert_complete(self) -> None:
        """Compare the copy with the store."""
        assert self.entries == stored(self.store, self.user)


def stored(store: Store, user: UserId) -> dict[str, Entry]:
    """All entries of a user, by id."""
    found: list[Entry] = [
        *store.ratings.of_user(user, RatingOrder.CREATED_AT, descending=True, limit=100),
        *store.watchlists.of_user(user, favorite=None, limit=100),
        *store.viewings.of_user(user, limit=100),
    ]
    return {entry.id: entry for entry in found}


class ChangeRepositoryContract:
    """Numbers of changes, removals and the times of changes."""

    def test_changes_are_every_entry_once_in_the_order_of_their_last_change(self, store: Store) -> None:
        user, (one, two) = add_user(store).id, movies_of(store, 2)
        rating, item, viewing = new_rating(user, one), new_item(user, two), new_viewing(user, one)
        store.ratings.add(rating)
        store.watchlists.add(item)
        store.viewings.add(viewing)
        changed, _ = store.ratings.change(rating.id, user, lambda each: each.changed(noon(3), review="Good"))
        batch = store.changes.since(user, 0, 9)
        assert [change.entry for change in batch.changes] == [item, viewing, changed]
        assert batch.changes[-1].number == batch.latest
        first = batch.changes[0].number
        assert store.changes.since(user, first, 9).changes == batch.changes[1:]
        assert store.changes.since(user, 0, 2).changes == batch.changes[:2]
        assert store.changes.since(user, batch.latest, 9).changes == ()

    def test_every_kind_of_write_has_a_higher_number(self, store: Store) -> None:
        user, (one, two) = add_user(store).id, movies_of(store, 2)
        rating, item, viewing = new_rating(user, one), new_item(user, one), new_viewing(user, one)
        latest = 0
        writes: list[tuple[Callable[[], object], list[object]]] = [
            (lambda: store.ratings.add(rating), [rating]),
            (lambda: store.ratings.put(new_rating(user, one, 3, id=rating.id)), [rating.id]),
            (lambda: store.ratings.change(rating.id, user, lambda each: each.changed(noon(2))), [rating.id]),
            (lambda: store.watchlists.put(item), [item]),
            (lambda: store.watchlists.put(new_item(user, one, note="!")), [item.id]),
            (lambda: store.watchlists.change(item.id, user, lambda each: each.toggled(noon(2))), [item.id]),
            (
                lambda: store.viewings.change(viewing.id, user, lambda it: it.changed(noon(2))),
                [viewing.id],
            ),
            (
                lambda: store.viewings.add(
                    new_viewing(user, one, noon(5).date()), remove_from_watchlist=True
                ),
                [None, Removal(kind=Kind.WATCHLIST, id=item.id, movie=one)],
            ),
            (
                lambda: store.viewings.remove(viewing.id, user),
                [Removal(kind=Kind.VIEWING, id=viewing.id, movie=one)],
            ),
            (
                lambda: store.ratings.remove(rating.id, user),
                [Removal(kind=Kind.RATING, id=rating.id, movie=one)],
            ),
        ]
        store.viewings.add(viewing)
        for write, expected in writes:
            latest = store.changes.since(user, 0, 99).latest
            write()
            batch = store.changes.since(user, latest, 99)
            found = [change.entry for change in batch.changes]
            assert len(found) == len(expected)
            assert batch.latest > latest
            for entry in expected:
                assert entry is None or entry in found or entry in [each.id for each in found]
        for remove in (store.ratings.remove_from, store.watchlists.remove_from):
            store.ratings.put(new_rating(user, two))
            store.watchlists.put(new_item(user, two))
            latest = store.changes.since(user, 0, 99).latest
            remove(two, user)
            remove(two, user)
            assert [type(each.entry) for each in store.changes.since(user, latest, 9).changes] == [Removal]

    def test_a_removal_is_left_out_where_nobody_needs_it(self, store: Store) -> None:
        user, (movie,) = add_user(store).id, movies_of(store, 1)
        store.ratings.add(new_rating(user, movie))
        store.ratings.remove_from(movie, user)
        latest = store.changes.since(user, 0, 9).latest
        assert store.changes.since(user, 0, 9, removals_since=latest).changes == ()
        assert len(store.changes.since(user, 0, 9, removals_since=latest - 1).changes) == 1

    def test_changes_of_others_are_not_shown(self, store: Store) -> None:
        ann, bob, (movie,) = add_user(store).id, add_user(store, "bob").id, movies_of(store, 1)
        store.ratings.add(new_rating(bob, movie))
        store.ratings.remove_from(movie, bob)
        assert store.changes.since(ann, 0, 9).changes == ()
        assert store.changes.activity(ann) == Activity(latest=0)
        store.users.remove(bob)
        for ask in (store.changes.activity, partial(store.changes.since, number=0, limit=9)):
            with pytest.raises(UserNotFound):
                ask(bob)

    def test_a_failed_write_is_no_change(self, store: Store) -> None:
        user, missing = add_user(store).id, MovieId("0" * 24)
        for write in (
            partial(store.ratings.put, new_rating(user, missing)),
            partial(store.watchlists.put, new_item(user, missing)),
            partial(store.viewings.add, new_viewing(user, missing)),
        ):
            with pytest.raises(Exception, match="movie"):
                write()
        assert store.changes.activity(user) == Activity(latest=0)

    def test_activity_is_the_time_of_the_last_change_of_each_kind(
        self, store: Store, clock: ManualClock
    ) -> None:
        user, (movie,) = add_user(store).id, movies_of(store, 1)
        store.ratings.add(new_rating(user, movie, day=2))
        store.watchlists.add(new_item(user, movie, day=3))
        store.viewings.add(new_viewing(user, movie, updated_at=noon(4)))
        found = store.changes.activity(user)
        assert (found.ratings, found.watchlist, found.viewings) == (noon(2), noon(3), noon(4))
        store.watchlists.remove_from(movie, user)
        assert store.changes.activity(user).watchlist == clock()
        assert store.changes.activity(user).latest > found.latest

    def test_records_of_removed_entries_are_deleted_by_age(self, store: Store, clock: ManualClock) -> None:
        user, movies = add_user(store).id, movies_of(store, 2)
        for movie in movies:
            store.ratings.put(new_rating(user, movie))
            store.ratings.remove_from(movie, user)
            clock.advance(timedelta(days=1))
        latest = store.changes.activity(user).latest
        between = clock() - timedelta(days=1)
        assert store.changes.remove_before(between) == 1
        batch = store.changes.since(user, 0, 9)
        assert [change.entry.movie for change in batch.changes] == [movies[1]]
        assert batch.latest == latest
        assert store.changes.remove_before(between) == 0

    def test_a_removed_movie_that_is_used_stays_in_the_copy(self, store: Store) -> None:
        user, (movie,) = add_user(store).id, movies_of(store, 1)
        store.ratings.put(new_rating(user, movie))
        copy = CopyOfUser(store, user)
        copy.catch_up()
        store_page(store, gone=(1,), day=2)
        copy.catch_up()
        copy.assert_complete()

    def test_a_copy_misses_nothing_while_others_write(self, store: Store) -> None:
        user, movies = add_user(store).id, movies_of(store, WRITERS)
        copy, done = CopyOfUser(store, user), Event()

        def follow() -> None:
            while not done.is_set():
                try:
                    copy.catch_up(limit=2)
                except StorageUnavailable:
                    continue

        follower = Thread(target=follow)
        follower.start()
        try:
            run_concurrently([partial(write, store, user, movie) for movie in movies])
        finally:
            done.set()
            follower.join()
        copy.catch_up()
        copy.assert_complete()
        assert len(copy.entries) == 2 * WRITERS


def write(store: Store, user: UserId, movie: MovieId) -> None:
    """Change entries of a user and a movie again and again; a rating and a viewing remain."""
    viewing = new_viewing(user, movie)
    retried(partial(store.viewings.add, viewing))
    for number in range(ROUNDS):
        retried(partial(store.ratings.put, new_rating(user, movie, 1 + number)))
        retried(partial(store.watchlists.put, new_item(user, movie)))
        retried(partial(store.ratings.remove_from, movie, user))
        retried(partial(store.watchlists.remove_from, movie, user))
    retried(partial(store.ratings.put, new_rating(user, movie)))


def movies_of(store: Store, number: int) -> list[MovieId]:
    """Store movies with the first numbers; return their ids."""
    return [movie.id for movie in add_movies(store, [facts(each) for each in range(1, number + 1)])]
