"""Transactions that we began and could not end: the server would keep others from what they touched until it
gives them up by itself, a minute later.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

SOON = 0.3
"""Seconds between two tries to have them ended."""

AFTER_ERROR = 2.0
"""Seconds until the next try after an error that the driver should not raise: each is logged."""

MOST = 10_000
"""So many are remembered; the server gives up the others."""

GIVEN_UP_AFTER = 60.0
"""Seconds after which the server has given a transaction up by itself, unless it is set otherwise."""

SessionId = Mapping[str, Any]
End = Callable[[list[SessionId]], object]
"""Has the server end sessions, and their transactions with them. Raises PyMongoError."""

log = logging.getLogger(__name__)


class Orphans:
    """Has the server end what was left open, as soon as it listens again."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._lock = Lock()
        self._left: list[tuple[float, SessionId]] = []
        self._ending = False

    def add(self, session: SessionId) -> None:
        """Take on the session of a transaction that may still be open."""
        with self._lock:
            if len(self._left) < MOST:
                self._left.append((monotonic(), session))
            if self._ending:
                return
            self._ending = True
        try:
            Thread(target=self._see_to_it, name="mongo-orphans", daemon=True).start()
        except RuntimeError as error:  # no more threads: the next that is left open tries again
            log.warning("Transactions that were left open cannot be ended: %s", error)
            with self._lock:
                self._ending = False

    def _see_to_it(self) -> None:
        pause = SOON
        while left := self._rest():
            sleep(pause)
            pause = SOON
            try:
                self._end(left)
            except (
                OperationFailure
            ) as error:  # it listens, and will not: then it gives them up in its own time
                log.warning("Transactions that were left open cannot be ended: %s", error)
            except PyMongoError:
                continue
            except Exception:  # without this thread nobody would end those that are to come
                log.exception("Unexpected error while open transactions are ended; it is tried again")
                pause = AFTER_ERROR
                continue
            with self._lock:
                self._left = self._left[len(left) :]

    def _rest(self) -> list[SessionId]:
        """The sessions to be ended; those that the server must have given up by now are forgotten."""
        with self._lock:
            self._left = [each for each in self._left if monotonic() - each[0] < GIVEN_UP_AFTER]
            self._ending = bool(self._left)
            return [session for _, session in self._left]
