"""Cursors as clients see them: opaque texts, good for the list that they came from and for no other.

A token holds a place (the sort value and the id of the last movie shown) and a seal over the place and the
list: its path, order and filters. The seal is no secret; it is there so that a token which was cut, changed
or carried over to another list is refused instead of showing a wrong page.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date
from hashlib import blake2b
from typing import Annotated, Any

import msgspec

from domain.browsing import Cursor, SortBy
from domain.ids import OWN_ID, MovieId

SEAL = 8
"""Bytes of a seal."""

_Id = Annotated[str, msgspec.Meta(pattern=f"^{OWN_ID.pattern}$", max_length=24)]
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | float
_DAYS = msgspec.json.Decoder(tuple[date | None, _Id])
_TEXTS = msgspec.json.Decoder(tuple[str | None, _Id])
_NUMBERS = msgspec.json.Decoder(tuple[_Number | None, _Id])


def token(cursor: Cursor, listing: bytes) -> str:
    """The token for a place in a list; `listing` is whatever tells that list from others."""
    place = msgspec.json.encode((cursor.value, cursor.id))
    return urlsafe_b64encode(_seal(place, listing) + place).rstrip(b"=").decode()


def read(text: str, listing: bytes, by: SortBy) -> Cursor | None:
    """The place that a token of this list names; None if it is no token of it."""
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        seal, place = sealed[:SEAL], sealed[SEAL:]
        value, movie = _decoder(by).decode(place)
    except (ValueError, msgspec.MsgspecError):
        return None
    if seal != _seal(place, listing):
        return None
    return Cursor(value.isoformat() if isinstance(value, date) else value, MovieId(movie))


def _seal(place: bytes, listing: bytes) -> bytes:
    return blake2b(listing + b"\0" + place, digest_size=SEAL).digest()


def _decoder(by: SortBy) -> msgspec.json.Decoder[Any]:
    match by:
        case SortBy.RELEASE_DATE:
            return _DAYS
        case SortBy.TITLE:
            return _TEXTS
        case _:
            return _NUMBERS
