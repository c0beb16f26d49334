"""The sessions of the distributed store."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from adapters.mongo.database import Database
from adapters.mongo.documents import LOCK, own_id, session_document, session_of, user_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.schema import Document, Documents
from domain.ids import SessionId, UserId
from domain.pagination import Cursor
from domain.sessions import Session, SessionNotFound
from domain.users import Caller

NEWEST_FIRST = Keyset(field="createdAt", index="by_created_at", descending=True)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MongoSessionRepository:
    """SessionRepository over MongoDB."""

    database: Database

    def add(self, session: Session, *, verified: str, renewed: str | None = None) -> bool:
        return self.database.transaction(
            lambda database: _add_session(database, session, verified, renewed), {session.user}
        )

    def caller(self, session: SessionId, at: datetime) -> Caller | None:
        with self.database.using() as database:
            valid = {"_id": own_id(session), "expiresAt": {"$gt": at}}
            owner = database.sessions.find_one(valid, {"userId": True})
            found = database.users.find_one({"_id": owner["userId"], "disabled": False}) if owner else None
        return Caller(user=user_of(found), session=session) if found else None

    def change(self, session: SessionId, change: Callable[[Session], tuple[Session | None, T]]) -> T | None:
        with self.database.using() as database:
            if database.sessions.find_one({"_id": own_id(session)}, {"_id": True}) is None:
                return None  # without a transaction
        return self.database.transaction(
            lambda database: _change_session(database, session, change), {session}
        )

    def remove(self, session: SessionId) -> None:
        with self.database.using() as database:
            database.sessions.delete_one({"_id": own_id(session)})

    def remove_of(self, user: UserId, session: SessionId) -> None:
        with self.database.using() as database:
            removed = database.sessions.delete_one({"_id": own_id(session), "userId": own_id(user)})
        if not removed.deleted_count:
            raise SessionNotFound

    def remove_others(self, user: UserId, keeping: SessionId) -> None:
        with self.database.using() as database:
            database.sessions.delete_many(all_except(user, keeping))

    def of_user(
        self, user: UserId, at: datetime, limit: int, skip: int = 0, *, after: Cursor | None = None
    ) -> list[Session]:
        with self.database.using() as database:
            found = NEWEST_FIRST.documents(
                database.sessions, _valid(user, at), limit=limit, skip=skip, after=after
            )
        return list(map(session_of, found))

    def count(self, user: UserId, at: datetime) -> int:
        with self.database.using() as database:
            return database.sessions.count_documents(_valid(user, at), hint=NEWEST_FIRST.index)

    def active_users(self, at: datetime) -> int:
        with self.database.using() as database:
            valid = {"$match": {"expiresAt": {"$gt": at}}}
            stages: list[Document] = [valid, {"$group": {"_id": "$userId"}}, {"$count": "number"}]
            return next((int(found["number"]) for found in database.sessions.aggregate(stages)), 0)

    def remove_expired(self, at: datetime) -> int:
        with self.database.using() as database:
            return database.sessions.delete_many({"expiresAt": {"$lte": at}}).deleted_count


def all_except(user: UserId, keeping: SessionId) -> Document:
    """A filter of a user's sessions that selects all but one."""
    return {"userId": own_id(user), "_id": {"$ne": own_id(keeping)}}


def _valid(user: UserId, at: datetime) -> Document:
    return {"userId": own_id(user), "expiresAt": {"$gt": at}}


def _add_session(database: Documents, session: Session, verified: str, renewed: str | None) -> bool:
    """Store a session if its user is enabled and has the verified password hash; return whether it was.

    The write to the account conflicts with concurrent changes of it.
    """
    verified_user = {"_id": own_id(session.user), "password": verified, "disabled": False}
    update = LOCK | {"$set": {"password": renewed or verified}}
    if not database.users.update_one(verified_user, update).matched_count:
        return False
    database.sessions.insert_one(session_document(session))
    return True


def _change_session(
    database: Documents, session: SessionId, change: Callable[[Session], tuple[Session | None, T]]
) -> T | None:
    stored = {"_id": own_id(session)}
    found = database.sessions.find_one(stored)
    if found is None:
        return None
    before = session_of(found)
    after, result = change(before)
    if after is None:
        database.sessions.delete_one(stored)
    elif after != before:
        database.sessions.replace_one(stored, session_document(after))
    return result
