"""Lists that an index keeps in order: by one column that is never null, then by id."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.sqlite.rows import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """The rows of a table that pass a test, in the order of an index of `column` and `id`.

    What follows a place is two unbroken ranges of that index: the rest of the same value, and what lies
    beyond it.
    """

    table: str
    index: str
    column: str
    test: str
    descending: bool = False
    ids_descending: bool = False

    def rows(
        self,
        connection: sqlite3.Connection,
        values: Sequence[Cell],
        *,
        limit: int,
        skip: int = 0,
        after: tuple[Cell, str] | None = None,
    ) -> list[sqlite3.Row]:
        """Up to `limit` rows: those that follow the place of a value and an id, else the first `skip`.

        `values` are those of the test.
        """
        if after is None:
            return self._range(connection, "", values, limit, skip)
        value, identifier = after
        tied = f" AND {self.column} = ? AND id {'<' if self.ids_descending else '>'} ?"
        beyond = f" AND {self.column} {'<' if self.descending else '>'} ?"
        found = self._range(connection, tied, (*values, value, identifier), limit)
        if len(found) < limit:
            found += self._range(connection, beyond, (*values, value), limit - len(found))
        return found

    def count(self, connection: sqlite3.Connection, values: Sequence[Cell]) -> int:
        """How many rows there are."""
        counting = f"SELECT count(*) FROM {self.table} INDEXED BY {self.index} WHERE {self.test}"
        (count,) = connection.execute(counting, values).fetchone()
        return int(count)

    def _range(
        self, connection: sqlite3.Connection, ends: str, values: Sequence[Cell], limit: int, skip: int = 0
    ) -> list[sqlite3.Row]:
        order = (self.column, self.descending), ("id", self.ids_descending)
        sorting = ", ".join(f"{column}{' DESC' if descending else ''}" for column, descending in order)
        return connection.execute(
            f"SELECT * FROM {self.table} INDEXED BY {self.index} WHERE {self.test}{ends}"
            f" ORDER BY {sorting} LIMIT ? OFFSET ?",
            (*values, limit, skip),
        ).fetchall()
