"""Changes of many entries at once over a store in memory."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, cast

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_movies, add_user, facts, fresh_id, new_viewing, noon
from application.bulk import (
    ItemEntry,
    Outcome,
    RatingEntry,
    Result,
    SetRatings,
    SetViewings,
    SetWatchlistItems,
    ViewingEntry,
    Written,
)
from domain import viewings
from domain.errors import InvalidText
from domain.ids import MovieId, TmdbNumber, UserId, movie_id
from domain.imports.holdings import Holding, Holdings
from domain.ports.holdings import HoldingRepository
from domain.ratings import Score
from domain.users import User
from domain.viewings import DiaryFull
from tests.stores import store_in_memory

FIRST = TmdbNumber(1)
TODAY = noon().date()


@dataclass
class RepeatedTransactions:
    """A repository whose transactions take effect at the second attempt, as after a conflict."""

    holdings: HoldingRepository

    def change(
        self,
        user: UserId,
        movies: Sequence[MovieId],
        change: Callable[[Holdings], Mapping[MovieId, Holding]],
    ) -> None:
        def twice(stored: Holdings) -> Mapping[MovieId, Holding]:
            change(stored)
            return change(stored)

        self.holdings.change(user, movies, twice)


@dataclass
class Invalidated(system.NoCache):
    """Records the movies whose copies are invalidated."""

    invalidated: list[MovieId] = field(default_factory=list)

    @contextmanager
    def movies(self, movies: Collection[MovieId]) -> Iterator[None]:
        yield
        self.invalidated += movies


@dataclass
class Desk:
    """A store with two movies, a user, and the use cases."""

    store: SqliteStore
    user: User
    invalidation: Invalidated = field(default_factory=Invalidated)

    def set(self, use_case: Callable[..., Any], *entries: object) -> list[Result]:
        """The results of some entries."""
        known: dict[str, Any] = {
            "holdings": RepeatedTransactions(self.store.holdings),
            "movies": self.store.movies,
            "invalidation": self.invalidation,
            "clock": noon,
            "new_id": fresh_id,
        }
        parts = {each.name: known[each.name] for each in fields(cast("Any", use_case))}
        return cast("list[Result]", use_case(**parts)(user=self.user, entries=entries))


@pytest.fixture
def desk() -> Iterator[Desk]:
    store = store_in_memory(system.now)
    add_movies(store, [facts(1), facts(2)])
    yield Desk(store, add_user(store))
    store.close()


def outcomes(results: Sequence[Result]) -> list[Outcome | type[Exception]]:
    return [each.outcome if isinstance(each, Written) else type(each) for each in results]


def test_each_entry_has_one_result_although_its_transaction_was_repeated(desk: Desk) -> None:
    entries = [RatingEntry(movie=TmdbNumber(number), score=Score.of(8)) for number in (1, 2)]
    assert outcomes(desk.set(SetRatings, *entries)) == [Outcome.CREATED] * 2
    assert desk.store.ratings.count(desk.user.id) == 2


def test_all_of_a_rating_is_stored_and_copies_of_its_movie_are_invalidated(desk: Desk) -> None:
    desk.set(SetRatings, RatingEntry(movie=FIRST, score=Score.of(8), review=" Good "))
    stored = desk.store.ratings.of(desk.user.id, movie_id(1))
    assert stored
    assert (stored.score, stored.review) == (Score.of(8), "Good")
    assert set(desk.invalidation.invalidated) == {movie_id(1)}


def test_all_of_a_watchlist_item_is_stored(desk: Desk) -> None:
    desk.set(SetWatchlistItems, ItemEntry(movie=FIRST, is_favorite=True, note=" Soon "))
    stored = desk.store.watchlists.of(desk.user.id, movie_id(1))
    assert stored
    assert (stored.is_favorite, stored.note) == (True, "Soon")


def test_all_of_a_viewing_is_stored(desk: Desk) -> None:
    entry = ViewingEntry(movie=FIRST, watched_on=TODAY, rewatch=True, note=" Late ")
    desk.set(SetViewings, entry)
    (stored,) = desk.store.viewings.of_user(desk.user.id, limit=9)
    assert (stored.watched_on, stored.rewatch, stored.note) == (TODAY, True, "Late")


def test_of_several_viewings_on_a_day_the_first_gets_another_note(desk: Desk) -> None:
    recorded = [new_viewing(desk.user.id, movie_id(1), TODAY, rewatch=True) for _ in range(3)]
    for viewing in recorded:
        desk.store.viewings.add(viewing)
    entry = ViewingEntry(movie=FIRST, watched_on=TODAY, rewatch=True, note="With friends")
    assert outcomes(desk.set(SetViewings, entry)) == [Outcome.CHANGED]
    notes = {each.id: each.note for each in desk.store.viewings.of_user(desk.user.id, limit=9)}
    assert notes == {recorded[0].id: "With friends", recorded[1].id: None, recorded[2].id: None}


def test_viewings_are_recorded_until_the_diary_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewings, "MAX_VIEWINGS", 2)
    entries = [
        ViewingEntry(movie=FIRST, watched_on=day, rewatch=False)
        for day in (None, TODAY.replace(year=2000), TODAY)
    ]
    assert outcomes(desk.set(SetViewings, *entries)) == [Outcome.CREATED, Outcome.CREATED, DiaryFull]


@pytest.mark.parametrize(
    ("use_case", "field_name", "entry"),
    [
        (SetRatings, "review", RatingEntry(movie=FIRST, score=Score.of(8), review="\0")),
        (SetWatchlistItems, "note", ItemEntry(movie=FIRST, is_favorite=False, note="\0")),
        (SetViewings, "note", ViewingEntry(movie=FIRST, rewatch=False, note="\0")),
    ],
)
def test_the_fault_of_an_invalid_text_names_review_or_note(
    desk: Desk, use_case: Callable[..., Any], field_name: str, entry: object
) -> None:
    (error,) = desk.set(use_case, entry)
    assert isinstance(error, InvalidText)
    assert error.field == field_name
