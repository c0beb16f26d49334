"""Use cases of viewings over a store in memory, where no border has checked their arguments."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_movies, add_user, facts, new_item, new_viewing, noon
from application.viewings import (
    MAX_MOVIE_VIEWINGS,
    AddViewing,
    ChangeViewing,
    GetDiaryMonth,
    ListMovieViewings,
    ListViewings,
)
from domain.errors import InvalidFields
from domain.ids import TmdbNumber, movie_id
from domain.pagination import Window
from domain.users import User
from tests.stores import store_in_memory

TODAY = noon().date()
TOO_LATE = TODAY + timedelta(days=2)
FIRST, SECOND = movie_id(1), movie_id(2)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    add_movies(store, [facts(1), facts(2)])
    yield store
    store.close()


@pytest.fixture
def ann(store: SqliteStore) -> User:
    return add_user(store)


def listing(store: SqliteStore) -> ListViewings:
    return ListViewings(viewings=store.viewings, movies=store.movies, genres=store.genres)


def adding(store: SqliteStore) -> AddViewing:
    return AddViewing(
        viewings=store.viewings,
        movies=store.movies,
        genres=store.genres,
        invalidation=system.NoCache(),
        clock=noon,
        new_id=system.new_id,
    )


def faulty(call: Callable[[], object]) -> list[str]:
    with pytest.raises(InvalidFields) as caught:
        call()
    return [fault.field for fault in caught.value.faults]


def test_the_day_and_the_note_of_a_viewing_are_checked_together(store: SqliteStore, ann: User) -> None:
    add = adding(store)
    change = ChangeViewing(viewings=store.viewings, movies=store.movies, genres=store.genres, clock=noon)
    both = ["watched_on", "note"]
    assert faulty(lambda: add(user=ann, movie=TmdbNumber(1), watched_on=TOO_LATE, note="\0")) == both
    stored = add(user=ann, movie=TmdbNumber(1), watched_on=TODAY, note=" late ").viewing
    assert (stored.note, stored.rewatch) == ("late", False)
    assert faulty(lambda: change(user=ann, viewing=stored.id, watched_on=TOO_LATE, note="\0")) == both
    assert change(user=ann, viewing=stored.id, note=" ").viewing.note is None


@pytest.mark.parametrize("unlist", [None, True])
def test_a_movie_leaves_the_watchlist_only_if_that_is_wanted(
    store: SqliteStore, ann: User, unlist: bool | None
) -> None:
    store.watchlists.add(new_item(ann.id, FIRST))
    add = adding(store)
    wanted: dict[str, Any] = {"remove_from_watchlist": unlist} if unlist else {}
    add(user=ann, movie=TmdbNumber(1), watched_on=None, **wanted)
    assert store.watchlists.count(ann.id) == (0 if unlist else 1)


def test_the_total_is_that_of_the_movie_and_the_days(store: SqliteStore, ann: User) -> None:
    for movie, day in ((FIRST, TODAY), (FIRST, None), (SECOND, TODAY)):
        store.viewings.add(new_viewing(ann.id, movie, day))
    shown = listing(store)
    assert shown(user=ann, window=Window()).page.total == 3
    assert shown(user=ann, movie=TmdbNumber(1), window=Window()).page.total == 2


def test_the_latest_viewings_of_a_movie_are_shown_beside_it(store: SqliteStore, ann: User) -> None:
    days = [TODAY - timedelta(days=number) for number in range(MAX_MOVIE_VIEWINGS + 2)]
    for day in days:
        store.viewings.add(new_viewing(ann.id, FIRST, day))
    store.viewings.add(new_viewing(ann.id, SECOND, TODAY))
    found = ListMovieViewings(viewings=store.viewings, clock=noon)(user=ann, movie=FIRST)
    assert [each.watched_on for each in found.rows] == days[:MAX_MOVIE_VIEWINGS]
    assert found.today == TODAY


def test_a_month_of_a_diary_is_the_present_one_unless_another_is_wanted(
    store: SqliteStore, ann: User
) -> None:
    before = date(2025, 12, 31)
    for day in (TODAY, before):
        store.viewings.add(new_viewing(ann.id, FIRST, day))
    get_month = GetDiaryMonth(list_viewings=listing(store), clock=noon)
    for month, wanted, day in ((None, (2026, 1), TODAY), ((2025, 12), (2025, 12), before)):
        found = get_month(user=ann, month=month)
        assert (found.month, found.today) == (wanted, TODAY)
        assert [each.watched_on for each in found.diary.page.rows] == [day]


def test_a_month_of_a_diary_is_longer_than_a_page(store: SqliteStore, ann: User) -> None:
    for _ in range(Window().limit + 1):
        store.viewings.add(new_viewing(ann.id, FIRST, TODAY, rewatch=True))
    found = GetDiaryMonth(list_viewings=listing(store), clock=noon)(user=ann, month=None)
    assert len(found.diary.page.rows) == Window().limit + 1
