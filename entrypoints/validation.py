"""Validation of untyped input against a Struct. All errors are reported at once, each with its field."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from domain.errors import Fault, FaultCode, Invalid, InvalidFields

StructT = TypeVar("StructT", bound=msgspec.Struct)


class InvalidValue(ValueError):  # noqa: N818  as the domain's errors are named
    """A validator rejects a value. The text of the error completes a sentence that begins with the field."""


def rule(
    sentence: str,
    *,
    validator: Callable[[Any], object] | None = None,
    **bounds: Any,  # noqa: ANN401  as Meta takes them
) -> msgspec.Meta:
    """Metadata of a field: its bounds, and the error message that states them.

    `validator` checks what bounds cannot express. It is called with a value that is within the bounds, and
    raises Invalid or InvalidValue with a message of its own, or any other ValueError, which is reported with
    `sentence`.
    """
    return msgspec.Meta(extra={"rule": sentence, "validator": validator}, **bounds)


ExtraRules = Callable[[Mapping[str, Any]], Iterable[Fault]]
"""Checks rules that are not part of the Struct. Takes the valid fields by name and returns the errors."""


def validate(
    kind: type[StructT],
    raw: Mapping[str, Any],
    *,
    strict: bool = True,
    noun: str = "field",
    extra_rules: ExtraRules = lambda _: (),
) -> StructT:
    """Build a Struct from a mapping of encoded field names to raw values.

    If `strict` is false, strings are converted to numbers where the field is a number. Messages come from the
    `rule` of each field. Raises InvalidFields with every unknown, missing or invalid field.
    """
    fields = _fields(kind)
    faults = [Fault(name, FaultCode.UNKNOWN, f"is not a known {noun}") for name in raw if name not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            try:
                values[field.name] = field.convert(raw[name], strict=strict)
            except msgspec.ValidationError as error:
                faults.append(Fault(name, field.code_of(raw[name], strict=strict), field.message(error)))
            except InvalidValue as error:
                faults.append(Fault(name, FaultCode.MALFORMED, str(error)))
            except ValueError as error:
                faults.append(Fault(name, FaultCode.MALFORMED, field.message(error)))
            except Invalid as error:
                faults += error.faults
        elif field.required:
            faults.append(Fault(name, FaultCode.REQUIRED, "is required"))
    invalid = {fault.field for fault in faults}
    faults += (fault for fault in extra_rules(values) if fault.field not in invalid)
    if faults:
        raise InvalidFields(faults)
    return kind(**values)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a Struct with its type and its rule."""

    name: str
    required: bool
    annotation: Any
    rule: str | None
    validator: Callable[[Any], object] | None

    def convert(self, raw: object, *, strict: bool) -> object:
        """Return the value. Raises ValidationError, ValueError or Invalid."""
        value: object = msgspec.convert(raw, self.annotation, strict=strict)
        if self.validator and value is not None:
            self.validator(value)
        return value

    def message(self, error: Exception) -> str:
        """The message for an error without one of its own."""
        return self.rule or f"is wrong: {error}"

    def code_of(self, raw: object, *, strict: bool) -> FaultCode:
        """The error code for a value that cannot be converted."""
        meta = next(_metas(self.annotation), msgspec.Meta())
        try:
            value = msgspec.convert(raw, _without_bounds(self.annotation), strict=strict)
        except msgspec.ValidationError:
            return FaultCode.NOT_ALLOWED if _is_enum(self.annotation) else FaultCode.WRONG_TYPE
        if not isinstance(value, str):
            return FaultCode.OUT_OF_RANGE
        if meta.min_length is not None and len(value) < meta.min_length:
            return FaultCode.TOO_SHORT
        if meta.max_length is not None and len(value) > meta.max_length:
            return FaultCode.TOO_LONG
        return FaultCode.MALFORMED


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, _Field]:
    """The fields of a Struct by their encoded names."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: _Field(field.name, field.required, hints[field.name], **_rule(hints[field.name]))
        for field in msgspec.structs.fields(kind)
    }


def _rule(annotation: object) -> dict[str, Any]:
    rules = (meta.extra for meta in _metas(annotation) if meta.extra and "rule" in meta.extra)
    return next(rules, {"rule": None, "validator": None})


def _metas(annotation: object) -> Iterator[msgspec.Meta]:
    """The metadata of an annotation and of each member of a union."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta):
                yield meta


def _without_bounds(annotation: object) -> Any:  # noqa: ANN401  a type, as msgspec takes it
    parts = [getattr(part, "__origin__", part) for part in _members(annotation)]
    return reduce(or_, parts)


def _is_enum(annotation: object) -> bool:
    return any(
        isinstance(part, type) and issubclass(part, Enum)
        for part in map(_without_bounds, _members(annotation))
    )


def _members(annotation: object) -> tuple[object, ...]:
    """The members of a union except UnsetType; other types are their own only member."""
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return tuple(part for part in get_args(annotation) if part is not msgspec.UnsetType)
    return (annotation,)
