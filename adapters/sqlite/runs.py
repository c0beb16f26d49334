"""Sync runs and locks of the embedded store."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.sqlite.database import Database
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import insert, moment, run_of, run_row
from adapters.sqlite.source import source_of
from domain.ids import RunId
from domain.pagination import Cursor
from domain.ports import Clock
from domain.sync import Entity, RunClosed, RunNotFound, Status, SyncRun, SyncRunning, admit

LATEST_FIRST = Keyset(
    table="synclogs",
    index="synclogs_by_started_at",
    column="started_at",
    condition="started_at > ''",
    descending=True,
    ids_descending=True,
)


def advance(connection: sqlite3.Connection, run: SyncRun) -> None:
    """Replace a run's record within a transaction. Raises RunClosed if it is not in progress in the store."""
    row = run_row(run)
    columns = ", ".join(f"{name} = :{name}" for name in row)
    updated = connection.execute(
        f"UPDATE synclogs SET {columns} WHERE id = :id AND status = :open",
        {**row, "open": Status.IN_PROGRESS},
    )
    if not updated.rowcount:
        raise RunClosed(run.id)


@dataclass(frozen=True, slots=True)
class SqliteSyncRunRepository:
    """SyncRunRepository over SQLite."""

    database: Database

    def add(self, run: SyncRun) -> None:
        row = run_row(run)
        with self.database.writing() as connection:
            admit(source_of(connection), run.source)
            try:
                connection.execute(insert("synclogs", row), row)
            except sqlite3.IntegrityError as error:
                raise SyncRunning(run.entity) from error

    def save(self, run: SyncRun) -> None:
        with self.database.writing() as connection:
            if run.running:
                admit(source_of(connection), run.source)
            advance(connection, run)

    def cancel(self, run: RunId, at: datetime) -> SyncRun:
        with self.database.writing() as connection:
            row = connection.execute("SELECT * FROM synclogs WHERE id = ?", (run,)).fetchone()
            if row is None:
                raise RunNotFound(run)
            cancelled = run_of(row).cancelled(at)
            advance(connection, cancelled)
        return cancelled

    def get(self, run: RunId) -> SyncRun:
        found = self._runs("WHERE id = ?", run)
        if not found:
            raise RunNotFound(run)
        return found[0]

    def latest(self, entity: Entity, *, completed: bool = False) -> SyncRun | None:
        condition = " AND complete = 1" if completed else ""
        found = self._runs(
            f"WHERE entity = ?{condition} ORDER BY started_at DESC, rowid DESC LIMIT 1", entity
        )
        return found[0] if found else None

    def recent(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[SyncRun]:
        with self.database.reading() as connection:
            rows = LATEST_FIRST.rows(connection, (), limit=limit, skip=skip, after=after)
        return [run_of(row) for row in rows]

    def count(self) -> int:
        with self.database.reading() as connection:
            (total,) = connection.execute("SELECT count(*) FROM synclogs").fetchone()
        return int(total)

    def _runs(self, clauses: str, *values: str | int) -> list[SyncRun]:
        with self.database.reading() as connection:
            return [run_of(row) for row in connection.execute(f"SELECT * FROM synclogs {clauses}", values)]


@dataclass(frozen=True, slots=True)
class SqliteLocks:
    """Locks over SQLite. All processes are on one host and share its clock."""

    database: Database
    clock: Clock

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        now = self.clock()
        with self.database.writing() as connection:
            row = connection.execute(
                "SELECT holder, expires_at FROM locks WHERE name = ?", (name,)
            ).fetchone()
            if row and row["holder"] != holder and datetime.fromisoformat(row["expires_at"]) > now:
                return datetime.fromisoformat(row["expires_at"])
            connection.execute(
                "INSERT OR REPLACE INTO locks VALUES (?, ?, ?)", (name, holder, moment(now + ttl))
            )
        return None

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        expires_at = moment(self.clock() + ttl)
        with self.database.writing() as connection:
            updated = connection.execute(
                "UPDATE locks SET expires_at = ? WHERE name = ? AND holder = ?", (expires_at, name, holder)
            )
        return updated.rowcount > 0

    def transfer(self, name: str, holder: str, to: str, ttl: timedelta) -> bool:
        expires_at = moment(self.clock() + ttl)
        with self.database.writing() as connection:
            updated = connection.execute(
                "UPDATE locks SET holder = ?, expires_at = ? WHERE name = ? AND holder = ?",
                (to, expires_at, name, holder),
            )
        return updated.rowcount > 0

    def release(self, name: str, holder: str) -> None:
        with self.database.writing() as connection:
            connection.execute("DELETE FROM locks WHERE name = ? AND holder = ?", (name, holder))
