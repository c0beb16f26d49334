"""Timeouts for Redis, among them one that a busy event loop does not trip."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CALL_TIMEOUT = 0.04
"""Seconds for a call. A request waits at most once for it."""

RETRY_TIMEOUT = 0.008
"""Seconds for the retry of an invalidation: with `CALL_TIMEOUT`, less than 50 ms together."""

PROBE_TIMEOUT = 0.5
"""Seconds for a probe in the background."""

SOCKET_TIMEOUT = 5.0
"""Seconds for redis-py's own socket timeout in an event loop, where `call_timeout` applies first."""

LOOP_ITERATIONS = 20
"""Iterations of an event loop in which an answer that has arrived is read and parsed, handshake included."""

LATE_THRESHOLD = 0.005
"""Seconds by which a timer is late only if the process waits for a processor."""

MAX_EXTENSIONS = 6
"""The factor by which a busy machine may extend a timeout."""


@asynccontextmanager
async def call_timeout(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError after some seconds, but not before the event loop has read what has arrived.

    With a thousand concurrent requests one iteration of the loop may take longer than the timeout, though the
    answer is in the socket's buffer. And if the loop's own timer is late, the machine is busy, and Redis may
    be waiting for a processor too: the timeout is extended, up to `MAX_EXTENSIONS` times as long.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        waiting: asyncio.Handle

        def check(iterations: int, extensions: int, due: float) -> None:
            nonlocal waiting
            if iterations:
                waiting = loop.call_soon(check, iterations - 1, extensions, due)
            elif extensions and loop.time() - due > LATE_THRESHOLD:
                waiting = loop.call_later(
                    seconds, check, LOOP_ITERATIONS, extensions - 1, loop.time() + seconds
                )
            else:
                limit.reschedule(loop.time())

        waiting = loop.call_later(seconds, check, LOOP_ITERATIONS, MAX_EXTENSIONS - 1, loop.time() + seconds)
        try:
            yield
        finally:
            waiting.cancel()
