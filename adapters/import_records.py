"""Imports, their rows and effects as plain values, which both stores keep as they are.

Values are texts, numbers, booleans, lists and objects with texts as keys. What has its default is left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from domain.ids import ImportId, ItemId, MovieId, RatingId, UserId, ViewingId
from domain.imports.deciding import Prefer
from domain.imports.holdings import Effect, Holding
from domain.imports.imports import Import, ImportRow, ImportState
from domain.imports.rows import ImportedRow, Reason, RowClass, RowKind, SeenOn, SourceFormat
from domain.imports.uploads import Refusal
from domain.ratings import Rating, Score
from domain.viewings import Viewing
from domain.watchlist import WatchlistItem

Record = dict[str, Any]
"""A value of the domain as plain values, by the names of its fields."""

T = TypeVar("T")


def record_of(value: object) -> Record:
    """The record of a dataclass."""
    record: Record = {}
    kind: Any = type(value)
    for name, default in _defaults(kind):
        present = getattr(value, name)
        if present != default:
            record[name] = _plain(present)
    return record


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:  # noqa: ANN401  a dataclass
    return tuple((each.name, _default(each)) for each in fields(kind))


def _default(field: Field[Any]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _plain(value: object) -> object:  # noqa: PLR0911  one for each kind of value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Score):
        return value.half_points
    if is_dataclass(value):
        return record_of(value)
    if isinstance(value, tuple | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    return value


def _when(text: str) -> date | datetime:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _reasons(values: list[str]) -> tuple[Reason, ...]:
    return tuple(map(Reason, values))


def _read(record: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> Record:
    """The values of a record: those with a reader converted, the others as they are."""
    return {
        name: readers[name](value) if name in readers and value is not None else value
        for name, value in record.items()
    }


_SEEN = {
    "on": date.fromisoformat,
    "created_at": datetime.fromisoformat,
    "updated_at": datetime.fromisoformat,
}


def _seen(records: list[Record]) -> tuple[SeenOn, ...]:
    return tuple(SeenOn(**_read(record, _SEEN)) for record in records)


_IMPORTED_ROW: dict[str, Callable[[Any], Any]] = {
    "kind": RowKind,
    "rated_at": _when,
    "updated_at": datetime.fromisoformat,
    "viewings": _seen,
    "added_at": _when,
    "listed_updated_at": datetime.fromisoformat,
    "hidden_at": datetime.fromisoformat,
    "refused": RowClass,
    "reason": Reason,
    "remarks": _reasons,
}

_ROW: dict[str, Callable[[Any], Any]] = {
    "row": lambda record: ImportedRow(**_read(record, _IMPORTED_ROW)),
    "movie": MovieId,
    "candidates": lambda ids: tuple(map(MovieId, ids)),
    "row_class": RowClass,
    "reason": Reason,
    "remarks": _reasons,
}

_IMPORT: dict[str, Callable[[Any], Any]] = {
    "id": ImportId,
    "user": UserId,
    "state": ImportState,
    "headers": tuple,
    "wanted": SourceFormat,
    "format": SourceFormat,
    "prefer": Prefer,
    "created_at": datetime.fromisoformat,
    "updated_at": datetime.fromisoformat,
    "counts": lambda counts: {RowClass(name): count for name, count in counts.items()},
    "examples": tuple,
    "error": Refusal,
}

_HELD: dict[str, Callable[[Any], Any]] = {
    "user": UserId,
    "movie": MovieId,
    "score": Score,
    "watched_on": date.fromisoformat,
    "created_at": datetime.fromisoformat,
    "updated_at": datetime.fromisoformat,
    "added_at": datetime.fromisoformat,
}


def import_row_of(record: Mapping[str, Any]) -> ImportRow:
    """The row in a record."""
    return ImportRow(**_read(record, _ROW))


def import_of(record: Mapping[str, Any]) -> Import:
    """The import in a record."""
    return Import(**_read(record, _IMPORT))


def effect_of(record: Mapping[str, Any]) -> Effect:
    """The effect in a record."""
    return Effect(
        movie=MovieId(record["movie"]), before=_holding(record["before"]), after=_holding(record["after"])
    )


def _holding(record: Mapping[str, Any]) -> Holding:
    rating, item, hidden_at = record.get("rating"), record.get("item"), record.get("hidden_at")
    return Holding(
        rating=Rating(**_read(rating, {"id": RatingId, **_HELD})) if rating else None,
        item=WatchlistItem(**_read(item, {"id": ItemId, **_HELD})) if item else None,
        viewings=frozenset(
            Viewing(**_read(each, {"id": ViewingId, **_HELD})) for each in record.get("viewings", ())
        ),
        hidden_at=datetime.fromisoformat(hidden_at) if hidden_at else None,
    )
