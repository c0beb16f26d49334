"""Sliding window counters in the memory of one process."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

MAX_COUNTS = 65_536
"""Counts that are kept; a further one evicts the least recently used."""

MARGIN = 0.001
"""Seconds that rounding may lose."""


@dataclass(frozen=True, slots=True)
class WindowState:
    """The requests that remain for a client, and the seconds until more do."""

    remaining: int
    reset: float


@dataclass(slots=True)
class _Window:
    """Requests in the current window, which began at `start`, and in the one before."""

    start: float
    current: int = 0
    previous: int = 0


class SlidingWindows:
    """Counts of recent requests by client and limit. Thread-safe.

    A sliding window counter: requests of the previous window count in proportion to its overlap with a window
    that ends now. As in the script of `limits` for Redis, the first request begins a window, others follow
    without gaps, and a client without requests for two windows starts again from 0. `now` is in seconds, from
    a monotonic clock.
    """

    def __init__(self, max_counts: int = MAX_COUNTS) -> None:
        self._max_counts = max_counts
        self._counts: OrderedDict[tuple[str, int, int], _Window] = OrderedDict()
        self._lock = Lock()

    def add(self, client: str, amount: int, seconds: int, now: float) -> WindowState:
        """Count a request of a client even above its limit of `amount` in `seconds`; return the new state."""
        with self._lock:
            window = self._window((client, amount, seconds), now)
            window.current += 1
            return _state(window, amount, seconds, now)

    def hit(self, client: str, amount: int, seconds: int, now: float) -> tuple[bool, WindowState]:
        """Count a request if the limit allows it; return whether it does, and the new state."""
        with self._lock:
            window = self._window((client, amount, seconds), now)
            allowed = _used(window, seconds, now) < amount
            window.current += allowed
            return allowed, _state(window, amount, seconds, now)

    def state(self, client: str, amount: int, seconds: int, now: float) -> WindowState:
        """The state of a client, without counting a request."""
        key = client, amount, seconds
        with self._lock:
            window = self._window(key, now) if key in self._counts else _Window(now)
            return _state(window, amount, seconds, now)

    def _window(self, key: tuple[str, int, int], now: float) -> _Window:
        """The counter of a key, moved on to the current window."""
        seconds = key[2]
        window = self._counts.get(key)
        if window is None or now - window.start >= 2 * seconds:
            window = self._counts[key] = _Window(now)
            if len(self._counts) > self._max_counts:
                self._counts.popitem(last=False)
        elif now - window.start >= seconds:
            window.start, window.previous, window.current = window.start + seconds, window.current, 0
        self._counts.move_to_end(key)
        return window


def _used(window: _Window, seconds: int, now: float) -> int:
    return int(window.previous * (1 - (now - window.start) / seconds)) + window.current


def _state(window: _Window, amount: int, seconds: int, now: float) -> WindowState:
    used = _used(window, seconds, now)
    if not used:
        return WindowState(amount, 0.0)
    return WindowState(max(0, amount - used), _freed(window, min(used, amount), seconds, now))


def _freed(window: _Window, used: int, seconds: int, now: float) -> float:
    """The seconds until less than `used` counts.

    The overlap shrinks in this window, or in the next one, in which the current window is the previous one.
    """
    end = window.start + seconds - now
    if used > window.current:
        return max(0.0, end - seconds * (used - window.current) / window.previous + MARGIN)
    return end + seconds * (1 - used / window.current) + MARGIN
