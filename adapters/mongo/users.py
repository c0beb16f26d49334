"""The accounts of the distributed store, and the deletion of an account's data."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from adapters.mongo.database import Database
from adapters.mongo.documents import (
    LOCK,
    own_id,
    rating_of,
    tally_document,
    tally_of,
    user_document,
    user_of,
)
from adapters.mongo.invitations import redeem
from adapters.mongo.keyset import Keyset
from adapters.mongo.rating_changes import record_changes
from adapters.mongo.schema import Document, Documents
from adapters.mongo.sessions import all_except
from domain.emails import folded
from domain.errors import Conflict
from domain.ids import SessionId, UserId
from domain.pagination import Cursor
from domain.ratings import Score, between
from domain.users import (
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
"""The lock name of transactions that may reduce the number of active admins."""

OLDEST_FIRST = Keyset(field="createdAt", index="by_created_at")


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
            return _get(database, user)

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
        lock_names = _lock_names(self.get(user))
        return self.database.transaction(
            lambda database: _change(database, user, change, keeping), lock_names
        )

    def remove(self, user: UserId, *, verified: str | None = None) -> bool:
        lock_names = _lock_names(self.get(user)) | self._movies_of(user)
        return self.database.transaction(
            lambda database: _remove(database, user, verified), lock_names, DELETION_TIMEOUT
        )

    def page(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[User]:
        with self.database.using() as database:
            found = OLDEST_FIRST.documents(database.users, {}, limit=limit, skip=skip, after=after)
        return [user_of(document) for document in found]

    def count(self) -> int:
        with self.database.using() as database:
            return database.users.count_documents({}, hint="by_created_at")

    def _movies_of(self, user: UserId) -> set[str]:
        """The ids of all movies that the user has rated, listed or seen."""
        with self.database.using() as database:
            return {
                str(document["movieId"])
                for collection, index in (
                    (database.ratings, "one_per_movie"),
                    (database.watchlists, "one_per_movie"),
                    (database.viewings, "by_movie"),
                )
                for document in collection.find(_of(user), {"movieId": True}, hint=index)
            }


def require_user(database: Documents, user: UserId) -> None:
    """Lock an account until the end of the transaction. Raises UserNotFound."""
    if not database.users.update_one({"_id": own_id(user)}, LOCK).matched_count:
        raise UserNotFound


def _add(database: Documents, user: User) -> None:
    try:
        database.users.insert_one(user_document(user))
    except DuplicateKeyError as error:
        raise _conflict(database, user) or _conflict_of(error) from error


def _add_invited(database: Documents, user: User, invitation: str) -> None:
    """Add an account within a transaction.

    A duplicate key ends the transaction, so names are looked up first.
    """
    redeem(database, invitation, user.created_at)
    if conflict := _conflict(database, user):
        raise conflict
    try:
        database.users.insert_one(user_document(user))
    except DuplicateKeyError as error:
        raise _conflict_of(error) from error


def _change(
    database: Documents, user: UserId, change: Callable[[User], User], keeping: SessionId | None
) -> User:
    before = _get(database, user)
    after = change(before)
    if conflict := _conflict(database, after):
        raise conflict
    if before.is_active_admin and not after.is_active_admin:
        _require_another_admin(database, user)
    try:
        database.users.update_one({"_id": own_id(user)}, {"$set": user_document(after)})
    except DuplicateKeyError as error:
        raise _conflict_of(error) from error
    if after.disabled:
        database.sessions.delete_many(_of(user))
        database.api_tokens.delete_many(_of(user))
    elif after.password_hash != before.password_hash:
        database.sessions.delete_many(all_except(user, keeping) if keeping else _of(user))
        database.api_tokens.delete_many(_of(user))
    return after


def _remove(database: Documents, user: UserId, verified: str | None) -> bool:
    stored = _get(database, user)
    if verified not in {None, stored.password_hash}:
        return False
    if stored.is_active_admin:
        _require_another_admin(database, user)
    scores = {own_id(each.movie): each.score for each in map(rating_of, database.ratings.find(_of(user)))}
    counts = {
        field: Counter(document["movieId"] for document in collection.find(_of(user), {"movieId": True}))
        for field, collection in (
            ("watchlistCount", database.watchlists),
            ("viewingsCount", database.viewings),
        )
    }
    database.users.delete_one({"_id": own_id(user)})
    for collection in (
        database.sessions,
        database.api_tokens,
        database.ratings,
        database.watchlists,
        database.viewings,
        database.hidden_movies,
        database.removals,
        database.idempotency_keys,
    ):
        collection.delete_many(_of(user))
    imported = [each["_id"] for each in database.imports.find(_of(user), {"_id": True})]
    for collection in (database.importPieces, database.importRows, database.importEffects):
        collection.delete_many({"importId": {"$in": imported}})
    database.imports.delete_many(_of(user))
    record_changes(database, ((own_id(user), movie) for movie in scores))
    writes = [*_subtract_scores(database, scores), *_subtract_counts(counts)]
    if writes:
        database.movies.bulk_write(writes)
    return True


def _subtract_scores(database: Documents, scores: Mapping[ObjectId | str, Score]) -> Iterable[UpdateOne]:
    rated = database.movies.find({"_id": {"$in": list(scores)}}, {"ratingsCounts": True})
    for movie in rated:
        tally = tally_of(movie) + between(scores[movie["_id"]], None)
        yield UpdateOne({"_id": movie["_id"]}, {"$set": tally_document(tally)})


def _subtract_counts(counts: Mapping[str, Mapping[ObjectId, int]]) -> Iterable[UpdateOne]:
    for field, of_movies in counts.items():
        for movie, count in of_movies.items():
            yield UpdateOne({"_id": movie}, {"$inc": {field: -count}})


def _require_another_admin(database: Documents, user: UserId) -> None:
    """Lock another active admin than this one. Raises LastAdmin if there is none."""
    others = {"role": Role.ADMIN, "disabled": False, "_id": {"$ne": own_id(user)}}
    if not database.users.update_one(others, LOCK, hint="active_admins").matched_count:
        raise LastAdmin


def _get(database: Documents, user: UserId) -> User:
    found = database.users.find_one({"_id": own_id(user)})
    if found is None:
        raise UserNotFound
    return user_of(found)


def _lock_names(user: User) -> set[str]:
    """The lock names for a change of an account. Changes of admins share one: an admin may be the last."""
    return {user.id, ADMINS} if user.is_active_admin else {user.id}


def _of(user: UserId) -> Document:
    return {"userId": own_id(user)}


def _conflict(database: Documents, user: User) -> Conflict | None:
    """The error if other accounts have the user's e-mail address, name or both; None otherwise."""
    unique = {"emailFolded": user.folded_email, "usernameFolded": user.folded_username}
    email, username = (
        database.users.find_one({field: value, "_id": {"$ne": own_id(user.id)}}, {"_id": True}) is not None
        for field, value in unique.items()
    )
    return taken(email=email, username=username)


def _conflict_of(error: DuplicateKeyError) -> Conflict:
    """The error for a duplicate key, which names one field only."""
    return EmailTaken() if "emailFolded" in (error.details or {}).get("keyPattern", {}) else UsernameTaken()
