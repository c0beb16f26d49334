"""Transactions that we began and could not end: the server would keep others from what they touched until it
gives them up by itself, a minute later.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from time import sleep
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

SOON = 0.3
"""Seconds between two tries to have them ended."""

MOST = 10_000
"""So many are remembered; the server gives up the others."""

SessionId = Mapping[str, Any]
End = Callable[[list[SessionId]], object]
"""Has the server end sessions, and their transactions with them. Raises PyMongoError."""

log = logging.getLogger(__name__)


class Orphans:
    """Has the server end what was left open, as soon as it listens again."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._lock = Lock()
        self._left: list[SessionId] = []
        self._ending = False

    def add(self, session: SessionId) -> None:
        """Take on the session of a transaction that may still be open."""
        with self._lock:
            if len(self._left) < MOST:
                self._left.append(session)
            if self._ending:
                return
            self._ending = True
        Thread(target=self._see_to_it, name="mongo-orphans", daemon=True).start()

    def _see_to_it(self) -> None:
        while left := self._rest():
            sleep(SOON)
            try:
                self._end(left)
            except (
                OperationFailure
            ) as error:  # it listens, and will not: then it gives them up in its own time
                log.warning("Transactions that were left open cannot be ended: %s", error)
            except PyMongoError:
                continue
            with self._lock:
                self._left = self._left[len(left) :]

    def _rest(self) -> list[SessionId]:
        with self._lock:
            self._ending = bool(self._left)
            return list(self._left)
