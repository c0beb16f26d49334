"""The client and transactions of the distributed store. Only this module translates errors of pymongo."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from threading import BoundedSemaphore, Lock
from time import monotonic, perf_counter
from typing import Any, TypeVar

import pymongo
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from adapters.metering import UNMETERED, Meter, queue_time
from adapters.mongo.abandoned_transactions import AbandonedTransactions, SessionId
from adapters.mongo.schema import INDEXES, MIGRATIONS, Document, Documents
from adapters.mongo.striped_locks import StripedLocks
from adapters.redaction import credentials_in, redact
from domain.errors import StorageUnavailable

T = TypeVar("T")

OPERATION_TIMEOUT = 1.4
"""Seconds that all operations of one call may take together. While the driver waits for a server or a retry,
it checks the time every half second, so a call ends within two seconds.
"""

MIN_TIMEOUT = 0.4
"""The least of these seconds, however long the caller has waited for a thread before."""

MIGRATION_TIMEOUT = 300
"""Seconds for all migrations, and for building indexes of existing documents."""

MAX_CONCURRENT_CALLS = 100
"""Concurrent calls of one process, which bounds its connections."""

POOL_TIMEOUT = 0.3
"""Seconds to wait for other calls to end. The driver ignores waitQueueTimeoutMS for calls with a deadline."""

MIN_DEADLINE = 0.001
"""Seconds; the driver takes 0 for no deadline."""

STANDALONE = (
    "MongoDB runs as a standalone server, which has no transactions: start mongod with --replSet rs0, call"
    " rs.initiate() once, and add ?replicaSet=rs0 to MONGODB_URI"
)


class Database:
    """One MongoDB database: the one that the URI names, or `matinee`.

    Each process has its own client, created on first use: a forked process never uses its parent's sockets.
    """

    def __init__(self, uri: str, meter: Meter = UNMETERED) -> None:
        self._uri = uri
        self._meter = meter
        self._clients: dict[int, MongoClient[Document]] = {}
        self._lock = Lock()
        self._calls = BoundedSemaphore(MAX_CONCURRENT_CALLS)
        self._locks_by_name = StripedLocks()
        self._abandoned = AbandonedTransactions(self._end_sessions)

    @contextmanager
    def using(self, timeout: float | None = None) -> Iterator[Documents]:
        """The database, for operations that take at most `timeout` seconds together.

        The default is `OPERATION_TIMEOUT`; a `timeoutMS` in the URI can only increase it. Raises
        StorageUnavailable.
        """
        until = monotonic() + (_remaining_time() if timeout is None else timeout)
        with self._timed(), self._errors(), self._call():
            client = self._client()
            with pymongo.timeout(max(until - monotonic(), client.options.timeout or 0, MIN_DEADLINE)):
                yield client.get_default_database("matinee")

    def transaction(
        self, work: Callable[[Documents], T], lock_names: Iterable[str] = (), timeout: float | None = None
    ) -> T:
        """Call `work` in one transaction and return its result; after an exception nothing is written.

        `work` is called again after a conflict with another transaction, so it must have no other effects.
        `lock_names` are the ids of what it changes: calls of this process with a common name wait for each
        other, which avoids conflicts. Raises StorageUnavailable.
        """
        until = monotonic() + (_remaining_time() if timeout is None else timeout)
        with (
            self._locks_by_name.held(lock_names, until),
            self.using(until - monotonic()) as database,
            database.client.start_session().bind() as session,
        ):
            # Within a transaction the server rejects write concerns, except for the commit's. The driver
            # omits them if a session is passed to each call, but (4.20) not if the session is bound.
            within = database.with_options(write_concern=WriteConcern())
            try:
                return session.with_transaction(
                    lambda _: work(within), ReadConcern("snapshot"), database.write_concern
                )
            except PyMongoError:
                # The driver does not report whether the server has aborted; without time left it has not.
                self._abandoned.add(session.session_id)
                raise

    def migrate(self) -> None:
        """Bring the schema to the newest version and create missing indexes.

        Raises StorageUnavailable, also for a standalone server and for a newer schema.
        """
        with self.using() as database:
            refuse_standalone(database.client.admin.command("hello"))
            stored = database.counters.find_one("schema")
        version = stored["value"] if stored else 0
        if version > len(MIGRATIONS):
            reason = f"its schema has version {version}, this Matinee knows up to {len(MIGRATIONS)}: upgrade"
            raise StorageUnavailable(reason)
        with self.using(MIGRATION_TIMEOUT) as database:
            for migration in MIGRATIONS[version:]:
                migration(database)
            for collection, indexes in INDEXES.items():
                database[collection].create_indexes(indexes)
            database.counters.update_one({"_id": "schema"}, {"$max": {"value": len(MIGRATIONS)}}, upsert=True)

    def close(self) -> None:
        """Close the client of this process. The database can be used again, with a new client."""
        with self._lock:
            client = self._clients.pop(os.getpid(), None)
        if client:
            with self._errors(), pymongo.timeout(OPERATION_TIMEOUT):
                client.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Measure how long the store is in use, waiting included."""
        began = perf_counter()
        try:
            yield
        finally:
            self._meter.timed("storage", perf_counter() - began)

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Count as one of the concurrent calls. Raises StorageUnavailable if there are too many."""
        if not self._calls.acquire(timeout=POOL_TIMEOUT):
            reason = f"{MAX_CONCURRENT_CALLS} calls were in progress for {POOL_TIMEOUT} s"
            raise StorageUnavailable(reason)
        try:
            yield
        finally:
            self._calls.release()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate errors of pymongo into StorageUnavailable, without the credentials of the URI."""
        try:
            yield
        except PyMongoError as error:
            raise StorageUnavailable(
                redact(f"{type(error).__name__}: {error}", credentials_in(self._uri))
            ) from error

    def _end_sessions(self, sessions: list[SessionId]) -> None:
        with pymongo.timeout(OPERATION_TIMEOUT):
            self._client().admin.command({"killSessions": sessions})

    def _client(self) -> MongoClient[Document]:
        if os.getpid() not in self._clients:
            with self._lock:
                if os.getpid() not in self._clients:
                    self._clients[os.getpid()] = self._open()
        return self._clients[os.getpid()]

    def _open(self) -> MongoClient[Document]:
        try:
            return MongoClient(
                self._uri,
                appname="matinee",
                tz_aware=True,
                tzinfo=UTC,
                maxPoolSize=MAX_CONCURRENT_CALLS,
                # `using` sets the deadline of a call; these apply to the driver's background connections.
                connectTimeoutMS=int(OPERATION_TIMEOUT * 1000),
                socketTimeoutMS=int(OPERATION_TIMEOUT * 1000),
                serverSelectionTimeoutMS=int(OPERATION_TIMEOUT * 1000),
                # An acknowledged write survives a power failure and the loss of the primary.
                w="majority",
                journal=True,
                retryReads=True,
                retryWrites=True,
            )
        except (PyMongoError, ValueError) as error:
            reason = f"MONGODB_URI cannot be used: {redact(str(error), credentials_in(self._uri))}"
            raise StorageUnavailable(reason) from None


def _remaining_time() -> float:
    """Seconds that one call may take: fewer if its caller has waited for a thread."""
    return max(OPERATION_TIMEOUT - queue_time.seconds, MIN_TIMEOUT)


def refuse_standalone(hello: Mapping[str, Any]) -> None:
    """Raises StorageUnavailable if a server's reply to `hello` is that of a standalone server."""
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StorageUnavailable(STANDALONE)


def counter(database: Documents, name: str) -> int:
    """The value of a counter. Raises StorageUnavailable if the store was never prepared."""
    document = database.counters.find_one(name)
    if document is None:
        raise StorageUnavailable(f"it has no counter {name!r}: it was never prepared")
    return int(document["value"])
