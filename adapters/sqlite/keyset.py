"""Keyset pagination of tables sorted by one column that is never NULL, then by id."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.sqlite.rows import Cell
from domain.pagination import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """The rows of a table that meet a condition, sorted by an index of `column` and `id_column`.

    The rows after a cursor are two ranges of that index: those with the same value and a later id, then those
    with later values. `scale` converts a cursor's numbers to those of the column.
    """

    table: str
    index: str
    column: str
    condition: str
    descending: bool = False
    ids_descending: bool = False
    scale: int = 1
    id_column: str = "id"

    def rows(
        self,
        connection: sqlite3.Connection,
        values: Sequence[Cell],
        *,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[sqlite3.Row]:
        """Up to `limit` rows: those after a cursor, or without one those after the first `skip`.

        `values` are the parameters of the condition.
        """
        if after is None:
            return self._range(connection, "", values, limit, skip)
        value = self.scale * after.value if isinstance(after.value, int | float) else after.value
        ties = f" AND {self.column} = ? AND {self.id_column} {'<' if self.ids_descending else '>'} ?"
        beyond = f" AND {self.column} {'<' if self.descending else '>'} ?"
        found = self._range(connection, ties, (*values, value, after.id), limit)
        if len(found) < limit:
            found += self._range(connection, beyond, (*values, value), limit - len(found))
        return found

    def count(self, connection: sqlite3.Connection, values: Sequence[Cell]) -> int:
        """The number of rows."""
        statement = f"SELECT count(*) FROM {self.table} INDEXED BY {self.index} WHERE {self.condition}"
        (count,) = connection.execute(statement, values).fetchone()
        return int(count)

    def _range(
        self, connection: sqlite3.Connection, bounds: str, values: Sequence[Cell], limit: int, skip: int = 0
    ) -> list[sqlite3.Row]:
        order = (self.column, self.descending), (self.id_column, self.ids_descending)
        sorting = ", ".join(f"{column}{' DESC' if descending else ''}" for column, descending in order)
        return connection.execute(
            f"SELECT * FROM {self.table} INDEXED BY {self.index} WHERE {self.condition}{bounds}"
            f" ORDER BY {sorting} LIMIT ? OFFSET ?",
            (*values, limit, skip),
        ).fetchall()
