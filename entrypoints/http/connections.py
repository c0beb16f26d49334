"""Limits on connections: how long each may wait for its client, and how many may wait.

A connection without a request in progress is in one of six phases, each of which has a time limit. One timer
checks all of them: a phase keeps its connections in the order in which they entered it, so only the first of
each has to be checked.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from domain.imports.uploads import MAX_PACKED_BYTES
from entrypoints.http.exceptions import UploadsFull
from entrypoints.http.uploads import Upload

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of connections and requests; see ADR 23.

    `open` is the number of connections, `waiting` that of connections that wait for their clients, and
    `waiting_per_address` that of waiting connections from one address. Of the connections that are closed for
    newer ones, `evictions_answered` per second get a response, so that a flood remains cheap. Uploads, of
    which `uploads` may be in progress, have limits of their own for the size and the time.
    """

    silent_seconds: float = 10
    request_seconds: float = 15
    idle_seconds: float = 75
    stall_seconds: float = 30
    stall_bytes: int = 16 * KIB
    linger_seconds: float = 2
    linger_bytes: int = 1024 * KIB
    head_bytes: int = 64 * KIB
    body_bytes: int = 64 * KIB
    headers: int = 256
    uploads: int = 16
    upload_bytes: int = MAX_PACKED_BYTES + 64 * KIB
    upload_seconds: float = 600
    open: int = 10_000
    waiting: int = 4096
    waiting_per_address: int = 1024
    evictions_answered: int = 8

    @property
    def tick(self) -> float:
        """Seconds between two checks: short compared with the shortest time limit."""
        shortest = min(
            self.silent_seconds,
            self.request_seconds,
            self.upload_seconds,
            self.idle_seconds,
            self.stall_seconds,
            self.linger_seconds,
        )
        return min(0.5, shortest / 4)


class Connection(Protocol):
    """The methods that the registry calls. `address` is None if the address is not counted."""

    phase: "Phase | None"
    address: str | None
    counted_address: str | None

    def expired(self, phase: "Phase") -> None:
        """The time limit of the phase is over: leave the phase."""
        ...

    def evicted(self) -> None:
        """Too many connections wait, and this one has waited longest: leave the phase."""
        ...

    def abort(self, reason: str) -> None:
        """Close at once, without sending what is buffered: leave the phase."""
        ...


class Phase:
    """The connections in one phase, in the order in which their time limits end.

    `waits` is whether these connections wait for their clients, and so count against the limits.
    """

    __slots__ = ("due", "name", "seconds", "waits")

    def __init__(self, name: str, seconds: float, *, waits: bool) -> None:
        self.name = name
        self.seconds = seconds
        self.waits = waits
        self.due: dict[Connection, float] = {}

    @property
    def oldest(self) -> Connection:
        """The connection that entered the phase first."""
        return next(iter(self.due))

    @property
    def oldest_since(self) -> float:
        """The time at which it entered the phase."""
        return next(iter(self.due.values())) - self.seconds


class Connections:
    """The open connections of a process, by phase. It must be used in the thread of the event loop only."""

    def __init__(self, limits: Limits, closed: Callable[[str], None]) -> None:
        """`closed` is called with the reason when a connection is closed because of a limit."""
        self.limits = limits
        self.closed = closed
        self.stopping = False
        self.silent = Phase("silent", limits.silent_seconds, waits=True)
        """Nothing has been received yet."""
        self.receiving = Phase("receiving", limits.request_seconds, waits=True)
        """A part of a request has been received."""
        self.uploading = Phase("uploading", limits.upload_seconds, waits=True)
        """A part of an upload has been received."""
        self.idle = Phase("idle", limits.idle_seconds, waits=False)
        """Between two requests."""
        self.stalled = Phase("stalled", limits.stall_seconds, waits=True)
        """The client does not read its response."""
        self.lingering = Phase("lingering", limits.linger_seconds, waits=False)
        """The last response has been sent; data is discarded so that the client can read the response."""
        self._phases = (self.silent, self.receiving, self.uploading, self.idle, self.stalled, self.lingering)
        self.uploads = 0
        self._waiting = 0
        self._evictions_answered = 0
        self._evictions_since = 0.0
        self._by_address: dict[str, dict[Connection, None]] = {}
        self._open = 0
        self._on_room: list[Callable[[], None]] = []
        self._making_room = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    # Phases

    def enter(self, connection: Connection, phase: Phase) -> None:
        """Move a connection into a phase. Its time limit starts now."""
        if connection.phase is not None:
            self.leave(connection)
        phase.due[connection] = self._loop.time() + phase.seconds
        connection.phase = phase
        if phase.waits:
            self._count(connection)
        if self._on_room:
            self._make_room()

    def leave(self, connection: Connection) -> None:
        """Remove a connection from its phase, if it is in one."""
        phase = connection.phase
        if phase is None:
            return
        connection.phase = None
        del phase.due[connection]
        if phase.waits:
            self._discount(connection)

    def _count(self, connection: Connection) -> None:
        self._waiting += 1
        address = connection.counted_address = connection.address
        if address is not None:
            theirs = self._by_address.setdefault(address, {})
            theirs[connection] = None
            if len(theirs) > self.limits.waiting_per_address:
                next(iter(theirs)).evicted()
        if self._waiting > self.limits.waiting:
            self._oldest(phase for phase in self._phases if phase.waits).evicted()

    def _discount(self, connection: Connection) -> None:
        self._waiting -= 1
        address = connection.counted_address
        if address is not None:
            theirs = self._by_address[address]
            del theirs[connection]
            if not theirs:
                del self._by_address[address]

    def answers_eviction(self) -> bool:
        """Whether one more connection that is closed for a newer one may get a response."""
        now = self._loop.time()
        if now - self._evictions_since >= 1:
            self._evictions_since, self._evictions_answered = now, 0
        self._evictions_answered += 1
        return self._evictions_answered <= self.limits.evictions_answered

    # Uploads

    def new_upload(self) -> Upload:
        """A file for the body of a request. Raises UploadsFull if too many are in progress."""
        if self.uploads >= self.limits.uploads:
            raise UploadsFull
        self.uploads += 1
        return Upload(closed=self._upload_closed)

    def _upload_closed(self) -> None:
        self.uploads -= 1

    # The number of connections

    def count_opened(self) -> None:
        """Count an accepted connection as open."""
        self._open += 1

    def count_closed(self, connection: Connection | None) -> None:
        """Count a connection as closed; None stands for one that never had a protocol."""
        if connection is not None:
            self.leave(connection)
        self._open -= 1
        self._making_room = False
        waiting, self._on_room = self._on_room, []
        for resume in waiting:
            resume()

    def is_full(self) -> bool:
        """Whether no further connection may be accepted."""
        return self._open >= self.limits.open

    def make_room(self, resume: Callable[[], None]) -> None:
        """Close the connection that has waited longest, and call `resume` when one is closed.

        If all have requests in progress, the first that waits again is closed.
        """
        self._on_room.append(resume)
        self._make_room()

    def _make_room(self) -> None:
        """Close a connection, unless one is being closed already."""
        if self._making_room or not any(phase.due for phase in self._phases):
            return
        self._making_room = True
        phases = (self.lingering,) if self.lingering.due else self._phases
        self._oldest(phases).abort("descriptors")

    def _oldest(self, phases: Iterable[Phase]) -> Connection:
        return min((phase for phase in phases if phase.due), key=lambda phase: phase.oldest_since).oldest

    # The timer

    def start(self) -> None:
        """Start the timer."""
        self._timer = self._loop.call_later(self.limits.tick, self._check)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()

    def _check(self) -> None:
        self.start()
        now = self._loop.time()
        for phase in self._phases:
            while phase.due and phase.due[connection := phase.oldest] <= now:
                connection.expired(phase)
