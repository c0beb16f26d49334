"""Changes of many entries at once over a store in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from adapters import system
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_movies, add_user, facts, noon
from application.bulk import Outcome, RatingEntry, SetRatings, Written
from domain.ids import MovieId, TmdbNumber, UserId
from domain.imports.holdings import Holding, Holdings
from domain.ports.holdings import HoldingRepository
from domain.ratings import Score
from tests.stores import store_in_memory


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


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = store_in_memory(system.now)
    yield store
    store.close()


def test_each_entry_has_one_result_although_its_transaction_was_repeated(store: SqliteStore) -> None:
    add_movies(store, [facts(1), facts(2)])
    user = add_user(store)
    set_ratings = SetRatings(
        holdings=RepeatedTransactions(store.holdings),
        movies=store.movies,
        invalidation=system.NoCache(),
        clock=noon,
        new_id=system.new_id,
    )
    entries = [RatingEntry(movie=TmdbNumber(number), score=Score.of(8)) for number in (1, 2)]
    results = set_ratings(user=user, entries=entries)
    assert [isinstance(each, Written) and each.outcome for each in results] == [Outcome.CREATED] * 2
    assert store.ratings.count(user.id) == 2
