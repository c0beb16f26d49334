"""Commands of concurrent calls, sent to Redis together."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis as AsyncRedis
from redis.typing import EncodableT

from adapters.redis.timeouts import call_timeout

MAX_COMMANDS = 128
"""The most commands that are sent together: so many replies are read well within a timeout."""

Command = Sequence[EncodableT]
Waiting = tuple[Command, "asyncio.Future[Any]"]


class CommandPipeline:
    """Sends the commands of one event loop.

    One pipeline is under way at a time, and commands that come meanwhile are sent with the next. So an idle
    loop sends a command at once, and in a busy one many commands share what a round trip costs: a connection,
    a timeout, and waking up.
    """

    def __init__(self, client: AsyncRedis, calls: asyncio.Semaphore, timeout: float) -> None:
        self._client = client
        self._calls = calls
        self._timeout = timeout
        self._waiting: list[Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def execute(self, *command: EncodableT) -> Any:  # noqa: ANN401  each command has its own reply
        """The reply to a command. Raises errors of redis-py, and OSError."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, reply))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await reply

    async def _send_all(self) -> None:
        part: list[Waiting] = []
        try:
            while self._waiting:
                await asyncio.sleep(0)  # calls that are about to begin can join
                part, self._waiting = self._waiting[:MAX_COMMANDS], self._waiting[MAX_COMMANDS:]
                await self._send(part)
        except asyncio.CancelledError:  # the loop ends
            for _, reply in (*part, *self._waiting):
                reply.cancel()
            self._waiting = []
            raise
        finally:
            self._sender = None

    async def _send(self, part: Sequence[Waiting]) -> None:
        """Send commands, and hand their replies to those who wait, who raise the errors."""
        replies: Sequence[Any]
        try:
            async with self._calls, call_timeout(self._timeout):
                pipeline = self._client.pipeline(transaction=False)
                for command, _ in part:
                    pipeline.execute_command(*command)
                replies = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  it is raised where the replies are awaited
            replies = [error] * len(part)
        for (_, waiting), reply in zip(part, replies, strict=True):
            if waiting.done():  # who waited was cancelled
                continue
            if isinstance(reply, Exception):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)
