"""Cursors as clients see them: opaque texts, good for the list that they came from and for no other.

A token holds a place (what the last row shown is sorted by, and its id) and a seal over the place and the
list: its path, whose it is, its order and filters. The seal is no secret; it is there so that a token which
was cut, changed or carried over to another list is refused instead of showing a wrong page.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from domain.ids import OWN_ID, MovieId
from domain.pagination import Cursor, time_value
from domain.search import Match, Tier

SEAL_BYTES = 8

Place = Cursor | Match
"""A row of a list, or a match of a search."""

_Id = Annotated[str, msgspec.Meta(pattern=f"^{OWN_ID.pattern}$", max_length=24)]
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | float
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Slips = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Sorted(Enum):
    """What the rows of a list are sorted by. Unknown values of numbers, texts and days come last."""

    NUMBER = "number"
    TEXT = "text"
    DAY = "day"
    TIME = "time"
    RANK = "rank"


_DECODERS: dict[Sorted, msgspec.json.Decoder[Any]] = {
    Sorted.NUMBER: msgspec.json.Decoder(tuple[_Number | None, _Id]),
    Sorted.TEXT: msgspec.json.Decoder(tuple[str | None, _Id]),
    Sorted.DAY: msgspec.json.Decoder(tuple[date | None, _Id]),
    Sorted.TIME: msgspec.json.Decoder(tuple[_Time, _Id]),
    Sorted.RANK: msgspec.json.Decoder(tuple[Tier, _Slips, float | None, _Id]),
}


def token(place: Place, listing: bytes) -> str:
    """The token for a place in a list; `listing` is whatever tells that list from others."""
    encoded = msgspec.json.encode(_fields(place))
    return urlsafe_b64encode(_seal(encoded, listing) + encoded).rstrip(b"=").decode()


def read(text: str, listing: bytes, kind: Sorted) -> Place | None:
    """The place that a token of this list names; None if it is no token of it."""
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        seal, encoded = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        place = _PLACES[kind](*_DECODERS[kind].decode(encoded))
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return None
    return place if seal == _seal(encoded, listing) else None


def _fields(place: Place) -> tuple[object, ...]:
    """What a token holds of a place. JSON knows no infinity: it becomes null, as unknown values are."""
    match place:
        case Match():
            return place.tier, place.slips, place.unpopularity, place.id
        case Cursor():
            return place.value, place.id


def _match(tier: Tier, slips: int, unpopularity: float | None, movie: str) -> Match:
    return Match(tier, slips, float("inf") if unpopularity is None else unpopularity, MovieId(movie))


_PLACES: dict[Sorted, Callable[..., Place]] = {
    Sorted.NUMBER: Cursor,
    Sorted.TEXT: Cursor,
    Sorted.DAY: lambda day, identifier: Cursor(day and day.isoformat(), identifier),
    Sorted.TIME: lambda at, identifier: Cursor(time_value(at), identifier),
    Sorted.RANK: _match,
}


def _seal(place: bytes, listing: bytes) -> bytes:
    return blake2b(listing + b"\0" + place, digest_size=SEAL_BYTES).digest()
