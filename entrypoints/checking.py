"""Turning untyped input into a Struct, with every fault named at once: the field, then the rule that it
breaks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from domain.errors import Invalid

StructT = TypeVar("StructT", bound=msgspec.Struct)


@dataclass(eq=False)
class Faults(Invalid):
    """Input that breaks rules; one sentence each."""

    sentences: list[str]

    def __str__(self) -> str:
        return "; ".join(self.sentences)


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


def checked(
    kind: type[StructT], raw: Mapping[str, Any], *, strict: bool = True, noun: str = "field"
) -> StructT:
    """The Struct that raw fields, by their outer names, make.

    Without `strict`, texts are read as numbers where numbers are wanted. A fault's words come from the `rule`
    in the field's annotation. Raises Faults: every unknown, missing or wrong field.
    """
    fields = _fields(kind)
    sentences = [f"{name} is not a known {noun}" for name in raw if name not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            try:
                values[field.name] = field.read(raw[name], strict=strict)
            except Unfit as error:
                sentences.append(f"{name} {error}")
            except (msgspec.ValidationError, ValueError) as error:
                sentences.append(f"{name} {field.rule or _plain(error)}")
            except Invalid as error:
                sentences.append(str(error))
        elif field.required:
            sentences.append(f"{name} is required")
    if sentences:
        raise Faults(sentences)
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


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, _Field]:
    """The fields of a Struct by their outer names."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: _Field(field.name, field.required, hints[field.name], **_extras(hints[field.name]))
        for field in msgspec.structs.fields(kind)
    }


def _extras(annotation: object) -> dict[str, Any]:
    return next(_stated(annotation), {"rule": None, "fits": None})


def _stated(annotation: object) -> Iterator[dict[str, Any]]:
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "rule" in meta.extra:
                yield meta.extra


def _plain(error: Exception) -> str:
    return f"is wrong: {error}"
