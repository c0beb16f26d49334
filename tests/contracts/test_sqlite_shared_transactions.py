"""Short writes of the embedded store that are committed together."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from adapters.metering import pool_thread
from adapters.sqlite import database as databases
from adapters.sqlite.database import Database
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.write_queue import WriteQueue
from adapters.testkit.samples import add_movies, add_user, facts, new_rating, noon
from domain.errors import StorageUnavailable
from domain.ratings import AlreadyRated
from tests.waiting import eventually

LONG = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path=tmp_path / "matinee.db", clock=noon)
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def database(store: SqliteStore) -> Database:
    return store.database


def write(database: Database, name: str, *, shared: bool = True) -> str:
    with database.writing(shared=shared) as connection:
        connection.execute("INSERT INTO counters VALUES (?, 1)", (name,))
    return name


def write_and_fail(database: Database, name: str, error: Exception, *, rolled_back: bool = False) -> None:
    with database.writing(shared=True) as connection:
        connection.execute("INSERT INTO counters VALUES (?, 1)", (name,))
        if rolled_back:
            connection.execute("ROLLBACK")  # as SQLite does by itself after some errors
        raise error


def written(database: Database) -> set[str]:
    with database.reading() as connection:
        return {name for (name,) in connection.execute("SELECT name FROM counters WHERE length(name) = 1")}


def at_once(database: Database, *calls: Callable[[], object]) -> list[Future[object]]:
    """The ended calls, which all wanted to write while another one did, in this order."""
    with ThreadPoolExecutor(len(calls)) as threads, database.writing():
        return list(started_in_order(database, threads, calls))


def started_in_order(
    database: Database, threads: ThreadPoolExecutor, calls: tuple[Callable[[], object], ...]
) -> Iterator[Future[object]]:
    for number, call in enumerate(calls, start=1):
        yield threads.submit(call)
        waiting = database._write_queue._waiting
        eventually(lambda: len(waiting) == number, timeout=LONG, interval=0.001)  # noqa: B023  called at once


@contextmanager
def traced(database: Database) -> Iterator[list[str]]:
    """The names of the statements that the connection of writers executes."""
    seen: list[str] = []
    with database.writing() as connection:
        pass
    connection.set_trace_callback(lambda statement: seen.append(statement.split()[0]))
    try:
        yield seen
    finally:
        connection.set_trace_callback(None)


def error_of(future: Future[object]) -> str:
    error = future.exception()
    assert error
    return f"{type(error).__name__}: {error}"


def test_writers_that_wait_are_committed_together(database: Database) -> None:
    with traced(database) as statements:
        done = at_once(database, *(partial(write, database, name) for name in "abc"))

    assert [each.result() for each in done] == ["a", "b", "c"]
    assert written(database) == set("abc")
    assert statements.count("COMMIT") == 2  # of the one that they waited for, and theirs
    assert statements.count("SAVEPOINT") == 2


def test_a_writer_without_others_needs_no_savepoint(database: Database) -> None:
    with traced(database) as statements:
        write(database, "a")
    assert statements == ["BEGIN", "INSERT", "COMMIT"]


def test_nobody_returns_and_nothing_is_visible_before_the_commit(database: Database) -> None:
    begun, over = Event(), Event()

    def last() -> None:
        with database.writing(shared=True) as connection:
            connection.execute("INSERT INTO counters VALUES ('c', 1)")
            begun.set()
            assert over.wait(LONG)

    def fail() -> None:
        write_and_fail(database, "b", AlreadyRated())

    with ThreadPoolExecutor(3) as threads:
        with database.writing():
            calls = (partial(write, database, "a"), fail, last)
            first, failed, _ = started_in_order(database, threads, calls)
        assert begun.wait(LONG)
        assert not first.done()
        assert not failed.done()
        assert written(database) == set()
        over.set()
    assert written(database) == {"a", "c"}
    assert isinstance(failed.exception(), AlreadyRated)


@pytest.mark.parametrize("place", range(3))
def test_an_exception_undoes_the_changes_of_its_own_writer_only(database: Database, place: int) -> None:
    calls: list[Callable[[], object]] = [partial(write, database, name) for name in "abc"]
    calls[place] = partial(write_and_fail, database, "abc"[place], ZeroDivisionError())

    done = at_once(database, *calls)

    assert written(database) == set("abc") - {"abc"[place]}
    assert [type(each.exception()) for each in done].count(ZeroDivisionError) == 1


class WithoutCommit(sqlite3.Connection):
    """A connection that commits no shared transaction."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql.startswith("SAVEPOINT"):
            self.shared = True
        elif sql == "COMMIT" and getattr(self, "shared", False):
            self.shared = False
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)  # type: ignore[arg-type]


class WithoutSavepoints(sqlite3.Connection):
    """A connection that cannot return to a savepoint."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql.startswith("ROLLBACK TO"):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)  # type: ignore[arg-type]


def connected_by(
    factory: type[sqlite3.Connection], store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """The database of a store, which opens other connections from now on."""
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=factory))
    store.close()
    return store.database


def test_a_failed_commit_fails_every_writer_also_one_that_has_failed_itself(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own error may be about what another one has changed, which is not there."""
    database = connected_by(WithoutCommit, store, monkeypatch)

    done = at_once(
        database,
        partial(write, database, "a"),
        partial(write_and_fail, database, "b", AlreadyRated()),
        partial(write, database, "c"),
    )

    assert all(
        error_of(each).startswith("StorageUnavailable") and "disk I/O error" in error_of(each)
        for each in done
    )
    assert written(database) == set()
    write(database, "d")
    assert written(database) == {"d"}


@pytest.mark.parametrize("place", range(3))
def test_all_before_it_fail_if_sqlite_rolls_back_the_whole_transaction(
    database: Database, place: int
) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    calls: list[Callable[[], object]] = [partial(write, database, name) for name in "abc"]
    calls[place] = partial(write_and_fail, database, "abc"[place], full, rolled_back=True)

    done = at_once(database, *calls)

    assert all("disk is full" in error_of(each) for each in done[: place + 1])
    assert all(each.exception() is None for each in done[place + 1 :])
    assert written(database) == set("abc"[place + 1 :])


def test_all_before_it_fail_if_the_changes_of_a_writer_cannot_be_undone(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = connected_by(WithoutSavepoints, store, monkeypatch)

    done = at_once(
        database,
        partial(write, database, "a"),
        partial(write_and_fail, database, "b", ZeroDivisionError()),
        partial(write, database, "c"),
    )

    assert "disk I/O error" in error_of(done[0])
    assert "disk I/O error" in error_of(done[1])
    assert done[2].result() == "c"
    assert written(database) == {"c"}


def test_a_transaction_that_is_not_shared_is_committed_alone(database: Database) -> None:
    with traced(database) as statements:
        at_once(
            database,
            partial(write, database, "a"),
            partial(write, database, "b", shared=False),
            partial(write, database, "c"),
        )
    assert statements.count("COMMIT") == 4
    assert "SAVEPOINT" not in statements
    assert written(database) == set("abc")


@pytest.mark.parametrize(("name", "bound", "commits"), [("MAX_MEMBERS", 2, 3), ("MAX_AGE", 0.0, 5)])
def test_transactions_are_shared_by_a_bounded_number_for_a_bounded_time(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str, bound: float, commits: int
) -> None:
    monkeypatch.setattr(databases, name, bound)
    with traced(database) as statements:
        at_once(database, *(partial(write, database, name) for name in "abcd"))
    assert statements.count("COMMIT") == commits
    assert written(database) == set("abcd")


def test_a_writer_that_finds_the_store_locked_fails_alone(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WRITE_TIMEOUT", "MIN_TIMEOUT"):
        monkeypatch.setattr(databases, name, 0.0)
    database = store.database
    assert database._path
    with closing(sqlite3.connect(database._path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="locked"):
            write(database, "a")
        other.execute("ROLLBACK")
    assert write(database, "b") == "b"


def test_numbers_of_changes_and_tallies_are_exact_within_a_shared_transaction(store: SqliteStore) -> None:
    user = add_user(store).id
    movies = [movie.id for movie in add_movies(store, [facts(number) for number in range(1, 6)])]

    done = at_once(
        store.database,
        *(partial(store.ratings.add, new_rating(user, movie)) for movie in (*movies, movies[0])),
    )

    assert isinstance(done[-1].exception(), AlreadyRated)
    batch = store.changes.since(user, 0, 10)
    assert [change.number for change in batch.changes] == [1, 2, 3, 4, 5]
    assert store.ratings.drifts() == []


def test_readers_of_a_database_in_memory_see_no_change_that_may_be_undone() -> None:
    store = SqliteStore(path=None, clock=noon)
    store.prepare()
    with traced(store.database) as statements, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(partial(write, store.database), "abcdefgh")) == list("abcdefgh")
    assert statements.count("COMMIT") == 8
    store.close()


# The queue.


def test_a_turn_that_does_not_come_in_time_is_given_to_nobody() -> None:
    queue: WriteQueue[str] = WriteQueue()
    assert queue.enter(LONG, shares=True)
    assert queue.enter(0, shares=True) is None
    assert not queue.pass_on("a transaction")
    queue.leave()
    assert queue.enter(0, shares=True)


def test_a_turn_that_comes_when_the_time_is_over_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    queue: WriteQueue[str] = WriteQueue()

    @contextmanager
    def late() -> Iterator[None]:
        yield
        assert queue.pass_on("a transaction")

    assert queue.enter(LONG, shares=True)
    monkeypatch.setattr(pool_thread, "waiting", late)
    turn = queue.enter(0, shares=True)
    assert turn
    assert turn.given == "a transaction"
