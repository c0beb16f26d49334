"""JSON Schemas of request and response types, in the form that client generators handle best.

msgspec generates the schema of each Struct. Here schemas get the names that clients see, and are changed
where OpenAPI tools would misunderstand them:

- All fields of a response are required, whether or not they have a default.
- Optional fields of a request have no `default`: openapi-typescript requires a field that has one.
- "A or null" is one array of types where JSON Schema allows it, and every enum has a type.
- A response that `fields` can narrow has a schema of its own, `Partial…`, that requires nothing.
- `cast` of a movie is declared apart from its other fields: openapi-python-client would give a variable that
  name, and so hide the function that its code calls. Its clients have it as an additional property.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = dict[str, Any]

PREFIX = "#/components/schemas/"

NAMES = {
    "Condition": "HealthStatus",
    "Entity": "SyncEntity",
    "ErrorOut": "ApiError",
    "FaultCode": "FieldErrorCode",
    "Kind": "EntryKind",
    "MetaOut": "PageMeta",
    "Prefer": "ImportPreference",
    "RatingOrder": "RatingSortField",
    "WatchlistOrder": "WatchlistSortField",
    "Reason": "ImportReason",
    "Refusal": "ImportFailure",
    "RowClass": "ImportRowClass",
    "RowKind": "ImportRowKind",
    "Scope": "ApiTokenScope",
    "Skipped": "ScrobbleSkipped",
    "SortBy": "MovieSortField",
    "SourceFormat": "ImportSource",
    "Status": "SyncStatus",
}
"""The name that clients see, for types whose own name without `Out` does not suit them."""

FORMATS = {"integer": "int32", "number": "double"}
"""The format of numbers that do not specify one."""

APART = frozenset({"cast"})
"""The fields that are declared apart."""

_PAGE = re.compile(r"PageOut_(\w+)_")


class JsonSchemas:
    """The schemas of a number of types; `components` are those with a name.

    `names` are the names that clients see for some types; bodies are named after their operations.
    """

    def __init__(self, types: Iterable[Any], names: Mapping[Any, str]) -> None:
        kinds = list(dict.fromkeys(types))
        schemas, components = msgspec.json.schema_components(kinds, ref_template=PREFIX + "{name}")
        self._names = {**NAMES, **{kind.__name__: name for kind, name in names.items()}}
        self._schemas = {kind: self._convert(schema) for kind, schema in zip(kinds, schemas, strict=True)}
        self.components = {
            self._name(name): self._convert_component(name, schema) for name, schema in components.items()
        }

    def __getitem__(self, kind: object) -> Json:
        """The schema of a type; for a component, a reference to it."""
        return self._schemas[kind]

    def component(self, kind: object) -> Json:
        """The component of a Struct."""
        component: Json = self.components[self._schemas[kind]["$ref"].removeprefix(PREFIX)]
        return component

    def narrowed(self, kind: object) -> Json:
        """The schema of a response that `fields` can narrow: of a page, its items; otherwise the object."""
        properties = self.component(kind)["properties"]
        if "data" not in properties:
            return self._partial(self._schemas[kind])
        properties["data"]["items"] = self._partial(properties["data"]["items"])
        return self._schemas[kind]

    def _partial(self, reference: Json) -> Json:
        name = reference["$ref"].removeprefix(PREFIX)
        if name.startswith("Partial"):
            return reference
        complete = self.components[name]
        description = f"{complete['description']} With `fields`, the fields that it does not name are absent."
        self.components[f"Partial{name}"] = {**complete, "description": description, "required": []}
        return {"$ref": f"{PREFIX}Partial{name}"}

    def _name(self, name: str) -> str:
        """The name that clients see for a component."""
        page = _PAGE.fullmatch(name)
        return f"{self._name(page[1])}Page" if page else self._names.get(name, name.removesuffix("Out"))

    def _convert_component(self, name: str, schema: Json) -> Json:
        """Convert a component. Queries keep their defaults; their fields become parameters."""
        schema = self._convert(schema)
        if "properties" not in schema or name.endswith("Query"):
            return schema
        fields: Json = schema["properties"]
        always = (
            {each for each, field in fields.items() if "default" in field} if name.endswith("Out") else ()
        )
        schema["required"] = [each for each in fields if each in schema["required"] or each in always]
        schema["properties"] = {each: _without(field, "default") for each, field in fields.items()}
        return schema

    def _convert(self, schema: Json) -> Json:
        """Convert a schema and its subschemas."""
        converted = {key: self._convert_value(key, value) for key, value in _without(schema, "title").items()}
        if "$ref" in converted:
            converted["$ref"] = PREFIX + self._name(converted["$ref"].removeprefix(PREFIX))
        if "enum" in converted:
            converted.setdefault("type", "string")
        if converted.get("type") in FORMATS:
            converted.setdefault("format", FORMATS[converted["type"]])
        return _nullable(converted)

    def _convert_value(self, key: str, value: Any) -> Any:  # noqa: ANN401  any JSON
        match key, value:
            case "properties", dict():
                return {name: self._convert(field) for name, field in value.items()}
            case (("items" | "additionalProperties"), dict()):
                return self._convert(value)
            case "anyOf", list():
                return [self._convert(each) for each in value]
        return deepcopy(value)


def set_apart(component: Json) -> Json:
    """A component whose fields in `APART` stand in a part of their own, which openapi-python-client skips."""
    fields = component.get("properties", {})
    apart = [name for name in fields if name in APART]
    if not apart:
        return component
    required = component["required"]
    part = {
        "type": "object",
        "properties": {name: fields[name] for name in apart},
        "required": [name for name in required if name in APART],
    }
    return {
        **component,
        "properties": {name: field for name, field in fields.items() if name not in APART},
        "required": [name for name in required if name not in APART],
        "allOf": [{"allOf": [part, {"description": "Beside the other fields."}]}],
    }


def reachable(components: Mapping[str, Json], start: object) -> dict[str, Json]:
    """The components to which a JSON value refers, directly or through other components."""
    found: dict[str, Json] = {}
    waiting = list(_references(start))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = components[name]
            waiting += _references(found[name])
    return dict(sorted(found.items()))


def _references(value: object) -> Iterator[str]:
    yield from re.findall(rf'"{PREFIX}(\w+)"', msgspec.json.encode(value).decode())


def _nullable(schema: Json) -> Json:
    """Write "this type or null" as one array of types, unless the type is a component."""
    match schema:
        case {"anyOf": [{"type": str(kind)} as other, {"type": "null"}], **rest}:
            return {**other, **rest, "type": [kind, "null"]}
    return schema


def _without(schema: Json, key: str) -> Json:
    return {name: value for name, value in schema.items() if name != key}
