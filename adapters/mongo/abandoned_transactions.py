"""Transactions that this process began and could not end.

Until the server aborts them by itself, a minute later, they block writes to the documents that they changed.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

MAX_SESSIONS = 10_000
"""Sessions that are remembered; the transactions of others are left to the server."""

SessionId = Mapping[str, Any]
EndSessions = Callable[[list[SessionId]], object]
"""Has the server end sessions, and abort their transactions. Raises PyMongoError."""

log = logging.getLogger(__name__)


class AbandonedTransactions:
    """Has the server abort abandoned transactions as soon as it can be reached again.

    It is tried every `retry_interval` seconds, and `error_interval` seconds after an error that the driver
    should not raise. The server has aborted a transaction by itself after `lifetime` seconds, its default.
    """

    def __init__(
        self,
        end_sessions: EndSessions,
        *,
        retry_interval: float = 0.3,
        error_interval: float = 2.0,
        lifetime: float = 60.0,
    ) -> None:
        self._end_sessions = end_sessions
        self._retry_interval = retry_interval
        self._error_interval = error_interval
        self._lifetime = lifetime
        self._lock = Lock()
        self._sessions: list[tuple[float, SessionId]] = []
        self._running = False

    def add(self, session: SessionId) -> None:
        """Add the session of a transaction that may still be open."""
        with self._lock:
            if len(self._sessions) < MAX_SESSIONS:
                self._sessions.append((monotonic(), session))
            if self._running:
                return
            self._running = True
        try:
            Thread(target=self._run, name="mongo-abandoned-transactions", daemon=True).start()
        except RuntimeError as error:  # no more threads: the next transaction that is added tries again
            log.warning("Abandoned transactions cannot be ended: %s", error)
            with self._lock:
                self._running = False

    def _run(self) -> None:
        interval = self._retry_interval
        while sessions := self._remaining():
            sleep(interval)
            interval = self._retry_interval
            try:
                self._end_sessions(sessions)
            except OperationFailure as error:  # the server refuses, and will abort them in its own time
                log.warning("Abandoned transactions cannot be ended: %s", error)
            except PyMongoError:
                continue
            except Exception:  # without this thread nothing would end the transactions to come
                log.exception("Unexpected error while abandoned transactions are ended; retrying")
                interval = self._error_interval
                continue
            with self._lock:
                self._sessions = self._sessions[len(sessions) :]

    def _remaining(self) -> list[SessionId]:
        """The sessions to end, without those whose transactions the server must have aborted by now."""
        with self._lock:
            now = monotonic()
            self._sessions = [each for each in self._sessions if now - each[0] < self._lifetime]
            self._running = bool(self._sessions)
            return [session for _, session in self._sessions]
