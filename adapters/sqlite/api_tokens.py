"""The API tokens of the embedded store."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from adapters.sqlite.database import Database
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import Cell, insert, moment, user_of
from domain.api_tokens import MAX_API_TOKENS, ApiToken, ApiTokenNotFound, Scope, TooManyApiTokens
from domain.ids import ApiTokenId, SessionId, UserId
from domain.pagination import Cursor
from domain.users import Caller

NEWEST_FIRST = Keyset(
    table="api_tokens",
    index="api_tokens_by_created_at",
    column="created_at",
    condition="user = ?",
    descending=True,
)

COLUMNS = ("id", "user", "name", "scope", "token_hash", "created_at", "expires_at")


@dataclass(frozen=True, slots=True)
class SqliteApiTokenRepository:
    """ApiTokenRepository over SQLite."""

    database: Database

    def add(self, token: ApiToken, *, session: SessionId) -> bool:
        row = _row(token)
        with self.database.writing() as connection:
            owned = "SELECT 1 FROM sessions WHERE id = ? AND user = ?"
            if connection.execute(owned, (session, token.user)).fetchone() is None:
                return False
            if NEWEST_FIRST.count(connection, (token.user,)) >= MAX_API_TOKENS:
                raise TooManyApiTokens
            connection.execute(insert("api_tokens", row), row)
        return True

    def caller(self, token_hash: str) -> Caller | None:
        columns = ", ".join(f"api_tokens.{name} AS token_{name}" for name in COLUMNS)
        with self.database.reading() as connection:
            row = connection.execute(
                f"SELECT users.*, {columns} FROM api_tokens CROSS JOIN users ON users.id = api_tokens.user"
                " WHERE api_tokens.token_hash = ? AND NOT users.disabled",
                (token_hash,),
            ).fetchone()
        return Caller(user=user_of(row), api_token=_token(row, "token_")) if row else None

    def remove(self, token: ApiTokenId, user: UserId) -> None:
        with self.database.writing() as connection:
            removed = connection.execute("DELETE FROM api_tokens WHERE id = ? AND user = ?", (token, user))
        if not removed.rowcount:
            raise ApiTokenNotFound

    def of_user(
        self, user: UserId, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[ApiToken]:
        with self.database.reading() as connection:
            rows = NEWEST_FIRST.rows(connection, (user,), limit=limit, skip=skip, after=after)
        return [_token(row) for row in rows]

    def count(self, user: UserId) -> int:
        with self.database.reading() as connection:
            return NEWEST_FIRST.count(connection, (user,))


def end_api_tokens(connection: sqlite3.Connection, user: UserId) -> None:
    """Delete all tokens of a user, within a transaction."""
    connection.execute("DELETE FROM api_tokens WHERE user = ?", (user,))


def _row(token: ApiToken) -> dict[str, Cell]:
    return {
        "id": token.id,
        "user": token.user,
        "name": token.name,
        "scope": token.scope,
        "token_hash": token.token_hash,
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at) if token.expires_at else None,
    }


def _token(row: sqlite3.Row, prefix: str = "") -> ApiToken:
    """The token in the columns whose names begin with a prefix."""
    values = {name: row[f"{prefix}{name}"] for name in COLUMNS}
    return ApiToken(
        id=ApiTokenId(values["id"]),
        user=UserId(values["user"]),
        name=values["name"],
        scope=Scope(values["scope"]),
        token_hash=values["token_hash"],
        created_at=datetime.fromisoformat(values["created_at"]),
        expires_at=datetime.fromisoformat(values["expires_at"]) if values["expires_at"] else None,
    )
