"""Use cases at their edges, over the embedded store in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import facts, put
from application import watchlist
from application.catalogue import TOTALS_LAST, Totals
from application.ratings import SetRating
from application.watchlist import ExportedItems, ExportedRatings, ExportUser, SetOnWatchlist
from domain.browsing import MovieFilter
from domain.ids import TmdbNumber, UserId
from domain.ratings import Score
from domain.users import User


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(path=None, clock=system.now)
    store.prepare()
    yield store
    store.close()


def ada(store: SqliteStore, password_hash: str = "-") -> User:
    now = system.now()
    user = User(
        id=UserId(system.fresh_id()),
        username="ada",
        email="ada@example.org",
        password_hash=password_hash,
        created_at=now,
        updated_at=now,
    )
    store.users.add(user)
    return user


def test_an_export_holds_everything_however_many_parts_it_is_read_in(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlist, "EXPORT_PART_ROWS", 2)
    put(store, *(facts(number) for number in range(1, 6)))
    user = ada(store)
    common: dict[str, Any] = {
        "movies": store.movies,
        "changes": system.NoCopies(),
        "clock": system.now,
        "new_id": system.fresh_id,
    }
    for number in range(1, 6):
        SetRating(ratings=store.ratings, **common)(
            user=user, movie=TmdbNumber(number), score=Score.of(number), review=None
        )
        SetOnWatchlist(watchlist=store.watchlists, **common)(
            user=user, movie=TmdbNumber(number), is_favorite=False, note=None
        )
    export_user = ExportUser(
        ratings=store.ratings, watchlist=store.watchlists, movies=store.movies, genres=store.genres
    )
    parts = list(export_user(user=user))
    ratings = [each for part in parts if isinstance(part, ExportedRatings) for each in part.ratings]
    items = [each for part in parts if isinstance(part, ExportedItems) for each in part.items]
    assert len(parts) == 6
    assert sorted(rating.score.points for rating in ratings) == [1, 2, 3, 4, 5]
    assert len({item.movie for item in items}) == len(items) == 5
    assert all({each.movie for each in part.ratings} == set(part.movies) for part in parts[:3])  # type: ignore[union-attr]


def test_totals_are_remembered_until_the_catalogue_changes_or_a_minute_passes(store: SqliteStore) -> None:
    at = [datetime(2026, 1, 5, tzinfo=UTC)]
    counted: list[MovieFilter] = []

    class Counting:
        def generation(self) -> int:
            return store.movies.generation()

        def count(self, wanted: MovieFilter) -> int:
            counted.append(wanted)
            return store.movies.count(wanted)

    totals = Totals(movies=cast("Any", Counting()), clock=lambda: at[0])
    put(store, facts(1))
    assert [totals(MovieFilter()), totals(MovieFilter())] == [1, 1]
    assert len(counted) == 1
    put(store, facts(2))
    assert totals(MovieFilter()) == 2
    at[0] += TOTALS_LAST + timedelta(seconds=1)
    assert (totals(MovieFilter()), len(counted)) == (2, 3)


def test_a_count_of_an_older_catalogue_is_not_remembered(store: SqliteStore) -> None:
    put(store, facts(1))

    class Overtaken:
        late = True

        def generation(self) -> int:
            return store.movies.generation()

        def count(self, wanted: MovieFilter) -> int:
            number = store.movies.count(wanted)
            if self.late:
                self.late = False
                put(store, facts(2))
                totals(MovieFilter(language="en"))  # somebody else asks meanwhile
            return number

    totals = Totals(movies=cast("Any", Overtaken()), clock=system.now)
    assert totals(MovieFilter()) == 1
    assert totals(MovieFilter()) == 2
