"""How long Redis is waited for, and how an answer that only lies there unread is told from silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 0.04
"""Seconds to wait for an answer; a request that finds Redis away waits for one such time, and no more."""

QUICK = 0.008
"""Seconds for what must be tried although Redis is away: together with `PATIENCE` less than 50 ms."""

PROBING = 0.5
"""Seconds to wait for an answer where nobody else waits."""

SILENCE = 5.0
"""Seconds after which redis-py gives up by itself in an event loop, where `PATIENCE` is kept by us."""

TURNS = 20
"""Turns of an event loop in which whatever has arrived is read and understood, a handshake included."""

LATE = 0.005
"""Seconds by which a process that has the processor to itself is never late."""

ROUNDS = 6


@asynccontextmanager
async def patient(seconds: float) -> AsyncIterator[None]:
    """Wait so long, and then until the event loop has come round to what has arrived. Raises TimeoutError.

    When a thousand requests come at once, a turn of the loop takes longer than Redis ever should: an answer
    that lies there unread is no silence. And where we are late ourselves, Redis may be kept waiting for a
    processor just as we are: it is given more time, up to `ROUNDS` times as much.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        waiting: asyncio.Handle

        def look(turns: int, rounds: int, due: float) -> None:
            nonlocal waiting
            if turns:
                waiting = loop.call_soon(look, turns - 1, rounds, due)
            elif rounds and loop.time() - due > LATE:
                waiting = loop.call_later(seconds, look, TURNS, rounds - 1, loop.time() + seconds)
            else:
                limit.reschedule(loop.time())

        waiting = loop.call_later(seconds, look, TURNS, ROUNDS - 1, loop.time() + seconds)
        try:
            yield
        finally:
            waiting.cancel()
