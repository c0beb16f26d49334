"""Turning untyped input into a Struct, with every fault named at once: the field, then the rule that it
breaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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


def rule(sentence: str, **bounds: Any) -> msgspec.Meta:  # noqa: ANN401  as Meta takes them
    """The bounds of a field together with the words that state them."""
    return msgspec.Meta(extra={"rule": sentence}, **bounds)


def checked(
    kind: type[StructT], raw: Mapping[str, Any], *, strict: bool = True, noun: str = "field"
) -> StructT:
    """The Struct that raw fields, by their outer names, make.

    Without `strict`, texts are read as numbers where numbers are wanted. A fault's words come from the `rule`
    in the field's annotation. Raises Faults: every unknown, missing or wrong field.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    sentences = [f"{name} is not a known {noun}" for name in raw if name not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            try:
                values[field.name] = msgspec.convert(raw[name], hints[field.name], strict=strict)
            except msgspec.ValidationError as error:
                sentences.append(f"{name} {_rule_of(hints[field.name]) or _plain(error)}")
        elif field.required:
            sentences.append(f"{name} is required")
    if sentences:
        raise Faults(sentences)
    return kind(**values)


def _rule_of(annotation: object) -> str | None:
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "rule" in meta.extra:
                return str(meta.extra["rule"])
    return None


def _plain(error: msgspec.ValidationError) -> str:
    return f"is wrong: {error}"
