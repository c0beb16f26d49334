"""JSON Schemas of what goes in and out, in the form that generators of clients read well.

msgspec draws the schema of each Struct. Here it gets the name that clients use, and is changed where OpenAPI
tools would misread it:

- What is always in an answer is required, whether or not its field has a default.
- What may be left out of a request has no `default`: openapi-typescript takes a field with one as required.
- "A or null" is one array of types where JSON Schema can write it so, and every enum has its type.
- An answer that `fields` can narrow has a schema of its own, `Partial…`, that requires nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = dict[str, Any]

PREFIX = "#/components/schemas/"

NAMES = {
    "ChecksOut": "HealthChecks",
    "CheckOut": "HealthCheck",
    "Condition": "HealthStatus",
    "DriftOut": "RatingDrift",
    "Entity": "SyncEntity",
    "ErrorOut": "ApiError",
    "FaultCode": "FieldErrorCode",
    "FlushedOut": "CacheFlush",
    "ItemOut": "WatchlistItem",
    "LiveOut": "Liveness",
    "MetaOut": "PageMeta",
    "MovieRatingsOut": "MovieRatingPage",
    "RatedMovieOut": "MovieSummary",
    "RatingOrder": "RatingSortField",
    "RatingWrittenOut": "WrittenRating",
    "RelationOut": "MyMovie",
    "RunOut": "SyncRun",
    "SignedInOut": "Session",
    "SortBy": "MovieSortField",
    "StartedOut": "StartedSync",
    "Status": "SyncStatus",
    "SummaryOut": "RatingSummary",
    "VerifiedOut": "RatingVerification",
}
"""What clients call a type where that is not its own name without `Out`."""

FORMATS = {"integer": "int32", "number": "double"}
"""The format of a number that names none."""

_PAGE = re.compile(r"PageOut_(\w+)_")


class JsonSchemas:
    """The schemas of some types, to refer to and to take apart; `components` are those that have a name.

    `names` are what clients call some of the types (those of bodies, which are named after their operation).
    """

    def __init__(self, types: Iterable[Any], names: Mapping[Any, str]) -> None:
        kinds = list(dict.fromkeys(types))
        shapes, drawn = msgspec.json.schema_components(kinds, ref_template=PREFIX + "{name}")
        self._names = {**NAMES, **{kind.__name__: name for kind, name in names.items()}}
        self._shapes = {kind: self._fit(shape) for kind, shape in zip(kinds, shapes, strict=True)}
        self.components = {self._name(name): self._complete(name, schema) for name, schema in drawn.items()}

    def __getitem__(self, kind: object) -> Json:
        """The schema of a type: a reference to a component, if it is one."""
        return self._shapes[kind]

    def component(self, kind: object) -> Json:
        """The component that a Struct is."""
        component: Json = self.components[self._shapes[kind]["$ref"].removeprefix(PREFIX)]
        return component

    def narrowed(self, kind: object) -> Json:
        """The schema of what a call with `fields` answers: it requires nothing of the items in a page, else
        nothing of the whole. Pages are answered by such calls only.
        """
        properties = self.component(kind)["properties"]
        if "data" not in properties:
            return self._partial(self._shapes[kind])
        properties["data"]["items"] = self._partial(properties["data"]["items"])
        return self._shapes[kind]

    def _partial(self, reference: Json) -> Json:
        name = reference["$ref"].removeprefix(PREFIX)
        if name.startswith("Partial"):
            return reference
        whole = self.components[name]
        words = f"{whole['description']} With `fields`, the fields that it does not name are absent."
        self.components[f"Partial{name}"] = {**whole, "description": words, "required": []}
        return {"$ref": f"{PREFIX}Partial{name}"}

    def _name(self, drawn: str) -> str:
        """What clients call a component."""
        page = _PAGE.fullmatch(drawn)
        return f"{self._name(page[1])}Page" if page else self._names.get(drawn, drawn.removesuffix("Out"))

    def _complete(self, name: str, schema: Json) -> Json:
        """A component; parameters of queries, which are none in the end, keep their defaults."""
        schema = self._fit(schema)
        if "properties" not in schema or name.endswith("Query"):
            return schema
        fields: Json = schema["properties"]
        always = (
            {each for each, field in fields.items() if "default" in field} if name.endswith("Out") else ()
        )
        schema["required"] = [each for each in fields if each in schema["required"] or each in always]
        schema["properties"] = {each: _without(field, "default") for each, field in fields.items()}
        return schema

    def _fit(self, schema: Json) -> Json:
        """A schema with all that is in it."""
        fitted = {word: self._fit_within(word, value) for word, value in _without(schema, "title").items()}
        if "$ref" in fitted:
            fitted["$ref"] = PREFIX + self._name(fitted["$ref"].removeprefix(PREFIX))
        if "enum" in fitted:
            fitted.setdefault("type", "string")
        if fitted.get("type") in FORMATS:
            fitted.setdefault("format", FORMATS[fitted["type"]])
        return _nullable(fitted)

    def _fit_within(self, word: str, value: Any) -> Any:  # noqa: ANN401  whatever stands behind that word
        match word, value:
            case "properties", dict():
                return {name: self._fit(field) for name, field in value.items()}
            case (("items" | "additionalProperties"), dict()):
                return self._fit(value)
            case "anyOf", list():
                return [self._fit(each) for each in value]
        return deepcopy(value)


def reachable(components: Mapping[str, Json], start: object) -> dict[str, Json]:
    """The components that JSON refers to, and those that they refer to, by name."""
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
    """The schema with "this or null" as one array of types, unless "this" is a component."""
    match schema:
        case {"anyOf": [{"type": str(kind)} as other, {"type": "null"}], **rest}:
            return {**other, **rest, "type": [kind, "null"]}
    return schema


def _without(schema: Json, word: str) -> Json:
    return {name: value for name, value in schema.items() if name != word}
