"""Sync runs and locks of the distributed store."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from adapters.mongo.database import Database
from adapters.mongo.documents import own_id, run_document, run_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.schema import Document, Documents
from adapters.mongo.source import source_of
from domain.ids import RunId
from domain.pagination import Cursor
from domain.ports import Clock
from domain.sync import Entity, RunClosed, RunNotFound, Status, SyncRun, SyncRunning, admit

LATEST_FIRST = Keyset(field="createdAt", index="by_created_at", descending=True, ids_descending=True)


def advance(database: Documents, run: SyncRun) -> None:
    """Replace a run's record. Raises RunClosed if it is not in progress in the store."""
    document = run_document(run)
    in_progress = {"_id": document["_id"], "status": Status.IN_PROGRESS}
    if not database.synclogs.replace_one(in_progress, document).matched_count:
        raise RunClosed(run.id)


@dataclass(frozen=True, slots=True)
class MongoSyncRunRepository:
    """SyncRunRepository over MongoDB."""

    database: Database

    def add(self, run: SyncRun) -> None:
        with self.database.using() as database:
            admit(source_of(database), run.source)
            try:
                database.synclogs.insert_one(run_document(run))
            except DuplicateKeyError as error:
                raise SyncRunning(run.entity) from error

    def save(self, run: SyncRun) -> None:
        with self.database.using() as database:
            if run.running:
                admit(source_of(database), run.source)
            advance(database, run)

    def cancel(self, run: RunId, at: datetime) -> SyncRun:
        in_progress = {"_id": own_id(run), "status": Status.IN_PROGRESS}
        cancelled = {"$set": {"status": Status.CANCELLED, "lastSyncDate": at}}
        with self.database.using() as database:
            found = database.synclogs.find_one_and_update(
                in_progress, cancelled, return_document=ReturnDocument.AFTER
            )
        if found is None:
            raise RunClosed(self.get(run).id)
        return run_of(found)

    def get(self, run: RunId) -> SyncRun:
        with self.database.using() as database:
            found = database.synclogs.find_one({"_id": own_id(run)})
        if found is None:
            raise RunNotFound(run)
        return run_of(found)

    def latest(self, entity: Entity, *, completed: bool = False) -> SyncRun | None:
        wanted: Document = {"entityType": entity} | ({"complete": True} if completed else {})
        with self.database.using() as database:
            latest_first = [("createdAt", -1), ("_id", -1)]
            found = database.synclogs.find_one(wanted, sort=latest_first, hint="by_entity")
        return run_of(found) if found else None

    def recent(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[SyncRun]:
        with self.database.using() as database:
            found = LATEST_FIRST.documents(database.synclogs, {}, limit=limit, skip=skip, after=after)
        return [run_of(document) for document in found]

    def count(self) -> int:
        with self.database.using() as database:
            return database.synclogs.estimated_document_count()


@dataclass(frozen=True, slots=True)
class MongoLocks:
    """Locks over MongoDB. The clocks of all hosts must agree to within a fraction of a lock's `ttl`."""

    database: Database
    clock: Clock

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        now = self.clock()
        after: Document | None = None
        with self.database.using() as database:
            # With `upsert` the document exists afterwards. Of two concurrent inserts, one may return None.
            while after is None:
                after = database.locks.find_one_and_update(
                    {"_id": name},
                    _acquire_if_free(holder, now, now + ttl),
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        expires_at: datetime = after["expiresAt"]
        return None if after["holder"] == holder else expires_at

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        expires_at = {"$set": {"expiresAt": self.clock() + ttl}}
        with self.database.using() as database:
            updated = database.locks.update_one({"_id": name, "holder": holder}, expires_at)
        return updated.matched_count > 0

    def transfer(self, name: str, holder: str, to: str, ttl: timedelta) -> bool:
        holder_and_expiry = {"$set": {"holder": to, "expiresAt": self.clock() + ttl}}
        with self.database.using() as database:
            updated = database.locks.update_one({"_id": name, "holder": holder}, holder_and_expiry)
        return updated.matched_count > 0

    def release(self, name: str, holder: str) -> None:
        with self.database.using() as database:
            database.locks.delete_one({"_id": name, "holder": holder})


def _acquire_if_free(holder: str, now: datetime, expires_at: datetime) -> list[Document]:
    """An update pipeline that acquires a lock if it is missing, has expired, or is already the holder's."""
    new_holder = {"$literal": holder}
    expired = {"$lte": [{"$ifNull": ["$expiresAt", now]}, now]}
    free = {"$or": [expired, {"$eq": ["$holder", new_holder]}]}
    fields = {
        "holder": {"$cond": [free, new_holder, "$holder"]},
        "expiresAt": {"$cond": [free, expires_at, "$expiresAt"]},
    }
    return [{"$set": fields}]
