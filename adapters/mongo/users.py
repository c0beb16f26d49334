"""The accounts and sessions of the distributed store, and what leaves with an account."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from adapters.mongo.database import Database, Document, Documents
from adapters.mongo.documents import (
    own_id,
    rating_of,
    session_document,
    session_of,
    tally_document,
    tally_of,
    user_document,
    user_of,
)
from adapters.mongo.invitations import redeem
from adapters.mongo.keyset import Keyset
from domain.emails import folded
from domain.errors import Conflict
from domain.ids import SessionId, UserId
from domain.pagination import Cursor
from domain.ratings import Score, between
from domain.sessions import Session
from domain.users import (
    Caller,
    EmailTaken,
    LastAdmin,
    Role,
    User,
    UsernameTaken,
    UserNotFound,
    taken,
)

DELETION_TIMEOUT = 20
"""Seconds that the deletion of an account may take, which changes every movie that the user has rated."""

ADMINS = "admins"
"""What calls are about that leave the place with one admin less."""

RELIED_ON = {"$inc": {"reliedOn": 1}}
"""Written to an account that a transaction needs as it is: of two such transactions, or one that changes the
account meanwhile, only one can be committed.
"""

T = TypeVar("T")

BY_AGE = Keyset(field="createdAt", index="by_creation")


@dataclass(frozen=True, slots=True)
class MongoUserRepository:
    """UserRepository over MongoDB."""

    database: Database

    def add(self, user: User, *, invitation: str | None = None) -> None:
        if invitation is None:
            with self.database.using() as database:
                _add(database, user)
        else:
            self.database.transaction(lambda database: _add_invited(database, user, invitation), {invitation})

    def get(self, user: UserId) -> User:
        with self.database.using() as database:
            return _stored(database, user)

    def by_email(self, email: str) -> User | None:
        with self.database.using() as database:
            found = database.users.find_one({"emailFolded": folded(email)})
        return user_of(found) if found else None

    def by_ids(self, users: Collection[UserId]) -> dict[UserId, User]:
        wanted = {"_id": {"$in": [own_id(user) for user in users]}}
        with self.database.using() as database:
            return {user.id: user for user in map(user_of, database.users.find(wanted))}

    def change(
        self, user: UserId, change: Callable[[User], User], *, keeping: SessionId | None = None
    ) -> User:
        about = _about(self.get(user))
        return self.database.transaction(lambda database: _change(database, user, change, keeping), about)

    def remove(self, user: UserId, *, verified: str | None = None) -> bool:
        about = _about(self.get(user)) | self._movies_of(user)
        return self.database.transaction(
            lambda database: _remove(database, user, verified), about, DELETION_TIMEOUT
        )

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[User]:
        with self.database.using() as database:
            found = BY_AGE.documents(database.users, {}, limit=limit, skip=skip, after=after)
        return [user_of(document) for document in found]

    def count(self) -> int:
        with self.database.using() as database:
            return database.users.count_documents({}, hint="by_creation")

    def _movies_of(self, user: UserId) -> set[str]:
        """All movies that the user has rated or listed."""
        with self.database.using() as database:
            return {
                str(document["movieId"])
                for collection in (database.ratings, database.watchlists)
                for document in collection.find(_of(user), {"movieId": True}, hint="one_per_movie")
            }


@dataclass(frozen=True, slots=True)
class MongoSessionRepository:
    """SessionRepository over MongoDB."""

    database: Database

    def add(self, session: Session, *, verified: str, renewed: str | None = None) -> bool:
        return self.database.transaction(
            lambda database: _begin(database, session, verified, renewed), {session.user}
        )

    def caller(self, session: SessionId, at: datetime) -> Caller | None:
        with self.database.using() as database:
            alive = database.sessions.find_one(_alive(session, at), {"userId": True})
            enabled = {"_id": alive["userId"], "disabled": False} if alive else None
            found = database.users.find_one(enabled) if enabled else None
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

    def active_users(self, at: datetime) -> int:
        with self.database.using() as database:
            alive = {"$match": {"expiresAt": {"$gt": at}}}
            steps: list[Document] = [alive, {"$group": {"_id": "$userId"}}, {"$count": "number"}]
            return next((int(found["number"]) for found in database.sessions.aggregate(steps)), 0)

    def remove_expired(self, at: datetime) -> int:
        with self.database.using() as database:
            return database.sessions.delete_many({"expiresAt": {"$lte": at}}).deleted_count


def require_user(database: Documents, user: UserId) -> None:
    """See to it that the account is there until the transaction is committed. Raises UserNotFound."""
    if not database.users.update_one({"_id": own_id(user)}, RELIED_ON).matched_count:
        raise UserNotFound


def _add(database: Documents, user: User) -> None:
    try:
        database.users.insert_one(user_document(user))
    except DuplicateKeyError as error:
        raise _claimed(database, user) or _taken(error) from error


def _add_invited(database: Documents, user: User, invitation: str) -> None:
    """The same in a transaction, which a duplicate key ends: so names are looked up first."""
    redeem(database, invitation, user.created_at)
    if conflict := _claimed(database, user):
        raise conflict
    try:
        database.users.insert_one(user_document(user))
    except DuplicateKeyError as error:
        raise _taken(error) from error


def _begin(database: Documents, session: Session, verified: str, renewed: str | None) -> bool:
    """Store a session, if its user is as it was verified: who changes that meanwhile is in our way."""
    as_verified = {"_id": own_id(session.user), "password": verified, "disabled": False}
    relied_on = RELIED_ON | {"$set": {"password": renewed or verified}}
    if not database.users.update_one(as_verified, relied_on).matched_count:
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
    after, answer = change(before)
    if after is None:
        database.sessions.delete_one(stored)
    elif after != before:
        database.sessions.replace_one(stored, session_document(after))
    return answer


def _change(
    database: Documents, user: UserId, change: Callable[[User], User], keeping: SessionId | None
) -> User:
    before = _stored(database, user)
    after = change(before)
    if conflict := _claimed(database, after):
        raise conflict
    if before.is_active_admin and not after.is_active_admin:
        _require_another_admin(database, user)
    try:
        database.users.update_one({"_id": own_id(user)}, {"$set": user_document(after)})
    except DuplicateKeyError as error:
        raise _taken(error) from error
    if after.disabled:
        database.sessions.delete_many(_of(user))
    elif after.password_hash != before.password_hash:
        database.sessions.delete_many(_of(user) | ({"_id": {"$ne": own_id(keeping)}} if keeping else {}))
    return after


def _remove(database: Documents, user: UserId, verified: str | None) -> bool:
    stored = _stored(database, user)
    if verified not in {None, stored.password_hash}:
        return False
    if stored.is_active_admin:
        _require_another_admin(database, user)
    scores = {own_id(each.movie): each.score for each in map(rating_of, database.ratings.find(_of(user)))}
    listed = {document["movieId"] for document in database.watchlists.find(_of(user), {"movieId": True})}
    database.users.delete_one({"_id": own_id(user)})
    for collection in (database.sessions, database.ratings, database.watchlists):
        collection.delete_many(_of(user))
    steps = [*_tallies_without(database, scores), *_lists_without(listed)]
    if steps:
        database.movies.bulk_write(steps)
    return True


def _tallies_without(database: Documents, scores: Mapping[ObjectId | str, Score]) -> Iterable[UpdateOne]:
    rated = database.movies.find({"_id": {"$in": list(scores)}}, {"ratingsCounts": True})
    for movie in rated:
        tally = tally_of(movie) + between(scores[movie["_id"]], None)
        yield UpdateOne({"_id": movie["_id"]}, {"$set": tally_document(tally)})


def _lists_without(movies: Iterable[ObjectId]) -> Iterable[UpdateOne]:
    for movie in movies:
        yield UpdateOne({"_id": movie}, {"$inc": {"watchlistCount": -1}})


def _require_another_admin(database: Documents, leaving: UserId) -> None:
    others = {"role": Role.ADMIN, "disabled": False, "_id": {"$ne": own_id(leaving)}}
    if not database.users.update_one(others, RELIED_ON, hint="admins").matched_count:
        raise LastAdmin


def _stored(database: Documents, user: UserId) -> User:
    found = database.users.find_one({"_id": own_id(user)})
    if found is None:
        raise UserNotFound
    return user_of(found)


def _about(user: User) -> set[str]:
    """What takes turns while an account is changed. An admin's may be the last."""
    return {user.id, ADMINS} if user.is_active_admin else {user.id}


def _of(user: UserId) -> Document:
    return {"userId": own_id(user)}


def _alive(session: SessionId, at: datetime) -> Document:
    return {"_id": own_id(session), "expiresAt": {"$gt": at}}


def _claimed(database: Documents, user: User) -> Conflict | None:
    """The error if others have the user's address, name, or both, at this moment."""
    mine = {"emailFolded": user.folded_email, "usernameFolded": user.folded_username}
    email, username = (
        database.users.find_one({field: value, "_id": {"$ne": own_id(user.id)}}, {"_id": True}) is not None
        for field, value in mine.items()
    )
    return taken(email=email, username=username)


def _taken(error: DuplicateKeyError) -> Conflict:
    """The error for one who came first a moment ago: the index tells of one field only."""
    return EmailTaken() if "emailFolded" in (error.details or {}).get("keyPattern", {}) else UsernameTaken()
