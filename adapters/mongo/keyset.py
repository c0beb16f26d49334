"""Lists that an index keeps in order: by one field that is never null, then by id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.collection import Collection

from adapters.mongo.database import Document
from adapters.mongo.documents import own_id
from domain.pagination import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """The documents of a collection that pass a filter, in the order of an index of `field` and `_id`.

    What follows a place is two unbroken ranges of that index: the rest of the same value, and what lies
    beyond it. `timed` says that the field holds times, which cursors have as texts.
    """

    field: str
    index: str
    descending: bool = False
    ids_descending: bool = False
    timed: bool = True

    def documents(
        self,
        collection: Collection[Document],
        wanted: Mapping[str, Any],
        *,
        limit: int,
        skip: int = 0,
        after: Cursor | None = None,
    ) -> list[Document]:
        """Up to `limit` documents: those that follow a place, else the first `skip`."""
        if after is None:
            return self._range(collection, wanted, limit, skip)
        value = datetime.fromisoformat(str(after.value)) if self.timed else after.value
        tied = {self.field: value, "_id": {"$lt" if self.ids_descending else "$gt": own_id(after.id)}}
        beyond = {self.field: {"$lt" if self.descending else "$gt": value}}
        found = self._range(collection, {**wanted, **tied}, limit)
        if len(found) < limit:
            found += self._range(collection, {**wanted, **beyond}, limit - len(found))
        return found

    def _range(
        self, collection: Collection[Document], wanted: Mapping[str, Any], limit: int, skip: int = 0
    ) -> list[Document]:
        order = [(self.field, -1 if self.descending else 1), ("_id", -1 if self.ids_descending else 1)]
        return list(collection.find(wanted, sort=order, hint=self.index).skip(skip).limit(limit))
