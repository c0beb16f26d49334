"""Cursors as opaque tokens.

A token contains a position (the sort value and the id of the last row shown) and a checksum of the position
and the list: its path, its owner, its order and its filters. The checksum is not a signature. It detects
tokens that were truncated, changed or used with another list, which would otherwise show a wrong page.
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

CHECKSUM_BYTES = 8

Position = Cursor | Match
"""The position of a row in a list, or of a match in the results of a search."""

_Id = Annotated[str, msgspec.Meta(pattern=f"^{OWN_ID.pattern}$", max_length=24)]
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | float
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_EditDistance = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class SortKey(Enum):
    """The type of the value by which a list is sorted. Unknown numbers, texts and days come last."""

    NUMBER = "number"
    TEXT = "text"
    DAY = "day"
    TIME = "time"
    RANK = "rank"


_DECODERS: dict[SortKey, msgspec.json.Decoder[Any]] = {
    SortKey.NUMBER: msgspec.json.Decoder(tuple[_Number | None, _Id]),
    SortKey.TEXT: msgspec.json.Decoder(tuple[str | None, _Id]),
    SortKey.DAY: msgspec.json.Decoder(tuple[date | None, _Id]),
    SortKey.TIME: msgspec.json.Decoder(tuple[_Time, _Id]),
    SortKey.RANK: msgspec.json.Decoder(tuple[Tier, _EditDistance, float | None, _Id]),
}


def encode_cursor(position: Position, identity: bytes) -> str:
    """The token for a position; `identity` distinguishes the list from all others."""
    encoded = msgspec.json.encode(_values(position))
    return urlsafe_b64encode(_checksum(encoded, identity) + encoded).rstrip(b"=").decode()


def decode_cursor(token: str, identity: bytes, sort_key: SortKey) -> Position | None:
    """The position in a token; None if it is not a token of this list."""
    try:
        decoded = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        checksum, encoded = decoded[:CHECKSUM_BYTES], decoded[CHECKSUM_BYTES:]
        position = _POSITIONS[sort_key](*_DECODERS[sort_key].decode(encoded))
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return None
    return position if checksum == _checksum(encoded, identity) else None


def _values(position: Position) -> tuple[object, ...]:
    """The values in a token. JSON has no infinity: msgspec encodes it as null, like an unknown value."""
    match position:
        case Match():
            return position.tier, position.distance, position.popularity_rank, position.id
        case Cursor():
            return position.value, position.id


def _match(tier: Tier, distance: int, popularity_rank: float | None, movie: str) -> Match:
    return Match(tier, distance, float("inf") if popularity_rank is None else popularity_rank, MovieId(movie))


_POSITIONS: dict[SortKey, Callable[..., Position]] = {
    SortKey.NUMBER: Cursor,
    SortKey.TEXT: Cursor,
    SortKey.DAY: lambda day, identifier: Cursor(day and day.isoformat(), identifier),
    SortKey.TIME: lambda at, identifier: Cursor(time_value(at), identifier),
    SortKey.RANK: _match,
}


def _checksum(position: bytes, identity: bytes) -> bytes:
    return blake2b(identity + b"\0" + position, digest_size=CHECKSUM_BYTES).digest()
