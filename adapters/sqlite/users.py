"""The accounts of the embedded store."""

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from adapters.sqlite.api_tokens import end_api_tokens
from adapters.sqlite.changes import forget_removals
from adapters.sqlite.database import MAX_VALUES, Database, placeholders
from adapters.sqlite.imports import remove_imports
from adapters.sqlite.invitations import redeem
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.ratings import remove_ratings
from adapters.sqlite.rows import insert, update, user_of, user_row
from adapters.sqlite.sessions import remove_sessions
from domain.emails import folded
from domain.ids import SessionId, UserId
from domain.pagination import Cursor
from domain.users import (
    LastAdmin,
    User,
    UserNotFound,
    taken,
)

OLDEST_FIRST = Keyset(
    table="users", index="users_by_created_at", column="created_at", condition="created_at > ''"
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqliteUserRepository:
    """UserRepository over SQLite."""

    database: Database

    def add(self, user: User, *, invitation: str | None = None) -> None:
        row = user_row(user)
        with self.database.writing() as connection:
            if invitation is not None:
                redeem(connection, invitation, user.created_at)
            _check_unique(connection, user)
            connection.execute(insert("users", row), row)
            connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'users'")

    def get(self, user: UserId) -> User:
        with self.database.reading() as connection:
            return _get(connection, user)

    def by_email(self, email: str) -> User | None:
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM users WHERE folded_email = ?", (folded(email),)
            ).fetchone()
        return user_of(row) if row else None

    def by_ids(self, users: Collection[UserId]) -> dict[UserId, User]:
        wanted, found = list(users), dict[UserId, User]()
        with self.database.reading() as connection:
            for start in range(0, len(wanted), MAX_VALUES):
                part = wanted[start : start + MAX_VALUES]
                rows = connection.execute(f"SELECT * FROM users WHERE id IN {placeholders(part)}", part)
                found |= {user.id: user for user in map(user_of, rows)}
        return found

    def change(
        self, user: UserId, change: Callable[[User], User], *, keeping: SessionId | None = None
    ) -> User:
        with self.database.writing() as connection:
            before = _get(connection, user)
            after = change(before)
            _refuse_last_admin(connection, before, after)
            _check_unique(connection, after)
            row = user_row(after)
            connection.execute(update("users", row), row)
            if after.disabled:
                _end_sessions(connection, user)
            elif after.password_hash != before.password_hash:
                _end_sessions(connection, user, keeping)
        return after

    def remove(self, user: UserId, *, verified: str | None = None) -> bool:
        with self.database.writing() as connection:
            stored = _get(connection, user)
            if verified not in {None, stored.password_hash}:
                return False
            _refuse_last_admin(connection, stored, None)
            remove_ratings(connection, user)
            forget_removals(connection, user)
            connection.execute("DELETE FROM idempotency_keys WHERE user = ?", (user,))
            connection.execute("DELETE FROM watchlists WHERE user = ?", (user,))
            connection.execute("DELETE FROM viewings WHERE user = ?", (user,))
            remove_imports(connection, user)
            connection.execute("DELETE FROM hidden_movies WHERE user = ?", (user,))
            _end_sessions(connection, user)
            connection.execute("DELETE FROM users WHERE id = ?", (user,))
            connection.execute("UPDATE counters SET value = value - 1 WHERE name = 'users'")
        return True

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[User]:
        with self.database.reading() as connection:
            rows = OLDEST_FIRST.rows(connection, (), limit=limit, skip=skip, after=after)
        return [user_of(row) for row in rows]

    def count(self) -> int:
        with self.database.reading() as connection:
            (count,) = connection.execute("SELECT value FROM counters WHERE name = 'users'").fetchone()
        return int(count)


def _get(connection: sqlite3.Connection, user: UserId) -> User:
    row = connection.execute("SELECT * FROM users WHERE id = ?", (user,)).fetchone()
    if row is None:
        raise UserNotFound
    return user_of(row)


def _end_sessions(connection: sqlite3.Connection, user: UserId, except_for: SessionId | None = None) -> None:
    """End a user's sessions, all or all but one, and all API tokens."""
    end_api_tokens(connection, user)
    remove_sessions(connection, user, except_for)


def _check_unique(connection: sqlite3.Connection, user: User) -> None:
    """Check within a write transaction that no other account has the same e-mail address or name.

    Raises EmailTaken, UsernameTaken or EmailAndUsernameTaken.
    """
    conflict = taken(
        email=_other_has(connection, "folded_email", user.folded_email, user.id),
        username=_other_has(connection, "folded_username", user.folded_username, user.id),
    )
    if conflict:
        raise conflict


def _other_has(connection: sqlite3.Connection, column: str, value: str, user: UserId) -> bool:
    statement = f"SELECT 1 FROM users WHERE {column} = ? AND id != ?"
    return connection.execute(statement, (value, user)).fetchone() is not None


def _refuse_last_admin(connection: sqlite3.Connection, before: User, after: User | None) -> None:
    """Raises LastAdmin if a change would leave no active admin. `after` is None for a deletion."""
    if not before.is_active_admin or (after and after.is_active_admin):
        return
    statement = "SELECT 1 FROM users WHERE is_active_admin = 1 AND id != ? LIMIT 1"
    if connection.execute(statement, (before.id,)).fetchone() is None:
        raise LastAdmin
