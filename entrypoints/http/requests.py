"""Parsing of query strings and JSON bodies into Structs. Every error of a request is reported at once.

Bodies are decoded by the standard library, not by msgspec, because only it can report duplicate keys.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from msgspec import Meta, UnsetType

from domain.errors import Fault, FaultCode, InvalidFields, NotFound
from domain.ids import UserId, is_id
from domain.texts import MAX_TEXT_LENGTH, UNCHANGED, Unchanged, clean_text
from domain.users import Caller
from entrypoints.http.exceptions import NotJson, UnsupportedContentEncoding
from entrypoints.http.schemas import Body, Query
from entrypoints.validation import ExtraRules, rule, validate

HttpRequest: TypeAlias = Request[Any, Any, State]

MAX_PARAMETERS = 100
MAX_FIELDS = 100
MAX_NAME_LENGTH = 60
"""Characters of a parameter's or a field's name that are repeated in an error."""

FORBIDDEN_CHARACTERS = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, and the surrogates that stand for bytes that are not UTF-8."""

ValueT = TypeVar("ValueT")
IdT = TypeVar("IdT")


QueryT = TypeVar("QueryT", bound=Query)
BodyT = TypeVar("BodyT", bound=Body)


def unset_to_none(value: ValueT | UnsetType) -> ValueT | None:
    """The value of an optional parameter or field; None if it was not given."""
    return None if isinstance(value, UnsetType) else value


def unset_to_unchanged(value: ValueT | UnsetType) -> ValueT | Unchanged:
    """The value of a field in a change; UNCHANGED if it was not given."""
    return UNCHANGED if isinstance(value, UnsetType) else value


def free_text(field: str, *, example: str) -> Meta:
    """The rule of a field for text that users write, such as a review; null removes it."""
    return rule(
        "must be text or null",
        validator=partial(clean_text, field),
        description=f"Plain text, at most {MAX_TEXT_LENGTH:,} characters. Null for none.",
        examples=[example],
        extra_json_schema={"maxLength": MAX_TEXT_LENGTH},
    )


Note = Annotated[str, free_text("note", example="With the children")]
"""The note of a user on an item of the watchlist, or on a viewing."""


def caller_of(request: HttpRequest) -> UserId | None:
    """The user who has sent the request; None if it has no token, or the endpoint needs none."""
    caller: Caller | None = request.scope["state"].get("caller")
    return caller.user.id if caller else None


def owner_of(request: HttpRequest) -> UserId | None:
    """The caller, if the endpoint answers each user differently (`Endpoint.own`)."""
    endpoint = request.scope["route_handler"].opt.get("endpoint")
    return caller_of(request) if endpoint and endpoint.own else None


def path_id(request: HttpRequest, kind: Callable[[str], IdT], not_found: Callable[[], NotFound]) -> IdT:
    """The `id` in the path of a request. Raises `not_found` if it does not have the form of an id."""
    text = request.path_params["id"]
    if not is_id(text):
        raise not_found()
    return kind(text)


# Query strings


def parse_query(kind: type[QueryT], request: HttpRequest) -> QueryT:
    """Parse the query string. Raises InvalidFields with all errors."""
    query, faults = read_query(kind, request)
    if faults:
        raise InvalidFields(faults)
    return query


def read_query(kind: type[QueryT], request: HttpRequest) -> tuple[QueryT, list[Fault]]:
    """The parameters, and the errors of the query string that do not prevent parsing it.

    Raises InvalidFields if a parameter is invalid.
    """
    raw, faults = split_query(request.scope["query_string"])
    try:
        return _convert_query(kind, raw), faults
    except InvalidFields as error:
        raise InvalidFields([*faults, *error.faults]) from None


def split_query(query_string: bytes) -> tuple[dict[str, str], list[Fault]]:
    """The parameters by name, and an error for each that is duplicate or not valid text."""
    text = query_string.decode(errors="surrogateescape")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_PARAMETERS
        )
    except ValueError:
        message = f"must have at most {MAX_PARAMETERS} parameters"
        return {}, [Fault("query", FaultCode.TOO_LONG, message, subject="the query")]
    raw: dict[str, str] = {}
    faults: dict[Fault, None] = {}
    for pair, value in pairs:
        name = _printable(pair)
        if name in raw:
            faults[Fault(name, FaultCode.DUPLICATE, "must be given once")] = None
        elif FORBIDDEN_CHARACTERS.search(value):
            message = "must be text in UTF-8 without NUL"
            faults[Fault(name, FaultCode.FORBIDDEN_CHARACTERS, message)] = None
        raw.setdefault(name, FORBIDDEN_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", value))
    return raw, list(faults)


def _convert_query(kind: type[QueryT], raw: dict[str, str]) -> QueryT:
    """Convert all parameters at once; only if that fails, one by one to find every error."""
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError:
        return validate(kind, raw, strict=False, noun="parameter")


def _printable(name: str) -> str:
    """A name as an error message can repeat it."""
    return FORBIDDEN_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", name[:MAX_NAME_LENGTH]) or '""'


# Bodies


def parse_body(
    kind: type[BodyT], request: HttpRequest, body: bytes, *, extra_rules: ExtraRules = lambda _: ()
) -> BodyT:
    """Parse the JSON body of a request that has no parameters.

    `extra_rules` are rules that only a use case can check. Raises NotJson, UnsupportedContentEncoding, or
    InvalidFields with all errors.
    """
    _check_content_type(request, body)
    faults: list[Fault] = []
    with _collecting(faults):
        parse_query(Query, request)
    with _collecting(faults):
        fields = _convert_body(kind, body, extra_rules)
    if faults:
        raise InvalidFields(faults)
    return fields


def _check_content_type(request: HttpRequest, body: bytes) -> None:
    """An empty body is accepted with any type: it is an object without fields."""
    content_type = request.headers.get("content-type", "").lower().replace(" ", "").replace('"', "")
    media_type, _, parameters = content_type.partition(";")
    if body and request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UnsupportedContentEncoding
    if body and (media_type != "application/json" or parameters not in {"", "charset=utf-8", "charset=utf8"}):
        raise NotJson


@contextmanager
def _collecting(faults: list[Fault]) -> Iterator[None]:
    """Add the errors of an InvalidFields to a list instead of raising it."""
    try:
        yield
    except InvalidFields as error:
        faults += error.faults


def _convert_body(kind: type[BodyT], body: bytes, extra_rules: ExtraRules) -> BodyT:
    return _validated(kind, _decode(body), extra_rules)


def _validated(kind: type[BodyT], raw: dict[str, Any], extra_rules: ExtraRules) -> BodyT:
    fields = validate(kind, {_printable(name): value for name, value in raw.items()}, extra_rules=extra_rules)
    if faults := fields.conflicts():
        raise InvalidFields(faults)
    return fields


def parse_entries(request: HttpRequest, body: bytes, *, most: int) -> list[object]:
    """Parse the JSON body of a request that has no parameters: a list of up to `most` values, each of which
    `parse_entry` parses. Raises NotJson, UnsupportedContentEncoding, or InvalidFields with all errors.
    """
    _check_content_type(request, body)
    faults: list[Fault] = []
    entries: list[object] = []
    with _collecting(faults):
        parse_query(Query, request)
    with _collecting(faults):
        raw = _load(body, "[]")
        if not isinstance(raw, list):
            raise InvalidFields([_body_fault(FaultCode.WRONG_TYPE, "must be a JSON array")])
        if len(raw) > most:
            raise InvalidFields([_body_fault(FaultCode.TOO_LONG, f"must have at most {most} entries")])
        entries = raw
    if faults:
        raise InvalidFields(faults)
    return entries


def parse_entry(kind: type[BodyT], raw: object) -> BodyT:
    """Parse one value of a list. Raises InvalidFields with all errors."""
    if not isinstance(raw, dict):
        raise InvalidFields(
            [Fault("body", FaultCode.WRONG_TYPE, "must be a JSON object", subject="the entry")]
        )
    return _validated(kind, raw, lambda _: ())


def _decode(body: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises InvalidFields."""
    raw = _load(body, "{}")
    if not isinstance(raw, dict):
        raise InvalidFields([_body_fault(FaultCode.WRONG_TYPE, "must be a JSON object")])
    return raw


def _load(body: bytes, empty: str) -> object:
    """Decode JSON; a byte order mark is skipped, and no body is `empty`. Raises InvalidFields."""
    try:
        return json.loads(
            body.decode("utf-8-sig") or empty, object_pairs_hook=_strict_object, parse_constant=_reject
        )
    except (ValueError, RecursionError):
        raise InvalidFields([_body_fault(FaultCode.MALFORMED, "must be JSON in UTF-8")]) from None


def _strict_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object. Raises InvalidFields for duplicate keys, too many keys and invalid text."""
    if len(pairs) > MAX_FIELDS:
        raise InvalidFields([_body_fault(FaultCode.TOO_LONG, f"must have at most {MAX_FIELDS} fields")])
    times = Counter(name for name, _ in pairs)
    faults = [
        Fault(_printable(name), FaultCode.DUPLICATE, "must be given once")
        for name in times
        if times[name] > 1
    ]
    faults += [
        Fault(_printable(name), FaultCode.FORBIDDEN_CHARACTERS, "must be text without NUL")
        for name, value in pairs
        if isinstance(value, str) and FORBIDDEN_CHARACTERS.search(value)
    ]
    if faults:
        raise InvalidFields(faults)
    return dict(pairs)


def _reject(constant: str) -> NoReturn:
    """NaN and infinities are not JSON, although Python accepts them."""
    raise ValueError(constant)


def _body_fault(code: FaultCode, message: str) -> Fault:
    """An error of the body as a whole."""
    return Fault("body", code, message, subject="the body")
