"""Turning untyped input into a Struct, with every fault named at once: the field, then the rule that it
breaks.
"""

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


class Unfit(ValueError):  # noqa: N818  as the domain's errors are named
    """A value breaks a rule that needs words of its own; they go after the name of its field."""


def rule(
    sentence: str,
    *,
    fits: Callable[[Any], object] | None = None,
    **bounds: Any,  # noqa: ANN401  as Meta takes them
) -> msgspec.Meta:
    """The bounds of a field together with the words that state them.

    `fits` is a rule that no bounds can state: called with a value within them, it raises Invalid or Unfit, in
    words of its own, for one that breaks it, or any other ValueError, for which the sentence stands.
    """
    return msgspec.Meta(extra={"rule": sentence, "fits": fits}, **bounds)


FurtherRules = Callable[[Mapping[str, Any]], Iterable[Fault]]
"""Finds what is wrong with fields that keep the rules of their own; it is given their values by name."""


def checked(
    kind: type[StructT],
    raw: Mapping[str, Any],
    *,
    strict: bool = True,
    noun: str = "field",
    further: FurtherRules = lambda _: (),
) -> StructT:
    """The Struct that raw fields, by their outer names, make.

    Without `strict`, texts are read as numbers where numbers are wanted. A fault's words come from the `rule`
    in the field's annotation. Raises InvalidFields: every unknown, missing or wrong field.
    """
    fields = _fields(kind)
    faults = [Fault(name, FaultCode.UNKNOWN, f"is not a known {noun}") for name in raw if name not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            try:
                values[field.name] = field.read(raw[name], strict=strict)
            except msgspec.ValidationError as error:
                faults.append(Fault(name, field.broken_by(raw[name], strict=strict), field.words(error)))
            except Unfit as error:
                faults.append(Fault(name, FaultCode.MALFORMED, str(error)))
            except ValueError as error:
                faults.append(Fault(name, FaultCode.MALFORMED, field.words(error)))
            except Invalid as error:
                faults += error.faults
        elif field.required:
            faults.append(Fault(name, FaultCode.REQUIRED, "is required"))
    named = {fault.field for fault in faults}
    faults += (fault for fault in further(values) if fault.field not in named)
    if faults:
        raise InvalidFields(faults)
    return kind(**values)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a Struct, and what must hold of it."""

    name: str
    required: bool
    annotation: Any
    rule: str | None
    fits: Callable[[Any], object] | None

    def read(self, raw: object, *, strict: bool) -> object:
        """The value. Raises ValidationError, ValueError or Invalid."""
        value: object = msgspec.convert(raw, self.annotation, strict=strict)
        if self.fits and value is not None:
            self.fits(value)
        return value

    def words(self, error: Exception) -> str:
        """The rule in words; without any, what the error says."""
        return self.rule or f"is wrong: {error}"

    def broken_by(self, raw: object, *, strict: bool) -> FaultCode:
        """Which kind of rule a value breaks that cannot be read."""
        meta = next(_metas(self.annotation), msgspec.Meta())
        try:
            value = msgspec.convert(raw, _bare(self.annotation), strict=strict)
        except msgspec.ValidationError:
            return FaultCode.NOT_ALLOWED if _is_choice(self.annotation) else FaultCode.WRONG_TYPE
        if not isinstance(value, str):
            return FaultCode.OUT_OF_RANGE
        if meta.min_length is not None and len(value) < meta.min_length:
            return FaultCode.TOO_SHORT
        if meta.max_length is not None and len(value) > meta.max_length:
            return FaultCode.TOO_LONG
        return FaultCode.MALFORMED


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, _Field]:
    """The fields of a Struct by their outer names."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: _Field(field.name, field.required, hints[field.name], **_extras(hints[field.name]))
        for field in msgspec.structs.fields(kind)
    }


def _extras(annotation: object) -> dict[str, Any]:
    stated = (meta.extra for meta in _metas(annotation) if meta.extra and "rule" in meta.extra)
    return next(stated, {"rule": None, "fits": None})


def _metas(annotation: object) -> Iterator[msgspec.Meta]:
    """What an annotation, or each part of a union, says of its type."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta):
                yield meta


def _bare(annotation: object) -> Any:  # noqa: ANN401  a type, as msgspec takes it
    """The type without any bounds."""
    parts = [getattr(part, "__origin__", part) for part in _parts(annotation)]
    return reduce(or_, parts)


def _is_choice(annotation: object) -> bool:
    return any(isinstance(part, type) and issubclass(part, Enum) for part in map(_bare, _parts(annotation)))


def _parts(annotation: object) -> tuple[object, ...]:
    """The types of a union that can be given, or the one type."""
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return tuple(part for part in get_args(annotation) if part is not msgspec.UnsetType)
    return (annotation,)
