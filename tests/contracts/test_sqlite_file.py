"""The database file: created atomically, checked before use, and written durably."""

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import NoReturn

import pytest

from adapters.metering import queue_time
from adapters.sqlite import database as databases
from adapters.sqlite import files, schema
from adapters.sqlite.database import TIMEOUT_TOLERANCE, WRITE_TIMEOUT, Database
from adapters.sqlite.store import SqliteStore
from adapters.testkit.samples import add_user, noon
from domain.errors import StorageUnavailable

TRACE = "jwt-secret"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "matinee.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path=file, clock=noon, traces=((TRACE, 6),))
    yield store
    store.close()


def of_another(path: Path, version: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE notes (text); PRAGMA user_version = {version}")


def without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def cut_short(path: Path) -> None:
    whole = SqliteStore(path=path, clock=noon)
    whole.prepare()
    whole.close()
    os.truncate(path, path.stat().st_size // 2)


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.touch(), "is empty, so what it held is lost: restore a backup"),
    "no tables": (without_tables, "has no tables, so what it held is lost: restore a backup"),
    "another's": (of_another, "database of another application: set DATA_DIR"),
    "another's, of no version": (
        lambda path: of_another(path, version=0),
        "database of another application",
    ),
    "zeros": (lambda path: path.write_bytes(bytes(8192)), "its beginning is damaged: restore a backup"),
    "a text": (lambda path: path.write_text("a shopping list" * 99), "is not a database"),
    "a byte": (lambda path: path.write_bytes(b"S"), "is not a database"),
    "a header and nothing else": (lambda path: path.write_bytes(files.HEADER), "restore a backup"),
    "cut short": (cut_short, "the database is damaged: restore a backup"),
    "a directory": (lambda path: path.mkdir(), "is a directory: set DATA_DIR"),
    "a dead link": (lambda path: path.symlink_to("nowhere"), "a broken link"),
    "gone but for its log": (
        lambda path: path.with_name("matinee.db-wal").write_bytes(b"pages"),
        "is missing, though matinee.db-wal beside it shows that there was a store",
    ),
    "gone but for its traces": (
        lambda path: path.with_name(TRACE).write_text("secret"),
        "is missing, though jwt-secret beside it .* remove jwt-secret too to begin",
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_or_foreign_database_is_refused_and_not_changed(
    store: SqliteStore, file: Path, loss: str
) -> None:
    make, message = LOSSES[loss]
    make(file)
    before = file.read_bytes() if file.is_file() else None
    for touch in (store.prepare, store.inspect):
        with pytest.raises(StorageUnavailable, match=message) as refused:
            touch()
        assert str(file) in str(refused.value)
        assert "deployment.md, Backup and restore" in str(refused.value) or "DATA_DIR" in str(refused.value)
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_missing_database_is_created(store: SqliteStore, file: Path) -> None:
    assert not store.exists()
    store.prepare()
    assert store.exists()
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(each.name for each in file.parent.iterdir() if each.name.startswith(".")) == []


def test_a_newer_schema_is_refused_by_sqlite(store: SqliteStore, file: Path) -> None:
    store.prepare()
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(StorageUnavailable, match=r"schema has version \d+, this Matinee knows up to"):
        store.prepare()


def test_a_current_database_can_be_opened_while_another_process_writes(
    store: SqliteStore, others: sqlite3.Connection
) -> None:
    store.prepare()
    store.ping()


def test_an_older_schema_is_migrated_with_its_data(store: SqliteStore, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"{schema.MIGRATIONS[0]}; PRAGMA user_version = 1")
        connection.execute("UPDATE counters SET value = 42 WHERE name = 'listed'")
        connection.commit()
    store.prepare()
    with store.database.reading() as connection:
        (visible,) = connection.execute("SELECT value FROM counters WHERE name = 'visible_movies'").fetchone()
    assert visible == 42
    assert store.inspect().missing == ()


def test_concurrent_creations_create_one_database(file: Path) -> None:
    stores = [SqliteStore(path=file, clock=noon) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(SqliteStore.prepare, stores))
    user = add_user(stores[0])
    assert all(store.users.get(user.id) == user for store in stores)
    for store in stores:
        store.close()


KILLED_AT = """
import os, sys
from pathlib import Path
from adapters.sqlite import files, schema
from adapters.sqlite.store import SqliteStore

if sys.argv[2] == "built":
    files._publish = lambda *_: os._exit(9)
else:
    schema.MIGRATIONS = (*schema.MIGRATIONS, "SELECT os_exit()")
    connect = files.sqlite3.connect
    def connected(*args, **options):
        connection = connect(*args, **options)
        connection.create_function("os_exit", 0, lambda: os._exit(9))
        return connection
    files.sqlite3.connect = connected
SqliteStore(path=Path(sys.argv[1]), clock=None).prepare()
"""


@pytest.mark.parametrize("moment", ["building", "built"])
def test_a_creation_that_is_killed_leaves_no_database(store: SqliteStore, file: Path, moment: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, str(file), moment], check=False, timeout=60)
    assert killed.returncode == 9
    assert not file.exists()
    store.prepare()


@pytest.mark.parametrize("other", [False, True])
def test_a_database_is_created_without_hard_links(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch, other: bool
) -> None:
    if other:
        faster = SqliteStore(path=file.with_name("faster.db"), clock=noon)
        faster.prepare()
        user = add_user(faster)
        faster.close()

    def refuse(made: Path, path: Path) -> NoReturn:
        if other:
            file.with_name("faster.db").rename(path)
        raise OSError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "link", refuse)
        files.create(file, schema.build)
    store.prepare()
    assert [each.id for each in store.users.page(9)] == ([user.id] if other else [])


def test_creating_a_database_on_a_full_disk_is_an_error(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageUnavailable, match=r"No space left on device \(check DATA_DIR\)"):
        store.prepare()
    assert list(file.parent.iterdir()) == []


def test_a_database_removed_during_use_is_not_created_again(store: SqliteStore, file: Path) -> None:
    store.prepare()
    store.close()
    file.unlink()
    with pytest.raises(StorageUnavailable, match="DATA_DIR"):
        store.ping()
    assert not file.exists()


# How it lasts.


def test_connections_use_wal_and_full_synchronization(store: SqliteStore) -> None:
    store.prepare()
    seen: list[tuple[str, int]] = []

    def look() -> None:
        for use in (store.database.reading, store.database.writing):
            with use() as connection:
                mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
                seen.append((mode, connection.execute("PRAGMA synchronous").fetchone()[0]))

    look()
    thread = Thread(target=look)  # every thread has a connection of its own
    thread.start()
    thread.join()
    assert seen == [("wal", 2)] * 4


class Failing(sqlite3.Connection):
    """A connection that cannot roll back."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql == "ROLLBACK":
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)  # type: ignore[arg-type]


def test_a_transaction_that_cannot_be_rolled_back_disturbs_no_later_one(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> NoReturn:
        with store.database.writing():
            raise ZeroDivisionError

    store.prepare()
    store.close()
    with monkeypatch.context() as failing:
        failing.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Failing))
        with pytest.raises(StorageUnavailable, match="disk I/O error"):
            fail()
    add_user(store)


def test_all_writers_of_a_process_use_one_connection(store: SqliteStore) -> None:
    """So its cache of pages holds what the writer before has changed."""

    store.prepare()

    def connection(_: int) -> sqlite3.Connection:
        with store.database.writing() as used:
            return used

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(connection, range(8)))) == 1


def test_other_processes_cannot_write_between_the_reads_and_the_writes_of_a_transaction(
    store: SqliteStore, file: Path
) -> None:
    store.prepare()
    with (
        store.database.writing(),
        closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


# How long writers wait.


@pytest.fixture
def others(store: SqliteStore, file: Path) -> Iterator[sqlite3.Connection]:
    """Another process that holds the write lock."""
    store.prepare()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def statements_of(database: Database, write: Callable[[], object]) -> list[str]:
    """The statements that a call executes on the connection of writers."""
    seen: list[str] = []
    connection = database._writing_connection()
    connection.set_trace_callback(seen.append)
    try:
        write()
    finally:
        connection.set_trace_callback(None)
    return seen


def timeouts(statements: list[str]) -> list[float]:
    return [int(each.rpartition("=")[2]) / 1000 for each in statements if "busy_timeout" in each]


def test_waiting_for_the_own_process_shortens_waiting_for_others(
    store: SqliteStore, others: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "WRITE_TIMEOUT", 1.0)
    queued, released = Event(), Event()

    def hold() -> None:
        store.database._write_queue.enter(10, shares=False)
        queued.set()
        Event().wait(0.6)
        store.database._write_queue.leave()
        released.set()

    Thread(target=hold).start()
    assert queued.wait(10)

    def write() -> None:
        with pytest.raises(StorageUnavailable, match=r"locked|busy"), store.database.writing():
            pytest.fail("the other one still writes")

    waited, reset = timeouts(statements_of(store.database, write))
    assert released.is_set()
    assert waited < 1.0  # the wait for the writer before came off
    assert reset == 1.0


@pytest.mark.parametrize(("queued", "left"), [(1.0, 0.5), (5.0, 0.4)])
def test_waiting_for_a_thread_shortens_waiting_for_writers(
    store: SqliteStore, others: sqlite3.Connection, queued: float, left: float
) -> None:
    def write() -> None:
        queue_time.seconds = queued
        try:
            with pytest.raises(StorageUnavailable, match="locked"), store.database.writing():
                pytest.fail("the other one still writes")
        finally:
            queue_time.seconds = 0.0

    waited, reset = timeouts(statements_of(store.database, write))
    assert left - TIMEOUT_TOLERANCE <= waited <= left
    assert reset == WRITE_TIMEOUT


def test_without_waiting_no_timeout_is_changed(store: SqliteStore) -> None:
    store.prepare()
    assert timeouts(statements_of(store.database, lambda: add_user(store))) == []


def test_the_write_timeout_is_less_than_two_seconds() -> None:
    assert WRITE_TIMEOUT + TIMEOUT_TOLERANCE < 2
