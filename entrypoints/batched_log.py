"""Events that are logged in batches, because one at a time they would cost more than a request.

A batch is written at most `DELAY` seconds after its first event while the event loop runs, and always before
any other line of the log, so that the lines of a process are in the order of their times.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

DELAY = 0.1
"""Seconds until a batch is written."""

MAX_EVENTS = 200
"""The number of events at which a batch is written at once; formatting these takes about a millisecond."""

LEVEL = logging.INFO

NANOSECONDS_PER_MS = 1_000_000

_flush_functions: list[Callable[[], None]] = []


def flush() -> None:
    """Write all batches of this process."""
    for each in _flush_functions:
        each()


class FlushFirst(logging.Filter):
    """Writes buffered lines before any other line, which is later than they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if not isinstance(record, Lines):
            flush()
        return True


class Lines(logging.LogRecord):
    """Formatted lines, its `msg`, to be written as they are."""

    def __init__(self, name: str) -> None:
        super().__init__(name, logging.INFO, __file__, 0, "", None, None)


class BatchedEvent(Protocol):
    """An event that is logged in a batch."""

    @property
    def at(self) -> int:
        """When it happened, in nanoseconds since 1970."""
        ...

    def fields(self) -> Mapping[str, str | int | float]:
        """At least one field; floats are finite."""
        ...


@runtime_checkable
class BatchFormatter(Protocol):
    """A formatter that formats a batch at less cost than its events one at a time."""

    def lines(self, logger: str, message: str, events: Sequence[BatchedEvent]) -> list[str]:
        """A line for each of these events of one logger at level info."""
        ...


class DelayedCall:
    """Calls a function `DELAY` seconds after `start`; further calls of `start` until then do nothing.

    Without a running event loop, `start` calls the function itself. To be used in one thread.
    """

    __slots__ = ("_function", "_loop")

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Schedule the call."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._function()
            return
        if loop is not self._loop:  # nothing is scheduled, or in a loop that has ended
            self._loop = loop
            loop.call_later(DELAY, self._call)

    def _call(self) -> None:
        self._loop = None
        self._function()


EventT = TypeVar("EventT", bound=BatchedEvent)


class BatchedLog(Generic[EventT]):
    """Logs events of one kind at level info, with the same message each, in batches.

    `append` is to be used in one thread, `flush` in any.
    """

    def __init__(self, logger: logging.Logger, message: str) -> None:
        self._logger = logger
        self._message = message
        self._events: list[EventT] = []
        # Reentrant, because writing may log itself, and because a signal handler may log.
        self._lock = threading.RLock()
        self._timer = DelayedCall(self.flush)
        _flush_functions.append(self.flush)

    def append(self, event: EventT) -> None:
        """Log an event with the next batch. Does nothing if the logger's level is above info."""
        if self._logger.isEnabledFor(LEVEL):
            self._events.append(event)
            if len(self._events) < MAX_EVENTS:
                self._timer.start()
            else:
                self.flush()

    def flush(self) -> None:
        """Write all events that have been logged."""
        if not self._events:
            return
        with self._lock:
            events = self._events[:]  # empty if another thread was first
            del self._events[: len(events)]  # another thread may have appended more
            for handler in _handlers(self._logger):
                if events and handler.level <= LEVEL:
                    self._write(handler, events)

    def _write(self, handler: logging.Handler, events: Sequence[EventT]) -> None:
        formatter: object = handler.formatter
        if isinstance(formatter, BatchFormatter):
            lines = formatter.lines(self._logger.name, self._message, events)
            record = Lines(self._logger.name)
            for record.msg in _joined(lines, getattr(handler, "max_write", 0)):
                handler.handle(record)
        else:  # not one of ours, such as those of tests
            for event in events:
                handler.handle(self._record(event))

    def _record(self, event: EventT) -> logging.LogRecord:
        """An event as a record of `logging`."""
        record = self._logger.makeRecord(
            self._logger.name, LEVEL, __file__, 0, self._message, (), None, extra=event.fields()
        )
        record.created = event.at // NANOSECONDS_PER_MS / 1000
        return record


def _joined(lines: Sequence[str], max_length: int) -> Iterator[str]:
    """The lines, as many joined as make up to `max_length` bytes in UTF-8."""
    part: list[str] = []
    length = 0
    for line in lines:
        size = (len(line) if line.isascii() else len(line.encode())) + 1
        if part and length + size > max_length:
            yield "\n".join(part)
            part, length = [], 0
        part.append(line)
        length += size
    yield "\n".join(part)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that get the records of a logger."""
    current: logging.Logger | None = logger
    while current:
        yield from current.handlers
        current = current.parent if current.propagate else None
