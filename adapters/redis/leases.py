"""Leased requests: counted in Redis in advance, and used by a process without a call to Redis.

Redis has one counter for each client and limit: the start of the window in microseconds of Redis' clock, the
requests of this window and of the one before, and how many of either are leased and not reported as used.

A call that counts a request leases further ones: a part of those that remain, and no more than half of what
may still be leased. The next call reports those that were used; once the lease has ended, unused ones are
returned. So all processes together hold at most `MAX_LEASED` unused requests of a client, or the part
`LEASE_SHARE` of its limit if that is less, and no request is refused while more remain.

A lease ends a second after it was granted or renewed, or with its window if that is sooner. So requests are
used in the window in which they were counted, and no limit is ever exceeded.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.redis.sliding_windows import Key, Window, WindowState

LEASE_SHARE = 10
"""The part of a limit that may be leased and unused at a time: one in so many."""

MAX_LEASED = 1_000
"""Requests of a client that may be leased and unused at a time, however high the limit."""

LEASE_SECONDS = 1.0
"""Seconds after which unused requests are returned."""

RENEW_AFTER = 0.5
"""Seconds after which a lease that is used is renewed."""

RENEW_BELOW = 3
"""A lease is renewed when one in so many of its requests is left."""

CLOCK_MARGIN = 0.002
"""Seconds by which a lease ends before its window: in a second, clocks go apart by less."""

MICROSECONDS = 1_000_000

COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local replies = {}
for i, key in ipairs(KEYS) do
  local arg = {}
  for j = 1, 7 do arg[j] = tonumber(ARGV[(i - 1) * 7 + j]) end
  local amount, period, hits, max_leased, id, used, unused = unpack(arg)
  local start, current, previous, leased, before = now, 0, 0, 0, 0
  local stored = redis.call('GET', key)
  if stored then
    local numbers = {}
    for number in string.gmatch(stored, '%d+') do numbers[#numbers + 1] = tonumber(number) end
    if now < numbers[1] + 2 * period then start, current, previous, leased, before = unpack(numbers) end
  end
  if now < start then start = now end -- the clock was set back
  if now >= start + period then
    start, current, previous, leased, before = start + period, 0, current, 0, leased
  end
  if id == start then
    current = math.max(0, current - unused)
    leased = math.max(0, leased - unused - used)
  elseif id == start - period then
    previous = math.max(0, previous - unused)
    before = math.max(0, before - unused - used)
  end
  local overlap = 1 - (now - start) / period
  local remaining = amount - math.floor(previous * overlap) - current
  local allowed = hits == 0 or remaining >= hits
  local granted = 0
  if allowed then
    remaining = remaining - hits
    local free = max_leased - leased - math.ceil(before * overlap)
    granted = math.min(math.floor(remaining * max_leased / amount), math.floor((free + 1) / 2))
    granted = math.max(0, granted)
    current = current + hits + granted
    leased = leased + granted
  end
  if allowed and hits + granted > 0 or used + unused > 0 then
    local counter = string.format('%.0f %.0f %.0f %.0f %.0f', start, current, previous, leased, before)
    redis.call('SET', key, counter, 'PX', math.ceil((start + 2 * period - now) / 1000))
  end
  replies[i] = {allowed and 1 or 0, start, now - start, current, previous, granted}
  if not allowed then break end
end
return replies
"""
"""Count requests against limits, up to the first that refuses; `KEYS` are the counters.

Arguments for each: the limit, its period in microseconds, the requests to count, how many may be leased at a
time, and of an earlier lease its window, its used and its unused requests. Replies for each: whether the
request is allowed, the start of the window, the microseconds since, the requests of it and of the one before,
and how many are leased by this call.
"""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is reported of a lease: used requests, and unused ones that are returned.

    `window` is the start of its window by Redis' clock.
    """

    window: int = 0
    used: int = 0
    unused: int = 0


class Reply(NamedTuple):
    """The state of a counter, as the script returns it, and the requests that were leased."""

    allowed: int
    start: int
    elapsed: int
    current: int
    previous: int
    granted: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Whether a request is allowed, and the state of its limit when that was decided.

    `start` is the start of the window, or a little earlier.
    """

    allowed: bool
    state: WindowState
    start: float


@dataclass(slots=True)
class Lease:
    """Requests that a process has leased in the window `id`.

    `window` is the counter as this process knows it, without its own unused requests. `elapsed` is the age of
    the window at the latest reply, and `lag` the seconds by which its start may be too early.
    """

    id: int
    window: Window = field(default_factory=lambda: Window(0.0))
    elapsed: int = -1
    lag: float = 0.0
    end: float = 0.0
    renew_at: float = 0.0
    renew_below: int = 0
    unused: int = 0
    used: int = 0
    renewing: bool = False

    def add(self, reply: Reply, start: float, lag: float) -> None:
        """Add what was leased; `reply` may be older than one that has arrived before."""
        self.unused += reply.granted
        if reply.elapsed > self.elapsed:
            self.window = Window(start, reply.current - self.unused, reply.previous)
            self.elapsed, self.lag = reply.elapsed, lag
        else:
            self.window.current -= reply.granted
        self.renew_below, self.renewing = self.unused // RENEW_BELOW, False

    def use(self, amount: int, seconds: int, now: float) -> WindowState:
        """Use a request; return the state of the limit, whose reset may be `lag` seconds too early."""
        self.unused -= 1
        self.used += 1
        self.window.current += 1
        return self.window.state(amount, seconds, now)

    def is_due(self, now: float) -> bool:
        """Whether it is to be renewed, once until that has happened."""
        if self.renewing or (self.unused > self.renew_below and now < self.renew_at):
            return False
        self.renewing = True
        return True

    def settle(self, *, ended: bool) -> Settlement:
        settlement = Settlement(self.id, self.used, self.unused if ended else 0)
        self.used = 0
        return settlement


class RequestLeases:
    """The leased requests of one process. Times are in seconds, of a monotonic clock."""

    def __init__(self) -> None:
        self._leases: dict[Key, Lease] = {}
        self._ended: list[tuple[Key, Settlement]] = []

    def __bool__(self) -> bool:
        """Whether there is anything to use, to report or to return."""
        return bool(self._leases or self._ended)

    def usable(self, key: Key, now: float) -> Lease | None:
        """The lease of a key if it has not ended and has unused requests."""
        lease = self._leases.get(key)
        return lease if lease is not None and lease.unused > 0 and now < lease.end else None

    def settle(self, key: Key, now: float) -> Settlement:
        """What the next call is to report; of a lease that has ended, it returns the unused requests."""
        lease = self._leases.get(key)
        if lease is None:
            return Settlement()
        ended = now >= lease.end
        if ended:
            del self._leases[key]
        return lease.settle(ended=ended)

    def add(self, key: Key, reply: Reply, sent: float, now: float) -> Counted:
        """Add what was leased by a call that was sent at `sent`; return what was counted."""
        _, amount, seconds = key
        elapsed = reply.elapsed / MICROSECONDS
        start = sent - elapsed  # not later than it was
        lease = self._leases.get(key)
        if lease is not None and lease.id != reply.start:  # another window has begun
            self._end(key, lease)
            lease = None
        if lease is None and reply.granted:
            lease = self._leases[key] = Lease(reply.start)
        own = 0
        if lease is not None:
            lease.add(reply, start, now - sent)
            lease.end = max(lease.end, min(sent + LEASE_SECONDS, start + seconds) - CLOCK_MARGIN)
            lease.renew_at = sent + RENEW_AFTER
            own = lease.unused
        window = Window(0.0, reply.current - own, reply.previous)
        return Counted(bool(reply.allowed), window.state(amount, seconds, elapsed), start)

    def ended(self, now: float | None = None) -> list[tuple[Key, Settlement]]:
        """Remove the leases that have ended, or all without `now`; return what is to be reported of them."""
        for key, lease in list(self._leases.items()):
            if now is None or now >= lease.end:
                self._end(key, lease)
        ended, self._ended = self._ended, []
        return ended

    def _end(self, key: Key, lease: Lease) -> None:
        del self._leases[key]
        settlement = lease.settle(ended=True)
        if settlement.used or settlement.unused:
            self._ended.append((key, settlement))


def arguments(key: Key, settlement: Settlement, *, hits: int, lease: bool) -> tuple[int, ...]:
    """The arguments of `COUNT` for one key."""
    _, amount, seconds = key
    max_leased = min(amount // LEASE_SHARE, MAX_LEASED) if lease else 0
    period = seconds * MICROSECONDS
    return amount, period, hits, max_leased, settlement.window, settlement.used, settlement.unused
