"""The imports of the embedded store. Uploads are kept in pieces, rows and effects as JSON."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from adapters.import_records import effect_of, import_of, import_row_of, record_of
from adapters.sqlite.changes import require_user
from adapters.sqlite.database import MAX_VALUES, Database, placeholders
from adapters.sqlite.holdings import exchange, holdings
from adapters.sqlite.keyset import Keyset
from adapters.sqlite.rows import Cell, moment
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

NEWEST_FIRST = Keyset(
    table="imports",
    index="imports_by_created_at",
    column="created_at",
    condition="user = ? AND complete = 1",
    descending=True,
)

OF_IMPORT = ("import_pieces", "import_rows", "import_effects")
"""The tables of what belongs to an import."""

KEPT_UPLOAD = {ImportState.READING, ImportState.MATCHING, ImportState.READY}
"""The states in which an upload may be read again."""


@dataclass(frozen=True, slots=True)
class SqliteImportRepository:
    """ImportRepository over SQLite."""

    database: Database
    clock: Clock

    def add(self, imported: Import, upload: Iterable[bytes]) -> None:
        stale = moment(imported.created_at - INCOMPLETE_FOR)
        with self.database.writing() as connection:
            require_user(connection, imported.user)
            abandoned = connection.execute(
                "SELECT id FROM imports WHERE user = ? AND complete = 0 AND created_at < ?",
                (imported.user, stale),
            ).fetchall()
            for row in abandoned:
                _delete(connection, row["id"])
            (count,) = connection.execute(
                "SELECT count(*) FROM imports WHERE user = ?", (imported.user,)
            ).fetchone()
            if count >= imports.MAX_IMPORTS:
                raise TooManyImports
            connection.execute(
                "INSERT INTO imports (id, user, created_at, complete, state, revision, record)"
                " VALUES (:id, :user, :created_at, 0, :state, :revision, :record)",
                _import_row(imported),
            )
        # Piece by piece, so that other writers hardly wait.
        for number, piece in enumerate(upload):
            with self.database.writing() as connection:
                connection.execute("INSERT INTO import_pieces VALUES (?, ?, ?)", (imported.id, number, piece))
        with self.database.writing() as connection:
            connection.execute("UPDATE imports SET complete = 1 WHERE id = ?", (imported.id,))

    def upload(self, imported: ImportId) -> Iterator[bytes]:
        number = 0
        while True:
            with self.database.reading() as connection:
                row = connection.execute(
                    "SELECT data FROM import_pieces WHERE import = ? AND number = ?", (imported, number)
                ).fetchone()
            if row is None:
                if not number:
                    raise ImportNotFound
                return
            yield bytes(row["data"])
            number += 1

    def get(self, imported: ImportId, user: UserId) -> Import:
        found = self.find(imported)
        if found.user != user:
            raise ImportNotFound
        return found

    def find(self, imported: ImportId) -> Import:
        with self.database.reading() as connection:
            return _get(connection, imported)

    def of_user(
        self, user: UserId, *, limit: int, skip: int = 0, after: Cursor | None = None
    ) -> list[Import]:
        with self.database.reading() as connection:
            rows = NEWEST_FIRST.rows(connection, (user,), limit=limit, skip=skip, after=after)
        return [import_of(json.loads(row["record"])) for row in rows]

    def count(self, user: UserId) -> int:
        with self.database.reading() as connection:
            return NEWEST_FIRST.count(connection, (user,))

    def save(self, imported: Import, rows: Sequence[ImportRow] = (), *, restart: bool = False) -> None:
        with self.database.writing() as connection:
            _save(connection, imported)
            if restart:
                connection.execute("DELETE FROM import_rows WHERE import = ?", (imported.id,))
            _save_rows(connection, imported.id, rows)

    def rows(
        self,
        imported: ImportId,
        row_class: RowClass | None = None,
        *,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[ImportRow]:
        of_class, values = (" AND class = ?", [row_class]) if row_class else ("", [])
        beyond, bounds = (" AND number > ?", [int(after.value or 0)]) if after else ("", [])
        with self.database.reading() as connection:
            found = connection.execute(
                f"SELECT record FROM import_rows WHERE import = ?{of_class}{beyond}"
                " ORDER BY number LIMIT ? OFFSET ?",
                (imported, *values, *bounds, limit, 0 if after else skip),
            ).fetchall()
        return [import_row_of(json.loads(row["record"])) for row in found]

    def rows_of(self, imported: ImportId, numbers: Collection[int]) -> list[ImportRow]:
        wanted, found = sorted(numbers), list[ImportRow]()
        with self.database.reading() as connection:
            for start in range(0, len(wanted), MAX_VALUES):
                part = wanted[start : start + MAX_VALUES]
                rows = connection.execute(
                    f"SELECT record FROM import_rows WHERE import = ? AND number IN {placeholders(part)}"
                    " ORDER BY number",
                    (imported, *part),
                )
                found += [import_row_of(json.loads(row["record"])) for row in rows]
        return found

    def holdings(self, user: UserId, movies: Collection[MovieId]) -> Holdings:
        with self.database.reading() as connection:
            return holdings(connection, user, list(movies))

    def apply(
        self, user: UserId, movies: Sequence[MovieId], change: Callable[[Holdings], Application]
    ) -> Application:
        with self.database.writing() as connection:
            require_user(connection, user)
            present = holdings(connection, user, movies)
            application = change(present)
            imported = application.imported
            _save(connection, imported)
            exchange(connection, user, present.films, application.after, self.clock())
            _save_rows(connection, imported.id, application.rows)
            connection.executemany(
                "INSERT OR REPLACE INTO import_effects VALUES (?, ?, ?)",
                [(imported.id, each.movie, json.dumps(record_of(each))) for each in application.effects],
            )
            connection.executemany(
                "DELETE FROM import_effects WHERE import = ? AND movie = ?",
                [(imported.id, movie) for movie in application.undone],
            )
        return application

    def effects(self, imported: ImportId, *, limit: int, skip: int = 0) -> list[Effect]:
        with self.database.reading() as connection:
            found = connection.execute(
                "SELECT record FROM import_effects WHERE import = ? ORDER BY movie LIMIT ? OFFSET ?",
                (imported, limit, skip),
            ).fetchall()
        return [effect_of(json.loads(row["record"])) for row in found]

    def remove(self, imported: ImportId, user: UserId) -> None:
        with self.database.writing() as connection:
            found = _get(connection, imported)
            if found.user != user:
                raise ImportNotFound
            if found.state is ImportState.APPLYING:
                raise ImportNotReady(found.state)
            _delete(connection, imported)


def remove_imports(connection: sqlite3.Connection, user: UserId) -> None:
    """Delete all imports of a user, within a transaction."""
    for row in connection.execute("SELECT id FROM imports WHERE user = ?", (user,)).fetchall():
        _delete(connection, row["id"])


def _delete(connection: sqlite3.Connection, imported: str) -> None:
    for table in OF_IMPORT:
        connection.execute(f"DELETE FROM {table} WHERE import = ?", (imported,))
    connection.execute("DELETE FROM imports WHERE id = ?", (imported,))


def _get(connection: sqlite3.Connection, imported: ImportId) -> Import:
    row = connection.execute(
        "SELECT record FROM imports WHERE id = ? AND complete = 1", (imported,)
    ).fetchone()
    if row is None:
        raise ImportNotFound
    return import_of(json.loads(row["record"]))


def _save(connection: sqlite3.Connection, imported: Import) -> None:
    """Replace an import by its next revision. Raises ImportChanged, ImportNotFound."""
    updated = connection.execute(
        "UPDATE imports SET state = :state, revision = :revision, record = :record"
        " WHERE id = :id AND revision = :revision - 1",
        _import_row(imported),
    )
    if not updated.rowcount:
        _get(connection, imported.id)
        raise ImportChanged
    if imported.state not in KEPT_UPLOAD:
        connection.execute("DELETE FROM import_pieces WHERE import = ?", (imported.id,))


def _save_rows(connection: sqlite3.Connection, imported: ImportId, rows: Iterable[ImportRow]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO import_rows (import, number, class, record) VALUES (?, ?, ?, ?)",
        [(imported, row.number, row.row_class, json.dumps(record_of(row))) for row in rows],
    )


def _import_row(imported: Import) -> dict[str, Cell]:
    return {
        "id": imported.id,
        "user": imported.user,
        "created_at": moment(imported.created_at),
        "state": imported.state,
        "revision": imported.revision,
        "record": json.dumps(record_of(imported)),
    }
