"""The response cache: responses are built once, and never outlive an invalidation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.metering import Counted, Timed
from adapters.mongo import database as of_mongo
from adapters.redis.breaker import RedisBreaker
from adapters.redis.cache import MAX_LOCAL_ENTRIES, WAIT_TIMEOUT, RedisResponseCache
from adapters.redis.invalidation import MAX_MOVIES_SINGLY, RedisCacheInvalidation, invalidate_all
from adapters.sqlite import database as of_sqlite
from domain.errors import StorageUnavailable
from domain.ids import UserId, movie_id
from domain.movies import GenreNotFound
from tests.contracts.valkey_server import Valkey, running_valkey

DETAIL = f"movies:detail:{movie_id(603)}"
LOCK = f"{{{DETAIL}}}:lock:"


class RoundTrips:
    """A meter that counts calls of Redis."""

    def __init__(self) -> None:
        self.number = 0

    def timed(self, what: Timed, seconds: float) -> None:
        assert what == "redis"
        self.number += 1

    def counted(self, what: Counted, outcome: str, amount: int = 1) -> None:
        raise AssertionError


class Process:
    """The cache of one process."""

    def __init__(self, url: str, seconds: int = 60) -> None:
        self.round_trips = RoundTrips()
        self.breaker = RedisBreaker(  # with a long timeout, because the machine may be busy
            url, flush=invalidate_all, meter=self.round_trips, timeout=2.0
        )
        self._invalidation = RedisCacheInvalidation(self.breaker)
        self.answers = RedisResponseCache[str](
            self.breaker, seconds=seconds, dump=str.encode, load=bytes.decode
        )
        self.built = 0

    def rate(self, *numbers: int) -> None:
        """Change ratings of movies."""
        with self._invalidation.movies([movie_id(number) for number in numbers]):
            pass

    def list(self, user: UserId) -> None:
        """Change a user's watchlist."""
        with self._invalidation.watchlist(user):
            pass

    def sync(self) -> None:
        """Change the catalogue."""
        with self._invalidation.all():
            pass

    async def back(self) -> None:
        """Wait until Redis is used again."""
        while self.breaker.is_open:  # noqa: ASYNC110  it comes back in a thread
            await asyncio.sleep(0.01)

    async def respond(
        self, key: str, variant: str, build: Callable[[], Awaitable[str]]
    ) -> tuple[str, bool | None]:
        answer, kept, _ = await self.answers(key, variant, build)
        return answer, kept

    async def call(self, key: str = DETAIL, says: str = "made", variant: str = "") -> tuple[str, bool | None]:
        async def build() -> str:
            self.built += 1
            return says

        return await self.respond(key, variant, build)


@contextmanager
def processes(url: str, number: int = 1, **options: int) -> Iterator[list[Process]]:
    """Several caches over one Redis, as of several processes."""
    made = [Process(url, **options) for _ in range(number)]
    try:
        yield made
    finally:
        for process in made:
            process.breaker.close()


def run(work: Callable[..., Awaitable[None]], url: str, number: int = 1, **options: int) -> None:
    """Run a coroutine with several processes in one event loop."""

    async def wrapped(made: list[Process]) -> None:
        try:
            await work(*made)
        finally:
            for process in made:
                await process.answers.finish()
                await process.breaker.disconnect()

    with processes(url, number, **options) as made:
        asyncio.run(wrapped(made))


def test_a_response_is_built_once_and_then_cached(redis_url: str) -> None:
    async def work(one: Process) -> None:
        assert await one.call() == ("made", False)
        assert await one.call(says="again") == ("made", True)
        assert one.built == 1

    run(work, redis_url)


def test_a_response_built_by_one_process_is_cached_for_another(redis_url: str) -> None:
    async def work(one: Process, other: Process) -> None:
        await one.call()
        assert await other.call(says="again") == ("made", True)

    run(work, redis_url, 2)


def test_variants_of_a_key_are_cached_separately_and_invalidated_together(redis_url: str) -> None:
    async def work(one: Process, other: Process) -> None:
        await one.call(variant="title", says="short")
        await one.call(says="long")
        assert await other.call(variant="title") == ("short", True)
        assert await other.call() == ("long", True)
        one.rate(603)
        assert await other.call(variant="title", says="new") == ("new", False)
        assert await other.call(says="newer") == ("newer", False)

    run(work, redis_url, 2)


def test_a_response_expires_after_its_time_to_live(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        await one.call()
        await one.answers.finish()
        assert 0 < int(valkey.command("PTTL", DETAIL)[1:]) <= 60_000
        valkey.command("PEXPIRE", DETAIL, "30000")  # half a minute later
        await one.call(variant="later")
        await one.answers.finish()  # does not make the first live longer
        assert int(valkey.command("PTTL", DETAIL)[1:]) <= 30_000
        valkey.command("PEXPIRE", DETAIL, "0")
        assert await one.call(says="new") == ("new", False)

    run(work, valkey.url, seconds=60)


def test_an_invalidation_is_effective_in_every_process_at_once(redis_url: str) -> None:
    async def work(one: Process, other: Process) -> None:
        for number in range(50):
            await one.call(says=str(number))
            assert await other.call() == (str(number), True)
            other.rate(603)
            assert await one.call(says=f"after {number}") == (f"after {number}", False)
            one.rate(603)

    run(work, redis_url, 2)


def test_a_change_invalidates_its_own_keys_and_no_others(redis_url: str) -> None:
    ada, bob = UserId("a" * 24), UserId("b" * 24)
    keys = [DETAIL, f"movies:rating:{movie_id(603)}", f"movies:detail:{movie_id(604)}"]
    keys += [f"watchlist:user:{ada}", f"watchlist:user:{bob}", "genres:all"]

    async def work(one: Process) -> None:
        async def voided() -> set[str]:
            return {key for key in keys if (await one.call(key))[1] is False}  # and now they are there again

        assert await voided() == set(keys)
        one.rate(603)
        assert await voided() == set(keys[:2])
        one.list(ada)
        assert await voided() == {keys[3]}
        one.rate()
        assert await voided() == set()
        one.sync()
        assert await voided() == set(keys)
        one.rate(*range(MAX_MOVIES_SINGLY + 1))
        assert await voided() == set(keys)

    run(work, redis_url)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (DETAIL, lambda process: process.rate(603)),
        (f"movies:rating:{movie_id(603)}", lambda process: process.rate(603)),
        (DETAIL, lambda process: process.rate(*range(MAX_MOVIES_SINGLY + 1))),
        ("watchlist:user:ann", lambda process: process.list(UserId("ann"))),
        ("movies:list:1:20:", lambda process: process.sync()),
    ],
)
def test_a_slow_build_never_overwrites_an_invalidation(
    redis_url: str, key: str, change: Callable[[Process], None]
) -> None:
    async def work(one: Process, other: Process) -> None:
        async def slow() -> str:
            change(other)  # after the old state was read
            return "old"

        assert await one.respond(key, "", slow) == ("old", False)
        assert await one.call(key, says="new") == ("new", False)
        assert await other.call(key) == ("new", True)

    run(work, redis_url, 2)


def test_a_call_after_a_change_gets_no_response_whose_build_began_before(redis_url: str) -> None:
    async def work(one: Process) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            begun.set()
            await go_on.wait()
            return "old"

        first = asyncio.create_task(one.respond(DETAIL, "", slow))
        await begun.wait()
        one.rate(603)
        second = asyncio.create_task(one.call(says="new"))
        while not one.answers._flights[DETAIL, ""].returned._callbacks:  # noqa: ASYNC110  the second waits for the first
            await asyncio.sleep(0)
        go_on.set()
        assert await first == ("old", False)
        assert await second == ("new", False)

    run(work, redis_url)


def test_a_thousand_concurrent_calls_cause_one_build_over_all_processes(redis_url: str) -> None:
    async def work(*made: Process) -> None:
        begun = 0

        async def call(process: Process) -> tuple[str, bool | None]:
            nonlocal begun

            async def build() -> str:
                process.built += 1
                while begun < 1000:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                return "made"

            begun += 1
            return await process.respond(DETAIL, "", build)

        answers = await asyncio.gather(*(call(made[number % len(made)]) for number in range(1000)))
        assert {answer for answer, _ in answers} == {"made"}
        assert sum(process.built for process in made) == 1
        assert [kept for _, kept in answers].count(False) == 1

    run(work, redis_url, 3)


def test_a_miss_and_a_hit_cost_one_round_trip_before_the_response(redis_url: str) -> None:
    async def work(one: Process, other: Process) -> None:
        async def build() -> str:
            assert one.round_trips.number == 1
            return "made"

        assert await one.respond(DETAIL, "", build) == ("made", False)
        assert one.round_trips.number == 1
        await one.answers.finish()
        assert one.round_trips.number == 2
        for process, before in ((other, 0), (other, 1), (one, 2)):
            assert await process.call() == ("made", True)
            assert process.round_trips.number == before + 1

    run(work, redis_url, 2)


def test_a_response_is_returned_before_it_is_stored(valkey: Valkey) -> None:
    async def work(one: Process, other: Process) -> None:
        async def build() -> str:
            valkey.freeze()
            return "made"

        assert await one.respond(DETAIL, "", build) == ("made", False)
        assert one.answers._tasks
        valkey.thaw()
        await one.answers.finish()
        assert await other.call() == ("made", True)

    run(work, valkey.url, 2)


def test_a_call_while_a_response_is_stored_gets_it_from_redis(redis_url: str) -> None:
    async def work(one: Process) -> None:
        await one.call()
        assert one.answers._tasks
        assert await one.call(says="again") == ("made", True)

    run(work, redis_url)


def test_an_error_while_a_response_is_stored_is_logged_and_reaches_no_call(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(one: Process) -> None:
        def fail(_: str) -> bytes:
            raise ValueError("it has no bytes")

        one.answers._dump = fail
        for _ in range(2):
            assert await one.call() == ("made", False)
            await one.answers.finish()
        assert [(record.name, record.levelname) for record in caplog.records] == [
            ("adapters.redis.cache", "ERROR")
        ] * 2
        assert "it has no bytes" in caplog.text

    run(work, redis_url)


async def started_before_a_second(
    one: Process, build: Callable[[], Awaitable[str]], local_copy: Callable[[], str | None] = lambda: None
) -> Sequence[tuple[str, bool | None, float] | BaseException]:
    """The results of a call that builds, and of one that begins during the build."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return await build()

    async def later() -> str:
        return "new"

    first = asyncio.create_task(one.answers(DETAIL, "", slow))
    await begun.wait()
    second = asyncio.create_task(one.answers(DETAIL, "", later, local_copy))
    await asyncio.sleep(0)  # it waits for the first
    go_on.set()
    return await asyncio.gather(first, second, return_exceptions=True)


def test_a_call_that_began_during_a_build_uses_a_valid_local_copy_without_a_round_trip(
    redis_url: str,
) -> None:
    async def work(one: Process) -> None:
        async def build() -> str:
            return "made"

        _, second = await started_before_a_second(one, build, lambda: "copy")
        assert second == ("copy", True, 0.0)
        await one.answers.finish()
        assert one.round_trips.number == 2

    run(work, redis_url)


def test_a_call_that_began_during_a_failed_build_tries_again_if_the_store_is_available(
    redis_url: str,
) -> None:
    async def work(one: Process) -> None:
        async def missing() -> str:
            raise GenreNotFound(28)

        async def unavailable() -> str:
            raise StorageUnavailable("away")

        first, second = await started_before_a_second(one, missing)
        assert isinstance(first, GenreNotFound)
        assert isinstance(second, tuple)
        assert second[:2] == ("new", False)
        one.sync()
        errors = await started_before_a_second(one, unavailable)
        assert {type(error) for error in errors} == {StorageUnavailable}

    run(work, redis_url)


def test_a_copy_may_be_kept_as_long_as_its_entry(valkey: Valkey) -> None:
    async def work(one: Process, other: Process) -> None:
        async def seconds(process: Process, variant: str = "") -> float:
            async def build() -> str:
                await asyncio.sleep(0.05)
                return "made"

            _, _, found = await process.answers(DETAIL, variant, build)
            await process.answers.finish()
            return found

        assert 30 < await seconds(one) <= 59.95, "the time since the data was read is deducted"
        assert 30 < await seconds(other) <= 60
        valkey.command("PEXPIRE", DETAIL, "30000")  # half a minute later
        assert 1 < await seconds(one) <= 30
        assert 1 < await seconds(other, "title") <= 29.95, "all of a key expire together"
        assert await seconds(one, "title") <= 30

    run(work, valkey.url, 2, seconds=60)


def test_without_redis_a_thousand_concurrent_calls_cause_one_build(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        for answers in (
            one.answers,
            RedisResponseCache[str](None, seconds=60, dump=str.encode, load=bytes.decode),
        ):
            built = 0

            async def build() -> str:
                nonlocal built
                built += 1
                await asyncio.sleep(0.01)
                return "made"

            results = await asyncio.gather(*(answers(DETAIL, "", build) for _ in range(1000)))
            assert set(results) == {("made", None, 0.0)}
            assert built == 1

    async def unavailable(one: Process) -> None:
        valkey.kill()
        assert await one.call() == ("made", None)
        assert one.breaker.is_open
        await work(one)

    run(unavailable, valkey.url)


def test_without_redis_a_call_gets_no_response_whose_build_began_before(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        async def build() -> str:
            return "old"

        valkey.kill()
        results = await started_before_a_second(one, build)
        assert [*results] == [("old", None, 0.0), ("new", None, 0.0)]

    run(work, valkey.url)


def test_an_error_of_a_build_reaches_all_waiting_calls_and_is_not_cached(valkey: Valkey) -> None:
    async def work(one: Process, other: Process) -> None:
        begun = 0

        async def fail() -> str:
            one.built += 1
            while begun < 50:  # noqa: ASYNC110
                await asyncio.sleep(0)
            raise StorageUnavailable("away")

        async def call() -> tuple[str, bool | None]:
            nonlocal begun
            begun += 1
            return await one.respond(DETAIL, "", fail)

        results = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)
        assert {type(result) for result in results} == {StorageUnavailable}
        assert one.built == 1
        await one.answers.finish()
        assert valkey.command("EXISTS", LOCK) == ":0", "the lock was given back"
        assert await other.call() == ("made", False)

    run(work, valkey.url, 2)


def test_when_a_builder_is_cancelled_another_call_builds(redis_url: str) -> None:
    async def work(one: Process) -> None:
        begun = asyncio.Event()

        async def never() -> str:
            begun.set()
            await asyncio.Event().wait()
            return "never"

        first = asyncio.create_task(one.respond(DETAIL, "", never))
        await begun.wait()
        second = asyncio.create_task(one.call())
        await asyncio.sleep(0)  # it waits for the first now
        first.cancel()
        assert await second == ("made", False)

    run(work, redis_url)


def test_a_lock_left_by_the_same_process_does_not_delay_it(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        left = f"{one.answers._process}lost"
        valkey.command("SET", LOCK, left, "PX", "60000")
        assert await one.call() == ("made", False)
        await one.answers.finish()
        assert valkey.command("EXISTS", LOCK) == ":0"
        assert await one.call() == ("made", True)

    run(work, valkey.url)


def test_a_dead_builder_delays_others_only_briefly(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        valkey.command("SET", f"{{{DETAIL}}}:lock:", "dead", "PX", "3000")
        assert await one.call() == ("made", False)

    run(work, valkey.url)


def test_waiting_for_a_builder_and_for_an_unavailable_store_takes_two_seconds_at_most() -> None:
    assert WAIT_TIMEOUT + max(of_sqlite.WRITE_TIMEOUT, of_mongo.OPERATION_TIMEOUT) <= 2


def test_a_key_that_is_invalidated_all_the_time_is_still_answered(redis_url: str) -> None:
    async def work(one: Process) -> None:
        async def voided_meanwhile() -> str:
            one.sync()
            return "made"

        responses = (one.respond(DETAIL, "", voided_meanwhile) for _ in range(20))
        assert {answer for answer, _ in await asyncio.gather(*responses)} == {"made"}

    run(work, redis_url)


def test_without_redis_every_response_is_built_again(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        await one.call()
        valkey.kill()
        assert await one.call(says="anew") == ("anew", None)
        assert await one.call(says="once more") == ("once more", None)
        valkey.start()
        await one.back()
        assert await one.call(says="back") == ("back", False)
        assert await one.call() == ("back", True)

    run(work, valkey.url)


def test_a_response_built_while_redis_dies_is_returned_but_not_cached(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        async def build() -> str:
            one.built += 1
            valkey.kill()
            return "made"

        assert await one.respond(DETAIL, "", build) == ("made", False)
        assert one.built == 1

    run(work, valkey.url)


def test_an_error_of_a_build_is_raised_although_redis_dies(valkey: Valkey) -> None:
    async def work(one: Process) -> None:
        async def build() -> str:
            valkey.kill()
            raise StorageUnavailable("away")

        with pytest.raises(StorageUnavailable):
            await one.respond(DETAIL, "", build)

    run(work, valkey.url)


def test_no_response_from_before_an_outage_is_served_after_it(valkey: Valkey) -> None:
    """A change whose invalidation could not be sent is not hidden by an old response."""

    async def work(one: Process) -> None:
        await one.call(says="old")
        valkey.freeze()
        one.rate(603)
        valkey.thaw()
        await one.back()
        assert await one.call(says="new") == ("new", False)

    run(work, valkey.url)


def test_data_restored_from_before_a_change_is_not_served(valkey: Valkey) -> None:
    """A server restarted with older data may hold responses that were invalidated."""

    async def work(one: Process, idle: Process) -> None:
        await idle.call(says="old")
        saved = valkey.command("GET", "cache:generation")
        assert saved.startswith("$")
        valkey.kill()
        valkey.start()  # with its data
        for process in (one, idle):
            answer, kept = await process.call(says="new")
            if kept is None:  # it has just met the new server
                await process.back()
                answer, _ = await process.call(says="new")
            assert answer == "new"

    # A process that never spoke to the old server cannot know; a server process forgets when it starts.
    async def started(one: Process, idle: Process) -> None:
        await one.call("warm")
        await work(one, idle)

    run(started, valkey.url, 2)


def test_a_full_redis_stores_no_responses_but_is_still_invalidated(tmp_path: Path) -> None:
    async def work(one: Process) -> None:
        await one.call(says="old")
        valkey.command("CONFIG", "SET", "maxmemory", "1")
        assert await one.call() == ("old", True)
        one.rate(603)
        assert await one.call(says="new") == ("new", False)
        assert await one.call(says="newer") == ("newer", False)
        one.sync()
        valkey.command("CONFIG", "SET", "maxmemory", "0")
        assert await one.call(says="newest") == ("newest", False)
        assert await one.call() == ("newest", True)

    with running_valkey(tmp_path, "--maxmemory-policy", "noeviction") as valkey:
        run(work, valkey.url)


def test_a_process_holds_a_limited_number_of_responses(redis_url: str) -> None:
    async def work(one: Process) -> None:
        for number in range(MAX_LOCAL_ENTRIES + 10):
            await one.call(f"movies:detail:{number}", says=str(number))
        assert len(one.answers._local) == MAX_LOCAL_ENTRIES
        assert await one.call("movies:detail:0") == ("0", True)

    run(work, redis_url)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 1), st.sampled_from([603, 604])),
        st.tuples(st.just("rate"), st.integers(0, 1), st.sampled_from([603, 604])),
        st.tuples(st.just("sync"), st.integers(0, 1), st.just(0)),
    ),
    max_size=30,
)


@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(steps)
def test_no_history_of_changes_leads_to_a_stale_response(
    valkey: Valkey, history: list[tuple[str, int, int]]
) -> None:
    truth = {603: 0, 604: 0}

    async def work(*made: Process) -> None:
        for step, who, movie in history:
            process = made[who]
            if step == "ask":
                answer, _ = await process.call(f"movies:detail:{movie_id(movie)}", says=str(truth[movie]))
                assert answer == str(truth[movie])
            elif step == "rate":
                truth[movie] += 1
                process.rate(movie)
            else:
                truth.update({each: version + 1 for each, version in truth.items()})
                process.sync()

    valkey.restore()
    run(work, valkey.url, 2)


def test_a_failed_change_invalidates_too(redis_url: str) -> None:
    async def work(one: Process) -> None:
        await one.call(says="old")
        with pytest.raises(StorageUnavailable), one._invalidation.movies([movie_id(603)]):
            raise StorageUnavailable("the answer was lost")
        assert await one.call(says="new") == ("new", False)

    run(work, redis_url)
