"""How long Redis is waited for, and how an answer that only lies there unread is told from silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CALL_TIMEOUT = 0.04
"""Seconds to wait for an answer; a request that finds Redis away waits for one such time, and no more."""

RETRY_TIMEOUT = 0.008
"""Seconds for what must be tried although Redis is away: together with `CALL_TIMEOUT` less than 50 ms."""

PROBE_TIMEOUT = 0.5
"""Seconds to wait for an answer where nobody else waits."""

SOCKET_TIMEOUT = 5.0
"""Seconds after which redis-py gives up by itself in an event loop, where `CALL_TIMEOUT` is kept by us."""

LOOP_ITERATIONS = 20
"""Turns of an event loop in which whatever has arrived is read and understood, a handshake included."""

LATE_THRESHOLD = 0.005
"""Seconds by which a process that has the processor to itself is never late."""

MAX_EXTENSIONS = 6


@asynccontextmanager
async def call_timeout(seconds: float) -> AsyncIterator[None]:
    """Wait so long, and then until the event loop has come round to what has arrived. Raises TimeoutError.

    When a thousand requests come at once, a turn of the loop takes longer than Redis ever should: an answer
    that lies there unread is no silence. And where we are late ourselves, Redis may be kept waiting for a
    processor just as we are: it is given more time, up to `MAX_EXTENSIONS` times as much.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        waiting: asyncio.Handle

        def look(turns: int, rounds: int, due: float) -> None:
            nonlocal waiting
            if turns:
                waiting = loop.call_soon(look, turns - 1, rounds, due)
            elif rounds and loop.time() - due > LATE_THRESHOLD:
                waiting = loop.call_later(seconds, look, LOOP_ITERATIONS, rounds - 1, loop.time() + seconds)
            else:
                limit.reschedule(loop.time())

        waiting = loop.call_later(seconds, look, LOOP_ITERATIONS, MAX_EXTENSIONS - 1, loop.time() + seconds)
        try:
            yield
        finally:
            waiting.cancel()
