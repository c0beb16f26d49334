"""Words of things far away, and figures that are read when asked for."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from threading import Event, Thread
from time import sleep

import pytest

from adapters.metering import UNMETERED
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import joined, new_run, noon, signed_in
from application import watching
from application.operations import CheckHealth, Condition, Part
from application.watching import Gauge, LastReadings, LastWord, ProbeFailed, TakeReadings, Word
from domain.errors import StorageUnavailable, Unavailable
from domain.sync import Entity, SourceRefused, SourceUnavailable


class Far:
    """Something far away, that answers when it is let, as it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.problem: Exception | None = None
        self.answers = Event()
        self.answers.set()
        self.now = 100.0
        self.takes = 0.0

    def __call__(self) -> None:
        self.asked += 1
        assert self.answers.wait(10)
        self.now += self.takes
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


def test_a_good_word_holds_for_ten_seconds(far: Far, word: LastWord) -> None:
    assert [word().problem for _ in range(5)] == [None] * 5
    far.now += 9.9
    assert word().problem is None
    assert far.asked == 1

    far.now = 110.0
    assert word().problem is None
    assert far.asked == 2


def test_what_was_away_is_asked_again_after_two_seconds(far: Far, word: LastWord) -> None:
    far.problem = SourceUnavailable("gone")
    assert word().problem is far.problem
    far.problem = None
    far.now += 1.9
    assert word().problem is not None

    far.now = 102.0
    assert word().problem is None


@pytest.mark.parametrize("problem", [None, SourceUnavailable("gone"), ZeroDivisionError("a bug")])
def test_a_word_tells_how_long_the_answer_took(far: Far, word: LastWord, problem: Exception | None) -> None:
    far.problem, far.takes = problem, 0.25
    assert word().seconds == 0.25


def test_an_answer_that_nobody_waited_for_is_as_old_as_it_is(far: Far, word: LastWord) -> None:
    word.stir()
    word._thread.submit(lambda: None).result()  # it has answered
    far.now += 10
    far.problem = SourceUnavailable("gone")

    assert word().problem is far.problem
    assert far.asked == 2


def test_a_word_holds_from_the_moment_of_its_answer(far: Far, word: LastWord) -> None:
    far.takes = 4.0
    word.stir()
    word._thread.submit(lambda: None).result()  # it has answered
    far.takes = 0.0
    far.now = 113.9
    word()
    assert far.asked == 1
    far.now = 114.0
    word()
    assert far.asked == 2


def test_the_first_word_is_waited_for_a_second_and_a_later_one_less(
    far: Far, word: LastWord, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def waiting(asked: Iterable[Future[Word]], seconds: float) -> None:
        waits.append(seconds)
        wait(asked, 10 if far.answers.is_set() else 0)

    monkeypatch.setattr(watching, "wait", waiting)
    far.answers.clear()
    word.stir()
    far.now += 0.25
    assert word().problem
    far.answers.set()
    assert not word().problem
    far.now += 10
    assert not word().problem
    assert waits == pytest.approx([0.75, 0.75, 0.3])


def test_while_one_asks_the_others_have_the_last_word(far: Far, word: LastWord) -> None:
    word()
    far.answers.clear()
    far.now += 10
    word.stir()
    far.now += 0.3

    assert [word().problem for _ in range(3)] == [None] * 3
    far.now -= 0.3
    far.answers.set()
    word()
    assert far.asked == 2


def test_while_there_is_no_word_it_is_not_waited_for_long(far: Far, word: LastWord) -> None:
    far.answers.clear()
    word.stir()
    far.now += 1

    none_yet = word()
    assert isinstance(none_yet.problem, Unavailable)
    assert str(none_yet.problem) == "The source of movies has not answered yet"
    assert none_yet.seconds == 1.0
    far.now = 0.0  # however long it takes, it is waited for
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
    assert "Unexpected error while the source is asked how it is" in caplog.text
    assert "a bug" in caplog.text
    far.problem = None
    far.now += 2

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

    ticks = iter((10.0, 10.25, 11.0, 12.0, 13.0, 14.0))
    health = CheckHealth(
        database=_away,
        runs=Runs(),  # type: ignore[arg-type]
        clock=noon,
        stopwatch=lambda: next(ticks),
    )()

    assert health.findings[Part.DATABASE].seconds == 0.25
    assert health.findings[Part.SYNC].condition is Condition.DOWN
    assert health.findings[Part.SYNC].seconds == 0.0
    assert asked == []


def test_readings_tell_of_syncs_users_and_queues(store: SqliteStore) -> None:
    store.runs.save(new_run(store, Entity.MOVIES).finished(noon()))
    new_run(store, Entity.GENRES)
    ann = joined(store)
    signed_in(store, ann)
    signed_in(store, ann)

    assert _take(store, lambda: 3) == [
        Gauge("storage_up", "1 if the store answers, 0 if not.", 1),
        Gauge(
            "sync_age_seconds",
            "Seconds since a sync of that kind was last complete.",
            86400,
            {"entity": "movies"},
        ),
        Gauge("active_users", "Users with a session that has not expired.", 1),
        Gauge("queue_up", "1 if the queue answers, 0 if not.", 1),
        Gauge("queue_depth", "Jobs that wait for a worker.", 3),
    ]


def test_a_sync_that_failed_does_not_make_the_last_complete_one_younger(store: SqliteStore) -> None:
    store.runs.save(new_run(store, Entity.MOVIES).finished(noon()))
    store.runs.save(new_run(store, Entity.MOVIES, day=2).failed(noon(2), "TMDB is away"))

    (age,) = (each.value for each in _take(store, lambda: 0) if each.name == "sync_age_seconds")
    assert age == 86400


def test_what_is_away_has_no_figures_but_that_it_is_away(store: SqliteStore) -> None:
    def gone() -> int:
        raise Unavailable

    class Away:
        latest = staticmethod(lambda *_, **__: _away())

    take = TakeReadings(runs=Away(), sessions=store.sessions, clock=noon, waiting=gone)  # type: ignore[arg-type]

    assert {reading.name: reading.value for reading in take()} == {"storage_up": 0, "queue_up": 0}


def test_readings_are_taken_once_in_five_seconds_however_often_they_are_asked_for(far: Far) -> None:
    last = LastReadings(_readings_of(far), stopwatch=far.clock)
    assert [last()[0].value for _ in range(5)] == [1] * 5

    far.now += 4.9
    assert last()[0].value == 1
    far.now = 105.0
    assert [last()[0].value for _ in range(5)] == [2] * 5


def test_while_one_takes_readings_the_others_have_the_last_ones(far: Far) -> None:
    last = LastReadings(_readings_of(far), stopwatch=far.clock)
    last()
    far.answers.clear()
    far.now += 5
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


def _readings_of(far: Far) -> Callable[[], list[Gauge]]:
    """How often it was asked."""

    def take() -> list[Gauge]:
        far()
        return [Gauge("asked", "How often it was asked.", far.asked)]

    return take


def _away() -> None:
    raise StorageUnavailable("no answer")


def _take(store: SqliteStore, waiting: Callable[[], int]) -> list[Gauge]:
    return TakeReadings(runs=store.runs, sessions=store.sessions, clock=lambda: noon(2), waiting=waiting)()
