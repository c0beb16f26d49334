"""Connections, transactions and the schema of the embedded store; and the one place where sqlite3's errors
end.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock, RLock, local
from time import monotonic, perf_counter

from adapters.metering import UNMETERED, Meter, queue_time
from adapters.sqlite.files import BACKUP, Traces, create, exists, refuse_foreign, to_read
from adapters.sqlite.source import remember_source, remember_unread
from adapters.sqlite.terms import rewrite_terms
from domain.browsing import SortBy
from domain.errors import StorageUnavailable

WRITE_TIMEOUT = 1.5
"""Seconds that one call may wait for other writers, those of this process and of others together."""

MIN_TIMEOUT = 0.4
"""Seconds that it may wait at least, however long its caller has waited for a thread before."""

SLACK = 0.05
"""Seconds that a wait may be longer before SQLite is told to wait less."""

REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: make room on the disk of DATA_DIR",
    sqlite3.SQLITE_CORRUPT: f"the database is damaged: restore a backup ({BACKUP})",
    sqlite3.SQLITE_NOTADB: f"the database is damaged: restore a backup ({BACKUP})",
    sqlite3.SQLITE_CANTOPEN: "DATA_DIR must be a directory that can be written, on a disk with room",
    sqlite3.SQLITE_READONLY: "DATA_DIR must be a directory that can be written",
    sqlite3.SQLITE_IOERR: "DATA_DIR must be on a local disk that works, with room",
}
"""What to do about an error, by its primary code."""

AT_ONCE = 500
"""Values in one statement; SQLite takes at least 999."""

SORT_COLUMNS = {sort: "sort_title" if sort is SortBy.TITLE else sort.value for sort in SortBy}
"""The column that each order compares."""

_SORT_INDEXES = "".join(
    f"CREATE INDEX movies_by_{sort}_desc ON movies ({column} DESC, id) WHERE listed = 1;\n"
    f"CREATE INDEX movies_by_{sort}_asc ON movies ({column}, id) WHERE listed = 1;\n"
    for sort, column in SORT_COLUMNS.items()
)

Migration = str | Callable[[sqlite3.Connection], None]
"""A script, or what a script cannot do."""


def _rename_admins(connection: sqlite3.Connection) -> None:
    """A migration: give the column and the index of active admins their present names."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(users)")}
    if "is_active_admin" not in columns:
        connection.execute("DROP INDEX users_who_run_the_place")
        connection.execute("ALTER TABLE users RENAME COLUMN runs_the_place TO is_active_admin")
        connection.execute(
            "CREATE INDEX users_active_admins ON users (is_active_admin, id) WHERE is_active_admin = 1"
        )


MIGRATIONS: tuple[Migration, ...] = (
    f"""
    CREATE TABLE movies (
        tmdb_id INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        imdb_id TEXT,
        title TEXT NOT NULL,
        original_title TEXT NOT NULL,
        original_language TEXT,
        overview TEXT,
        poster_path TEXT,
        backdrop_path TEXT,
        release_date TEXT,
        runtime INTEGER,
        popularity REAL,
        vote_average REAL,
        vote_count INTEGER,
        adult INTEGER NOT NULL,
        genres TEXT NOT NULL,
        detailed INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        synced_at TEXT NOT NULL,
        removed_at TEXT,
        listed INTEGER NOT NULL,
        sort_title TEXT NOT NULL,
        title_key TEXT NOT NULL,
        original_key TEXT NOT NULL,
        tally TEXT,
        ratings_count INTEGER NOT NULL DEFAULT 0,
        average_rating REAL,
        weighted_rating REAL
    );
    {_SORT_INDEXES}
    CREATE INDEX movies_by_imdb_id ON movies (imdb_id) WHERE imdb_id IS NOT NULL;
    CREATE INDEX movies_by_language ON movies (original_language) WHERE listed = 1;
    CREATE INDEX movies_by_vote_count ON movies (vote_count) WHERE listed = 1;
    CREATE INDEX movies_by_synced_at ON movies (synced_at);
    CREATE TABLE movie_genres (
        genre TEXT NOT NULL, movie INTEGER NOT NULL, PRIMARY KEY (genre, movie)
    ) WITHOUT ROWID;
    CREATE TABLE movie_terms (
        term TEXT NOT NULL, unpopularity REAL NOT NULL, movie INTEGER NOT NULL,
        PRIMARY KEY (term, unpopularity, movie)
    ) WITHOUT ROWID;
    CREATE TABLE genres (
        id TEXT PRIMARY KEY,
        tmdb_id INTEGER NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE synclogs (
        id TEXT NOT NULL UNIQUE,
        entity TEXT NOT NULL,
        status TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        pages_total INTEGER NOT NULL,
        pages_done INTEGER NOT NULL,
        pages_failed INTEGER NOT NULL,
        fetched INTEGER NOT NULL,
        inserted INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        unchanged INTEGER NOT NULL,
        skipped INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        error TEXT,
        complete INTEGER NOT NULL,
        last_page INTEGER,
        done TEXT NOT NULL,
        inherited TEXT NOT NULL,
        problems TEXT NOT NULL
    );
    CREATE UNIQUE INDEX synclogs_one_in_progress ON synclogs (entity) WHERE status = 'in-progress';
    CREATE INDEX synclogs_by_entity ON synclogs (entity, started_at);
    CREATE INDEX synclogs_by_start ON synclogs (started_at);
    CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends_at TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES ('generation', 1), ('listed', 0);
    """,
    """
    CREATE TABLE users (
        id TEXT PRIMARY KEY,
        username TEXT NOT NULL,
        email TEXT NOT NULL,
        folded_username TEXT NOT NULL UNIQUE,
        folded_email TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL,
        disabled INTEGER NOT NULL,
        runs_the_place INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX users_by_age ON users (created_at, id);
    CREATE INDEX users_who_run_the_place ON users (runs_the_place, id) WHERE runs_the_place = 1;
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        refresh_hash TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user);
    CREATE INDEX sessions_by_end ON sessions (expires_at);
    CREATE TABLE ratings (
        id TEXT NOT NULL UNIQUE,
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        half_points INTEGER NOT NULL,
        review TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        UNIQUE (user, movie)
    );
    CREATE INDEX ratings_by_created_at ON ratings (user, created_at DESC, id);
    CREATE INDEX ratings_by_updated_at ON ratings (user, updated_at DESC, id);
    CREATE INDEX ratings_by_rating_desc ON ratings (user, half_points DESC, id);
    CREATE INDEX ratings_by_rating_asc ON ratings (user, half_points, id);
    CREATE INDEX ratings_by_movie ON ratings (movie, created_at DESC, id, half_points);
    CREATE INDEX movies_by_tally ON movies (id) WHERE tally IS NOT NULL;
    CREATE TABLE watchlists (
        id TEXT NOT NULL UNIQUE,
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        is_favorite INTEGER NOT NULL,
        note TEXT,
        added_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        UNIQUE (user, movie)
    );
    CREATE INDEX watchlists_by_age ON watchlists (user, added_at DESC, id);
    CREATE INDEX watchlists_by_favorite ON watchlists (user, is_favorite, added_at DESC, id);
    CREATE INDEX watchlists_by_movie ON watchlists (movie);
    INSERT INTO counters VALUES ('users', 0);
    """,
    rewrite_terms,  # two slips, numbers, years, ids, and single letters of unspaced scripts
    """
    DROP INDEX IF EXISTS ratings_by_created_at;
    DROP INDEX IF EXISTS ratings_by_updated_at;
    CREATE INDEX IF NOT EXISTS ratings_by_created_at_desc ON ratings (user, created_at DESC, id);
    CREATE INDEX IF NOT EXISTS ratings_by_created_at_asc ON ratings (user, created_at, id);
    CREATE INDEX IF NOT EXISTS ratings_by_updated_at_desc ON ratings (user, updated_at DESC, id);
    CREATE INDEX IF NOT EXISTS ratings_by_updated_at_asc ON ratings (user, updated_at, id);
    DROP INDEX IF EXISTS synclogs_by_start;
    CREATE INDEX IF NOT EXISTS synclogs_in_order ON synclogs (started_at, id);
    """,
    # The one hash of each session becomes its list of refresh tokens, as session_row writes it.
    """
    CREATE TABLE families (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        tokens TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO families
        SELECT id, user, '[["' || refresh_hash || '", "' || expires_at || '", null]]', created_at, expires_at
        FROM sessions;
    DROP TABLE sessions;
    ALTER TABLE families RENAME TO sessions;
    CREATE INDEX sessions_by_user ON sessions (user);
    CREATE INDEX sessions_by_end ON sessions (expires_at);
    """,
    remember_source,
    """
    CREATE TABLE IF NOT EXISTS invitations (
        id TEXT PRIMARY KEY,
        code_hash TEXT NOT NULL UNIQUE,
        uses INTEGER NOT NULL,
        remaining INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS invitations_by_age ON invitations (created_at DESC, id);
    CREATE INDEX IF NOT EXISTS invitations_by_end ON invitations (expires_at);
    """,
    remember_unread,
    _rename_admins,
)
"""Each brings the schema one version forward; what has been released is never edited, only followed."""


class Database:
    """One SQLite file, or a database in memory if there is no path.

    Every thread has its own connection; in memory all share one, in turn. Writers of this process queue for
    each other here, because SQLite lets waiting writers poll, in no order.
    """

    def __init__(self, path: Path | None, meter: Meter = UNMETERED, traces: Traces = ()) -> None:
        self._path = path
        self._traces = traces
        self._meter = meter
        self._own = local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = Lock()
        self._writers = Lock()
        self._shared: sqlite3.Connection | None = None
        self._turns = RLock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection; what one statement reads is one state of the store."""
        with self._timed(), self._connected() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a write transaction, which is committed at the end, or rolled back if anything is
        raised.
        """
        until = monotonic() + max(WRITE_TIMEOUT - queue_time.seconds, MIN_TIMEOUT)
        with self._timed(), self._alone(until), self._connected() as connection:
            _begin(connection, until - monotonic())
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def exists(self) -> bool:
        """Whether there is a database of ours. Raises StorageUnavailable for a file that is none."""
        if self._path is not None:
            with storage_errors(self._path):
                if not exists(self._path, self._traces):
                    return False
                with closing(to_read(self._path)) as connection:
                    refuse_foreign(self._path, connection)
                return True
        with self.reading() as connection:
            return _version(connection) > 0

    def migrate(self) -> None:
        """Make the database if there is none, and bring its schema to the newest version, one process at a
        time.

        Raises StorageUnavailable, also for a file that is no database of ours, and for one that is newer.
        """
        if self._path is not None and not self.exists():
            with storage_errors(self._path):
                create(self._path, _build)
        with self.reading() as connection:
            if _version(connection) == len(MIGRATIONS):
                return  # without a write: it may be locked, or the disk full
        with self.writing() as connection:
            _upgrade(connection)

    def close(self) -> None:
        """Close every connection. The database can be used again; then it opens new ones."""
        with self._lock:
            opened, self._opened, self._shared, self._own = self._opened, [], None, local()
        for connection in opened:
            connection.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Note how long the store is in use, waiting included."""
        began = perf_counter()
        try:
            yield
        finally:
            self._meter.timed("storage", perf_counter() - began)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with storage_errors(self._path):
            if self._path is None:
                with self._turns:
                    yield self._connection()
            else:
                yield self._connection()

    @contextmanager
    def _alone(self, until: float) -> Iterator[None]:
        if not self._writers.acquire(timeout=max(0.0, until - monotonic())):
            reason = f"other writers kept the store busy for {WRITE_TIMEOUT} s"
            raise StorageUnavailable(reason)
        try:
            yield
        finally:
            self._writers.release()

    def _connection(self) -> sqlite3.Connection:
        if self._path is None:
            self._shared = self._shared or self._open(":memory:")
            return self._shared
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            # Opened to be read and written, not made: a file that is gone must not come back empty.
            connection = self._own.connection = self._open(f"{self._path.absolute().as_uri()}?mode=rw")
        return connection

    def _open(self, target: str) -> sqlite3.Connection:
        # Threads do not share a connection; check_same_thread is off so that close() may close them all.
        connection = sqlite3.connect(
            target, timeout=WRITE_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            # What was acknowledged survives a power cut too.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -8000")
            connection.execute("PRAGMA mmap_size = 268435456")
            connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error:
            connection.close()
            raise
        with self._lock:
            self._opened.append(connection)
        return connection


def apply_migrations(connection: sqlite3.Connection, migrations: Iterable[Migration]) -> None:
    """Bring a schema forward, within the transaction that is open, if one is."""
    for migration in migrations:
        if isinstance(migration, str):
            for statement in migration.split(";"):
                connection.execute(statement)
        else:
            migration(connection)


def _begin(connection: sqlite3.Connection, timeout: float) -> None:
    """Begin a write transaction; writers of other processes are waited for `timeout` seconds at most."""
    if timeout > WRITE_TIMEOUT - SLACK:
        connection.execute("BEGIN IMMEDIATE")
        return
    connection.execute(f"PRAGMA busy_timeout = {max(0, round(timeout * 1000))}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(WRITE_TIMEOUT * 1000)}")


def _build(connection: sqlite3.Connection) -> None:
    """Give an empty database the newest schema."""
    connection.execute("BEGIN")
    _upgrade(connection)
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    """The version of the schema; 0 for a database that has none yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring the schema to the newest version. Raises StorageUnavailable if it is newer."""
    version = _version(connection)
    if version > len(MIGRATIONS):
        reason = f"its schema has version {version}, this Matinee knows up to {len(MIGRATIONS)}: upgrade"
        raise StorageUnavailable(reason)
    apply_migrations(connection, MIGRATIONS[version:])
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


@contextmanager
def storage_errors(path: Path | None) -> Iterator[None]:
    """Turn what sqlite3 can raise, and the file system, into what the ports promise; with the path of the
    database, if it has one.
    """
    try:
        yield
    except sqlite3.Error as error:
        # An extended code holds the primary one in its lowest byte (sqlite.org/rescode.html).
        remedy = REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        reason = f"{path or 'memory'}: {type(error).__name__}: {error}"
        raise StorageUnavailable(f"{reason} ({remedy})" if remedy else reason) from error
    except OSError as error:
        reason = f"{error.filename or 'the database'}: {error.strerror or error} (check DATA_DIR)"
        raise StorageUnavailable(reason) from error


def marks(values: Sized) -> str:
    """Placeholders for so many values: `(?, ?, ?)`."""
    return f"({', '.join('?' * len(values))})"
