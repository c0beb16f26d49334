"""Connections and transactions of the embedded store. Only this module translates errors of sqlite3."""

import sqlite3
from collections.abc import Iterator, Sized
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Lock, RLock, local
from time import monotonic, perf_counter

from adapters.metering import UNMETERED, Meter, pool_thread, queue_time
from adapters.sqlite import schema
from adapters.sqlite.files import BACKUP, Traces, create, exists, open_read_only, refuse_foreign
from adapters.sqlite.write_queue import WriteQueue
from domain.errors import StorageUnavailable

WRITE_TIMEOUT = 1.5
"""Seconds that a call may wait for other writers, in this process and in others together."""

MIN_TIMEOUT = 0.4
"""The least of these seconds, however long the caller has waited for a thread before."""

TIMEOUT_TOLERANCE = 0.05
"""Seconds by which a wait may exceed its limit: SQLite's own timeout is set only for larger differences."""

MAX_MEMBERS = 16
"""The writers that are committed together at most."""

MAX_AGE = 0.02
"""Seconds from the beginning of a transaction after which no other writer joins it."""

REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: make room on the disk of DATA_DIR",
    sqlite3.SQLITE_CORRUPT: f"the database is damaged: restore a backup ({BACKUP})",
    sqlite3.SQLITE_NOTADB: f"the database is damaged: restore a backup ({BACKUP})",
    sqlite3.SQLITE_CANTOPEN: "DATA_DIR must be a directory that can be written, on a disk with room",
    sqlite3.SQLITE_READONLY: "DATA_DIR must be a directory that can be written",
    sqlite3.SQLITE_IOERR: "DATA_DIR must be on a local disk that works, with room",
}
"""The remedy for an error, by its primary result code."""

MAX_VALUES = 500
"""The values of one statement; every build of SQLite allows 999."""


class Database:
    """One SQLite file, or a database in memory if there is no path.

    Each thread has its own connection for reading. All writers of this process share one, so that it keeps
    the pages that it has just written; they wait for each other in a queue, since SQLite itself would poll,
    in no order. In memory one connection is shared by all, and used by one thread at a time.
    """

    def __init__(self, path: Path | None, meter: Meter = UNMETERED, traces: Traces = ()) -> None:
        self._path = path
        self._traces = traces
        self._meter = meter
        self._thread = local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = Lock()
        self._write_queue: WriteQueue[_Transaction] = WriteQueue()
        self._writer: sqlite3.Connection | None = None
        self._in_memory: sqlite3.Connection | None = None
        self._in_memory_lock = RLock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection; each statement reads one state of the store. Raises StorageUnavailable."""
        with self._timed(), self._memory_locked(), storage_errors(self._path):
            yield self._connection()

    @contextmanager
    def writing(self, *, shared: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection in a write transaction: committed at the end, rolled back after an exception.

        With `shared`, which is for short writes, others that wait join the transaction, and all are committed
        at once. An exception undoes the changes of its own writer only. Each returns, or raises, after the
        commit, and all of them fail if that does.

        Raises StorageUnavailable, also if other writers are not done within `WRITE_TIMEOUT` seconds.
        """
        until = monotonic() + max(WRITE_TIMEOUT - queue_time.seconds, MIN_TIMEOUT)
        with self._timed(), self._memory_locked(), storage_errors(self._path):
            transaction = self._next_transaction(until, shared=shared)
            try:
                with self._member(transaction, until) as connection:
                    yield connection
            finally:
                self._end(transaction, shared=shared)

    def exists(self) -> bool:
        """Whether there is a database of Matinee. Raises StorageUnavailable for any other file."""
        if self._path is not None:
            with storage_errors(self._path):
                if not exists(self._path, self._traces):
                    return False
                with closing(open_read_only(self._path)) as connection:
                    refuse_foreign(self._path, connection)
                return True
        with self.reading() as connection:
            return schema.version_of(connection) > 0

    def migrate(self) -> None:
        """Create the database if there is none, and bring its schema to the newest version; safe when several
        processes do so at once.

        Raises StorageUnavailable, also for a file that is no database of Matinee, and for a newer schema.
        """
        if self._path is not None and not self.exists():
            with storage_errors(self._path):
                create(self._path, schema.build)
        with self.reading() as connection:
            if schema.version_of(connection) == len(schema.MIGRATIONS):
                return  # without a write: the database may be locked, or the disk full
        with self.writing() as connection:
            schema.upgrade(connection)

    def close(self) -> None:
        """Close all connections. The database can be used again, with new ones."""
        with self._lock:
            opened, self._opened, self._thread = self._opened, [], local()
            self._writer = self._in_memory = None
        for connection in opened:
            connection.close()

    def _next_transaction(self, until: float, *, shared: bool) -> "_Transaction":
        """Wait for one's turn to write; return the transaction to join, or a new one.

        Raises StorageUnavailable if other writers are not done in time.
        """
        turn = self._write_queue.enter(max(0.0, until - monotonic()), shares=shared)
        if turn is None:
            reason = f"other writers kept the store busy for {WRITE_TIMEOUT} s"
            raise StorageUnavailable(reason)
        return turn.given or _Transaction()

    @contextmanager
    def _member(self, transaction: "_Transaction", until: float) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, or join it. An exception undoes what was changed since."""
        connection = transaction.connection or self._writing_connection()
        transaction.members += 1
        if transaction.members == 1:
            _begin(connection, until - monotonic())
            transaction.begun(connection)
        try:
            if transaction.members > 1:
                connection.execute("SAVEPOINT member")
            yield connection
            if transaction.members > 1:
                connection.execute("RELEASE member")
        except BaseException as error:
            self._undo_member(connection, transaction, error)
            raise

    def _undo_member(
        self, connection: sqlite3.Connection, transaction: "_Transaction", error: BaseException
    ) -> None:
        if connection.in_transaction and transaction.members > 1:
            try:
                connection.execute("ROLLBACK TO member")
                connection.execute("RELEASE member")
            except sqlite3.Error as failure:
                error = failure
            else:
                return
        transaction.connection = None
        if transaction.members > 1:  # SQLite rolls back everything if the disk is full, for example
            transaction.error = error
        if connection.in_transaction:
            self._roll_back(connection)

    def _end(self, transaction: "_Transaction", *, shared: bool) -> None:
        """Let the next writer join the transaction, and wait for its end; or commit it for all its members.

        Raises the error that made the transaction of another member fail, or sqlite3.Error.
        """
        if shared and transaction.may_grow() and self._write_queue.pass_on(transaction):
            with pool_thread.waiting():
                transaction.over.wait()
        else:
            try:
                self._commit(transaction)
            finally:
                self._write_queue.leave()
                transaction.over.set()
        if transaction.error:
            raise transaction.error

    def _commit(self, transaction: "_Transaction") -> None:
        connection = transaction.connection
        if connection is None:
            return
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            transaction.error = error
        finally:
            if connection.in_transaction:
                self._roll_back(connection)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Undo a transaction. If that fails, the next writer opens another connection."""
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._writer = None
            connection.close()
            raise

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Measure how long the store is in use, waiting included."""
        began = perf_counter()
        try:
            yield
        finally:
            self._meter.timed("storage", perf_counter() - began)

    @contextmanager
    def _memory_locked(self) -> Iterator[None]:
        """Have the only connection to a database in memory for oneself, so that nobody waits in the queue
        and no reader sees what is not committed; nothing with a file.
        """
        if self._path is None:
            with self._in_memory_lock:
                yield
        else:
            yield

    def _writing_connection(self) -> sqlite3.Connection:
        """The connection of all writers."""
        if self._path is None:
            return self._connection()
        if self._writer is None:
            writer = self._open()
            # A sync touches most of the file, and all that it maps would count as memory of its process. The
            # writer's own cache has the pages that it needs again.
            writer.execute("PRAGMA mmap_size = 0")
            self._writer = writer
        return self._writer

    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread for reading, or the only one to a database in memory."""
        if self._path is None:
            self._in_memory = self._in_memory or self._open()
            return self._in_memory
        connection: sqlite3.Connection | None = getattr(self._thread, "connection", None)
        if connection is None:
            connection = self._thread.connection = self._open()
        return connection

    def _open(self) -> sqlite3.Connection:
        # mode=rw opens an existing file only: a removed database must not come back empty.
        target = f"{self._path.absolute().as_uri()}?mode=rw" if self._path else ":memory:"
        # One thread uses a connection at a time, but close() closes those of all threads.
        connection = sqlite3.connect(
            target, timeout=WRITE_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            # A committed transaction survives a power failure.
            connection.execute("PRAGMA synchronous = FULL")
            # A page of a sync changes some 800 pages of the file, many of which the next one changes again:
            # with 32 MB of log, each is copied into the file an eighth as often as by default.
            connection.execute("PRAGMA wal_autocheckpoint = 8000")
            connection.execute("PRAGMA cache_size = -8000")
            connection.execute("PRAGMA mmap_size = 268435456")
            connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error:
            connection.close()
            raise
        with self._lock:
            self._opened.append(connection)
        return connection


class _Transaction:
    """A write transaction, whose members are committed together or not at all.

    It has no connection before it has begun, and after it was rolled back.
    """

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.members = 0
        self.error: BaseException | None = None
        self.over = Event()
        self._began_at = 0.0

    def begun(self, connection: sqlite3.Connection) -> None:
        """Note that the transaction has begun."""
        self.connection, self._began_at = connection, monotonic()

    def may_grow(self) -> bool:
        """Whether another writer may join."""
        age = monotonic() - self._began_at
        return self.connection is not None and self.members < MAX_MEMBERS and age < MAX_AGE


def _begin(connection: sqlite3.Connection, timeout: float) -> None:
    """Begin a write transaction; wait for writers of other processes for at most `timeout` seconds."""
    if timeout > WRITE_TIMEOUT - TIMEOUT_TOLERANCE:
        connection.execute("BEGIN IMMEDIATE")
        return
    connection.execute(f"PRAGMA busy_timeout = {max(0, round(timeout * 1000))}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(WRITE_TIMEOUT * 1000)}")


@contextmanager
def storage_errors(path: Path | None) -> Iterator[None]:
    """Translate errors of sqlite3 and of the file system into StorageUnavailable, with the path and a remedy.

    Without a path the database is in memory.
    """
    try:
        yield
    except sqlite3.Error as error:
        # The lowest byte of an extended result code is the primary one (sqlite.org/rescode.html).
        remedy = REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        reason = f"{path or 'memory'}: {type(error).__name__}: {error}"
        raise StorageUnavailable(f"{reason} ({remedy})" if remedy else reason) from error
    except OSError as error:
        reason = f"{error.filename or 'the database'}: {error.strerror or error} (check DATA_DIR)"
        raise StorageUnavailable(reason) from error


def placeholders(values: Sized) -> str:
    """A placeholder for each value: `(?, ?, ?)`."""
    return f"({', '.join('?' * len(values))})"
