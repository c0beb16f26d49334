"""The OpenAPI document, drawn from the routes: each handler carries the `Call` that it answers.

Litestar's own generator is not used: it describes what Litestar parses and encodes, while here queries are
read and answers encoded by Structs, whose JSON Schema msgspec knows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import Method

from domain.errors import Fault, FaultCode
from entrypoints.http.about import ATTRIBUTION, LICENCE
from entrypoints.http.endpoints import Access, Call, call_of
from entrypoints.http.errors import FRAMEWORK, ErrorOut, codes
from entrypoints.http.json_schemas import Json, JsonSchemas, reachable
from entrypoints.http.reading import Body, Change

TAGS = {
    "Movies": "The catalogue: lists, search and single movies.",
    "Genres": "The genres of the catalogue, and the movies of each.",
    "Ratings": "Your ratings from 1 to 10, and those of all users for a movie.",
    "Watchlist": "The movies that you want to see, with favourites and notes.",
    "Account": "Registration, login, tokens and your own account.",
    "Administration": "Users, syncs and upkeep. For admins only.",
    "Service": "Health, metrics and version. No token is needed.",
}
"""What each tag holds, in the order in which readers want them."""

METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")

DESCRIPTION = f"""A movie catalogue with everyone's ratings, watchlists and favourites.

{ATTRIBUTION}

To begin, create an account with `POST /api/v1/auth/register` or log in with `POST /api/v1/auth/login`. \
Send the `access_token` of the answer with every request, as `Authorization: Bearer <access_token>`.

- Requests and answers are JSON objects in UTF-8. Times are UTC, dates `YYYY-MM-DD`.
- Unknown parameters and fields are refused with 400. An error lists all that is wrong with a request.
- Lists come in pages: `data` holds the items, `meta` and the `Link` header lead to the other pages.
- With `fields=id,title`, an answer holds these fields only.
- Answers to GET carry an `ETag`. Send it back as `If-None-Match`, and the answer is 304 if nothing changed.
- HEAD works wherever GET does. Large answers are compressed if the client accepts it.
- Programs should look at the `code` of an error; the documentation page lists them at its end."""

EXAMPLE = Fault("limit", FaultCode.OUT_OF_RANGE, "must be a whole number from 1 to 100")

STATUSES = {
    200: "OK.",
    201: "Created.",
    202: "Accepted. It is done in the background.",
    204: "Done. The answer has no body.",
}

HEADERS: dict[str, Json] = {
    "Allow": {"description": "The methods that the path takes.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "Who may store the answer.", "schema": {"type": "string"}},
    "ETag": {
        "description": "Identifies the answer; send it back as `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Link": {"description": "The first, previous, next and last page.", "schema": {"type": "string"}},
    "RateLimit-Limit": {
        "description": "Number of requests that are allowed in the time window.",
        "schema": {"type": "integer", "format": "int32"},
    },
    "RateLimit-Remaining": {
        "description": "Number of requests that are left in the time window.",
        "schema": {"type": "integer", "format": "int32"},
    },
    "RateLimit-Reset": {
        "description": "Seconds until more requests are allowed.",
        "schema": {"type": "integer", "format": "int32"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "schema": {"type": "integer", "format": "int32"},
    },
    "WWW-Authenticate": {"description": "The authentication scheme, Bearer.", "schema": {"type": "string"}},
    "X-Cache": {
        "description": "Whether the answer came from the cache. Absent if there is none.",
        "schema": {"type": "string", "enum": ["HIT", "MISS"]},
    },
    "X-Request-ID": {
        "description": "The id of the request: the one that you sent, else a new one.",
        "schema": {"type": "string"},
    },
}
"""The headers of answers, by name."""

ON_ALL = ("X-Request-ID", "Cache-Control")
ON_LIMITED = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
ON_REFUSALS = {
    401: ("WWW-Authenticate", *ON_LIMITED),
    405: ("Allow",),
    429: ("Retry-After", *ON_LIMITED),
    503: ("Retry-After",),
}


def document(routes: Iterable[BaseRoute], *, version: str, public: bool) -> Json:
    """The OpenAPI 3.1 document of these routes. `public` says that the catalogue wants no token."""
    described = list(_described(routes))
    drawing = _Drawing(_schemas(described), public=public)
    paths: dict[str, Json] = {}
    for each in described:
        paths.setdefault(each.path, {})[each.method] = drawing.operation(each)
    responses = {_refused(status): _refusal(status, drawing.schemas) for status in FRAMEWORK}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Matinee",
            "version": version,
            "description": DESCRIPTION,
            "contact": {"name": "The administrator of this server"},
            "license": {"name": LICENCE, "identifier": LICENCE},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": reachable(drawing.schemas.components, [paths, responses]),
            "responses": responses,
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access_token` of a registration, a login or a refresh.",
                }
            },
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

    @property
    def narrowed(self) -> bool:
        """Whether the client chooses fields of the answer."""
        return "fields" in self.call.query.__struct_fields__

    @property
    def description(self) -> str:
        """The docstring of the handler, a line for each paragraph."""
        words = getdoc(getattr(self.handler.fn, "func", self.handler.fn)) or ""
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in words.split("\n\n"))


def _described(routes: Iterable[BaseRoute]) -> list[_Described]:
    """The calls by tag, then in the order of their routes."""
    found: list[_Described] = []
    for route in routes:
        handlers = route.route_handler_map if isinstance(route, HTTPRoute) else {}
        for method in METHODS:
            handler, _ = handlers.get(method, (None, None))
            call = call_of(handler.opt) if handler else None
            if handler and call:
                found.append(_Described(route.path_format, method.lower(), handler, call))
    tags = list(TAGS)
    return sorted(found, key=lambda each: tags.index(each.call.tag))


def _schemas(described: Iterable[_Described]) -> JsonSchemas:
    """The schemas of all that goes in and out. A body is named after its operation: `RateMovieInput`."""
    types = [*(kind for each in described for kind in each.types), ErrorOut]
    bodies = {
        each.call.body: f"{each.call.operation_id[0].upper()}{each.call.operation_id[1:]}Input"
        for each in described
        if each.call.body
    }
    schemas = JsonSchemas(types, bodies)
    for body in bodies:
        if issubclass(body, Change):
            schemas.component(body)["minProperties"] = 1
    return schemas


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Draws operations from the schema of each type."""

    schemas: JsonSchemas
    public: bool

    def operation(self, each: _Described) -> Json:
        """The operation object of a call."""
        call = each.call
        operation: Json = {
            "operationId": call.operation_id,
            "summary": call.summary,
            "description": each.description,
            "tags": [call.tag],
            "security": self._security(call.access),
            "parameters": [*_path_parameters(call), *self._query_parameters(call)],
            "responses": self._responses(each),
        }
        if call.body:
            operation["requestBody"] = self._request_body(call.body)
        return operation

    def _security(self, access: Access) -> list[Json]:
        if access is Access.EVERYONE:
            return []
        return [{"bearer": []}, *([{}] if access is Access.READERS and self.public else [])]

    def _query_parameters(self, call: Call) -> Iterator[Json]:
        query = self.schemas.component(call.query)
        for name, schema in query["properties"].items():
            yield {
                "name": name,
                "in": "query",
                "required": name in query["required"],
                "description": schema["description"],
                "schema": {word: value for word, value in schema.items() if word != "description"},
            }

    def _request_body(self, kind: type[Body]) -> Json:
        fields = self.schemas.component(kind)
        examples = {name: field["examples"][0] for name, field in fields["properties"].items()}
        return {
            "required": bool(fields["required"]) or issubclass(kind, Change),
            "content": {"application/json": {"schema": self.schemas[kind], "example": examples}},
        }

    def _responses(self, each: _Described) -> Json:
        call, reading = each.call, each.method == "get"
        names = [*ON_ALL]
        names += ["ETag"] if reading else []
        names += ["Link"] if call.linked else []
        names += ["X-Cache"] if call.cached else []
        names += ON_LIMITED if call.limited else ()
        responses: Json = {str(status): self._success(status, each, names) for status in call.successes}
        if reading:
            unchanged = [name for name in names if name != "Link"]
            responses["304"] = {"description": "Not changed. The answer has no body.", **_headers(unchanged)}
        for status in call.statuses:
            responses[str(status)] = {"$ref": f"#/components/responses/{_refused(status)}"}
        if call.unwell:
            either = {"anyOf": [self.schemas[call.unwell], self.schemas[ErrorOut]]}
            responses["503"] = {
                "description": "It is down, or the service cannot answer at the moment.",
                **_headers([*ON_ALL, "Retry-After"]),
                "content": {call.media_type: {"schema": either}},
            }
        return responses

    def _success(self, status: int, each: _Described, headers: Iterable[str]) -> Json:
        call, success = each.call, {"description": STATUSES[status], **_headers(headers)}
        if call.answer:
            schema = self.schemas.narrowed(call.answer) if each.narrowed else self.schemas[call.answer]
            success["content"] = {call.media_type: {"schema": schema}}
        return success


def _path_parameters(call: Call) -> Iterator[Json]:
    for name, parameter in call.path.items():
        schema: Json = {"type": "string", "examples": [parameter.example]}
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": parameter.description,
            "schema": {**schema, "pattern": parameter.pattern} if parameter.pattern else schema,
        }


def _refused(status: int) -> str:
    return FRAMEWORK[status][0].title().replace("_", "")


def _refusal(status: int, schemas: JsonSchemas) -> Json:
    """The response to a request that is refused with this status."""
    code, message = FRAMEWORK[status]
    faults = [EXAMPLE] if status == 400 else []
    example = {
        "statusCode": status,
        "code": "validation_failed" if faults else code,
        "message": "Validation failed" if faults else message,
        "errors": [str(fault) for fault in faults],
        "details": [{"field": fault.field, "code": fault.code, "message": fault.message} for fault in faults],
        "timestamp": "2026-01-05T10:00:00.000Z",
        "path": "/api/v1/movies",
        "request_id": "5f0e6a3c9d8b4a7e8f1c2b3a4d5e6f70",
    }
    words = sorted(code for code, (its, _) in codes().items() if its == status)
    return {
        "description": f"{message}. `code` is {_either(words)}.",
        **_headers([*ON_ALL, *ON_REFUSALS.get(status, ())]),
        "content": {"application/json": {"schema": schemas[ErrorOut], "example": example}},
    }


def _either(words: list[str]) -> str:
    """A choice in words: "`a`, `b` or `c`"."""
    quoted = [f"`{word}`" for word in words]
    return " or ".join([*([", ".join(quoted[:-1])] if quoted[:-1] else []), quoted[-1]])


def _headers(names: Iterable[str]) -> Json:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}
