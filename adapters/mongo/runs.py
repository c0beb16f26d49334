"""The records of sync runs and the locks of the distributed store."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from adapters.mongo.database import Database, Document, Documents
from adapters.mongo.documents import own_id, run_document, run_of
from adapters.mongo.keyset import Keyset
from adapters.mongo.source import source_of
from domain.ids import RunId
from domain.pagination import Cursor
from domain.ports import Clock
from domain.sync import Entity, RunClosed, RunNotFound, Status, SyncRun, SyncRunning, admit

LATEST_FIRST = [("createdAt", -1), ("_id", -1)]

BY_START = Keyset(field="createdAt", index="by_start", descending=True, ids_descending=True)


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
            found = database.synclogs.find_one(wanted, sort=LATEST_FIRST, hint="by_entity")
        return run_of(found) if found else None

    def recent(self, limit: int, skip: int = 0, *, after: Cursor | None = None) -> list[SyncRun]:
        with self.database.using() as database:
            found = BY_START.documents(database.synclogs, {}, limit=limit, skip=skip, after=after)
        return [run_of(document) for document in found]

    def count(self) -> int:
        with self.database.using() as database:
            return database.synclogs.estimated_document_count()


@dataclass(frozen=True, slots=True)
class MongoLocks:
    """Locks over MongoDB. The hosts' clocks may differ by a little of the time for which locks are taken."""

    database: Database
    clock: Clock

    def acquire(self, name: str, holder: str, ttl: timedelta) -> datetime | None:
        now = self.clock()
        after: Document | None = None
        with self.database.using() as database:
            # With `upsert` there is a document afterwards; of two that insert at once, one may see none.
            while after is None:
                after = database.locks.find_one_and_update(
                    {"_id": name},
                    _taken_if_free(holder, now, now + ttl),
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        ends_at: datetime = after["endsAt"]
        return None if after["holder"] == holder else ends_at

    def renew(self, name: str, holder: str, ttl: timedelta) -> bool:
        ends_at = self.clock() + ttl
        with self.database.using() as database:
            done = database.locks.update_one({"_id": name, "holder": holder}, {"$set": {"endsAt": ends_at}})
        return done.matched_count > 0

    def transfer(self, name: str, holder: str, to: str, ttl: timedelta) -> bool:
        taken = {"$set": {"holder": to, "endsAt": self.clock() + ttl}}
        with self.database.using() as database:
            done = database.locks.update_one({"_id": name, "holder": holder}, taken)
        return done.matched_count > 0

    def release(self, name: str, holder: str) -> None:
        with self.database.using() as database:
            database.locks.delete_one({"_id": name, "holder": holder})


def _taken_if_free(holder: str, now: datetime, ends_at: datetime) -> list[Document]:
    """An update that decides within its one atomic step: a lock that is missing, over or the holder's own is
    taken.
    """
    me = {"$literal": holder}
    free = {"$or": [{"$lte": [{"$ifNull": ["$endsAt", now]}, now]}, {"$eq": ["$holder", me]}]}
    taken = {"holder": {"$cond": [free, me, "$holder"]}, "endsAt": {"$cond": [free, ends_at, "$endsAt"]}}
    return [{"$set": taken}]
