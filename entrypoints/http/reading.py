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

from entrypoints.checking import Faults, checked
from entrypoints.http.asking import NOT_TEXT, HttpRequest, Query, asked, shown
from entrypoints.http.errors import NotJson

MOST_FIELDS = 100

BodyT = TypeVar("BodyT", bound="Body")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields that a call takes."""

    def conflicts(self) -> list[str]:
        """A sentence for each rule between fields that these break."""
        return []


class Change(Body, frozen=True, kw_only=True):
    """What is to be changed of a thing: at least one of its fields, but for those that are `unchanging`,
    which only go along. What is UNSET stays as it is.
    """

    unchanging: ClassVar[frozenset[str]] = frozenset()

    def conflicts(self) -> list[str]:
        """A change of nothing is a slip."""
        names = [name for name in self.__struct_fields__ if name not in self.unchanging]
        changing = any(getattr(self, name) is not UNSET for name in names)
        return [] if changing else [f"the body must change something: {' or '.join(names)}"]


def sent(kind: type[BodyT], request: HttpRequest, body: bytes) -> BodyT:
    """The fields of a request that takes no parameters. Raises Faults: all of them; NotJson."""
    _must_be_json(request, body)
    sentences: list[str] = []
    with _noting(sentences):
        asked(Query, request)
    with _noting(sentences):
        fields = _sound(kind, body)
    if sentences:
        raise Faults(sentences)
    return fields


def _must_be_json(request: HttpRequest, body: bytes) -> None:
    """No body at all is as good as one without fields, whatever it is said to be."""
    said = request.headers.get("content-type", "")
    media_type, _, parameters = said.lower().replace(" ", "").replace('"', "").partition(";")
    if body and (media_type != "application/json" or parameters not in {"", "charset=utf-8", "charset=utf8"}):
        raise NotJson


@contextmanager
def _noting(sentences: list[str]) -> Iterator[None]:
    """Gather the faults that are found here."""
    try:
        yield
    except Faults as faults:
        sentences += faults.sentences


def _sound(kind: type[BodyT], body: bytes) -> BodyT:
    raw = _decoded(body)
    fields = checked(kind, {shown(name): value for name, value in raw.items()})
    if sentences := fields.conflicts():
        raise Faults(sentences)
    return fields


def _decoded(body: bytes) -> dict[str, Any]:
    """The fields of a JSON object. Raises Faults."""
    try:
        raw = json.loads(body.decode() or "{}", object_pairs_hook=_plain_object, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Faults(["the body must be JSON in UTF-8"]) from None
    if not isinstance(raw, dict):
        raise Faults(["the body must be a JSON object"])
    return raw


def _plain_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without what no client can mean. Raises Faults."""
    if len(pairs) > MOST_FIELDS:
        raise Faults([f"the body must have at most {MOST_FIELDS} fields"])
    times = Counter(name for name, _ in pairs)
    sentences = [f"{shown(name)} must be given once" for name in times if times[name] > 1]
    sentences += [f"{shown(name)} must be text without NUL" for name, value in pairs if _broken(value)]
    if sentences:
        raise Faults(sentences)
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    """NaN and infinities are no JSON, though Python would read them."""
    raise ValueError(constant)


def _broken(value: object) -> bool:
    return isinstance(value, str) and NOT_TEXT.search(value) is not None
