"""One budget of requests to TMDB for all processes."""

from threading import Event, Thread
from time import monotonic

import pytest

from adapters.redis.breaker import RedisLink
from adapters.redis.budget import RedisBookings
from adapters.tmdb.budget import SAFETY, Pace
from tests.contracts.valkey_server import Valkey


def link_to(url: str) -> RedisLink:
    return RedisLink(url, forget=lambda _: None, patience=2.0)


def test_moments_are_given_out_evenly_and_once(redis_url: str) -> None:
    one, other = link_to(redis_url), link_to(redis_url)
    waits = [RedisBookings(link)(10.0) for link in (one, other, one)]
    assert waits[0] == 0.0
    assert waits[1] == pytest.approx(10, abs=5)
    assert waits[2] - waits[1] == pytest.approx(10, abs=5)
    for link in (one, other):
        link.close()


def test_a_moment_that_has_passed_is_not_saved_up(redis_url: str) -> None:
    link = link_to(redis_url)
    book = RedisBookings(link)
    assert [book(0.000_001) for _ in range(3)] == pytest.approx([0, 0, 0], abs=0.01)
    link.close()


def test_what_is_booked_is_forgotten_in_time(valkey: Valkey) -> None:
    link = link_to(valkey.url)
    RedisBookings(link)(10.0)
    assert 0 < int(valkey.command("PTTL", "tmdb:free_at")[1:]) <= 11_000
    link.close()


def test_while_redis_is_away_each_process_keeps_its_own_distance(valkey: Valkey) -> None:
    link = link_to(valkey.url)
    book = RedisBookings(link)
    book(10.0)
    valkey.kill()
    assert [book(10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    link.close()


def test_two_processes_together_keep_to_one_rate(redis_url: str) -> None:
    rate, requests = 40, 30
    sent: list[float] = []

    def work(link: RedisLink) -> None:
        pace = Pace(rate, book=RedisBookings(link))
        for _ in range(requests // 2):
            with pace.turn(Event()):
                sent.append(monotonic())

    links = [link_to(redis_url) for _ in range(2)]
    threads = [Thread(target=work, args=(link,)) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for link in links:
        link.close()
    sent.sort()
    assert sent[-1] - sent[0] >= (requests - 1) * SAFETY / rate - 0.05
