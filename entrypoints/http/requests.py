"""Reading a query string into a Struct, refusing whatever cannot be taken at its word."""

import re
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from msgspec import UNSET

from domain.errors import Fault, FaultCode, InvalidFields
from domain.ids import UserId
from domain.users import Caller
from entrypoints.validation import checked

HttpRequest: TypeAlias = Request[Any, Any, State]

MOST_PARAMETERS = 100
LONGEST_NAME = 60
NOT_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, and what bytes that are not UTF-8 decode to."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters that a call takes; this one takes none.

    Optional parameters are UNSET, not None: in a query string "null" is a text like any other.
    """

    def conflicts(self, listing: str) -> list[Fault]:  # noqa: ARG002  most calls are the same everywhere
        """A fault for each rule between parameters that these break, in this list (`listing_of`)."""
        return []

    @property
    def given(self) -> dict[str, Any]:
        """Every parameter that is not as it is by default, by name."""
        values = ((field, getattr(self, field.name)) for field in msgspec.structs.fields(self))
        return {
            field.encode_name: value
            for field, value in values
            if value is not UNSET and value != field.default
        }


QueryT = TypeVar("QueryT", bound=Query)


def owner_of(request: HttpRequest) -> UserId | None:
    """Who calls, if the call shows what is the caller's own (`Call.own`)."""
    call = request.scope["route_handler"].opt.get("call")
    caller: Caller | None = request.scope["state"].get("caller")
    return caller.user.id if call and call.own and caller else None


def listing_of(request: HttpRequest) -> str:
    """What tells the list that a request is for from others, besides its parameters: its path, and whose it
    is if it is somebody's own.
    """
    path, owner = request.scope["path"], owner_of(request)
    return f"{path} {owner}" if owner else path


def asked(kind: type[QueryT], request: HttpRequest) -> QueryT:
    """The parameters of a request. Raises InvalidFields: each on its own first, then all together."""
    raw, faults = parameters(request.scope["query_string"])
    try:
        query = _sound(kind, raw)
    except InvalidFields as error:
        raise InvalidFields([*faults, *error.faults]) from None
    faults += query.conflicts(listing_of(request))
    if faults:
        raise InvalidFields(faults)
    return query


def parameters(query_string: bytes) -> tuple[dict[str, str], list[Fault]]:
    """The parameters by name, and a fault for each that is given twice or is no text."""
    text = query_string.decode(errors="surrogateescape")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        words = f"must have at most {MOST_PARAMETERS} parameters"
        return {}, [Fault("query", FaultCode.TOO_LONG, words, subject="the query")]
    raw: dict[str, str] = {}
    faults: dict[Fault, None] = {}
    for given, value in pairs:
        name = shown(given)
        if name in raw:
            faults[Fault(name, FaultCode.DUPLICATE, "must be given once")] = None
        elif NOT_TEXT.search(value):
            words = "must be text in UTF-8 without NUL"
            faults[Fault(name, FaultCode.FORBIDDEN_CHARACTERS, words)] = None
        raw.setdefault(name, NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", value))
    return raw, list(faults)


def _sound(kind: type[QueryT], raw: dict[str, str]) -> QueryT:
    """The Struct, made in one go; only if that fails are the parameters looked at one by one."""
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError:
        return checked(kind, raw, strict=False, noun="parameter")


def shown(name: str) -> str:
    """A parameter's name as it can be repeated in a sentence."""
    return NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", name[:LONGEST_NAME]) or '""'
