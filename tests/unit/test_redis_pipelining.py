"""Commands of concurrent calls share pipelines, and each call has its own reply, with fakeredis."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from adapters.redis.pipelining import MAX_COMMANDS, CommandPipeline


class CountingRedis(FakeAsyncRedis):
    """A Redis that records the commands of each pipeline, and waits before it sends one."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.error: Exception | None = None

    def pipeline(self, *arguments: Any, **options: Any) -> Any:
        found: Any = super().pipeline(*arguments, **options)
        execute = found.execute

        async def counted(**how: Any) -> list[Any]:
            self.sent.append(len(found))
            self.begun.set()
            await self.gate.wait()
            if self.error:
                raise self.error
            replies: list[Any] = await execute(**how)
            return replies

        found.execute = counted
        return found


def with_pipeline(work: Callable[[CountingRedis, CommandPipeline], Awaitable[None]]) -> None:
    async def run() -> None:
        redis = CountingRedis()
        await work(redis, CommandPipeline(redis, asyncio.Semaphore(1), timeout=10))
        await redis.aclose()

    asyncio.run(run())


def test_concurrent_commands_are_sent_together_and_each_call_has_its_reply() -> None:
    async def work(redis: CountingRedis, pipeline: CommandPipeline) -> None:
        replies = await asyncio.gather(*(pipeline.execute("ECHO", str(number)) for number in range(50)))
        assert replies == [str(number).encode() for number in range(50)]
        assert redis.sent == [50]

    with_pipeline(work)


def test_commands_that_come_while_a_pipeline_is_under_way_are_sent_with_the_next() -> None:
    async def work(redis: CountingRedis, pipeline: CommandPipeline) -> None:
        redis.gate.clear()
        first = asyncio.create_task(pipeline.execute("ECHO", "first"))
        await redis.begun.wait()
        later = [asyncio.create_task(pipeline.execute("ECHO", str(number))) for number in range(3)]
        await asyncio.sleep(0)
        redis.gate.set()
        assert await asyncio.gather(first, *later) == [b"first", b"0", b"1", b"2"]
        assert redis.sent == [1, 3]

    with_pipeline(work)


def test_a_pipeline_has_a_bound() -> None:
    async def work(redis: CountingRedis, pipeline: CommandPipeline) -> None:
        await asyncio.gather(*(pipeline.execute("ECHO", "") for _ in range(MAX_COMMANDS + 1)))
        assert redis.sent == [MAX_COMMANDS, 1]

    with_pipeline(work)


def test_a_refused_command_fails_its_own_call_only() -> None:
    async def work(_: CountingRedis, pipeline: CommandPipeline) -> None:
        commands = ("ECHO", "one"), ("INCR",), ("ECHO", "other")
        calls = (pipeline.execute(*command) for command in commands)
        one, wrong, other = await asyncio.gather(*calls, return_exceptions=True)
        assert (one, other) == (b"one", b"other")
        assert isinstance(wrong, ResponseError)

    with_pipeline(work)


def test_a_broken_connection_fails_all_calls_and_the_next_command_is_sent_again() -> None:
    async def work(redis: CountingRedis, pipeline: CommandPipeline) -> None:
        redis.error = RedisConnectionError("broken")
        found = await asyncio.gather(*(pipeline.execute("PING") for _ in range(2)), return_exceptions=True)
        assert found == [redis.error] * 2
        redis.error = None
        assert await pipeline.execute("ECHO", "again") == b"again"

    with_pipeline(work)


def test_a_call_that_is_cancelled_does_not_disturb_the_others() -> None:
    async def work(redis: CountingRedis, pipeline: CommandPipeline) -> None:
        redis.gate.clear()
        leaving, staying = (asyncio.create_task(pipeline.execute("ECHO", name)) for name in ("a", "b"))
        await redis.begun.wait()
        leaving.cancel()
        await asyncio.sleep(0)
        redis.gate.set()
        assert await staying == b"b"
        assert leaving.cancelled()

    with_pipeline(work)


def test_calls_do_not_wait_for_ever_when_the_loop_ends() -> None:
    async def work(redis: CountingRedis, pipeline: CommandPipeline) -> None:
        redis.gate.clear()
        sent = asyncio.create_task(pipeline.execute("PING"))
        await redis.begun.wait()
        (sender,) = asyncio.all_tasks() - {asyncio.current_task(), sent}
        waiting = asyncio.create_task(pipeline.execute("PING"))
        await asyncio.sleep(0)
        sender.cancel()
        for call in (sent, waiting):
            with pytest.raises(asyncio.CancelledError):
                await call
        redis.gate.set()
        assert await pipeline.execute("ECHO", "again") == b"again"

    with_pipeline(work)
