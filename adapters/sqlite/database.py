"""Connections, transactions and the schema of the embedded store; and the one place where sqlite3's errors
end.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock, local
from time import perf_counter

from adapters.sqlite.terms import rewrite_terms
from domain.browsing import SortBy
from domain.errors import StorageUnavailable
from domain.ports import UNMETERED, Meter

PATIENCE = 1.5
"""Seconds to wait for another writer; with the rest of a request, an answer comes within two."""

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
    rewrite_terms,  # two slips: the rest of a title and of a word instead of the end of a title
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
)
"""Each brings the schema one version forward; what has been released is never edited, only followed."""


class Database:
    """One SQLite file, or a database in memory if there is no path.

    Every thread has its own connection; in memory all share one, in turn. Writers of this process queue for
    each other here, because SQLite lets waiting writers poll, in no order.
    """

    def __init__(self, path: Path | None, meter: Meter = UNMETERED) -> None:
        self._path = path
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
        with self._timed(), self._alone(), self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def migrate(self) -> None:
        """Bring the schema to the newest version, one process at a time."""
        with self.writing() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                reason = (
                    f"its schema has version {version}, this Matinee knows up to {len(MIGRATIONS)}: upgrade"
                )
                raise StorageUnavailable(reason)
            apply_migrations(connection, MIGRATIONS[version:])
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

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
        with storage_errors():
            if self._path is None:
                with self._turns:
                    yield self._connection()
            else:
                yield self._connection()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._writers.acquire(timeout=PATIENCE):
            reason = f"other writers kept the store busy for {PATIENCE} s"
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
            connection = self._own.connection = self._open(str(self._path))
        return connection

    def _open(self, target: str) -> sqlite3.Connection:
        # Threads do not share a connection; check_same_thread is off so that close() may close them all.
        connection = sqlite3.connect(target, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # What was acknowledged survives a power cut too.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA mmap_size = 268435456")
        connection.execute("PRAGMA temp_store = MEMORY")
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


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what sqlite3 can raise into what the ports promise."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{type(error).__name__}: {error}") from error


def marks(values: Sized) -> str:
    """Placeholders for so many values: `(?, ?, ?)`."""
    return f"({', '.join('?' * len(values))})"
