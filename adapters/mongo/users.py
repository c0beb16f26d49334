"""The accounts and sessions of the distributed store, and what leaves with an account."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from adapters.mongo.database import Database, Document, Documents
from adapters.mongo.documents import (
    own_id,
    rating_of,
    session_document,
    tally_document,
    tally_of,
    user_document,
    user_of,
)
from adapters.mongo.keyset import Keyset
from domain.errors import Conflict
from domain.ids import SessionId, UserId
from domain.pagination import Cursor
from domain.ratings import Score, between
from domain.users import (
    Caller,
    EmailTaken,
    LastAdmin,
    Role,
    Session,
    User,
    UsernameTaken,
    UserNotFound,
    folded,
)

PATIENCE_TO_LEAVE = 20
"""Seconds that the deletion of an account may take, which changes every movie that the user has rated."""

ADMINS = "admins"
"""What calls are about that leave the place with one admin less."""

RELIED_ON = {"$inc": {"reliedOn": 1}}
"""Written to an account that a transaction needs as it is: of two such transactions, or one that changes the
account meanwhile, only one can be committed.
"""


BY_AGE = Keyset(field="createdAt", index="by_creation")


@dataclass(frozen=True, slots=True)
class MongoUserRepository:
    """UserRepository over MongoDB."""

    database: Database

    def add(self, user: User) -> None:
        with self.database.using() as database:
            try:
                database.users.insert_one(user_document(user))
            except DuplicateKeyError as error:
                raise _taken(error) from error

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

    def change(self, user: UserId, change: Callable[[User], User]) -> User:
        about = _about(self.get(user))
        return self.database.transaction(lambda database: _change(database, user, change), about)

    def remove(self, user: UserId) -> None:
        about = _about(self.get(user)) | self._movies_of(user)
        self.database.transaction(lambda database: _remove(database, user), about, PATIENCE_TO_LEAVE)

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

    def add(self, session: Session) -> None:
        with self.database.using() as database:
            database.sessions.insert_one(session_document(session))

    def caller(self, session: SessionId, at: datetime) -> Caller | None:
        with self.database.using() as database:
            alive = database.sessions.find_one(_alive(session, at), {"userId": True})
            enabled = {"_id": alive["userId"], "disabled": False} if alive else None
            found = database.users.find_one(enabled) if enabled else None
        return Caller(user=user_of(found), session=session) if found else None

    def rotate(
        self, session: SessionId, old_hash: str, new_hash: str, at: datetime, expires_at: datetime
    ) -> bool:
        wanted = _alive(session, at) | {"refreshHash": old_hash}
        rotated = {"$set": {"refreshHash": new_hash, "expiresAt": expires_at}}
        with self.database.using() as database:
            return database.sessions.update_one(wanted, rotated).matched_count > 0

    def remove(self, session: SessionId) -> None:
        with self.database.using() as database:
            database.sessions.delete_one({"_id": own_id(session)})

    def remove_others(self, user: UserId, but: SessionId | None = None) -> None:
        others = _of(user) | ({"_id": {"$ne": own_id(but)}} if but else {})
        with self.database.using() as database:
            database.sessions.delete_many(others)

    def active_users(self, at: datetime) -> int:
        with self.database.using() as database:
            alive = {"$match": {"expiresAt": {"$gt": at}}}
            steps: list[Document] = [alive, {"$group": {"_id": "$userId"}}, {"$count": "number"}]
            return next((int(found["number"]) for found in database.sessions.aggregate(steps)), 0)

    def remove_expired(self, at: datetime) -> int:
        with self.database.using() as database:
            return database.sessions.delete_many({"expiresAt": {"$lte": at}}).deleted_count


def rely_on(database: Documents, user: UserId) -> None:
    """See to it that the account is there until the transaction is committed. Raises UserNotFound."""
    if not database.users.update_one({"_id": own_id(user)}, RELIED_ON).matched_count:
        raise UserNotFound


def _change(database: Documents, user: UserId, change: Callable[[User], User]) -> User:
    before = _stored(database, user)
    after = change(before)
    if before.runs_the_place and not after.runs_the_place:
        _rely_on_another_admin(database, user)
    try:
        database.users.update_one({"_id": own_id(user)}, {"$set": user_document(after)})
    except DuplicateKeyError as error:
        raise _taken(error) from error
    if after.disabled and not before.disabled:
        database.sessions.delete_many(_of(user))
    return after


def _remove(database: Documents, user: UserId) -> None:
    if _stored(database, user).runs_the_place:
        _rely_on_another_admin(database, user)
    scores = {own_id(each.movie): each.score for each in map(rating_of, database.ratings.find(_of(user)))}
    listed = {document["movieId"] for document in database.watchlists.find(_of(user), {"movieId": True})}
    database.users.delete_one({"_id": own_id(user)})
    for collection in (database.sessions, database.ratings, database.watchlists):
        collection.delete_many(_of(user))
    steps = [*_tallies_without(database, scores), *_lists_without(listed)]
    if steps:
        database.movies.bulk_write(steps)


def _tallies_without(database: Documents, scores: Mapping[ObjectId | str, Score]) -> Iterable[UpdateOne]:
    rated = database.movies.find({"_id": {"$in": list(scores)}}, {"ratingsCounts": True})
    for movie in rated:
        tally = tally_of(movie) + between(scores[movie["_id"]], None)
        yield UpdateOne({"_id": movie["_id"]}, {"$set": tally_document(tally)})


def _lists_without(movies: Iterable[ObjectId]) -> Iterable[UpdateOne]:
    for movie in movies:
        yield UpdateOne({"_id": movie}, {"$inc": {"watchlistCount": -1}})


def _rely_on_another_admin(database: Documents, leaving: UserId) -> None:
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
    return {user.id, ADMINS} if user.runs_the_place else {user.id}


def _of(user: UserId) -> Document:
    return {"userId": own_id(user)}


def _alive(session: SessionId, at: datetime) -> Document:
    return {"_id": own_id(session), "expiresAt": {"$gt": at}}


def _taken(error: DuplicateKeyError) -> Conflict:
    return EmailTaken() if "emailFolded" in (error.details or {}).get("keyPattern", {}) else UsernameTaken()
