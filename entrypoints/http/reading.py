"""Reading a JSON body into a Struct, refusing whatever cannot be taken at its word.

The standard library's decoder does it, not msgspec's, because it alone tells of a key that is given twice.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NoReturn, TypeVar

import msgspec
from msgspec import UNSET

from domain.errors import Fault, FaultCode, InvalidFields
from entrypoints.http.errors import EncodingUnread, NotJson
from entrypoints.http.requests import NOT_TEXT, HttpRequest, Query, asked, shown
from entrypoints.validation import FurtherRules, checked

MOST_FIELDS = 100

BodyT = TypeVar("BodyT", bound="Body")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields that a call takes."""

    def conflicts(self) -> list[Fault]:
        """A fault for each rule between fields that these break."""
        return []


class Change(Body, frozen=True, kw_only=True):
    """What is to be changed of a thing: at least one of its fields, but for those that are `unchanging`,
    which only go along. What is UNSET stays as it is.
    """

    unchanging: ClassVar[frozenset[str]] = frozenset()

    def conflicts(self) -> list[Fault]:
        """A change of nothing is a slip."""
        names = [name for name in self.__struct_fields__ if name not in self.unchanging]
        changing = any(getattr(self, name) is not UNSET for name in names)
        return (
            [] if changing else [_of_body(FaultCode.REQUIRED, f"must change something: {' or '.join(names)}")]
        )


def sent(
    kind: type[BodyT], request: HttpRequest, body: bytes, *, further: FurtherRules = lambda _: ()
) -> BodyT:
    """The fields of a request that takes no parameters.

    `further` are rules that only a use case knows. Raises NotJson, EncodingUnread, or InvalidFields with all
    faults.
    """
    _must_be_json(request, body)
    faults: list[Fault] = []
    with _noting(faults):
        asked(Query, request)
    with _noting(faults):
        fields = _sound(kind, body, further)
    if faults:
        raise InvalidFields(faults)
    return fields


def _must_be_json(request: HttpRequest, body: bytes) -> None:
    """No body at all is as good as one without fields, whatever it is said to be."""
    said = request.headers.get("content-type", "")
    media_type, _, parameters = said.lower().replace(" ", "").replace('"', "").partition(";")
    if body and request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise EncodingUnread
    if body and (media_type != "application/json" or parameters not in {"", "charset=utf-8", "charset=utf8"}):
        raise NotJson


@contextmanager
def _noting(faults: list[Fault]) -> Iterator[None]:
    """Gather the faults that are found here."""
    try:
        yield
    except InvalidFields as error:
        faults += error.faults


def _sound(kind: type[BodyT], body: bytes, further: FurtherRules) -> BodyT:
    raw = _decoded(body)
    fields = checked(kind, {shown(name): value for name, value in raw.items()}, further=further)
    if faults := fields.conflicts():
        raise InvalidFields(faults)
    return fields


def _decoded(body: bytes) -> dict[str, Any]:
    """The fields of a JSON object; a byte order mark before it is skipped. Raises InvalidFields."""
    try:
        raw = json.loads(
            body.decode("utf-8-sig") or "{}", object_pairs_hook=_plain_object, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise InvalidFields([_of_body(FaultCode.MALFORMED, "must be JSON in UTF-8")]) from None
    if not isinstance(raw, dict):
        raise InvalidFields([_of_body(FaultCode.WRONG_TYPE, "must be a JSON object")])
    return raw


def _plain_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without what no client can mean. Raises InvalidFields."""
    if len(pairs) > MOST_FIELDS:
        raise InvalidFields([_of_body(FaultCode.TOO_LONG, f"must have at most {MOST_FIELDS} fields")])
    times = Counter(name for name, _ in pairs)
    faults = [
        Fault(shown(name), FaultCode.DUPLICATE, "must be given once") for name in times if times[name] > 1
    ]
    faults += [
        Fault(shown(name), FaultCode.FORBIDDEN_CHARACTERS, "must be text without NUL")
        for name, value in pairs
        if _broken(value)
    ]
    if faults:
        raise InvalidFields(faults)
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    """NaN and infinities are no JSON, though Python would read them."""
    raise ValueError(constant)


def _broken(value: object) -> bool:
    return isinstance(value, str) and NOT_TEXT.search(value) is not None


def _of_body(code: FaultCode, message: str) -> Fault:
    """What is wrong with the body as a whole."""
    return Fault("body", code, message, subject="the body")
