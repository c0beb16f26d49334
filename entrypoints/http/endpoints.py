"""What a handler tells the documentation about the call that it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from domain.ids import UserId
from entrypoints.http import BASE
from entrypoints.http.reading import Body
from entrypoints.http.requests import Query
from entrypoints.http.responses import PRIVATE

GivenT = TypeVar("GivenT")

Given: TypeAlias = NamedDependency[SkipValidation[GivenT]]
"""A thing that the application gives to a handler, by the parameter's name.

Litestar must not look into it: it would take a use case, which is a dataclass, apart like something from the
wire.
"""

CacheName: TypeAlias = Callable[[Any, Mapping[str, str], UserId | None], str | None]
"""Names the cache key of an answer by the parsed query, the path's parameters and, if the answer is the
caller's own, the caller; None if it cannot be cached.
"""

API = BASE
"""Where every call lives."""

ALWAYS = (400, 405, 408, 413, 431, 500, 503)
"""What any call may be refused with: its parameters, a slow request, a long body or head, our fault, a full
service, no store; and 405, which is the answer to another method at the same path.
"""


class Access(StrEnum):
    """Whom a call is for; readers are everyone where the catalogue is public, else users."""

    EVERYONE = "everyone"
    READERS = "readers"
    USERS = "users"
    ADMINS = "admins"


REFUSED = {Access.EVERYONE: (), Access.READERS: (401,), Access.USERS: (401,), Access.ADMINS: (401, 403)}
"""What everyone else gets."""

REMOVING = 200
"""The status that Litestar must think a DELETE has: with 204 it allows no answer that sends itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathParameter:
    """A part of a path: what it means, an example, and a pattern where all values have one."""

    description: str
    example: str
    pattern: str | None = None


def id_of(thing: str) -> PathParameter:
    """The path parameter that is the id of such a thing, and nothing else."""
    return PathParameter(
        description=f"The id of the {thing}.", example="8e7b1c04d9b44b6f9a2d3c51", pattern="^[0-9a-f]{24}$"
    )


MOVIE_REF = PathParameter(
    description="Our id, the TMDB number (`603`) or the IMDb id (`tt0133093`) of the movie.", example="603"
)
GENRE_REF = PathParameter(
    description="Our id, the TMDB number (`878`) or the name, in any case, of the genre.", example="878"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call; its description is the handler's docstring.

    `operation_id` is the name that generated clients give to it, `tag` one of `openapi.TAGS`.
    `answer` is the type of the body that comes with each of `successes`, as `media_type`; None is no body.
    `query` are its parameters, `body` the fields that it takes, `path` the parameters in its path.
    `refusals` are the statuses of errors besides `ALWAYS` and those of its access; `unwell` is the body that
    a 503 may carry instead of an error; `linked` says that a `Link` header comes along, `limited` that it
    counts against the caller's limit. `own` says that what it shows is the caller's own, so that it is
    another list, and another answer, for each. `cached` names the key under which its answers are cached.
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
    refusals: tuple[int, ...] = ()
    unwell: Any = None
    media_type: str = "application/json"
    linked: bool = False
    own: bool = False
    cached: CacheName | None = None
    limited: bool = True

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses of the errors that it may answer."""
        unread = (415,) if self.body else ()
        counted = (429,) if self.limited else ()
        return tuple(sorted({*ALWAYS, *unread, *counted, *REFUSED[self.access], *self.refusals}))


def described(call: Call) -> dict[str, Any]:
    """The options of a route handler: what the guard and the documentation look for, and who may keep it."""
    private = {"cache_control": PRIVATE} if call.access in {Access.USERS, Access.ADMINS} else {}
    return {"call": call, **private}


def call_of(options: Mapping[str, Any]) -> Call | None:
    """The call that a route with these options answers; None for the documentation and its files."""
    call: Call | None = options.get("call")
    return call
