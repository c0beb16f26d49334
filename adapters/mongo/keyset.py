"""Keyset pagination of collections sorted by one field that is never null, then by id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.collection import Collection

from adapters.mongo.documents import own_id
from adapters.mongo.schema import Document
from domain.pagination import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """The documents of a collection that match a filter, sorted by an index of `field` and `id_field`.

    The documents after a cursor are two ranges of that index: those with the same value and a later id, then
    those with later values. With `timed` the field holds times, which are texts in cursors.
    """

    field: str
    index: str
    descending: bool = False
    ids_descending: bool = False
    timed: bool = True
    id_field: str = "_id"

    def documents(
        self,
        collection: Collection[Document],
        wanted: Mapping[str, Any],
        *,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Document]:
        """Up to `limit` documents: those after a cursor, or without one those after the first `skip`."""
        if after is None:
            return self._range(collection, wanted, limit, skip)
        value = datetime.fromisoformat(str(after.value)) if self.timed else after.value
        ties = {self.field: value, self.id_field: {"$lt" if self.ids_descending else "$gt": own_id(after.id)}}
        # A range of the field that is wanted keeps its other bound; the cursor is within it.
        bounds = wanted.get(self.field, {})
        beyond = {self.field: {**bounds, "$lt" if self.descending else "$gt": value}}
        found = self._range(collection, {**wanted, **ties}, limit)
        if len(found) < limit:
            found += self._range(collection, {**wanted, **beyond}, limit - len(found))
        return found

    def _range(
        self, collection: Collection[Document], wanted: Mapping[str, Any], limit: int, skip: int = 0
    ) -> list[Document]:
        directions = (self.field, self.descending), (self.id_field, self.ids_descending)
        order = [(field, -1 if descending else 1) for field, descending in directions]
        return list(collection.find(wanted, sort=order, hint=self.index).skip(skip).limit(limit))
