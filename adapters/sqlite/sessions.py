"""The sessions of the embedded store."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from adapters.sqlite.database import Database
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import insert, moment, session_of, session_row, update, user_of
from domain.ids import SessionId, UserId
from domain.pagination import Cursor
from domain.sessions import Session, SessionNotFound
from domain.users import Caller

NEWEST_FIRST = Keyset(
    table="sessions",
    index="sessions_by_created_at",
    column="created_at",
    condition="user = ? AND expires_at > ?",
    descending=True,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqliteSessionRepository:
    """SessionRepository over SQLite."""

    database: Database

    def add(self, session: Session, *, verified: str, renewed: str | None = None) -> bool:
        row = session_row(session)
        with self.database.writing() as connection:
            verified_users = connection.execute(
                "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ? AND NOT disabled",
                (renewed or verified, session.user, verified),
            )
            if verified_users.rowcount:
                connection.execute(insert("sessions", row), row)
        return verified_users.rowcount > 0

    def caller(self, session: SessionId, at: datetime) -> Caller | None:
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT users.* FROM sessions CROSS JOIN users ON users.id = sessions.user"
                " WHERE sessions.id = ? AND sessions.expires_at > ? AND NOT users.disabled",
                (session, moment(at)),
            ).fetchone()
        return Caller(user=user_of(row), session=session) if row else None

    def change(self, session: SessionId, change: Callable[[Session], tuple[Session | None, T]]) -> T | None:
        with self.database.reading() as connection:
            if _session(connection, session) is None:
                return None  # without waiting for other writers
        with self.database.writing() as connection:
            before = _session(connection, session)
            if before is None:
                return None
            after, result = change(before)
            if after is None:
                connection.execute("DELETE FROM sessions WHERE id = ?", (session,))
            elif after != before:
                row = session_row(after)
                connection.execute(update("sessions", row), row)
        return result

    def remove(self, session: SessionId) -> None:
        with self.database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", (session,))

    def remove_of(self, user: UserId, session: SessionId) -> None:
        with self.database.writing() as connection:
            removed = connection.execute("DELETE FROM sessions WHERE id = ? AND user = ?", (session, user))
        if not removed.rowcount:
            raise SessionNotFound

    def remove_others(self, user: UserId, keeping: SessionId) -> None:
        with self.database.writing() as connection:
            remove_sessions(connection, user, keeping)

    def of_user(
        self, user: UserId, at: datetime, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Session]:
        with self.database.reading() as connection:
            valid = (user, moment(at))
            rows = NEWEST_FIRST.rows(connection, valid, limit=limit, skip=skip, after=after)
        return [session_of(row) for row in rows]

    def count(self, user: UserId, at: datetime) -> int:
        with self.database.reading() as connection:
            return NEWEST_FIRST.count(connection, (user, moment(at)))

    def active_users(self, at: datetime) -> int:
        with self.database.reading() as connection:
            (number,) = connection.execute(
                "SELECT count(DISTINCT user) FROM sessions WHERE expires_at > ?", (moment(at),)
            ).fetchone()
        return int(number)

    def remove_expired(self, at: datetime) -> int:
        with self.database.writing() as connection:
            removed = connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (moment(at),))
        return removed.rowcount


def remove_sessions(connection: sqlite3.Connection, user: UserId, except_for: SessionId | None) -> None:
    """Delete a user's sessions, all or all but one, within a transaction."""
    connection.execute("DELETE FROM sessions WHERE user = ? AND id IS NOT ?", (user, except_for))


def _session(connection: sqlite3.Connection, session: SessionId) -> Session | None:
    row = connection.execute("SELECT * FROM sessions WHERE id = ?", (session,)).fetchone()
    return session_of(row) if row else None
