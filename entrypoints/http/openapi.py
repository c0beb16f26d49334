"""The OpenAPI document, drawn from the routes: each handler carries the `Call` that it answers.

Litestar's own generator is not used: it describes what Litestar parses and encodes, while here queries are
read and answers encoded by Structs, whose JSON Schema msgspec knows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, TypeAlias

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from entrypoints.http.about import ATTRIBUTION, LICENCE
from entrypoints.http.calls import Access, Call
from entrypoints.http.errors import FRAMEWORK, ErrorOut, codes
from entrypoints.http.reading import Body, Change

Json: TypeAlias = dict[str, Any]

SCHEMAS = "#/components/schemas/{name}"

DESCRIPTION = f"""A movie catalogue with everyone's ratings.

{ATTRIBUTION}

Unknown parameters and fields are refused, and every fault of a request is named at once. Bodies are JSON
objects. A token comes from `POST /api/v1/auth/register` or `/api/v1/auth/login`, and goes into the header
`Authorization: Bearer`. Every answer to a GET carries an `ETag`; sent back as `If-None-Match`, it turns an
unchanged answer into a 304. HEAD works wherever GET
does. Every answer carries an `X-Request-ID`: yours, if you sent one. An answer over 1 KiB is compressed if
you accept that.

### Codes of errors

| code | status | meaning |
|---|---|---|
"""


SUCCESSES = {200: "As asked.", 201: "Made.", 202: "Will be done.", 204: "Done."}


def document(routes: Iterable[BaseRoute], *, version: str, public: bool) -> Json:
    """The OpenAPI 3.1 document of these routes. `public` says that the catalogue wants no token."""
    described = sorted(_described(routes), key=lambda each: (each.path, each.method))
    types = dict.fromkeys(kind for each in described for kind in each.types)
    shapes, schemas = msgspec.json.schema_components([*types, ErrorOut], ref_template=SCHEMAS)
    _complete(types, schemas)
    drawn = _Drawn(dict(zip(types, shapes, strict=False)), schemas, public=public)
    paths: dict[str, Json] = {}
    for each in described:
        paths.setdefault(each.path, {})[each.method] = drawn.operation(each)
    queries = {each.call.query.__name__ for each in described}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Matinee",
            "version": version,
            "description": DESCRIPTION + _codes(),
            "license": {"name": LICENCE, "identifier": LICENCE},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "responses": {_refused(status): _refusal(status) for status in FRAMEWORK},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


@dataclass(frozen=True, slots=True)
class _Described:
    """A call, and where it is to be found."""

    path: str
    method: str
    handler: HTTPRouteHandler
    call: Call

    @property
    def types(self) -> Iterator[Any]:
        """The types of what goes in and out."""
        call = self.call
        yield from (kind for kind in (call.query, call.body, call.answer, call.unwell) if kind)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The schema of each type, to draw operations from."""

    shapes: Mapping[Any, Json]
    schemas: Mapping[str, Json]
    public: bool

    def operation(self, each: _Described) -> Json:
        """The operation object of a call."""
        call = each.call
        operation: Json = {
            "operationId": each.handler.handler_name,
            "summary": call.summary,
            "description": getdoc(getattr(each.handler.fn, "func", each.handler.fn)),
            "tags": [call.tag],
            "parameters": [*_path_parameters(call), *self._query_parameters(call)],
            "responses": self._responses(call, reading=each.method == "get"),
        }
        if call.body:
            operation["requestBody"] = self._request_body(call.body)
        if call.access is not Access.EVERYONE:
            optional = call.access is Access.READERS and self.public
            operation["security"] = [{"bearer": []}, *([{}] if optional else [])]
        return operation

    def _query_parameters(self, call: Call) -> Iterator[Json]:
        query = self.schemas[call.query.__name__]
        for name, schema in query["properties"].items():
            description = schema.get("description")
            rest = {word: value for word, value in schema.items() if word != "description"}
            required = name in query["required"]
            yield {
                "name": name,
                "in": "query",
                "required": required,
                "description": description,
                "schema": rest,
            }

    def _request_body(self, kind: type[Body]) -> Json:
        schema = self.schemas[kind.__name__]
        examples = {name: _example(field) for name, field in schema["properties"].items()}
        return {
            "required": bool(schema["required"]) or issubclass(kind, Change),
            "content": {"application/json": {"schema": self.shapes[kind], "example": examples}},
        }

    def _responses(self, call: Call, *, reading: bool) -> Json:
        headers: Json = {}
        if reading:
            headers["ETag"] = _header("What the answer is known by; send it back as If-None-Match.")
        if call.linked:
            headers["Link"] = _header("The pages around this one: first, prev, next, last.")
        if call.cached:
            headers["X-Cache"] = _header("HIT or MISS, where the cache took part.")
        if call.limited:
            headers["RateLimit-Limit"] = _header("How many requests you may send in the time of the limit.")
            headers["RateLimit-Remaining"] = _header("How many of them are left.")
            headers["RateLimit-Reset"] = _header("In how many seconds more of them are free.")
        responses: Json = {str(status): self._success(status, call, headers) for status in call.successes}
        if reading:
            responses["304"] = {"description": "What you hold still stands."}
        for status in call.statuses:
            responses[str(status)] = {"$ref": f"#/components/responses/{_refused(status)}"}
        if call.unwell:
            responses["503"] = {"description": "Not well.", "content": self._content(call, call.unwell)}
        return responses

    def _success(self, status: int, call: Call, headers: Json) -> Json:
        success: Json = {"description": SUCCESSES[status]}
        if headers:
            success["headers"] = headers
        if call.answer:
            success["content"] = self._content(call, call.answer)
        return success

    def _content(self, call: Call, kind: object) -> Json:
        return {call.media_type: {"schema": self.shapes[kind]}}


def _complete(types: Iterable[Any], schemas: Mapping[str, Json]) -> None:
    """Say what msgspec cannot know: that a change changes something, and that our enums are texts."""
    for kind in types:
        if isinstance(kind, type) and issubclass(kind, Change):
            schemas[kind.__name__]["minProperties"] = 1
    for schema in schemas.values():
        if "enum" in schema:
            schema["type"] = "string"


def _described(routes: Iterable[BaseRoute]) -> Iterator[_Described]:
    for route in routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if "call" in handler.opt:
                    yield _Described(route.path_format, method.lower(), handler, handler.opt["call"])


def _path_parameters(call: Call) -> Iterator[Json]:
    for name, description in call.path.items():
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": {"type": "string"},
        }


def _refused(status: int) -> str:
    return FRAMEWORK[status][0].title().replace("_", "")


def _refusal(status: int) -> Json:
    code, message = FRAMEWORK[status]
    faults = ["limit must be a whole number from 1 to 100"] if status == 400 else []
    example = {
        "statusCode": status,
        "code": "validation_failed" if faults else code,
        "message": "Validation failed" if faults else message,
        "errors": faults,
        "timestamp": "2026-01-05T10:00:00.000Z",
        "path": "/api/v1/movies",
        "request_id": "5f0e6a3c9d8b4a7e8f1c2b3a4d5e6f70",
    }
    answer: Json = {
        "description": message,
        "content": {
            "application/json": {"schema": {"$ref": SCHEMAS.format(name="ErrorOut")}, "example": example}
        },
    }
    if status in {429, 503}:
        answer["headers"] = {"Retry-After": _header("Seconds to wait before another try.")}
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": _header("Bearer.")}
    return answer


def _example(field: Json) -> Any:  # noqa: ANN401  whatever the field holds
    """The first example of a field, or of what it may hold besides null."""
    schemas = (field, *field.get("anyOf", []))
    return next(schema["examples"][0] for schema in schemas if "examples" in schema)


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}


def _codes() -> str:
    listed = sorted(codes().items(), key=lambda each: (each[1][0], each[0]))
    return "\n".join(f"| `{code}` | {status} | {meaning} |" for code, (status, meaning) in listed)
