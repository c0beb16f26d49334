"""Sessions of an earlier version, which had one hash each, stay valid."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId

from adapters.mongo import database as mongo_database
from adapters.mongo.schema import MIGRATIONS
from adapters.mongo.store import MongoStore
from adapters.security.tokens import JwtAccessTokens, SignedRefreshTokens
from adapters.sqlite import schema
from adapters.sqlite.rows import insert, user_row
from adapters.sqlite.store import SqliteStore
from adapters.store import Store
from adapters.system import NoCache
from adapters.testkit.samples import add_user, duration, fresh_id, new_account, noon
from application.accounts import SessionIssuer
from domain.ids import SessionId
from domain.sessions import RefreshToken, Session
from domain.users import TokenExpired, TokenRejected, TokenRevoked, User

SECRET = b"a secret of more than thirty-two bytes for tests"
SESSION = SessionId("5" * 24)
TOKEN = f"{SESSION}.Zk3v0cXb5J1nQe8yZk3v0cXb5J1nQe8yZk3v0cXb5J1"
HASH = sha256(TOKEN.encode()).hexdigest()
GRACE = timedelta(seconds=10)
MOMENT = duration(0.001)


class Context:
    """A migrated store, and sessions by a clock that can be set."""

    def __init__(self, store: Store, user: User) -> None:
        self.store, self.user, self.at = store, user, noon(2)

    @property
    def sessions(self) -> SessionIssuer:
        return SessionIssuer(
            sessions=self.store.sessions,
            tokens=JwtAccessTokens(secret=SECRET, lifetime=timedelta(minutes=15), clock=lambda: self.at),
            refresh_tokens=SignedRefreshTokens(SECRET),
            invalidation=NoCache(),
            clock=lambda: self.at,
            new_id=fresh_id,
            refresh_ttl=timedelta(days=30),
            refresh_grace=GRACE,
        )


def refused(context: Context, refresh_token: str) -> type[Exception] | None:
    try:
        context.sessions.refresh(refresh_token)
    except TokenRejected as error:
        return type(error)
    return None


class Migrated:
    """The tests for each store."""

    def test_a_session_of_an_earlier_version_is_complete(self, context: Context) -> None:
        assert context.store.sessions.change(SESSION, lambda session: (session, session)) == Session(
            id=SESSION,
            user=context.user.id,
            tokens=(RefreshToken(hash=HASH, expires_at=noon(4)),),
            created_at=noon(1),
            expires_at=noon(4),
        )
        caller = context.store.sessions.caller(SESSION, context.at)
        assert caller is not None
        assert caller.user == context.user

    def test_its_refresh_token_is_valid_once_and_again_within_the_grace_period(
        self, context: Context
    ) -> None:
        first = context.sessions.refresh(TOKEN)
        context.at += GRACE - MOMENT
        second = context.sessions.refresh(TOKEN)
        context.at += MOMENT
        assert context.sessions.refresh(first.refresh_token).user == context.user
        assert context.sessions.refresh(second.refresh_token).user == context.user
        assert refused(context, TOKEN) is TokenRevoked
        assert refused(context, second.refresh_token) is TokenRevoked
        assert context.store.sessions.caller(SESSION, context.at) is None

    def test_a_forged_refresh_token_does_not_end_the_session(self, context: Context) -> None:
        for forged in (
            f"{SESSION}.garbage",
            TOKEN[:-1],
            f"{TOKEN}x",
            f"{'6' * 24}.{TOKEN.partition('.')[2]}",
        ):
            assert refused(context, forged) is TokenRejected
        assert context.sessions.refresh(TOKEN).user == context.user

    def test_its_expiry_is_unchanged(self, context: Context) -> None:
        context.at = noon(4)
        assert refused(context, TOKEN) is TokenExpired
        context.at = noon(4) - MOMENT
        assert context.sessions.refresh(TOKEN).user == context.user

    def test_preparing_again_keeps_exchanged_tokens(self, context: Context) -> None:
        first = context.sessions.refresh(TOKEN)
        context.store.prepare()
        assert context.sessions.refresh(first.refresh_token).user == context.user


class TestSqlite(Migrated):
    @pytest.fixture
    def context(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
        path = tmp_path / "matinee.db"
        store = SqliteStore(path=path, clock=noon)
        with monkeypatch.context() as patch:
            patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
            store.prepare()
        user = new_account()
        row = user_row(user)
        row["runs_the_place"] = row.pop("is_active_admin")
        del row["language"]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(insert("users", row), row)
            connection.execute("UPDATE counters SET value = 1 WHERE name = 'users'")
            connection.execute(
                "INSERT INTO sessions (id, user, refresh_hash, created_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (SESSION, user.id, HASH, "2026-01-01T12:00:00.345+00:00", "2026-01-04T12:00:00.345+00:00"),
            )
        store.prepare()
        yield Context(store, user)
        store.close()


class TestMongo(Migrated):
    @pytest.fixture
    def context(self, mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
        store = MongoStore(uri=mongo_uri, clock=noon)
        with monkeypatch.context() as patch:
            patch.setattr(mongo_database, "MIGRATIONS", MIGRATIONS[:1])
            store.prepare()
        user = add_user(store)
        with pymongo.MongoClient[Any](mongo_uri) as client:
            client.get_default_database().sessions.insert_one(
                {
                    "_id": ObjectId(SESSION),
                    "userId": ObjectId(user.id),
                    "refreshHash": HASH,
                    "createdAt": noon(1),
                    "expiresAt": noon(4),
                }
            )
        store.prepare()
        yield Context(store, user)
        store.close()
