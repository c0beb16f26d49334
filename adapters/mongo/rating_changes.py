"""Which ratings have changed since neighbours were computed, in the distributed store."""

from collections.abc import Iterable

from bson import ObjectId
from pymongo import UpdateOne

from adapters.mongo.schema import Document, Documents

Pair = tuple[ObjectId | str, ObjectId | str]
"""The ids of a user and a movie, as documents have them."""


def change_id(user: ObjectId | str, movie: ObjectId | str) -> Document:
    """The id of the change of a user's rating of a movie."""
    return {"user": user, "movie": movie}


def record_changes(database: Documents, changed: Iterable[Pair]) -> None:
    """Store changes within the transaction that makes them. One that is stored already gets another mark."""
    writes = [
        UpdateOne({"_id": change_id(user, movie)}, {"$set": {"mark": ObjectId()}}, upsert=True)
        for user, movie in changed
    ]
    if writes:
        database.rating_changes.bulk_write(writes)
