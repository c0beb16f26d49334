"""What a handler tells the documentation about the call that it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from entrypoints.http.asking import Query

GivenT = TypeVar("GivenT")

Given: TypeAlias = NamedDependency[SkipValidation[GivenT]]
"""A thing that the application gives to a handler, by the parameter's name.

Litestar must not look into it: it would take a use case, which is a dataclass, apart like something from the
wire.
"""

API = "/api/v1"
"""Where every call lives."""

ALWAYS = (400, 413, 500, 503)
"""What any call may be refused with: its parameters, a long body, our fault, a full service, no store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call; its description is the handler's docstring, its name the handler's.

    `answer` is the type of the 200's body, `query` its parameters, `path` the meaning of each part of the
    path. `refusals` are the statuses of errors besides `ALWAYS`; `unwell` is the body that a 503 may carry
    instead of an error; `linked` says that a `Link` header comes along.
    """

    summary: str
    tag: str
    answer: Any
    query: type[Query] = Query
    path: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
    unwell: Any = None
    linked: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses of the errors that it may answer."""
        return tuple(sorted({*ALWAYS, *self.refusals}))


def described(call: Call) -> dict[str, Any]:
    """The option of a route handler under which the documentation looks."""
    return {"call": call}
