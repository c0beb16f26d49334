"""The write concern of the distributed store: a majority, and its journals."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import monitoring

from adapters import system
from adapters.mongo.store import MongoStore
from adapters.testkit.samples import (
    add_session,
    add_user,
    facts,
    new_item,
    new_rating,
    new_run,
    new_viewing,
    store_page,
)
from domain.ids import movie_id
from domain.ratings import Score
from domain.recommendations import Neighbour

MAJORITY = {"w": "majority", "j": True}

WRITES = frozenset({"insert", "update", "delete", "findAndModify", "bulkWrite", "commitTransaction"})


class Wire(monitoring.CommandListener):
    """Records the write concern of each write; in a transaction, that of its commit."""

    def __init__(self) -> None:
        self.concerns: list[tuple[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        command = event.command
        within = command.get("autocommit") is False and event.command_name != "commitTransaction"
        if event.command_name in WRITES and not within:
            self.concerns.append((event.command_name, dict(command.get("writeConcern", {}))))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Records the writes of clients that are created from now on."""
    wire = Wire()
    monitoring.register(wire)
    yield wire
    monitoring._LISTENERS.command_listeners.remove(wire)


@pytest.fixture(params=["", "w=1&journal=false", "w=0", "w=2"])
def store(request: pytest.FixtureRequest, mongo_uri: str, wire: Wire) -> Iterator[MongoStore]:
    """A store whose URI asks for a weaker write concern."""
    weaker = f"{'&' if '?' in mongo_uri else '?'}{request.param}" if request.param else ""
    store = MongoStore(mongo_uri + weaker, system.now)
    store.prepare()
    yield store
    store.close()


def test_every_write_waits_for_a_majority_and_its_journals(store: MongoStore, wire: Wire) -> None:
    user = add_user(store)
    session = add_session(store, user)
    store_page(store, facts(1), facts(2))
    rated = new_rating(user.id, movie_id(1))
    store.ratings.add(rated)
    store.ratings.change(rated.id, user.id, lambda rating: rating.changed(system.now(), score=Score(3)))
    listed = new_item(user.id, movie_id(2))
    store.watchlists.add(listed)
    store.watchlists.remove(listed.id, user.id)
    store.viewings.add(new_viewing(user.id, movie_id(2)))
    store.recommendations.store({movie_id(2): [Neighbour(movie_id(1), 2, 9)]})
    store.recommendations.settle(store.recommendations.changes(9))
    store.recommendations.hide(user.id, movie_id(2), system.now())
    store.recommendations.unhide(user.id, movie_id(2))
    store.recommendations.set_rule(1)
    store.sessions.remove(session.id)
    store.runs.cancel(new_run(store).id, system.now())
    store.locks.acquire("a lock", "a holder", system.now() - system.now())
    store.locks.release("a lock", "a holder")
    store.users.remove(user.id)

    assert {name for name, _ in wire.concerns} >= {"insert", "update", "delete", "commitTransaction"}
    weak = [(name, concern) for name, concern in wire.concerns if concern != MAJORITY]
    assert weak == []
