"""The commands sent to Redis: keys, arguments of scripts and expiries, with fakeredis."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Semaphore, Thread
from typing import Any

import pytest
from fakeredis import FakeRedis

from adapters.redis import invalidation as invalidations
from adapters.redis.breaker import Client
from adapters.redis.budget import KEY, RESERVE, RedisReservations
from adapters.redis.cache import GENERATION, LOCK_TTL, LOOK_UP, STAMP_TTL, STORE, RedisResponseCache
from adapters.redis.invalidation import RedisCacheInvalidation, invalidate_all
from adapters.redis.listener import InvalidationListener
from adapters.redis.local_cache import Lease
from adapters.redis.queue import (
    JOB_TIMEOUT,
    JOBS,
    RESULT_TTL,
    RETRY_DELAYS,
    RestrictedJob,
    abandoned_jobs,
    enqueue_job,
    is_pending,
    queue_of,
)
from domain.ids import MovieId, UserId
from tests.waiting import eventually

ADA, MATRIX = UserId("a" * 24), MovieId("b" * 24)
DETAIL = f"movies:detail:{MATRIX}"


class Scripted(FakeRedis):
    """A Redis that records scripts without running them."""

    def __init__(self, reply: object) -> None:
        super().__init__()
        self.reply = reply
        self.scripts: list[tuple[Any, ...]] = []

    def eval(self, *arguments: Any) -> Any:
        self.scripts.append(arguments)
        return self.reply


class ScriptedBreaker:
    """A circuit breaker that records scripts, and has these replies to them."""

    clustered = False

    def __init__(self, *replies: object) -> None:
        self.replies = list(replies)
        self.scripts: list[tuple[Any, ...]] = []

    async def execute(self, command: str, *arguments: Any) -> Any:
        assert command == "EVAL"
        self.scripts.append(arguments)
        return self.replies.pop(0)


class Closed:
    """A circuit breaker that stays closed."""

    def __init__(self, redis: Client) -> None:
        self.redis: Any = redis

    def invalidate(self, call: Callable[[Any], object]) -> bool:
        call(self.redis)
        return True

    def server_age(self) -> float:
        return math.inf

    def call_from_thread(self, call: Callable[[Any], object]) -> object:
        return call(self.redis)


def holding(*keys: str) -> tuple[FakeRedis, RedisCacheInvalidation]:
    redis = FakeRedis()
    for key in keys:
        redis.set(key, "cached")
    return redis, RedisCacheInvalidation(Closed(redis), publish=False)  # type: ignore[arg-type]


def left(redis: Client) -> set[str]:
    return {key.decode() for key in redis.scan_iter()}


def test_a_rating_invalidates_its_movie_its_ratings_and_builds_in_progress() -> None:
    rating = f"movies:rating:{MATRIX}"
    redis, changes = holding(DETAIL, f"{{{DETAIL}}}:stamp", rating, f"{{{rating}}}:stamp", "genres:all")
    with changes.movies([MATRIX]):
        assert len(left(redis)) == 5, "nothing is invalidated before the change is stored"
    assert left(redis) == {"genres:all"}


def test_a_watchlist_invalidates_itself() -> None:
    redis, changes = holding(f"watchlist:user:{ADA}", f"watchlist:user:{'c' * 24}")
    with changes.watchlist(ADA):
        pass
    assert left(redis) == {f"watchlist:user:{'c' * 24}"}


def test_everything_is_invalidated_by_one_key() -> None:
    redis, _ = holding(GENERATION, "movies:list:1:20:", "rq:queue:matinee", "limits:user:1")
    invalidate_all(redis)
    assert left(redis) == {"movies:list:1:20:", "rq:queue:matinee", "limits:user:1"}


def test_a_writer_does_not_wait_for_the_event_loop_of_its_own_process() -> None:
    breaker: Any = Closed(Scripted(None))
    listener = InvalidationListener("redis://unused", Lease(), breaker)
    listener.running = True
    breaker.redis.reply = [listener.holder.name.encode()]  # it is the only holder, and receives nothing
    invalidation = RedisCacheInvalidation(breaker, listener, max_wait=600)

    def write() -> None:
        with invalidation.watchlist(ADA):
            pass

    writer = Thread(target=write, daemon=True)
    writer.start()
    writer.join(20)
    assert not writer.is_alive()


class Held:
    """A Redis that answers each script when it is let go; `error` is raised by all but the first."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.scripts: list[tuple[Any, ...]] = []
        self.called = Semaphore(0)
        self.released = Semaphore(0)

    def eval(self, *arguments: Any) -> list[bytes]:
        self.scripts.append(arguments)
        first = len(self.scripts) == 1
        self.called.release()
        assert self.released.acquire(timeout=20)
        if self.error and not first:
            raise self.error
        return []

    @property
    def movies(self) -> list[int]:
        """How many movies each script invalidates: a movie has two responses, each with a stamp."""
        return [(arguments[1] - 1) // 4 for arguments in self.scripts]


@pytest.fixture
def sending(monkeypatch: pytest.MonkeyPatch) -> Callable[[Held], RedisCacheInvalidation]:
    monkeypatch.setattr(invalidations, "MAX_SENDING", 20)
    return lambda redis: RedisCacheInvalidation(Closed(redis), max_wait=0)  # type: ignore[arg-type]


def start(threads: ThreadPoolExecutor, invalidation: RedisCacheInvalidation, number: int) -> Future[None]:
    def write() -> None:
        with invalidation.movies([MovieId(f"{number:024}")]):
            pass

    return threads.submit(write)


def test_what_is_invalidated_while_another_message_is_sent_is_sent_together(
    sending: Callable[[Held], RedisCacheInvalidation],
) -> None:
    redis = Held()
    invalidation = sending(redis)
    with ThreadPoolExecutor(4) as threads:
        first = start(threads, invalidation, 0)
        assert redis.called.acquire(timeout=20)
        others = [start(threads, invalidation, number) for number in (1, 2, 3)]
        joined = partial(names_of_next, invalidation)
        eventually(lambda: len(joined()) == 12, timeout=20, interval=0.001)
        redis.released.release()
        assert redis.called.acquire(timeout=20)
        first.result()
        assert not any(each.done() for each in others)
        redis.released.release()
        for each in others:
            each.result()
    assert redis.movies == [1, 3]
    _, _, _, *names, _, text, _ = redis.scripts[1]
    assert len(set(names)) == 12
    sender, number, *tags = text.split(" ")
    assert (sender, number) == ("-", "0")
    assert sorted(tags) == sorted(
        f"movies:{kind}:{movie:024}" for kind in ("detail", "rating") for movie in (1, 2, 3)
    )


def test_an_error_of_a_message_is_raised_for_everyone_who_has_joined_it(
    sending: Callable[[Held], RedisCacheInvalidation],
) -> None:
    redis = Held(ZeroDivisionError())
    invalidation = sending(redis)
    with ThreadPoolExecutor(3) as threads:
        first = start(threads, invalidation, 0)
        assert redis.called.acquire(timeout=20)
        others = [start(threads, invalidation, number) for number in (1, 2)]
        eventually(lambda: len(names_of_next(invalidation)) == 8, timeout=20, interval=0.001)
        redis.released.release(2)
        first.result()
        assert [type(each.exception()) for each in others] == [ZeroDivisionError, ZeroDivisionError]
    assert redis.movies == [1, 2]


def test_a_message_does_not_wait_long_for_another_one(
    sending: Callable[[Held], RedisCacheInvalidation], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = Held()
    invalidation = sending(redis)
    monkeypatch.setattr(invalidations, "MAX_SENDING", 0)
    with ThreadPoolExecutor(2) as threads:
        writes = [start(threads, invalidation, number) for number in (0, 1)]
        assert all(redis.called.acquire(timeout=20) for _ in writes)
        redis.released.release(2)
        for each in writes:
            each.result()
    assert redis.movies == [1, 1]


def test_a_full_message_is_joined_by_no_one(
    sending: Callable[[Held], RedisCacheInvalidation], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = Held()
    invalidation = sending(redis)
    monkeypatch.setattr(invalidations, "MAX_NAMES", 3)
    with ThreadPoolExecutor(3) as threads:
        writes = [start(threads, invalidation, 0)]
        assert redis.called.acquire(timeout=20)
        for number in (1, 2):
            writes.append(start(threads, invalidation, number))
            name = f"{number:024}"
            eventually(
                lambda: any(name in each for each in names_of_next(invalidation)),  # noqa: B023  called at once
                timeout=20,
                interval=0.001,
            )
        redis.released.release(3)
        for each in writes:
            each.result()
    assert redis.movies == [1, 1, 1]


def names_of_next(invalidation: RedisCacheInvalidation) -> list[str]:
    """The names in the message that is sent next."""
    message = invalidation._next
    return list(message.names) if message else []


def test_a_miss_is_one_script_before_the_response_and_one_after_it() -> None:
    async def work() -> None:
        redis: Any = ScriptedBreaker([b"build", -2, b"token", b"generation", b"stamp"], 1)
        responses = RedisResponseCache[str](redis, seconds=60, dump=str.encode, load=bytes.decode)
        stamp, lock = f"{{{DETAIL}}}:stamp", f"{{{DETAIL}}}:lock:title"

        async def build() -> str:
            assert len(redis.scripts) == 1
            return "made"

        answer, hit, seconds = await responses(DETAIL, "title", build)
        assert (answer, hit) == ("made", False)
        assert 59 < seconds <= 60
        ((script, number, *arguments),) = redis.scripts
        assert (script, number, arguments[:4]) == (LOOK_UP, 4, [DETAIL, stamp, lock, GENERATION])
        assert arguments[4:8] == ["h:title", "b:title", b"", b""], "it has no response"
        token, process, *times = arguments[8:]
        assert token.startswith(process)
        assert times == [LOCK_TTL, STAMP_TTL, b""]

        await responses.finish()
        _, (script, number, *arguments) = redis.scripts
        assert (script, number, arguments[:3]) == (STORE, 3, [DETAIL, stamp, lock])
        assert arguments[3:5] == [b"stamp", "token"]
        head = arguments[6]
        assert arguments[5:] == ["h:title", head, "b:title", b"made", 60_000]
        assert head.startswith(b"generation")

    asyncio.run(work())


@pytest.mark.parametrize(
    ("gap", "microseconds"), [(0.25, "250000"), (0.000_000_1, "1"), (3600.0, "3600000000")]
)
def test_a_request_to_tmdb_is_reserved_in_microseconds_rounded_up(gap: float, microseconds: str) -> None:
    redis = Scripted([b"1500000", 1])
    assert RedisReservations(Closed(redis))(gap, 2.0) == (1.5, True)  # type: ignore[arg-type]
    assert redis.scripts == [(RESERVE, 1, KEY, microseconds, "2000000")]


def test_a_job_is_stored_with_its_timeout_and_its_retries() -> None:
    redis = FakeRedis()
    job_id = enqueue_job(redis, f"{JOBS}.sync", "movies").id

    assert redis.lrange("rq:queue:matinee", 0, -1) == [job_id.encode()]
    job = RestrictedJob.fetch(job_id, redis)
    assert (job.func_name, job.args) == (f"{JOBS}.sync", ["movies"])
    assert (job.timeout, job.result_ttl) == (JOB_TIMEOUT, RESULT_TTL)
    assert (job.retries_left, job.retry_intervals) == (len(RETRY_DELAYS), list(RETRY_DELAYS))


def test_a_job_is_pending_in_the_queue_and_abandoned_once_it_was_taken_and_not_started() -> None:
    redis = FakeRedis()
    job_id = enqueue_job(redis, f"{JOBS}.sync", "movies").id
    assert is_pending(redis, job_id)
    assert abandoned_jobs(redis) == []
    queue = queue_of(redis)
    redis.lmove(queue.key, queue.intermediate_queue_key, "LEFT", "RIGHT")
    assert is_pending(redis, job_id)
    assert abandoned_jobs(redis) == [job_id]
    redis.delete(queue.intermediate_queue_key)
    assert not is_pending(redis, job_id)
