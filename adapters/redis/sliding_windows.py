"""Sliding window counters in the memory of one process."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

MAX_COUNTS = 65_536
"""Counts that are kept; a further one evicts the least recently used."""

MARGIN = 0.001
"""Seconds that rounding may lose."""

MAX_DRIFT = 0.1
"""The part of a window by which its start here may differ from that in Redis and still be corrected."""

Key: TypeAlias = tuple[str, int, int]
"""A client and its limit: requests and seconds."""


class WindowState(NamedTuple):
    """The requests that remain for a client, and the seconds until more do."""

    remaining: int
    reset: float


@dataclass(slots=True)
class Window:
    """Requests in the current window, which began at `start`, and in the one before."""

    start: float
    current: int = 0
    previous: int = 0

    def used(self, seconds: int, now: float) -> int:
        """The requests that count now."""
        return int(self.previous * (1 - (now - self.start) / seconds)) + self.current

    def state(self, amount: int, seconds: int, now: float) -> WindowState:
        """The state under a limit of `amount` in `seconds`, the length of the window."""
        used = self.used(seconds, now)
        if not used:
            return WindowState(amount, 0.0)
        return WindowState(max(0, amount - used), self._freed(min(used, amount), seconds, now))

    def _freed(self, used: int, seconds: int, now: float) -> float:
        """The seconds until less than `used` counts.

        The overlap shrinks in this window, or in the next one, in which the current window is the previous
        one.
        """
        end = self.start + seconds - now
        if used > self.current:
            return max(0.0, end - seconds * (used - self.current) / self.previous + MARGIN)
        return end + seconds * (1 - used / self.current) + MARGIN


class SlidingWindows:
    """Counts of recent requests by client and limit. To be used from one event loop.

    A sliding window counter: requests of the previous window count in proportion to its overlap with a window
    that ends now. As in the script for Redis, the first request begins a window, others follow without gaps,
    and a client without requests for two windows starts again from 0. `now` is in seconds, from a monotonic
    clock.
    """

    def __init__(self, max_counts: int = MAX_COUNTS) -> None:
        self._max_counts = max_counts
        self._counts: OrderedDict[Key, Window] = OrderedDict()

    def window(self, key: Key, now: float, start: float | None = None) -> Window:
        """The counter of a key, moved on to the current window."""
        seconds = key[2]
        window = self._counts.get(key)
        if window is None or now - window.start >= 2 * seconds:
            window = self._counts[key] = Window(now if start is None else start)
            if len(self._counts) > self._max_counts:
                self._counts.popitem(last=False)
        elif now - window.start >= seconds:
            window.start, window.previous, window.current = window.start + seconds, window.current, 0
        if start is not None and abs(window.start - start) <= seconds * MAX_DRIFT:
            window.start = start
        self._counts.move_to_end(key)
        return window

    def add(self, key: Key, now: float, start: float | None = None) -> WindowState:
        """Count a request even above its limit; return the new state.

        `start` is when the window of the counter in Redis began. The window here begins at that time too, so
        that this count exceeds the one in Redis only if that was lost.
        """
        window = self.window(key, now, start)
        window.current += 1
        return window.state(key[1], key[2], now)

    def hit(self, key: Key, now: float) -> tuple[bool, WindowState]:
        """Count a request if the limit allows it; return whether it does, and the new state."""
        _, amount, seconds = key
        window = self.window(key, now)
        allowed = window.used(seconds, now) < amount
        window.current += allowed
        return allowed, window.state(amount, seconds, now)

    def state(self, key: Key, now: float) -> WindowState:
        """The state of a client, without counting a request."""
        window = self.window(key, now) if key in self._counts else Window(now)
        return window.state(key[1], key[2], now)
