"""Watching over the place: what is asked of things far away, and figures for whoever draws curves."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import ClassVar

from domain.errors import Unavailable
from domain.ports import Clock, SessionRepository, SyncRunRepository
from domain.sync import Entity

Ping = Callable[[], object]
"""Comes back if something answers. Raises Unavailable."""

Waiting = Callable[[], int]
"""How many jobs wait for a worker. Raises Unavailable."""

GOOD_FOR = 10.0
BAD_FOR = 2.0
"""Seconds that a word holds, so that what has recovered is soon known to."""

FIRST_PATIENCE = 1.0
PATIENCE = 0.3
"""Seconds that one may wait for an answer: while there is no word at all, and when there is an old one."""

READINGS_HOLD = 5.0
"""Seconds for which figures are as good as new: whoever draws curves asks less often."""


log = logging.getLogger(__name__)


class NoWordYet(Unavailable):
    """It was asked, and has not answered so far."""

    code: ClassVar[str] = "source_unavailable"

    def __str__(self) -> str:
        return "The source of movies has not answered yet"


@dataclass(eq=False)
class ProbeFailed(Unavailable):
    """Asking failed in a way that it never should: a bug, of which the log has more."""

    code: ClassVar[str] = "source_unavailable"
    error: str

    def __str__(self) -> str:
        return f"The source of movies could not be asked: unexpected {self.error}"


@dataclass(frozen=True, slots=True)
class Word:
    """What asking came to: after how many seconds, and what is wrong, if anything is."""

    seconds: float
    problem: Unavailable | None = None


class LastWord:
    """How something far away is doing, without waiting for it each time.

    It is asked in a thread of its own, by one caller at a time; whoever else comes, or cannot wait that long,
    has its last word.
    """

    def __init__(self, ask: Ping, *, stopwatch: Callable[[], float] = monotonic) -> None:
        self._ask = ask
        self._stopwatch = stopwatch
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="last-word")
        self._asking: Future[Word] | None = None
        self._asked_at = self._ends_at = stopwatch()
        self._word: Word | None = None

    def stir(self) -> None:
        """Let it be asked, if its last word does not hold any more and nobody is asking."""
        with self._lock:
            self._heard()
            if self._asking is None and self._stopwatch() >= self._ends_at:
                self._asked_at = self._stopwatch()
                self._asking = self._thread.submit(self._answer)

    def __call__(self) -> Word:
        """Its last word, of now if it comes at once."""
        self.stir()
        with self._lock:
            asking, patience = self._asking, PATIENCE if self._word else FIRST_PATIENCE
        if asking:
            wait([asking], self._asked_at + patience - self._stopwatch())
        with self._lock:
            self._heard()
            return self._word or Word(self._stopwatch() - self._asked_at, NoWordYet())

    def _heard(self) -> None:
        """Take up an answer that has come."""
        if self._asking and self._asking.done():
            answered, self._asking = self._asking, None
            self._word = answered.result()
            holds = BAD_FOR if self._word.problem else GOOD_FOR
            self._ends_at = self._asked_at + self._word.seconds + holds  # from the answer on, not from now

    def _answer(self) -> Word:
        began = self._stopwatch()
        try:
            self._ask()
        except Unavailable as problem:
            return Word(self._stopwatch() - began, problem)
        except Exception as error:
            log.exception("Unexpected error while the source is asked how it is")
            return Word(self._stopwatch() - began, ProbeFailed(type(error).__name__))
        return Word(self._stopwatch() - began)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure at one moment. `of` holds the labels that distinguish several figures of one name."""

    name: str
    meaning: str
    value: float
    of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeReadings:
    """Read the figures that nobody keeps: how fresh the catalogue is, who is here, what waits."""

    runs: SyncRunRepository
    sessions: SessionRepository
    clock: Clock
    waiting: Waiting

    def __call__(self) -> list[Gauge]:
        """What can be read. What is away has no figures, except that it is away; nothing is asked twice."""
        return [*self._of_store(), *self._of_queue()]

    def _of_store(self) -> list[Gauge]:
        meaning = "1 if the store answers, 0 if not."
        try:
            return [Gauge("storage_up", meaning, 1), *self._ages(), self._users()]
        except Unavailable:
            return [Gauge("storage_up", meaning, 0)]

    def _ages(self) -> Iterator[Gauge]:
        """A kind of sync that was never complete has no age."""
        for entity in Entity:
            run = self.runs.latest(entity, completed=True)
            if run and run.finished_at:
                age = (self.clock() - run.finished_at).total_seconds()
                meaning = "Seconds since a sync of that kind was last complete."
                yield Gauge("sync_age_seconds", meaning, age, {"entity": entity})

    def _users(self) -> Gauge:
        meaning = "Users with a session that has not expired."
        return Gauge("active_users", meaning, self.sessions.active_users(self.clock()))

    def _of_queue(self) -> list[Gauge]:
        meaning = "1 if the queue answers, 0 if not."
        try:
            depth = self.waiting()
        except Unavailable:
            return [Gauge("queue_up", meaning, 0)]
        return [
            Gauge("queue_up", meaning, 1),
            Gauge("queue_depth", "Jobs that wait for a worker.", depth),
        ]


class LastReadings:
    """Figures as they were a moment ago, so that those who ask for them all the time burden nobody.

    They are taken by one caller at a time; who comes meanwhile has the last ones.
    """

    def __init__(
        self, take: Callable[[], list[Gauge]], *, stopwatch: Callable[[], float] = monotonic
    ) -> None:
        self._take = take
        self._stopwatch = stopwatch
        self._lock = Lock()
        self._readings: list[Gauge] = []
        self._until = float("-inf")

    def __call__(self) -> list[Gauge]:
        """The last figures, no older than a few seconds if they can be had; the first are waited for."""
        if self._lock.acquire(blocking=not self._readings):
            try:
                if self._stopwatch() >= self._until:
                    self._readings = self._take()
                    self._until = self._stopwatch() + READINGS_HOLD
            finally:
                self._lock.release()
        return self._readings
