"""The idempotency keys of the distributed store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.mongo.database import Database
from adapters.mongo.documents import own_id
from adapters.mongo.schema import Document, Documents
from domain.idempotency import RETENTION, Attempt, KeptResponse, KeyRecord


@dataclass(frozen=True, slots=True)
class MongoIdempotencyRepository:
    """IdempotencyRepository over MongoDB."""

    database: Database

    def begin(self, attempt: Attempt) -> KeptResponse | None:
        # Two that begin at the same time write to one document, so one of the transactions is repeated.
        return self.database.transaction(
            lambda database: _begin(database, attempt), {f"{attempt.user} {attempt.key}"}
        )

    def finish(self, attempt: Attempt, response: KeptResponse) -> None:
        with self.database.using() as database:
            change = {"$set": {"done": True, "response": response.packed}}
            database.idempotency_keys.update_one(_own(attempt), change)

    def abandon(self, attempt: Attempt) -> None:
        with self.database.using() as database:
            database.idempotency_keys.delete_one(_own(attempt))

    def remove_expired(self, at: datetime) -> int:
        with self.database.using() as database:
            old = {"beganAt": {"$lte": at - RETENTION}}
            return database.idempotency_keys.delete_many(old).deleted_count


def _begin(database: Documents, attempt: Attempt) -> KeptResponse | None:
    stored = database.idempotency_keys.find_one({"_id": _id(attempt)})
    kept = _record(stored, attempt).response_to(attempt) if stored else None
    if kept is None:
        begun = {
            "userId": own_id(attempt.user),
            "attempt": attempt.id,
            "fingerprint": attempt.fingerprint,
            "beganAt": attempt.at,
            "done": False,
        }
        database.idempotency_keys.replace_one({"_id": _id(attempt)}, begun, upsert=True)
    return kept


def _record(document: Mapping[str, Any], attempt: Attempt) -> KeyRecord:
    stored = Attempt(
        id=document["attempt"],
        user=attempt.user,
        key=attempt.key,
        fingerprint=document["fingerprint"],
        at=document["beganAt"],
    )
    packed = document.get("response")
    response = KeptResponse(bytes(packed) if packed is not None else None)
    return KeyRecord(attempt=stored, response=response if document["done"] else None)


def _id(attempt: Attempt) -> str:
    return f"{attempt.user} {attempt.key}"


def _own(attempt: Attempt) -> Document:
    return {"_id": _id(attempt), "attempt": attempt.id}
