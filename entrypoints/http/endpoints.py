"""Endpoints, declared for the OpenAPI document, the guard and the cache."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from domain.ids import UserId
from entrypoints.http.responses import PRIVATE
from entrypoints.http.schemas import Body, Query

InjectedT = TypeVar("InjectedT")

Injected: TypeAlias = NamedDependency[SkipValidation[InjectedT]]
"""A parameter of a handler that the application provides by its type (`dependencies.bound`).

Validation is skipped, or Litestar would convert a use case, which is a dataclass, like a request body.
"""

CacheKey: TypeAlias = Callable[[Any, Mapping[str, str], UserId | None], str | None]
"""Computes a cache key from the query, the path parameters and the owner of the answer, if it has one.

None means that the response is not cached.
"""

COMMON_ERRORS = (400, 405, 408, 413, 431, 500, 503)
"""The statuses of errors that every endpoint may return; 405 is for other methods of the same path."""


class Access(StrEnum):
    """Who may call an endpoint. Readers are everyone if the catalogue is public, otherwise users."""

    EVERYONE = "everyone"
    READERS = "readers"
    USERS = "users"
    ADMINS = "admins"


ACCESS_ERRORS = {Access.EVERYONE: (), Access.READERS: (401,), Access.USERS: (401,), Access.ADMINS: (401, 403)}
"""The statuses for callers who may not call."""

DELETE_STATUS = 200
"""The status that Litestar is given for a DELETE: with 204 it allows no response object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathParameter:
    """A path parameter; `pattern` is a regular expression that all its values match."""

    description: str
    example: str
    pattern: str | None = None


def id_parameter(noun: str) -> PathParameter:
    """A path parameter that is the id of an object; `noun` names the object in the description."""
    return PathParameter(
        description=f"The id of the {noun}.", example="8e7b1c04d9b44b6f9a2d3c51", pattern="^[0-9a-f]{24}$"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An operation of the API. Its description is the docstring of the handler.

    - `operation_id`: the name of the operation in generated clients.
    - `tag`: one of `openapi.TAGS`.
    - `answer`: the type of the response body, or None; it comes with each of `successes`, as `media_type`.
    - `query`, `body`, `path`: the parameters, the fields of the body, the path parameters.
    - `errors`: the statuses of errors besides `COMMON_ERRORS` and those of `access`.
    - `unavailable`: the type of the body that a 503 may have instead of an error.
    - `linked`: whether the response has a `Link` header.
    - `own`: whether the answer depends on the caller, so that it is cached for each user, and cursors of one
      user are not valid for another.
    - `cached`: computes the cache key of a response.
    - `limited`: whether a request counts against the rate limit.
    - `max_entries`: if it is not 0, the body is a list of up to so many objects with the fields of `body`.
    - `sessions_only`: whether API tokens may not call it, only people who are signed in.
    - `files`: the media types of other answers, which are files.
    - `uploads`: whether the body is a file, or a form with files.
    - `hook`: whether players call it: the path has an API token as `token`, and the body may have any form.
    """

    operation_id: str
    summary: str
    tag: str
    answer: Any
    access: Access = Access.EVERYONE
    query: type[Query] = Query
    body: type[Body] | None = None
    path: Mapping[str, PathParameter] = field(default_factory=dict)
    successes: tuple[int, ...] = (200,)
    errors: tuple[int, ...] = ()
    unavailable: Any = None
    media_type: str = "application/json"
    linked: bool = False
    own: bool = False
    cached: CacheKey | None = None
    limited: bool = True
    max_entries: int = 0
    sessions_only: bool = False
    uploads: bool = False
    hook: bool = False
    files: tuple[str, ...] = ()

    def all_errors(self, *, writes: bool, repeatable: bool = False) -> tuple[int, ...]:
        """The statuses of all errors. An endpoint that `writes` refuses some API tokens, a `repeatable`
        one some idempotency keys.
        """
        of_body = (415,) if self.body or self.uploads or self.hook else ()
        of_limit = (429,) if self.limited else ()
        needs_token = self.access is not Access.EVERYONE
        of_token = (403,) if needs_token and (writes or self.sessions_only) else ()
        of_access = ACCESS_ERRORS[self.access]
        of_key = (409,) if needs_token and repeatable else ()
        return tuple(
            sorted({*COMMON_ERRORS, *of_body, *of_limit, *of_access, *of_token, *of_key, *self.errors})
        )


def endpoint_opt(endpoint: Endpoint) -> dict[str, Any]:
    """The options of a route handler: the endpoint, and `cache_control` if only the client may cache it."""
    private = {"cache_control": PRIVATE} if endpoint.access in {Access.USERS, Access.ADMINS} else {}
    return {"endpoint": endpoint, **private}


def endpoint_of(options: Mapping[str, Any]) -> Endpoint | None:
    """The endpoint in the options of a route handler; None for the documentation and its files."""
    endpoint: Endpoint | None = options.get("endpoint")
    return endpoint
