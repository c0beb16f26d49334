"""The change feed of the distributed store: numbers of changes, and records of removed entries.

Whatever writes an entry of a user takes a number from the account in the same transaction. Of two such
transactions at a time one conflicts with the other and is repeated, so the numbers are in the order of the
commits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.read_concern import ReadConcern

from adapters.mongo.database import Database, counter
from adapters.mongo.documents import item_of, own_id, rating_of, viewing_of
from adapters.mongo.schema import CHANGES_EPOCH, ENTRIES, Document, Documents
from domain.changes import Activity, Change, ChangeBatch, Entry, Kind, Removal
from domain.ids import MovieId, UserId
from domain.users import UserNotFound

CHANGED_AT = dict(zip((Kind.RATING, Kind.WATCHLIST, Kind.VIEWING), ENTRIES.values(), strict=True))
"""The field of `users` with the time of the last change of each kind."""

READERS: dict[str, Callable[[Mapping[str, Any]], Entry]] = dict(
    zip(ENTRIES, (rating_of, item_of, viewing_of), strict=True)
)
"""The conversion of the documents of each collection of entries."""


REMOVAL_BATCH_SIZE = 1000
"""The records that are deleted with one command."""


@dataclass(frozen=True, slots=True)
class MongoChangeRepository:
    """ChangeRepository over MongoDB."""

    database: Database

    def since(self, user: UserId, number: int, limit: int, *, removals_since: int = 0) -> ChangeBatch:
        with self.database.using() as connected:
            # Only what a majority has: a number that a failover undoes would be given a second time.
            database = connected.with_options(read_concern=ReadConcern("majority"))
            # Read first: an entry that changes after this has a higher number, and comes with a later call.
            latest = int(_account(database, user).get("changes", 0))
            epoch = counter(database, CHANGES_EPOCH)
            changes = [
                Change(document["changeNumber"], read(document))
                for name, read in READERS.items()
                for document in _documents(database, name, user, number, latest, limit)
            ]
            first = max(number, removals_since)
            changes += map(_removal, _documents(database, "removals", user, first, latest, limit))
        return ChangeBatch.of(changes, limit, latest=latest, epoch=epoch)

    def activity(self, user: UserId) -> Activity:
        with self.database.using() as database:
            found = _account(database, user)
        ratings, watchlist, viewings = map(found.get, CHANGED_AT.values())
        return Activity(
            latest=found.get("changes", 0), ratings=ratings, watchlist=watchlist, viewings=viewings
        )

    def remove_before(self, at: datetime) -> int:
        old, total = {"removedAt": {"$lt": at}}, 0
        while True:
            with self.database.using() as database:
                found = database.removals.find(old, {"_id": True}, hint="by_removed_at")
                ids = [document["_id"] for document in found.limit(REMOVAL_BATCH_SIZE)]
                if not ids:
                    return total
                total += database.removals.delete_many({"_id": {"$in": ids}}).deleted_count


def next_change(database: Documents, user: UserId, kind: Kind, at: datetime, amount: int = 1) -> int:
    """Take the numbers of that many changes of a user's entries, within a transaction; return the last.

    This locks the account until the end of the transaction. Raises UserNotFound.
    """
    found = database.users.find_one_and_update(
        {"_id": own_id(user)},
        {"$inc": {"changes": amount}, "$set": {CHANGED_AT[kind]: at}},
        {"changes": True},
        return_document=ReturnDocument.AFTER,
    )
    if found is None:
        raise UserNotFound
    return int(found["changes"])


def record_removal(database: Documents, user: UserId, removal: Removal, at: datetime) -> None:
    """Record that an entry of a user was deleted, within the same transaction."""
    number = next_change(database, user, removal.kind, at)
    database.removals.insert_one(removal_document(user, number, removal, at))


def removal_document(user: UserId, number: int, removal: Removal, at: datetime) -> Document:
    """The record of the removal of an entry of a user, which is the change with that number."""
    return {
        "userId": own_id(user),
        "changeNumber": number,
        "kind": removal.kind,
        "entryId": own_id(removal.id),
        "movieId": own_id(removal.movie),
        "removedAt": at,
    }


def _account(database: Documents, user: UserId) -> Mapping[str, Any]:
    fields = dict.fromkeys(("changes", *CHANGED_AT.values()), True)
    found = database.users.find_one({"_id": own_id(user)}, fields)
    if found is None:
        raise UserNotFound
    return found


def _documents(
    database: Documents, collection: str, user: UserId, number: int, latest: int, limit: int
) -> list[Document]:
    """The documents of a collection with the next numbers after `number`."""
    wanted = {"userId": own_id(user), "changeNumber": {"$gt": number, "$lte": latest}}
    found = database[collection].find(wanted, sort=[("changeNumber", 1)], hint="by_change_number")
    return list(found.limit(limit))


def _removal(document: Mapping[str, Any]) -> Change:
    removal = Removal(
        kind=Kind(document["kind"]),
        id=str(document["entryId"]),
        movie=MovieId(str(document["movieId"])),
    )
    return Change(document["changeNumber"], removal)
