"""Forms: their fields as the Structs of the API, and their errors beside the fields."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from litestar.exceptions import HTTPException
from litestar.types import Scope

from domain.errors import Conflict, Fault, Forbidden, Invalid, InvalidFields, NotFound, Unauthenticated
from entrypoints.http.errors import problem_of
from entrypoints.http.exceptions import TooManyRequests
from entrypoints.http.requests import HttpRequest, split_query
from entrypoints.http.schemas import Body
from entrypoints.validation import ExtraRules, validate
from entrypoints.web.paths import local_path
from entrypoints.web.rendering import texts_of

SECRET_FIELDS = frozenset({"password", "current_password", "new_password"})
"""Fields whose values are not shown again."""

BodyT = TypeVar("BodyT", bound=Body)
ResultT = TypeVar("ResultT")


class NotAForm(HTTPException):
    """The request body is not a form as browsers send it."""

    status_code = 415


@dataclass(frozen=True, slots=True, kw_only=True)
class FormErrors:
    """What is wrong with a form: a message about the whole, and one for each field at fault."""

    status: int = 200
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: Exception, scope: Scope) -> "FormErrors":
        """The errors as the API would report them, in the language of the request."""
        problem, texts = problem_of(error), texts_of(scope)
        fields: dict[str, str] = {}
        for fault in problem.faults:
            fields.setdefault(fault.field, texts.fault(fault))
        message = texts("forms.invalid") if fields else texts.error(problem.code, problem.message)
        return cls(status=problem.status, message=message, fields=fields)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form as they were sent, without empty ones."""

    fields: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    next: str = ""

    def parse(self, kind: type[BodyT], *, extra_rules: ExtraRules = lambda _: ()) -> BodyT:
        """The fields as a body of the API. Raises InvalidFields with all errors."""
        if self.faults:
            raise InvalidFields(self.faults)
        parsed = validate(kind, self.fields, strict=False, extra_rules=extra_rules)
        if faults := parsed.conflicts():
            raise InvalidFields(faults)
        return parsed

    @property
    def shown(self) -> dict[str, str]:
        """The fields to show again in the form."""
        return {name: value for name, value in self.fields.items() if name not in SECRET_FIELDS}


def read_form(request: HttpRequest, body: bytes) -> Form:
    """Read a form. Its field `next` is the path to go to afterwards. Raises NotAForm."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/x-www-form-urlencoded":
        raise NotAForm
    raw, faults = split_query(body)
    lines = {name: value.replace("\r\n", "\n") for name, value in raw.items() if value}
    target = lines.pop("next", "")
    return Form(lines, tuple(faults), local_path(target) if target else "")


async def submit(
    action: Callable[[], Awaitable[ResultT]],
    show_again: Callable[[FormErrors], Awaitable[ResultT]],
    scope: Scope,
) -> ResultT:
    """The result of an action, or the form again with the errors of what was entered."""
    try:
        return await action()
    except (Invalid, NotFound, Conflict, Forbidden, Unauthenticated, TooManyRequests) as error:
        return await show_again(FormErrors.of(error, scope))
