"""The OpenAPI document, generated from the `Endpoint` of each route.

Litestar's generator is not used: it knows nothing of the msgspec Structs by which queries and bodies are
parsed and responses encoded; see ADR 13.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import getdoc

from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import Method

from domain.errors import Fault, FaultCode
from entrypoints.http import ATTRIBUTION, LICENCE
from entrypoints.http.endpoints import Access, Endpoint, endpoint_of
from entrypoints.http.errors import STATUS_ERRORS, ErrorOut, codes
from entrypoints.http.json_schemas import Json, JsonSchemas, reachable, set_apart
from entrypoints.http.schemas import Body, PatchBody
from entrypoints.http.uploads import FILE_NAME_HEADER

TAGS = {
    "Movies": "The catalogue: lists, search and single movies.",
    "Genres": "The genres of the catalogue, and the movies of each.",
    "Ratings": "Your ratings from 1 to 10, and those of all users for a movie.",
    "Watchlist": "The movies that you want to see, with favourites and notes.",
    "Diary": "The days on which you have seen movies, and all that you have of a movie.",
    "Imports": "What you have kept in other services: upload, review, apply, undo.",
    "Recommendations": "What to see beside a movie, and next; and movies to leave out.",
    "Account": "Registration, login, tokens and your own account.",
    "Administration": "Users, syncs and upkeep. For admins only.",
    "Service": "Health, metrics and version. No token is needed.",
}
"""The tags with their descriptions, in the order of the document."""

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

EXAMPLE_FAULT = Fault("limit", FaultCode.OUT_OF_RANGE, "must be a whole number from 1 to 100")

SUCCESS_DESCRIPTIONS = {
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
"""All response headers, by name."""

FILE: Json = {"type": "string", "format": "binary", "description": "An exported file, or a zip of them."}

UPLOADED: Json = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": FILE},
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": FILE}, "required": ["file"]}
        },
    },
}
"""The request body of an endpoint that takes a file."""

REPORTED: Json = {
    "required": True,
    "content": {
        "application/json": {"schema": {"type": "object"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"payload": {"type": "string", "description": "The event, as JSON."}},
                "required": ["payload"],
            }
        },
    },
}
"""The request body of an endpoint that players call: JSON, which may be declared as any type, or a form."""

FILE_NAME: Json = {
    "name": FILE_NAME_HEADER,
    "in": "header",
    "required": False,
    "description": "The name of the file, if it is the body. A form has it itself.",
    "schema": {"type": "string", "examples": ["ratings.csv"]},
}

COMMON_HEADERS = ("X-Request-ID", "Cache-Control")
LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
ERROR_HEADERS = {
    401: ("WWW-Authenticate", *LIMIT_HEADERS),
    405: ("Allow",),
    429: ("Retry-After", *LIMIT_HEADERS),
    503: ("Retry-After",),
}


def document(routes: Iterable[BaseRoute], *, version: str, public: bool) -> Json:
    """The OpenAPI 3.1 document of these routes. `public`: the catalogue can be read without a token."""
    operations = list(_operations(routes))
    generator = _Generator(_schemas(operations), public=public)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = generator.operation(operation)
    responses = {
        _response_name(status): _error_response(status, generator.schemas) for status in STATUS_ERRORS
    }
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
            "schemas": {
                name: set_apart(component)
                for name, component in reachable(generator.schemas.components, [paths, responses]).items()
            },
            "responses": responses,
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An API token, or the `access_token` of a registration, login or refresh.",
                }
            },
        },
    }


@dataclass(frozen=True, slots=True)
class _Operation:
    """An endpoint with its path and method."""

    path: str
    method: str
    handler: HTTPRouteHandler
    endpoint: Endpoint

    @property
    def description(self) -> str:
        """The docstring of the handler, with one line for each paragraph."""
        text = getdoc(getattr(self.handler.fn, "func", self.handler.fn)) or ""
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _operations(routes: Iterable[BaseRoute]) -> list[_Operation]:
    """The operations, sorted by tag; those of a tag in the order of their routes."""
    found: list[_Operation] = []
    for route in routes:
        handlers = route.route_handler_map if isinstance(route, HTTPRoute) else {}
        for method in METHODS:
            handler, _ = handlers.get(method, (None, None))
            endpoint = endpoint_of(handler.opt) if handler else None
            if handler and endpoint:
                found.append(_Operation(route.path_format, method.lower(), handler, endpoint))
    tags = list(TAGS)
    return sorted(found, key=lambda operation: tags.index(operation.endpoint.tag))


def _schemas(operations: Iterable[_Operation]) -> JsonSchemas:
    """The schemas of all types. A body is named after its operation: `RateMovieInput`."""
    endpoints = [operation.endpoint for operation in operations]
    types = [
        kind for each in endpoints for kind in (each.query, each.body, each.answer, each.unavailable) if kind
    ]
    bodies = {
        endpoint.body: f"{endpoint.operation_id[0].upper()}{endpoint.operation_id[1:]}Input"
        for endpoint in endpoints
        if endpoint.body
    }
    schemas = JsonSchemas([*types, ErrorOut], bodies)
    for body in bodies:
        if issubclass(body, PatchBody):
            schemas.component(body)["minProperties"] = 1
    return schemas


@dataclass(frozen=True, slots=True)
class _Generator:
    """Generates the operation objects."""

    schemas: JsonSchemas
    public: bool

    def operation(self, operation: _Operation) -> Json:
        """The operation object of an endpoint."""
        endpoint = operation.endpoint
        result: Json = {
            "operationId": endpoint.operation_id,
            "summary": endpoint.summary,
            "description": operation.description,
            "tags": [endpoint.tag],
            "security": self._security(endpoint.access, hook=endpoint.hook),
            "parameters": [
                *_path_parameters(endpoint),
                *self._query_parameters(endpoint),
                *([FILE_NAME] if endpoint.uploads else []),
                *([IDEMPOTENCY_KEY] if _is_repeatable(operation) else []),
            ],
            "responses": self._responses(operation),
        }
        if endpoint.body:
            result["requestBody"] = self._request_body(endpoint.body, endpoint.max_entries)
        elif endpoint.uploads:
            result["requestBody"] = UPLOADED
        elif endpoint.hook:
            result["requestBody"] = REPORTED
        return result

    def _security(self, access: Access, *, hook: bool) -> list[Json]:
        if access is Access.EVERYONE or hook:
            return []
        return [{"bearer": []}, *([{}] if access is Access.READERS and self.public else [])]

    def _query_parameters(self, endpoint: Endpoint) -> Iterator[Json]:
        query = self.schemas.component(endpoint.query)
        for name, schema in query["properties"].items():
            yield {
                "name": name,
                "in": "query",
                "required": name in query["required"],
                "description": schema["description"],
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }

    def _request_body(self, kind: type[Body], max_entries: int) -> Json:
        fields = self.schemas.component(kind)
        examples = {name: field["examples"][0] for name, field in fields["properties"].items()}
        if max_entries:
            schema = {"type": "array", "items": self.schemas[kind], "maxItems": max_entries}
            return {
                "required": True,
                "content": {"application/json": {"schema": schema, "example": [examples]}},
            }
        return {
            "required": bool(fields["required"]) or issubclass(kind, PatchBody),
            "content": {"application/json": {"schema": self.schemas[kind], "example": examples}},
        }

    def _responses(self, operation: _Operation) -> Json:
        endpoint, is_get = operation.endpoint, operation.method == "get"
        names = [*COMMON_HEADERS]
        names += ["ETag"] if is_get else []
        names += ["Link"] if endpoint.linked else []
        names += ["X-Cache"] if endpoint.cached else []
        names += LIMIT_HEADERS if endpoint.limited else ()
        responses: Json = {
            str(status): self._success(status, endpoint, names) for status in endpoint.successes
        }
        if is_get:
            not_modified = [name for name in names if name != "Link"]
            responses["304"] = {
                "description": "Not changed. The answer has no body.",
                **_headers(not_modified),
            }
        for status in endpoint.all_errors(writes=not is_get, repeatable=_is_repeatable(operation)):
            responses[str(status)] = {"$ref": f"#/components/responses/{_response_name(status)}"}
        if endpoint.unavailable:
            either = {"anyOf": [self.schemas[endpoint.unavailable], self.schemas[ErrorOut]]}
            responses["503"] = {
                "description": "It is down, or the service cannot answer at the moment.",
                **_headers([*COMMON_HEADERS, "Retry-After"]),
                "content": {endpoint.media_type: {"schema": either}},
            }
        return responses

    def _success(self, status: int, endpoint: Endpoint, headers: Iterable[str]) -> Json:
        response = {"description": SUCCESS_DESCRIPTIONS[status], **_headers(headers)}
        if answer := endpoint.answer:
            narrowed = "fields" in endpoint.query.__struct_fields__
            schema = self.schemas.narrowed(answer) if narrowed else self.schemas[answer]
            files = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in endpoint.files}
            response["content"] = {endpoint.media_type: {"schema": schema}, **files}
        return response


def _path_parameters(endpoint: Endpoint) -> Iterator[Json]:
    for name, parameter in endpoint.path.items():
        schema: Json = {"type": "string", "examples": [parameter.example]}
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": parameter.description,
            "schema": {**schema, "pattern": parameter.pattern} if parameter.pattern else schema,
        }


IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new text for each request. The same request with the same key is carried out once "
    "within 24 hours, and has the same answer.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$", "examples": ["8e7b1c04-d9b4-4b6f"]},
}


def _is_repeatable(operation: _Operation) -> bool:
    """Whether an idempotency key counts."""
    return operation.method == "post" and operation.endpoint.access is not Access.EVERYONE


def _response_name(status: int) -> str:
    return STATUS_ERRORS[status][0].title().replace("_", "")


def _error_response(status: int, schemas: JsonSchemas) -> Json:
    """The response object for errors with this status."""
    code, message = STATUS_ERRORS[status]
    faults = [EXAMPLE_FAULT] if status == 400 else []
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
    possible = sorted(code for code, (its_status, _) in codes().items() if its_status == status)
    return {
        "description": f"{message}. `code` is {_alternatives(possible)}.",
        **_headers([*COMMON_HEADERS, *ERROR_HEADERS.get(status, ())]),
        "content": {"application/json": {"schema": schemas[ErrorOut], "example": example}},
    }


def _alternatives(names: list[str]) -> str:
    """An enumeration of names: "`a`, `b` or `c`"."""
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} or {last}" if others else last


def _headers(names: Iterable[str]) -> Json:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}
