"""The change feed over a store in memory."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.locks import ManualClock
from adapters.testkit.samples import (
    add_movies,
    add_user,
    duration,
    facts,
    new_item,
    new_rating,
    new_run,
    new_viewing,
    noon,
)
from application.changes import GetActivity, GetChanges
from domain.changes import RETENTION, Activity, ChangesExpired, Kind, Mark, Removal
from domain.movies import GenreFacts, Movie
from domain.ratings import Rating
from domain.sync import Entity, PageResult
from domain.users import User
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem
from tests.stores import store_in_memory


class Place:
    """A user with a rating, a watchlist item and a viewing, and the feed."""

    def __init__(self, store: SqliteStore, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.movies: list[Movie] = add_movies(store, [facts(number) for number in (1, 2, 3)])
        genres = (GenreFacts(tmdb_id=18, name="Drama"),)
        store.genres.store(PageResult(page=1, at=noon(), genres=genres), new_run(store, Entity.GENRES))
        self.user: User = add_user(store)
        self.rating = new_rating(self.user.id, self.movies[0].id)
        self.item = new_item(self.user.id, self.movies[1].id)
        self.viewing = new_viewing(self.user.id, self.movies[2].id)
        store.ratings.add(self.rating)
        store.watchlists.add(self.item)
        store.viewings.add(self.viewing)
        self.get_changes = GetChanges(
            changes=store.changes, movies=store.movies, genres=store.genres, clock=clock
        )

    def latest(self) -> Mark:
        return self.get_changes(user=self.user, since=None, limit=9).next


@pytest.fixture
def place() -> Iterator[Place]:
    clock = ManualClock()
    store = store_in_memory(clock)
    yield Place(store, clock)
    store.close()


def test_without_a_mark_everything_is_shown(place: Place) -> None:
    page = place.get_changes(user=place.user, since=None, limit=9)
    assert page.of(Rating) == [place.rating]
    assert page.of(WatchlistItem) == [place.item]
    assert page.of(Viewing) == [place.viewing]
    assert set(page.movies) == {movie.id for movie in place.movies}
    assert page.genres == {genre.id: genre for genre in place.store.genres.all()} != {}
    assert (page.removals, page.more) == ((), False)


def test_pages_are_read_until_no_more_is_known(place: Place) -> None:
    since, shown = None, list[object]()
    for more in (True, True, False):
        page = place.get_changes(user=place.user, since=since, limit=1)
        shown += page.entries
        since = page.next
        assert page.more is more
    assert shown == [place.rating, place.item, place.viewing]
    empty = place.get_changes(user=place.user, since=since, limit=1)
    assert (empty.entries, empty.removals, empty.more, empty.next) == ([], [], False, since)


def test_removals_from_before_the_first_page_are_not_shown(place: Place) -> None:
    place.store.ratings.remove_from(place.movies[0].id, place.user.id)
    first = place.get_changes(user=place.user, since=None, limit=1)
    place.store.watchlists.remove_from(place.movies[1].id, place.user.id)
    second = place.get_changes(user=place.user, since=first.next, limit=9)
    assert first.removals == ()
    assert second.removals == [Removal(kind=Kind.WATCHLIST, id=place.item.id, movie=place.movies[1].id)]


def test_a_mark_is_valid_for_as_long_as_removals_are_kept(place: Place) -> None:
    since = place.latest()
    place.clock.advance(RETENTION - duration(1))
    assert place.get_changes(user=place.user, since=since, limit=9).next.at == place.clock()
    place.clock.advance(duration(1))
    with pytest.raises(ChangesExpired):
        place.get_changes(user=place.user, since=since, limit=9)


def test_a_mark_of_another_history_is_refused(place: Place) -> None:
    since = place.latest()
    for other in (replace(since, number=since.number + 1), replace(since, epoch=since.epoch + 1)):
        with pytest.raises(ChangesExpired):
            place.get_changes(user=place.user, since=other, limit=9)


def test_activity_tells_when_each_kind_last_changed(place: Place) -> None:
    found = GetActivity(changes=place.store.changes)(user=place.user)
    assert found == Activity(latest=3, ratings=noon(), watchlist=noon(), viewings=noon())
