"""The imports of the distributed store. Uploads are kept in pieces, rows and effects as plain values."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import Binary
from pymongo import ReplaceOne

from adapters.import_records import effect_of, import_of, import_row_of, record_of
from adapters.mongo.database import Database
from adapters.mongo.documents import own_id
from adapters.mongo.holdings import exchange, holdings
from adapters.mongo.keyset import Keyset
from adapters.mongo.schema import Document, Documents
from adapters.mongo.users import require_user
from domain.ids import ImportId, MovieId, UserId
from domain.imports import imports
from domain.imports.holdings import Effect, Holdings
from domain.imports.imports import (
    Import,
    ImportChanged,
    ImportNotFound,
    ImportNotReady,
    ImportRow,
    ImportState,
    TooManyImports,
)
from domain.imports.rows import RowClass
from domain.pagination import Cursor
from domain.ports import Clock
from domain.ports.imports import Application

INCOMPLETE_FOR = timedelta(hours=1)
"""How long an upload may take to be stored. What is left of one that was not completed is deleted then."""

NEWEST_FIRST = Keyset(field="createdAt", index="by_created_at", descending=True)

KEPT_UPLOAD = {ImportState.READING, ImportState.MATCHING, ImportState.READY}
"""The states in which an upload may be read again."""


@dataclass(frozen=True, slots=True)
class MongoImportRepository:
    """ImportRepository over MongoDB."""

    database: Database
    clock: Clock

    def add(self, imported: Import, upload: Iterable[bytes]) -> None:
        self.database.transaction(lambda database: _add(database, imported), {imported.user})
        for number, piece in enumerate(upload):
            with self.database.using() as database:
                database.importPieces.insert_one(
                    {"importId": own_id(imported.id), "number": number, "data": Binary(piece)}
                )
        with self.database.using() as database:
            database.imports.update_one({"_id": own_id(imported.id)}, {"$set": {"complete": True}})

    def upload(self, imported: ImportId) -> Iterator[bytes]:
        number = 0
        while True:
            with self.database.using() as database:
                found = database.importPieces.find_one({"importId": own_id(imported), "number": number})
            if found is None:
                if not number:
                    raise ImportNotFound
                return
            yield bytes(found["data"])
            number += 1

    def get(self, imported: ImportId, user: UserId) -> Import:
        found = self.find(imported)
        if found.user != user:
            raise ImportNotFound
        return found

    def find(self, imported: ImportId) -> Import:
        with self.database.using() as database:
            return _get(database, imported)

    def of_user(
        self, user: UserId, *, limit: int, skip: int = 0, after: Cursor | None = None
    ) -> list[Import]:
        wanted = {"userId": own_id(user), "complete": True}
        with self.database.using() as database:
            found = NEWEST_FIRST.documents(database.imports, wanted, limit=limit, skip=skip, after=after)
        return [import_of(document["record"]) for document in found]

    def count(self, user: UserId) -> int:
        wanted = {"userId": own_id(user), "complete": True}
        with self.database.using() as database:
            return database.imports.count_documents(wanted, hint="by_created_at")

    def save(self, imported: Import, rows: Sequence[ImportRow] = (), *, restart: bool = False) -> None:
        def save(database: Documents) -> None:
            _save(database, imported)
            if restart:
                database.importRows.delete_many({"importId": own_id(imported.id)})
            _save_rows(database, imported.id, rows)

        self.database.transaction(save, {imported.id}, SAVE_TIMEOUT)

    def rows(
        self,
        imported: ImportId,
        row_class: RowClass | None = None,
        *,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[ImportRow]:
        wanted: Document = {"importId": own_id(imported)}
        if row_class:
            wanted["class"] = row_class
        if after:
            wanted["number"] = {"$gt": int(after.value or 0)}
        index = "by_class" if row_class else "one_per_number"
        with self.database.using() as database:
            found = database.importRows.find(wanted, sort=[("number", 1)], hint=index)
            return [import_row_of(each["record"]) for each in found.skip(0 if after else skip).limit(limit)]

    def rows_of(self, imported: ImportId, numbers: Collection[int]) -> list[ImportRow]:
        wanted = {"importId": own_id(imported), "number": {"$in": list(numbers)}}
        with self.database.using() as database:
            found = database.importRows.find(wanted, sort=[("number", 1)], hint="one_per_number")
            return [import_row_of(each["record"]) for each in found]

    def holdings(self, user: UserId, movies: Collection[MovieId]) -> Holdings:
        with self.database.using() as database:
            return holdings(database, user, list(movies))

    def apply(
        self, user: UserId, movies: Sequence[MovieId], change: Callable[[Holdings], Application]
    ) -> Application:
        return self.database.transaction(
            lambda database: _apply(database, user, movies, change, self.clock()),
            {user, *movies},
            SAVE_TIMEOUT,
        )

    def effects(self, imported: ImportId, *, limit: int, skip: int = 0) -> list[Effect]:
        wanted = {"importId": own_id(imported)}
        with self.database.using() as database:
            found = database.importEffects.find(wanted, sort=[("movieId", 1)], hint="one_per_movie")
            return [effect_of(each["record"]) for each in found.skip(skip).limit(limit)]

    def remove(self, imported: ImportId, user: UserId) -> None:
        def remove(database: Documents) -> None:
            found = _get(database, imported)
            if found.user != user:
                raise ImportNotFound
            if found.state is ImportState.APPLYING:
                raise ImportNotReady(found.state)
            delete_imports(database, [own_id(imported)])

        self.database.transaction(remove, {imported}, SAVE_TIMEOUT)


SAVE_TIMEOUT = 10
"""Seconds for a step of an import, which no request waits for but a deletion."""


def _add(database: Documents, imported: Import) -> None:
    require_user(database, imported.user)
    of_user = {"userId": own_id(imported.user)}
    abandoned = {**of_user, "complete": False, "createdAt": {"$lt": imported.created_at - INCOMPLETE_FOR}}
    delete_imports(database, [each["_id"] for each in database.imports.find(abandoned, {"_id": True})])
    if database.imports.count_documents(of_user) >= imports.MAX_IMPORTS:
        raise TooManyImports
    database.imports.insert_one({**_document(imported), "complete": False})


def _apply(
    database: Documents,
    user: UserId,
    movies: Sequence[MovieId],
    change: Callable[[Holdings], Application],
    at: datetime,
) -> Application:
    require_user(database, user)
    present = holdings(database, user, movies)
    application = change(present)
    imported = own_id(application.imported.id)
    _save(database, application.imported)
    _save_rows(database, application.imported.id, application.rows)
    if application.effects:
        database.importEffects.bulk_write(
            [
                ReplaceOne(
                    {"importId": imported, "movieId": own_id(each.movie)},
                    {"importId": imported, "movieId": own_id(each.movie), "record": record_of(each)},
                    upsert=True,
                )
                for each in application.effects
            ]
        )
    if application.undone:
        done = {"$in": [own_id(movie) for movie in application.undone]}
        database.importEffects.delete_many({"importId": imported, "movieId": done})
    exchange(database, user, present.films, application.after, at)
    return application


def delete_imports(database: Documents, ids: Sequence[object]) -> None:
    """Delete imports and what belongs to them, within a transaction."""
    if ids:
        for collection in (database.importPieces, database.importRows, database.importEffects):
            collection.delete_many({"importId": {"$in": ids}})
        database.imports.delete_many({"_id": {"$in": ids}})


def _get(database: Documents, imported: ImportId) -> Import:
    found = database.imports.find_one({"_id": own_id(imported), "complete": True})
    if found is None:
        raise ImportNotFound
    return import_of(found["record"])


def _save(database: Documents, imported: Import) -> None:
    """Replace an import by its next revision. Raises ImportChanged, ImportNotFound."""
    document = _document(imported)
    before = {"_id": document.pop("_id"), "revision": imported.revision - 1}
    if not database.imports.update_one(before, {"$set": document}).matched_count:
        _get(database, imported.id)
        raise ImportChanged
    if imported.state not in KEPT_UPLOAD:
        database.importPieces.delete_many({"importId": own_id(imported.id)})


def _save_rows(database: Documents, imported: ImportId, rows: Sequence[ImportRow]) -> None:
    if rows:
        of_import = own_id(imported)
        database.importRows.bulk_write(
            [
                ReplaceOne(
                    {"importId": of_import, "number": row.number},
                    {
                        "importId": of_import,
                        "number": row.number,
                        "class": row.row_class,
                        "record": record_of(row),
                    },
                    upsert=True,
                )
                for row in rows
            ]
        )


def _document(imported: Import) -> Document:
    return {
        "_id": own_id(imported.id),
        "userId": own_id(imported.user),
        "createdAt": imported.created_at,
        "state": imported.state,
        "revision": imported.revision,
        "record": record_of(imported),
    }
