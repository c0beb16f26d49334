"""The budget of requests to TMDB that processes share."""

from threading import Event, Thread
from time import monotonic

import pytest

from adapters.redis.breaker import RedisBreaker
from adapters.redis.budget import KEY, RedisReservations
from adapters.tmdb.budget import SAFETY_FACTOR, RequestPacer
from tests.contracts.valkey_server import Valkey


def breaker_to(url: str) -> RedisBreaker:
    return RedisBreaker(url, flush=lambda _: None, timeout=2.0)


def test_reservations_are_evenly_spaced_over_processes(redis_url: str) -> None:
    one, other = breaker_to(redis_url), breaker_to(redis_url)
    waits = [RedisReservations(breaker)(10.0, 60.0)[0] for breaker in (one, other, one)]
    assert waits[0] == 0.0
    assert waits[1] == pytest.approx(10, abs=5)
    assert waits[2] - waits[1] == pytest.approx(10, abs=5)
    for breaker in (one, other):
        breaker.close()


def test_unused_time_is_not_saved_up(redis_url: str) -> None:
    breaker = breaker_to(redis_url)
    breaker.call_from_thread(lambda redis: redis.set(KEY, "1"))  # of 1970
    reserve = RedisReservations(breaker)
    assert reserve(10.0, 60.0) == (0.0, True)
    assert reserve(10.0, 60.0)[0] == pytest.approx(10, abs=5)
    breaker.close()


def test_a_time_that_is_not_near_is_told_and_not_reserved(redis_url: str) -> None:
    breaker = breaker_to(redis_url)
    reserve = RedisReservations(breaker)
    reserve(10.0, 0.0)
    refused = [reserve(10.0, 1.0) for _ in range(3)]
    assert all(not reserved and 0 < seconds <= 10 for seconds, reserved in refused)
    breaker.close()


def test_a_sync_waits_for_the_users_of_other_processes(redis_url: str) -> None:
    users, syncs = breaker_to(redis_url), breaker_to(redis_url)
    for _ in range(3):
        assert RedisReservations(users)(10.0, 60.0)[1]
    seconds, reserved = RedisReservations(syncs)(10.0, 1.0)
    assert not reserved
    assert 20 < seconds <= 30
    for breaker in (users, syncs):
        breaker.close()


def test_reservations_expire(valkey: Valkey) -> None:
    breaker = breaker_to(valkey.url)
    RedisReservations(breaker)(10.0, 60.0)
    assert 0 < int(valkey.command("PTTL", "tmdb:free_at")[1:]) <= 11_000
    breaker.close()


def test_without_redis_each_process_spaces_its_own_requests(valkey: Valkey) -> None:
    breaker = breaker_to(valkey.url)
    reserve = RedisReservations(breaker)
    reserve(10.0, 60.0)
    valkey.kill()
    assert [reserve(10.0, 60.0) for _ in range(3)] == [(0.0, True)] * 3
    breaker.close()


def test_two_processes_share_one_rate(redis_url: str) -> None:
    rate, requests = 40, 30
    sent: list[float] = []

    def work(breaker: RedisBreaker) -> None:
        pace = RequestPacer(rate, reserve=RedisReservations(breaker))
        for _ in range(requests // 2):
            with pace.slot(Event()):
                sent.append(monotonic())

    breakers = [breaker_to(redis_url) for _ in range(2)]
    threads = [Thread(target=work, args=(breaker,)) for breaker in breakers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for breaker in breakers:
        breaker.close()
    sent.sort()
    assert sent[-1] - sent[0] >= (requests - 1) * SAFETY_FACTOR / rate - 0.05
