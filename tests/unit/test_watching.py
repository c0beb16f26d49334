"""Words of things far away, and figures that are read when asked for."""

from collections.abc import Callable, Iterator
from threading import Event, Thread
from time import sleep

import pytest

from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import joined, new_run, noon, signed_in
from application.operations import CheckHealth, Condition, Part
from application.watching import (
    BAD_FOR,
    FIRST_PATIENCE,
    GOOD_FOR,
    PATIENCE,
    READINGS_HOLD,
    LastReadings,
    LastWord,
    ProbeFailed,
    TakeReadings,
)
from domain.errors import StorageUnavailable, Unavailable
from domain.ports import UNMETERED, Reading
from domain.sync import Entity, SourceRefused, SourceUnavailable


class Far:
    """Something far away, that answers when it is let, as it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.problem: Exception | None = None
        self.answers = Event()
        self.answers.set()
        self.now = 100.0

    def __call__(self) -> None:
        self.asked += 1
        assert self.answers.wait(10)
        if self.problem:
            raise self.problem

    def clock(self) -> float:
        return self.now


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.answers.set()


@pytest.fixture
def word(far: Far) -> LastWord:
    return LastWord(far, stopwatch=far.clock)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(path=None, clock=noon)
    store.prepare()
    yield store
    store.close()


def test_a_good_word_holds_for_a_while(far: Far, word: LastWord) -> None:
    assert [word().problem for _ in range(5)] == [None] * 5
    assert far.asked == 1

    far.now += GOOD_FOR
    assert word().problem is None
    assert far.asked == 2


def test_what_was_away_is_asked_again_sooner(far: Far, word: LastWord) -> None:
    far.problem = SourceUnavailable("gone")
    assert word().problem is far.problem
    far.problem = None
    assert word().problem is not None

    far.now += BAD_FOR
    assert word().problem is None


def test_while_one_asks_the_others_have_the_last_word(far: Far, word: LastWord) -> None:
    word()
    far.answers.clear()
    far.now += GOOD_FOR
    word.stir()
    far.now += PATIENCE

    assert [word().problem for _ in range(3)] == [None] * 3
    far.now -= PATIENCE
    far.answers.set()
    word()
    assert far.asked == 2


def test_while_there_is_no_word_it_is_not_waited_for_long(far: Far, word: LastWord) -> None:
    far.answers.clear()
    far.now = 0.0
    word.stir()
    far.now = FIRST_PATIENCE

    assert isinstance(word().problem, Unavailable)
    assert str(word().problem) == "The source of movies has not answered yet"
    far.now = 0.0
    far.answers.set()
    assert word().problem is None
    assert far.asked == 1


def test_many_who_ask_at_once_ask_once(far: Far, word: LastWord) -> None:
    callers = [Thread(target=word) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert far.asked == 1


def test_a_bug_in_asking_is_a_finding_in_the_log_and_it_is_asked_anew(
    far: Far, word: LastWord, caplog: pytest.LogCaptureFixture
) -> None:
    far.problem = ZeroDivisionError("a bug")
    problem = word().problem
    assert isinstance(problem, ProbeFailed)
    assert str(problem) == "The source of movies could not be asked: unexpected ZeroDivisionError"
    assert "a bug" in caplog.text
    far.problem = None
    far.now += BAD_FOR

    assert word().problem is None


def test_a_source_that_refuses_makes_the_service_degraded(
    far: Far, word: LastWord, store: SqliteStore
) -> None:
    far.problem = SourceRefused("check TMDB_API_KEY")
    health = CheckHealth(database=store.ping, runs=store.runs, clock=noon, tmdb=word)()

    assert health.condition is Condition.DEGRADED
    assert health.findings[Part.TMDB].condition is Condition.DEGRADED
    assert health.findings[Part.TMDB].problem is far.problem


def test_a_silent_database_is_waited_for_once(store: SqliteStore) -> None:
    asked: list[Entity] = []

    class Runs:
        def latest(self, entity: Entity, *, completed: bool = False) -> None:
            asked.append(entity)

    health = CheckHealth(database=_away, runs=Runs(), clock=noon)()  # type: ignore[arg-type]

    assert health.findings[Part.SYNC].condition is Condition.DOWN
    assert asked == []


def test_readings_tell_of_syncs_users_and_queues(store: SqliteStore) -> None:
    store.runs.save(new_run(store, Entity.MOVIES).finished(noon()))
    new_run(store, Entity.GENRES)
    ann = joined(store)
    signed_in(store, ann)
    signed_in(store, ann)

    assert _read(store, lambda: 3) == {
        ("storage_up", ""): 1,
        ("sync_age_seconds", "movies"): 86400,
        ("active_users", ""): 1,
        ("queue_up", ""): 1,
        ("queue_depth", ""): 3,
    }


def test_what_is_away_has_no_figures_but_that_it_is_away(store: SqliteStore) -> None:
    def gone() -> int:
        raise Unavailable

    class Away:
        latest = staticmethod(lambda *_, **__: _away())

    take = TakeReadings(runs=Away(), sessions=store.sessions, clock=noon, waiting=gone)  # type: ignore[arg-type]

    assert {reading.name: reading.value for reading in take()} == {"storage_up": 0, "queue_up": 0}


def test_readings_are_taken_once_in_a_while_however_often_they_are_asked_for(far: Far) -> None:
    last = LastReadings(_readings_of(far), stopwatch=far.clock)
    assert [last()[0].value for _ in range(5)] == [1] * 5

    far.now += READINGS_HOLD
    assert [last()[0].value for _ in range(5)] == [2] * 5


def test_while_one_takes_readings_the_others_have_the_last_ones(far: Far) -> None:
    last = LastReadings(_readings_of(far), stopwatch=far.clock)
    last()
    far.answers.clear()
    far.now += READINGS_HOLD
    taking = Thread(target=last)
    taking.start()
    while far.asked < 2 and taking.is_alive():
        sleep(0.001)

    assert last()[0].value == 1
    far.answers.set()
    taking.join()
    assert last()[0].value == 2


def test_the_first_readings_are_waited_for_and_taken_once(far: Far) -> None:
    last = LastReadings(_readings_of(far), stopwatch=far.clock)
    far.answers.clear()
    had: list[float] = []
    callers = [Thread(target=lambda: had.append(last()[0].value)) for _ in range(5)]
    for caller in callers:
        caller.start()
    far.answers.set()
    for caller in callers:
        caller.join()

    assert had == [1] * 5


def test_a_bug_in_reading_is_raised_and_they_are_taken_anew(far: Far) -> None:
    last = LastReadings(_readings_of(far), stopwatch=far.clock)
    far.problem = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        last()
    far.problem = None

    assert last()[0].value == 2


def test_the_meter_of_an_unwatched_place_lets_all_pass() -> None:
    UNMETERED.timed("storage", 0.1)
    UNMETERED.counted("tmdb", "ok")


def _readings_of(far: Far) -> Callable[[], list[Reading]]:
    """How often it was asked."""

    def take() -> list[Reading]:
        far()
        return [Reading("asked", "How often it was asked.", far.asked)]

    return take


def _away() -> None:
    raise StorageUnavailable("no answer")


def _read(store: SqliteStore, waiting: Callable[[], int]) -> dict[tuple[str, str], float]:
    take = TakeReadings(runs=store.runs, sessions=store.sessions, clock=lambda: noon(2), waiting=waiting)
    return {(reading.name, "".join(reading.of.values())): reading.value for reading in take()}
