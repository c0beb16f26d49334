"""The budget is never exceeded by any number of threads."""

from collections.abc import Iterator
from itertools import pairwise
from threading import Event, Thread, Timer
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tmdb.budget import Budget, BudgetExhausted, RequestPacer, Stopped, no_reservation


class FakeTime:
    """A clock that advances only during pauses and requests."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float, stop: Event) -> None:
        if stop.is_set():
            raise Stopped
        self.now += seconds


def moments(per_second: float, sendings: list[float], idle: list[float]) -> Iterator[float]:
    """The times at which requests are sent, for given durations of the requests and pauses between them."""
    time = FakeTime()
    pace = RequestPacer(per_second, clock=time, pause=time.pause)
    for sending, rest in zip(sendings, idle, strict=False):
        with pace.slot(Event()):
            time.now += sending
            yield time.now
        time.now += rest


rates = st.floats(0.5, 1000) | st.sampled_from([0.5, 1.0, 20.0, 1000.0])
delays = st.lists(st.floats(0, 0.02), min_size=60, max_size=60)


@given(rates, delays, delays)
def test_no_second_holds_more_than_the_budget(
    per_second: float, sendings: list[float], idle: list[float]
) -> None:
    left = list(moments(per_second, sendings, idle))

    for first in left:
        assert sum(first <= moment <= first + 1 for moment in left) <= max(1, per_second)


def test_nearly_all_of_the_budget_is_used() -> None:
    left = list(moments(20, [0.0] * 41, [0.0] * 41))

    assert left[-1] - left[0] == pytest.approx(40 / 20 * 1.05)


def test_threads_take_turns() -> None:
    pace, left = RequestPacer(200), list[float]()

    def send() -> None:
        for _ in range(5):
            with pace.slot(Event()):
                left.append(monotonic())

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(left) == 40
    assert all(later - earlier >= 1 / 200 for earlier, later in pairwise(left))


def test_a_stopped_request_returns_at_once_and_uses_no_slot() -> None:
    time = FakeTime()
    pace, stop = RequestPacer(0.5, clock=time, pause=time.pause), Event()
    with pace.slot(stop):
        pass
    stop.set()

    with pytest.raises(Stopped), pace.slot(stop):
        raise AssertionError
    assert time.now == 1000
    with pace.slot(Event()):
        assert time.now == pytest.approx(1002.1)


def test_a_stop_interrupts_a_real_pause() -> None:
    pace, stop = RequestPacer(0.001), Event()  # a turn in a thousand seconds
    with pace.slot(stop):
        pass
    Timer(0.05, stop.set).start()

    with pytest.raises(Stopped), pace.slot(stop):
        raise AssertionError


def test_a_failed_request_releases_the_turn() -> None:
    time = FakeTime()
    pace = RequestPacer(10, clock=time, pause=time.pause)
    with pytest.raises(ConnectionError), pace.slot(Event()):
        raise ConnectionError

    with pace.slot(Event()):
        assert time.now == pytest.approx(1000.105)


def test_requests_of_users_go_before_those_of_syncs_that_wait_already() -> None:
    order, users = list[str](), list[Thread]()

    def send(budget: Budget, name: str) -> None:
        with budget.slot(Event()):
            order.append(name)

    def pause(_: float, __: Event) -> None:  # while the sync waits for its slot, a user arrives
        if not users:
            users.append(Thread(target=send, args=(pace.urgent, "user")))
            users[0].start()
            while not pace._urgent:
                sleep(0.001)
        sleep(0.001)

    pace = RequestPacer(1000, pause=pause)
    send(pace, "sync")
    users[0].join()

    assert order == ["user", "sync"]


@pytest.mark.parametrize("own", [True, False])
def test_a_user_is_refused_rather_than_kept_waiting_for_long(*, own: bool) -> None:
    time = FakeTime()
    reserve = no_reservation if own else lambda _, within: (60.0, within > 60)
    pace = RequestPacer(0.01, clock=time, pause=time.pause, reserve=reserve)
    if own:
        with pace.slot(Event()):
            pass

    for _ in range(2):
        with pytest.raises(BudgetExhausted), pace.urgent.slot(Event()):
            raise AssertionError
    assert time.now == 1000


def test_a_sync_tries_again_when_other_processes_were_first() -> None:
    time = FakeTime()
    answers = iter([(0.5, False), (0.25, False), (0.01, True)])
    pace = RequestPacer(20, clock=time, pause=time.pause, reserve=lambda *_: next(answers))

    with pace.slot(Event()):
        assert time.now == pytest.approx(1000.76)
